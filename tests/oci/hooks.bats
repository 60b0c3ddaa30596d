#!/usr/bin/env bats
# The six hooks: order, state on standard input, failure, timeout.
load helpers

hook() { # NAME SCRIPT
	config --arg n "$1" --arg s "$2" '.hooks[$n] += [{path: "/bin/sh", args: ["sh", "-c", $s], env: ["PATH=/bin:/usr/bin"], timeout: 5}]'
}

@test "all six run in order with the state on standard input" {
	for h in prestart createRuntime createContainer poststart poststop; do
		hook $h "printf '$h ' >>$WORK/order; jq -r .id >>$WORK/order"
	done
	hook startContainer "echo startContainer >>/tmp/order; cat >/tmp/state"
	command_is true
	rt run -b "$BUNDLE" "$ID"
	[ "$(awk '{print $1}' "$WORK/order" | tr '\n' ' ')" = "prestart createRuntime createContainer poststart poststop " ]
	[ "$(awk '{print $2}' "$WORK/order" | sort -u)" = "$ID" ]
	[ "$(cat "$BUNDLE/rootfs/tmp/order")" = startContainer ]
	[ "$(jq -r .id "$BUNDLE/rootfs/tmp/state")" = "$ID" ]
}

@test "a hook that fails before the start is fatal and leaves nothing" {
	for h in prestart createRuntime createContainer startContainer; do
		cp "$BATS_TEST_DIRNAME/config.json" "$BUNDLE/config.json"
		hook $h "echo because >&2; exit 3"
		run rt run -b "$BUNDLE" "$ID"
		[ "$status" -ne 0 ]
		[[ "$output" == *hook* ]]
		nothing_left
	done
}

@test "the pid in the state is the container's on the host" {
	hook createRuntime "jq .pid >$WORK/pid"
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ "$(cat "$WORK/pid")" = "$(rt state "$ID" | jq .pid)" ]
}

@test "a hook that takes too long is killed" {
	config '.hooks.prestart = [{path: "/bin/sleep", args: ["sleep", "1000"], timeout: 1}]'
	start=$SECONDS
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -ne 0 ]
	((SECONDS - start < 8))
	nothing_left
}
