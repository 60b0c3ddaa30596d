# The cases, run by the guest's busybox in this order; each is a function under `set -ex`.
# They share containers, because a boot and a program's start are dear here: `limits` and `devices` live until
# their last case.

CASES="memory_limits cpu_limits pids_limit io_limits unified_files exec_joins update_options update_resources
pause_resume events_stats delete_removes devices_denied devices_update oom_counted kill_all inside clone_into
rootless_delegated forced_v1"
GROUPS_V2=/sys/fs/cgroup/ct

memory_limits() {
	up limits
	is limits memory.max 33554432
	is limits memory.low 16777216
	is limits memory.swap.max 16777216 # v2 counts swap alone
}

cpu_limits() {
	is limits cpu.max '50000 100000'
	is limits cpu.weight 100
}

pids_limit() { is limits pids.max 20; }

io_limits() { is limits io.max '98:0 rbps=1048576 wbps=max riops=max wiops=300'; }

unified_files() {
	is limits memory.high 25165824
	is limits memory.oom.group 1
}

exec_joins() {
	[ "$(rt exec limits cat /proc/self/cgroup)" = 0::/ ]
	rt exec -d limits sleep 1000
	holds limits 2
}

update_options() {
	rt update --memory 64M --memory-swap 96M --memory-reservation 8M --cpu-quota 20000 --cpu-period 50000 \
		--cpu-share 2048 --pids-limit 30 limits
	is limits memory.max 67108864
	is limits memory.low 8388608
	is limits memory.swap.max 33554432
	is limits cpu.max '20000 50000'
	[ "$(cat $GROUPS_V2/limits/cpu.weight)" -gt 100 ]
	is limits pids.max 30
	rt update --cpu-quota -1 --pids-limit -1 --memory-swap -1 limits
	is limits cpu.max 'max 50000'
	is limits pids.max max
	is limits memory.swap.max max
}

update_resources() {
	echo '{"blockIO": {"throttleReadBpsDevice": [{"major": 98, "minor": 0, "rate": 2097152}]},
		"unified": {"memory.high": "max", "cpu.max.burst": "1000"}}' | rt update -r - limits
	is limits io.max '98:0 rbps=2097152 wbps=max riops=max wiops=300'
	is limits memory.high max
	is limits cpu.max.burst 1000
}

pause_resume() {
	rt pause limits
	is limits cgroup.freeze 1
	soon has limits cgroup.events 'frozen 1'
	rt state limits | grep -q '"status": "paused"'
	rt resume limits
	is limits cgroup.freeze 0
	soon has limits cgroup.events 'frozen 0'
	rt state limits | grep -q '"status": "running"'
}

events_stats() {
	local found
	found=$(rt events --stats limits 2>&1) || case $found in
	*"not supported by this build"*) skip "the runtime has no events yet" ;;
	esac
	for part in '"type":"stats"' '"id":"limits"' '"limit":67108864' '"pids":{"current":2'; do
		case $found in
		*"$part"*) ;;
		*) echo "no $part in $found" && false ;;
		esac
	done
}

delete_removes() {
	rt delete -f limits
	[ ! -e $GROUPS_V2/limits ]
	[ ! -e /run/rt/limits ]
}

devices_denied() {
	up devices
	rt exec devices head -c 1 /dev/zero >/dev/null
	rt exec devices dd if=/dev/disk of=/dev/null bs=512 count=1
	! rt exec devices dd if=/dev/zero of=/dev/disk bs=512 count=1
	rt exec devices dd if=/dev/zero of=/dev/disk bs=512 count=1 2>&1 | grep -q 'not permitted'
	rt exec devices dd if=/dev/log-of-kernel of=/dev/null count=1 2>&1 | grep -q 'not permitted'
}

devices_update() {
	echo '{"devices": [{"allow": false, "access": "rwm"},
		{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]}' | rt update -r - devices
	rt exec devices dd if=/dev/log-of-kernel of=/dev/null bs=8k count=1
	rt exec devices dd if=/dev/disk of=/dev/null count=1 2>&1 | grep -q 'not permitted'
	rt delete -f devices
}

oom_counted() {
	up oom
	soon grep -q 'dd: 137' /run/oom.out
	has oom memory.events 'oom_kill [1-9][0-9]*'
	rt delete -f oom
	[ ! -e $GROUPS_V2/oom ]
}

kill_all() {
	up many
	soon holds many 4
	rt kill -a many KILL
	soon has many cgroup.events 'populated 0'
	rt delete many
	[ ! -e $GROUPS_V2/many ]
}

inside() {
	rt run -b /bundles/inside inside >/run/inside.out
	cat /run/inside.out
	grep -qx '0::/' /run/inside.out
	grep -q ' cgroup2 ro' /run/inside.out
	grep -qx max /run/inside.out
	[ ! -e $GROUPS_V2/inside ]
}

# What a user's manager does: a folder of the user's, and below it one for the user's processes.
as_user() {
	echo "echo \$\$ >$GROUPS_V2/mine/shell/cgroup.procs; exec su -s /bin/sh -c 'XDG_RUNTIME_DIR=/run/user /runtime $*' user" |
		sh -s
}

rootless_delegated() {
	mkdir -p $GROUPS_V2/mine/shell /run/user
	echo +pids >/sys/fs/cgroup/cgroup.subtree_control
	echo +pids >$GROUPS_V2/cgroup.subtree_control
	chown 1000 $GROUPS_V2/mine $GROUPS_V2/mine/cgroup.* $GROUPS_V2/mine/shell $GROUPS_V2/mine/shell/cgroup.procs /run/user
	as_user run -d -b /bundles/delegated delegated </dev/null >/run/user.out 2>&1 || { cat /run/user.out && false; }
	is mine/delegated pids.max 9
	holds mine/delegated 1
	as_user exec -d delegated sleep 1000
	holds mine/delegated 2
	as_user update --pids-limit 11 delegated
	is mine/delegated pids.max 11
	as_user pause delegated
	soon has mine/delegated cgroup.events 'frozen 1'
	as_user delete -f delegated
	[ ! -e $GROUPS_V2/mine/delegated ]
}

forced_v1() {
	mkdir -p /sys/fs/cgroup/systemd
	mount -t cgroup -o none,name=systemd,xattr cgroup /sys/fs/cgroup/systemd
	rt run -b /bundles/forced forced >/run/forced.out
	umount /sys/fs/cgroup/systemd
	cat /run/forced.out
	grep -q ' /sys/fs/cgroup tmpfs ' /run/forced.out
	grep -q ' /sys/fs/cgroup/systemd cgroup .*name=systemd' /run/forced.out
	! grep -q cgroup2 /run/forced.out
}

clone_into() {
	command -v strace || skip "strace is not installed on the host"
	strace -f -o /run/calls -e trace=clone3,openat /runtime --root /run/rt run -b /bundles/inside inside
	grep CLONE_INTO_CGROUP /run/calls
	! grep cgroup.procs.*O_WRONLY /run/calls
}
