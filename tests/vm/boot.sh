#!/usr/bin/env bash
# Boots user-mode Linux once over the folder $1 and leaves the outcome of each case of cases.sh there:
# results/NAME.status (0 passed, 77 skipped, else failed) and results/NAME.log; console.log is the kernel's.
# $RUNTIME is the runtime under test; what it links is copied with it, so that a peer can take its place.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
work=$1
: "${RUNTIME:=$here/../../build/bin/corten-runtime}"

# copy PROGRAM: the program and what it links, at their own places below the guest's root.
copy() {
	local file
	for file in "$1" $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
		install -D "$file" "$work/root$(realpath -s "$file")"
	done
}

# bundle NAME JQ-EXPRESSION WORDS...: a bundle whose group is /ct/NAME, with the given changes and command.
bundle() {
	local name=$1 change=$2
	shift 2
	mkdir -p "$work/root/bundles/$name"
	jq --arg name "$name" '.root.path = "/run/rootfs" | .process.args = $ARGS.positional
		| .linux.cgroupsPath = "/ct/" + $name | .linux.namespaces += [{type: "cgroup"}]
		| .linux.resources.devices += [{allow: true, type: "c", major: 1, minor: 5, access: "rwm"}]
		| '"$change" --args -- "$@" <"$here/../oci/config.json" >"$work/root/bundles/$name/config.json"
}

bundles() {
	# 98:0 is /dev/ubda, the disk of user-mode Linux.
	bundle limits '.linux.resources += {
		memory: {limit: 33554432, reservation: 16777216, swap: 50331648},
		cpu: {shares: 1024, quota: 50000, period: 100000}, pids: {limit: 20},
		blockIO: {throttleReadBpsDevice: [{major: 98, minor: 0, rate: 1048576}],
			throttleWriteIOPSDevice: [{major: 98, minor: 0, rate: 300}]},
		unified: {"memory.high": "25165824", "memory.oom.group": "1"}}' sleep 1000
	bundle devices '.linux.devices = [{path: "/dev/log-of-kernel", type: "c", major: 1, minor: 11, fileMode: 438},
		{path: "/dev/disk", type: "b", major: 98, minor: 0, fileMode: 438}]
		| .linux.resources.devices += [{allow: true, type: "b", major: 98, minor: 0, access: "r"}]' sleep 1000
	bundle oom '.linux.resources.memory = {limit: 16777216, swap: 16777216}' \
		sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1; echo "dd: $?"; exec sleep 1000'
	bundle many '.linux.namespaces -= [{type: "pid"}]' sh -c 'sleep 1000 & sleep 1000 & sleep 1000 & wait'
	bundle inside '.' sh -c 'cat /proc/self/cgroup; grep " /sys/fs/cgroup " /proc/mounts; cat /sys/fs/cgroup/pids.max'
}

fill_root() {
	local name
	mkdir -p "$work"/{results,uml} "$work"/root/{bin,dev,proc,sys,run,tmp,results}
	for name in $(busybox --list); do
		ln -s busybox "$work/root/bin/$name"
	done
	install "$(command -v busybox)" "$work/root/bin/busybox"
	install -D "$(readlink -f "$(command -v "$RUNTIME")")" "$work/root/runtime"
	copy "$(readlink -f "$(command -v "$RUNTIME")")"
	command -v strace >/dev/null && copy "$(command -v strace)"
	install "$here/init.sh" "$here/cases.sh" "$work/root/"
	truncate -s 4M "$work/disk"
}

fill_root
bundles
TMPDIR=$work timeout --kill-after=5 "${VM_SECONDS:-90}" linux.uml mem=192M rootfstype=hostfs rootflags="$work/root" rw \
	init=/init.sh ubd0="$work/disk" uml_dir="$work/uml" con=null con0=fd:0,fd:1 quiet panic=1 \
	</dev/null >"$work/console.log" 2>&1 || true
rmdir "$work/results"
mv "$work/root/results" "$work/results"
