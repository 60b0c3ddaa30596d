# Sourced in the guest, whose shell is busybox's: what the cases have in common.
export PATH=/bin:/usr/bin:/usr/sbin

rt() { /runtime --root /run/rt $RT_OPTIONS "$@"; }
up() { rt create -b /bundles/"$1" "$1" >/run/"$1".out 2>&1 || { cat /run/"$1".out && false; }; rt start "$1"; }
skip() { echo "skip: $*" && exit 77; }

# is NAME FILE VALUE: what that file of the container's group ($GROUPS_V2/NAME) says.
is() {
	local found
	found=$(cat "$GROUPS_V2/$1/$2")
	[ "$found" = "$3" ]
}

# has NAME FILE LINE: one of the lines.
has() { grep -qx "$3" "$GROUPS_V2/$1/$2"; }

# holds NAME N: processes in the group.
holds() { [ "$(grep -c . "$GROUPS_V2/$1/cgroup.procs")" = "$2" ]; }

# soon COMMAND...: polls for at most 10 s.
soon() {
	set +x
	local tries=200
	until "$@" 2>/dev/null; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
	set -x
}

# The containers' root, which all bundles share.
make_rootfs() {
	local name
	# What a user who is not root cannot make there is there.
	mkdir -p /run/rootfs/bin /run/rootfs/tmp /run/rootfs/etc /run/rootfs/proc /run/rootfs/dev /run/rootfs/sys/fs/cgroup
	cp /bin/busybox /run/rootfs/bin/
	for name in sh sleep cat grep dd head; do
		ln -s busybox /run/rootfs/bin/$name
	done
}

# Runs $CASES one after the other, each a function under `set -ex`.
run_cases() {
	local name
	for name in $CASES; do
		(
			set -ex
			"$name"
		) >/results/"$name".log 2>&1 </dev/null
		echo $? >/results/"$name".status
	done
	sync
}
