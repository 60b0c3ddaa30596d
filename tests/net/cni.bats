# CNI as a runtime, by cnictl, with plugins of others: Debian's, and small ones that misbehave. containerd's go-cni is the
# oracle for the cache: what either side attached the other checks and detaches. Chains of built-in plugins alone run in
# process there, but for the cases that say otherwise.

bats_require_minimum_version 1.5.0

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	export BUILD="${BUILD:-$(readlink -f "$BATS_TEST_DIRNAME/../..")/build}"
}

# A host of its own is a network namespace; NETNS is the container's.
setup() {
	T=$(mktemp -d /tmp/cni.XXXXXX)
	HOST=cni-h-$$ NETNS=cni-c-$$
	export CNI_CONF=$T/conf CNI_BIN=$T/bin CNI_CACHE=$T/cache CNI_DEADLINE_MS=10000
	mkdir "$CNI_CONF" "$CNI_BIN"
	ip netns add "$HOST"
	ip netns add "$NETNS"
	ip -n "$HOST" link set lo up
}

teardown() {
	ip netns del "$NETNS"
	ip netns del "$HOST"
	rm -rf "$T"
}

cnictl() { ip netns exec "$HOST" "$BUILD/tests/net/cnictl" "$@"; }

add() { cnictl add "${1:-n}" c1 eth0 "/run/netns/$NETNS" "${@:2}"; }
del() { cnictl del "${1:-n}" c1 eth0 "/run/netns/$NETNS"; }

need_plugins() {
	[ -x /usr/lib/cni/bridge ] || skip "needs containernetworking-plugins"
	command -v busybox >/dev/null || skip "needs busybox"
	CNI_BIN=$T/bin:/usr/lib/cni
}

