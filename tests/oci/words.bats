#!/usr/bin/env bats
# Error texts, exit codes and formats: what callers of runc match on. The rows of words.rows hold for runc 1.5 too.
bats_require_minimum_version 1.5.0
load helpers

# Older runcs and crun have words of their own in many rows.
like_runc_15() {
	is_corten || [[ "$("$RUNTIME" --version | head -n 1)" =~ runc\ version\ 1\.[5-9] ]] ||
		skip "the words are those of runc 1.5"
}

# put VERB... NAME: a container whose group is no other clone's.
put() {
	jq --arg p "/$ID-${*: -1}" '.linux.cgroupsPath = $p' <"$BUNDLE/config.json" >"$WORK/named.json"
	cp "$BUNDLE/config.json" "$WORK/kept.json"
	mv "$WORK/named.json" "$BUNDLE/config.json"
	rt "${@:1:$#-1}" -b "$BUNDLE" "${*: -1}" </dev/null >/dev/null 2>&1
	mv "$WORK/kept.json" "$BUNDLE/config.json"
}

# Containers in the states that calls can meet.
make_states() {
	command_is sleep 1000
	put create made
	put run -d up
	put run -d frozen
	rt pause frozen
	command_is true
	put run -d ended
	until_true 5 eval '[ "$(rt state ended | jq -r .status)" = stopped ]'
	printf '\1\2' >"$BUNDLE/rootfs/bin/noformat"
	chmod 755 "$BUNDLE/rootfs/bin/noformat"
	cp "$BUNDLE/config.json" "$WORK/plain.json"
}

end_states() {
	local id
	for id in made up frozen ended; do
		rt delete -f $id
	done
}

# call WORDS: what the row says, with `\ ` for a space inside a word. The log takes the line with time and level.
call() {
	local words
	eval "words=(${1//\$/\\\$})"
	run --separate-stderr rt --log "$WORK/log" "${words[@]}" </dev/null
}

