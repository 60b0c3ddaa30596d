#!/usr/bin/env bats
# Real callers in place of a hand: podman, buildah, containerd and dockerd start, change and end containers by $RUNTIME.
bats_require_minimum_version 1.5.0
load helpers
load ../inventory/instance
load ../lab/room

setup_file() {
	[ "$(id -u)" = 0 ] || return 0
	export RUNTIME LAB_IMAGES
	RUNTIME=$(readlink -f "$(command -v "$RUNTIME")")
	local runtime=$BATS_FILE_TMPDIR/runtime
	# What a caller asked for is on record: no other runtime was taken in our place.
	printf '#!/bin/sh\necho "$@" >>%s/calls\nexec %s "$@"\n' "$BATS_FILE_TMPDIR" "$RUNTIME" >"$runtime"
	chmod +x "$runtime"
	: >"$BATS_FILE_TMPDIR/calls"
	export ENGINE_DOCKER_CONFIG='{"runtimes": {"tested": {"path": "'$runtime'"}}}'
	room_start --net
}

teardown_file() { room_stop; }

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	need_lab_image busybox-docker.tar
	need_lab_image busybox-oci.tar
	cat "$ROOM/calls" >>"$ROOM/all-calls"
	: >"$ROOM/calls"
}

# What the runtime was asked for last, should the case have failed.
teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || [ -n "$BATS_TEST_SKIPPED" ] || tail -n 20 "$ROOM/calls"
}

in_terminal() { with_env script -qec "$*" /dev/null </dev/null; }

# was_asked COMMAND: the runtime was called with that command in this case.
was_asked() { grep -Eq "(^| )$1( |\$)" "$ROOM/calls"; }

# need PROGRAM...: the case is skipped with the name of what is missing.
need() {
	local p
	for p; do
		command -v "$p" >/dev/null || skip "$p is not installed"
	done
}

# group_file PID CONTROLLER FILE-ON-V1 FILE-ON-V2: what it says in the process's group.
group_file() {
	local path
	path=$(inside sed -n "s/^[0-9]*:$2://p" "/proc/$1/cgroup")
	if [ -n "$path" ]; then
		cat "/sys/fs/cgroup/$2$path/$3"
	else
		cat "/sys/fs/cgroup$(inside sed -n 's/^0:://p' "/proc/$1/cgroup")/$4"
	fi
}

says() { [ "$("${@:2}")" = "$1" ]; }

# --- podman ---

podman_on() {
	need podman conmon
	[ -f "$ROOM/podman.on" ] || {
		engine start podman
		pm load -i "$LAB_IMAGES/busybox-docker.tar" >/dev/null
		touch "$ROOM/podman.on"
	}
}

podman_words=(podman --runtime "$ROOM/runtime" --cgroup-manager cgroupfs)
pm() { with_env "${podman_words[@]}" "$@"; }
pm_up() { pm run -d --name "$1" --network none "${@:2}" busybox sleep 1000; }
pm_is() { says "$2" pm inspect -f '{{.State.Status}}' "$1"; }

@test "podman: run gives output and exit code, logs keeps them" {
	podman_on
	run -7 pm run --name ran --network none busybox sh -c 'echo out; exit 7'
	[ "$output" = out ]
	[ "$(pm logs ran)" = out ]
	[ "$(pm inspect -f '{{.OCIRuntime}}' ran)" = "$ROOM/runtime" ]
	pm rm ran
	run -0 pm run --rm --network none -m 32m --cpus 0.5 --pids-limit 50 --read-only --cap-drop ALL --user 1000:1000 \
		busybox sh -c 'id -u; ! touch /file 2>/dev/null'
	[ "$output" = 1000 ]
	run -127 pm run --rm --network none busybox missing
	[[ "$output" == *"not found"* || "$output" == *"no such file"* ]]
	was_asked create && was_asked start && was_asked delete
}

