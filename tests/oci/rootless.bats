#!/usr/bin/env bats
# The runtime of a user who is not root: id maps by newuidmap, control groups that cannot be had, the whole life.
bats_require_minimum_version 1.5.0
load helpers
load ../inventory/instance

USER_ID=4711

# A user of our own, with a range of further ids, that only these processes see.
setup_user() {
	chmod 755 "$WORK"
	mkdir "$WORK/etc" "$WORK/run" "$WORK/home"
	{ cat /etc/passwd && echo "rootless:x:$USER_ID:$USER_ID::$WORK/home:/bin/sh"; } >"$WORK/etc/passwd"
	echo "rootless:200000:65536" | tee "$WORK/etc/subuid" >"$WORK/etc/subgid"
	cat >"$WORK/as-user" <<-AS
		#!/bin/sh
		for name in passwd subuid subgid; do
			mount --bind "$WORK/etc/\$name" /etc/\$name
		done
		cd "$WORK"
		exec setpriv --reuid=$USER_ID --regid=$USER_ID --clear-groups env -i PATH="\${USER_PATH-\$PATH}" HOME="$WORK/home" \\
			XDG_RUNTIME_DIR="$WORK/run" "\$@"
	AS
	chmod +x "$WORK/as-user"
	chown -R $USER_ID:$USER_ID "$WORK/run" "$WORK/home" "$WORK/bundle"
}

as_user() { unshare --mount "$WORK/as-user" "$@" 3>&- 4>&-; }

# Without --root: the folder is to be found by XDG_RUNTIME_DIR.
rt_user() { as_user "$RUNTIME" "$@"; }

# The helpers' own setup comes first.
eval "$(declare -f setup | sed '1s/setup/setup_bundle/')"
eval "$(declare -f teardown | sed '1s/teardown/teardown_bundle/')"

setup() {
	setup_bundle
	command -v newuidmap >/dev/null || skip "newuidmap is not installed (package uidmap)"
	setup_user
	as_user sh -c "cd bundle && rm config.json && '$RUNTIME' spec --rootless"
	config '.process.terminal = false'
}

teardown() {
	[ -n "$WORK" ] || return 0
	rt_user delete -f "$ID" >/dev/null 2>&1 || true
	teardown_bundle
}

# maps JQ: further ids of the user's range, and what else is to change.
maps() {
	config '.linux.uidMappings += [{containerID: 1, hostID: 200000, size: 1000}]
		| .linux.gidMappings = .linux.uidMappings | '"${1:-.}"
}

run_user() {
	command_is /bin/sh -c "$1"
	run rt_user run -b bundle "$ID"
}

@test "spec --rootless makes a bundle that runs: the user is root inside" {
	run_user 'id -u; cat /proc/self/uid_map /proc/self/setgroups'
	[ "$status" = 0 ]
	[ "${lines[0]}" = 0 ]
	[ "$(tr -s ' ' <<<"${lines[1]}")" = " 0 $USER_ID 1" ]
	[ "${lines[2]}" = deny ]
	[ -d "$WORK/run/runc" ]
}

@test "a range of /etc/subuid is mapped by newuidmap and newgidmap" {
	! is_corten || maps '.process.user = {uid: 5, gid: 6, additionalGids: [7]}'
	is_corten || maps '.process.user = {uid: 5, gid: 6}' # runc sets no further groups without root
	run_user 'id -u; id -g; id -G; cat /proc/self/gid_map'
	[ "$status" = 0 ]
	[ "${lines[0]}" = 5 ]
	[ "${lines[1]}" = 6 ]
	! is_corten || [ "${lines[2]}" = "6 7" ]
	[ "$(tr -s ' ' <<<"${lines[-1]}")" = " 1 200000 1000" ]
}

@test "ids that are not the user's are refused, and nothing is left" {
	config '.linux.uidMappings = [{containerID: 0, hostID: 5000, size: 1}]'
	run_user true
	[ "$status" = 1 ]
	! is_corten || [[ "$output" == *"failed to use newuidmap on "*": newuidmap: uid range [0-1) -> [5000-5001) not allowed"* ]]
	[ ! -e "$WORK/run/runc/$ID" ]
}

@test "without newuidmap a range is an error that names it; one's own ids need none" {
	is_corten || skip "runc says that it cannot execute"
	maps
	USER_PATH=/nowhere run_user true
	[ "$status" = 1 ]
	[[ "$output" == *"the id mappings need newuidmap, which is not installed"* ]]
	config '.linux.uidMappings |= .[0:1] | .linux.gidMappings |= .[0:1]'
	USER_PATH=/nowhere run_user true
	[ "$status" = 0 ]
}

