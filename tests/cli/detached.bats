# Containers in the background, and commands over them.

load helpers

setup() { box_setup; }
teardown() { box_teardown; }

@test "-d prints the id, and leaves the shim and the container's process behind, nothing else" {
	run -0 background bg
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	[ "$(corten inspect -f '{{.Id}}' bg)" = "$output" ]
	run -0 instance_processes
	[ ${#lines[@]} -eq 2 ]
	[ "${lines[0]}" = busybox ]
	[ "${lines[1]}" = containerd-shim-corten-v2 ]
	corten rm -f bg
}

@test "-d: the command's pipes are closed at once" {
	run -0 timeout 10 bash -c '"$CORTEN" run -d --network none --name bg box sleep 1000 2>&1 | cat'
	corten rm -f bg
}

@test "-d: a start that fails is told" {
	run -127 corten run -d --network none --name bad box no-such-program
	says no-such-program
	[ "$(state_of bad)" = created ]
	corten rm bad
	run -127 corten run -d --rm --network none --name bad box no-such-program
	is_gone bad
}

@test "-d --rm: gone when it ends, by itself" {
	background bg --rm box sh -c 'exit 0'
	poll is_gone bg
}

@test "-d: exit code, times and logs are there afterwards, without any process of ours" {
	background bg box sh -c 'echo words; exit 9'
	poll is_state bg exited
	poll no_processes
	run -0 corten inspect -f '{{.State.ExitCode}} {{.State.Running}} {{.State.Pid}}' bg
	is "9 false 0"
	run -0 corten logs bg
	is words
	run -0 corten ps -a --format '{{.Status}}'
	says "Exited (9)"
	corten rm bg
}

# bats test_tags=peer
@test "stop: SIGTERM is honoured, and the exit code is the program's" {
	background polite box sh -c 'trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done'
	poll bash -c '"$CORTEN" logs polite | grep -q ready'
	run -0 corten stop polite
	is polite
	run -0 corten inspect -f '{{.State.Status}} {{.State.ExitCode}}' polite
	is "exited 3"
	run -0 corten stop polite
	corten rm polite
}

# bats test_tags=peer
@test "stop -t: SIGKILL after the time" {
	background stubborn box sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
	poll bash -c '"$CORTEN" logs stubborn | grep -q ready'
	run -0 corten stop -t 1 stubborn
	run -0 corten inspect -f '{{.State.ExitCode}}' stubborn
	is 137
	corten rm stubborn
}

# The client that is answered closes at once; another of its calls is still waiting in the shim.
@test "stop -t 0: twenty in a row" {
	local n
	for n in {1..20}; do
		background quick >/dev/null
		corten stop -t 0 quick
		corten rm quick
	done
}

@test "stop: the container's own signal and time" {
	background own --stop-signal USR1 --stop-timeout 1 box sh -c 'trap "exit 4" USR1; echo ready; while :; do sleep 0.1; done'
	poll bash -c '"$CORTEN" logs own | grep -q ready'
	corten stop own
	[ "$(corten inspect -f '{{.State.ExitCode}}' own)" = 4 ]
	corten rm own
	background image --entrypoint sh box:entry -c 'trap "exit 5" USR1; echo ready; while :; do sleep 0.1; done'
	poll bash -c '"$CORTEN" logs image | grep -q ready'
	corten stop image
	[ "$(corten inspect -f '{{.State.ExitCode}}' image)" = 5 ]
	corten rm image
}

@test "stop -s: another signal; several at once" {
	background one box sh -c 'trap "exit 6" USR2; echo ready; while :; do sleep 0.1; done'
	background two
	poll bash -c '"$CORTEN" logs one | grep -q ready'
	run -0 corten stop -t 1 -s SIGUSR2 one
	[ "$(corten inspect -f '{{.State.ExitCode}}' one)" = 6 ]
	run -0 corten stop -t 0 one two
	is $'one\ntwo'
	corten rm one two
}

# bats test_tags=peer
@test "kill: SIGKILL by default, -s by name and number" {
	background victim
	run -0 corten kill victim
	is victim
	run -0 corten wait victim
	is 137
	corten rm victim
	background victim box sh -c 'trap "exit 8" USR1; echo ready; while :; do sleep 0.1; done'
	poll bash -c '"$CORTEN" logs victim | grep -q ready'
	corten kill -s USR1 victim
	run -0 corten wait victim
	is 8
	[ "${CORTEN##*/}" = podman ] || run -1 corten kill victim
	[ "${CORTEN##*/}" = podman ] || says "is not running"
	corten rm victim
}

@test "kill: a signal that is none, and one as a number" {
	background victim
	run -1 corten kill -s NOTHING victim
	says "Invalid signal: NOTHING"
	run -0 corten kill -s 9 victim
	poll is_state victim exited
	corten rm victim
}

# bats test_tags=peer
@test "wait: until it ends, several, and at once when it ended" {
	background first box sh -c 'exit 5'
	background second box sh -c 'exit 6'
	run -0 corten wait first second
	is $'5\n6'
	run -0 corten wait first
	is 5
	corten rm first second
}

@test "wait: sees the end of a container with --rm" {
	background short --rm box sh -c 'read x </dev/zero; exit 7' || true
	background long --rm box sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'
	poll bash -c '"$CORTEN" logs long | grep -q ready'
	"$CORTEN" wait long >"$INSTANCE/waited" 3>&- &
	local pid=$!
	poll grep -q wait "/proc/$pid/cmdline"
	corten kill -s TERM long
	wait $pid
	[ "$(cat "$INSTANCE/waited")" = 7 ]
	corten rm -f short || true
	poll is_gone long
}

# bats test_tags=peer
@test "start, stop, start: what was written stays, the log goes on, times change" {
	background again box sh -c 'echo run $(ls /new* 2>/dev/null | wc -l); touch /new.$$.$(date +%s%N); sleep 1000'
	poll bash -c '"$CORTEN" logs again | grep -q "run 0"'
	corten stop -t 0 again
	run -0 corten start again
	is again
	poll bash -c '"$CORTEN" logs again | grep -q "run 1"'
	run -0 corten logs again
	is $'run 0\nrun 1'
	corten rm -f again
}

@test "start: one that runs is no error; one that is not there is" {
	background runs
	run -0 corten start runs
	run -1 corten start nothing
	says "No such container: nothing"
	corten rm -f runs
}

# bats test_tags=peer
@test "start -a: output and exit code" {
	corten create --name attached --network none box sh -c 'echo words; echo more >&2; exit 7'
	run -7 --separate-stderr corten start -a attached
	is words
	[ "$stderr" = more ]
	run -7 corten start -a attached
	corten rm attached
}

# bats test_tags=peer
@test "start -ai: with stdin" {
	corten create -i --name reads --network none box cat
	run -0 bash -c 'echo again | timeout 20 "$CORTEN" start -ai reads'
	is again
	corten rm reads
}

# bats test_tags=peer
@test "create prints the id; the container is there, not running" {
	run -0 corten create --name made --network none box echo words
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	[ "$(state_of made)" = created ]
	corten rm made
}

@test "rm: a running one is refused in docker's words, -f ends it" {
	background runs
	run -1 corten rm runs
	says "container is running: stop the container before removing or force remove"
	run -0 corten rm -f runs
	is runs
	is_gone runs
}

@test "rm: several, one of which is not there" {
	run -1 corten rm nothing
	says "No such container: nothing"
	run -0 corten rm -f nothing
	says "No such container: nothing"
	corten create --name aa --network none box
	corten create --name bb --network none box
	run -1 corten rm aa nothing bb
	is_gone aa
	is_gone bb
}

@test "rm: log, snapshot and lock are gone with the container" {
	# The first run compiles the filter, which stays.
	once box true
	find "$CORTEN_ROOT" "$CORTEN_STATE" -mindepth 1 | grep -v '/db\|sqlite\|-wal\|-shm' | sort >"$INSTANCE/files" || true
	corten run --network none --name written box sh -c 'echo words; touch /new'
	corten rm written
	run -0 bash -c 'find "$CORTEN_ROOT" "$CORTEN_STATE" -mindepth 1 -type f | grep -v "/db\|sqlite\|-wal\|-shm" |
		grep -vxFf "$INSTANCE/files" || true'
	is ""
}

@test "names: by name, id and prefix of the id" {
	local id
	id=$(background byname)
	for what in byname "$id" "${id:0:12}" "${id:0:4}"; do
		[ "$(corten inspect -f '{{.Name}}' "$what")" = /byname ]
	done
	corten rm -f "${id:0:12}"
}

@test "names: a conflict in docker's words" {
	local id
	id=$(background taken)
	run -125 background taken
	says "Conflict. The container name \"/taken\" is already in use by container \"$id\". You have to remove (or rename) that container to be able to reuse that name."
	corten rm -f taken
	background taken
	corten rm -f taken
}

@test "names: made up when none is given, two words" {
	corten create --network none box
	run -0 corten ps -a --format '{{.Names}}'
	[[ $output =~ ^[a-z]+_[a-z]+$ ]]
	corten rm "$output"
}
