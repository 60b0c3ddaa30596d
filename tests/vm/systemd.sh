#!/usr/bin/env bash
# As boot.sh, for the systemd cgroup driver: user-mode Linux with systemd as its init, D-Bus, and the cases of
# systemd-cases.sh. systemd, D-Bus and the peers are the host's packages, copied. The cases are those of $ONLY, or all.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
work=$1
: "${RUNTIME:=$here/../../build/bin/corten-runtime}"
: "${VM_SECONDS:=240}" # on a busy machine: it waits for nothing but its own work

. "$here/lib.sh"

programs() {
	local program
	for program in /lib/systemd/systemd /lib/systemd/systemd-cgroups-agent; do
		copy "$program"
	done
	rm "$work"/root/bin/{su,mount}
	for program in systemctl dbus-daemon newuidmap newgidmap su mount; do
		copy "$(command -v "$program")"
	done
	if command -v "${PEER:=runc}" >/dev/null; then
		install -D "$(readlink -f "$(command -v "$PEER")")" "$work/root/peer"
		copy "$(readlink -f "$(command -v "$PEER")")"
	fi
	# The helper is looked for beside the runtime.
	install "$(dirname "$(readlink -f "$(command -v "$RUNTIME")")")/corten-systemd" "$work/root/" 2>/dev/null || return 0
	copy "$work/root/corten-systemd"
}

# unit NAME: a unit file from standard input. Dependencies by default would be units that the guest lacks.
unit() {
	mkdir -p "$work/root/lib/systemd/system"
	{ printf '[Unit]\nDefaultDependencies=no\n' && cat; } >"$work/root/lib/systemd/system/$1"
}

units() {
	unit cases.target <<-'UNIT'
		Requires=dbus.socket cases.service
	UNIT
	unit cases.service <<-'UNIT'
		Requires=dbus.socket
		After=dbus.socket
		[Service]
		Type=oneshot
		ExecStart=/cases
		StandardOutput=append:/results/console
		StandardError=append:/results/console
	UNIT
	unit dbus.socket <<-'UNIT'
		[Socket]
		ListenStream=/run/dbus/system_bus_socket
	UNIT
	unit dbus.service <<-'UNIT'
		[Service]
		Type=notify
		ExecStart=/usr/bin/dbus-daemon --config-file=/etc/dbus.conf --nofork --nopidfile --systemd-activation --address=systemd:
		StandardOutput=append:/results/dbus
		StandardError=append:/results/dbus
	UNIT
	# A login's manager without its PAM session; the containers' user is not in its group.
	unit user@.service <<-'UNIT'
		[Service]
		User=%i
		Slice=user-%i.slice
		Type=notify
		Delegate=pids memory cpu
		Environment=XDG_RUNTIME_DIR=/run/user/%i
		ExecStart=/lib/systemd/systemd --user
		StandardOutput=append:/results/user
		StandardError=append:/results/user
	UNIT
	mkdir -p "$work/root/usr/lib/systemd/user"
	printf '[Unit]\nDefaultDependencies=no\n' >"$work/root/usr/lib/systemd/user/default.target"
	printf '[Unit]\nDefaultDependencies=no\n' >"$work/root/usr/lib/systemd/user/exit.target"
}

settings() {
	mkdir -p "$work/root/etc" "$work/root/home/user"
	printf 'root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n' >"$work/root/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\n' >"$work/root/etc/group"
	printf 'user:100000:65536\n' | tee "$work/root/etc/subuid" >"$work/root/etc/subgid"
	printf '0123456789abcdef0123456789abcdef\n' >"$work/root/etc/machine-id"
	chmod u+s "$work"/root/usr/bin/new?idmap
	cat >"$work/root/etc/dbus.conf" <<-'CONF'
		<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
		<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
		<allow send_requested_reply="true" send_type="method_return"/>
		<allow send_requested_reply="true" send_type="error"/><allow receive_type="*"/></policy></busconfig>
	CONF
}

limits='.linux.resources += {memory: {limit: 33554432, reservation: 16777216, swap: 50331648},
	cpu: {shares: 2, quota: 15000, period: 50000}, pids: {limit: 20},
	unified: {"memory.high": "25165824", "memory.oom.group": "1"}}'

bundles() {
	bundle limits ct-deep.slice:vm:limits "$limits"' | .annotations = {
		"org.systemd.property.TimeoutStopSec": "uint64 7", "org.systemd.property.Documentation": "[\"man:corten(1)\"]"}' \
		sleep 1000
	bundle peer ct-deep.slice:vm:peer "$limits" sleep 1000
	bundle devices :vm:devices '.linux.devices = [{path: "/dev/log-of-kernel", type: "c", major: 1, minor: 11, fileMode: 438}]' \
		sleep 1000
	bundle plain '' '.' sleep 1000
	bundle one :vm:one '.linux.resources.pids.limit = 1' cat /proc/self/cgroup
	bundle below :vm:below '.linux.resources.pids.limit = 7
		| .annotations["run.oci.systemd.subgroup"] = "inner"' sleep 1000
	bundle failed :vm:failed '.annotations = {"org.systemd.property.RuntimeMaxSec": "uint64 3",
		"org.systemd.property.TimeoutStopUSec": "uint64 100000"}' sleep 1000
	bundle again :vm:failed '.' sleep 1000
	bundle hooked :vm:hooked '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "kill -9 $PPID; sleep 1000"]}]' \
		sleep 1000
	bundle badpath /ct/badpath '.' sleep 1
	bundle badslice a--b.slice:vm:badslice '.' sleep 1
	bundle badvalue :vm:badvalue '.annotations["org.systemd.property.TimeoutStopSec"] = "soon"' sleep 1
	bundle refused :vm:refused '.annotations["org.systemd.property.NoSuchThing"] = "true"' sleep 1
	bundle rootless user.slice:vm:rootless '.linux.resources = {pids: {limit: 9}, memory: {limit: 33554432}}
		| .linux.namespaces += [{type: "user"}] | del(.process.oomScoreAdj)
		| .linux.uidMappings = [{containerID: 0, hostID: 1000, size: 1}, {containerID: 1, hostID: 100000, size: 65536}]
		| .linux.gidMappings = [{containerID: 0, hostID: 1000, size: 1}, {containerID: 1, hostID: 100000, size: 65536}]
		| .mounts |= map(select(.type != "sysfs" and .type != "mqueue") | if .type == "devpts" then .options -= ["gid=5"] else . end)' \
		sleep 1000
}

fill_root
programs
units
settings
bundles
install "$here/systemd-cases.sh" "$work/root/cases"
[ -z "${ONLY:-}" ] || printf '%s\n' "$ONLY" >"$work/root/only"
boot 256M init=/lib/systemd/systemd systemd.unit=cases.target systemd.log_target=console systemd.show_status=0
