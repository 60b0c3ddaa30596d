# A shim without an engine: shimctl starts it, a static busybox is the container.
# RUNTIME (default: corten-runtime beside the shim) may be runc or another; BUILD is the build folder.

bats_require_minimum_version 1.5.0

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	command -v busybox >/dev/null || skip "needs busybox (busybox-static)"
	export BUILD="${BUILD:-$(readlink -f "$BATS_TEST_DIRNAME/../..")/build}"
	export TOP="$(mktemp -d)" NAME="shimtest-$$"
	export RUNTIME="${RUNTIME:-$BUILD/bin/corten-runtime}"
	mkdir -p "$TOP/bin" "$TOP/base/bin" "$TOP/base/proc" "$TOP/base/dev" "$TOP/rr"
	cp "$BUILD/tests/shim/shimctl" "$TOP/bin/"
	ln -s "$BUILD/bin/containerd-shim-corten-v2" "$TOP/bin/"
	cp "$(command -v busybox)" "$TOP/base/bin/busybox"
	for c in sh cat sleep head dd stty tty; do ln -s busybox "$TOP/base/bin/$c"; done
}

teardown_file() {
	[ -n "$TOP" ] || return 0
	for d in /sys/fs/cgroup/*/"$NAME" /sys/fs/cgroup/"$NAME"; do [ ! -d "$d" ] || rmdir "$d"; done
	rm -rf "$TOP"
}

setup() {
	PATH="$TOP/bin:$PATH"
	ID="c$BATS_TEST_NUMBER"
	T="$TOP/tasks/$ID"
	mkdir -p "$T/rootfs" "$TOP/up/$ID" "$TOP/wk/$ID"
}

teardown() {
	if shimctl state "$T" >/dev/null 2>&1 || shimctl adopt "$T" >/dev/null 2>&1; then
		shimctl kill "$T" "" 9 || true
		shimctl wait "$T" "" 2000 || true
		shimctl delete "$T" || true
		shimctl shutdown "$T" || true
	fi
	if [ -s "$T/shim.log" ]; then cat "$T/shim.log"; fi
	! grep -q " $TOP" /proc/self/mounts
}

# bundle TERMINAL(true|false) COMMAND: a shell command as the container
bundle() {
	cat >"$T/config.json" <<JSON
{"ociVersion":"1.0.2","process":{"terminal":$1,"user":{"uid":0,"gid":0},"args":["sh","-c","$2"],
"env":["PATH=/bin"],"cwd":"/"},"root":{"path":"rootfs"},"mounts":[
{"destination":"/proc","type":"proc","source":"proc"},
{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["mode=755"]},
{"destination":"/dev/pts","type":"devpts","source":"devpts","options":["newinstance","ptmxmode=0666"]}],
"linux":{"cgroupsPath":"/$NAME/$ID","namespaces":[{"type":"mount"},{"type":"pid"},{"type":"ipc"}],
"resources":{"memory":{"limit":${MEMORY:-268435456}}}}}
JSON
}

process() {
	echo "{\"terminal\":${2:-false},\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\",\"-c\",\"$1\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/\"}"
}

shim() {
	shimctl shim "$T" id="$ID" runtime="$RUNTIME" root="$TOP/rr" log="corten-log://$TOP/logs/$ID" \
		lower="$TOP/base" upper="$TOP/up/$ID" work="$TOP/wk/$ID" "$@" 3>&-
	shimctl create "$T"
}

finish() {
	shimctl delete "$T"
	shimctl shutdown "$T"
	[ ! -e "$T/shim.sock" ]
}

wait_for() {
	for _ in $(seq 200); do
		if "$@"; then return 0; fi
		sleep 0.02
	done
	return 1
}

@test "output, exit code, log and journal" {
	bundle false 'echo out; echo err >&2; exit 7'
	shim
	run --separate-stderr shimctl attach "$T" "" go
	[ "$status" = 7 ]
	[ "$output" = out ]
	[ "$stderr" = err ]
	[ "$(shimctl wait "$T")" = 7 ]
	[ "$(shimctl logs . "$TOP/logs/$ID" 2>/dev/null)" = out ]
	finish
	[ "$(shimctl exit "$T")" = "7 -" ]
}

@test "stdin arrives whole and ends" {
	bundle false 'cat; exit 3'
	shim stdin once
	head -c 3000000 /dev/urandom >"$TOP/random"
	rc=0
	shimctl attach "$T" "" stdin go <"$TOP/random" >"$TOP/back" || rc=$?
	[ "$rc" = 3 ]
	cmp "$TOP/random" "$TOP/back"
	finish
}

@test "a terminal has the size that was asked for" {
	bundle true 'stty size; read x; echo got $x; exit 4'
	shim terminal stdin
	shimctl resize "$T" "" 91 33
	rc=0
	out="$( (echo foo; wait_for shimctl exit "$T" >/dev/null 2>&1) | shimctl attach "$T" "" stdin go)" || rc=$?
	[ "$rc" = 4 ]
	[[ "$out" == *"33 91"* ]]
	[[ "$out" == *"got foo"* ]]
	finish
}

@test "execs come, end and are forgotten" {
	bundle false 'sleep 1000'
	shim
	shimctl start "$T"
	shimctl exec "$T" e1 "$(process 'cat; exit 5')" stdin
	run shimctl exec "$T" e1 "$(process true)"
	[ "$status" = 1 ]
	[[ "$output" == *already_exists* ]]
	rc=0
	out="$(echo hi | shimctl attach "$T" e1 stdin go)" || rc=$?
	[ "$rc" = 5 ]
	[ "$out" = hi ]
	[ "$(shimctl delete "$T" e1)" = 5 ]
	run shimctl state "$T" e1
	[[ "$output" == *not_found* ]]
	! ls "$T" | grep -q e1
}

# no_execs: the task folder has no file of an exec left
no_execs() {
	! ls "$T" | grep -q ^exec-
}

@test "execs that nobody deletes are forgotten, and answered from the journal" {
	bundle false 'sleep 1000'
	mkfifo "$TOP/up/$ID/go"
	shim
	pid="$(shimctl start "$T")"
	# Started by a client that went; waited for by another; attached to by a third that is killed.
	shimctl exec "$T" e1 "$(process 'exit 5')"
	shimctl start "$T" e1
	shimctl exec "$T" e2 "$(process 'cat /go; exit 6')"
	shimctl start "$T" e2
	shimctl wait "$T" e2 >"$TOP/waited" 3>&- &
	waiter=$!
	shimctl exec "$T" e3 "$(process 'echo up; read x; exit 7')" stdin
	mkfifo "$TOP/e3.in"
	shimctl attach "$T" e3 stdin go <"$TOP/e3.in" >"$TOP/e3.out" 3>&- &
	client=$!
	exec 9>"$TOP/e3.in"
	wait_for grep -q up "$TOP/e3.out"
	kill -9 $client
	exec 9>&-
	# One that the runtime refuses has no end to wait for.
	shimctl exec "$T" e4 '{"args":["/nonexistent"],"env":[],"cwd":"/","user":{"uid":0,"gid":0}}'
	run shimctl start "$T" e4
	[ "$status" = 1 ]
	# Its input ended with it.
	wait_for shimctl exit "$T" e3
	wait_for sh -c "! shimctl state '$T' e1 2>/dev/null"
	wait_for sh -c "! shimctl state '$T' e3 2>/dev/null"
	wait_for sh -c "! shimctl state '$T' e4 2>/dev/null"
	[[ "$(shimctl state "$T" e2)" == running* ]]
	# By the container's overlay: below it the FIFO is another one.
	echo >"/proc/$pid/root/go"
	wait $waiter
	[ "$(cat "$TOP/waited")" = 6 ]
	wait_for no_execs
	[ "$(shimctl delete "$T" e1)" = 5 ]
	[ "$(shimctl wait "$T" e3)" = 7 ]
	run shimctl delete "$T" e4
	[[ "$output" == *not_found* ]]
	shimctl kill "$T" "" 9
	shimctl wait "$T"
	finish
}

@test "an exec that ended stays while its client is attached" {
	bundle false 'sleep 1000'
	shim
	shimctl start "$T"
	shimctl exec "$T" e1 "$(process 'exec dd if=/dev/zero bs=65536 count=64 2>/dev/null')"
	mkfifo "$TOP/e1.out"
	shimctl attach "$T" e1 go >"$TOP/e1.out" 3>&- &
	client=$!
	# Nobody reads this: the client stays behind.
	exec 9<"$TOP/e1.out"
	wait_for sh -c "shimctl state '$T' e1 | grep -q running"
	shimctl kill "$T" e1 9
	wait_for shimctl exit "$T" e1
	shimctl exec "$T" e2 "$(process 'exit 4')"
	shimctl start "$T" e2
	wait_for sh -c "! shimctl state '$T' e2 2>/dev/null"
	[[ "$(shimctl state "$T" e1)" == stopped* ]]
	cat <&9 >/dev/null
	exec 9<&-
	rc=0
	wait $client || rc=$?
	[ "$rc" = 137 ]
	[ "$(shimctl delete "$T" e1)" = 137 ]
	no_execs
}

@test "a successor forgets the execs that it found ended" {
	bundle false 'sleep 1000'
	shim
	shimctl start "$T"
	shimctl exec "$T" e1 "$(process 'sleep 1000')"
	pid="$(shimctl start "$T" e1)"
	kill -9 "$(cat "$T/shim.pid")" "$pid"
	wait_for sh -c "! shimctl state '$T' 2>/dev/null"
	shimctl adopt "$T"
	wait_for no_execs
	shimctl delete "$T" e1
}

@test "a container has a limited number of execs" {
	bundle false 'sleep 1000'
	# The limit goes by the descriptors that there are.
	(ulimit -Sn 320; shim)
	shimctl start "$T"
	for i in $(seq 16); do shimctl exec "$T" "e$i" "$(process true)"; done
	run shimctl exec "$T" e17 "$(process true)"
	[ "$status" = 1 ]
	[[ "$output" == *"has 16 execs already"*resource_exhausted* ]]
	shimctl delete "$T" e1
	shimctl exec "$T" e17 "$(process true)"
}

@test "an executable that is missing is not_found" {
	bundle false 'true'
	sed -i 's/"args":\[[^]]*\]/"args":["\/nonexistent"]/' "$T/config.json"
	run shim
	[ "$status" = 1 ]
	[[ "$output" == *not_found* ]]
	shimctl shutdown "$T"
}

@test "pause, resume, pids, kill" {
	bundle false 'sleep 1000'
	shim
	pid="$(shimctl start "$T")"
	shimctl pids "$T" | grep -qx "$pid"
	shimctl pause "$T"
	[[ "$(shimctl state "$T")" == paused* ]]
	shimctl resume "$T"
	[[ "$(shimctl state "$T")" == running* ]]
	run shimctl delete "$T"
	[[ "$output" == *"cannot delete: the container is running"* ]]
	shimctl kill "$T" "" 9 all
	[ "$(shimctl wait "$T")" = 137 ]
	run shimctl kill "$T" "" 9
	[[ "$output" == *"process already finished"* ]]
	finish
}

@test "kill -9 of the shim: the container goes on and its exit code is known" {
	bundle false 'trap \"exit 9\" TERM; echo one; while :; do sleep 0.05; done'
	shim
	pid="$(shimctl start "$T")"
	shimctl exec "$T" e1 "$(process 'trap \"exit 8\" TERM; while :; do sleep 0.05; done')"
	shimctl start "$T" e1
	kill -9 "$(cat "$T/shim.pid")"
	wait_for sh -c "! shimctl state '$T' 2>/dev/null"
	kill -0 "$pid"
	shimctl adopt "$T"
	[ "$(shimctl state "$T")" = "running $pid 0" ]
	shimctl kill "$T" e1 15
	[ "$(shimctl wait "$T" e1)" = 8 ]
	shimctl kill "$T" "" 15
	[ "$(shimctl wait "$T")" = 9 ]
	finish
}

@test "a container that ended without a shim is found ended" {
	bundle false 'sleep 0.3; exit 2'
	shim -- /bin/busybox touch "$TOP/after"
	pid="$(shimctl start "$T")"
	kill -9 "$(cat "$T/shim.pid")"
	wait_for sh -c "! kill -0 $pid 2>/dev/null"
	shimctl adopt "$T"
	[[ "$(shimctl state "$T")" == stopped* ]]
	wait_for test -e "$TOP/after"
	finish
}

@test "the exit command runs once" {
	bundle false 'exit 0'
	shim -- /bin/sh -c "echo x >>$TOP/command"
	shimctl start "$T"
	shimctl wait "$T"
	wait_for test -s "$TOP/command"
	finish
	[ "$(wc -l <"$TOP/command")" = 1 ]
}

@test "the exit command waits while an owner is attached, and runs once it is gone" {
	bundle false 'echo out; exit 0'
	shim -- /bin/sh -c "echo x >>$TOP/owned"
	mkfifo "$TOP/owner"
	shimctl attach "$T" "" owner go hold <"$TOP/owner" >"$TOP/owner.out" 3>&- &
	owner=$!
	exec 9>"$TOP/owner"
	wait_for grep -q out "$TOP/owner.out"
	[ "$(shimctl wait "$T")" = 0 ]
	# Anything that the shim would have done is done before it answers this.
	shimctl state "$T"
	[ ! -e "$TOP/owned" ]
	exec 9>&-
	wait $owner
	wait_for test -s "$TOP/owned"
	finish
	[ "$(wc -l <"$TOP/owned")" = 1 ]
}

@test "an owner that deletes and shuts down leaves nothing to the exit command" {
	bundle false 'exit 0'
	shim -- /bin/sh -c "echo x >>$TOP/never"
	mkfifo "$TOP/deleter"
	shimctl attach "$T" "" owner go hold <"$TOP/deleter" 3>&- &
	owner=$!
	exec 9>"$TOP/deleter"
	wait_for shimctl exit "$T"
	finish
	exec 9>&-
	wait $owner || true
	[ ! -e "$TOP/never" ]
}

@test "an owner that dies between Delete and Shutdown leaves Shutdown to the exit command, once" {
	bundle false 'exit 0'
	shim -- /bin/sh -c "echo x >>$TOP/half; exec $TOP/bin/shimctl shutdown $T"
	mkfifo "$TOP/half.in"
	shimctl attach "$T" "" owner go hold <"$TOP/half.in" 3>&- &
	owner=$!
	exec 9>"$TOP/half.in"
	wait_for shimctl exit "$T"
	shimctl delete "$T"
	[ ! -e "$TOP/half" ]
	kill -9 $owner
	exec 9>&-
	wait_for test ! -e "$T/shim.sock"
	[ "$(wc -l <"$TOP/half")" = 1 ]
}

@test "the runtime cannot be written to from a container" {
	[ "$(head -c4 "$RUNTIME" | od -An -c | tr -d ' ')" = '177ELF' ] || skip "the runtime is a script"
	cp "$RUNTIME" "$TOP/runtime"
	sum="$(sha256sum <"$TOP/runtime")"
	# The runtime opens this FIFO as its log and waits there, inside the container, as the command that it started.
	mkdir -p "$TOP/up/$ID"
	mkfifo "$TOP/up/$ID/fifo"
	printf '#!/proc/self/exe --log=/fifo\n' >"$TOP/up/$ID/evil"
	chmod +x "$TOP/up/$ID/evil"
	bundle false 'sleep 1000'
	RUNTIME="$TOP/runtime" shim
	shimctl start "$T"
	shimctl exec "$T" e0 '{"args":["/evil"],"env":[],"cwd":"/","user":{"uid":0,"gid":0}}'
	pid="$(shimctl start "$T" e0)"
	wait_for grep -q -- --log=/fifo "/proc/$pid/cmdline"
	[ "$(stat -Lc %i "/proc/$pid/exe")" = "$(stat -c %i "$TOP/runtime")" ]
	shimctl exec "$T" e1 "$(process 'for p in /proc/[0-9]*; do if busybox grep -q log=.[f]ifo $p/cmdline; then exec 5<$p/exe; fi; done; echo held; read x; echo bad >>/proc/self/fd/5 && exit 7; exit 6')" stdin
	mkfifo "$TOP/held"
	shimctl attach "$T" e1 stdin go <"$TOP/held" >"$TOP/held.out" 2>"$TOP/held.err" 3>&- &
	writer=$!
	exec 9>"$TOP/held"
	wait_for grep -q held "$TOP/held.out"
	# Nothing executes the file any more when the writer tries: only the mount can be what refuses.
	cat "/proc/$pid/root/fifo" >/dev/null 3>&- &
	reader=$!
	shimctl wait "$T" e0
	kill $reader 2>/dev/null || true
	echo >&9
	exec 9>&-
	rc=0
	wait $writer || rc=$?
	cat "$TOP/held.err"
	[ "$(sha256sum <"$TOP/runtime")" = "$sum" ]
	grep -q "Read-only file system" "$TOP/held.err"
	shimctl kill "$T" "" 9
	shimctl wait "$T"
	finish
}

@test "the groups of a shim that was killed are removed by whoever ends it" {
	bundle false 'exit 0'
	shim
	grep -q /corten/shims "$T/groups" || skip "the caller's group is the top everywhere"
	first="$(head -n1 "$T/groups")"
	kill -9 "$(cat "$T/shim.pid")"
	wait_for sh -c "! shimctl state '$T' 2>/dev/null"
	# A successor keeps what its predecessor noted.
	sed -i '1i /sys/fs/cgroup/none/corten/shims' "$T/groups"
	shimctl adopt "$T"
	# It answers once it is ready; before that its pid file is its predecessor's.
	shimctl state "$T"
	grep -qx /sys/fs/cgroup/none/corten/shims "$T/groups"
	grep -qx "$first" "$T/groups"
	kill -9 "$(cat "$T/shim.pid")"
	wait_for sh -c "! shimctl state '$T' 2>/dev/null"
	shimctl forget "$T"
	[ ! -e "$T/groups" ]
	[ -n "$(cat "$first/cgroup.procs" 2>/dev/null)" ] || [ ! -d "$first" ]
	shimctl adopt "$T"
	shimctl kill "$T" "" 9
	shimctl wait "$T"
	finish
}

@test "the shim is in nobody's session, and signals of a terminal do not end it" {
	bundle false 'sleep 1000'
	shim
	shimctl start "$T"
	s="$(cat "$T/shim.pid")"
	[ "$(cut -d' ' -f6 /proc/"$s"/stat)" != "$(cut -d' ' -f6 /proc/self/stat)" ]
	kill -HUP "$s"; kill -INT "$s"; kill -TERM "$s"
	[[ "$(shimctl state "$T")" == running* ]]
}

@test "an OOM kill is seen" {
	MEMORY=16777216 bundle false 'head -c 64000000 /dev/zero | busybox tail -c 60000000 >/dev/null; sleep 0.1; kill -9 $$; exit 1'
	shim
	shimctl start "$T"
	shimctl wait "$T"
	[[ "$(shimctl exit "$T")" == *oom ]]
	finish
}

@test "a slow background client is cut off, a foreground one slows the container" {
	bundle false 'dd if=/dev/zero bs=65536 count=200 2>/dev/null; exit 0'
	shim
	mkfifo "$TOP/slow"
	shimctl attach "$T" "" background >"$TOP/slow" 2>"$TOP/slow.err" 3>&- &
	slow=$!
	exec 9<"$TOP/slow"
	shimctl start "$T"
	[ "$(shimctl wait "$T")" = 0 ]
	cat <&9 | wc -c >"$TOP/slow.count"
	exec 9<&-
	rc=0
	wait $slow || rc=$?
	[ "$rc" = 1 ]
	grep -q "cut off" "$TOP/slow.err"
	finish
}

@test "only one shim serves a folder" {
	bundle false 'sleep 1000'
	shim
	run shimctl shim "$T" id="$ID" runtime="$RUNTIME" root="$TOP/rr"
	[ "$status" = 1 ]
	[[ "$output" == *"serves this container already"* ]]
	shimctl start "$T"
}
