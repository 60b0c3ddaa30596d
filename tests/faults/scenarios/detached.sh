# run -d, stop, rm: whichever of the three is hit, rm -f ends the container and a new one starts.
scenario_setup() { load_image; }
scenario_run() {
	corten run -d --name faults --network none "$image" sleep 1000
	corten stop -t 0 faults
	corten rm faults
}
scenario_mend() {
	remove_container faults
	works faults
}
