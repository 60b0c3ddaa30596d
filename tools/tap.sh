# TAP for tests written in shell: source it, call tap_case for each function, then tap_done.
# With an argument a test script runs only the case of that name.

tap_n=0 tap_failed=0 tap_only=${1:-}

# tap_case NAME: runs the function NAME in a shell of its own with set -e; status 77 skips, saying why in
# its last line of output.
tap_case() {
	local output status=0
	[ -z "$tap_only" ] || [ "$tap_only" = "$1" ] || return 0
	tap_n=$((tap_n + 1))
	# Not `if output=$(...)`: set -e would be off inside.
	set +e
	output=$(
		set -e
		"$1" 2>&1
	)
	status=$?
	case $status in
	0) echo "ok $tap_n $1" ;;
	77) echo "ok $tap_n $1 # skip ${output##*$'\n'}" ;;
	*)
		echo "not ok $tap_n $1"
		printf '%s\nstatus %s\n' "$output" "$status" | sed 's/^/# /'
		tap_failed=$((tap_failed + 1))
		;;
	esac
}

tap_skip() {
	echo "$*"
	exit 77
}

# tap_equal WANTED GOT
tap_equal() {
	[ "$1" = "$2" ] && return 0
	printf "wanted '%s'\ngot    '%s'\n" "$1" "$2"
	return 1
}

# tap_has TEXT PATTERN: TEXT has a line that matches the extended expression.
tap_has() {
	grep -Eq -- "$2" <<<"$1" && return 0
	printf "wanted a line like '%s' in:\n%s\n" "$2" "$1"
	return 1
}

tap_done() {
	echo "1..$tap_n"
	[ "$tap_failed" -eq 0 ]
}
