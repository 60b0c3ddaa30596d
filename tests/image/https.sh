#!/bin/bash
# For pull.bats, in a network and a mount namespace of its own: a name server, an authority, a registry behind TLS.
#   https.sh FOLDER PYTHON
set -eu
dir=$1 python=$2
here=$(dirname "$0")
cd "$dir"

mount --make-rprivate /
ip link set lo up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
	-keyout ca.key -out ca.crt 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=registry.test -keyout tls.key -out tls.csr 2>/dev/null
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out tls.crt \
	-extfile <(echo subjectAltName=DNS:registry.test) 2>/dev/null
echo nameserver 127.0.0.1 >resolv.conf
mount --bind resolv.conf "$(readlink -f /etc/resolv.conf)"

cat >names.py <<'PY'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    q, peer = s.recvfrom(512)
    end = q.index(b"\0", 12) + 5
    is_a = q[end - 4:end - 2] == b"\0\1"
    a = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if is_a else b""
    s.sendto(q[:2] + b"\x81\x80\0\1" + (b"\0\1" if a else b"\0\0") + b"\0\0\0\0" + q[12:end] + a, peer)
PY
"$python" names.py >names.out 2>&1 3>&- &
names=$!
"$python" "$here/registry.py" "$dir/tls.log" --port 8443 --tls tls.crt tls.key >tls.port 2>tls.err 3>&- &
registry=$!
trap 'kill $names $registry' EXIT
until [ -s names.out ] && [ -s tls.port ]; do kill -0 $names $registry; read -r -t 0.02 <> <(:) || true; done

"$CORTEN" pull registry.test:8443/plain 2>&1 | grep -q 'TLS with the registry' && echo "refused without the authority"
mkdir -p empty/certs.d/registry.test:8443
cp ca.crt empty/certs.d/registry.test:8443/
mkdir -p upper work
[ -d /etc/docker ] || { mount -t overlay overlay -o "lowerdir=/etc,upperdir=$dir/upper,workdir=$dir/work" /etc; mkdir /etc/docker; mount --bind resolv.conf "$(readlink -f /etc/resolv.conf)"; }
mount --bind empty /etc/docker
"$CORTEN" pull registry.test:8443/plain
# An end without TLS's farewell is a break like any other.
"$CORTEN" --root "$dir/cut" pull registry.test:8443/reset | grep -q 'Pull complete' && echo "resumed behind TLS"
[ "$(grep -c '/v2/reset/blobs/.* bytes=[1-9]' tls.log)" = 3 ]
