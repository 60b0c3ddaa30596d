# Where things lie: instances side by side, odd folders, namespaces, hybrid cgroups.

load helpers

setup() { box_setup; }
teardown() { box_teardown; }

@test "two instances do not see each other, and may use the same names" {
	local other=$INSTANCE/other
	mkdir "$other"
	corten --root "$other/r" --state "$other/s" load -q -i "$ARCHIVES/box-docker.tar"
	background same
	corten --root "$other/r" --state "$other/s" run -d --name same --network none box sleep 1000
	[ "$(corten ps -q | wc -l)" = 1 ]
	[ "$(corten ps -q)" != "$(corten --root "$other/r" --state "$other/s" ps -q)" ]
	corten rm -f same
	run -0 corten --root "$other/r" --state "$other/s" exec same echo well
	is well
	corten --root "$other/r" --state "$other/s" rm -f same
}

@test "options, environment variables: the option wins" {
	run -0 env CORTEN_ROOT="$INSTANCE/env-r" "$CORTEN" --root "$INSTANCE/opt-r" info
	says "Root Dir: $INSTANCE/opt-r"
	[ ! -e "$INSTANCE/env-r" ]
	run -0 env CORTEN_STATE="$INSTANCE/env-s" "$CORTEN" info
	says "State Dir: $INSTANCE/env-s"
}

@test "relative folders are taken from where the command runs" {
	cd "$INSTANCE"
	run -0 corten --root r --state s ps
	run -0 corten --root r --state s run -d --name rel --network none box sleep 1000
	cd /
	[ "$(state_of rel)" = running ]
	corten rm -f rel
}

@test "a long state path: sockets are reached all the same" {
	local long
	long=$INSTANCE/$(printf 'long%.0s' {1..30})/$(printf 'path%.0s' {1..30})
	mkdir -p "$long"
	run -0 corten --state "$long" run --rm --network none box echo words
	is words
	corten --state "$long" run -d --name far --network none box sleep 1000
	run -0 corten --state "$long" exec far echo well
	is well
	run -0 corten --state "$long" rm -f far
}

@test "folders with blanks, quotes and letters beyond ASCII" {
	local odd=$INSTANCE/'a b"c=ü%s$x'
	mkdir "$odd"
	corten --root "$odd/r" --state "$odd/s" load -q -i "$ARCHIVES/box-docker.tar"
	run -0 corten --root "$odd/r" --state "$odd/s" run --name odd --network none box echo words
	is words
	run -0 corten --root "$odd/r" --state "$odd/s" logs odd
	is words
	corten --root "$odd/r" --state "$odd/s" rm odd
	# What the kernel's overlay takes as a mark of its own is refused before anything is made.
	run -1 corten --root "$INSTANCE/with:colon" ps
	says "choose another --root"
}

@test "namespaces: each has its own names" {
	corten -n other load -q -i "$ARCHIVES/box-docker.tar"
	background same
	run -0 corten --namespace other run -d --name same --network none box sleep 1000
	[ "$(corten ps -q | wc -l)" = 1 ]
	corten rm -f same
	[ "$(corten -n other ps -q | wc -l)" = 1 ]
	corten -n other rm -f same
}

@test "the folders are closed to others" {
	[ "$(stat -c %a "$CORTEN_STATE")" != 777 ]
	background one
	run -0 find "$CORTEN_ROOT" "$CORTEN_STATE" -maxdepth 3 -perm /022 ! -type l ! -type p ! -type s
	is ""
	corten rm -f one
}

@test "hybrid cgroups: groups in every hierarchy, gone with the container" {
	[ -d /sys/fs/cgroup/unified ] || skip "this machine has no hybrid cgroups"
	local id pid
	id=$(background grouped)
	pid=$(pid_of grouped)
	[ "$(find /sys/fs/cgroup -mindepth 3 -maxdepth 4 -type d -name "$id" | wc -l)" -ge 9 ]
	grep -q "^0::.*$id" "/proc/$pid/cgroup"
	corten rm -f grouped
	[ -z "$(find /sys/fs/cgroup -type d -name "*$id*")" ]
}

@test "no mount appears in the host's namespace, running or not" {
	local before
	before=$(wc -l </proc/self/mountinfo)
	background one
	[ "$(wc -l </proc/self/mountinfo)" = "$before" ]
	corten rm -f one
}

@test "a machine that went down: containers are told as ended, and start again" {
	background crashed
	local pid shim
	pid=$(pid_of crashed)
	shim=$(awk '/^PPid/ {print $2}' "/proc/$pid/status")
	kill -9 "$shim" "$pid"
	poll [ ! -d "/proc/$pid" ]
	# The state folder is a tmpfs that a reboot empties.
	rm -rf "$CORTEN_STATE"
	find /sys/fs/cgroup -depth -type d -name "$(corten inspect -f '{{.Id}}' crashed)" -exec rmdir {} + 2>/dev/null || true
	run -0 corten inspect -f '{{.State.Status}} {{.State.ExitCode}}' crashed
	is "exited 255"
	corten start crashed
	[ "$(state_of crashed)" = running ]
	corten rm -f crashed
}
