#!/usr/bin/env bash
# Tests of the inventory itself: what it must see, and what it must not.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/../../tools/tap.sh"
program=${TOOLS:-$here/../../build/tests}/inventory/inventory
scratch=$(mktemp -d)
R=$scratch/root S=$scratch/state
mkdir -p "$R" "$S"
inventory() { "$program" --root "$R" --state "$S" "$@"; }
snapshot() { inventory snapshot >"$scratch/before"; }
# The differences to the last snapshot, without waiting for them to go away.
differences() { inventory --timeout 0 "$@" check "$scratch/before" || true; }
clean_up() {
	umount -l "$R"/* "$scratch/elsewhere" 2>/dev/null
	rm -rf "$scratch"
}
trap clean_up EXIT

nothing_done_is_no_difference() {
	snapshot
	tap_equal "" "$(differences)"
	inventory snapshot >"$scratch/after"
	inventory diff "$scratch/before" "$scratch/after"
}

files_are_seen_with_type_and_mode() {
	snapshot
	mkdir -m 700 "$S/d"
	head -c 100000 /dev/zero >"$R/big"
	mkfifo -m 600 "$S/d/fifo"
	tap_equal "$(printf 'new   file\t{root}/big file 0644 to1M\nnew   file\t{state}/d dir 0700\nnew   file\t{state}/d/fifo fifo 0600')" \
		"$(differences)"
	rm -r "$S/d" "$R/big"
}

a_process_is_seen_by_its_arguments() {
	mkfifo "$scratch/hold"
	snapshot
	sh -c 'read x' "$R" <>"$scratch/hold" >/dev/null 2>&1 &
	local out tries=0 pid=$!
	until [ "$(tr '\0' ' ' </proc/$pid/cmdline)" = "sh -c read x $R " ] ||
		[ $((tries += 1)) -gt 200 ]; do :; done
	out=$(differences)
	kill $pid
	tap_has "$out" 'new +process.*sh sh -c read x'
	tap_has "$out" 'new +fd.*count'
}

a_process_is_seen_by_its_environment_and_its_children_too() {
	mkfifo "$scratch/held" "$scratch/held.ready"
	snapshot
	cp /bin/sh "$scratch/corten"
	CORTEN_STATE=$S "$scratch/corten" -c 'env -i sh -c "echo >$0.ready; read x <$0"; true' \
		"$scratch/held" >/dev/null 2>&1 &
	local out pid=$!
	timeout 5 cat "$scratch/held.ready" >/dev/null
	out=$(differences --only process)
	echo >"$scratch/held"
	wait $pid || true
	tap_equal 2 "$(grep -c '^new' <<<"$out")"
}

the_test_itself_is_not_of_the_instance() {
	snapshot
	tap_equal "" "$(CORTEN_ROOT=$R CORTEN_STATE=$S bash -c "
		sleep 60 & '$program' --timeout 0 check '$scratch/before' | cat; kill \$!")"
}

another_instance_is_not_ours() {
	snapshot
	CORTEN_ROOT=$scratch/other CORTEN_STATE=$scratch/other2 \
		bash -c 'exec -a corten sleep 60' >/dev/null 2>&1 &
	tap_equal "" "$(differences)"
	kill $!
}

a_program_named_like_ours_without_an_instance_is_seen() {
	cp /bin/sleep "$scratch/corten-runtime"
	snapshot
	env -i "$scratch/corten-runtime" 60 >/dev/null 2>&1 &
	local out tries=0 pid=$!
	until [ "$(readlink /proc/$pid/exe)" != "$(readlink -f /usr/bin/env)" ] ||
		[ $((tries += 1)) -gt 200 ]; do :; done
	out=$(differences --only process)
	kill $pid
	tap_has "$out" 'new +process.*corten-runtime'
}

namespaces_of_our_processes_are_seen() {
	mkfifo "$scratch/ns" "$scratch/ready"
	snapshot
	unshare --uts --net sh -c "echo >$scratch/ready; read x <$scratch/ns" "$R" >/dev/null 2>&1 &
	timeout 5 cat "$scratch/ready" >/dev/null || tap_skip "no namespaces can be made"
	local out
	out=$(differences --only namespace)
	echo >"$scratch/ns"
	tap_equal "$(printf 'net\nuts')" "$(awk '{print $3}' <<<"$out" | sort)"
}

mounts_below_and_made_from_the_instance_are_seen() {
	mkdir -p "$R/m" "$R/lower" "$S/bound" "$scratch/elsewhere"
	snapshot
	mount -t tmpfs none "$R/m" || tap_skip "nothing can be mounted"
	mount --bind "$S/bound" "$scratch/elsewhere"
	local out
	out=$(differences --only mount)
	umount "$R/m" "$scratch/elsewhere"
	tap_has "$out" 'new +mount.*\{root\}/m tmpfs'
	tap_has "$out" 'new +mount.*/elsewhere'
	tap_equal "" "$(differences --only mount)"
}