@test "podman: a terminal, exec as another user and its exit code" {
	podman_on
	run -0 in_terminal "${podman_words[@]}" run --rm -t --network none busybox tty
	[[ "$output" == *"/dev/pts/0"* ]]
	pm_up execs
	run -3 pm exec execs sh -c 'echo in; exit 3'
	[ "$output" = in ]
	run -0 pm exec -u 1000 -w /tmp -e A=b execs sh -c 'id -u; pwd; echo $A'
	[ "$output" = $'1000\n/tmp\nb' ]
	run -0 in_terminal "${podman_words[@]}" exec -t execs tty
	[[ "$output" == *"/dev/pts/"* ]]
	pm rm -f -t 0 execs
	was_asked exec
}

@test "podman: pause, unpause, kill, rm" {
	podman_on
	pm_up paused
	pm pause paused
	pm_is paused paused
	pm unpause paused
	pm_is paused running
	pm kill -s KILL paused
	until_true 5 pm_is paused exited
	[ "$(pm inspect -f '{{.State.ExitCode}}' paused)" = 137 ]
	pm start paused
	pm rm -f -t 0 paused
	run -0 pm ps -aq
	[ -z "$output" ]
	was_asked pause && was_asked resume && was_asked kill
}

@test "podman: an annotation brings Landlock rules" {
	podman_on
	python3 -c 'import ctypes; exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 1)' || skip "needs a kernel with Landlock"
	local rules='org.corten.landlock={"ruleset": {"handledAccessFS": ["make_reg"]}, "rules": {"pathBeneath": '
	rules+='[{"allowedAccess": ["make_reg"], "paths": ["/tmp"]}]}}'
	# The option takes lists as CSV has them.
	run -0 pm run --rm --network none --annotation "\"${rules//\"/\"\"}\"" busybox \
		sh -c 'echo a >/tmp/a && cat /tmp/a; echo b >/b || echo denied'
	[[ "$output" == a*denied ]]
}

@test "podman: update changes the limits of a running container" {
	podman_on
	pm update --help >/dev/null 2>&1 || skip "this podman has no update"
	pm_up changed -m 64m
	local pid
	pid=$(pm inspect -f '{{.State.Pid}}' changed)
	[ "$(group_file "$pid" memory memory.limit_in_bytes memory.max)" = $((64 << 20)) ]
	pm update -m 48m changed
	[ "$(group_file "$pid" memory memory.limit_in_bytes memory.max)" = $((48 << 20)) ]
	pm rm -f -t 0 changed
	was_asked update
}

@test "podman: a health check" {
	podman_on
	pm_up checked --health-cmd 'test -e /tmp/well' --health-interval disable --health-retries 1
	run -1 pm healthcheck run checked
	pm exec checked touch /tmp/well
	pm healthcheck run checked
	says healthy pm inspect -f '{{.State.Health.Status}}' checked ||
		says healthy pm inspect -f '{{.State.Healthcheck.Status}}' checked
	pm rm -f -t 0 checked
}

@test "podman: a container in the namespaces of another, and one in a user namespace" {
	podman_on
	pm_up first
	run -0 pm run --rm --network container:first --pid container:first --ipc container:first busybox ps
	[[ "$output" == *"sleep 1000"* ]]
	pm rm -f -t 0 first
	run -0 pm run --rm --network none --uidmap 0:100000:65536 busybox sh -c 'id -u; cat /proc/self/uid_map'
	[[ "$output" =~ ^0[[:space:]]+0\ +100000\ +65536$ ]]
}

# --- buildah ---

buildah_on() {
	need buildah
	engine start podman
}

bh() { with_env buildah "$@"; }

@test "buildah: run gives output and exit code" {
	buildah_on
	local box
	box=$(bh from --pull-never "oci-archive:$LAB_IMAGES/busybox-oci.tar")
	run -0 bh run --runtime "$ROOM/runtime" --isolation oci --network none "$box" -- sh -c 'echo built; echo kept >/kept'
	[ "$output" = built ]
	run -5 --separate-stderr bh run --runtime "$ROOM/runtime" --isolation oci --network none --user 1000 "$box" -- sh -c 'id -u; exit 5'
	[ "$output" = 1000 ]
	run -0 in_terminal buildah run --runtime "$ROOM/runtime" --isolation oci --network none -t "$box" -- tty
	[[ "$output" == *"/dev/pts/"* ]]
	bh rm "$box"
}

