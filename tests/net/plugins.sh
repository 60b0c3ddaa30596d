# The cases of plugins.bats, each in fresh mount and network namespaces: unshare -mn bash plugins.sh CASE ARGUMENT...
# The namespace of the script is the host; containers are namespaces bound to files below $W. All goes with the script.
set -euo pipefail

THEIRS=${THEIRS:-/usr/lib/cni}
W=${BATS_TEST_TMPDIR:?}/w
mkdir -p "$W"
mount -t tmpfs none "$W"
mkdir "$W/ours"
for type in bandwidth bridge host-local loopback macvlan ptp static tuning; do
	ln -s "${BUILD:?}/bin/corten-cni" "$W/ours/$type"
done
OURS=$W/ours
export CNI_PATH CORTEN_STATE=$W/state

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

container() { # NAME...: fresh network namespaces; the loopback is up
	local name
	for name; do
		umount "$W/$name" 2>/dev/null || true
		touch "$W/$name"
		unshare "--net=$W/$name" ip link set lo up
	done
}

within() { # NAME COMMAND...
	nsenter "--net=$W/$1" "${@:2}"
}

# A plugin of one side: its output in $W/out, its status returned.
cni() { # SIDE COMMAND TYPE CONTAINER [IFNAME], the configuration on standard input
	CNI_PATH=$1 CNI_COMMAND=$2 CNI_CONTAINERID=id-$4 CNI_NETNS=$W/$4 CNI_IFNAME=${5:-eth0} \
		CNI_ARGS=${ARGS:-} "$1/$3" >"$W/out" 2>"$W/err"
}

add() { # SIDE TYPE CONTAINER CONF [IFNAME]
	cni "$1" ADD "$2" "$3" "${5:-}" <<<"$4" || fail "$1/$2 ADD: $(cat "$W/out" "$W/err")" "$4"
}

del() { # SIDE TYPE CONTAINER CONF [IFNAME]
	cni "$1" DEL "$2" "$3" "${5:-}" <<<"$4" || fail "$1/$2 DEL: $(cat "$W/out" "$W/err")" "$4"
}

check() { # SIDE TYPE CONTAINER CONF RESULT
	cni "$1" CHECK "$2" "$3" "" < <(jq -c --argjson r "$5" '.prevResult = $r' <<<"$4") ||
		fail "$1/$2 CHECK: $(cat "$W/out" "$W/err")"
}

# -- configurations: $1 type, $2 version; one a line --

ipam() { # RANGES [MORE]
	printf '"ipam":{"type":"host-local","dataDir":"%s/data","ranges":%s%s}' "$W" "$1" "${2:-}"
}
V4='[[{"subnet":"10.77.0.0/24"}]]'
V6='[[{"subnet":"fd00:77::/64"}]]'
BOTH='[[{"subnet":"10.77.0.0/24"}],[{"subnet":"fd00:77::/64"}]]'
ROUTES=',"routes":[{"dst":"10.1.0.0/16"},{"dst":"0.0.0.0/0","gw":"10.77.0.9"}]'

