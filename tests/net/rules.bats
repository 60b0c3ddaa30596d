# Published ports, masquerade and isolation by net/rules, with real traffic between namespaces of the test's own.

bats_require_minimum_version 1.5.0

load lab

setup() {
	export CORTEN_STATE=$BATS_TEST_TMPDIR/state
	RULES=${RULES:-$BUILD/tests/net/rulesctl}
	command -v nft >/dev/null || skip "nft is not installed"
	lab_make
	lab_bridge br1 88
	lab_container c1 br1 88 5
}

teardown() {
	lab_unmake
}

rules() {
	at HOST "$RULES" "$@"
}

# A network with a container whose port 80 is published as 8080.
publish() { # [PORTS-ADD ARGUMENT…]
	rules network-add net1 br1 10.88.0.0/16,fd00:88::/64 masquerade
	rules ports-add c1 net1 10.88.0.5/16,fd00:88::5/64 tcp/8080/80 "$@"
}

@test "a published port is reached from outside, by every address of the host" {
	publish
	serve c1 tcp 0.0.0.0 80
	[ "$(ask OUT tcp 10.9.0.1 8080)" = "c1 from 10.9.0.2" ]
	[ "$(ask OUT tcp 10.9.0.9 8080)" = "c1 from 10.9.0.2" ]
	[ "$(ask HOST tcp 10.9.0.1 8080)" = "c1 from 10.9.0.1" ]
}

@test "a published port is reached by IPv6, but not by ::1" {
	publish
	serve c1 tcp :: 80
	[ "$(ask_again OUT tcp fd09::1 8080)" = "c1 from fd09::2" ]
	[ "$(ask_again HOST tcp fd09::1 8080)" = "c1 from fd09::1" ]
	run ask HOST tcp ::1 8080
	echo "$output"
	[ "$status" -ne 0 ]
}

@test "a published port is reached from the host's own 127.0.0.1" {
	publish
	serve c1 tcp 0.0.0.0 80
	[ "$(ask HOST tcp 127.0.0.1 8080)" = "c1 from 10.88.0.1" ]
}

@test "a container reaches itself and its neighbour by the host's address" {
	publish
	lab_container c2 br1 88 6
	serve c1 tcp 0.0.0.0 80
	[ "$(ask c1 tcp 10.9.0.1 8080)" = "c1 from 10.88.0.1" ]
	[ "$(ask c2 tcp 10.9.0.1 8080)" = "c1 from 10.88.0.1" ]
	at HOST sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 || true
	[ "$(ask c1 tcp 10.9.0.1 8080)" = "c1 from 10.88.0.1" ]
	[ "$(ask c2 tcp 10.9.0.1 8080)" = "c1 from 10.88.0.1" ]
	serve c1 tcp fd00:88::5 80
	[ "$(ask c1 tcp fd09::1 8080)" = "c1 from fd00:88::1" ]
}

@test "only addresses of the host itself match" {
	publish
	serve c1 tcp 0.0.0.0 80
	serve OUT tcp 10.9.0.2 8080
	[ "$(ask c1 tcp 10.9.0.2 8080)" = "OUT from 10.9.0.1" ]
	[ "$(ask HOST tcp 10.9.0.2 8080)" = "OUT from 10.9.0.1" ]
}

@test "a port published on one address is not reached by others" {
	publish tcp/8081/80/10.9.0.9 tcp/8082/80/127.0.0.1
	serve c1 tcp 0.0.0.0 80
	[ "$(ask OUT tcp 10.9.0.9 8081)" = "c1 from 10.9.0.2" ]
	run ! ask OUT tcp 10.9.0.1 8081
	[ "$(ask HOST tcp 127.0.0.1 8082)" = "c1 from 10.88.0.1" ]
	run ! ask HOST tcp 10.9.0.1 8082
}

