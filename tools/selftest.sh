#!/usr/bin/env bash
# Tests of the source checks and of the tally, on small trees made here.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/tap.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export CORTEN_TOP=$scratch/tree PYTHONDONTWRITEBYTECODE=1

# file PATH: standard input becomes that file of the made-up tree.
file() {
	mkdir -p "$CORTEN_TOP/$(dirname "$1")"
	cat >"$CORTEN_TOP/$1"
}
tree() {
	rm -rf "$CORTEN_TOP"
	file tools/exceptions.txt </dev/null
}
layers() { "$here/layers" "$CORTEN_TOP/build" || true; }
sizes() { "$here/sizes" || true; }

an_include_of_a_lower_floor_is_fine() {
	tree
	file src/oci/a.c <<<'#include "sys/mount.h"
#include "base/err.h"
#include "codec/json.h"'
	tap_has "$(layers)" "keep the house's rules"
}

an_include_of_a_higher_floor_is_found() {
	tree
	file src/sys/a.c <<<'#include "oci/run.h"'
	tap_has "$(layers)" '^src/sys/a.c:1: includes oci/run.h: sys may not use oci'
}

the_engine_sees_only_the_shims_client() {
	tree
	file src/engine/a.c <<<'#include "shim/client.h"
#include "shim/reaper.h"'
	tap_equal 1 "$(layers | wc -l)"
	tap_has "$(layers)" 'a.c:2: .*shim/client'
}

sys_never_sees_json() {
	tree
	file src/sys/a.h <<<'#include "codec/json.h"
#include <json-c/json.h>'
	tap_equal 2 "$(layers | wc -l)"
}

exit_is_for_programs() {
	tree
	printf '/* exit(1) */\nvoid f(void)\n{\n\t_exit(1);\n\texit(2);\n}\n' | file src/base/a.c
	printf 'int main(void)\n{\n\texit(2);\n}\n' | file src/prog/a.c
	tap_equal "src/base/a.c:5: calls exit(): only prog calls exit()" "$(layers)"
}

a_front_door_opens_no_files() {
	tree
	printf 'void f(void)\n{\n\topenat(1, "x", 0);\n}\n' | file src/front/docker/a.c
	tap_has "$(layers)" 'a.c:3: calls openat\(\)'
}

links_are_checked() {
	tree
	file build/build.ninja <<-'END'
	build bin/corten-runtime: c_LINKER bin/x.o | src/oci/liboci.a src/engine/libengine.a
	 LINK_ARGS = -Wl,--as-needed src/oci/liboci.a src/engine/libengine.a /usr/lib/x86_64-linux-gnu/libcurl.so

	build bin/corten: c_LINKER bin/x.o | src/cli/libcli.a
	 LINK_ARGS = src/cli/libcli.a -lsqlite3 -lcrypto

	END
	tap_has "$(layers)" 'corten-runtime: links the room engine'
	tap_has "$(layers)" 'corten-runtime: links curl'
	tap_has "$(layers)" 'bin/corten: links crypto'
	tap_equal 3 "$(layers | wc -l)"
}

an_exception_needs_a_use_and_a_reason() {
	tree
	file src/sys/a.c <<<'#include "oci/run.h"'
	file tools/exceptions.txt <<<'include src/sys/a.c:oci/run.h because of the moon'
	tap_has "$(layers)" "keep the house's rules"
	file tools/exceptions.txt <<<'include src/sys/b.c:oci/run.h because of the moon
include src/sys/a.c:oci/run.h'
	tap_has "$(layers)" 'excuses nothing'
	tap_has "$(layers)" 'needs a reason'
}

long_functions_and_files_are_found() {
	tree
	{
		printf 'int f(int a,\n      int b)\n{\n'
		for _ in {1..120}; do echo '	a++;'; done
		printf '}\n'
		for _ in {1..500}; do echo ''; done
	} | file src/base/a.c
	tap_has "$(sizes)" '^src/base/a.c:1: f has 124 lines'
	tap_has "$(sizes)" '^src/base/a.c: 624 lines'
}

branches_are_counted() {
	tree
	{
		printf 'int f(int a)\n{\n'
		for _ in {1..10}; do echo '	if (a && a) /* if if */ a = a ? 1 : 2;'; done
		printf '}\n'
	} | file src/base/a.c
	tap_has "$(sizes)" 'f has complexity 31'
}

dangerous_calls_are_found() {
	tree
	printf 'void f(char *x)\n{\n\tstrcpy(x, "atoi(1)");\n\tmy.system(1);\n}\n' | file src/base/a.c
	tap_equal 1 "$(sizes | grep -c '^src')"
	tap_has "$(sizes)" 'a.c:3: calls strcpy\(\)'
}

tap_is_counted() {
	printf 'ok 1 a\nnot ok 2 b\nok 3 c # SKIP why\n1..3\n' >"$scratch/log"
	tap_equal "$(printf '1 1 1\nnot ok 2 b')" "$("$here/tally" tap "$scratch/log" 1)"
	printf '1..3\nok 1 a\n' >"$scratch/log"
	tap_has "$("$here/tally" tap "$scratch/log" 0)" '^1 1 0$'
	: >"$scratch/log"
	tap_has "$("$here/tally" tap "$scratch/log" 0)" '^0 1 0$'
	printf '1..0 # skip nothing there\n' >"$scratch/log"
	tap_equal "0 0 1" "$("$here/tally" tap "$scratch/log" 0)"
}

a_status_is_counted() {
	: >"$scratch/log"
	tap_equal "1 0 0" "$("$here/tally" exit "$scratch/log" 0)"
	tap_equal "0 0 1" "$("$here/tally" exit "$scratch/log" 77)"
	tap_has "$("$here/tally" exit "$scratch/log" 124)" 'timed out'
}

junit_is_counted() {
	: >"$scratch/log"
	cat >"$scratch/log.xml" <<-'END'
	<testsuites><testsuite name="s" tests="3" errors="0" failures="1">
	<testcase name="a"/><testcase name="b"><failure/></testcase><testcase name="c"><skipped/></testcase>
	</testsuite></testsuites>
	END
	tap_equal "$(printf '1 1 1\ns: b')" "$("$here/tally" junit "$scratch/log" 1)"
}

for name in $(sed -n 's/^\([a-z_]*\)() .*/\1/p' "$0" | grep -vx 'file\|tree\|layers\|sizes'); do
	tap_case "$name"
done
tap_done
