# The firewall plugin beside the reference one, on hosts whose other tables drop what is forwarded.

bats_require_minimum_version 1.5.0

load lab
load plugin

setup() {
	export CORTEN_STATE=$BATS_TEST_TMPDIR/state
	command -v nft >/dev/null || skip "nft is not installed"
	command -v iptables-nft >/dev/null || skip "iptables-nft is not installed"
	plugin_setup
	lab_make
	lab_bridge br1 88
	lab_container c1 br1 88 5
	at OUT ip route add 10.88.0.0/14 via 10.9.0.1
	serve OUT tcp 10.9.0.2 80
	serve c1 tcp 0.0.0.0 80
}

teardown() {
	lab_unmake
}

firewall() { # SIDE COMMAND CONTAINER BRIDGE ADDRESS [KEYS]
	plugin "$1" "$2" firewall HOST "$3" "$(conf firewall "$(prev "$3" "$4" "$5")" "${6:-}")"
}

# Who reaches whom: out, in, and the neighbour on another bridge.
reach() {
	printf 'out: %s\n' "$(ask c1 tcp 10.9.0.2 80 2>/dev/null || echo no)"
	printf 'in: %s\n' "$(ask OUT tcp 10.88.0.5 80 2>/dev/null || echo no)"
	printf 'across: %s\n' "$(ask c2 tcp 10.88.0.5 80 2>/dev/null || echo no)"
	printf 'beside: %s\n' "$(ask c3 tcp 10.88.0.5 80 2>/dev/null || echo no)"
}

@test "the same ways are open as with the reference plugin, with each policy and default" {
	need_theirs
	local default policy keys side
	lab_bridge br2 89
	lab_container c2 br2 89 5
	lab_container c3 br1 88 6
	for default in ACCEPT DROP; do
		for policy in open same-bridge; do
			keys="\"backend\":\"iptables\",\"ingressPolicy\":\"$policy\""
			for side in theirs ours; do
				at HOST nft flush ruleset
				rm -rf "$CORTEN_STATE"
				at HOST iptables-nft -P FORWARD $default
				firewall $side ADD c1 br1 10.88.0.5/16 "$keys"
				[ "$(jq -c .ips <<<"$output")" = '[{"interface":1,"address":"10.88.0.5/16"}]' ]
				firewall $side ADD c2 br2 10.89.0.5/16 "$keys"
				firewall $side ADD c3 br1 10.88.0.6/16 "$keys"
				firewall $side CHECK c1 br1 10.88.0.5/16 "$keys"
				{ echo "$default $policy"; reach; } >"$BATS_TEST_TMPDIR/reach.$side"
			done
			diff "$BATS_TEST_TMPDIR/reach.theirs" "$BATS_TEST_TMPDIR/reach.ours"
		done
	done
}

@test "isolated: containers of one bridge do not reach each other" {
	lab_container c3 br1 88 6
	[ "$(ask c3 tcp 10.88.0.5 80)" = "c1 from 10.88.0.6" ]
	at HOST sysctl -qw net.bridge.bridge-nf-call-iptables=1 || skip "bridges do not ask the packet filter here"
	firewall ours ADD c1 br1 10.88.0.5/16 '"ingressPolicy":"isolated"'
	run ! ask c3 tcp 10.88.0.5 80
	[ "$(ask OUT tcp 10.88.0.5 80)" = "c1 from 10.9.0.2" ]
}

@test "what is published is let in where others drop by default" {
	at HOST iptables-nft -P FORWARD DROP
	firewall ours ADD c1 br1 10.88.0.5/16
	plugin ours ADD portmap HOST c1 "$(conf portmap "$(prev c1 br1 10.88.0.5/16)" "$(ports 8080:80/tcp)")"
	[ "$(ask OUT tcp 10.9.0.1 8080)" = "c1 from 10.9.0.2" ]
	run ! ask OUT tcp 10.88.0.5 80
	# What the others' owner flushes is there again with the next container.
	at HOST iptables-nft -F FORWARD
	if firewall ours CHECK c1 br1 10.88.0.5/16; then false; fi
	[[ "$output" == *"drops forwarded packets by default"* ]]
	firewall ours ADD c1 br1 10.88.0.5/16
	[ "$(ask c1 tcp 10.9.0.2 80)" = "OUT from 10.88.0.5" ]
}

@test "keys that ask for what is not there are refused" {
	run ! firewall ours ADD c1 br1 10.88.0.5/16 '"ingressPolicy":"x"'
	run ! firewall ours ADD c1 br1 10.88.0.5/16 '"firewalldZone":"public"'
	run ! firewall ours ADD c1 br1 10.88.0.5/16 '"iptablesAdminChainName":"MY-ADMIN"'
	run ! plugin ours ADD firewall HOST c1 "$(conf firewall "" "")"
}

@test "what the reference plugin put up for addresses is torn down" {
	need_theirs
	firewall theirs ADD c1 br1 10.88.0.5/16
	firewall theirs ADD c3 br1 10.88.0.6/16
	firewall ours DEL c1 br1 10.88.0.5/16
	firewall ours DEL c1 br1 10.88.0.5/16
	[[ "$(at HOST iptables-nft -S CNI-FORWARD)" != *10.88.0.5* ]]
	[[ "$(at HOST iptables-nft -S CNI-FORWARD)" == *10.88.0.6* ]]
	firewall ours ADD c1 br1 10.88.0.5/16
	firewall theirs DEL c1 br1 10.88.0.5/16
}