@test "nobody outside reaches what is published on 127.0.0.1 or listens there" {
	publish tcp/8082/80/127.0.0.1
	serve c1 tcp 0.0.0.0 80
	serve HOST tcp 127.0.0.1 9000
	at OUT sysctl -qw net.ipv4.conf.all.route_localnet=1
	at OUT ip route add 127.0.0.7/32 via 10.9.0.1
	at OUT ip addr del 127.0.0.1/8 dev lo
	at OUT ip route add 127.0.0.1/32 via 10.9.0.1
	run ! ask OUT tcp 127.0.0.1 8082
	at c1 sysctl -qw net.ipv4.conf.all.route_localnet=1
	at c1 ip addr del 127.0.0.1/8 dev lo
	at c1 ip route add 127.0.0.1/32 via 10.88.0.1
	run ! ask c1 tcp 127.0.0.1 9000
}

@test "keep-source and all: no client is masqueraded, or every one" {
	publish keep-source
	serve c1 tcp 0.0.0.0 80
	[ "$(ask OUT tcp 10.9.0.1 8080)" = "c1 from 10.9.0.2" ]
	run ! ask HOST tcp 127.0.0.1 8080
	publish all
	[ "$(ask OUT tcp 10.9.0.1 8080)" = "c1 from 10.88.0.1" ]
	[ "$(ask HOST tcp 127.0.0.1 8080)" = "c1 from 10.88.0.1" ]
}

@test "UDP flows follow a port that is published anew" {
	rules network-add net1 br1 10.88.0.0/16 masquerade
	lab_container c2 br1 88 6
	serve c1 udp 0.0.0.0 53
	serve c2 udp 0.0.0.0 53
	run ! ask OUT udp 10.9.0.1 5353 4444
	rules ports-add c1 net1 10.88.0.5/16 udp/5353/53
	[ "$(ask OUT udp 10.9.0.1 5353 4444)" = "c1 from 10.9.0.2" ]
	rules ports-del c1 net1
	rules ports-add c2 net1 10.88.0.6/16 udp/5353/53
	[ "$(ask OUT udp 10.9.0.1 5353 4444)" = "c2 from 10.9.0.2" ]
	rules ports-del c2 net1
	run ! ask OUT udp 10.9.0.1 5353 4444
}

@test "SCTP is published too" {
	publish sctp/8080/80
	serve c1 sctp 0.0.0.0 80 || skip "no SCTP in this kernel"
	[ "$(ask OUT sctp 10.9.0.1 8080)" = "c1 from 10.9.0.2" ]
}

@test "what leaves a network has the host's address, what stays in it has its own" {
	publish
	lab_container c2 br1 88 6
	serve OUT tcp 10.9.0.2 80
	serve OUT tcp fd09::2 80
	serve c2 tcp 0.0.0.0 80
	[ "$(ask c1 tcp 10.9.0.2 80)" = "OUT from 10.9.0.1" ]
	[ "$(ask c1 tcp fd09::2 80)" = "OUT from fd09::1" ]
	[ "$(ask c1 tcp 10.88.0.6 80)" = "c2 from 10.88.0.5" ]
	rules network-del net1
	at OUT ip route add 10.88.0.0/16 via 10.9.0.1
	[ "$(ask c1 tcp 10.9.0.2 80)" = "OUT from 10.88.0.5" ]
	rules masquerade-add c1 net1 10.88.0.5/16
	[ "$(ask c1 tcp 10.9.0.2 80)" = "OUT from 10.9.0.1" ]
	[ "$(ask c2 tcp 10.9.0.2 80)" = "OUT from 10.88.0.6" ]
	rules masquerade-del c1 net1
	[ "$(ask c1 tcp 10.9.0.2 80)" = "OUT from 10.88.0.5" ]
}

