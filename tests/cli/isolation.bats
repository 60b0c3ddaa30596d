# What a container may, and what it is kept from: docker's safe defaults, and the options that change them.

load helpers

setup() { box_setup; }
teardown() { box_teardown; }

# inside WHAT [OPTION...]: one line of /proc/self/status.
status_line() {
	local key=$1
	shift
	once "$@" box sh -c "sed -n 's/^$key:[[:space:]]*//p' /proc/self/status"
}

# A limit's file of the container $1: in the hierarchy of controller $2, $3 for v1 and $4 for v2.
group_file() {
	local dir
	dir=$(awk -F: -v c="$2" '{n = split($2, o, ","); for (i = 1; i <= n; i++) if (o[i] == c) print $3}' \
		"/proc/$(pid_of "$1")/cgroup")
	if [ -n "$dir" ] && [ -f "/sys/fs/cgroup/$2$dir/$3" ]; then
		cat "/sys/fs/cgroup/$2$dir/$3"
	else
		dir=$(sed -n 's/^0:://p' "/proc/$(pid_of "$1")/cgroup")
		cat "/sys/fs/cgroup$dir/$4" 2>/dev/null || cat "/sys/fs/cgroup/unified$dir/$4"
	fi
}

# bats test_tags=peer
@test "capabilities: exactly docker's fourteen" {
	unlike_podman "has eleven"
	for set in CapEff CapPrm CapBnd; do
		run -0 status_line $set
		is 00000000a80425fb
	done
	run -0 status_line CapInh
	is 0000000000000000
	run -0 status_line CapAmb
	is 0000000000000000
}

# bats test_tags=peer
@test "capabilities: a user who is not root has none, and can get no more than the bounding set" {
	run -0 status_line CapEff -u app
	is 0000000000000000
}

# bats test_tags=peer
@test "--cap-add, --cap-drop: names in any form, ALL" {
	run -0 status_line CapEff --cap-drop ALL
	is 0000000000000000
	run -0 status_line CapEff --cap-drop ALL --cap-add net_admin
	is 0000000000001000
	run -0 status_line CapEff --cap-drop ALL --cap-add CAP_NET_ADMIN
	is 0000000000001000
	run -0 status_line CapBnd --cap-drop ALL --cap-add chown
	is 0000000000000001
	is_peer && return
	run -0 status_line CapEff --cap-add net_admin
	is 00000000a80435fb
	run -0 status_line CapEff --cap-drop mknod
	is 00000000a00425fb
}

@test "--cap-add: a name that is none" {
	run -125 once --cap-add everything box true
	says 'invalid capability: "everything"'
}

@test "--privileged: all that this machine grants, devices, writable /sys, no masks, no filter" {
	run -0 status_line CapEff --privileged
	is "$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)"
	run -0 status_line Seccomp --privileged
	is 0
	run -0 once --privileged box sh -c 'touch /proc/sys/kernel/domainname && wc -c </proc/interrupts >/dev/null && echo open
		grep " /sys " /proc/mounts | cut -d" " -f4 | cut -d, -f1; ls /dev | wc -l'
	says open
	says rw
}

# bats test_tags=peer
@test "no more than that many devices, and one made by mknod does not open" {
	unlike_podman "no CAP_MKNOD"
	run -0 once box sh -c 'mknod /tmp/mem c 1 1 && cat /tmp/mem 2>&1; mknod /tmp/null c 1 3 && echo x >/tmp/null && echo null works'
	says "not permitted"
	says "null works"
}

# bats test_tags=peer
@test "masked paths: nothing is in them" {
	run -0 once box sh -c 'for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/interrupts; do
		[ ! -e $f ] || [ "$(head -c 1 $f | wc -c)" = 0 ] || echo "$f is readable"; done
		for d in /proc/acpi /proc/scsi /sys/firmware; do
		[ ! -d $d ] || [ -z "$(ls -A $d)" ] || echo "$d has something"; done'
	if is_peer; then output=$(grep -v interrupts <<<"$output" || true); fi
	is ""
}

# bats test_tags=peer
@test "read-only paths" {
	run -0 once box sh -c 'for f in /proc/sys/kernel/domainname /proc/sysrq-trigger; do
		(echo x >$f) 2>/dev/null && echo "$f is writable"; done
		mkdir /sys/fs/cgroup/x 2>/dev/null && echo "cgroup is writable"
		touch /sys/kernel/x 2>/dev/null && echo "/sys is writable"; true'
	if is_peer; then output=$(grep -v "^cgroup" <<<"$output" || true); fi
	is ""
}

# bats test_tags=peer
@test "seccomp: a filter is on, and refuses what docker's refuses" {
	run -0 status_line Seccomp
	is 2
	run -0 once box sh -c 'unshare -U true 2>&1; mount -t tmpfs x /tmp 2>&1; dmesg 2>&1; true'
	[[ $output == *[Pp]ermi* || $output == *"not found"* ]]
}

@test "seccomp: unconfined, a profile of one's own, and one that is not there" {
	run -0 status_line Seccomp --security-opt seccomp=unconfined
	is 0
	cat >"$INSTANCE/profile.json" <<-'JSON'
	{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}]}
	JSON
	run -0 once --security-opt "seccomp=$INSTANCE/profile.json" box sh -c 'mkdir /x 2>&1 || true'
	says "Input/output error"
	run -125 once --security-opt "seccomp=$INSTANCE/none.json" box true
	says "opening seccomp profile ($INSTANCE/none.json) failed"
}

# bats test_tags=peer
@test "no new privileges: off as docker's, on when asked" {
	run -0 status_line NoNewPrivs
	is 0
	run -0 status_line NoNewPrivs --security-opt no-new-privileges
	is 1
}

