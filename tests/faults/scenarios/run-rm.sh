# A container that runs and is removed: after a kill its name is free again.
scenario_setup() { load_image; }
scenario_run() { corten run --rm --name faults --network none "$image" true; }
scenario_mend() {
	remove_container faults
	works faults
}
