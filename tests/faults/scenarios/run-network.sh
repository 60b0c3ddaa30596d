# A container on a network with a published port: after a kill its address, port, name and links are free again.
scenario_programs="corten corten-dns"
host=faults-run

# The host's side of networks is a namespace of the scenario, so that the machine gets no bridge.
corten() {
	[ -e "/run/netns/$host" ] || { ip netns add "$host" && nsenter --net="/run/netns/$host" ip link set lo up; }
	nsenter --net="/run/netns/$host" "$CORTEN" "$@"
}
on_network() { corten run --rm --name faults --network faults -p 8080:80 "$image" "$@"; }
is_free() {
	local left
	left=$(find "$CORTEN_STATE/net/ipam" -name '10.*' 2>/dev/null; ls -A "$CORTEN_STATE/net/results" "$CORTEN_STATE/dns/names" 2>/dev/null |
		grep -v '^/\|^$'; find "$CORTEN_STATE/net/rules" -name '*ports@*' 2>/dev/null
		nsenter --net="/run/netns/$host" ip -o link show type veth)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}

scenario_setup() {
	load_image
	corten network create --subnet 10.99.0.0/24 faults
}
scenario_run() { on_network true; }
scenario_mend() {
	remove_container faults
	[ "$(on_network echo it works)" = "it works" ]
	is_free
	ip netns del "$host"
}
