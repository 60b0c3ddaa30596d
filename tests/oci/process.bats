#!/usr/bin/env bats
# What the process finds: user, environment, capabilities, limits, terminal, descriptors.
load helpers

@test "user, groups, umask and working folder" {
	config '.process.user = {uid: 1000, gid: 1000, additionalGids: [5, 7], umask: 63} | .process.cwd = "/tmp"'
	run_sh 'id -u; id -g; id -G; pwd; umask; echo $HOME'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 1000 ]
	[ "${lines[1]}" = 1000 ]
	[[ "${lines[2]}" == *5* && "${lines[2]}" == *7* ]]
	[ "${lines[3]}" = /tmp ]
	[ "${lines[4]}" = 0077 ]
	[ "${lines[5]}" = /home/joe ]
}

@test "capabilities are those of the config" {
	run_sh 'grep ^Cap /proc/self/status'
	# KILL 5, CHOWN 0, SETGID 6, SETUID 7, NET_BIND_SERVICE 10, AUDIT_WRITE 29
	[[ "$output" == *"CapPrm:"*"00000000200004e1"* ]]
	[[ "$output" == *"CapBnd:"*"00000000200004e1"* ]]
	[[ "$output" == *"CapInh:"*"0000000000000000"* ]]
	[[ "$output" == *"CapAmb:"*"0000000000000000"* ]]
}

@test "ambient capabilities reach a user that is not root" {
	config '.process.user = {uid: 1000, gid: 1000} | .process.capabilities = {bounding: ["CAP_KILL"],
		permitted: ["CAP_KILL"], effective: ["CAP_KILL"], inheritable: ["CAP_KILL"], ambient: ["CAP_KILL"]}'
	run_sh 'grep ^Cap /proc/self/status'
	[[ "$output" == *"CapEff:"*"0000000000000020"* ]]
	[[ "$output" == *"CapAmb:"*"0000000000000020"* ]]
}

@test "no_new_privs is set when asked for" {
	run_sh 'grep NoNewPrivs /proc/self/status'
	[[ "$output" == *1 ]]
	config '.process.noNewPrivileges = false'
	run_sh 'grep NoNewPrivs /proc/self/status'
	[[ "$output" == *0 ]]
}

@test "rlimits" {
	config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: 200}, {type: "RLIMIT_CORE", soft: 0, hard: 0}]'
	run_sh 'ulimit -Sn; ulimit -Hn; ulimit -Hc'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 100 ]
	[ "${lines[1]}" = 200 ]
	[ "${lines[2]}" = 0 ]
}

@test "an rlimit above the hard limit is clamped with a warning without CAP_SYS_RESOURCE" {
	is_corten || skip "others fail"
	hard=$(ulimit -Hn)
	[ "$hard" != unlimited ] || skip "no hard limit here"
	config --argjson n "$((hard + 1))" '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: $n, hard: $n}]'
	run_sh 'ulimit -Hn'
	[ "$status" -eq 0 ]
	grep -q "CapEff.*1ff" /proc/self/status || [[ "$output" == *"clamped"* ]] || [[ "$output" == *$((hard + 1))* ]]
}

@test "hostname and environment" {
	config '.process.env += ["A=1", "A=2"]'
	run_sh 'hostname; echo $A'
	[ "${lines[0]}" = box ]
	[ "${lines[1]}" = 2 ]
}

@test "a program that is missing, a folder and a file without x are told apart" {
	command_is nosuch
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -ne 0 ]
	[[ "$output" == *"executable file not found in \$PATH"* ]]
	command_is /nosuch
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -ne 0 ]
	[[ "$output" == *"o such file or directory"* ]]
	command_is /etc/passwd
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -ne 0 ]
	[[ "$output" == *"ermission denied"* ]]
	nothing_left
}

@test "only the standard descriptors are open" {
	run_sh 'ls /proc/self/fd | wc -l'
	# 0, 1, 2 and the one that ls reads the folder with.
	[ "$output" = 4 ]
}

@test "a created container holds no descriptors of the caller" {
	is_crun && skip "crun keeps them until exec"
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 9<"$BUNDLE/config.json"
	pid=$(rt state "$ID" | jq .pid)
	! ls -l "/proc/$pid/fd" | grep -q config.json
}

