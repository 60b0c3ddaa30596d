#!/usr/bin/env bats
# exec: options, process file, terminal, exit codes.
load helpers

start_sleep() {
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
}

@test "exec gives the exit code" {
	start_sleep
	run rt exec "$ID" sh -c 'exit 9'
	[ "$status" -eq 9 ]
}

@test "exec with user, environment, folder" {
	start_sleep
	run rt exec -u 1000:1001 -e A=b --env C=d --cwd /tmp "$ID" sh -c 'id -u; id -g; pwd; echo $A$C; echo $HOME'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 1000 ]
	[ "${lines[1]}" = 1001 ]
	[ "${lines[2]}" = /tmp ]
	[ "${lines[3]}" = bd ]
	[ "${lines[4]}" = /home/joe ]
}

@test "exec adds capabilities" {
	start_sleep
	run rt exec --cap CAP_SYS_ADMIN "$ID" grep CapEff /proc/self/status
	[[ "$output" == *"00000000202004e1" ]]
}

@test "exec is in the container's namespaces and groups" {
	start_sleep
	pid=$(rt state "$ID" | jq .pid)
	for n in mnt pid net ipc uts; do
		[ "$(rt exec "$ID" readlink /proc/self/ns/$n)" = "$(readlink "/proc/$pid/ns/$n")" ]
	done
	rt exec "$ID" cat /proc/self/cgroup | grep -q "$ID\|:/$"
}

@test "exec --process FILE, detached, with a pid file" {
	start_sleep
	jq '.process | .args = ["sleep", "1001"] | .cwd = "/tmp"' "$BUNDLE/config.json" >"$WORK/process.json"
	rt exec --process "$WORK/process.json" -d --pid-file "$WORK/pid" "$ID" </dev/null >/dev/null 2>&1
	[ "$(tr '\0' ' ' <"/proc/$(cat "$WORK/pid")/cmdline")" = "sleep 1001 " ]
	[ "$(readlink "/proc/$(cat "$WORK/pid")/cwd")" = /tmp ]
}

@test "exec fails with 255 and words" {
	start_sleep
	run rt exec "$ID" nosuch
	[[ "$output" == *"executable file not found in \$PATH"* ]]
	is_crun || [ "$status" -eq 255 ]
	run rt exec nosuch true
	[ "$status" -ne 0 ]
	[[ "$output" == *"does not exist"* ]]
}

@test "exec in a stopped container is refused" {
	command_is true
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	until_true 5 status_is stopped
	run rt exec "$ID" true
	[ "$status" -ne 0 ]
	is_crun || [[ "$output" == *"stopped container"* ]]
}

@test "exec with a terminal in the foreground and over a socket" {
	command -v script >/dev/null || skip "needs script"
	command -v python3 >/dev/null || skip "needs python3"
	start_sleep
	run script -qec "$RUNTIME --root $ROOT exec -t $ID sh -c 'tty; exit 6'" /dev/null
	[ "$status" -eq 6 ]
	[[ "$output" == *"/dev/pts/0"* ]]
	python3 "$BATS_TEST_DIRNAME/console.py" "$WORK/console" >"$WORK/out" &
	peer=$!
	until_true 5 test -S "$WORK/console"
	rt exec -t -d --console-socket "$WORK/console" "$ID" sh -c 'tty; echo done' </dev/null >/dev/null 2>&1
	wait $peer
	grep -q "/dev/pts/0" "$WORK/out"
	grep -q done "$WORK/out"
}

@test "exec -u takes whole numbers only" {
	is_corten || skip "others read prefixes"
	start_sleep
	for u in 1a -1 4294967295 99999999999 '' : 1:x; do
		run rt exec -u "$u" "$ID" id
		[ "$status" -eq 255 ] || [ -z "$u" ]
	done
}

@test "exec has no_new_privs and additional groups" {
	start_sleep
	run rt exec --no-new-privs "$ID" grep NoNewPrivs /proc/self/status
	[[ "$output" == *1 ]]
	is_crun && return 0
	run rt exec --additional-gids 100 -g 65534 "$ID" id -G
	[[ "$status" -ne 0 || "$output" == *"100 65534"* ]]
}

@test "ps lists the processes" {
	start_sleep
	rt ps "$ID" | grep -q "sleep 1000" || is_crun
	[ "$(rt ps -f json "$ID" | jq length)" -eq 1 ]
}

@test "exec --process takes a pipe" {
	start_sleep
	run rt exec --process <(jq '.process | .args = ["echo", "words"]' "$BUNDLE/config.json") "$ID"
	[ "$status" -eq 0 ]
	[ "$output" = words ]
}

@test "exec --ignore-paused in a paused container goes on when it is resumed" {
	is_corten || [[ "$("$RUNTIME" --version | head -n 1)" =~ runc\ version\ 1\.[3-9] ]] || skip "runc since 1.2"
	start_sleep
	rt pause "$ID"
	# shellcheck disable=SC2086
	"$RUNTIME" $RUNTIME_FLAGS --root "$ROOT" exec --ignore-paused "$ID" echo words >"$WORK/out" 2>&1 &
	local pid=$!
	until_true 10 eval '[ -n "$(cat /proc/'$pid'/task/'$pid'/children)" ]'
	rt resume "$ID"
	wait $pid
	[ "$(cat "$WORK/out")" = words ]
}
