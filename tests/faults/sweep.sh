#!/usr/bin/env bash
# Kills a scenario's programs at their system calls, one at a time, and looks whether the next command
# mends what is left. Each kill is a TAP case.
#
#   sweep.sh SCENARIO|--all [--step K] [--prog P] [--max N] [--at N] [--fail ERRNO] [--short]
#
#   --step K      every K-th call (default 1)      --max N       at most N kills a program, spread evenly
#   --prog P      only this program                --at N        only call N: to see one failure again
#   --fail ERRNO  the call fails instead           --short       every scenario, a few kills each
#
# The program under test is $CORTEN; the driver and the inventory are in $TOOLS.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
top=$(readlink -f "$here/../..")
export CORTEN=${CORTEN:-$top/build/bin/corten} TOOLS=${TOOLS:-$top/build/tests}
run_timeout_s=20 mend_timeout_s=30 failures_max=5
short_kills=6

load_scenario() {
	# shellcheck source=/dev/null
	. "$here/lib.sh" && . "$1"
}

# One function of a scenario, in a process of its own: sweep.sh --inner FILE FUNCTION.
if [ "${1:-}" = --inner ]; then
	set -e
	load_scenario "$2"
	"$3"
	exit
fi

usage() {
	sed -n '2,/^set/{s/^# \{0,1\}//p}' "$0"
	exit 2
}

scenarios=() step=1 only_program='' max=0 at='' errno=''
while [ $# -gt 0 ]; do
	case $1 in
	--all) scenarios=("$here"/scenarios/*.sh) ;;
	--short) scenarios=("$here"/scenarios/*.sh) max=$short_kills ;;
	--step) step=$2 && shift ;;
	--prog) only_program=$2 && shift ;;
	--max) max=$2 && shift ;;
	--at) at=$2 && shift ;;
	--fail) errno=$2 && shift ;;
	-*) usage ;;
	*) [ -f "$1" ] && scenarios+=("$(readlink -f "$1")") || scenarios+=("$here/scenarios/$1.sh") ;;
	esac
	shift
done
[ ${#scenarios[@]} -gt 0 ] || usage
if [ ! -x "$CORTEN" ]; then
	echo "1..0 # skip $CORTEN is not there"
	exit 0
fi

export SCRATCH
SCRATCH=$(mktemp -d)
export CORTEN_ROOT=$SCRATCH/root CORTEN_STATE=$SCRATCH/state CORTEN_NETWORK=none
n=0 failed=0
trap 'force_clean; rm -rf "$SCRATCH"' EXIT

inventory() { "$TOOLS/inventory/inventory" --ignore "$here/ignore" "$@"; }
part() { timeout --kill-after=5 "$mend_timeout_s" "$0" --inner "$scenario" "$1" </dev/null; }

# Ends and removes all that the instance left, so that one failure is not the next one's too.
force_clean() {
	local group files
	files=$(inventory --only file snapshot)
	# Processes that are ours only by a guess have another note, and are left alone.
	inventory --only process snapshot | sed -n 's/.*\tpid \([0-9]*\)$/\1/p' | xargs -r kill -9 2>/dev/null
	awk -v r="$SCRATCH/" 'index($5, r) == 1 {print $5}' /proc/self/mountinfo | sort -r |
		xargs -r -n1 umount -l 2>/dev/null
	for group in $(inventory --only cgroup snapshot | grep -Ff "$SCRATCH/cgroups.before" -vx |
		cut -f2 | cut -d' ' -f2); do
		# Other instances have groups too: ours are named like something in our folders.
		grep -qF "/${group##*/}" <<<"$files" || continue
		find /sys/fs/cgroup -depth -type d -path "*$group" -exec rmdir {} + 2>/dev/null
	done
	return 0
}

fresh_state() {
	rm -rf "$CORTEN_ROOT" "$CORTEN_STATE"
	cp -a "$SCRATCH/template/root" "$CORTEN_ROOT"
	cp -a "$SCRATCH/template/state" "$CORTEN_STATE"
}

result() { # ok|"not ok" NAME [FILE with words]
	n=$((n + 1))
	echo "$1 $n $2"
	[ -z "${3:-}" ] || tail -n 40 "$3" | sed 's/^/# /'
	[ "$1" = ok ] || failed=$((failed + 1))
}

