#!/bin/busybox sh
# The cases of the systemd driver, run by a unit of the guest's systemd as in cases.sh.

CASES="placed files_as_peer properties_as_peer exec_joins update_sets reload_keeps delete_stops
default_unit devices_held one_process subgroup stopped_by_systemd failed_is_reset killed_runtime refusals rootless"
GROUPS_V2=/sys/fs/cgroup/ct.slice/ct-deep.slice
RT_OPTIONS=--systemd-cgroup
. /guest.sh

# shows UNIT NAME=VALUE...: what systemd says of the unit; one call, as each takes a second here.
shows() {
	local line unit=$1 names
	shift
	names=$(printf '%s\n' "$@" | sed 's/=.*//' | paste -sd,)
	systemctl show -p "$names" "$unit" >/run/shown
	for line in "$@"; do
		grep -qxF "$line" /run/shown || { cat /run/shown && return 1; }
	done
}

# The unit's file goes with the unit.
is_gone() { [ ! -e "/run/systemd/transient/$1" ]; }
group_of() { sed -n 's/^0:://p' /proc/"$(rt state "$1" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')"/cgroup; }

placed() {
	up limits
	[ "$(group_of limits)" = /ct.slice/ct-deep.slice/vm-limits.scope ]
	shows vm-limits.scope ActiveState=active Slice=ct-deep.slice Delegate=yes TimeoutStopUSec=7s \
		'Documentation="man:corten(1)"' 'Description=corten container limits'
	holds vm-limits.scope 1
}

# The peer's container with the same limits, for the next two cases.
start_peer() {
	[ -x /peer ] || skip "the peer is not installed on the host"
	[ -e /run/peer.pid ] || /peer --root /run/peer --systemd-cgroup create -b /bundles/peer --pid-file /run/peer.pid peer
}

files_as_peer() {
	local file
	start_peer >/run/peer.out 2>&1 || { cat /run/peer.out && return 1; }
	cd $GROUPS_V2
	for file in cgroup.controllers cgroup.subtree_control cgroup.type cpu.max cpu.weight cpu.idle io.max memory.high \
		memory.low memory.max memory.min memory.oom.group memory.swap.max pids.max; do
		[ "$(cat vm-limits.scope/$file)" = "$(cat vm-peer.scope/$file)" ] || { echo "$file differs" && return 1; }
	done
}

# Of the devices only what both name alike: a peer leaves out those that the machine lacks.
properties_as_peer() {
	local device names=Slice,Delegate,CPUAccounting,MemoryAccounting,TasksAccounting,IOAccounting,CPUWeight
	names=$names,CPUQuotaPerSecUSec,CPUQuotaPeriodUSec,MemoryMax,MemoryLow,MemoryHigh,MemorySwapMax,TasksMax,DevicePolicy
	names=$names,DefaultDependencies,OOMPolicy,KillMode,Transient,Perpetual,AllowedCPUs,IOWeight
	[ -e /run/peer.pid ] || skip "the peer's container is not there"
	systemctl show -p $names,DeviceAllow vm-limits.scope vm-peer.scope >/run/both
	sed '/^$/,$d' /run/both >/run/ours
	sed '1,/^$/d' /run/both >/run/theirs
	grep -v DeviceAllow= /run/ours >/run/ours.plain
	grep -v DeviceAllow= /run/theirs >/run/theirs.plain
	diff /run/ours.plain /run/theirs.plain
	for device in 'char-\* m' 'block-\* m' '/dev/char/1:3 rwm' '/dev/char/5:2 rwm'; do
		grep -qx "DeviceAllow=$device" /run/ours
		grep -qx "DeviceAllow=$device" /run/theirs
	done
	/peer --root /run/peer --systemd-cgroup delete -f peer
}

exec_joins() {
	rt exec -d limits sleep 1000
	holds vm-limits.scope 2
}

update_sets() {
	rt update --memory 64M --memory-swap 96M --cpu-quota 20000 --pids-limit 30 limits
	is vm-limits.scope cpu.max '20000 50000'
	shows vm-limits.scope CPUQuotaPerSecUSec=400ms MemoryMax=67108864 MemorySwapMax=33554432 TasksMax=30
}

# systemd writes its properties anew: they are ours.
reload_keeps() {
	systemctl daemon-reload
	is vm-limits.scope cpu.max '20000 50000'
	is vm-limits.scope memory.max 67108864
	is vm-limits.scope memory.low 16777216
	is vm-limits.scope pids.max 30
	rt exec limits head -c 1 /dev/zero >/dev/null
}

