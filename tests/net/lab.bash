# Namespaces for tests of networks: a "host", somebody outside of it, containers behind bridges. All are held by
# processes of this test and vanish with them; nothing of the machine's own network is touched.
#
#	lab_make               HOST (10.9.0.1, fd09::1, and 10.9.0.9 as a second address) and OUT (10.9.0.2, fd09::2)
#	lab_bridge NAME NET    a bridge of HOST: 10.NET.0.1/16, fd00:NET::1/64
#	lab_container NAME BRIDGE NET N   a container: 10.NET.0.N, fd00:NET::N, default routes by the bridge
#	at NAME COMMAND…       runs it in that namespace (HOST, OUT, a container)
#	serve NAME PROTOCOL ADDRESS PORT  answers "NAME from CLIENT" there
#	ask NAME PROTOCOL ADDRESS PORT    asks from there

PEER=${PEER:-$BUILD/tests/net/peer}
declare -gA lab_pids=()
lab_servers=()

# A namespace with its loopback up.
lab_space() { # NAME
	unshare -n sleep 120 3>&- &
	lab_pids[$1]=$!
	until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/self/ns/net)" ] &&
		[ "$(cat /proc/$!/comm)" = sleep ]; do :; done
	at "$1" ip link set lo up
}

at() { # NAME COMMAND…
	local pid=${lab_pids[$1]}
	shift
	nsenter -t "$pid" -n "$@"
}

lab_address() { # NAME LINK ADDRESS…
	local name=$1 link=$2 a
	shift 2
	for a in "$@"; do
		case $a in
		*:*) at "$name" ip addr add "$a" dev "$link" nodad ;;
		*) at "$name" ip addr add "$a" dev "$link" ;;
		esac
	done
}

# A pair of links between two namespaces, both up.
lab_pair() { # NAME LINK NAME LINK
	at "$1" ip link add "$2" type veth peer name "$4" netns "${lab_pids[$3]}"
	at "$1" ip link set "$2" up
	at "$3" ip link set "$4" up
}

lab_make() {
	lab_space HOST
	lab_space OUT
	lab_pair HOST wan OUT eth0
	lab_address HOST wan 10.9.0.1/24 10.9.0.9/24 fd09::1/64
	lab_address OUT eth0 10.9.0.2/24 fd09::2/64
	at HOST sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

lab_bridge() { # NAME NET
	at HOST ip link add "$1" type bridge
	at HOST ip link set "$1" up
	lab_address HOST "$1" "10.$2.0.1/16" "fd00:$2::1/64"
}

lab_container() { # NAME BRIDGE NET N
	lab_space "$1"
	lab_pair HOST "v$1" "$1" eth0
	# Back out of the same port: what published ports need where bridges ask the packet filter (br_netfilter).
	at HOST ip link set "v$1" master "$2"
	at HOST ip link set "v$1" type bridge_slave hairpin on
	lab_address "$1" eth0 "10.$3.0.$4/16" "fd00:$3::$4/64"
	at "$1" ip route add default via "10.$3.0.1"
	at "$1" ip -6 route add default via "fd00:$3::1"
}

serve() { # NAME PROTOCOL ADDRESS PORT
	local out=$BATS_TEST_TMPDIR/serve.${#lab_servers[@]}
	nsenter -t "${lab_pids[$1]}" -n "$PEER" serve "$2" "$3" "$4" "$1" >"$out" 2>&1 3>&- &
	lab_servers+=($!)
	until grep -q ready "$out"; do
		kill -0 $! || { cat "$out"; return 1; }
	done
}

ask() { # NAME PROTOCOL ADDRESS PORT [SOURCE-PORT]
	at "$1" "$PEER" ask "${@:2}"
}

# The first packets of IPv6 may be lost while neighbours find each other through a bridge that learns its groups.
ask_again() {
	ask "$@" 2>/dev/null || ask "$@" 2>/dev/null || ask "$@"
}

lab_unmake() {
	local pid
	for pid in "${lab_servers[@]}" "${lab_pids[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	true
}
