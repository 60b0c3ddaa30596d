#!/usr/bin/env bats
# Mounts, devices, hidden paths, and images that try to lead them astray.
load helpers

@test "the mounts of the config" {
	run_sh 'cat /proc/mounts; cat /proc/self/mountinfo >/dev/null'
	[ "$status" -eq 0 ]
	[[ "$output" == *"proc /proc proc"* ]]
	[[ "$output" == *"tmpfs /dev tmpfs rw,nosuid"* ]]
	[[ "$output" == *"devpts /dev/pts devpts rw,nosuid,noexec"* ]]
	[[ "$output" == *"/sys sysfs ro,nosuid,nodev,noexec"* ]]
	[[ "$output" == *"mode=755"* ]]
}

@test "the default devices and links" {
	run_sh 'for d in null zero full random urandom tty; do test -c /dev/$d || exit 1; done; stat -c %a%t%T /dev/null
		readlink /dev/fd; readlink /dev/ptmx; echo ok >/dev/null'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 66613 ]
	[ "${lines[1]}" = /proc/self/fd ]
	[ "${lines[2]}" = pts/ptmx ]
}

@test "/dev/core is there where the kernel has a /proc/kcore" {
	run_sh 'test -L /dev/core && echo there || echo missing'
	[ "$output" = "$([ -e /proc/kcore ] && echo there || echo missing)" ]
}

@test "masked paths are empty, readonly paths cannot be written" {
	config '.process.capabilities.effective += ["CAP_SYS_ADMIN"] | .process.capabilities.permitted += ["CAP_SYS_ADMIN"] |
		.process.capabilities.bounding += ["CAP_SYS_ADMIN"]'
	run_sh 'cat /proc/keys; ls /sys/firmware; echo 1 >/proc/sys/kernel/panic && echo bad; echo end'
	[ "$status" -eq 0 ]
	[[ "$output" == *"ead-only file system"*"end" ]]
	[[ "$output" != *bad* ]]
	[ "${#lines[@]}" -eq 2 ]
}

@test "a read-only root" {
	config '.root.readonly = true'
	run_sh 'touch /x && echo bad; touch /dev/shm/y && echo ok'
	[[ "$output" == *"ead-only"*ok ]]
	[ ! -e "$BUNDLE/rootfs/x" ]
}

@test "bind mounts of folders and files, read-only and not" {
	mkdir -p "$WORK/src/sub"
	echo text >"$WORK/src/file"
	config --arg s "$WORK/src" '.mounts += [{destination: "/new/dir", type: "bind", source: $s, options: ["rbind", "ro"]},
		{destination: "/one/file", type: "bind", source: ($s + "/file"), options: ["bind"]}]'
	run_sh 'cat /new/dir/file; touch /new/dir/x && echo bad; echo more >>/one/file && cat /one/file'
	[ "${lines[0]}" = text ]
	[[ "$output" != *bad* ]]
	[[ "$output" == *"text"*"text"*"more" ]]
	[ ! -e "$WORK/src/x" ]
}

@test "a relative bind source is below the bundle" {
	echo here >"$BUNDLE/data"
	config '.mounts += [{destination: "/data", type: "bind", source: "data", options: ["bind"]}]'
	run_sh 'cat /data'
	[ "$output" = here ]
}

@test "a bind source that is missing is an error and leaves nothing" {
	config '.mounts += [{destination: "/data", type: "bind", source: "/no/such/thing", options: ["bind"]}]'
	run_sh true
	[ "$status" -ne 0 ]
	[[ "$output" == *"o such file or directory"* ]]
	nothing_left
}

@test "recursive read-only reaches mounts below" {
	needs_new_kernel
	is_crun || is_corten || [[ "$("$RUNTIME" --version)" != *" 1.1.0"* ]] || skip "too old"
	mkdir -p "$WORK/src/sub"
	config --arg s "$WORK/src" '.mounts += [{destination: "/m", type: "bind", source: $s, options: ["rbind", "rro"]}]'
	mount -t tmpfs tmpfs "$WORK/src/sub"
	run_sh 'touch /m/sub/x && echo bad; echo end'
	umount "$WORK/src/sub"
	[[ "$output" == *end && "$output" != *bad* ]]
}

@test "tmpfs with options, tmpcopyup" {
	echo image >"$BUNDLE/rootfs/image/file"
	mkdir -m 700 "$BUNDLE/rootfs/image/sub"
	ln -s file "$BUNDLE/rootfs/image/link"
	config '.mounts += [{destination: "/image", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "size=1m"]}]'
	run_sh 'cat /image/file; readlink /image/link; stat -c %a /image/sub; echo new >/image/file; grep -c size=1024k /proc/mounts'
	[ "${lines[0]}" = image ]
	[ "${lines[1]}" = file ]
	[ "${lines[2]}" = 700 ]
	[ "${lines[3]}" = 1 ]
	[ "$(cat "$BUNDLE/rootfs/image/file")" = image ]
}