trim() {
	local text=${1#"${1%%[! ]*}"}
	echo "${text%"${text##*[! ]}"}"
}

@test "words and exit codes are runc's" {
	like_runc_15
	make_states
	local row code change words called failed=0
	while IFS= read -r row; do
		[[ "$row" =~ ^(~?[0-9]+)\ \|(.*)\ \|\ (.*)\ \|(.*)$ ]] || continue
		code=${BASH_REMATCH[1]} change=$(trim "${BASH_REMATCH[2]}") called=${BASH_REMATCH[3]} words=$(trim "${BASH_REMATCH[4]}")
		if [[ "$code" == ~* ]] && ! is_corten; then continue; fi
		jq "${change:-.}" <"$WORK/plain.json" >"$BUNDLE/config.json"
		called=${called//'{b}'/$BUNDLE} words=${words//'{b}'/$BUNDLE}
		call "${called//'{id}'/$ID}"
		# shellcheck disable=SC2053
		[ "$status" = "${code#\~}" ] && [[ "$stderr" == ${words//\[/\\[} ]] || {
			failed=$((failed + 1))
			printf '%s\n  exit code %s, words: %s\n' "$row" "$status" "$stderr"
		}
		[ ! -e "$ROOT/$ID" ] || rt delete -f "$ID"
	done <"$BATS_TEST_DIRNAME/words.rows"
	end_states
	[ "$failed" = 0 ]
}

@test "usage goes to standard output behind the error, with the program's name" {
	like_runc_15
	call state
	[ "${lines[0]}" = "Incorrect Usage." ]
	[ "${lines[1]}" = "NAME:" ]
	[[ "${lines[2]}" == "   $(basename "$RUNTIME") state - "* ]]
	[[ "$stderr" == "$RUNTIME: "* ]]
	call "state --nosuch"
	[ "${lines[0]}" = "Incorrect Usage: flag provided but not defined: -nosuch" ]
	run -0 rt state --help
	[ "${lines[0]}" = "NAME:" ]
	run -0 rt --version
	[[ "${lines[0]}" =~ ^"$(basename "$RUNTIME")"\ version\ [0-9.]+ ]]
	[[ "$output" == *$'\nspec: 1.'* ]]
}

@test "list is sorted, its columns are as wide as their words" {
	like_runc_15
	local long=a-name-that-is-longer-than-a-column
	make_states
	command_is sleep 1000
	put run -d $long
	run -0 rt list
	[[ "${lines[0]}" =~ ^ID\ {$((${#long} + 1))}PID\ {9}STATUS\ {6}BUNDLE\ +CREATED\ +OWNER$ ]]
	[ "$(printf "%s\n" "${lines[@]:1}" | awk "{print \$1, \$3}" | xargs)" = \
		"$long running ended stopped frozen paused made created up running" ]
	# Every column begins where its head does.
	local at=${lines[0]%%BUNDLE*} line
	for line in "${lines[@]:1}"; do
		[[ "${line:${#at}}" == "$BUNDLE   "* ]]
	done
	[ "$(rt list -q | xargs)" = "$long ended frozen made up" ]
	run -0 rt list -f json
	[ "${#lines[@]}" = 1 ]
	jq -e '[.[].id] == ["'$long'", "ended", "frozen", "made", "up"]
		and (.[0] | keys_unsorted == ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "owner"])' <<<"$output"
	rt delete -f $long
	end_states
}

@test "list of a folder that is not there: an error if it was asked for" {
	like_runc_15
	ROOT=$WORK/none call list
	[ "$status" = 1 ]
	[ "$stderr" = "open $WORK/none: no such file or directory" ]
	mkdir "$WORK/none"
	[ "$(ROOT=$WORK/none rt list -f json)" = null ]
	[ "$(ROOT=$WORK/none rt list | xargs)" = "ID PID STATUS BUNDLE CREATED OWNER" ]
}

@test "ps gives PIDs as JSON and the table of ps with the caller's options" {
	like_runc_15
	make_states
	[ "$(rt ps -f json up)" = "[$(rt state up | jq .pid)]" ]
	[ "$(rt ps -f json ended)" = null ]
	run -0 rt ps up
	[[ "${lines[0]}" =~ ^UID\ +PID\ +PPID\ +C\ STIME\ TTY\ +TIME\ CMD$ ]]
	[[ "${lines[1]}" == *"sleep 1000" ]]
	[ "$(rt ps up -o pid,comm | xargs)" = "PID COMMAND $(rt state up | jq .pid) sleep" ]
	end_states
}

@test "state has runc's keys in runc's order" {
	like_runc_15
	config '.annotations = {"a.b": "c"}'
	make_states
	run -0 rt state up
	[ "$(jq -r 'keys_unsorted | join(" ")' <<<"$output")" = \
		"ociVersion id pid status bundle rootfs created annotations owner" ]
	jq -e --arg b "$BUNDLE" '.id == "up" and .status == "running" and .bundle == $b and .rootfs == $b + "/rootfs"
		and .ociVersion == "1.3.0" and .annotations == {"a.b": "c"} and .owner == "root"' <<<"$output"
	[ "$(rt state ended | jq .pid)" = 0 ]
	end_states
}

@test "log lines have whole seconds, as text and as JSON" {
	like_runc_15
	run -1 --separate-stderr rt state nosuch
	[[ "$stderr" =~ ^time=\"....-..-..T..:..:..(Z|[+-]..:..)\"\ level=error\ msg=\"container\ does\ not\ exist\"$ ]]
	run -1 --separate-stderr rt --log-format json state nosuch
	[ "$(jq -r 'keys_unsorted | join(" ")' <<<"$stderr")" = "level msg time" ]
	[[ "$(jq -r .time <<<"$stderr")" =~ ^....-..-..T..:..:..(Z|[+-]..:..)$ ]]
	run -1 --separate-stderr rt --log /nosuch/log state nosuch
	[ "${#stderr_lines[@]}" = 1 ]
	[[ "$stderr" == *'msg="open /nosuch/log: no such file or directory"' ]]
}

@test "--debug adds lines of level debug to the log, and to nothing else" {
	command_is true
	run -0 rt --debug --log "$WORK/log" --log-format json run -b "$BUNDLE" "$ID"
	[ -z "$output" ]
	[ "$(jq -r .level "$WORK/log" | sort -u)" = debug ]
	run -0 rt --debug run -b "$BUNDLE" "$ID"
	[[ "$output" == *"level=debug"* ]]
}

@test "features has the keys that engines read" {
	like_runc_15
	run -0 rt features
	jq -e '(.ociVersionMin | startswith("1.0")) and .ociVersionMax == "1.3.0" and (.hooks | length == 6)
		and (.linux | .cgroup.v1 and .cgroup.v2 and .mountExtensions.idmap.enabled and .seccomp.enabled
			and has("intelRdt") and has("netDevices") and has("memoryPolicy"))
		and (.annotations | has("org.opencontainers.runc.checkpoint.enabled"))' <<<"$output"
}