@test "isolated networks reach each other by published ports only" {
	lab_bridge br2 89
	lab_container c2 br2 89 5
	serve c1 tcp 0.0.0.0 80
	[ "$(ask c2 tcp 10.88.0.5 80)" = "c1 from 10.89.0.5" ]
	rules network-add net1 br1 10.88.0.0/16 masquerade isolated
	rules network-add net2 br2 10.89.0.0/16 masquerade isolated
	rules ports-add c1 net1 10.88.0.5/16 tcp/8080/80
	run ! ask c2 tcp 10.88.0.5 80
	[ "$(ask c2 tcp 10.9.0.1 8080)" = "c1 from 10.88.0.1" ]
	[ "$(ask HOST tcp 10.88.0.5 80)" = "c1 from 10.88.0.1" ]
}

@test "a closed network is entered by published ports only" {
	rules network-add net1 br1 10.88.0.0/16 masquerade closed
	rules ports-add c1 net1 10.88.0.5/16 tcp/8080/80
	at OUT ip route add 10.88.0.0/16 via 10.9.0.1
	serve c1 tcp 0.0.0.0 80
	serve OUT tcp 10.9.0.2 80
	run ! ask OUT tcp 10.88.0.5 80
	[ "$(ask OUT tcp 10.9.0.1 8080)" = "c1 from 10.9.0.2" ]
	[ "$(ask c1 tcp 10.9.0.2 80)" = "OUT from 10.9.0.1" ]
}

@test "an internal network has no way out and in, but for the host" {
	rules network-add net1 br1 10.88.0.0/16 internal
	rules ports-add c1 net1 10.88.0.5/16 tcp/8080/80
	at OUT ip route add 10.88.0.0/16 via 10.9.0.1
	serve c1 tcp 0.0.0.0 80
	serve OUT tcp 10.9.0.2 80
	run ! ask c1 tcp 10.9.0.2 80
	run ! ask OUT tcp 10.88.0.5 80
	run ! ask OUT tcp 10.9.0.1 8080
	[ "$(ask HOST tcp 10.88.0.5 80)" = "c1 from 10.88.0.1" ]
}

@test "what others flush is put right by the next command" {
	publish
	serve c1 tcp 0.0.0.0 80
	at HOST nft flush ruleset
	run ! ask OUT tcp 10.9.0.1 8080
	rules ports-add c2 net1 10.88.0.6/16 tcp/8081/80
	[ "$(ask OUT tcp 10.9.0.1 8080)" = "c1 from 10.9.0.2" ]
	table=$(at HOST nft list tables | sed -n 's/^table //p')
	at HOST nft flush table $table
	run ! ask OUT tcp 10.9.0.1 8080
	rules ports-del c2 net1
	[ "$(ask OUT tcp 10.9.0.1 8080)" = "c1 from 10.9.0.2" ]
	at HOST nft delete chain $table output
	[ "$(rules restore)" = 1 ]
	[ "$(rules restore)" = 0 ]
	at HOST nft list ruleset >"$BATS_TEST_TMPDIR/before"
	at HOST nft flush map $table ports4
	run ! rules check ports c1 net1
	[[ "$output" == *"0.0.0.0:8080/tcp is not in 'ports4'"* ]]
	rules ports-del c1 net1
	publish
	rules check ports c1 net1
	at HOST nft list ruleset | diff "$BATS_TEST_TMPDIR/before" -
}

@test "a port that is taken names its container, a dead one's is taken over" {
	publish
	run ! rules ports-add c2 net1 10.88.0.6/16 tcp/9999/80 tcp/8080/80
	[[ "$output" == *"Bind for 0.0.0.0:8080 failed: port is already allocated by container 'c1' on network 'net1'"* ]]
	run ! rules check ports c2 net1
	[[ "$(at HOST nft list ruleset)" != *9999* ]]
	rules ports-add c3 net1 10.88.0.5/16 tcp/8080/81
	run ! rules check ports c1 net1
	rules ports-del c1 net1
	rules check ports c3 net1
}

