# The portmap plugin beside the reference one: same configuration in, same document out, same reachability.

bats_require_minimum_version 1.5.0

load lab
load plugin

setup() {
	export CORTEN_STATE=$BATS_TEST_TMPDIR/state
	command -v nft >/dev/null || skip "nft is not installed"
	plugin_setup
	lab_make
	lab_bridge br1 88
	lab_container c1 br1 88 5
	P=$(prev c1 br1 10.88.0.5/16 fd00:88::5/64)
}

teardown() {
	lab_unmake
}

portmap() { # SIDE COMMAND KEYS
	plugin "$1" "$2" portmap HOST c1 "$(conf portmap "$P" "$3")"
}

# Who reaches the container by PROTOCOL and PORT, and as whom it sees them: one line each.
reach() { # PROTOCOL PORT [LOOPBACK-PORT]
	local who address
	while read -r who address; do
		printf '%s %s: %s\n' "$who" "$address" "$(ask "$who" "$1" "$address" "$2" 2>/dev/null || echo no)"
	done <<-'WAYS'
	OUT 10.9.0.1
	OUT 10.9.0.9
	HOST 10.9.0.1
	HOST 127.0.0.1
	c1 10.9.0.1
	c2 10.9.0.1
	OUT fd09::1
	WAYS
}

@test "the previous result comes back as the reference plugin prints it" {
	need_theirs
	local expected keys
	for VERSION in 0.3.1 0.4.0 1.0.0; do
		P='{"cniVersion":"'$VERSION'","interfaces":[{"name":"br1","mac":"02:00:00:00:00:01"},{"name":"eth0","sandbox":"/x"}],"ips":[{"version":"4","interface":1,"address":"10.88.0.5/16","gateway":"10.88.0.1"}],"routes":[{"dst":"0.0.0.0/0"}],"dns":{"nameservers":["10.1.1.1"]}}'
		for keys in "" "$(ports 8080:80/tcp)"; do
			portmap theirs ADD "$keys"
			expected=$output
			portmap theirs DEL "$keys"
			portmap ours ADD "$keys"
			diff <(jq -S . <<<"$expected") <(jq -S . <<<"$output")
			portmap ours CHECK "$keys" || [ $VERSION = 0.3.1 ]
			portmap ours DEL "$keys"
			[ -z "$output" ]
		done
	done
}

@test "what the reference plugin refuses is refused in its words" {
	need_theirs
	local keys expected status
	while read -r keys; do
		expected=0 status=0
		portmap theirs ADD "$keys" || expected=$?
		theirs=$(jq -c '[.cniVersion, .msg]' <<<"$output")
		portmap ours ADD "$keys" || status=$?
		[ $status = $expected ]
		[ "$status" -ne 0 ]
		[ "$(jq -r .msg <<<"$output" | sed 's/^failed to parse config: //')" = \
			"$(jq -r '.[1]' <<<"$theirs" | sed 's/^failed to parse config: //')" ]
	done <<-ROWS
	$(ports 0:80/tcp)
	$(ports 80:0/tcp)
	"markMasqBit":3,"externalSetMarkChain":"X",$(ports 80:80/tcp)
	"markMasqBit":32,$(ports 80:80/tcp)
	ROWS
	P=
	run ! portmap ours ADD "$(ports 80:80/tcp)"
}

@test "conditions and unknown backends are refused, foreign mark chains are not needed" {
	local keys
	for keys in '"conditionsV4":["-d","10.9.0.9"]' '"conditionsV6":["ip6","daddr","x"]' '"backend":"pf"'; do
		run ! portmap ours ADD "$keys,$(ports 8080:80/tcp)"
	done
	for keys in '"externalSetMarkChain":"KUBE-MARK-MASQ"' '"markMasqBit":5' '"backend":"nftables"' '"backend":"iptables"'; do
		portmap ours ADD "$keys,$(ports 8080:80/tcp)"
		serve c1 tcp 0.0.0.0 80 || true
		[ "$(ask HOST tcp 127.0.0.1 8080)" = "c1 from 10.88.0.1" ]
	done
}

