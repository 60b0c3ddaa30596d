#!/usr/bin/env bats
# crun's annotations, as docs/runtime-annotations.md lists them. `RUNTIME=crun` shows that the cases are right.
load helpers

has_annotations() { is_corten || is_crun || skip "crun's annotations"; }

# annotate KEY VALUE
annotate() { config --arg k "$1" --arg v "$2" '.annotations[$k] = $v'; }

# agent KIND: agent.py listens at $WORK/agent and writes to $WORK/told.
agent() {
	command -v python3 >/dev/null || skip "needs python3"
	python3 "$BATS_TEST_DIRNAME/agent.py" "$WORK/agent" "$1" >"$WORK/told" 3>&- &
	until_true 20 test -S "$WORK/agent"
}

@test "what hooks write goes to files, of every kind, with create and start" {
	has_annotations
	printf '#!/bin/sh\necho out $1; echo err $1 >&2\n' | tee "$BUNDLE/rootfs/hook" >"$WORK/hook"
	chmod +x "$BUNDLE/rootfs/hook" "$WORK/hook"
	config --arg p "$WORK/hook" '.hooks = ([("prestart", "createRuntime", "createContainer", "poststart", "poststop") as $k
		| {($k): [{path: $p, args: ["hook", $k]}]}] | add) + {startContainer: [{path: "/hook", args: ["hook", "startContainer"]}]}'
	annotate run.oci.hooks.stdout "$WORK/out"
	annotate run.oci.hooks.stderr "$WORK/err"
	command_is sleep 1000
	rt create -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	[ "$(cat "$WORK/out")" = $'out prestart\nout createRuntime\nout createContainer' ]
	rt start "$ID"
	until_true 5 grep -q poststart "$WORK/out"
	# The container itself has them not.
	until_true 5 grep -q sleep "/proc/$(rt state "$ID" | jq .pid)/comm"
	! ls -l "/proc/$(rt state "$ID" | jq .pid)/fd" | grep -q "$WORK"
	rt delete -f "$ID"
	for k in prestart createRuntime createContainer startContainer poststart poststop; do
		grep -qx "out $k" "$WORK/out"
		grep -qx "err $k" "$WORK/err"
	done
	[ "$(wc -l <"$WORK/out")" = 6 ]
}

@test "a file for hooks that cannot be opened stops the start" {
	has_annotations
	config '.hooks.prestart = [{path: "/bin/true"}]'
	annotate run.oci.hooks.stdout "$WORK/missing/out"
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -ne 0 ]
	[[ "$output" == *"$WORK/missing/out"* ]]
	nothing_left
}

@test "the pidfd of the init goes to pidfd_receiver" {
	has_annotations
	agent pidfd
	annotate run.oci.pidfd_receiver "$WORK/agent"
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	until_true 5 test -s "$WORK/told"
	[ "$(cat "$WORK/told")" = "$(rt state "$ID" | jq .pid)" ]
}

@test "the seccomp listener goes to seccomp.receiver" {
	has_annotations
	agent seccomp
	annotate run.oci.seccomp.receiver "$WORK/agent"
	config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY"}]}'
	run_sh 'mkdir /tmp/made'
	[ "$status" -ne 0 ]
	[[ "$output" == *"argument out of domain"* ]]
	jq -e '.fds == ["seccompFd"] and .state.id == $id' --arg id "$ID" "$WORK/told"
}

@test "a call that libseccomp does not know is an error with seccomp_fail_unknown_syscall" {
	has_annotations
	config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["no_such_call"], action: "SCMP_ACT_ERRNO"}]}'
	annotate run.oci.seccomp_fail_unknown_syscall 0
	rt run -b "$BUNDLE" "$ID"
	annotate run.oci.seccomp_fail_unknown_syscall 1
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -ne 0 ]
	[[ "$output" == *no_such_call* ]]
	nothing_left
}

@test "a filter's instructions take the place of the profile, for exec too" {
	has_annotations
	[ "$(uname -m)" = x86_64 ] || skip "the filter has numbers of x86_64"
	# Load the number; 83 (mkdir) is EPERM; all else is allowed.
	annotate run.oci.seccomp_bpf_data "IAAAAAAAAAAVAAABUwAAAAYAAAABAAUABgAAAAAA/38="
	config '.linux.seccomp = {defaultAction: "SCMP_ACT_KILL"}'
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	grep -q "Seccomp:.2" "/proc/$(rt state "$ID" | jq .pid)/status"
	if is_corten; then
		run rt exec "$ID" mkdir /tmp/made
		[ "$status" -ne 0 ]
		[[ "$output" == *"not permitted"* ]]
	fi
	rt delete -f "$ID"
	annotate run.oci.seccomp_bpf_data "AAAA"
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -ne 0 ]
	nothing_left
}

@test "what this runtime does not do is refused by name" {
	is_corten || skip "looks at our words"
	for a in run.oci.handler=krun run.oci.seccomp.plugins=/lib/x.so run.oci.delegate-cgroup=payload; do
		config '.annotations = {}'
		annotate "${a%%=*}" "${a#*=}"
		run rt run -b "$BUNDLE" "$ID"
		[ "$status" -eq 1 ]
		[[ "$output" == *"annotation $a: "*"not supported"* ]]
	done
	config '.annotations = {"run.oci.mount_context_type": "context2"}'
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *context2* ]]
	nothing_left
}

@test "annotations of callers are passed on" {
	config '.annotations = {"io.example.key": "value=1"}'
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	[ "$(rt state "$ID" | jq -r '.annotations["io.example.key"]')" = "value=1" ]
}