keys_of() { # TYPE: what stands in the configuration besides version, name and type
	case $1 in
	bridge)
		printf '%s\n' \
			"$(ipam "$V4")" \
			"\"isGateway\":true,$(ipam "$V4" "$ROUTES")" \
			"\"bridge\":\"br7\",\"isDefaultGateway\":true,\"mtu\":1400,$(ipam "$BOTH")" \
			"\"bridge\":\"br7\",\"isDefaultGateway\":true,\"hairpinMode\":true,$(ipam "$V6")" \
			"\"isGateway\":true,\"promiscMode\":true,\"dns\":{\"nameservers\":[\"10.9.9.9\"]},$(ipam "$V4")" \
			'"bridge":"br8"'
		;;
	ptp)
		printf '%s\n' \
			"$(ipam "$V4" ',"routes":[{"dst":"0.0.0.0/0"}]')" \
			"\"mtu\":1400,\"dns\":{\"domain\":\"d\"},$(ipam "$BOTH")"
		;;
	macvlan)
		printf '%s\n' \
			"\"master\":\"up0\",$(ipam "$V4" "$ROUTES")" \
			"\"master\":\"up0\",\"mode\":\"private\",\"mtu\":1400,\"mac\":\"02:00:00:00:00:09\",$(ipam "$V4")" \
			'"master":"up0","mode":"vepa"'
		;;
	static)
		printf '%s\n' \
			'"ipam":{"type":"static","addresses":[{"address":"10.5.0.9/24","gateway":"10.5.0.1"},{"address":"fd00:5::9/64"}],"routes":[{"dst":"0.0.0.0/0"}],"dns":{"nameservers":["10.5.0.1"]}}' \
			'"ipam":{"type":"static","addresses":[]},"runtimeConfig":{"ips":["10.5.0.7/24"]}'
		;;
	tuning)
		printf '%s\n' \
			"\"dataDir\":\"$W/tuning\",\"mac\":\"02:00:00:00:00:0a\",\"mtu\":1300,\"promisc\":true,\"allmulti\":true" \
			'"sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1","net.core.somaxconn":"77"}' \
			"\"dataDir\":\"$W/tuning\",\"runtimeConfig\":{\"mac\":\"02:00:00:00:00:0b\"}"
		;;
	bandwidth)
		printf '%s\n' \
			'"ingressRate":1000000,"ingressBurst":800000,"egressRate":123456789,"egressBurst":99999999' \
			'"runtimeConfig":{"bandwidth":{"egressRate":8000,"egressBurst":16000}}' \
			'"runtimeConfig":{"bandwidth":{}}'
		;;
	loopback) echo '"x":1' ;;
	host-local)
		printf '%s\n' "$(ipam "$BOTH" "$ROUTES")" \
			"\"ipam\":{\"type\":\"host-local\",\"dataDir\":\"$W/data\",\"subnet\":\"10.7.0.0/24\",\"rangeStart\":\"10.7.0.50\",\"gateway\":\"10.7.0.254\"}" \
			"\"runtimeConfig\":{\"ips\":[\"10.77.0.40\"]},$(ipam "$V4")" \
			"\"args\":{\"cni\":{\"ips\":[\"10.77.0.41/24\"]}},$(ipam "$V4" ",\"resolvConf\":\"$W/resolv.conf\"")"
		;;
	esac
}

# Older versions differ in the result's form only: two configurations show that.
configurations() { # TYPE VERSION
	local n=100
	[ "$2" = 1.0.0 ] || n=2
	keys_of "$1" | sed -n "1,${n}p" | sed "s|.*|{\"cniVersion\":\"$2\",\"name\":\"net\",\"type\":\"$1\",&}|"
}

# Plugins that stand behind another one in a chain.
is_meta() { # TYPE
	[ "$1" = tuning ] || [ "$1" = bandwidth ]
}

# The whole chain: the plugin alone, or a bridge before it whose result it is given.
put_up() { # SIDE TYPE CONF
	local first conf=$3
	if is_meta "$2"; then
		first=$(configurations bridge "$(jq -r .cniVersion <<<"$3")" | sed -n 2p)
		add "$1" bridge c1 "$first"
		conf=$(jq -c --slurpfile r "$W/out" '.prevResult = $r[0]' <<<"$3")
	fi
	add "$1" "$2" c1 "$conf"
}

take_down() { # SIDE TYPE CONF
	del "$1" "$2" c1 "$3"
	! is_meta "$2" || del "$1" bridge c1 "$(configurations bridge 1.0.0 | sed -n 2p)"
}

prepare() { # what some configurations need of the host
	if ! ip link show up0 >/dev/null 2>&1; then
		ip link add up0 type veth peer name up1
		ip link set up0 up
		ip link set up1 up
	fi
	printf 'nameserver 10.8.8.8\nsearch a.example b.example\noptions ndots:3\n' >"$W/resolv.conf"
}

# -- comparing --

# MACs and the host's names of veths are random. Which version an address has is left out by the reference where it converts
# nothing (loopback, before 1.0).
normal() {
	jq -S 'del(.ips[]?.version) | walk(if type == "string" then
		sub("^veth[0-9a-f]{8}$"; "veth") | sub("^([0-9a-f]{2}:){5}[0-9a-f]{2}$"; "mac")
		else . end)' "$W/out"
}