@test "devices of the config" {
	config '.linux.devices = [{path: "/dev/mine/null", type: "c", major: 1, minor: 3, fileMode: 384, uid: 1000, gid: 5}] |
		.linux.resources.devices = []'
	run_sh 'stat -c %a:%u:%g:%t:%T /dev/mine/null'
	[ "$output" = 600:1000:5:1:3 ]
}

@test "links of the image lead nowhere outside" {
	mkdir "$WORK/outside"
	ln -s "$WORK/outside" "$BUNDLE/rootfs/abs"
	ln -s ../../../../../../../..$WORK/outside "$BUNDLE/rootfs/up"
	config '.mounts += [{destination: "/abs/a", type: "tmpfs", source: "tmpfs"}, {destination: "/up/b", type: "tmpfs", source: "tmpfs"},
		{destination: "/../../c", type: "tmpfs", source: "tmpfs"}]'
	run_sh true
	[ -z "$(ls "$WORK/outside")" ]
	[ ! -e /c ]
}

@test "a /dev that is a link makes nothing outside" {
	mkdir "$WORK/outside"
	rm -rf "$BUNDLE/rootfs/dev"
	ln -s "$WORK/outside" "$BUNDLE/rootfs/dev"
	config 'del(.mounts[] | select(.destination | startswith("/dev")))'
	run_sh true
	[ -z "$(ls "$WORK/outside")" ]
}

@test "a /proc that is a link is refused" {
	mkdir "$BUNDLE/rootfs/fake"
	rm -rf "$BUNDLE/rootfs/proc"
	ln -s fake "$BUNDLE/rootfs/proc"
	run_sh true
	is_crun || [ "$status" -ne 0 ]
}

@test "nothing may be mounted inside /proc" {
	config '.mounts += [{destination: "/proc/sys", type: "tmpfs", source: "tmpfs"}]'
	run_sh true
	is_crun || [[ "$status" -ne 0 && "$output" == *"inside /proc"* ]]
}

@test "sysctls of own namespaces are set, others refused" {
	config '.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1"}'
	run_sh 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced'
	[ "${lines[0]}" = 1 ]
	[ "${lines[1]}" = 1 ]
	for s in kernel.panic kernel/core_pattern net/../kernel/panic; do
		config --arg s "$s" '.linux.sysctl = {($s): "1"}'
		run_sh true
		[ "$status" -ne 0 ]
	done
}

@test "the loopback is up" {
	run_sh 'ip addr show lo | head -n1'
	[[ "$output" == *UP* ]]
}

@test "a user namespace with mappings" {
	config '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] |
		.linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
	chmod 755 "$WORK" "$BUNDLE"
	chown -R 100000:100000 "$BUNDLE/rootfs"
	run_sh 'id -u; cat /proc/self/uid_map; echo x >/dev/null'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 0 ]
	[[ "${lines[1]}" == *100000* ]]
}

@test "a detached mount as root by descriptor" {
	needs_new_kernel
	is_corten || skip "ours only"
	command -v python3 >/dev/null || skip "needs python3"
	config '.root.path = "/no/such/path"'
	command_is sh -c 'cat /etc/passwd | head -n1; grep " / " /proc/mounts'
	run python3 "$BATS_TEST_DIRNAME/rootfs-fd.py" "$BUNDLE/rootfs" "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" --rootfs-fd 3 "$ID"
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == root* ]]
}

@test "time namespace offsets" {
	[ -e /proc/self/ns/time ] || skip "no time namespaces"
	is_corten || is_crun || [[ "$("$RUNTIME" --version)" != *" 1.1."* ]] || skip "too old"
	config '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: 1000000}, boottime: {secs: 1000000}}'
	run_sh 'read up rest </proc/uptime; test ${up%.*} -gt 1000000'
	[ "$status" -eq 0 ]
}

@test "a bind mount with options of a filesystem is refused, as the kernel would ignore them" {
	is_corten || skip "runc 1.1 and crun 1.8 pass over them"
	config --arg src "$WORK" '.mounts += [{destination: "/mnt", type: "bind", source: $src, options: ["bind", "mode=700"]}]'
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"filesystem-specific options applied: mode=700"* ]]
	nothing_left
}

