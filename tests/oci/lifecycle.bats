#!/usr/bin/env bats
# create, start, state, kill, delete, list: runc's grammar, words and exit codes.
load helpers

@test "run gives the exit code of the process" {
	run_sh 'exit 42'
	[ "$status" -eq 42 ]
}

@test "run gives 128 plus the signal" {
	run_sh 'kill -TERM $$; sleep 1; exit 3'
	# The init of a pid namespace has no default action for its own signals.
	[ "$status" -eq 3 ]
	command_is /bin/sh -c 'sh -c "kill -9 \$\$"; exit $?'
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -eq 137 ]
}

@test "a relative root is the caller's, not the bundle's" {
	command_is true
	mkdir "$BUNDLE/root"
	cd "$WORK"
	# shellcheck disable=SC2086
	"$RUNTIME" $RUNTIME_FLAGS --root root create -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	[ -d "$ROOT/$ID" ]
	[ -z "$(ls "$BUNDLE/root")" ]
	# shellcheck disable=SC2086
	"$RUNTIME" $RUNTIME_FLAGS --root root delete -f "$ID"
	nothing_left
}

@test "create, start, kill, delete go through their states" {
	command_is sleep 1000
	rt create -b "$BUNDLE" --pid-file "$WORK/pid" "$ID" </dev/null >/dev/null 2>&1
	status_is created
	[ "$(cat "$WORK/pid")" = "$(rt state "$ID" | jq .pid)" ]
	[ "$(wc -c <"$WORK/pid")" -eq "$(printf %s "$(cat "$WORK/pid")" | wc -c)" ]
	[ -p "$ROOT/$ID/exec.fifo" ]
	rt start "$ID"
	status_is running
	[ ! -e "$ROOT/$ID/exec.fifo" ]
	run rt delete "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"is not stopped"* ]]
	rt kill "$ID" KILL
	until_true 5 status_is stopped
	rt delete "$ID"
	nothing_left
}

@test "delete -f removes a running container" {
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	status_is running
	rt delete -f "$ID"
	nothing_left
}

@test "delete removes a created container" {
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	rt delete "$ID" || rt delete -f "$ID"
	nothing_left
}

@test "a second container of the same id is refused" {
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run rt run -d -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"already exists"* || "$output" == *"with given ID"* ]]
	status_is running
}

@test "unknown containers are named as not existing, with exit code 1" {
	for c in state start kill; do
		run rt "$c" nosuch
		[ "$status" -eq 1 ]
		[[ "$output" == *"does not exist"* ]]
	done
	run rt delete nosuch
	[ "$status" -eq 1 ]
	[[ "$output" == *"does not exist"* ]]
	rt delete -f nosuch
}

@test "invalid ids are refused" {
	for id in a/b .. 'a b' ''; do
		run rt run -b "$BUNDLE" -- "$id"
		[ "$status" -ne 0 ]
	done
}

@test "start twice and start of a stopped container are refused" {
	command_is sleep 1000
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	rt start "$ID"
	run rt start "$ID"
	[ "$status" -eq 1 ]
	rt kill "$ID" 9
	until_true 5 status_is stopped
	run rt start "$ID"
	[ "$status" -eq 1 ]
}

@test "kill takes numbers and names with and without SIG" {
	command_is sh -c 'trap "echo one >>/tmp/got" USR1; echo ready >/tmp/ready; while :; do sleep 0.05; done'
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	until_true 5 test -e "$BUNDLE/rootfs/tmp/ready"
	n=0
	for s in 10 USR1 SIGUSR1; do
		rt kill "$ID" "$s"
		n=$((n + 1))
		until_true 5 eval '[ "$(wc -l 2>/dev/null <"$BUNDLE/rootfs/tmp/got")" = '$n' ]'
	done
	run rt kill "$ID" NOSUCH
	[ "$status" -eq 1 ]
}