@test "the same clients reach the container as with the reference plugin" {
	need_theirs
	lab_container c2 br1 88 6
	serve c1 tcp :: 80
	serve c1 udp 0.0.0.0 53
	local all keys
	all=$(ports 8080:80/tcp 10.9.0.9:8081:80/tcp 5353:53/udp fd09::1:8082:80/tcp)
	# masqAll is younger than Debian 12's plugin: rules.bats.
	for keys in '"snat":true' '"snat":false'; do
		portmap theirs ADD "$keys,$all"
		{ reach tcp 8080; reach tcp 8081; reach udp 5353; } >"$BATS_TEST_TMPDIR/theirs"
		portmap theirs DEL "$keys,$all"
		run ! ask OUT tcp 10.9.0.1 8080
		portmap ours ADD "$keys,$all"
		{ reach tcp 8080; reach tcp 8081; reach udp 5353; } >"$BATS_TEST_TMPDIR/ours.reach"
		portmap ours DEL "$keys,$all"
		run ! ask OUT tcp 10.9.0.1 8080
		diff "$BATS_TEST_TMPDIR/theirs" "$BATS_TEST_TMPDIR/ours.reach"
	done
}

@test "DEL is fine twice, without previous result, namespace and ports" {
	portmap ours ADD "$(ports 8080:80/tcp)"
	portmap ours DEL "$(ports 8080:80/tcp)"
	portmap ours DEL "$(ports 8080:80/tcp)"
	portmap ours ADD "$(ports 8080:80/tcp)"
	P=
	lab_pids[c1]=1
	portmap ours DEL ""
	[[ "$(at HOST nft list ruleset)" != *8080* ]]
}

@test "CHECK and GC" {
	portmap ours ADD "$(ports 8080:80/tcp)"
	portmap ours CHECK "$(ports 8080:80/tcp)"
	VERSION=1.1.0 portmap ours GC '"cni.dev/valid-attachments":[{"containerID":"id-c1","ifname":"eth0"}]'
	portmap ours CHECK "$(ports 8080:80/tcp)"
	at HOST nft flush ruleset
	run ! portmap ours CHECK "$(ports 8080:80/tcp)"
	portmap ours ADD "$(ports 8080:80/tcp)"
	portmap ours CHECK "$(ports 8080:80/tcp)"
	VERSION=1.1.0 portmap ours GC '"cni.dev/valid-attachments":[]'
	run ! portmap ours CHECK "$(ports 8080:80/tcp)"
	[[ "$(at HOST nft list ruleset)" != *8080* ]]
}

@test "what the reference plugin put up is torn down" {
	need_theirs
	local keys before
	keys=$(ports 8080:80/tcp 8081:81/udp 10.9.0.9:8082:80/tcp)
	at HOST iptables -t nat -N CNI-OTHER
	plugin theirs ADD portmap HOST c2 "$(conf portmap "$(prev c2 br1 10.88.0.6/16)" "$(ports 9090:90/tcp)")"
	before=$(at HOST iptables-save -t nat | grep -v '^#')
	portmap theirs ADD "$keys"
	at HOST iptables-save -t nat | grep -q 10.88.0.5:80
	portmap ours DEL "$keys"
	diff <(echo "$before") <(at HOST iptables-save -t nat | grep -v '^#')
	at HOST ip6tables-save -t nat | grep -c 88::5 && return 1
	# The other way round nothing fails.
	portmap ours ADD "$keys"
	portmap theirs DEL "$keys"
	portmap ours DEL "$keys"
}

@test "ipMasq of the bridge plugin: out as the host, and the reference plugin's is torn down" {
	local bridge before
	bridge='{"cniVersion":"1.0.0","name":"net2","type":"bridge","bridge":"br9","isDefaultGateway":true,"ipMasq":true,"ipam":{"type":"host-local","dataDir":"'$BATS_TEST_TMPDIR'/ipam","subnet":"10.99.0.0/16"}}'
	lab_space c9
	serve OUT tcp 10.9.0.2 80
	plugin ours ADD bridge HOST c9 "$bridge"
	[ "$(ask c9 tcp 10.9.0.2 80)" = "OUT from 10.9.0.1" ]
	plugin ours DEL bridge HOST c9 "$(jq -c --argjson r "$output" '.prevResult = $r' <<<"$bridge")"
	[[ "$(at HOST nft list ruleset)" != *id-c9@* ]]
	need_theirs
	at HOST iptables-nft -t nat -A POSTROUTING -s 10.1.1.1 -j ACCEPT
	before=$(at HOST iptables-nft -t nat -S)
	plugin theirs ADD bridge HOST c9 "$bridge"
	[[ "$(at HOST iptables-nft -t nat -S)" == *10.99.0* ]]
	plugin ours DEL bridge HOST c9 "$(jq -c --argjson r "$output" '.prevResult = $r' <<<"$bridge")"
	[ "$(at HOST iptables-nft -t nat -S)" = "$before" ]
}
