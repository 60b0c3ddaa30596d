# Standard streams without a terminal.

load helpers

setup() { box_setup; }
teardown() { box_teardown; }

# containerd 2.1 hangs in 7 of 10 of these.
# bats test_tags=peer
@test "echo hi | run -i IMG cat prints hi, 50 times in a row" {
	local n times=50
	is_peer && times=5
	# bats's run has an i of its own.
	for n in $(seq $times); do
		run -0 bash -c 'echo hi | timeout 20 "$CORTEN" run --rm -i --network none box cat'
		is hi
	done
}

# bats test_tags=peer
@test "stdin: empty, closed, and without -i" {
	run -0 bash -c '"$CORTEN" run --rm -i --network none box cat </dev/null'
	is ""
	run -0 bash -c 'echo lost | "$CORTEN" run --rm --network none box cat'
	is ""
}

@test "stdin, stdout and stderr closed by the caller" {
	run -0 bash -c '"$CORTEN" run --rm -i --network none box cat <&-'
	run -3 bash -c '"$CORTEN" run --rm --network none box sh -c "exit 3" <&- >&- 2>&-'
}

@test "stdin: a program that does not read it ends all the same" {
	run -0 bash -c 'yes | timeout 20 "$CORTEN" run --rm -i --network none box echo done'
	is done
	# An input that stays open and silent.
	mkfifo "$INSTANCE/fifo"
	exec 8<>"$INSTANCE/fifo"
	run -0 timeout 20 "$CORTEN" run --rm -i --network none box echo done <&8
	exec 8>&-
	is done
}

# bats test_tags=peer
@test "stdout and stderr are kept apart" {
	run -0 --separate-stderr once box sh -c 'echo out; echo err >&2; echo out2'
	is $'out\nout2'
	[ "$stderr" = err ]
}

@test "stdin: 64 MiB through cat come back whole" {
	head -c 67108864 /dev/urandom >"$INSTANCE/data"
	run -0 bash -c '"$CORTEN" run --rm -i --network none box cat <"$INSTANCE/data" | sha256sum'
	is "$(sha256sum <"$INSTANCE/data")"
}

@test "1 GiB through stdout arrives whole" {
	# Lines of 1 kB: with short ones the log would take most of the time.
	local line
	line=$(printf 'x%.0s' {1..1023})
	run -0 bash -c '"$CORTEN" run --rm --network none box sh -c "yes $1 | head -c 1073741824" | sha256sum' - "$line"
	# The sum of `yes $line | head -c 1073741824`.
	is "cdf3c519ad8d5058669b6e166cb6718031d95e8f227bba3c5662cbd7c0974e75  -"
}

@test "output: the last words of a program that ends at once are all there, 20 times" {
	local i
	for i in {1..20}; do
		run -0 bash -c '"$CORTEN" run --rm --network none box seq 20000 | tail -n 1'
		is 20000
	done
}

@test "output: a reader that goes away ends the client, and the container with --rm is cleaned up" {
	run bash -c '"$CORTEN" run --rm --name reader --network none box sh -c "seq 100000; exit 0" | head -n 1'
	says 1
	poll is_gone reader
}

@test "output: a slow reader slows the container down, nothing is lost" {
	run -0 bash -c '"$CORTEN" run --rm --network none box sh -c "seq 300000" |
		{ read -r first; poll() { :; }; for i in 1 2 3; do read -r -t 0.1 x || true; done; cat; } | tail -n 1'
	is 300000
}

@test "output: bytes of every value, no newline at the end" {
	run -0 bash -c '"$CORTEN" run --rm --network none box sh -c "printf \"\\000\\001\\377\\r\\n\\033x\"" | od -An -tx1'
	is " 00 01 ff 0d 0a 1b 78"
}

@test "a background process that keeps stdout does not keep the client" {
	run -0 timeout 10 "$CORTEN" run --rm --network none box sh -c 'sleep 1000 & echo done'
	is done
}

# bats test_tags=peer
@test "signals go on to the program: SIGTERM, SIGINT, SIGHUP, SIGUSR1" {
	local pid name
	for name in TERM INT USR1; do
		"$CORTEN" run --rm --name "sig$name" --network none box sh -c \
			"trap 'echo got $name; exit 3' $name; echo ready; while :; do sleep 0.1; done" \
			>"$INSTANCE/out.$name" 2>&1 3>&- &
		pid=$!
		poll has_text "$INSTANCE/out.$name" ready
		kill -s "$name" "$pid"
		ends 3 "$pid"
		[ "$(cat "$INSTANCE/out.$name")" = "ready"$'\n'"got $name" ]
	done
}
