#!/bin/bash
# `make bench`: builds the floor, then measures in the lab if there is one, else on this host with what it has.
# Installs nothing. Options go to bench.py (--quick, --rows, --peers).
# CORTEN_BIN: folder of Corten's programs (build/bin); BENCH_OUT: where the results go (build/bench).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/.." && pwd)
bin=${CORTEN_BIN:-$repo/build/bin}
out=${BENCH_OUT:-$repo/build/bench}
lab=$repo/tests/lab/sid.sh

[ "$(id -u)" = 0 ] || { echo "bench: needs root: sudo make bench" >&2; exit 1; }
mkdir -p "$out"
if command -v "${CC:-cc}" >/dev/null; then
	"${CC:-cc}" -std=gnu17 -O2 -static -o "$out/floor" "$here/floor.c"
else
	echo "bench: missing: a C compiler, no floor" >&2
fi

if [ -f "$("$lab" path)/.lab-packages" ]; then
	binds=(-b "$out:/lab/out")
	if [ -d "$bin" ]; then binds+=(-b "$bin:/lab/bin:ro"); fi
	echo "bench: in the lab; its /lab/out is $out here" >&2
	exec "$lab" run "${binds[@]}" -- python3 -B /corten/bench/bench.py --bin /lab/bin --floor /lab/out/floor \
		--out /lab/out "$@"
else
	echo "bench: no lab: only peers of this host take part ('tests/lab/sid.sh make' makes one)" >&2
	command -v python3 >/dev/null || { echo "bench: missing: python3" >&2; exit 1; }
	exec python3 -B "$here/bench.py" --bin "$bin" --floor "$out/floor" --out "$out" "$@"
fi
