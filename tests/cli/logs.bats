# logs

load helpers

setup() { box_setup; }
teardown() { box_teardown; }

# bats test_tags=peer
@test "logs: both streams, kept apart" {
	background talks box sh -c 'echo out; echo err >&2; echo out2'
	corten wait talks
	run -0 --separate-stderr corten logs talks
	is $'out\nout2'
	[ "$stderr" = err ]
	corten rm talks
}

@test "logs: of a foreground container too" {
	corten run --network none --name fore box echo words
	run -0 corten logs fore
	is words
	corten rm fore
}

# bats test_tags=peer
@test "logs --tail" {
	background talks box seq 1000
	corten wait talks
	run -0 corten logs --tail 2 talks
	is $'999\n1000'
	run -0 corten logs --tail 0 talks
	is ""
	run -0 bash -c '"$CORTEN" logs --tail all talks | wc -l'
	is 1000
	corten rm talks
}

# bats test_tags=peer
@test "logs -t: a time before each line" {
	background talks box echo words
	corten wait talks
	run -0 corten logs -t talks
	[[ $output =~ ^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-9.]+(Z|[+-][0-9:]+)\ words$ ]]
	corten rm talks
}

# bats test_tags=peer
@test "logs --since and --until: an instant, seconds, a time span" {
	local middle
	background talks -i box sh -c 'echo early; cat; echo late'
	poll bash -c '"$CORTEN" logs talks | grep -q early'
	middle=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
	corten exec talks sh -c 'echo late >/proc/1/fd/1'
	poll bash -c '"$CORTEN" logs talks | grep -q late'
	run -0 corten logs --since "$middle" talks
	is late
	run -0 corten logs --until "$middle" talks
	is early
	run -0 corten logs --since 1h talks
	is $'early\nlate'
	run -0 corten logs --since "$(($(date +%s) + 100))" talks
	is ""
	corten rm -f talks
	is_peer || run -1 corten logs --since yesterday talks
}

# bats test_tags=peer
@test "logs -f: what is there, what comes, and the end" {
	background talks box sh -c 'trap "echo last; exit" TERM; echo first; while :; do sleep 0.1; done'
	"$CORTEN" logs -f talks >"$INSTANCE/followed" 3>&- &
	local pid=$!
	poll has_text "$INSTANCE/followed" first
	corten exec talks sh -c 'echo second >/proc/1/fd/1'
	poll has_text "$INSTANCE/followed" second
	corten kill -s TERM talks
	wait $pid
	[ "$(cat "$INSTANCE/followed")" = $'first\nsecond\nlast' ]
	corten rm talks
}

@test "logs -f: ends when the container is removed, and with --tail" {
	background talks box sh -c 'seq 10; sleep 1000'
	"$CORTEN" logs -f --tail 1 talks >"$INSTANCE/followed" 3>&- &
	local pid=$!
	poll has_text "$INSTANCE/followed" 10
	corten rm -f talks
	wait $pid || true
	[ "$(cat "$INSTANCE/followed")" = 10 ]
}

@test "logs: a line without an end, an empty line, one of 100 kB, bytes that are no text" {
	background talks box sh -c 'printf "\n"; head -c 100000 /dev/zero | tr "\0" x; printf "\n\377\001\"\\\\end"'
	corten wait talks
	corten logs talks >"$INSTANCE/got"
	[ "$(wc -c <"$INSTANCE/got")" -ge 100008 ]
	[ "$(head -c 1 "$INSTANCE/got" | od -An -tx1)" = " 0a" ]
	[ "$(tr -dc x <"$INSTANCE/got" | wc -c)" = 100000 ]
	[[ $(tail -c 5 "$INSTANCE/got") == '"\end' ]]
	corten rm talks
}

@test "logs: a container that never ran has none; one that is not there is an error" {
	corten create --name silent --network none box
	run -0 corten logs silent
	is ""
	corten rm silent
	run -1 corten logs nothing
	says "No such container: nothing"
}

@test "logs: a full log rotates, the newest lines are kept and it never takes more than its bound" {
	# 100 MB of output where 3 files of 16 MiB are kept.
	background much box sh -c 'x=$(head -c 1000 /dev/zero | tr "\0" x); yes $x | head -n 100000; echo the end'
	corten wait much
	run -0 corten logs --tail 1 much
	is "the end"
	[ "$(du -sm "$CORTEN_ROOT/logs" | cut -f1)" -le 50 ]
	[ "$(find "$CORTEN_ROOT/logs" -type f | wc -l)" = 3 ]
	[ "$(corten logs much | wc -l)" -gt 25000 ]
	corten rm much
}

@test "logs: with a terminal" {
	run -0 terminal exit=0 -- "$CORTEN" run -t --name tty --network none box sh -c 'echo one; echo two >&2'
	run -0 --separate-stderr corten logs tty
	is $'one\r\ntwo\r'
	[ -z "$stderr" ]
	corten rm tty
}

@test "logs: a reader that goes away is no hang" {
	background talks box seq 100000
	corten wait talks
	run timeout 10 bash -c '"$CORTEN" logs talks | head -n 1'
	says 1
	corten rm talks
}