# A bridge with addresses of 10.99.0.0/24; $1 is put behind it in the chain.
bridge_list() {
	cat >"$CNI_CONF/10-n.conflist" <<-JSON
	{"cniVersion": "1.0.0", "name": "n", "plugins": [
	  {"type": "bridge", "bridge": "br0", "isGateway": true, "capabilities": {"ips": true}, "ipam": {"type": "host-local",
	   "dataDir": "$T/ipam", "ranges": [[{"subnet": "10.99.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}${1:+, $1}]}
	JSON
}

# The program $1 (x) is standard input.
program() {
	cat >"$T/bin/${1:-x}"
	chmod +x "$T/bin/${1:-x}"
}

# A list of the plugin "x" alone, whose program is standard input.
script_list() {
	printf '{"cniVersion": "%s", "name": "n", "plugins": [{"type": "x"%s}]}' "${1:-1.0.0}" "${2:-}" >"$CNI_CONF/10-n.conflist"
	program
}

addresses() { find "$T/ipam/n" -name '10.*' -printf '%f\n' 2>/dev/null; }

@test "a chain of Debian's plugins attaches and detaches" {
	need_plugins
	export CNI_PROGRAMS=1
	bridge_list '{"type": "portmap", "capabilities": {"portMappings": true}}, {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}}'
	add n "" '{"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}], "ips": ["10.99.0.77"]}' >"$T/out"
	[ "$(jq -r '.ips[0].address, .interfaces[2].sandbox' "$T/out" | xargs)" = "10.99.0.77/24 /run/netns/$NETNS" ]
	[ "$(jq -cS . "$T/out")" = "$(jq -cS .result "$CNI_CACHE/results/n-c1-eth0")" ]
	ip netns exec "$NETNS" busybox ping -c 1 -W 2 10.99.0.1
	[ "$(ip netns exec "$NETNS" cat /proc/sys/net/core/somaxconn)" = 500 ]
	ip netns exec "$HOST" nft list ruleset | grep -q 10.99.0.77
	cnictl validate n
	[ "$(cnictl cached n)" = "c1 eth0" ]
	del
	del
	[ -z "$(addresses)$(cnictl cached n)$(ls "$CNI_CACHE/results")" ]
	! ip -n "$NETNS" link show eth0
	! ip netns exec "$HOST" nft list ruleset | grep 10.99.0.77
}

@test "CHECK looks whether an attachment is as it was made" {
	need_plugins
	bridge_list
	run -1 cnictl check n c1 eth0 "/run/netns/$NETNS"
	[[ $output == *"container 'c1' is not attached to network 'n' by eth0"* ]]
	add
	cnictl check n c1 eth0 "/run/netns/$NETNS"
	ip -n "$NETNS" addr flush dev eth0
	run -1 cnictl check n c1 eth0 "/run/netns/$NETNS"
	[[ $output == 'cnictl: plugin type="bridge" failed (check): '* ]]
	del
}

@test "a namespace that is gone is no reason for DEL to fail" {
	need_plugins
	bridge_list '{"type": "portmap", "capabilities": {"portMappings": true}}'
	add
	ip netns del "$NETNS"
	touch "/run/netns/$NETNS" # a mount point that a reboot left
	del
	rm "/run/netns/$NETNS"
	ip netns add "$NETNS"
	[ -z "$(addresses)$(ls "$CNI_CACHE/results")" ]
}

@test "an ADD that fails in the middle of a chain is undone" {
	need_plugins
	bridge_list '{"type": "x"}'
	program <<-'SH'
	#!/bin/sh
	[ $CNI_COMMAND = DEL ] || { echo '{"code": 11, "msg": "not now", "details": "busy"}'; exit 1; }
	SH
	run -1 add
	[ "$output" = 'cnictl: plugin type="x" failed (add): not now; busy' ]
	[ -z "$(addresses)$(ls "$CNI_CACHE/results")" ]
	! ip -n "$NETNS" link show eth0
}

@test "a DEL that fails releases the address, and GC tries the rest again" {
	need_plugins
	bridge_list '{"type": "x"}'
	program <<-SH
	#!/bin/sh
	[ ! -e $T/broken ] || exit 3
	jq -c .prevResult
	SH
	add
	[ "$(addresses)" = 10.99.0.2 ]
	# The bridge's own DEL is broken, too.
	touch "$T/broken"
	printf '#!/bin/sh\nexit 4\n' | program bridge
	run -1 del
	[ "$output" = 'cnictl: plugin type="x" failed (delete): netplugin failed: exit status 3' ]
	[ -z "$(addresses)" ]
	[ "$(cnictl cached n)" = "c1 eth0" ]
	rm "$T/broken" "$T/bin/bridge"
	cnictl gc n c1 eth0
	[ "$(cnictl cached n)" = "c1 eth0" ]
	cnictl gc n
	[ -z "$(cnictl cached n)" ]
	! ip -n "$NETNS" link show eth0
}

@test "DEL uses the list of the ADD, also when its file is gone" {
	need_plugins
	bridge_list
	add
	rm "$CNI_CONF/10-n.conflist"
	del
	[ -z "$(addresses)$(ls "$CNI_CACHE/results")" ]
}

@test "an ADD that was killed is deleted by GC, and by the next ADD" {
	need_plugins
	bridge_list '{"type": "x"}'
	program <<-SH
	#!/bin/sh
	[ ! -e $T/broken ] || kill -9 \$PPID
	[ \$CNI_COMMAND != ADD ] || jq -c .prevResult
	SH
	touch "$T/broken"
	run -137 add
	[ "$(addresses)" = 10.99.0.2 ]
	rm "$T/broken"
	add
	[ "$(addresses | wc -l)" = 1 ]
	del
	touch "$T/broken"
	run -137 add
	rm "$T/broken"
	cnictl gc n
	[ -z "$(addresses)$(ls "$CNI_CACHE/results")" ]
}

need_gocni() {
	need_plugins
	command -v go >/dev/null || skip "needs go"
	[ -d /usr/share/gocode/src/github.com/containerd/go-cni ] || skip "needs golang-github-containerd-go-cni-dev"
	GOCACHE=$BUILD/gocache GO111MODULE=off GOPATH=/usr/share/gocode go build -o "$T/gocni" "$BATS_TEST_DIRNAME/gocni.go"
	CNI_CACHE=$T/lib/cni
	mkdir -p "$CNI_CACHE" "$T/gobin"
}

# libcni's cache is always below /var/lib: here it is ours.
gocni() {
	ip netns exec "$HOST" sh -c 'mount -t tmpfs t /var/lib && mkdir /var/lib/cni && mount --bind "$1" /var/lib/cni && shift && exec "$@"' sh "$CNI_CACHE" "$T/gocni" "$1" c1 "/run/netns/$NETNS"
}

@test "what we attached containerd's go-cni checks and detaches, and the other way round" {
	need_gocni
	bridge_list '{"type": "portmap", "capabilities": {"portMappings": true}}'
	add n "IgnoreUnknown=1;K8S_POD_NAME=p" '{"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}'
	gocni check
	gocni del
	[ -z "$(addresses)$(ls "$CNI_CACHE/results")" ]
	gocni add
	[ "$(cnictl cached n)" = "c1 eth0" ]
	cnictl check n c1 eth0 "/run/netns/$NETNS"
	del
	[ -z "$(addresses)$(ls "$CNI_CACHE/results")" ]
}

@test "the result is the one that go-cni gets" {
	need_gocni
	bridge_list '{"type": "tuning", "mtu": 1400}'
	gocni add | jq -S '.[0] | del(.interfaces[].mac, .interfaces[1].name)' >"$T/theirs"
	gocni del
	rm -r "$T/ipam"
	add | jq -S 'del(.interfaces[].mac, .interfaces[1].name)' >"$T/ours"
	del
	diff "$T/theirs" "$T/ours"
}

@test "a plugin that hangs is killed with its children in time" {
	CNI_DEADLINE_MS=300
	script_list <<-SH
	#!/bin/sh
	sleep 1000 & echo \$! >$T/child
	echo 'about to hang' >&2
	wait
	SH
	local start=$SECONDS
	run -1 add
	[[ $output == *'plugin type="x" failed (add): it did not end within 300 ms and was killed: "about to hang"' ]]
	[ $((SECONDS - start)) -le 5 ]
	# Killed; a reaper of the machine may not have come by yet.
	[ ! -d "/proc/$(cat "$T/child")" ] || grep -q '^State:.Z' "/proc/$(cat "$T/child")/status"
}

@test "a plugin that ends is not waited for because of what it left running" {
	script_list <<-SH
	#!/bin/sh
	[ \$CNI_COMMAND = DEL ] || { sleep 5 & echo \$! >$T/child; }
	echo '{"cniVersion": "1.0.0"}'
	SH
	local start=$SECONDS
	add
	[ $((SECONDS - start)) -le 3 ]
	kill "$(cat "$T/child")"
}

@test "a plugin that prints without end is killed" {
	script_list <<-'SH'
	#!/bin/sh
	[ $CNI_COMMAND = DEL ] || exec head -c 1G /dev/zero
	SH
	run -1 add
	[ "$output" = 'cnictl: plugin type="x" failed (add): it printed more than 1048576 bytes and was killed' ]
	script_list <<-'SH'
	#!/bin/sh
	[ $CNI_COMMAND = DEL ] || { head -c 64M /dev/zero >&2; echo the end >&2; exit 5; }
	SH
	run -1 add
	[[ $output == *'netplugin failed: exit status 5: "'*'the end"' ]]
}

@test "garbage, error documents, exit codes and signals become clear errors" {
	while IFS='|' read -r program words; do
		printf '#!/bin/sh\n[ $CNI_COMMAND = DEL ] || { %s; }\n' "$program" | script_list
		run -1 add
		echo "$program: $output"
		[[ $output == *"plugin type=\"x\" failed (add): "*$words* ]]
	done <<-'ROWS'
	echo hello|what it printed is no result: line 1
	:|what it printed is no result
	echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.300/8"}]}'|'10.0.0.300/8' is no address
	echo '{"cniVersion": "7.0.0"}'|CNI version '7.0.0' is not supported
	exit 7|netplugin failed: exit status 7
	echo "why not" >&2; exit 7|exit status 7: "why not"
	kill -9 $$|netplugin failed: signal 9
	echo garbage; exit 1|its diagnostic message cannot be read (line 1
	echo '{"code": 100, "msg": "own", "details": "more"}'; exit 1|own; more
	printf '\033[31mred\n' >&2; exit 1|exit status 1: " [31mred"
	ROWS
}

@test "programs are found by a name in the folders only" {
	script_list <<<'#!/bin/sh'
	printf '{"name": "n", "plugins": [{"type": "../bin/x"}]}' >"$CNI_CONF/10-n.conflist"
	run -1 add
	[[ $output == *"invalid plugin name '../bin/x'"*"no network 'n'" ]]
	printf '{"name": "n", "plugins": [{"type": "y"}]}' >"$CNI_CONF/10-n.conflist"
	mkdir "$CNI_BIN/y"
	run -1 add
	[ "$output" = "cnictl: plugin type=\"y\" failed (add): failed to find plugin \"y\" in path [$CNI_BIN]" ]
}

@test "a plugin sees CNI's environment and its own configuration" {
	script_list 1.1.0 ', "capabilities": {"mac": true}, "own": [1, {"a": "<b>"}]' <<-SH
	#!/bin/sh
	env | grep ^CNI_ | sort >>$T/env; cat >$T/in.\$CNI_COMMAND
	echo '{"cniVersion": "1.1.0"}'
	SH
	CNI_OTHER=1 add n "A=b;C=d" '{"mac": "02:00:00:00:00:01", "ips": []}'
	diff - "$T/env" <<-ENV
	CNI_ARGS=A=b;C=d
	CNI_COMMAND=ADD
	CNI_CONTAINERID=c1
	CNI_IFNAME=eth0
	CNI_NETNS=/run/netns/$NETNS
	CNI_PATH=$CNI_BIN
	ENV
	[ "$(jq -cS . "$T/in.ADD")" = '{"capabilities":{"mac":true},"cniVersion":"1.1.0","name":"n","own":[1,{"a":"<b>"}],"runtimeConfig":{"mac":"02:00:00:00:00:01"},"type":"x"}' ]
	del
	# What the ADD was given is what DEL gets, and its result.
	[ "$(jq -cS .runtimeConfig,.prevResult.cniVersion "$T/in.DEL" | xargs)" = '{mac:02:00:00:00:00:01} 1.1.0' ]
	grep -q '^CNI_COMMAND=DEL$' "$T/env"
	[ "$(grep -c '^CNI_ARGS=A=b;C=d$' "$T/env")" = 2 ]
}

@test "STATUS, GC and VERSION reach programs of 1.1" {
	script_list 1.1.0 <<-SH
	#!/bin/sh
	cat >$T/in.\$CNI_COMMAND
	case \$CNI_COMMAND in
	STATUS) echo '{"code": 50, "msg": "no daemon"}'; exit 1;;
	VERSION) echo '{"cniVersion": "1.1.0", "supportedVersions": ["1.0.0"]}';;
	esac
	SH
	run -1 cnictl status n
	[ "$output" = 'cnictl: plugin type="x" failed (status): no daemon' ]
	cnictl gc n c9 eth7
	[ "$(jq -c '."cni.dev/valid-attachments"' "$T/in.GC")" = '[{"containerID":"c9","ifname":"eth7"}]' ]
	run -1 cnictl validate n
	[ "$output" = 'cnictl: plugin x does not support config version "1.1.0"' ]
	sed -i s/1.1.0/1.0.0/ "$CNI_CONF/10-n.conflist"
	cnictl status n
	cnictl validate n
}

@test "calls for one attachment wait for each other" {
	script_list <<-SH
	#!/bin/sh
	mkdir $T/busy || echo twice >>$T/twice
	sleep 0.1
	rmdir $T/busy
	echo '{"cniVersion": "1.0.0"}'
	SH
	local pids=()
	for _ in 1 2 3; do
		add &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ ! -e "$T/twice" ]
}
