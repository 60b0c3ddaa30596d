#!/bin/bash
# bridge + host-local + portmap, one port: in process, as our programs, as the reference plugins. bench/net.sh [ROUNDS]
# Processor time is that of the caller and of the programs; the kernel's own threads are in none.
set -eu
repo=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo "bench: needs root: sudo bench/net.sh" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/ours"
for type in bridge host-local portmap; do ln -s "$repo/build/bin/corten-cni" "$work/ours/$type"; done
folders=("$work/ours")
theirs=${THEIRS:-/usr/lib/cni}
if [ -x "$theirs/portmap" ]; then folders+=("$theirs"); else echo "bench: missing: the reference plugins" >&2; fi
cd "$work"
export CORTEN_STATE=$work/state
unshare -n sh -c 'ip link set lo up; exec "$@"' - "$repo/build/bench/netbench" "${1:-50}" "${folders[@]}"