@test "namespaces: all but user and time are the container's own" {
	run -0 once box sh -c 'for n in mnt uts ipc pid net cgroup user; do echo "$n $(readlink /proc/self/ns/$n)"; done'
	local n id
	while read -r n id; do
		if [ "$n" = user ]; then
			[ "$id" = "$(readlink /proc/self/ns/user)" ]
		else
			[ "$id" != "$(readlink "/proc/self/ns/$n")" ]
		fi
	done <<<"$output"
}

@test "the cgroup namespace is private: its own group is the root, and mounted so" {
	run -0 once box sh -c 'cut -d: -f3 /proc/self/cgroup | sort -u; ls /sys/fs/cgroup | grep -c .'
	[ "${lines[0]}" = / ]
	[ "${lines[1]}" -gt 0 ]
}

# bats test_tags=peer
@test "pid 1, alone, and the processes of the host are not seen" {
	run -0 once box sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l'
	[ "${lines[0]}" = 1 ]
	[ "${lines[1]}" -le 4 ]
}

# bats test_tags=peer
@test "--network none: only the loopback, and it is up" {
	run -0 once box sh -c 'ls /sys/class/net; ip -o addr show lo | grep -c 127.0.0.1; ip route | wc -l'
	is $'lo\n1\n0'
}

# bats test_tags=peer
@test "--network host: the host's links and name" {
	run -0 corten run --rm --network host box sh -c 'ls /sys/class/net; hostname; readlink /proc/self/ns/net'
	says "$(hostname)"
	[ "$(sed -n '$p' <<<"$output")" = "$(readlink /proc/self/ns/net)" ]
}

@test "--network: what is not there is named" {
	run -125 corten run --rm --network nosuch box true
	says "network nosuch not found"
	run -125 corten run --rm --network container:nosuch box true
	says "No such container: nosuch"
}

# bats test_tags=peer
@test "--memory: seen inside, and enforced" {
	run -0 once --memory 64m box sh -c \
		'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max'
	is 67108864
	run -137 once --memory 16m --name eater box sh -c 'x=$(head -c 100000000 /dev/zero | tr "\0" x); echo ${#x}'
}

@test "--memory: an OOM kill is told by inspect" {
	run -137 corten run --network none --memory 16m --name eater box sh -c 'x=$(head -c 100000000 /dev/zero | tr "\0" x); echo ${#x}'
	run -0 corten inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' eater
	is "true 137"
	corten rm eater
}

# bats test_tags=peer
@test "--cpus: the quota" {
	run -0 once --cpus 0.5 box sh -c \
		'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max'
	[ "${output//$'\n'/ }" = "50000 100000" ]
}

# bats test_tags=peer
@test "--pids-limit: given, and enforced" {
	run -0 once --pids-limit 20 box sh -c 'cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max'
	is 20
	run once --pids-limit 5 box sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo not reached'
	[[ $output == *fork* ]]
}

@test "pids limit: 2048 by default, none with -1" {
	run -0 once box sh -c 'cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max'
	is 2048
	run -0 once --pids-limit -1 box sh -c 'cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max'
	is max
}

@test "limits: what cannot be is refused" {
	run -125 once --memory 1m box true
	says "Minimum memory limit allowed is 6MB"
	run -125 once --cpus 1000 box true
	says "range of CPUs is from 0.01 to"
	run -125 once --cpus many box true
	run -125 once --pids-limit many box true
}

@test "cgroups: one group in each hierarchy, with the same limits seen from outside; gone afterwards" {
	background limited --memory 64m --cpus 1.5 --pids-limit 33 box sleep 1000
	[ "$(group_file limited memory memory.limit_in_bytes memory.max)" = 67108864 ]
	[ "$(group_file limited pids pids.max pids.max)" = 33 ]
	group_file limited cpu cpu.cfs_quota_us cpu.max | grep -q '^150000'
	# Each hierarchy that the machine has: none keeps the container in the caller's group.
	run -1 grep -Ev "/corten/|:/$" "/proc/$(pid_of limited)/cgroup"
	corten rm -f limited
}

@test "rlimits: the caller's, or clamped to what can be granted" {
	run -0 once box sh -c 'ulimit -n; ulimit -c; ulimit -u'
	[ "${lines[0]}" -gt 0 ] || [ "${lines[0]}" = unlimited ]
	[[ $output != *corten:* ]]
}

@test "shared memory, message queues and semaphores are the container's own" {
	run -0 once box sh -c 'touch /dev/shm/x; ls /dev/shm /dev/mqueue | grep -c x; df -k /dev/shm | tail -n 1 | grep -c 65536'
	is $'1\n1'
	[ ! -e /dev/shm/x ]
}

@test "nothing of the host leaks: descriptors, environment, working folder, keyring" {
	export SECRET_OF_CALLER=yes
	exec 9<"$INSTANCE/before"
	run -0 once box sh -c 'ls /proc/self/fd | tr "\n" " "; env | grep -c SECRET; pwd'
	exec 9<&-
	# 3 is ls's own.
	is $'0 1 2 3 0\n/'
}

@test "umask and signal dispositions are the defaults" {
	trap '' PIPE USR2
	run -0 bash -c 'umask 077; trap "" HUP USR1
		"$CORTEN" run --rm --network none box sh -c umask
		"$CORTEN" run --rm --network none box grep -E "^Sig[IB]" /proc/self/status'
	trap - PIPE USR2
	[ "${lines[0]}" = 0022 ]
	[[ $output == *SigBlk:*0000000000000000* ]]
	[[ $output == *SigIgn:*0000000000000000* ]]
}