# The inventory once it stays the same: an exit command may still be on its way out.
settled_snapshot() {
	local now last='' tries
	for tries in {1..50}; do
		now=$(inventory snapshot)
		[ "$now" != "$last" ] || break
		last=$now
		sleep 0.1
	done
	printf '%s\n' "$now"
}

# Setup, an undisturbed run that counts the calls, and the inventory that every kill must lead back to.
prepare() {
	local log=$SCRATCH/log
	rm -rf "$CORTEN_ROOT" "$CORTEN_STATE" "$SCRATCH/template"
	mkdir -p "$CORTEN_ROOT" "$CORTEN_STATE" "$SCRATCH/template"
	inventory --only cgroup snapshot >"$SCRATCH/cgroups.before"
	part scenario_setup >"$log" 2>&1 || return
	cp -a "$CORTEN_ROOT" "$SCRATCH/template/root"
	cp -a "$CORTEN_STATE" "$SCRATCH/template/state"
	"$TOOLS/faults/faults" --report "$SCRATCH/counts" --timeout "$run_timeout_s" \
		"$0" --inner "$scenario" scenario_run >"$log" 2>&1 </dev/null || return
	part scenario_mend >"$log" 2>&1 || return
	settled_snapshot >"$SCRATCH/reference"
	part scenario_check >"$log" 2>&1
}

# Why the kill of $1 at call $2 was not mended, in $SCRATCH/log; status 0 when it was.
try_one() {
	local program=$1 call=$2 log=$SCRATCH/log status=0 inject=(--kill "$1:$2")
	[ -z "$errno" ] || inject=(--fail "$1:$2:$errno")
	fresh_state
	"$TOOLS/faults/faults" --report "$SCRATCH/hit" --timeout "$run_timeout_s" "${inject[@]}" \
		"$0" --inner "$scenario" scenario_run >"$log" 2>&1 </dev/null || status=$?
	if [ $status -eq 124 ]; then
		echo "the scenario hung for $run_timeout_s s" >>"$log"
		return 1
	fi
	if ! part scenario_mend >>"$log" 2>&1; then
		echo "the next command failed" >>"$log"
		return 1
	fi
	if ! inventory check "$SCRATCH/reference" >>"$log" 2>&1; then
		echo "something is left behind" >>"$log"
		return 1
	fi
	part scenario_check >>"$log" 2>&1 || {
		echo "the mended instance does not work" >>"$log"
		return 1
	}
}

sweep_program() { # PROGRAM CALLS
	local program=$1 calls=$2 every=$step call=1 failures=0 name hit
	[ "$max" -eq 0 ] || [ $(((calls + step - 1) / step)) -le "$max" ] || every=$(((calls + max - 1) / max))
	[ -z "$at" ] || call=$at calls=$at
	while [ "$call" -le "$calls" ]; do
		name="$(basename "$scenario" .sh): ${errno:-kill} $program:$call"
		if try_one "$program" "$call"; then
			hit=$(awk -F'\t' '$1 == "kill" || $1 == "fail" {print $4}' "$SCRATCH/hit")
			result ok "$name ($hit)"
		else
			hit=$(awk -F'\t' '$1 == "kill" || $1 == "fail" {print $4}' "$SCRATCH/hit")
			result "not ok" "$name ($hit)" "$SCRATCH/log"
			force_clean
			failures=$((failures + 1))
			[ $failures -lt $failures_max ] || break
		fi
		call=$((call + every))
	done
}

for scenario in "${scenarios[@]}"; do
	[ -f "$scenario" ] || { echo "Bail out! no scenario '$scenario'"; exit 2; }
	name=$(basename "$scenario" .sh)
	status=0
	prepare || status=$?
	if [ $status -ne 0 ]; then
		[ $status -eq 77 ] && result ok "$name # skip $(tail -n 1 "$SCRATCH/log")" ||
			result "not ok" "$name: works without faults" "$SCRATCH/log"
		force_clean
		continue
	fi
	result ok "$name: works without faults"
	for program in $(load_scenario "$scenario" && echo "${only_program:-$scenario_programs}"); do
		calls=$(awk -F'\t' -v p="$program" '$1 == "calls" && $2 == p {print $3}' "$SCRATCH/counts")
		[ -z "$calls" ] || sweep_program "$program" "$calls"
	done
done
echo "1..$n"
[ $failed -eq 0 ]