# What the container and the host have: addresses and routes, but for what comes from MACs.
state() { # CONTAINER
	within "$1" ip -o addr | sed -E 's/@if[0-9]+/@if/; /fe80::/d; s/^[0-9]+: //; s/ +valid_lft.*//; s/ (nodad|tentative)//'
	within "$1" ip route
	within "$1" ip -6 route | sed '/^fe80/d'
	within "$1" ip -o link | sed -E 's/@if[0-9]+/@if/; s/^[0-9]+: //; s/( qlen [0-9]+)? *\\ *link.*//'
	ip -o addr | sed -E 's/veth[0-9a-f]{8}@if[0-9]+/veth/; /fe80::/d; s/^[0-9]+: //; s/ +valid_lft.*//; s/ (nodad|tentative)//'
	ip -o -d link | sed -nE 's/.*(mtu [0-9]+).*(hairpin [a-z]+).*(isolated [a-z]+).*/\1 \2 \3/p'
	ip route
	within "$1" ip -o -d link | grep -Eo 'promiscuity [0-9]+|allmulti [0-9]+|macvlan mode [a-z]+'
	within "$1" sysctl -n net.core.somaxconn
	tc qdisc show | sed -E 's/veth[0-9a-f]{8}/veth/; s/refcnt [0-9]+ //; /noqueue|pfifo/d'
	tc filter show parent ffff: dev "$(ip -o link | grep -Eom1 'veth[0-9a-f]{8}' || echo lo)" 2>/dev/null |
		sed '/action order 2/,+2d' || true # Debian's asks for the redirection twice
	sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding
	grep -r '' "$W/tuning" 2>/dev/null | sed -E 's/("mac": )"[^"]*"/\1/; s/ +/ /g' || true
}

store() {
	(cd "$W/data" 2>/dev/null && find . -type f ! -name lock -exec grep -Ha '' {} + | sort) || true
}

fresh_host() {
	local link
	rm -rf "$W/data"
	for link in $(ip -o link | sed -nE 's/^[0-9]+: ([^:@]+).*/\1/p' | grep -Ev '^(lo|up[01])$' || true); do
		ip link del "$link" 2>/dev/null || true
	done
	sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
}

one_side() { # SIDE TYPE CONF: all that can be seen of an ADD and a DEL
	fresh_host
	container c1
	put_up "$1" "$2" "$3"
	normal
	state c1 | sed -E 's/veth[0-9a-f]{8}/veth/g'
	store
	take_down "$1" "$2" "$3"
	echo "-- deleted"
	within c1 ip -o link | sed -E 's/@.*//'
	ip -o link | grep -Eo ' (bwp[0-9a-f]+|veth[0-9a-f]{8})' || true
	store
	take_down "$1" "$2" "$3"
}

# The same configuration gives the same result, the same links, addresses, routes and store, and so does DEL.
compare() { # TYPE VERSION
	local conf
	prepare
	while read -r conf; do
		one_side "$THEIRS" "$1" "$conf" >"$W/theirs.txt"
		one_side "$OURS" "$1" "$conf" >"$W/ours.txt"
		diff -u "$W/theirs.txt" "$W/ours.txt" || fail "differs for $conf"
	done < <(configurations "$1" "$2")
}

# What one side put up the other one checks and takes down. Debian's 1.1.1 refuses its own routes without a gateway.
takeover() { # TYPE VERSION
	local conf first second result checks
	prepare
	while read -r conf; do
		checks=true
		[ "$2" != 0.3.1 ] || checks=false
		for first in "$THEIRS" "$OURS"; do
			[ "$first" = "$OURS" ] && second=$THEIRS || second=$OURS
			fresh_host
			container c1
			put_up "$first" "$1" "$conf"
			result=$(cat "$W/out")
			if $checks && [ "$first" = "$THEIRS" ]; then
				(check "$first" "$1" c1 "$conf" "$result") 2>/dev/null || checks=false
			fi
			! $checks || check "$second" "$1" c1 "$conf" "$result"
			take_down "$second" "$1" "$conf"
			[ "$1" = loopback ] || ! within c1 ip link show eth0 2>/dev/null || fail "eth0 is left: $conf"
			[ -z "$(store | grep -v last_reserved)" ] || fail "an address is left: $conf"
		done
	done < <(configurations "$1" "$2" | sed -n 1,3p)
}

