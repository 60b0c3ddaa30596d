# For .bats files: an instance of its own for each test, and the inventory around it.
#
#	setup() { load ../inventory/instance; instance_setup; }
#	teardown() { instance_teardown; }
#
# A test that keeps something on purpose (a loaded image) calls instance_mark afterwards.

# Images of other tools: the lab's, or those that ./check makes with what is installed.
LAB_IMAGES=${CORTEN_LAB:-/var/cache/corten-lab}/images
[ -f "$LAB_IMAGES/MANIFEST.tsv" ] || LAB_IMAGES=$(readlink -f "$BATS_TEST_DIRNAME/../..")/build/images

need_lab_image() {
	[ -f "$LAB_IMAGES/$1" ] || skip "no $1: run tests/lab/images.sh here build/images"
}

instance_setup() {
	local top
	top=$(readlink -f "$BATS_TEST_DIRNAME/../..")
	CORTEN=${CORTEN:-$top/build/bin/corten}
	TOOLS=${TOOLS:-$top/build/tests}
	# Sockets lie below the state folder, and their paths are limited to 107 bytes: a short name.
	INSTANCE=$(mktemp -d /tmp/ct.XXXXXX)
	export CORTEN TOOLS INSTANCE CORTEN_ROOT=$INSTANCE/r CORTEN_STATE=$INSTANCE/s
	# A bridge outlives its containers, so that only tests of networks have one.
	export CORTEN_NETWORK=none
	mkdir "$CORTEN_ROOT" "$CORTEN_STATE"
	instance_mark
}

# What is there now is what must be there at the end.
instance_mark() {
	"$TOOLS/inventory/inventory" snapshot >"$INSTANCE/before"
}

# Fails the test when something is left behind or gone. Files are compared only with INSTANCE_FILES=1, after
# an instance_mark: the first command makes databases and folders that stay.
instance_teardown() {
	local status=0 kinds=process,namespace,mount,cgroup,link,address,nft end=$((SECONDS + 20))
	# Behind a removal a process empties the trash; it ends by itself.
	while pgrep -f -- "--root $INSTANCE/.* system empty-trash" >/dev/null && [ $SECONDS -lt $end ]; do
		read -r -t 0.05 <> <(:) || true
	done
	[ -z "${INSTANCE_FILES:-}" ] || kinds=$kinds,file
	"$TOOLS/inventory/inventory" --ignore "$BATS_TEST_DIRNAME/../faults/ignore" --only "$kinds" \
		check "$INSTANCE/before" || status=1
	[ $status -eq 0 ] || instance_force_clean
	rm -rf --one-file-system "$INSTANCE"
	return $status
}

# Ends what a failed test left, so that it is not the next one's failure. A process that the inventory
# only guesses to be ours has another note, and is left alone.
instance_force_clean() {
	"$TOOLS/inventory/inventory" --only process snapshot |
		sed -n 's/.*\tpid \([0-9]*\)$/\1/p' | xargs -r kill -9 || true
	awk -v below="$INSTANCE/" 'index($5, below) == 1 {print $5}' /proc/self/mountinfo | sort -r |
		xargs -r -n1 umount -l || true
}
