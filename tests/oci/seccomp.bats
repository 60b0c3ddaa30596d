#!/usr/bin/env bats
# linux.seccomp from outside: actions, flags, the listener, and calls that are newer than the profile.
load helpers

# profile JSON
profile() { config --argjson p "$1" '.linux.seccomp = $p'; }

# The container has the host's root, read-only, for a program that makes any call by its number.
with_python() {
	command -v python3 >/dev/null || skip "needs python3"
	config '.root = {path: "/", readonly: true}'
}

# call NUMBER: makes the call in a container and prints the errno.
call() {
	command_is python3 -c "import ctypes; l = ctypes.CDLL(None, use_errno=True); l.syscall($1); print(ctypes.get_errno())"
	run rt run -b "$BUNDLE" "$ID"
}

# agent: agent.py listens at $WORK/agent and writes to $WORK/told.
agent() {
	command -v python3 >/dev/null || skip "needs python3"
	python3 "$BATS_TEST_DIRNAME/agent.py" "$WORK/agent" seccomp >"$WORK/told" 3>&- &
	until_true 20 test -S "$WORK/agent"
}

@test "actions and errnoRet, for the init and for exec" {
	profile '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 33},
		{"names": ["kill"], "action": "SCMP_ACT_ERRNO"},
		{"names": ["sethostname"], "action": "SCMP_ACT_KILL_PROCESS"}]}'
	run_sh 'mkdir /tmp/a; kill -0 1; hostname x; echo $?'
	[[ "$output" == *"argument out of domain"* ]]
	[[ "$output" == *"not permitted"* ]]
	[ "${lines[-1]}" = 159 ]
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	run rt exec "$ID" mkdir /tmp/a
	[[ "$output" == *"argument out of domain"* ]]
}

@test "arguments are compared" {
	profile '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ERRNO",
		"args": [{"index": 1, "value": 18, "op": "SCMP_CMP_EQ"}]}]}'
	# SIGCONT is 18.
	run_sh 'kill -0 $$ && echo sent; kill -CONT $$'
	[[ "$output" == sent*"not permitted"* ]]
}

@test "calls above the highest of the profile are ENOSYS, those below are the default action" {
	! is_crun || skip "crun has no such rule"
	with_python
	[ "$(uname -m)" = x86_64 ] || skip "numbers of x86_64"
	jq -n '{defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 33, architectures: ["SCMP_ARCH_X86_64"],
		syscalls: [{names: $names, action: "SCMP_ACT_ALLOW"}]}' --argjson names "$(python3 -c '
import json, subprocess
names = "read write open openat close stat fstat lstat newfstatat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask ioctl pread64 access pipe select dup dup2 getpid execve exit exit_group uname fcntl getcwd readlink readlinkat sysinfo getuid getgid geteuid getegid arch_prctl gettid futex set_tid_address set_robust_list prlimit64 getrandom getdents64 clock_gettime clock_nanosleep sigaltstack rseq statx faccessat faccessat2 getrlimit epoll_create1 mremap madvise capget capset prctl setuid setgid setgroups chdir"
print(json.dumps(names.split()))')" >"$WORK/profile"
	profile "$(cat "$WORK/profile")"
	# faccessat2, 439, is the highest; 436 is close_range, which is not in the list.
	call 436
	[ "$output" = 33 ]
	call 440
	[ "$output" = 38 ]
	call 999
	[ "$output" = 38 ]
}

@test "every flag is taken, and one that is unknown is refused" {
	for f in SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_LOG SECCOMP_FILTER_FLAG_SPEC_ALLOW; do
		profile "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": [\"$f\"], \"syscalls\": [{\"names\": [\"mkdir\", \"mkdirat\"], \"action\": \"SCMP_ACT_ERRNO\"}]}"
		run_sh 'mkdir /tmp/a || echo denied'
		[ "$status" -eq 0 ]
		[ "${lines[-1]}" = denied ]
	done
	profile '{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NO_SUCH"], "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}'
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -ne 0 ]
	[[ "$output" == *NO_SUCH* ]]
	nothing_left
}

@test "the listener goes to listenerPath with the metadata, and answers" {
	agent
	profile '{"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "who=me", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}'
	config --arg p "$WORK/agent" '.linux.seccomp.listenerPath = $p | .annotations = {"a": "b"}'
	run_sh 'mkdir /tmp/a'
	[ "$status" -ne 0 ]
	[[ "$output" == *"argument out of domain"* ]]
	jq -e --arg id "$ID" '.fds == ["seccompFd"] and .metadata == "who=me" and .pid > 0
		and .state.id == $id and .state.status == "creating" and .state.annotations.a == "b"' "$WORK/told"
	nothing_left
}

@test "an exec's listener goes there too, killable while it waits" {
	profile '{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}'
	is_corten || config 'del(.linux.seccomp.flags)'
	config --arg p "$WORK/agent" '.linux.seccomp.listenerPath = $p'
	command_is sleep 1000
	agent
	rt run -d -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	until_true 5 test -s "$WORK/told"
	rm "$WORK/agent"
	agent
	run rt exec "$ID" mkdir /tmp/a
	[[ "$output" == *"argument out of domain"* ]]
	! is_crun || return 0 # the pid is another one
	jq -e --argjson init "$(rt state "$ID" | jq .pid)" '.fds == ["seccompFd"] and .state.status == "running"
		and .state.pid == $init and .pid != $init' "$WORK/told"
}

@test "a listener without a path, and an agent that is not there, stop the start" {
	profile '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}'
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -ne 0 ] || is_crun
	config --arg p "$WORK/nobody" '.linux.seccomp.listenerPath = $p'
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -ne 0 ]
	[[ "$output" == *"$WORK/nobody"* ]] || ! is_corten
	nothing_left
}

@test "a filter without no_new_privs may forbid what newer kernels have" {
	config '.process.noNewPrivileges = false | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names:
		["close_range", "fsopen", "fsconfig", "fspick", "openat2", "open_tree", "move_mount", "mount_setattr"],
		action: "SCMP_ACT_ERRNO", errnoRet: 38}, {names: ["faccessat2"], action: "SCMP_ACT_ERRNO"}]}'
	run_sh 'echo words'
	[ "$output" = words ]
	command_is sleep 1000
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	rt start "$ID"
	[ "$(rt exec "$ID" echo words)" = words ]
}

@test "a startContainer hook is under the filter" {
	config '.process.noNewPrivileges = true | .hooks.startContainer = [{path: "/bin/mkdir", args: ["mkdir", "/tmp/made"]}] |
		.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO"}]}'
	run_sh 'echo words'
	[ "$status" -ne 0 ]
	[[ "$output" == *"error running startContainer hook #0"* ]]
}