@test "buildah: bud runs the RUN lines" {
	buildah_on
	mkdir "$BATS_TEST_TMPDIR/context"
	printf 'FROM oci-archive:%s\nRUN echo one >/one && ls /proc/self >/dev/null\nRUN test -s /one && mkdir -p /a/b\n' \
		"$LAB_IMAGES/busybox-oci.tar" >"$BATS_TEST_TMPDIR/context/Containerfile"
	bh bud --runtime "$ROOM/runtime" --isolation oci --network none -t built "$BATS_TEST_TMPDIR/context"
	was_asked create && was_asked start && was_asked delete
	printf 'FROM built\nRUN exit 9\n' >"$BATS_TEST_TMPDIR/context/Containerfile"
	run ! bh bud --runtime "$ROOM/runtime" --isolation oci --network none "$BATS_TEST_TMPDIR/context"
	[[ "$output" == *"exit status 9"* ]]
	bh rmi -a -f
}

# --- containerd ---

containerd_on() {
	need containerd ctr containerd-shim-runc-v2
	[ -f "$ROOM/containerd.on" ] || {
		engine start containerd
		cn images import "$LAB_IMAGES/busybox-oci.tar" >/dev/null
		touch "$ROOM/containerd.on"
	}
}

cn() { with_env ctr "$@"; }
cn_run_words=(run --runc-binary "$ROOM/runtime" --runc-root /run/engine/runtime-root)
cn_up() { cn "${cn_run_words[@]}" -d "${@:2}" docker.io/library/busybox:latest "$1" sleep 1000; }
cn_is() { cn tasks ls | grep -Eq "^$1 .* $2\$"; }
cn_rm() {
	cn tasks delete -f "$1" 2>/dev/null
	cn containers rm "$1"
}

@test "containerd: run gives output and exit code" {
	containerd_on
	run -7 cn "${cn_run_words[@]}" --rm docker.io/library/busybox:latest ran sh -c 'echo out; exit 7'
	[ "$output" = out ]
	was_asked create && was_asked start && was_asked delete
	run ! cn "${cn_run_words[@]}" --rm docker.io/library/busybox:latest lost missing
	[[ "$output" == *missing*"not found"* || "$output" == *missing*"no such file"* ]]
}

@test "containerd: a terminal, exec and its exit code, processes" {
	containerd_on
	run -0 in_terminal ctr "${cn_run_words[@]}" --rm -t docker.io/library/busybox:latest typed tty
	[[ "$output" == *"/dev/pts/0"* ]]
	cn_up execs
	run -3 cn tasks exec --exec-id one execs sh -c 'echo in; exit 3'
	[ "$output" = in ]
	run -0 in_terminal ctr tasks exec -t --exec-id two execs tty
	[[ "$output" == *"/dev/pts/"* ]]
	run -0 cn tasks ps execs
	[ "${#lines[@]}" = 2 ]
	cn_rm execs
	was_asked exec
}

@test "containerd: pause, resume, metrics, kill, delete" {
	containerd_on
	cn_up paused --memory-limit $((64 << 20))
	cn tasks pause paused
	cn_is paused PAUSED
	cn tasks resume paused
	cn_is paused RUNNING
	run -0 cn tasks metrics paused
	[[ "$output" == *memory* ]]
	cn tasks kill -s KILL paused
	until_true 5 cn_is paused STOPPED
	run -0 cn tasks delete paused
	[[ "$output" == *137* ]]
	cn containers rm paused
	[ -z "$(inside ls -A /run/engine/runtime-root/corten-lab-engine)" ]
	was_asked pause && was_asked resume && was_asked kill
}

# --- dockerd ---

docker_on() {
	need docker dockerd containerd
	[ -f "$ROOM/docker.on" ] || {
		engine start docker
		dk load -i "$LAB_IMAGES/busybox-docker.tar" >/dev/null
		touch "$ROOM/docker.on"
	}
}

dk() { with_env docker "$@"; }
dk_up() { dk run -d --runtime tested --name "$1" --network none "${@:2}" busybox sleep 1000; }
dk_is() { says "$2" dk inspect -f '{{.State.Status}}' "$1"; }
dk_health() { says "$2" dk inspect -f '{{.State.Health.Status}}' "$1"; }

