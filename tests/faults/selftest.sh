#!/usr/bin/env bash
# Tests of the fault driver itself, on coreutils, shells and, where they are installed, runc and crun.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/../../tools/tap.sh"
faults=${TOOLS:-$here/../../build/tests}/faults/faults
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
report=$scratch/report

# The calls that the last report says of program $1.
calls_of() { awk -F'\t' -v p="$1" '$1 == "calls" && $2 == p {print $3}' "$report"; }
hit_of() { awk -F'\t' '$1 == "kill" || $1 == "fail" {print $4; exit}' "$report"; }
run() { "$faults" --report "$report" "$@"; }

the_exit_status_is_the_commands() {
	local status=0
	run sh -c 'exit 7' || status=$?
	tap_equal 7 $status
	status=0
	run sh -c 'kill -TERM $$' || status=$?
	tap_equal 143 $status
	status=0
	run /nonexistent/program 2>/dev/null || status=$?
	tap_equal 127 $status
}

calls_are_counted_per_program() {
	run sh -c 'cat /dev/null; cat /dev/null; ls / >/dev/null'
	tap_equal 2 "$(awk -F'\t' '$2 == "cat" {print $4}' "$report")"
	[ "$(calls_of cat)" -gt 20 ]
	[ "$(calls_of ls)" -gt 20 ]
}

a_count_is_the_same_each_time() {
	local first
	run cat /dev/null
	first=$(calls_of cat)
	run cat /dev/null
	tap_equal "$first" "$(calls_of cat)"
}

only_named_calls_are_counted() {
	run --only read cat /dev/null
	tap_equal "$(strace -e trace=read cat /dev/null 2>&1 | grep -c '^read(')" "$(calls_of cat)"
}

a_kill_comes_before_the_call() {
	run --only write --kill cat:1 sh -c "echo hello | cat > $scratch/out; true"
	tap_equal write "$(hit_of)"
	tap_equal "" "$(cat "$scratch/out")"
}

only_the_named_program_is_killed() {
	local out
	out=$(run --kill ls:10 sh -c 'ls / >/dev/null; echo "status $?"' 2>/dev/null)
	tap_equal "status 137" "$out"
}

every_call_of_a_program_can_be_the_last() {
	local n total status
	run cat /dev/null
	total=$(calls_of cat)
	for n in $(seq 1 "$total"); do
		status=0
		run --kill "cat:$n" cat /dev/null || status=$?
		tap_equal "$n 137" "$n $status"
	done
	run --kill "cat:$((total + 1))" cat /dev/null
	tap_equal never "$(hit_of)"
}

a_call_fails_with_the_errno() {
	local out
	run --only read cat /etc/hostname >/dev/null
	out=$(run --only read --fail "cat:$(calls_of cat):EIO" cat /etc/hostname 2>&1) || true
	tap_has "$out" 'Input/output error'
	out=$(run --only write --fail cat:1:28 cat /etc/hostname 2>&1) || true
	tap_has "$out" 'No space left'
}

a_failed_call_is_not_carried_out() {
	run --only mkdir --fail mkdir:1:EROFS mkdir "$scratch/made" 2>/dev/null || true
	[ ! -e "$scratch/made" ]
}

later_calls_fail_too_with_a_plus() {
	run --only openat --fail cat:3+:EACCES cat /etc/hostname /etc/passwd 2>/dev/null && return 1
	[ "$(awk -F'\t' '$1 == "fail" {print $6}' "$report")" -ge 2 ]
}

children_of_vfork_and_threads_are_followed() {
	command -v python3 >/dev/null || tap_skip "python3 is not installed"
	run python3 -c '
import subprocess, threading
ts = [threading.Thread(target=lambda: subprocess.run(["true"])) for _ in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]'
	tap_equal 8 "$(awk -F'\t' '$2 == "true" {print $4}' "$report")"
}