# Containers of both sides on one network reach each other and the gateway.
reach() { # TYPE
	local conf
	prepare
	fresh_host
	container c1 c2
	conf=$(configurations "$1" 1.0.0 | sed -n "${2:-1}p")
	add "$THEIRS" "$1" c1 "$conf"
	add "$OURS" "$1" c2 "$conf"
	local one two
	one=$(within c1 ip -4 -o addr show eth0 | sed -E 's/.*inet ([0-9.]+).*/\1/')
	two=$(within c2 ip -4 -o addr show eth0 | sed -E 's/.*inet ([0-9.]+).*/\1/')
	within c1 busybox ping -c 1 -W 3 "$two" >/dev/null || fail "theirs does not reach ours"
	within c2 busybox ping -c 1 -W 3 "$one" >/dev/null || fail "ours does not reach theirs"
	within c2 sh -c 'echo hello | busybox nc -l -p 7777 >/dev/null' &
	local i
	for ((i = 0; i < 100; i++)); do
		[ "$(within c1 busybox nc -w 1 "$two" 7777 </dev/null 2>/dev/null)" != hello ] || return 0
	done
	fail "no TCP from one container to the other"
}

# What leaves a masqueraded network has the host's address; each side's DEL takes its own rules along.
masquerade() { # TYPE
	local side conf seen i
	ip link add up0 type veth peer name up1
	container outside
	ip link set up1 netns "$W/outside"
	ip addr add 192.0.2.1/24 dev up0
	ip link set up0 up
	within outside ip addr add 192.0.2.2/24 dev up1
	within outside ip link set up1 up
	for side in "$THEIRS" "$OURS"; do
		rm -rf "$W/data"
		container c1
		conf="{\"cniVersion\":\"1.0.0\",\"name\":\"net\",\"type\":\"$1\",\"isDefaultGateway\":true,\"ipMasq\":true,$(
			ipam "$V4" ',"routes":[{"dst":"192.0.2.0/24"}]')}"
		add "$side" "$1" c1 "$conf"
		within outside sh -c "busybox nc -l -p 7777 -e busybox sh -c 'busybox netstat -tn' >$W/seen" &
		seen=
		for ((i = 0; i < 100; i++)); do
			seen=$(within c1 busybox nc -w 2 192.0.2.2 7777 </dev/null 2>/dev/null | grep :7777) && break
		done
		grep -Eq '[ :]192.0.2.1:[0-9]* *(ESTABLISHED|CLOSE_WAIT)' <<<"$seen" || fail "$side: seen from outside: $seen"
		del "$side" "$1" c1 "$conf"
		! nft list ruleset | grep -E '10\.77\.0\.[1-9]|CNI-' || fail "$side: rules are left"
	done
}

# The OCI hook: a runtime's state in, an interface in the process's namespace, and nothing left behind poststop.
hook() {
	local pid i
	container c1
	(exec nsenter "--net=$W/c1" sleep 100) &
	pid=$!
	for ((i = 0; i < 100000; i++)); do
		! [ "/proc/$pid/ns/net" -ef "$W/c1" ] || break
	done
	printf '{"ociVersion":"1.0.2","id":"h1","status":"created","pid":%d,"bundle":"/b"}' $pid |
		"$BUILD/bin/corten-cni" hook || fail "prestart"
	within c1 busybox ping -c 1 -W 3 172.19.0.1 >/dev/null || fail "no way to the gateway"
	kill $pid
	wait $pid || true
	umount "$W/c1" # and so the namespace ends
	printf '{"ociVersion":"1.0.2","id":"h1","status":"stopped","bundle":"/b"}' |
		"$BUILD/bin/corten-cni" hook || fail "poststop"
	[ ! -e "$W/state/net/hook/netns0/172.19.0.2" ] || fail "the address is left"
	! nft list ruleset | grep -F 172.19.0.2 || fail "a rule is left"
	! "$BUILD/bin/corten-cni" hook <<<'{}' 2>/dev/null || fail "takes a state that is none"
}

# -- errors --

