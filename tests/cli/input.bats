# Wrong input: each is an error that says what is wrong, with docker's exit code, and leaves nothing.

load helpers

setup() { box_setup; }
teardown() { box_teardown; }

@test "unknown options and commands" {
	run -125 corten run --nope box
	says "unknown flag: --nope"
	says "Run 'corten run --help' for more information"
	run -125 corten run -Z box
	says "unknown shorthand flag: 'Z' in -Z"
	run -125 corten run --name
	says "flag needs an argument: --name"
	run -1 corten nope
	says "unknown command: corten nope"
	run -125 corten --nope ps
	says "unknown flag: --nope"
}

@test "what is not there yet is named" {
	run -125 corten run --link db box
	says "option '--link' is not supported yet"
	run -125 corten run --restart always box
	says "option '--restart' is not supported yet"
	run -125 corten run --init box
	says "option '--init' is not supported yet"
	run -125 corten run --security-opt apparmor=x box
	says "security option 'apparmor=x' is not supported yet"
	run -1 corten build x
	says "command 'build' is not supported yet"
	run -1 corten image build x
	says "command 'image build' is not supported yet"
	[ -z "$(corten ps -aq)" ]
}

@test "too few and too many arguments" {
	run -125 corten run
	says "requires at least 1 argument"
	run -1 corten rm
	says "requires at least 1 argument"
	run -1 corten exec x
	says "requires at least 2 arguments"
	run -1 corten ps x
	says "accepts no arguments"
	run -1 corten logs a b
	says "requires 1 argument"
}

@test "bad container names" {
	local name
	for name in "" x -x _x 'a b' a/b 'ä' "$(printf 'n%.0s' {1..300})" .. ../../x; do
		run -125 corten create --name="$name" --network none box
		[ -z "$name" ] || says "Invalid container name"
	done
	[ -z "$(corten ps -aq)" ]
}

@test "bad image references" {
	local name
	for name in 'UPPER' 'a//b' 'box:' 'box@sha256:12' ':tag' "$(printf 'n%.0s' {1..300})" '../x' 'box:latest:x'; do
		run -125 once "$name" true
		[[ $output == corten:* ]]
	done
	run -125 once "" true
}

@test "bad values of options" {
	local option
	for option in -m=x -m=1y --cpus=x --cpus=-1 --pids-limit=x --stop-timeout=x --stop-signal=NOPE --env==x --label==x; do
		run -125 once "$option" box true
	done
	[ -z "$(corten ps -aq)" ]
}

@test "-w: a relative folder" {
	run -125 once -w relative box true
	says "the working directory 'relative' is invalid, it needs to be an absolute path"
}

@test "-w: a folder that is a file" {
	run once -w /etc/passwd box true
	[ "$status" -ge 125 ] && [ "$status" -le 127 ]
	[ -z "$(corten ps -aq)" ]
}

@test "--hostname: one that the kernel refuses" {
	run -125 once --hostname "$(printf 'h%.0s' {1..70})" box true
	[ -z "$(corten ps -aq)" ]
}

@test "many and long arguments" {
	local i args=()
	for i in {1..2000}; do
		args+=("argument-$i")
	done
	run -0 once box sh -c 'echo $#' sh "${args[@]}"
	is 2000
	run -0 once box sh -c 'echo ${#1}' sh "$(printf 'x%.0s' {1..50000})"
	is 50000
	run -0 once -e "LONG=$(printf 'x%.0s' {1..50000})" box sh -c 'echo ${#LONG}'
	is 50000
}

@test "arguments that JSON and shells treat specially come through" {
	run -0 once -e $'A=tab\tquote"back\\slash' box sh -c 'printf "%s|" "$A" "$@"' sh $'new\nline' '"' '\' '' '{}' $'\x7f' 'ünï'
	is $'tab\tquote"back\\slash|new\nline|"|\\||{}|\x7f|ünï|'
}

@test "a database that is none is told, and nothing is written over it" {
	local db
	db=$(find "$CORTEN_ROOT" -maxdepth 2 -type f \( -name '*.db' -o -name '*.sqlite*' \) | head -n 1)
	[ -n "$db" ]
	rm -f "$db-wal" "$db-shm"
	head -c 20000 /dev/urandom >"$db"
	cp "$db" "$INSTANCE/damaged"
	run -1 corten ps
	[[ $output == corten:*"$CORTEN_ROOT"* ]]
	run -125 once box true
	cmp "$db" "$INSTANCE/damaged"
}

@test "a root that cannot be written" {
	touch "$INSTANCE/file"
	run -1 corten --root "$INSTANCE/file" ps
	says "$INSTANCE/file"
	run -1 corten --root "$INSTANCE/file/below" ps
	says "$INSTANCE/file/below"
	run -1 corten --state "$INSTANCE/file" ps
	says "(choose another with --state)"
	run -1 corten --root /proc/corten ps
	says /proc/corten
}

@test "a root on a read-only file system" {
	run -125 unshare -m bash -c 'mount --bind "$CORTEN_ROOT" "$CORTEN_ROOT" && mount -o remount,ro,bind "$CORTEN_ROOT" &&
		"$CORTEN" create --network none box'
	[[ $output == corten:* ]]
	[[ ${output,,} == *read*only* ]]
}

@test "output that cannot be written is an error" {
	run -1 bash -c '"$CORTEN" ps >/dev/full'
	[[ ${output,,} == *"write to standard output: no space left on device" ]]
}