@test "preserve-fds and LISTEN_FDS" {
	echo three >"$WORK/3"
	echo four >"$WORK/4"
	command_is sh -c 'cat <&3; cat <&4; echo $LISTEN_FDS $LISTEN_PID'
	run env LISTEN_FDS=1 "$RUNTIME" --root "$ROOT" run --preserve-fds 1 -b "$BUNDLE" "$ID" 3<"$WORK/3" 4<"$WORK/4"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = three ]
	[ "${lines[1]}" = four ]
	[ "${lines[2]}" = "1 1" ]
}

@test "a passwd that is a fifo does not hang the start" {
	is_corten || skip "runc 1.3 and crun 1.28 hang"
	rm "$BUNDLE/rootfs/etc/passwd"
	mkfifo "$BUNDLE/rootfs/etc/passwd"
	command_is sh -c 'echo $HOME'
	run timeout 10 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID"
	[ "$status" -eq 0 ]
	[ "$output" = / ]
}

@test "a terminal over the console socket" {
	command -v python3 >/dev/null || skip "needs python3"
	config '.process.terminal = true | .process.consoleSize = {height: 33, width: 99}'
	command_is sh -c 'tty; stty size; ls -l /dev/console'
	python3 "$BATS_TEST_DIRNAME/console.py" "$WORK/console" >"$WORK/out" &
	peer=$!
	until_true 5 test -S "$WORK/console"
	rt run -d -b "$BUNDLE" --console-socket "$WORK/console" "$ID" </dev/null >/dev/null 2>&1
	wait $peer
	grep -q "/dev/pts/0\|/dev/console" "$WORK/out"
	grep -q "33 99" "$WORK/out"
	grep -q "^c" "$WORK/out"
}

@test "a terminal in the foreground" {
	command -v script >/dev/null || skip "needs script"
	config '.process.terminal = true'
	command_is sh -c 'tty; exit 5'
	run script -qec "$RUNTIME --root $ROOT run -b $BUNDLE $ID" /dev/null
	[ "$status" -eq 5 ]
	[[ "$output" == *"/dev/"* ]]
}

@test "oom_score_adj is raised" {
	config '.process.oomScoreAdj = 500'
	run_sh 'cat /proc/self/oom_score_adj'
	[ "$output" = 500 ]
}

@test "protections that the host lacks are errors" {
	[ ! -e /sys/kernel/security/apparmor ] || skip "this host has AppArmor"
	is_corten || skip "others drop them"
	config '.process.apparmorProfile = "strict"'
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *apparmor* ]]
	nothing_left
}

# in_labelled_host WORDS...: as root of a mount namespace that looks as if the kernel had the modules.
in_labelled_host() {
	[ ! -e /sys/kernel/security/apparmor ] || skip "this host has AppArmor"
	[ ! -e /sys/fs/selinux/enforce ] || skip "this host has SELinux"
	is_corten || skip "looks at our words"
	# shellcheck disable=SC2016
	run unshare -m sh -c 'set -e
		mkdir "$0/cg" && mount --rbind /sys/fs/cgroup "$0/cg"
		mount -t tmpfs none /sys/fs && mkdir /sys/fs/cgroup /sys/fs/selinux
		mount --rbind "$0/cg" /sys/fs/cgroup && umount -l "$0/cg" && : >/sys/fs/selinux/enforce
		mount -t tmpfs none /sys/module && mkdir -p /sys/module/apparmor/parameters
		echo Y >/sys/module/apparmor/parameters/enabled
		mount -t tmpfs none /sys/kernel/security && mkdir /sys/kernel/security/apparmor
		exec "$@"' "$WORK" "$@"
}

@test "a label that the kernel does not take stops the start" {
	config '.process.apparmorProfile = "strict"'
	# shellcheck disable=SC2086
	in_labelled_host "$RUNTIME" $RUNTIME_FLAGS --root "$ROOT" run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"set AppArmor label 'strict': invalid argument"* ]]
	config 'del(.process.apparmorProfile) | .process.selinuxLabel = "u:r:t:s0:c1,c2"'
	rmdir "$WORK/cg"
	# shellcheck disable=SC2086
	in_labelled_host "$RUNTIME" $RUNTIME_FLAGS --root "$ROOT" run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"set SELinux label 'u:r:t:s0:c1,c2': invalid argument"* ]]
	nothing_left
}

@test "a mount label that the filesystem does not take is named" {
	config '.linux.mountLabel = "u:r:t:s0:c1,c2"'
	# shellcheck disable=SC2086
	in_labelled_host "$RUNTIME" $RUNTIME_FLAGS --root "$ROOT" run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *context* || "$RUNTIME_FLAGS" == *old-kernel* ]]
	nothing_left
}