# Both sides fail alike: status and code.
same_error() { # WHAT CONF [VARIABLE=VALUE...]
	local side codes=()
	for side in "$THEIRS" "$OURS"; do
		if env CNI_COMMAND=ADD CNI_CONTAINERID=x CNI_NETNS="$W/c1" CNI_IFNAME=eth0 CNI_PATH="$side" \
			"${@:3}" "$side/bridge" <<<"$2" >"$W/out"; then
			fail "$side takes $1"
		fi
		codes+=("$(jq -e '.code, (.msg | length > 0)' "$W/out" | tr '\n' ' ')")
	done
	[ "${codes[0]}" = "${codes[1]}" ] || fail "$1: code ${codes[*]}"
}

errors() {
	local good='{"cniVersion":"1.0.0","name":"net","type":"bridge"}'
	container c1
	same_error 'no container id' "$good" CNI_CONTAINERID=
	same_error 'no namespace' "$good" CNI_NETNS=
	same_error 'a wrong container id' "$good" CNI_CONTAINERID=../x
	same_error 'an interface name that is too long' "$good" CNI_IFNAME=abcdefghijklmnop
	same_error 'an unknown command' "$good" CNI_COMMAND=FLY
	same_error 'no JSON' '{'
	same_error 'no network name' '{"cniVersion":"1.0.0","type":"bridge"}'
	same_error 'a network name with a slash' '{"cniVersion":"1.0.0","name":"../x","type":"bridge"}'
	same_error 'an unknown version' '{"cniVersion":"9.9.9","name":"net","type":"bridge"}'
	same_error 'CHECK of 0.3.1' '{"cniVersion":"0.3.1","name":"net","type":"bridge"}' CNI_COMMAND=CHECK
	[ -z "$(ip -o link | grep -v ': lo:')" ] || fail "something is left"
}

# A bridge that has all ports it can have: clear words, and neither address nor link is left.
full() {
	local i conf
	conf=$(configurations bridge 1.0.0 | sed -n 1p | jq -c '.bridge = "br0"')
	ip link add br0 type bridge
	for ((i = 0; i < 1023; i++)); do
		printf 'link add p%d master br0 type veth peer name q%d\n' $i $i
	done | ip -batch -
	container c1
	! cni "$OURS" ADD bridge c1 <<<"$conf" || fail "a bridge took a port too many"
	grep -q "bridge 'br0' has 1023 ports" "$W/out" || fail "$(cat "$W/out")"
	! within c1 ip link show eth0 2>/dev/null || fail "the link is left"
	[ -z "$(store | grep -v last_reserved)" ] || fail "the address is left"
}

# ADD is killed at its n-th system call (tests/faults), then DEL runs: no address, link or rule is left, whichever call it was.
kills() { # every STEP-th call
	local n status conf
	conf=$(keys_of bridge | sed -n 2p)
	conf="{\"cniVersion\":\"1.0.0\",\"name\":\"net\",\"type\":\"bridge\",\"ipMasq\":true,$conf}"
	container c1
	for ((n = 1; n < 1000; n += $1)); do
		status=0
		CNI_PATH=$OURS CNI_COMMAND=ADD CNI_CONTAINERID=id-c1 CNI_NETNS=$W/c1 CNI_IFNAME=eth0 \
			"$BUILD/tests/faults/faults" --report /dev/null --kill "*:$n" "$OURS/bridge" \
			<<<"$conf" >"$W/out" 2>&1 || status=$?
		del "$OURS" bridge c1 "$conf"
		! within c1 ip link show eth0 2>/dev/null || fail "the link is left, killed at call $n"
		! ip -o link | grep veth || fail "a veth is left, killed at call $n"
		[ -z "$(store | grep -v last_reserved)" ] || fail "an address is left, killed at call $n"
		! nft list ruleset | grep -E '10\.77\.0\.[1-9]' || fail "a rule is left, killed at call $n"
		[ $status != 0 ] || break
	done
	[ $n -gt 60 ] && [ $n -lt 1000 ] || fail "ended at call $n: $(cat "$W/out")"
}

versions() {
	local side
	for side in "$THEIRS" "$OURS"; do
		CNI_COMMAND=VERSION "$side/bridge" </dev/null >"$W/versions"
		jq -e '.cniVersion and (.supportedVersions | index("0.3.1") and index("1.0.0"))' "$W/versions" >/dev/null
		"$side/bridge" </dev/null 2>&1 | grep -q 'CNI protocol versions supported: '
	done
}

"$@"