@test "kill of a stopped container says that it is not running" {
	command_is true
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	until_true 5 status_is stopped
	run rt kill "$ID" TERM
	[ "$status" -eq 1 ]
	[[ "$output" == *"not running"* || "$output" == *"process already finished"* ]]
}

@test "list shows what there is" {
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ "$(rt list -q)" = "$ID" ]
	[ "$(rt list -f json | jq -r '.[0].id')" = "$ID" ]
	[ "$(rt list --format=json | jq -r '.[0].status')" = running ]
	rt list | grep -q "^ID.*PID.*STATUS"
}

@test "pause and resume" {
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	rt pause "$ID"
	status_is paused
	run rt exec "$ID" true
	[ "$status" -ne 0 ]
	rt resume "$ID"
	status_is running
	run rt resume "$ID"
	[ "$status" -ne 0 ]
	rt pause "$ID"
	rt delete -f "$ID"
	nothing_left
}

@test "a missing bundle, a missing config and a wrong config are errors" {
	run rt run -b "$WORK/none" "$ID"
	[ "$status" -eq 1 ]
	mkdir "$WORK/empty"
	run rt run -b "$WORK/empty" "$ID"
	[ "$status" -eq 1 ]
	echo '{"ociVersion": 1' >"$BUNDLE/config.json"
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	nothing_left
}

@test "the log file gets one JSON object per line, standard error the words" {
	run "$RUNTIME" --root "$ROOT" --log "$WORK/log" --log-format json state nosuch
	[ "$status" -eq 1 ]
	[ "$(tail -n1 "$WORK/log" | jq -r .level)" = error ]
	[[ "$(tail -n1 "$WORK/log" | jq -r .msg)" == *"does not exist"* ]]
	[ "$(jq -r .time <"$WORK/log" | tail -n1 | wc -c)" -gt 19 ]
	is_crun || [[ "$output" == "container does not exist" ]]
}

@test "kill -9 of the runtime in the middle leaves nothing that delete -f cannot remove" {
	is_corten || skip "runc and crun leave processes and groups behind"
	config '.hooks.prestart = [{path: "/bin/sleep", args: ["sleep", "1000"], timeout: 60}]'
	command_is true
	"$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 &
	pid=$!
	until_true 5 eval '[ -n "$(cat /sys/fs/cgroup/*/'$ID'/cgroup.procs 2>/dev/null)" ]'
	kill -9 $pid
	wait $pid || true
	rt delete -f "$ID"
	nothing_left
}

@test "events --stats prints one line of statistics in runc's form" {
	is_crun && skip "crun has no events"
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run rt events --stats "$ID"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	jq -e --arg id "$ID" '.type == "stats" and .id == $id and .data.pids.current == 1
		and (.data.memory.usage.usage > 0) and (.data.cpu.usage | has("kernel"))' <<<"$output"
	run rt events --stats nosuch
	[ "$status" -eq 1 ]
	[[ "$output" == *"does not exist"* ]]
	run rt events --interval 0s "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"duration interval must be greater than 0"* ]]
	rt delete -f "$ID"
	nothing_left
}

@test "events prints statistics each interval until the container ends" {
	is_crun && skip "crun has no events"
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	rt events --interval=100ms "$ID" >"$WORK/events" &
	pid=$!
	until_true 5 eval '[ "$(wc -l <"$WORK/events")" -ge 2 ]'
	rt kill "$ID" KILL
	wait $pid
	[ "$(jq -r .type <"$WORK/events" | sort -u)" = stats ]
	rt delete "$ID"
	nothing_left
}

