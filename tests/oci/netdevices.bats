#!/usr/bin/env bats
# linux.netDevices: links of the host that become the container's. No peer of Debian 12 knows them; runc 1.5 does.
load helpers

setup_file() {
	command -v ip >/dev/null || skip "needs iproute2"
	is_corten || "$RUNTIME" features 2>/dev/null | jq -e .linux.netDevices.enabled >/dev/null || skip "no netDevices here"
}

# in_net COMMAND...: in a network namespace that has v1 with addresses, and its peer v2.
in_net() {
	unshare -n sh -ec 'ip link add v1 type veth peer name v2 && ip link set v1 mtu 1400 up && ip link set v2 up
		ip addr add 10.99.0.1/24 dev v1 && ip addr add 10.99.1.1/32 dev v1 && ip addr add fd99::1/64 dev v1
		"$@" && code=0 || code=$?; echo "left: $(ip -br link | cut -d" " -f1 | tr "\n" " ")"; exit $code' sh "$@"
}

# run_in_net SCRIPT
run_in_net() {
	command_is /bin/sh -c "$1"
	# shellcheck disable=SC2086
	run in_net "$RUNTIME" $RUNTIME_FLAGS --root "$ROOT" run -b "$BUNDLE" "$ID"
}

@test "a device is moved and renamed, keeps its addresses and is up" {
	config '.linux.netDevices = {v1: {name: "eth7"}}'
	run_in_net 'ip addr show eth7'
	[ "$status" -eq 0 ]
	[[ "$output" == *"UP"*"mtu 1400"* ]]
	[[ "$output" == *"inet 10.99.0.1/24"* && "$output" == *"inet 10.99.1.1/32"* && "$output" == *"inet6 fd99::1/64"* ]]
	nothing_left
}

@test "a name that is not given stays, sysctls of the device can be set, a user namespace is no hindrance" {
	chmod 755 "$WORK" "$BUNDLE"
	chown -R 100000:100000 "$BUNDLE/rootfs"
	config '.linux.netDevices = {v2: {}} | .linux.sysctl = {"net.ipv4.conf.v2.forwarding": "1"}
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings
		| .linux.namespaces += [{type: "user"}]'
	run_in_net 'ip addr show v2 && cat /proc/sys/net/ipv4/conf/v2/forwarding'
	[ "$status" -eq 0 ]
	[[ "$output" == *"v2@"*UP*1* ]]
}

@test "a joined network namespace gets the device" {
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	config --arg p "/proc/$(rt state "$ID" | jq .pid)/ns/net" '(.linux.namespaces[] | select(.type == "network")).path = $p
		| .linux.netDevices = {v1: {name: "in"}}'
	command_is ip addr show in
	run in_net "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID-b"
	[ "$status" -eq 0 ]
	[[ "$output" == *"inet 10.99.0.1/24"* ]]
}

@test "a device that is missing, a name that is taken or wrong and the host's network are errors" {
	config '.linux.netDevices = {v1: {}, nosuch: {}}'
	run_in_net true
	[ "$status" -ne 0 ]
	[[ "$output" == *nosuch* && "$output" == *"left: "*v1@* ]]
	config '.linux.netDevices = {v1: {name: "lo"}}'
	run_in_net true
	[ "$status" -ne 0 ]
	config '.linux.netDevices = {v1: {name: "a/b"}}'
	run_in_net true
	[ "$status" -ne 0 ]
	config '.linux.netDevices = {v1: {}} | del(.linux.namespaces[] | select(.type == "network"))'
	run_in_net true
	[ "$status" -ne 0 ]
	[[ "$output" == *"unable to move network devices without a private NET namespace"* ]]
	nothing_left
}
