# Networks of people: containers reach each other by name, the outside by NAT, and are reached by published ports. The host
# is a namespace of this file; its outside is another one.

bats_require_minimum_version 1.5.0
load lab

setup_file() {
	local top
	top=$(readlink -f "$BATS_TEST_DIRNAME/../..")
	CORTEN=${CORTEN:-$top/build/bin/corten} BUILD=${BUILD:-$top/build}
	export CORTEN BUILD INSTANCE
	INSTANCE=$(mktemp -d /tmp/cn.XXXXXX)
	export CORTEN_ROOT=$INSTANCE/r CORTEN_STATE=$INSTANCE/s
	local r=$INSTANCE/root applet
	mkdir -p "$r/bin" "$r/tmp" "$r/etc"
	cp /bin/busybox "$r/bin/"
	for applet in sh cat true ifconfig route wget nslookup httpd sleep ping nc echo; do
		ln -s busybox "$r/bin/$applet"
	done
	tar -C "$r" -c . | "$CORTEN" import -c 'EXPOSE 80 53/udp' - busybox
}

teardown_file() { rm -rf --one-file-system "$INSTANCE"; }

setup() { lab_make; }

teardown() {
	local id status=0
	for id in $(host ps -aq); do host rm -f "$id" >/dev/null; done
	host network prune -f >/dev/null
	# Nothing of any container is left: no address, no result, no record, no port, no link.
	[ -z "$(find "$CORTEN_STATE/net/ipam" -type f -name '[0-9a-f]*[.:]*' 2>/dev/null)" ] || status=1
	[ -z "$(ls "$CORTEN_STATE/net/results" 2>/dev/null)" ] || status=1
	[ -z "$(find "$CORTEN_STATE/net/rules" -name '*ports@*' 2>/dev/null)" ] || status=1
	[ -z "$(ls "$CORTEN_STATE/dns/names" 2>/dev/null)" ] || status=1
	[ -z "$(at HOST ip -br link show type veth | grep -v '^wan')" ] || status=1
	lab_unmake
	rm -rf "$CORTEN_STATE" "$CORTEN_ROOT/networks"
	return $status
}

host() { at HOST "$CORTEN" "$@"; }

# A web server that says its name.
web() { # NAME [OPTION…]
	local name=$1
	shift
	host run -d --name "$name" "$@" busybox \
		sh -c "echo I am $name >/tmp/index.html; exec httpd -f -p 80 -h /tmp" >/dev/null
	until host exec "$name" wget -qO- http://127.0.0.1/ >/dev/null 2>&1; do :; done
}

fetch() { at "$1" busybox wget -qO- "http://$2/"; }

@test "the default network: an address of its subnet, out with the host's" {
	serve OUT tcp 10.9.0.2 9000
	run -0 host run --rm busybox sh -c 'ifconfig eth0; route -n; nc 10.9.0.2 9000 </dev/null'
	[[ $output == *"inet addr:172.17.0.2 "* ]]
	[[ $output == *"0.0.0.0 "*" 172.17.0.1 "* ]]
	[[ $output == *"OUT from 10.9.0.1"* ]]
}

@test "by name, alias, id and hostname, on networks of one's own" {
	host network create one
	web web --network one --network-alias www --hostname box
	local id
	id=$(host inspect -f '{{.Id}}' web)
	for name in web www "${id:0:12}" box; do
		run -0 host run --rm --network one busybox wget -qO- "http://$name/"
		[ "$output" = "I am web" ]
	done
	# Backwards, and what is not there.
	run host run --rm --network one busybox nslookup nobody.invalid
	[ "$status" -ne 0 ]
	# Names are of one network, and the default one has none.
	host network create two
	run ! host run --rm --network two busybox wget -qO- http://web/
	run ! host run --rm busybox wget -qO- http://web/
	run -1 host network rm one
	[[ $output == *"has active endpoints"* ]]
}

@test "containers come and go, and names follow" {
	host network create one
	web web --network one
	host run -d --name other --network one busybox sleep 100
	host rm -f web
	run ! host exec other wget -qO- http://web/
	web web --network one
	[ "$(host exec other wget -qO- http://web/)" = "I am web" ]
}

@test "published ports: from outside, from the host, its loopback, and the container itself" {
	web web -p 8080:80 -p 127.0.0.1:8081:80
	[ "$(host port web | sort)" = $'80/tcp -> 0.0.0.0:8080\n80/tcp -> 127.0.0.1:8081' ]
	[ "$(fetch OUT 10.9.0.1:8080)" = "I am web" ]
	[ "$(fetch OUT 10.9.0.9:8080)" = "I am web" ]
	[ "$(fetch HOST 10.9.0.1:8080)" = "I am web" ]
	[ "$(fetch HOST 127.0.0.1:8080)" = "I am web" ]
	[ "$(fetch HOST 127.0.0.1:8081)" = "I am web" ]
	[ "$(host exec web wget -qO- http://10.9.0.1:8080/)" = "I am web" ]
	run ! fetch OUT 10.9.0.1:8081
	[[ $(host ps) == *"0.0.0.0:8080->80/tcp"* ]]
	[[ $(host inspect web) == *'"HostPort": "8080"'* ]]
}

@test "a taken port is docker's error, and a free one is found" {
	web web -p 8080:80
	run -125 host run -d --name other -p 8080:80 busybox sleep 100
	[[ $output == *"Bind for 0.0.0.0:8080 failed: port is already allocated by container"* ]]
	host rm other
	serve HOST tcp 10.9.0.1 8090
	run -125 host run -d --name third -p 8090:80 busybox sleep 100
	[[ $output == *"Bind for 0.0.0.0:8090 failed: port is already allocated"* ]]
	host rm third
	host run -d --name fourth -P busybox sleep 100
	[[ $(host port fourth 80) =~ ^0\.0\.0\.0:[0-9]+$ ]]
	[[ $(host port fourth 53/udp) =~ ^0\.0\.0\.0:[0-9]+$ ]]
	run -1 host port fourth 99
	[[ $output == *"No public port '99' published for fourth"* ]]
	host run -d --name fifth -p 8080-8083:80 busybox sleep 100
	[ "$(host port fifth 80)" = 0.0.0.0:8081 ]
}