mounts_of_others_are_not_seen() {
	mkdir -p "$scratch/elsewhere"
	snapshot
	mount -t tmpfs none "$scratch/elsewhere" || tap_skip "nothing can be mounted"
	local out
	out=$(differences --only mount)
	umount "$scratch/elsewhere"
	tap_equal "" "$out"
}

empty_cgroups_of_ours_are_seen() {
	local group
	group=$(awk '$9 == "cgroup" || $9 == "cgroup2" {print $5}' /proc/self/mountinfo | tail -n 1)
	[ -n "$group" ] && mkdir "$group/corten-selftest-$$" 2>/dev/null || tap_skip "no cgroup can be made"
	rmdir "$group/corten-selftest-$$"
	inventory --cgroup "corten-selftest-$$" snapshot >"$scratch/before"
	mkdir -p "$group/corten-selftest-$$/inner"
	local out
	out=$(differences --cgroup "corten-selftest-$$")
	rmdir "$group/corten-selftest-$$/inner" "$group/corten-selftest-$$"
	tap_equal 2 "$(grep -c 'new *cgroup' <<<"$out")"
}

links_addresses_and_rules_are_seen() {
	command -v ip >/dev/null || tap_skip "ip is not installed"
	# In a network namespace of its own: nothing of the machine's is touched.
	unshare --net bash -c "
		'$program' --root $R --state $S snapshot >$scratch/before &&
		ip link add corten0 type bridge && ip addr add 10.99.0.1/24 dev corten0 || exit 77
		nft add table inet corten 2>/dev/null
		'$program' --root $R --state $S --timeout 0 check $scratch/before >$scratch/out
		exit 0" || tap_skip "no bridge can be made"
	tap_has "$(cat "$scratch/out")" 'new +link.*corten0'
	tap_has "$(cat "$scratch/out")" 'new +address.*corten0 10.99.0.1/24'
	! command -v nft >/dev/null || tap_has "$(cat "$scratch/out")" 'new +nft.*table inet corten'
}

ignored_lines_are_left_out() {
	snapshot
	touch "$R/a.db-wal" "$R/b"
	printf '# the database\nfile *.db-wal *\n' >"$scratch/ignore"
	tap_equal "$(printf 'new   file\t{root}/b file 0644 empty')" \
		"$(differences --ignore "$scratch/ignore")"
	rm "$R/a.db-wal" "$R/b"
}

check_waits_for_what_goes_away_by_itself() {
	snapshot
	touch "$R/soon"
	(
		sleep 0.1
		rm "$R/soon"
	) >/dev/null 2>&1 &
	inventory --timeout 5000 check "$scratch/before"
}

what_is_gone_is_a_difference_too() {
	touch "$R/x"
	snapshot
	rm "$R/x"
	tap_equal "$(printf 'gone  file\t{root}/x file 0644 empty')" "$(differences)"
}

for name in $(sed -n 's/^\([a-z_]*\)() .*/\1/p' "$0" | grep -vx 'inventory\|snapshot\|differences\|clean_up'); do
	tap_case "$name"
done
tap_done