delete_stops() {
	rt delete -f limits
	soon is_gone vm-limits.scope
	[ ! -e $GROUPS_V2/vm-limits.scope ]
	[ ! -e /run/rt/limits ]
}

default_unit() {
	up plain
	[ "$(group_of plain)" = /system.slice/runc-plain.scope ]
	rt delete -f plain
	soon is_gone runc-plain.scope
}

devices_held() {
	up devices
	rt exec devices head -c 1 /dev/zero >/dev/null
	rt exec devices dd if=/dev/log-of-kernel of=/dev/null count=1 2>&1 | grep -q 'not permitted'
	echo '{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]}' |
		rt update -r - devices
	rt exec devices dd if=/dev/log-of-kernel of=/dev/null bs=8k count=1
	shows vm-devices.scope DevicePolicy=strict 'DeviceAllow=/dev/char/1:11 r'
	rt delete -f devices
}

# The helper is in the scope while the container's only process is made.
one_process() { rt run -b /bundles/one one | grep -qx 0::/; }

subgroup() {
	up below
	[ "$(group_of below)" = /system.slice/vm-below.scope/inner ]
	[ "$(cat /sys/fs/cgroup/system.slice/vm-below.scope/inner/pids.max)" = 7 ]
	[ "$(cat /sys/fs/cgroup/system.slice/vm-below.scope/pids.max)" = 7 ]
	rt exec below cat /proc/self/cgroup | grep -qx 0::/
	rt delete -f below
	[ ! -e /sys/fs/cgroup/system.slice/vm-below.scope ]
}

stopped_by_systemd() {
	up plain
	systemctl kill --signal=KILL runc-plain.scope
	soon [ ! -e /sys/fs/cgroup/system.slice/runc-plain.scope ]
	is_stopped plain
	rt delete plain
}
is_stopped() { rt state "$1" | grep -q '"status": "stopped"'; }

failed_is_reset() {
	rt create -b /bundles/failed failed >/run/failed.out 2>&1 || { cat /run/failed.out && return 1; }
	soon [ ! -e /sys/fs/cgroup/system.slice/vm-failed.scope ]
	shows vm-failed.scope ActiveState=failed
	rm -r /run/rt/failed
	up again
	shows vm-failed.scope ActiveState=active
	rt delete -f again
	soon is_gone vm-failed.scope
}

# Killed between the scope and the state: delete -f finds the unit by the intent.
killed_runtime() {
	! rt create -b /bundles/hooked hooked >/run/hooked.out 2>&1
	[ -e /run/rt/hooked ]
	rt delete -f hooked
	soon is_gone vm-hooked.scope
	[ ! -e /run/rt/hooked ]
}

refused() { # NAME WORDS
	! rt create -b /bundles/"$1" "$1" >/run/refused.out 2>&1
	grep -F "$2" /run/refused.out
	[ ! -e /run/rt/"$1" ]
}

refusals() {
	refused badpath 'expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/ct/badpath\" instead'
	refused badslice 'invalid slice name: a--b.slice'
	refused badvalue 'annotation org.systemd.property.TimeoutStopSec=soon value parse error'
	refused refused 'Cannot set property NoSuchThing, or unknown property.'
	soon is_gone vm-refused.scope
}

as_user() { su user -c "XDG_RUNTIME_DIR=/run/user/1000 /runtime --root /run/user/1000/rt --systemd-cgroup $*"; }

# A user outside of the user's own manager: systemd alone can move a process there.
rootless() {
	local group=/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/vm-rootless.scope
	mkdir -p /run/user/1000 /sys/fs/cgroup
	chown 1000:1000 /run/user/1000
	systemctl start user@1000.service
	as_user create -b /bundles/rootless --pid-file /run/user/1000/pid rootless </dev/null >/run/rootless.out 2>&1 ||
		{ cat /run/rootless.out && return 1; }
	as_user start rootless
	grep -qx "0::${group#/sys/fs/cgroup}" /proc/"$(cat /run/user/1000/pid)"/cgroup
	[ "$(cat $group/pids.max)" = 9 ]
	as_user exec -d rootless sleep 1000
	[ "$(grep -c . $group/cgroup.procs)" = 2 ]
	as_user update --pids-limit 11 rootless
	[ "$(cat $group/pids.max)" = 11 ]
	as_user delete -f rootless
	[ ! -e $group ]
}

[ ! -e /only ] || CASES=$(cat /only)
make_rootfs
run_cases
poweroff -f
