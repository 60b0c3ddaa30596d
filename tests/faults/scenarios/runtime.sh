# The runtime alone, as an engine drives it: wherever it is killed, `delete -f` removes what is left, and the id is free.
scenario_programs="corten-runtime"
runtime() { "${CORTEN%/*}/corten-runtime" --root "$CORTEN_STATE/runtime" "$@" </dev/null >/dev/null; }
scenario_setup() {
	[ -x /bin/busybox ] || { echo "busybox-static is not installed"; return 77; }
	mkdir -p "$CORTEN_ROOT/bundle/rootfs/bin"
	cp /bin/busybox "$CORTEN_ROOT/bundle/rootfs/bin/"
	ln -s busybox "$CORTEN_ROOT/bundle/rootfs/bin/sleep"
	ln -s busybox "$CORTEN_ROOT/bundle/rootfs/bin/true"
	"${CORTEN%/*}/corten-runtime" spec -b "$CORTEN_ROOT/bundle"
	# The group's name is one that the inventory looks for.
	jq '.process.terminal = false | .process.args = ["/bin/sleep", "1000"] | .linux.cgroupsPath = "/corten-faults-runtime"' \
		<"$CORTEN_ROOT/bundle/config.json" >"$SCRATCH/config.json"
	mv "$SCRATCH/config.json" "$CORTEN_ROOT/bundle/config.json"
}
scenario_run() {
	runtime create -b "$CORTEN_ROOT/bundle" faults
	runtime start faults
	runtime exec faults /bin/true
	runtime kill faults KILL
	runtime delete -f faults
}
scenario_mend() {
	runtime delete -f faults
	runtime run -d -b "$CORTEN_ROOT/bundle" faults
	runtime delete -f faults
}
scenario_check() { [ -z "$(ls -A "$CORTEN_STATE/runtime")" ]; }