@test "docker: run gives output and exit code, logs keeps them" {
	docker_on
	run -7 dk run --runtime tested --name ran --network none busybox sh -c 'echo out; exit 7'
	[ "$output" = out ]
	[ "$(dk logs ran)" = out ]
	dk rm ran
	was_asked create && was_asked start && was_asked delete
	run -0 dk run --rm --runtime tested --network none -m 32m --cpus 0.5 --pids-limit 50 --read-only --cap-drop ALL \
		--user 1000:1000 --init busybox sh -c 'id -u; ! touch /file 2>/dev/null'
	[ "$output" = 1000 ]
	run -127 dk run --rm --runtime tested --network none busybox missing
	[[ "$output" == *missing*"not found"* || "$output" == *missing*"no such file"* ]]
}

@test "docker: a terminal, exec and its exit code, top" {
	docker_on
	run -0 in_terminal docker run --rm -t --runtime tested --network none busybox tty
	[[ "$output" == *"/dev/pts/0"* ]]
	dk_up execs
	run -3 dk exec execs sh -c 'echo in; exit 3'
	[ "$output" = in ]
	run -0 dk exec -u 1000 -w /tmp -e A=b execs sh -c 'id -u; pwd; echo $A'
	[ "$output" = $'1000\n/tmp\nb' ]
	run -0 in_terminal docker exec -t execs tty
	[[ "$output" == *"/dev/pts/"* ]]
	run ! dk exec execs missing
	# Debian 12's dockerd says 126 for all of these, newer ones tell them apart.
	[ "$status" = 127 ] || [ "$status" = 126 ]
	[[ "$output" == *missing*"not found"* ]]
	dk rm -f execs
}

@test "docker: pause, unpause, kill, restart, rm" {
	docker_on
	dk_up paused
	dk pause paused
	dk_is paused paused
	dk unpause paused
	dk_is paused running
	dk kill paused
	until_true 5 dk_is paused exited
	[ "$(dk inspect -f '{{.State.ExitCode}}' paused)" = 137 ]
	dk start paused
	dk restart -t 0 paused
	dk rm -f paused
	[ -z "$(dk ps -aq)" ]
	was_asked pause && was_asked resume
}

@test "docker: update changes the limits of a running container" {
	docker_on
	dk_up changed -m 64m --memory-swap 64m
	local pid
	pid=$(dk inspect -f '{{.State.Pid}}' changed)
	[ "$(group_file "$pid" memory memory.limit_in_bytes memory.max)" = $((64 << 20)) ]
	dk update -m 48m --memory-swap 48m --pids-limit 40 changed
	[ "$(group_file "$pid" memory memory.limit_in_bytes memory.max)" = $((48 << 20)) ]
	[ "$(group_file "$pid" pids pids.max pids.max)" = 40 ]
	dk rm -f changed
	was_asked update
}

@test "docker: a health check turns from starting to healthy to unhealthy" {
	docker_on
	dk_up checked --health-cmd 'test -e /tmp/well' --health-interval 200ms --health-retries 1 --health-start-period 100s
	dk_health checked starting
	dk exec checked touch /tmp/well
	until_true 10 dk_health checked healthy
	dk exec checked rm /tmp/well
	until_true 10 dk_health checked unhealthy
	dk rm -f checked
}

@test "docker: a container that uses too much memory is reported as such" {
	docker_on
	run -137 dk run --runtime tested --name greedy --network none -m 8m --memory-swap 8m busybox \
		sh -c 'x=x; while :; do x=$x$x; done'
	[ "$(dk inspect -f '{{.State.OOMKilled}}' greedy)" = true ]
	dk rm greedy
}

@test "neither groups nor state folders are left of all these containers" {
	sed -n 's/.* create .* //p' "$ROOM/all-calls" | sort -u >"$BATS_TEST_TMPDIR/ids"
	[ -s "$BATS_TEST_TMPDIR/ids" ] || skip "none of the callers is installed"
	find /sys/fs/cgroup -type d -printf '%f\n' | sed 's/^libpod-//' | sort -u >"$BATS_TEST_TMPDIR/groups"
	run -0 comm -12 "$BATS_TEST_TMPDIR/ids" "$BATS_TEST_TMPDIR/groups"
	[ -z "$output" ]
	run -0 inside find /run -name state.json
	[ -z "$output" ]
}