@test "networks do not reach each other; an internal one reaches nothing" {
	host network create one
	host network create two
	web web --network one
	local ip
	ip=$(host inspect -f '{{.NetworkSettings.Networks.one.IPAddress}}' web)
	run ! host run --rm --network two busybox nc -w 1 "$ip" 80
	host network create --internal in
	serve OUT tcp 10.9.0.2 9000
	run ! host run --rm --network in busybox nc -w 1 10.9.0.2 9000
	web inner --network in
	[ "$(host run --rm --network in busybox wget -qO- http://inner/)" = "I am inner" ]
	run ! host run --rm --network in busybox nslookup example.org
}

@test "addresses that were asked for: v4, v6, MAC; and what does not fit" {
	host network create --subnet 10.77.0.0/24 --ip-range 10.77.0.128/25 --gateway 10.77.0.254 \
		--subnet fd77::/64 --ipv6 one
	run -0 host run --rm --network one busybox ifconfig eth0
	[[ $output == *"inet addr:10.77.0.12"[89]* ]]
	run -0 host run --rm --network one --ip 10.77.0.9 --ip6 fd77::9 --mac-address 02:11:22:33:44:55 \
		busybox sh -c 'ifconfig eth0; route -n'
	[[ $output == *"02:11:22:33:44:55"*"inet addr:10.77.0.9 "*"fd77::9/64"*" 10.77.0.254 "* ]]
	run -125 host run --rm --network one --ip 10.78.0.9 busybox true
	[[ $output == *"no configured subnet contains IP address 10.78.0.9"* ]]
	run -1 host network create --subnet 10.77.0.0/25 two
	[[ $output == *"Pool overlaps with other one on this address space"* ]]
	run -1 host network create one
	[[ $output == *"network with name one already exists"* ]]
	web web --network one --ip 10.77.0.9
	run -125 host run --rm --network one --ip 10.77.0.9 busybox true
	[[ $output == *"10.77.0.9"* ]]
}

@test "several networks, connect and disconnect" {
	host network create one
	host network create two
	web web --network one
	host run -d --name other --network one --network two busybox sleep 100
	[ "$(host exec other wget -qO- http://web/)" = "I am web" ]
	run -0 host exec other ifconfig eth1
	host network disconnect one other
	run ! host exec other wget -qO- http://web/
	host network connect --alias bee one other
	[ "$(host exec other wget -qO- http://web/)" = "I am web" ]
	run -0 host exec web nslookup bee
	run -1 host network connect one other
	[[ $output == *"already exists in network one"* ]]
}

@test "another container's network, the host's, and none" {
	web web
	[ "$(host run --rm --network container:web busybox wget -qO- http://127.0.0.1/)" = "I am web" ]
	run -125 host run --rm --network container:web -p 80:80 busybox true
	[[ $output == *"conflicting options"* ]]
	run -0 host run --rm --network host busybox ifconfig wan
	run ! host run --rm --network none busybox ifconfig eth0
	host stop -t 0 web
	run host run --rm --network container:web busybox true
	[ "$status" -ne 0 ]
	[[ $output == *"cannot join network of a non running container"* ]]
}

@test "resolv.conf and hosts: --dns, --dns-search, --dns-option, --add-host" {
	run -0 host run --rm --dns 10.9.0.2 --dns-search example.org --dns-option ndots:2 \
		--add-host db:10.1.2.3 --add-host gw:host-gateway busybox cat /etc/resolv.conf /etc/hosts
	[[ $output == *"nameserver 10.9.0.2"*"search example.org"*"options ndots:2"* ]]
	[[ $output == *$'10.1.2.3\tdb'*$'172.17.0.1\tgw'*$'172.17.0.2\t'* ]]
	run -125 host run --rm --dns x busybox true
	[[ $output == *"x is not an ip address"* ]]
}

@test "the rules that another program flushed are there again after the next command" {
	web web -p 8080:80
	at HOST nft flush ruleset
	run ! at OUT busybox wget -T 1 -qO- http://10.9.0.1:8080/
	host run --rm busybox true
	[ "$(fetch OUT 10.9.0.1:8080)" = "I am web" ]
}

@test "ls, inspect, prune: docker's columns and keys" {
	host network create --label a=b -o mtu=1400 one
	[ "$(host network ls --format '{{.Name}} {{.Driver}} {{.Scope}}' | tr '\n' ,)" = \
		"bridge bridge local,host host local,none null local,one bridge local," ]
	[ "$(host network ls -f label=a=b --format '{{.Name}}')" = one ]
	[ "$(host network inspect -f '{{index .Labels "a"}}' one 2>/dev/null || echo b)" = b ]
	run -0 host run --rm --network one busybox ifconfig eth0
	[[ $output == *"MTU:1400"* ]]
	run -0 host network prune -f
	[ "${lines[0]}" = "Deleted Networks:" ] && [ "${lines[1]}" = one ]
	run -1 host network rm bridge
	[[ $output == *"pre-defined network"* ]]
	run -1 host network inspect nosuch
	run -125 host run --rm --network nosuch busybox true
	[[ $output == *"network nosuch not found"* ]]
	run -1 host network create -d macvlan x
	[[ $output == *"driver 'macvlan' is not supported yet"* ]]
}
