# Attaching to a bridge in process and detaching again: whatever a kill leaves, GC gives the address back and forgets it.
scenario_programs="cnictl"
host=faults-host container=faults-container
export CNI_CONF=$CORTEN_STATE/conf CNI_CACHE=$CORTEN_STATE/cache CNI_BIN=/nowhere

namespaces() {
	local name
	for name in $host $container; do
		[ -e "/run/netns/$name" ] || ip netns add "$name"
	done
}
cnictl() { ip netns exec $host "$TOOLS/net/cnictl" "$@"; }
is_clean() {
	[ -z "$(ls "$CNI_CACHE/results")" ] || { echo "the cache has an entry"; return 1; }
	[ -z "$(find "$CORTEN_STATE/ipam" -name '10.*')" ] || { echo "an address is taken"; return 1; }
}

scenario_setup() {
	mkdir "$CNI_CONF"
	cat >"$CNI_CONF/n.conflist" <<-JSON
	{"cniVersion": "1.1.0", "name": "n", "plugins": [{"type": "bridge", "bridge": "br0", "isGateway": true, "ipam":
	 {"type": "host-local", "dataDir": "$CORTEN_STATE/ipam", "ranges": [[{"subnet": "10.99.0.0/24"}]]}}]}
	JSON
}
scenario_run() {
	namespaces
	cnictl add n c1 eth0 /run/netns/$container
	cnictl del n c1 eth0 /run/netns/$container
}
scenario_mend() {
	namespaces
	cnictl gc n
	is_clean
	ip netns del $container
	ip netns add $container
	cnictl add n c1 eth0 /run/netns/$container
	cnictl del n c1 eth0 /run/netns/$container
	ip netns del $container
	ip netns del $host
}
scenario_check() { is_clean; }
