# Names on networks, by dnsctl and corten-dns: containers are network namespaces with a loopback; asked by dig, by glibc, by
# musl and by busybox; a name server of our own (upstream.py) is what is asked for the rest.

bats_require_minimum_version 1.5.0

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	command -v dig >/dev/null || skip "needs dig (bind9-dnsutils)"
	export BUILD="${BUILD:-$(readlink -f "$BATS_TEST_DIRNAME/../..")/build}"
}

setup() {
	T=$(mktemp -d /tmp/dns.XXXXXX)
	N=dns-$$
	mkdir "$T/bin"
	cp "$BUILD/tests/net/dnsctl" "$T/bin/"
	ln -s "$BUILD/bin/corten-dns" "$T/bin/"
	for c in h 1 2 3; do
		ip netns add "$N-$c"
		ip -n "$N-$c" link set lo up
	done
	printf 'nameserver 127.0.0.11\n' >"$T/resolv.conf"
	printf 'hosts: files dns\n' >"$T/nsswitch.conf"
}

teardown() {
	for c in 1 2 3; do dnsctl detach "c$c" || true; done
	[ -z "${UPSTREAM:-}" ] || kill "$UPSTREAM"
	for c in h 1 2 3; do
		[ ! -e "/run/netns/$N-$c" ] || ip netns del "$N-$c"
	done
	rm -rf "$T"
}

