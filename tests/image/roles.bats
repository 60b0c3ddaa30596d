# What the worker's roles can reach: probed, against the table in docs/worker-roles.md.

bats_require_minimum_version 1.5.0
load ../inventory/instance

setup() {
	instance_setup
	BIN=$(dirname "$CORTEN")
	DOC=$BATS_TEST_DIRNAME/../../docs/worker-roles.md
}
teardown() { instance_teardown; }

# documented ROLE: the block of the page between "```role" and "```".
documented() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$DOC" | sed '1d;$d'; }

# as_documented PROGRAM ROLE
as_documented() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ "$(uname -m)" = x86_64 ] || skip "the table has x86_64's calls"
	"$TOOLS/image/roles" "$BIN/$1" "$2" >"$INSTANCE/found"
	documented "$2" >"$INSTANCE/said"
	[ -s "$INSTANCE/said" ]
	diff -u "$INSTANCE/said" "$INSTANCE/found"
}

@test "parse reaches what its table says" { as_documented corten-worker parse; }
@test "manifest reaches what its table says" { as_documented corten-worker manifest; }
@test "describe reaches what its table says" { as_documented corten-worker describe; }
@test "signatures reaches what its table says" { as_documented corten-worker signatures; }
@test "copy reaches what its table says" { as_documented corten-worker copy; }
@test "verify reaches what its table says" { as_documented corten-verify verify; }
@test "describe, compose and import reach what their tables say" {
	local role
	for role in describe compose import; do as_documented corten-worker $role; done
}
@test "pack reaches what its table says" { as_documented corten-worker pack; }
@test "fetch reaches what its table says" { as_documented corten-fetch fetch; }
@test "unpack reaches what its table says" { as_documented corten-worker unpack; }

@test "/etc/shadow: EACCES in fetch, death in unpack" {
	documented fetch | grep -qx 'read /etc/shadow: EACCES'
	documented unpack | grep -qx 'read /etc/shadow: death'
}

@test "every role that a program has stands in the table" {
	local role
	for role in $(grep -oE '"[a-z]+", worker_[a-z]+_main' "$BATS_TEST_DIRNAME"/../../src/prog/corten-worker.c | cut -d'"' -f2); do
		[ -n "$(documented "$role")" ] || {
			echo "docs/worker-roles.md has no table of '$role'"
			return 1
		}
	done
}
