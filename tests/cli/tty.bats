# -t: a real terminal, driven by terminal.py as a person would.

load helpers

setup() { box_setup; }
teardown() { box_teardown; }

@test "-t: stdin, stdout and stderr are one terminal, TERM is set" {
	run -0 terminal exit=0 restored -- "$CORTEN" run --rm -it --network none box sh -c \
		'[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && tty; echo $TERM'
	says /dev/pts/0
	says xterm
}

@test "-t: without -i there is a terminal too; the caller's stays as it is, and Ctrl-C ends the client" {
	run -0 terminal expect=tty exit=0 -- "$CORTEN" run --rm -t --network none box sh -c '[ -t 1 ] && echo tty'
	run -0 terminal expect=up cooked send='\x03' exit=-2 restored -- \
		"$CORTEN" run --rm -t --name mute --network none box sh -c 'echo up; sleep 1000'
	corten kill mute
	poll is_gone mute
}

@test "-t: the window's size at the start, and after a change" {
	run -0 terminal --size 33x111 expect='33 111' size=50x132 expect='50 132' exit=0 restored -- \
		"$CORTEN" run --rm -it --network none box sh -c \
		'stty size; while [ "$(stty size)" = "33 111" ]; do usleep 10000; done; stty size'
}

@test "-t: SIGWINCH reaches the program" {
	run -0 terminal --size 30x100 expect=ready size=31x101 expect='winch 31 101' exit=0 -- \
		"$CORTEN" run --rm -it --network none box sh -c \
		'trap "echo winch \$(stty size); exit" WINCH; echo ready; while :; do usleep 10000; done'
}

@test "-t: the caller's terminal is raw while it runs, and as before afterwards" {
	run -0 terminal expect='# ' raw send='echo a''b\r' expect='\nab' send='exit 5\r' exit=5 cooked restored -- \
		"$CORTEN" run --rm -it --network none box sh
}

@test "-t: the terminal is restored when the start fails" {
	run -0 terminal exit=127 restored -- "$CORTEN" run --rm -it --network none box no-such-program
}

@test "-t: the terminal is restored when the client gets SIGTERM" {
	run -0 terminal expect='# ' raw kill=TERM exit=-15 restored -- \
		"$CORTEN" run -it --name term --network none box sh
	[ "$(state_of term)" = running ]
	corten rm -f term
}

@test "-t: Ctrl-C ends a foreground job, not the shell" {
	run -0 terminal expect='# ' send='sh -c "echo up; exec sleep 1000"\r' expect='\nup' send='\x03' expect='# ' \
		send='echo st''atus $?\r' expect='status 130' send='exit 0\r' exit=0 restored -- \
		"$CORTEN" run --rm -it --network none box sh
}

@test "-t: job control: Ctrl-Z stops, fg goes on" {
	run -0 terminal expect='# ' send='sh -c "echo up; exec cat"\r' expect='\nup' send='one\r' \
		expect='one\r\none' send='\x1a' expect='Stopped' expect='# ' send='fg\r' expect='exec cat' \
		send='two\r' expect='two\r\ntwo' send='\x04' \
		expect='# ' send='exit 0\r' exit=0 restored -- "$CORTEN" run --rm -it --network none box sh
}

@test "-t: Ctrl-D ends the shell" {
	run -0 terminal expect='# ' send='\x04' exit=0 restored -- "$CORTEN" run --rm -it --network none box sh
}

@test "-t: the detach keys leave it running" {
	run -0 terminal expect='# ' send='\x10\x11' exit=0 restored -- \
		"$CORTEN" run -it --name left --network none box sh
	[ "$(state_of left)" = running ]
	corten rm -f left
}

@test "-t --rm: after the detach keys it runs on, and is removed when it ends" {
	run -0 terminal expect='# ' send='\x10\x11' exit=0 restored -- \
		"$CORTEN" run --rm -it --name left --network none box sh
	[ "$(state_of left)" = running ]
	corten kill left
	poll is_gone left
}

@test "--detach-keys: others, and the first one alone is typed through" {
	run -0 terminal expect='# ' send='echo q\r' expect='\nq' send='\x02d' exit=0 restored -- \
		"$CORTEN" run -it --detach-keys ctrl-b,d --name left --network none box sh
	[ "$(state_of left)" = running ]
	corten rm -f left
	run -0 terminal send='\x10x\r' expect='x' expect='10 78 0a' exit=0 -- \
		"$CORTEN" run --rm -it --network none box sh -c 'head -c 3 | od -An -tx1'
	run -125 corten run --detach-keys ctrl-ab,c --rm --network none box true
}

@test "-it without a terminal is refused in docker's words" {
	run -1 bash -c '"$CORTEN" run --rm -it --network none box true </dev/null'
	says "the input device is not a TTY"
	[ -z "$(corten ps -aq)" ]
}

@test "-t: output of 10 MiB through a terminal arrives whole" {
	run -0 terminal expect='end-mark' exit=0 -- "$CORTEN" run --rm -it --network none box sh -c \
		'yes 0123456789abcdef | head -c 2000000 | tr -d "\n" | fold -w 79 2>/dev/null; echo end-mark'
}

@test "-t: a terminal that is closed ends the client; the container runs on, and --rm holds at its end" {
	run -0 terminal expect='# ' hangup -- "$CORTEN" run --rm -it --name hung --network none box sh
	[ "$(state_of hung)" = running ]
	corten kill hung
	poll is_gone hung
}

@test "-t: stderr of a redirected client stays a terminal inside" {
	run -0 bash -c '"$CORTEN" run --rm -t --network none box sh -c "[ -t 1 ] && echo yes" | tr -d "\r"'
	is yes
}

@test "exec -t: a terminal with its size" {
	background target
	run -0 terminal --size 40x90 expect='40 90' exit=4 restored -- \
		"$CORTEN" exec -it target sh -c 'tty; stty size; exit 4'
	says /dev/pts/
	run -0 terminal expect='# ' send='exit 6\r' exit=6 restored -- "$CORTEN" exec -it target sh
	corten rm -f target
}

@test "-t: a client that is slow after the start loses neither the size nor a short process's output" {
	command -v strace >/dev/null || skip "no strace"
	background target
	local c
	for c in "exec -it target" "run --rm -it --network none box"; do
		run -0 terminal --size 40x90 expect='40 90' exit=0 restored -- strace -o /dev/null \
			-e inject=sendto,sendmsg:delay_enter=100ms "$CORTEN" $c stty size
	done
	corten rm -f target
}

@test "exec -t: the detach keys leave the process running" {
	background target
	run -0 terminal expect='# ' send='\x10\x11' exit=0 restored -- "$CORTEN" exec -it target sh
	run -0 corten exec target pidof sh
	corten rm -f target
}

@test "start -ai: a container with a terminal, again" {
	corten create -it --name again --network none box sh
	for code in 3 4; do
		run -0 terminal expect='# ' send="exit $code\\r" exit=$code restored -- "$CORTEN" start -ai again
	done
	corten rm again
}