@test "garbage collection removes what belongs to nobody" {
	publish
	rules ports-add c2 net1 10.88.0.6/16 tcp/8081/80
	rules masquerade-add c2 net1 10.88.0.6/16
	rules ports-add c3 net2 10.88.0.7/16 tcp/8082/80
	rules gc net1 c1
	rules check ports c1 net1
	rules check ports c3 net2
	run ! rules check ports c2 net1
	[[ "$(at HOST nft list ruleset)" != *"c2@"* ]]
	rm "$CORTEN_STATE"/net/rules/*/ports@c3@*
	rules gc "" c1
	[[ "$(at HOST nft list ruleset)" != *"c3@"* ]]
	rules network-del net1
	rules gc ""
	[ -z "$(at HOST nft list ruleset)" ]
}

@test "overlapping subnets do not stop each other" {
	rules masquerade-add a net1 10.88.2.5/24
	rules masquerade-add b net2 10.88.0.6/16
	rules masquerade-add c net1 10.88.2.7/24
	rules check masquerade a net1
	rules check masquerade b net2
	[[ "$(at HOST nft list ruleset)" == *"10.88.0.0/16 . 10.88.0.0/16"* ]]
}

@test "a call that is killed anywhere is put right by the next one" {
	publish
	local n=0
	while n=$((n + 3)); ! at HOST "$BUILD/tests/faults/faults" --kill "rulesctl:$n" \
		"$RULES" ports-add c2 net1 10.88.0.6/16 tcp/8081/80 >/dev/null 2>&1; do
		rules ports-add c3 net1 10.88.0.7/16 tcp/8082/80
		rules ports-del c3 net1
		rules ports-del c2 net1
		[[ "$(at HOST nft list ruleset)" != *8081* ]]
	done
	[ $n -gt 30 ]
	rules check ports c2 net1
}

@test "a chain that drops by default is found, explained and opened" {
	publish
	serve OUT tcp 10.9.0.2 80
	[ -z "$(rules foreign br1)" ]
	at HOST nft add table inet fw
	at HOST nft add chain inet fw gate '{ type filter hook forward priority 10; policy drop; }'
	run ! ask c1 tcp 10.9.0.2 80
	run rules foreign br1
	[[ "$output" == *"'gate' of the nftables table 'inet fw' drops forwarded packets by default"* ]]
	[[ "$output" == *"nft insert rule inet fw gate iifname br1 accept"* ]]
	rules admit br1
	rules admit br1
	[ -z "$(rules foreign br1)" ]
	[ "$(at HOST nft list chain inet fw gate | grep -c 'iifname "br1"')" = 1 ]
	[ "$(ask c1 tcp 10.9.0.2 80)" = "OUT from 10.9.0.1" ]
}

@test "docker's chain is opened where docker leaves it to the administrator" {
	command -v iptables-nft >/dev/null || skip "iptables-nft is not installed"
	publish
	serve OUT tcp 10.9.0.2 80
	at HOST iptables-nft -P FORWARD DROP
	at HOST iptables-nft -N DOCKER-USER
	at HOST iptables-nft -A FORWARD -j DOCKER-USER
	run rules foreign br1
	[[ "$output" == *"iptables -I DOCKER-USER -i br1 -j ACCEPT && iptables -I DOCKER-USER -o br1 -j ACCEPT"* ]]
	run ! ask c1 tcp 10.9.0.2 80
	rules admit br1
	[ "$(ask c1 tcp 10.9.0.2 80)" = "OUT from 10.9.0.1" ]
	run at HOST iptables-nft -S DOCKER-USER
	[[ "$output" == *"-A DOCKER-USER -i br1"*"-j ACCEPT"* ]]
	[[ "$output" == *"-A DOCKER-USER -o br1"*"-j ACCEPT"* ]]
	at HOST iptables-nft -F DOCKER-USER
	at HOST iptables-nft -I DOCKER-USER -i br1 -j ACCEPT
	[ -z "$(rules foreign br1)" ]
}
