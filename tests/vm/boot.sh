#!/usr/bin/env bash
# Boots user-mode Linux once over the folder $1 and leaves the outcome of each case of cases.sh there:
# results/NAME.status (0 passed, 77 skipped, else failed) and results/NAME.log; console.log is the kernel's.
# $RUNTIME is the runtime under test; what it links is copied with it, so that a peer can take its place.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
work=$1
: "${RUNTIME:=$here/../../build/bin/corten-runtime}"

. "$here/lib.sh"

bundles() {
	# 98:0 is /dev/ubda, the disk of user-mode Linux.
	bundle limits /ct/limits '.linux.resources += {
		memory: {limit: 33554432, reservation: 16777216, swap: 50331648},
		cpu: {shares: 1024, quota: 50000, period: 100000}, pids: {limit: 20},
		blockIO: {throttleReadBpsDevice: [{major: 98, minor: 0, rate: 1048576}],
			throttleWriteIOPSDevice: [{major: 98, minor: 0, rate: 300}]},
		unified: {"memory.high": "25165824", "memory.oom.group": "1"}}' sleep 1000
	bundle devices /ct/devices '.linux.devices = [{path: "/dev/log-of-kernel", type: "c", major: 1, minor: 11, fileMode: 438},
		{path: "/dev/disk", type: "b", major: 98, minor: 0, fileMode: 438}]
		| .linux.resources.devices += [{allow: true, type: "b", major: 98, minor: 0, access: "r"}]' sleep 1000
	bundle oom /ct/oom '.linux.resources.memory = {limit: 16777216, swap: 16777216}' \
		sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1; echo "dd: $?"; exec sleep 1000'
	bundle many /ct/many '.linux.namespaces -= [{type: "pid"}]' sh -c 'sleep 1000 & sleep 1000 & sleep 1000 & wait'
	bundle delegated '' '.linux.resources = {pids: {limit: 9}} | .linux.namespaces += [{type: "user"}] | del(.process.oomScoreAdj)
		| .linux.uidMappings = [{containerID: 0, hostID: 1000, size: 1}] | .linux.gidMappings = .linux.uidMappings
		| .mounts |= map(select(.type != "sysfs") | if .type == "devpts" then .options -= ["gid=5"] else . end)' sleep 1000
	bundle forced /ct/forced '.annotations["run.oci.systemd.force_cgroup_v1"] = "/sys/fs/cgroup"' \
		sh -c 'grep " /sys/fs/cgroup" /proc/mounts; cat /proc/self/cgroup'
	bundle inside /ct/inside '.' sh -c 'cat /proc/self/cgroup; grep " /sys/fs/cgroup " /proc/mounts; cat /sys/fs/cgroup/pids.max'
}

fill_root
command -v strace >/dev/null && copy "$(command -v strace)"
install "$here/init.sh" "$here/cases.sh" "$work/root/"
mkdir -p "$work/root/etc"
printf 'root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n' >"$work/root/etc/passwd"
truncate -s 4M "$work/disk"
bundles
boot 192M init=/init.sh ubd0="$work/disk"