@test "an id-mapped mount shows the owners that its mappings say" {
	needs_new_kernel
	is_corten || skip "Debian's runc and crun are older than uidMappings of a mount"
	mkdir "$WORK/src"
	touch "$WORK/src/f"
	config --arg src "$WORK/src" '.mounts += [{destination: "/mnt", type: "bind", source: $src,
		options: ["bind", "idmap"], uidMappings: [{containerID: 0, hostID: 5000, size: 10}],
		gidMappings: [{containerID: 0, hostID: 6000, size: 10}]}]'
	run_sh 'stat -c %u:%g /mnt/f'
	[ "$status" -eq 0 ]
	[ "$output" = 5000:6000 ]
	nothing_left
}

@test "an id-mapped mount with crun's mappings, relative to the user namespace" {
	needs_new_kernel
	is_corten || is_crun || skip "crun's option"
	mkdir "$WORK/src"
	touch "$WORK/src/f" "$WORK/src/g"
	chown 7:7 "$WORK/src/g"
	chmod 755 "$WORK" "$BUNDLE"
	chown -R 100000:100000 "$BUNDLE/rootfs"
	config --arg src "$WORK/src" '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}]
		| .linux.gidMappings = .linux.uidMappings
		| .mounts += [{destination: "/mnt", type: "bind", source: $src,
			options: ["bind", "idmap=uids=@0-5-1#7-100009-1;gids=@0-3-1#@7-4-1"]}]'
	run_sh 'stat -c %u:%g /mnt/f /mnt/g'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 5:3 ]
	[ "${lines[1]}" = 9:4 ]
	is_corten || return 0
	config '.mounts[-1].options[1] = "idmap=uids=@0-5000-1;gids=@0-0-1"'
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -ne 0 ]
}

@test "a tmpfs without a mode has that of the folder it covers" {
	chmod 'a=rwx,ug+s,+t' "$BUNDLE/rootfs/tmp"
	mkdir -m 710 "$BUNDLE/rootfs/own"
	config '.mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["nosuid"]},
		{destination: "/own", type: "tmpfs", source: "tmpfs"}, {destination: "/new", type: "tmpfs", source: "tmpfs"},
		{destination: "/given", type: "tmpfs", source: "tmpfs", options: ["mode=0410"]}]'
	run_sh 'stat -c %a /tmp /own /new /given'
	[ "$status" -eq 0 ]
	is_crun || [ "${lines[*]}" = "7777 710 1777 410" ]
}

user_namespace() {
	config '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] |
		.linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
	chmod 755 "$WORK" "$BUNDLE"
	chown -R 100000:100000 "$BUNDLE/rootfs"
}

@test "in a user namespace: a source behind a closed folder, one with mapped ids, nothing goes out" {
	needs_new_kernel
	user_namespace
	mkdir -p "$WORK/closed/source" "$WORK/mapped" "$WORK/shared"
	echo words >"$WORK/closed/source/file"
	touch "$WORK/mapped/file"
	chmod 700 "$WORK/closed"
	mount -t tmpfs tmpfs "$WORK/shared"
	mount --make-shared "$WORK/shared"
	mkdir "$WORK/shared/below"
	config --arg w "$WORK" '.mounts += [{destination: "/a", type: "bind", source: ($w + "/closed/source"), options: ["bind", "ro"]},
		{destination: "/b", type: "bind", source: ($w + "/mapped"), options: ["bind", "idmap"]},
		{destination: "/c", type: "bind", source: ($w + "/shared"), options: ["rbind"]}]'
	config '.process.capabilities[] += ["CAP_SYS_ADMIN"]'
	run_sh 'cat /a/file; echo x 2>&1 >/a/new; stat -c %u /b/file; mount -t tmpfs tmpfs /c/below && echo mounted'
	local left
	left=$(grep -c "$WORK/shared/below" /proc/self/mountinfo || true)
	umount "$WORK/shared"
	[ "${lines[0]}" = words ]
	[[ "${lines[1]}" == *"Read-only"* ]]
	[ "${lines[2]}" = 0 ]
	[ "$left" = 0 ]
}

@test "time namespace offsets in a user namespace" {
	[ -e /proc/self/ns/time ] || skip "no time namespaces"
	is_corten || is_crun || [[ "$("$RUNTIME" --version)" != *" 1.1."* ]] || skip "too old"
	user_namespace
	config '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: 1000000}, boottime: {secs: 1000000}}'
	run_sh 'read up rest </proc/uptime; test ${up%.*} -gt 1000000'
	[ "$status" -eq 0 ]
}

@test "a read-only /dev has its nodes, a path that is masked twice one mount" {
	config '(.mounts[] | select(.destination == "/dev") | .options) += ["ro"] | .linux.maskedPaths += ["/image", "/image/."]'
	run_sh 'echo x >/dev/null && [ -d /dev/pts ] && ! touch /dev/new 2>/dev/null && grep -c " /image " /proc/self/mounts'
	[ "$status" -eq 0 ]
	is_crun || [ "$output" = 1 ]
}