@test "create, start, exec, kill and delete" {
	command_is sleep 1000
	rt_user create -b bundle "$ID" </dev/null >/dev/null 2>&1
	[ "$(rt_user state "$ID" | jq -r .status)" = created ]
	rt_user start "$ID"
	run rt_user exec "$ID" sh -c 'id -u; cat /proc/1/cmdline | tr "\0" " "; exit 7'
	[ "$status" = 7 ]
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = "sleep 1000 " ]
	rt_user exec -d --pid-file "$WORK/run/pid" "$ID" sleep 1000
	grep -q sleep "/proc/$(cat "$WORK/run/pid")/cmdline"
	[ "$(rt_user list -q)" = "$ID" ]
	rt_user kill "$ID" KILL
	until_true 10 is_stopped
	rt_user delete "$ID"
	[ ! -e "$WORK/run/runc/$ID" ]
}
is_stopped() { [ "$(rt_user state "$ID" | jq -r .status)" = stopped ]; }

@test "exec as another id of the range" {
	maps
	command_is sleep 1000
	rt_user run -d -b bundle "$ID" </dev/null >/dev/null 2>&1
	run rt_user exec -u 5:6 "$ID" sh -c 'id -u; id -g'
	[ "$status" = 0 ]
	[ "${lines[*]}" = "5 6" ]
	rt_user delete -f "$ID"
}

@test "delete -f kills, and a pty works" {
	command_is sleep 1000
	rt_user run -d -b bundle "$ID" </dev/null >/dev/null 2>&1
	run script -qec "unshare --mount $WORK/as-user $RUNTIME exec -t $ID tty" /dev/null </dev/null
	[[ "$output" == *"/dev/pts/0"* ]]
	rt_user delete -f "$ID"
	[ ! -e "$WORK/run/runc/$ID" ]
}

@test "no user namespace, or groups that cannot be set, are refused" {
	config '.process.user.additionalGids = [7]'
	run_user true
	[ "$status" = 1 ]
	[[ "$output" == *"cannot set any additional groups in a rootless container"* ]]
	config 'del(.process.user.additionalGids, .linux.uidMappings, .linux.gidMappings)
		| .linux.namespaces -= [{type: "user"}]'
	run_user true
	[ "$status" = 1 ]
	[[ "$output" == *"rootless container requires user namespaces"* ]]
}

# tests/vm has the groups that a user may make.
@test "where the user may make no group, limits and a path are refused" {
	config '.linux.resources.pids.limit = 10'
	run_user true
	[ "$status" = 1 ]
	[[ "$output" == *"rootless needs no limits + no cgrouppath when no permission is granted for cgroups"* ||
		"$output" == *"cannot set pids limit: container could not join or create cgroup"* ]]
	config 'del(.linux.resources) | .linux.cgroupsPath = "/rootless-test"'
	run_user true
	[ "$status" = 1 ]
	[[ "$output" == *"unable to apply cgroup configuration"*ermission\ denied* ]]
	[ ! -e "$WORK/run/runc/$ID" ]
}

@test "podman without root: run, exec, kill, rm" {
	command -v podman >/dev/null || skip "podman is not installed"
	need_lab_image busybox-podman.tar
	cp "$LAB_IMAGES/busybox-podman.tar" "$WORK/image.tar"
	chmod 644 "$WORK/image.tar"
	mkdir "$WORK/store"
	chown $USER_ID "$WORK/store"
	cat >"$WORK/podman" <<-RUN
		p() { podman --runtime "$RUNTIME" --cgroup-manager cgroupfs --root "$WORK/store" --runroot "$WORK/run/store" \
			--storage-driver vfs --events-backend none "\$@"; }
		p load -q -i "$WORK/image.tar" >/dev/null
		image=\$(p images -q)
		p run --rm --network none \$image id -u
		p run -d --name one --network host \$image sleep 1000 >/dev/null
		p exec one sh -c 'id -u; exit 5'
		echo "exec \$?"
		p exec -u 5:6 one id -u
		p kill one
		p rm -f one
		p run --rm --network none --user 7:8 \$image id -g
	RUN
	run --separate-stderr unshare --mount --pid --fork --kill-child --mount-proc -- "$WORK/as-user" sh "$WORK/podman"
	echo "$stderr"
	[ "${lines[*]}" = "0 0 exec 5 5 one one 8" ]
}
