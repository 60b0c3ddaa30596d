# What scenarios may use. A scenario is a file that defines
#   scenario_programs   names to kill, in the order of the sweep
#   scenario_setup      once: makes what each run starts from; what lies in the folders is kept as a copy
#   scenario_run        what is done while a program is killed
#   scenario_mend       the next command a user would give; it must succeed, and end where an
#                       undisturbed run followed by it ends
#   scenario_check      looks whether the mended instance is well; by default it counts snapshots
# They run with set -e, $CORTEN the program under test, CORTEN_ROOT and CORTEN_STATE set, and $SCRATCH a
# folder of the sweep's own.

image=localhost/faults:latest
scenario_programs="corten corten-worker containerd-shim-corten-v2 corten-runtime"
# The image's layer, and nothing that a broken run has made.
scenario_check() { snapshots_are 1; }

corten() { "$CORTEN" "$@"; }

# blob FILE FOLDER: puts FILE into an OCI layout's blobs; prints its digest and size.
blob() {
	local digest
	digest=$(sha256sum "$1" | cut -d' ' -f1)
	cp "$1" "$2/blobs/sha256/$digest"
	echo "sha256:$digest $(stat -c %s "$1")"
}

# busybox_archive FILE: an OCI archive of one layer with busybox in it, named $image.
busybox_archive() {
	local work=$SCRATCH/archive layer layer_size config config_size manifest manifest_size tool
	[ -x /bin/busybox ] || { echo "busybox-static is not installed"; return 77; }
	rm -rf "$work"
	mkdir -p "$work/rootfs/bin" "$work/rootfs/tmp" "$work/layout/blobs/sha256"
	cp /bin/busybox "$work/rootfs/bin/"
	for tool in sh true false cat sleep echo rm; do
		ln -s busybox "$work/rootfs/bin/$tool"
	done
	tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work/rootfs" \
		-cf "$work/layer" .
	read -r layer layer_size <<<"$(blob "$work/layer" "$work/layout")"
	printf '{"architecture":"%s","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["%s"]}}' \
		"$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')" "$layer" >"$work/config"
	read -r config config_size <<<"$(blob "$work/config" "$work/layout")"
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"%s","size":%s}]}' \
		"$config" "$config_size" "$layer" "$layer_size" >"$work/manifest"
	read -r manifest manifest_size <<<"$(blob "$work/manifest" "$work/layout")"
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%s,"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"}}]}' \
		"$manifest" "$manifest_size" "$image" "${image##*:}" >"$work/layout/index.json"
	printf '{"imageLayoutVersion":"1.0.0"}' >"$work/layout/oci-layout"
	tar -C "$work/layout" -cf "$1" .
	rm -rf "$work"
}

# snapshots_are N: the folders of snapshots; their numbers differ, so the inventory does not compare them.
snapshots_are() {
	local n
	n=$(find "$CORTEN_ROOT/snapshots" -mindepth 1 -maxdepth 1 -type d | wc -l)
	[ "$n" -eq "$1" ] || { echo "$n snapshots where $1 are wanted"; return 1; }
}

# Loads the image, which most scenarios start from.
load_image() {
	busybox_archive "$SCRATCH/image.tar"
	corten load -i "$SCRATCH/image.tar"
}

# True when a new container runs and its output arrives.
works() {
	local words
	words=$(corten run --rm --name "${1:-faults}" --network none "$image" echo it works)
	[ "$words" = "it works" ] || { echo "a new container printed '$words'"; return 1; }
}

# Removes container $1 whatever its state; that there is none is fine, any other failure is not.
remove_container() {
	local words
	if ! words=$(corten rm -f "$1" 2>&1); then
		grep -qi 'no such container' <<<"$words" || { echo "$words"; return 1; }
	fi
}
