# What every .bats file here loads.
#
#	load helpers
#	setup() { box_setup; }
#	teardown() { box_teardown; }
#
# The program under test is $CORTEN. When that is docker or podman (tests tagged `peer`), the engine's own
# folders are used instead of an instance, and nothing is compared afterwards.

bats_require_minimum_version 1.5.0
load ../inventory/instance

# pyenv's shims take ten times as long as the interpreter.
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

is_peer() {
	case ${CORTEN##*/} in docker | podman) return 0 ;; esac
	return 1
}

# unlike_podman WHY: skips a case in which podman does not do as docker.
unlike_podman() {
	[ "${CORTEN##*/}" != podman ] || skip "podman: $1"
}

# The archives, made once per run of bats.
archives_make() {
	ARCHIVES=$BATS_RUN_TMPDIR/archives
	[ -d "$ARCHIVES" ] && return
	mkdir -p "$ARCHIVES.part"
	"$PYTHON" "$BATS_TEST_DIRNAME/archive.py" "$ARCHIVES.part"
	mv "$ARCHIVES.part" "$ARCHIVES"
}

# A root folder with the images loaded, made once and copied for each test: nothing of one test reaches another.
template_make() {
	TEMPLATE=$BATS_RUN_TMPDIR/template
	[ -d "$TEMPLATE" ] && return
	mkdir -p "$TEMPLATE.part"
	"$CORTEN" --root "$TEMPLATE.part/root" --state "$INSTANCE/template-state" load -q \
		-i "$ARCHIVES/box-docker.tar" >/dev/null
	mv "$TEMPLATE.part" "$TEMPLATE"
}

# An instance with box:latest and box:entry.
box_setup() {
	if is_peer; then
		peer_setup
		return
	fi
	empty_setup
	template_make
	rmdir "$CORTEN_ROOT"
	cp -a "$TEMPLATE/root" "$CORTEN_ROOT"
}

# An instance without images.
empty_setup() {
	instance_setup
	archives_make
	umask 022
}

box_teardown() {
	is_peer && return
	instance_teardown
}

peer_setup() {
	archives_make
	INSTANCE=$BATS_TEST_TMPDIR
	[ -e "$BATS_RUN_TMPDIR/peer-loaded" ] || "$CORTEN" load -q -i "$ARCHIVES/box-docker.tar"
	touch "$BATS_RUN_TMPDIR/peer-loaded"
}

corten() { "$CORTEN" "$@"; }

# One short container without a network; options may stand before the image.
once() { "$CORTEN" run --rm --network none "$@"; }

# A container in the background, by the name $1; more options and the image follow, or box's sleep.
background() {
	local name=$1
	shift
	[ $# -gt 0 ] || set -- box sleep 1000
	"$CORTEN" run -d --network none --name "$name" "$@"
}

# poll COMMAND...: until it succeeds, at most 10 s.
poll() {
	local end=$((SECONDS + 10))
	until "$@"; do
		if [ $SECONDS -ge $end ]; then
			echo "not within 10 s: $*"
			return 1
		fi
		sleep 0.01
	done
}

state_of() { "$CORTEN" inspect -f '{{.State.Status}}' "$1"; }
is_state() { [ "$(state_of "$1" 2>/dev/null)" = "$2" ]; }
pid_of() { "$CORTEN" inspect -f '{{.State.Pid}}' "$1"; }
is_gone() { ! "$CORTEN" inspect "$1" >/dev/null 2>&1; }
has_text() { grep -q -- "$2" "$1" 2>/dev/null; }

# says TEXT: the output of the last `run` has it.
says() {
	[[ $output == *"$1"* ]] && return
	printf 'expected: %s\ngot: %s\n' "$1" "$output"
	return 1
}

# is TEXT: the output of the last `run` is exactly that.
is() {
	[ "$output" = "$1" ] && return
	printf 'expected: %q\ngot:      %q\n' "$1" "$output"
	return 1
}

# ends CODE PID: the child ends with that code. `run wait` cannot tell: it waits in a subshell.
ends() {
	local code=0
	wait "$2" || code=$?
	[ "$code" -eq "$1" ] && return
	echo "exit code $code instead of $1"
	return 1
}

terminal() { "$PYTHON" "$BATS_TEST_DIRNAME/terminal.py" "$@"; }

# Processes of this instance: one line each, the program's name.
instance_processes() {
	"$TOOLS/inventory/inventory" --only process snapshot | cut -f2 | cut -d' ' -f1 | sort
}

no_processes() { [ -z "$(instance_processes)" ]; }
