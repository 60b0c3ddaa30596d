# Loaded by vm.bats and systemd.bats, whose boot leaves its results below $VM.

# passed NAME: how that case ended in the guest.
passed() {
	local status
	[ -z "${SKIP:-}" ] || skip "$SKIP"
	if [ ! -f "$VM/results/$1.status" ]; then
		tail -n 30 "$VM/console.log"
		ls "$VM/results"
		return 1
	fi
	status=$(cat "$VM/results/$1.status")
	[ "$status" != 77 ] || skip "$(sed -n 's/^skip: //p' "$VM/results/$1.log")"
	[ "$status" = 0 ] || { cat "$VM/results/$1.log" && return 1; }
}

# boot_once SCRIPT PROGRAM...: boots by the script unless a program is missing.
boot_once() {
	local script=$1 program
	shift
	for program in "$@"; do
		command -v "$program" >/dev/null || export SKIP="$program is not installed"
	done
	[ -z "${SKIP:-}" ] || return 0
	VM=$(mktemp -d /tmp/vm.XXXXXX)
	export VM
	"$BATS_TEST_DIRNAME/$script" "$VM"
}

teardown_file() {
	[ -z "${VM:-}" ] || rm -rf --one-file-system "$VM"
}