an_execve_of_a_thread_is_followed() {
	command -v python3 >/dev/null || tap_skip "python3 is not installed"
	local out
	out=$(run python3 -c '
import os, threading, time
threading.Thread(target=lambda: os.execv("/bin/echo", ["echo", "from a thread"])).start()
time.sleep(30)')
	tap_equal "from a thread" "$out"
	[ "$(calls_of echo)" -gt 10 ]
}

pid_namespaces_are_followed() {
	local out
	out=$(run unshare --pid --fork --mount-proc sh -c 'echo $$; true; ls / >/dev/null') ||
		tap_skip "no PID namespace can be made"
	tap_equal 1 "$out"
	[ "$(calls_of ls)" -gt 20 ]
}

stopped_processes_stay_stopped_until_continued() {
	command -v python3 >/dev/null || tap_skip "python3 is not installed"
	local out
	out=$(run python3 -c '
import os, signal, subprocess
p = subprocess.Popen(["sh", "-c", "kill -STOP $$; echo went on"])
assert os.WIFSTOPPED(os.waitpid(p.pid, os.WUNTRACED)[1])
assert os.waitpid(p.pid, os.WNOHANG) == (0, 0)
os.kill(p.pid, signal.SIGCONT)
assert os.waitpid(p.pid, 0)[1] == 0')
	tap_equal "went on" "$out"
}

a_daemon_is_released_when_the_scenario_ends() {
	mkfifo "$scratch/fifo"
	run sh -c "setsid sh -c 'read x <$scratch/fifo; ls / >$scratch/late; echo done >$scratch/answer' \
		>/dev/null 2>&1 </dev/null & echo" >/dev/null
	mkfifo "$scratch/answer"
	echo go >"$scratch/fifo"
	tap_equal "done" "$(timeout 10 cat "$scratch/answer")"
	[ -s "$scratch/late" ]
}

wait_all_waits_for_daemons() {
	run --wait-all sh -c "(setsid sh -c 'ls / >$scratch/all') &"
	[ -s "$scratch/all" ]
	[ "$(calls_of ls)" -gt 20 ]
}

a_timeout_kills_everything() {
	local status=0
	run --timeout 1 sh -c "setsid sleep 60 & echo \$! >$scratch/pid; sleep 60" 2>/dev/null || status=$?
	tap_equal 124 $status
	# Whether the machine's init has reaped it already is not the driver's business.
	! grep -q '^State:.*[RSDT] ' "/proc/$(cat "$scratch/pid")/status" 2>/dev/null
}

the_log_names_each_call() {
	run --log "$scratch/log" cat /dev/null
	tap_equal "$(calls_of cat)" "$(grep -c '^cat ' "$scratch/log")"
	tap_has "$(cat "$scratch/log")" '^cat [0-9]+ [0-9]+ openat$'
}

wrong_options_are_refused() {
	local status
	for bad in --kill=x --kill=x:0 --fail=x:1 --fail=x:1:ENOSUCH --only=nosuchcall; do
		status=0
		"$faults" "$bad" true 2>/dev/null || status=$?
		tap_equal "$bad 125" "$bad $status"
	done
}

# A bundle that runs `true` from busybox, in $1, for the runtime $2.
make_bundle() {
	[ -x /bin/busybox ] || tap_skip "busybox is not installed"
	mkdir -p "$1/rootfs/bin"
	cp /bin/busybox "$1/rootfs/bin/"
	(cd "$1" && "$2" spec)
	jq '.process.terminal = false | .process.args = ["/bin/busybox", "true"]' "$1/config.json" \
		>"$1/c" && mv "$1/c" "$1/config.json"
}

# Kills runtime $2... at some of its calls; afterwards `delete -f` must have something to mend or not,
# and a new run must work.
runtime_survives_kills() {
	local runtime=$1 id="faults-$$" n
	command -v "$runtime" >/dev/null || tap_skip "$runtime is not installed"
	make_bundle "$scratch/$runtime" "$runtime"
	cd "$scratch/$runtime"
	"$runtime" --root "$scratch/r" run "$id" </dev/null >/dev/null 2>&1 ||
		tap_skip "$runtime does not run a container on this machine"
	run "$runtime" --root "$scratch/r" run "$id"
	[ "$(calls_of "$runtime")" -gt 100 ]
	tap_equal 1 "$(awk -F'\t' '$2 == "busybox" {print $4}' "$report")"
	for n in 50 300 1000 2000; do
		run --kill "$runtime:$n" "$runtime" --root "$scratch/r" run "$id" >/dev/null 2>&1 || true
		"$runtime" --root "$scratch/r" delete -f "$id" >/dev/null 2>&1 || true
	done
	"$runtime" --root "$scratch/r" run "$id.2"
}

runc_runs_and_is_killed_under_the_driver() { runtime_survives_kills runc; }
crun_runs_and_is_killed_under_the_driver() { runtime_survives_kills crun; }

for name in $(sed -n 's/^\([a-z_]*\)() .*/\1/p' "$0" | grep -vx 'calls_of\|hit_of\|run\|make_bundle\|runtime_survives_kills'); do
	tap_case "$name"
done
tap_done
