#!/usr/bin/env bats
# The budget of syncs (design, decision 4): reading costs none, a run none but for the store's checkpoint, which
# comes after several runs; on average at most one. A load costs at most one per layer and three.

load helpers
setup() { box_setup; }
teardown() { box_teardown; }

syncs_of() { # COMMAND...: how many syncs it and all its programs made
	command -v strace >/dev/null || skip "needs strace"
	strace -f -qq -e trace=fsync,fdatasync,syncfs,sync_file_range,sync -o "$INSTANCE/trace" \
		"$CORTEN" "$@" >/dev/null
	grep -c 'sync' "$INSTANCE/trace" || true
}

@test "syncs: a run --rm costs at most one on average" {
	local total=0 i
	for i in $(seq 12); do
		total=$((total + $(syncs_of run --rm --network none box true)))
	done
	echo "$total syncs in 12 runs"
	[ "$total" -le 12 ]
}

@test "syncs: ps, logs, exec, inspect and images cost none" {
	background looked box sleep 1000
	for command in "ps -a" "logs looked" "exec looked true" "inspect looked" images; do
		# shellcheck disable=SC2086 # words are wanted
		[ "$(syncs_of $command)" = 0 ]
	done
	corten rm -f looked
}

@test "syncs: a load costs at most one a layer and three" {
	local n
	n=$(syncs_of load -q -i "$ARCHIVES/box-oci.tar")
	echo "$n syncs"
	[ "$n" -le 4 ]
}
