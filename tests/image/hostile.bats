# Hostile images, through load and pull: each comes to its verdict within 2 s of CPU and 64 MiB of all processes together,
# and nothing outside the layer is touched. The images and their verdicts are rows of hostile.py.

bats_require_minimum_version 1.5.0
load ../inventory/instance

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

setup() { instance_setup; }
teardown() { instance_teardown; }

hostile() {
	mkdir "$INSTANCE/h"
	run "$PYTHON" "$BATS_TEST_DIRNAME/hostile.py" "$1" "$INSTANCE/h"
	[ "$status" = 0 ] && return
	grep -v '^ok' <<<"$output"
	return 1
}

@test "names, links and devices that aim outside" { hostile escapes; }
@test "odd and long names" { hostile names; }
@test "bombs: much from little, many of everything" { hostile bombs; }
@test "lies about sizes, digests, types; damage" { hostile lies; }