@test "exec's labels are given to the process" {
	command_is sleep 100
	rt run -d -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	# shellcheck disable=SC2086
	in_labelled_host "$RUNTIME" $RUNTIME_FLAGS --root "$ROOT" exec --apparmor strict "$ID" true
	[ "$status" -eq 255 ]
	[[ "$output" == *"set AppArmor label 'strict': invalid argument"* ]]
	rmdir "$WORK/cg"
	# shellcheck disable=SC2086
	in_labelled_host "$RUNTIME" $RUNTIME_FLAGS --root "$ROOT" exec --process-label u:r:t:s0 "$ID" true
	[ "$status" -eq 255 ]
	[[ "$output" == *"set SELinux label 'u:r:t:s0': invalid argument"* ]]
	rt exec "$ID" true
}

@test "run.oci.keep_original_groups keeps the caller's groups, on exec too" {
	[ "$(basename "$RUNTIME")" != runc ] || skip "an annotation of crun's"
	command -v setpriv >/dev/null || skip "needs setpriv"
	config '.annotations["run.oci.keep_original_groups"] = "1"'
	command_is id -G
	# shellcheck disable=SC2086
	run setpriv --groups 12,13 "$RUNTIME" $RUNTIME_FLAGS --root "$ROOT" run -b "$BUNDLE" "$ID"
	[ "$status" -eq 0 ]
	[ "$output" = "0 12 13" ]
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	# shellcheck disable=SC2086
	run setpriv --groups 14 "$RUNTIME" $RUNTIME_FLAGS --root "$ROOT" exec "$ID" id -G
	[ "$output" = "0 14" ]
	rt delete -f "$ID"
	nothing_left
}

@test "lines of a terminal in the foreground end as the program ended them" {
	is_crun && skip "crun leaves the carriage returns"
	config '.process.terminal = true'
	command_is echo words
	rt run -b "$BUNDLE" "$ID" </dev/null >"$WORK/out" 2>&1
	[ "$(od -An -c "$WORK/out" | xargs)" = 'w o r d s n' ]
}

@test "the caller's CPUs are not the container's" {
	is_corten || [[ "$("$RUNTIME" --version | head -n 1)" =~ runc\ version\ 1\.[4-9] ]] || skip "runc since 1.4"
	[ "$(nproc)" -gt 1 ] || skip "needs two CPUs"
	local all
	all=$(grep Cpus_allowed_list /proc/self/status)
	command_is grep Cpus_allowed_list /proc/self/status
	run taskset -c 0 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID"
	[ "$output" = "$all" ]
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run taskset -c 0 "$RUNTIME" --root "$ROOT" exec "$ID" grep Cpus_allowed_list /proc/self/status
	[ "$output" = "$all" ]
}

@test "an ambient capability that is not inheritable is lost without a warning" {
	is_corten || skip "the words are ours"
	config '.process.capabilities.ambient = ["CAP_KILL"] | .process.capabilities.inheritable = []'
	run_sh 'grep CapAmb /proc/self/status'
	[ "$status" -eq 0 ]
	[[ "$output" == CapAmb:*"0000000000000000" ]]
}

@test "an empty HOME is that of passwd" {
	is_crun && skip "crun leaves it empty"
	config '.process.env += ["HOME=/lost", "HOME="]'
	run_sh 'echo $HOME; env | grep -c ^HOME='
	is_corten || [[ "$("$RUNTIME" --version | head -n 1)" =~ runc\ version\ 1\.[3-9] ]] || skip "runc since 1.3"
	[ "${lines[*]}" = "/root 1" ]
}

@test "a folder that only root or only the user can reach is the working folder" {
	mkdir -p "$BUNDLE/rootfs/of-root" "$BUNDLE/rootfs/home/joe"
	chmod 700 "$BUNDLE/rootfs/of-root" "$BUNDLE/rootfs/home/joe"
	chown 1000:1000 "$BUNDLE/rootfs/home/joe"
	config '.process.user = {uid: 1000, gid: 1000} | .process.cwd = "/of-root" | .process.capabilities = {}'
	run_sh 'readlink /proc/self/cwd'
	[ "$output" = /of-root ]
	config '.process.cwd = "/home/joe"'
	run_sh 'readlink /proc/self/cwd'
	[ "$output" = /home/joe ]
}
