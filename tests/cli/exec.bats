# exec

load helpers

setup() {
	box_setup
	background target box sleep 1000
}
teardown() {
	"$CORTEN" rm -f target >/dev/null 2>&1 || true
	box_teardown
}

# bats test_tags=peer
@test "exec: output, exit codes" {
	run -0 corten exec target echo words
	is words
	run -7 corten exec target sh -c 'exit 7'
	run -137 corten exec target sh -c 'kill -9 $$'
}

# bats test_tags=peer
@test "exec: 127 not found, 126 cannot be executed" {
	run -127 corten exec target no-such-program
	run -126 corten exec target /bin/not-executable
	run -126 corten exec target /etc
}

# bats test_tags=peer
@test "exec: streams are kept apart; -i gives stdin" {
	run -0 --separate-stderr corten exec target sh -c 'echo out; echo err >&2'
	is out
	[ "$stderr" = err ]
	for i in 1 2 3 4 5; do
		run -0 bash -c 'echo hi | timeout 20 "$CORTEN" exec -i target cat'
		is hi
	done
	run -0 bash -c 'echo lost | timeout 20 "$CORTEN" exec target cat'
	is ""
}

@test "exec: 32 MiB in and out" {
	head -c 33554432 /dev/urandom >"$INSTANCE/data"
	run -0 bash -c '"$CORTEN" exec -i target cat <"$INSTANCE/data" | sha256sum'
	is "$(sha256sum <"$INSTANCE/data")"
}

# bats test_tags=peer
@test "exec -e, -w, -u" {
	run -0 corten exec -e A=1 -e FROM_IMAGE=no -w /tmp -u app target sh -c 'echo $A $FROM_IMAGE $PWD $(id -un)'
	is "1 no /tmp app"
	run -0 corten exec -u 5:6 target id -g
	is 6
	run corten exec -u nobody-knows target true
	[ "$status" -ne 0 ]
	says "nobody-knows"
}

# bats test_tags=peer
@test "exec: in the container's namespaces, root and cgroup" {
	run -0 corten exec target sh -c 'for n in mnt uts ipc pid net cgroup; do readlink /proc/self/ns/$n; done | tr "\n" " "'
	is "$(for n in mnt uts ipc pid net cgroup; do readlink "/proc/$(pid_of target)/ns/$n"; done | tr '\n' ' ')"
	run -0 corten exec target cat /proc/1/cgroup
	local init=$output
	run -0 corten exec target cat /proc/self/cgroup
	is "$init"
}

# bats test_tags=peer
@test "exec: the container's capabilities and filter; --privileged has all" {
	unlike_podman "has eleven capabilities"
	run -0 corten exec target sed -n 's/^CapEff:[[:space:]]*//p; s/^Seccomp:[[:space:]]*//p' /proc/self/status
	is $'00000000a80425fb\n2'
	run -0 corten exec --privileged target sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status
	is "$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)"
}

# bats test_tags=peer
@test "exec -d: returns at once, the process goes on" {
	unlike_podman "prints an id"
	run -0 timeout 10 "$CORTEN" exec -d target sh -c 'echo started >/tmp/x; exec sleep 1000'
	is ""
	poll corten exec target test -s /tmp/x
	run -0 corten exec target pidof sleep
	[ "$(wc -w <<<"$output")" -eq 2 ]
}

@test "exec: many at once" {
	local i pids=()
	for i in {1..10}; do
		"$CORTEN" exec target sh -c "exit $i" 3>&- &
		pids+=($!)
	done
	for i in {1..10}; do
		ends $i "${pids[$((i - 1))]}"
	done
}

@test "exec: 30 in a row leave nothing in the container's folder" {
	local i before after
	before=$(find "$CORTEN_STATE" | wc -l)
	for i in {1..30}; do
		corten exec target true
	done
	after=$(find "$CORTEN_STATE" | wc -l)
	[ "$after" -le "$before" ]
}

@test "exec: a client that is killed leaves the process running, and the shim well" {
	"$CORTEN" exec target sh -c 'echo up >/tmp/up; exec sleep 999' 3>&- &
	local pid=$!
	poll corten exec target test -s /tmp/up
	kill -9 $pid
	wait $pid 2>/dev/null || true
	run -0 corten exec target echo well
	is well
}

@test "exec: a background process that keeps the output does not keep the client" {
	run -0 timeout 10 "$CORTEN" exec target sh -c 'sleep 1000 & echo done'
	is done
}

# bats test_tags=peer
@test "exec: the container's end ends it" {
	"$CORTEN" exec target sh -c 'echo up >/tmp/up; exec sleep 999' 3>&- &
	local pid=$!
	poll corten exec target test -s /tmp/up
	corten kill target
	ends 137 "$pid"
}

@test "exec: one that does not run, and one that is not there" {
	corten stop -t 0 target
	run -1 corten exec target true
	says "is not running"
	run -1 corten exec nothing true
	says "No such container: nothing"
}
