# exec in a running container: a kill ends the exec, the container runs on and takes the next one.
scenario_setup() { load_image; }
scenario_run() {
	corten run -d --name faults --network none "$image" sleep 1000
	corten exec faults true
}
scenario_mend() {
	if ! corten exec faults true; then
		# The kill hit before the container ran, or hit its shim.
		remove_container faults
		corten run -d --name faults --network none "$image" sleep 1000
		corten exec faults true
	fi
	corten rm -f faults
}
