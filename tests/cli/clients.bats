# Clients that die, sessions that end, many at once: what was promised holds without them.

load helpers

setup() { box_setup; }
teardown() { box_teardown; }

# Starts the command in the background, without bats' descriptors; its pid is in $client.
launch() {
	"$@" >"$INSTANCE/out" 2>&1 </dev/null 3>&- 4>&- &
	client=$!
}

@test "--rm: the client is killed, the container goes on; at its end it is removed" {
	launch "$CORTEN" run --rm --name orphan --network none box sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.1; done'
	poll has_text "$INSTANCE/out" up
	kill -9 $client
	wait $client || true
	[ "$(state_of orphan)" = running ]
	corten exec orphan true
	corten kill -s TERM orphan
	poll is_gone orphan
	poll no_processes
}

@test "without --rm: the client is killed, the exit code is recorded" {
	launch "$CORTEN" run --name orphan --network none box sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.1; done'
	poll has_text "$INSTANCE/out" up
	kill -9 $client
	wait $client || true
	corten kill -s TERM orphan
	poll is_state orphan exited
	[ "$(corten inspect -f '{{.State.ExitCode}}' orphan)" = 3 ]
	corten rm orphan
}

@test "--rm: the client is stopped while the container ends; killed then" {
	launch "$CORTEN" run --rm --name slow --network none box sh -c 'echo up; sleep 1000'
	poll has_text "$INSTANCE/out" up
	kill -STOP $client
	corten kill slow
	kill -9 $client
	wait $client || true
	poll is_gone slow
}

@test "--rm: another command removes it under the client" {
	launch "$CORTEN" run --rm --name shared --network none box sh -c 'echo up; sleep 1000'
	poll has_text "$INSTANCE/out" up
	corten rm -f shared
	ends 137 "$client"
	is_gone shared
}

@test "-d: the session's end and the terminal's change nothing" {
	setsid --wait bash -c '"$CORTEN" run -d --name stays --network none box sleep 1000; "$CORTEN" run -d --rm --name ends --network none box sleep 1000' 3>&- 4>&-
	[ "$(state_of stays)" = running ]
	script -qec '"$CORTEN" run -d --name typed --network none box sleep 1000' /dev/null >/dev/null </dev/null 3>&- 4>&-
	[ "$(state_of typed)" = running ]
	corten kill ends
	poll is_gone ends
	corten rm -f stays typed
}

@test "-d: the container and its shim are in no session, group or cgroup of the caller" {
	background own
	local shim pid
	pid=$(pid_of own)
	shim=$(awk '/^PPid/ {print $2}' "/proc/$pid/status")
	[ "$(ps -o sid= -p "$shim")" != "$(ps -o sid= -p $$)" ]
	[ "$(ps -o tty= -p "$shim")" = "?" ]
	[ "$(readlink "/proc/$shim/fd/1")" != "$(readlink "/proc/$$/fd/1")" ]
	[ "$(readlink "/proc/$shim/cwd")" != "$PWD" ] || [ "$PWD" = / ]
	corten rm -f own
}

@test "--rm: everything of the session is killed but the shim, the terminal closed" {
	# The whole process group of a terminal dies, as when a connection breaks.
	run -0 terminal expect=up hangup -- bash -c \
		'"$CORTEN" run --rm --name gone --network none box sh -c "echo up; sleep 1000"; echo'
	corten rm -f gone || true
	poll is_gone gone
}

@test "the shim is killed: the container goes on, and the next command takes it over" {
	local shim
	background survivor box sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.1; done'
	poll bash -c '"$CORTEN" logs survivor | grep -q up'
	shim=$(awk '/^PPid/ {print $2}' "/proc/$(pid_of survivor)/status")
	kill -9 "$shim"
	poll [ ! -d "/proc/$shim" ]
	[ "$(state_of survivor)" = running ]
	run -0 corten exec survivor echo well
	is well
	run -0 corten stop survivor
	[ "$(state_of survivor)" = exited ]
	corten rm survivor
}

@test "the shim is killed: rm -f cleans all up" {
	local shim
	background survivor
	shim=$(awk '/^PPid/ {print $2}' "/proc/$(pid_of survivor)/status")
	kill -9 "$shim"
	poll [ ! -d "/proc/$shim" ]
	corten rm -f survivor
	is_gone survivor
}

@test "shim and container are killed: it is told as ended, starts again, and is removed" {
	local shim pid
	background both
	pid=$(pid_of both)
	shim=$(awk '/^PPid/ {print $2}' "/proc/$pid/status")
	kill -9 "$shim" "$pid"
	poll [ ! -d "/proc/$pid" ]
	poll is_state both exited
	corten start both
	[ "$(state_of both)" = running ]
	corten rm -f both
}

@test "20 run --rm at once: all run, nothing is left" {
	local i pids=()
	for i in {1..20}; do
		"$CORTEN" run --rm --network none box sh -c "echo number $i; exit $i" >"$INSTANCE/out.$i" 2>&1 3>&- 4>&- &
		pids+=($!)
	done
	for i in {1..20}; do
		ends $i "${pids[$((i - 1))]}"
		[ "$(cat "$INSTANCE/out.$i")" = "number $i" ]
	done
	[ -z "$(corten ps -aq)" ]
	poll no_processes
}

@test "8 processes fight for one name: exactly one wins, ten times" {
	local round i pids winners
	for round in {1..10}; do
		pids=() winners=0
		for i in {1..8}; do
			"$CORTEN" create --name fought --network none box >"$INSTANCE/out.$i" 2>&1 3>&- 4>&- &
			pids+=($!)
		done
		for i in {1..8}; do
			if wait "${pids[$((i - 1))]}"; then
				winners=$((winners + 1))
			else
				grep -q "Conflict. The container name" "$INSTANCE/out.$i"
			fi
		done
		[ $winners -eq 1 ]
		[ "$(corten ps -aq | wc -l)" = 1 ]
		corten rm fought
	done
}

@test "8 run --rm with one name: those that got it ran to their end, nothing is left" {
	local i pids=() code
	for i in {1..8}; do
		"$CORTEN" run --rm --name fought --network none box true >"$INSTANCE/out.$i" 2>&1 3>&- 4>&- &
		pids+=($!)
	done
	for i in {1..8}; do
		code=0
		wait "${pids[$((i - 1))]}" || code=$?
		[ $code -eq 0 ] || [ $code -eq 125 ]
	done
	[ -z "$(corten ps -aq)" ]
}

@test "8 rm -f of one container: it is gone, none hangs" {
	local i pids=()
	background fought
	for i in {1..8}; do
		timeout 30 "$CORTEN" rm -f fought >"$INSTANCE/out.$i" 2>&1 3>&- 4>&- &
		pids+=($!)
	done
	for i in {1..8}; do
		wait "${pids[$((i - 1))]}"
	done
	is_gone fought
	[ -z "$(ls "$CORTEN_STATE/locks/default")" ]
}

@test "start, stop and rm at once: each ends, and rm -f then cleans up" {
	local i pids=()
	corten create --name torn --network none box sleep 1000
	for i in {1..4}; do
		timeout 30 "$CORTEN" start torn >/dev/null 2>&1 3>&- 4>&- &
		pids+=($!)
		timeout 30 "$CORTEN" stop -t 0 torn >/dev/null 2>&1 3>&- 4>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || [ $? -ne 124 ]
	done
	corten rm -f torn
	is_gone torn
}
