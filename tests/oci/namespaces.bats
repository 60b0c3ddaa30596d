#!/usr/bin/env bats
# Namespaces that exist already: a user namespace joined together with new ones, as pods of podman do.
load helpers

# pod: a first container with a user namespace of its own; $POD is its init.
pod() {
	chmod 755 "$WORK" "$BUNDLE"
	chown -R 100000:100000 "$BUNDLE/rootfs"
	config '.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings
		| .linux.namespaces += [{type: "user"}]'
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	POD=$(rt state "$ID" | jq .pid)
	for ns in user network ipc; do join "$ns" "/proc/$POD/ns/${ns/network/net}"; done
}

join() { config --arg t "$1" --arg p "$2" '(.linux.namespaces[] | select(.type == $t)).path = $p'; }

second() { command_is "$@" && run rt run -b "$BUNDLE" "$ID-b"; }

teardown() {
	[ -n "$WORK" ] || return 0
	rt delete -f "$ID-b" >/dev/null 2>&1 || true
	rt delete -f "$ID" >/dev/null 2>&1 || true
	rm -rf "$WORK"
}

@test "a user namespace is joined together with new namespaces, which belong to it" {
	pod
	config '.process.oomScoreAdj = 300'
	second sh -c 'cat /proc/self/uid_map; echo $$; cat /proc/self/oom_score_adj; readlink /proc/self/ns/user; readlink /proc/self/ns/net'
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" =~ ^\ *0\ *100000\ *65536$ ]]
	[ "${lines[1]}" = 1 ]
	[ "${lines[2]}" = 300 ]
	[ "${lines[3]}" = "$(readlink "/proc/$POD/ns/user")" ]
	[ "${lines[4]}" = "$(readlink "/proc/$POD/ns/net")" ]
}

@test "create and start, exec and another user in a joined user namespace" {
	pod
	config '.process.user = {uid: 1000, gid: 1000}'
	command_is sleep 1000
	rt create -b "$BUNDLE" "$ID-b" >/dev/null 2>&1 </dev/null
	rt start "$ID-b"
	run rt exec "$ID-b" id -u
	[ "$output" = 1000 ]
	[ "$(stat -c %u "/proc/$(rt state "$ID-b" | jq .pid)")" = 101000 ]
	rt delete -f "$ID-b"
}

@test "the pid namespace can be joined too" {
	pod
	join pid "/proc/$POD/ns/pid"
	second ps
	[ "$status" -eq 0 ]
	[[ "$output" == *"1 "*"sleep 1000"* ]]
}

@test "a network of the host is joined with the host's privileges" {
	is_corten || skip "runc 1.1 joins the user namespace first"
	pod
	unshare -n sleep 20 >/dev/null 2>&1 3>&- &
	local net=$!
	until_true 5 sh -c "! [ \$(readlink /proc/$net/ns/net) = $(readlink /proc/self/ns/net) ]"
	join network "/proc/$net/ns/net"
	# A sysfs shows a network, so it would need rights on it.
	config 'del(.mounts[] | select(.type == "sysfs" or .type == "cgroup"))'
	second readlink /proc/self/ns/net
	[ "$output" = "$(readlink "/proc/$net/ns/net")" ]
	kill "$net"
}

@test "what cannot be joined is named, and nothing is left" {
	pod
	join user /proc/self/ns/user
	second true
	[ "$status" -ne 0 ]
	! is_corten || [[ "$output" == *"join user namespace"* ]]
	join user "$WORK/missing"
	second true
	[ "$status" -ne 0 ]
	[[ "$output" == *missing* ]]
	[ ! -e "$ROOT/$ID-b" ]
}

@test "time offsets" {
	[ -e /proc/self/ns/time ] || skip "the kernel has no time namespaces"
	is_corten || skip "runc 1.1 and crun 1.8 have none"
	config '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 1000000, nanosecs: 5}, monotonic: {secs: 7}}'
	run_sh 'cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime 2>/dev/null || head -c 7 /proc/uptime'
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" =~ ^monotonic\ +7\ +0$ ]]
	[[ "${lines[1]}" =~ ^boottime\ +1000000\ +5$ ]]
	config 'del(.linux.namespaces[] | select(.type == "time"))'
	run rt run -b "$BUNDLE" "$ID-b"
	[ "$status" -eq 1 ]
	[[ "$output" == *"time namespace offsets specified, but time namespace isn't enabled in the config"* ]]
}
