# What a reading of the code found: one case for each, so that it stays found.

load helpers

setup() { box_setup; }
teardown() { box_teardown; }

@test "descriptors that the caller closed do not become the database's" {
	run -1 bash -c '"$CORTEN" create --name quiet --network none box true <&- >&- 2>&-'
	run -1 bash -c '"$CORTEN" ps -a <&- >&- 2>&-'
	[ "$(state_of quiet)" = created ]
	corten rm quiet
}

@test "--env-file: lines that end as on Windows" {
	printf 'A=one\r\nB=two\r\n' >"$INSTANCE/env"
	run -0 "$CORTEN" run --rm --network none --env-file "$INSTANCE/env" box sh -c 'echo "$A-$B."'
	[ "$output" = "one-two." ]
}

@test "wait: an exit code is told when it is known, not when the last one is" {
	corten run -d --name first --network none box sh -c 'exit 5'
	corten run -d --name second --network none box sleep 1000
	"$CORTEN" wait first second >"$INSTANCE/codes" 2>&1 </dev/null 3>&- 4>&- &
	client=$!
	poll has_text "$INSTANCE/codes" 5
	corten kill second
	wait $client
	[ "$(cat "$INSTANCE/codes")" = "5
137" ]
	corten rm first second
}

@test "a container's environment is not for other users of the host" {
	corten run -d --name secret --network none -e PASSWORD=hush box sleep 1000
	folder=$CORTEN_STATE/tasks/default/$(corten inspect -f '{{.Id}}' secret)
	[ "$(stat -c %a "$folder")" = 700 ]
	corten rm -f secret
}

@test "stop and start in a row: a late exit command leaves the new run alone" {
	corten create --name again --network none box sh -c 'trap "exit 0" TERM; while :; do sleep 0.02; done'
	for _ in 1 2 3 4 5 6 7 8; do
		corten start again
		[ "$(state_of again)" = running ]
		corten stop -t 5 again
	done
	corten rm again
}

@test "stop while the foreground client finishes the task itself: never an error" {
	for _ in 1 2 3 4 5; do
		"$CORTEN" run --rm --name shared --network none box sh -c 'trap "exit 4" TERM; echo up; while :; do sleep 0.02; done' \
			>"$INSTANCE/out" 2>&1 </dev/null 3>&- 4>&- &
		client=$!
		poll has_text "$INSTANCE/out" up
		corten stop -t 5 shared
		ends 4 "$client"
		: >"$INSTANCE/out"
		poll is_gone shared
	done
}

@test "help and version to a full device are an error" {
	run -1 bash -c '"$CORTEN" --help >/dev/full'
	run -1 bash -c '"$CORTEN" --version >/dev/full'
}