# The host is a namespace, too: what is forwarded goes out there.
dnsctl() { ip netns exec "$N-h" "$T/bin/dnsctl" "$T/s" "$@"; }
attach() { dnsctl attach "c$1" "/run/netns/$N-$1" "${@:2}"; }
query() { ip netns exec "$N-$1" dig +time=3 +tries=1 @127.0.0.11 "${@:2}"; }
short() { query "$1" +short "${@:2}" | sort | xargs; }
status() { query "$@" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p; s/.*ANSWER: \([0-9]*\),.*/\1/p' | xargs; }
server() { pgrep -f "^$T/bin/corten-dns" || true; }

upstream() { # [ADDRESS]
	exec 5< <(exec ip netns exec "$N-h" python3 "$BATS_TEST_DIRNAME/upstream.py" "${1:-127.0.0.1}" 5300 "$T/log")
	UPSTREAM=$!
	read -r -t 10 _ <&5
}

three() {
	attach 1 "$@" net=a addr=10.1.0.2/16 addr=fd00::2/64 name=Web name=www
	attach 2 "$@" net=a addr=10.1.0.3/16 name=db name=www net=B addr=10.2.0.3/16 name=db
	attach 3 internal net=B addr=10.2.0.4/16 name=other
}

@test "containers find each other by name, alias and address on the networks that they share" {
	three
	[ "$(short 1 db)" = 10.1.0.3 ]
	[ "$(short 2 db)" = "10.1.0.3 10.2.0.3" ]
	[ "$(short 3 db)" = 10.2.0.3 ]
	[ "$(short 3 db.b)" = 10.2.0.3 ]
	[ "$(short 1 DB)" = 10.1.0.3 ]
	[ "$(short 1 +tcp www)" = "10.1.0.2 10.1.0.3" ]
	[ "$(short 2 web AAAA)" = fd00::2 ]
	[ "$(short 1 -x 10.1.0.3)" = db. ]
	[ "$(short 2 -x fd00::2)" = web. ]
	[ "$(status 3 web)" = "NXDOMAIN 0" ]
	[ "$(status 3 -x 10.1.0.2)" = "NXDOMAIN 0" ]
	# It is there and has no such record, which is not "no such name".
	[ "$(status 1 db AAAA)" = "NOERROR 0" ]
	[ "$(status 1 db MX)" = "NOERROR 0" ]
}

@test "several addresses take turns" {
	three
	local names=() first
	for _ in {1..40}; do names+=(www); done
	# Of each pair the first.
	first=$(query 1 +short "${names[@]}" | sed -n 'p;n' | sort | uniq -c)
	[[ $first == *10.1.0.2* && $first == *10.1.0.3* ]]
}

@test "names come and go while containers run" {
	three
	[ "$(status 1 new)" != "NOERROR 1" ]
	dnsctl update c2 "/run/netns/$N-2" net=a addr=10.1.0.9 name=new
	[ "$(short 1 new)" = 10.1.0.9 ]
	[ "$(status 1 db)" != "NOERROR 1" ]
	dnsctl detach c2
	[ "$(status 1 new)" != "NOERROR 1" ]
	[ "$(short 1 web)" = 10.1.0.2 ]
}

inside() { # N COMMAND…: with the container's resolv.conf
	ip netns exec "$N-$1" sh -c 'mount --bind "$1/resolv.conf" /etc/resolv.conf && mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf &&
		shift && exec "$@"' sh "$T" "${@:2}"
}

@test "glibc and busybox resolve" {
	three
	[ "$(inside 1 getent ahosts db | awk '{print $1}' | sort -u)" = 10.1.0.3 ]
	[ "$(inside 2 getent ahosts web | awk '{print $1}' | sort -u | xargs)" = "10.1.0.2 fd00::2" ]
	[ "$(inside 1 getent hosts 10.1.0.3 | awk '{print $2}')" = db ]
	run -2 inside 3 getent ahosts web
	run -0 inside 1 busybox nslookup db
	[[ $output == *"Address: 10.1.0.3"* ]]
}

@test "musl resolves a name without an address of the other family" {
	command -v musl-gcc >/dev/null || skip "needs musl-gcc (musl-tools)"
	musl-gcc -static -x c -o "$T/resolve" - <<-'C'
	#include <netdb.h>
	#include <stdio.h>
	int main(int argc, char **argv)
	{
		struct addrinfo *a, hints = { .ai_socktype = SOCK_STREAM };
		char text[64];
		int r = getaddrinfo(argv[1], NULL, &hints, &a);

		for (; r == 0 && a; a = a->ai_next) {
			getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
			puts(text);
		}
		return r ? printf("%s\n", gai_strerror(r)), 1 : 0;
	}
	C
	three
	[ "$(inside 1 "$T/resolve" db)" = 10.1.0.3 ]
	[ "$(inside 2 "$T/resolve" web | sort | xargs)" = "10.1.0.2 fd00::2" ]
	run -1 inside 3 "$T/resolve" web
}

@test "what is not known is asked elsewhere, over UDP and TCP" {
	upstream
	three server=127.0.0.1#5300
	[ "$(short 1 a.test)" = 10.11.12.13 ]
	[ "$(short 1 +tcp a.test)" = 10.11.12.13 ]
	[ "$(status 1 a.test AAAA)" = "NOERROR 0" ]
	[ "$(status 1 nx.test)" = "NXDOMAIN 0" ]
	[ "$(status 1 fail.test)" = "SERVFAIL 0" ]
	# Cut over UDP, whole over TCP; dig asks again by itself.
	[ "$(status 1 big.test TXT)" = "NOERROR 20" ]
	query 1 +ignore big.test TXT | grep -q 'flags:.* tc'
	# Nothing else would do for EDNS and DNSSEC.
	query 1 a.test +dnssec | grep -q 'EDNS: version: 0'
	# An internal network has no way out.
	[ "$(status 3 a.test)" = "NXDOMAIN 0" ]
	# Each question has an id of its own, not the asker's.
	query 1 +short +qid=7 a.test a.test a.test a.test a.test >/dev/null
	[ "$(awk '$2 == "a.test" && $4 != 7 {print $4}' "$T/log" | sort -u | wc -l)" -ge 5 ]
}

@test "forged replies are passed over, and a dead server is gone around" {
	upstream
	attach 1 server=127.0.0.1#1 server=127.0.0.1#5300 net=a addr=10.1.0.2 name=web
	[ "$(short 1 forged.test)" = 10.11.12.13 ]
	[ "$(short 1 +tcp a.test)" = 10.11.12.13 ]
}

@test "a server that hangs holds up neither other names nor for ever" {
	upstream
	attach 1 server=127.0.0.1#5300 net=a addr=10.1.0.2 name=web
	# More than may be under way at once.
	ip netns exec "$N-1" python3 - <<-'PY'
	import socket, struct
	udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	for i in range(150):
	    udp.sendto(struct.pack(">HHHHHH", i, 0x100, 1, 0, 0, 0) + b"\4slow\4test\0\0\1\0\1", ("127.0.0.11", 53))
	PY
	[ "$(short 1 web)" = 10.1.0.2 ]
	[ "$(query 1 +time=10 slow.test | sed -n 's/.*status: \([A-Z]*\),.*/\1/p')" = SERVFAIL ]
	# Those under way are given up, and there is room again.
	local end=$((SECONDS + 20))
	until [ "$(short 1 a.test)" = 10.11.12.13 ]; do [ $SECONDS -lt $end ]; done
}

@test "no server at all is said so" {
	attach 1 server=127.0.0.1#1 net=a addr=10.1.0.2 name=web
	[ "$(status 1 a.test)" = "SERVFAIL 0" ]
}

@test "the server is one process of nobody, and goes with the last container" {
	three
	local pid
	pid=$(server)
	[ "$(wc -w <<<"$pid")" = 1 ]
	grep -q '^Uid:.65534.65534.65534.65534$' "/proc/$pid/status"
	grep -q '^CapPrm:.0*$' "/proc/$pid/status"
	grep -q '^Seccomp:.2$' "/proc/$pid/status"
	[ "$(readlink "/proc/$pid/root")" = "$T/s/dns/names" ]
	[ "$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")" -lt 4096 ]
	attach 2 net=a addr=10.1.0.3 name=db
	[ "$(server)" = "$pid" ]
	dnsctl detach c1
	dnsctl detach c2
	[ "$(server)" = "$pid" ]
	dnsctl detach c3
	dnsctl detach c3
	local end=$((SECONDS + 5))
	while [ -n "$(server)" ] && [ $SECONDS -lt $end ]; do read -r -t 0.05 <> <(:) || true; done
	[ -z "$(server)" ]
	dnsctl ensure
	[ -z "$(server)$(ls "$T/s/dns/names")" ]
}

@test "a server that was killed comes back with all sockets" {
	three
	kill -9 "$(server)"
	dnsctl ensure
	[ "$(short 1 db)" = 10.1.0.3 ]
	kill -9 "$(server)"
	# A container that is gone is forgotten then.
	ip netns del "$N-3"
	attach 2 net=a addr=10.1.0.4 name=db
	[ "$(short 1 db)" = 10.1.0.4 ]
	[ "$(ls "$T/s/dns/names" | xargs)" = "c1 c2" ]
}

@test "a container that has a name server of its own is told" {
	ip netns exec "$N-1" python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 53))