@test "kill and delete --regex take all containers whose name matches" {
	[ "$(basename "$RUNTIME")" != runc ] || skip "runc has no --regex"
	command_is sleep 1000
	for n in a b other; do
		rt run -d -b "$BUNDLE" "$ID-$n" </dev/null >/dev/null 2>&1
	done
	rt kill --regex "^$ID-[ab]\$" KILL
	until_true 5 eval '[ "$(rt state "$ID-a" | jq -r .status)" = stopped ]'
	until_true 5 eval '[ "$(rt state "$ID-b" | jq -r .status)" = stopped ]'
	[ "$(rt state "$ID-other" | jq -r .status)" = running ]
	rt delete --regex "^$ID-[ab]\$"
	[ ! -e "$ROOT/$ID-a" ]
	[ ! -e "$ROOT/$ID-b" ]
	rt delete --force --regex "^$ID-"
	nothing_left
	run rt kill --regex '(' KILL
	[ "$status" -eq 1 ]
}

@test "features lists what the rows implement" {
	run rt features
	[ "$status" -eq 0 ]
	jq -e '(.hooks | index("createContainer")) and (.mountOptions | index("rro"))
		and (.linux.namespaces | index("mount")) and (.linux.capabilities | index("CAP_SYS_ADMIN"))
		and (.linux.seccomp.actions | index("SCMP_ACT_NOTIFY"))
		and (.linux.seccomp.operators | length == 7)
		and (.linux.seccomp.archs | index("SCMP_ARCH_X86_64"))' <<<"$output"
	! is_corten || jq -e '(.linux.memoryPolicy.modes | index("MPOL_BIND"))
		and (.potentiallyUnsafeConfigAnnotations | index("run.oci.keep_original_groups"))
		and .linux.cgroup.rdma and .linux.apparmor.enabled and .linux.selinux.enabled
		and .linux.mountExtensions.idmap.enabled and .linux.netDevices.enabled
		and .linux.intelRdt.enabled and .linux.intelRdt.schemata and .linux.intelRdt.monitoring' <<<"$output"
}

@test "a class of service needs a processor that has them" {
	[ ! -e /sys/fs/resctrl/schemata ] || skip "this host has resctrl"
	! is_crun || skip "other words"
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run rt update --l3-cache-schema L3:0=f "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"Intel RDT/CAT: l3 cache schema is not enabled"* ]]
	run rt update --mem-bw-schema MB:0=20 "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"Intel RDT/MBA: memory bandwidth schema is not enabled"* ]]
	rt delete -f "$ID"
	is_corten || return 0
	config '.linux.intelRdt = {closID: "x"}'
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"intelRdt is specified in config, but Intel RDT is not enabled"* ]]
	nothing_left
}

# As many as OCI_ROUNDS says (1000 is what must hold); a few are part of every run.
@test "runs, execs and kills at random moments leave no process, group, mount or folder" {
	is_corten || skip "runc and crun leave processes and groups behind"
	local rounds=${OCI_ROUNDS:-20} i pid mounts
	mounts=$(wc -l </proc/self/mountinfo)
	command_is true
	for ((i = 0; i < rounds; i++)); do
		rt run -b "$BUNDLE" "$ID"
	done
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	for ((i = 0; i < rounds; i++)); do
		rt exec "$ID" true
	done
	[ "$(rt ps -f json "$ID" | jq length)" = 1 ]
	rt delete -f "$ID"
	for ((i = 0; i < rounds; i++)); do
		# shellcheck disable=SC2086
		"$RUNTIME" $RUNTIME_FLAGS --root "$ROOT" run -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 &
		pid=$!
		read -r -t "0.0$((RANDOM % 4))$((RANDOM % 10))" <> <(:) || true
		kill -9 $pid
		wait $pid 2>/dev/null || true
		rt delete -f "$ID"
	done
	nothing_left
	[ -z "$(ls -A "$ROOT")" ]
	[ "$(wc -l </proc/self/mountinfo)" = "$mounts" ]
	# What is dead already waits for whoever adopted it.
	for pid in $(grep -l "$ID" /proc/[0-9]*/cgroup 2>/dev/null); do
		[[ $(sed -n 's/^State:\t//p' "${pid%cgroup}status" 2>/dev/null) == [ZX]* ]] || [ ! -e "$pid" ]
	done
}