print("ready", flush=True)
sys.stdin.read()' <> <(:) >"$T/ready" &
	local pid=$! end=$((SECONDS + 10))
	while [ ! -s "$T/ready" ] && [ $SECONDS -lt $end ]; do read -r -t 0.05 <> <(:) || true; done
	run -1 attach 1 net=a addr=10.1.0.2 name=web
	kill $pid
	[[ $output == *"listen on 127.0.0.11:53 of the container: address already in use" ]]
	[ -z "$(ls "$T/s/dns/names")" ]
}

@test "garbage is survived" {
	three
	local pid
	pid=$(server)
	ip netns exec "$N-1" python3 - <<-'PY'
	import os, random, socket, struct
	random.seed(5)
	udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	for _ in range(3000):
	    udp.sendto(os.urandom(random.randrange(0, 80)), ("127.0.0.11", 53))
	held = []
	for _ in range(100):
	    tcp = socket.create_connection(("127.0.0.11", 53))
	    tcp.sendall(struct.pack(">H", 40) + os.urandom(random.randrange(0, 41)))
	    held.append(tcp)
	PY
	[ "$(short 1 db)" = 10.1.0.3 ]
	[ "$(short 1 +tcp db)" = 10.1.0.3 ]
	[ "$(server)" = "$pid" ]
}
