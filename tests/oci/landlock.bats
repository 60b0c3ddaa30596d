#!/usr/bin/env bats
# The annotation org.corten.landlock: what no rule allows is denied to the init and to every exec.
load helpers

setup_file() {
	is_corten || skip "no other runtime has Landlock"
	python3 -c 'import ctypes; exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 1)' 2>/dev/null ||
		skip "needs a kernel with Landlock"
}

# rules JSON: the annotation's value.
rules() { config --arg rules "$1" '.annotations["org.corten.landlock"] = $rules'; }

# Writing is denied but below /tmp and to the standard descriptors' files, reading is not.
ONLY_TMP='{"ruleset": {"handledAccessFS": ["write_file", "make_reg"]},
	"rules": {"pathBeneath": [{"allowedAccess": ["write_file", "make_reg"], "paths": ["/tmp"]}]}}'

@test "writing is allowed below one folder only" {
	rules "$ONLY_TMP"
	run_sh 'echo a >/tmp/a && cat /tmp/a; echo b >/etc/b || echo denied; cat /etc/passwd | head -n 1'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = a ]
	[[ "$output" == *"/etc/b: Permission denied"*denied*root:x:0* ]]
	[ ! -e "$BUNDLE/rootfs/etc/b" ]
	nothing_left
}

@test "without no_new_privs, with create and start, and with exec" {
	config '.process.noNewPrivileges = false'
	rules "$ONLY_TMP"
	command_is sh -c 'echo b >/etc/b; echo a >/tmp/a; sleep 1000'
	rt create -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	rt start "$ID"
	until_true 5 test -s "$BUNDLE/rootfs/tmp/a"
	[ ! -e "$BUNDLE/rootfs/etc/b" ]
	run rt exec "$ID" sh -c 'echo c >/tmp/c && echo c >/etc/c'
	[ "$status" -ne 0 ]
	[ -e "$BUNDLE/rootfs/tmp/c" ]
	[ ! -e "$BUNDLE/rootfs/etc/c" ]
	run rt exec "$ID" cat /tmp/c
	[ "$output" = c ]
}

@test "with a seccomp profile that forbids Landlock's own calls, and as another user" {
	config '.process.user = {uid: 1000, gid: 1000} | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
		{names: ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"], action: "SCMP_ACT_ERRNO"}]}'
	chmod 1777 "$BUNDLE/rootfs/tmp" "$BUNDLE/rootfs/home/joe"
	rules "$ONLY_TMP"
	for nnp in true false; do
		config ".process.noNewPrivileges = $nnp"
		run_sh 'echo a >/tmp/a && cat /tmp/a; echo b >/home/joe/b'
		[ "${lines[0]}" = a ]
		[ "$status" -ne 0 ]
		[ ! -e "$BUNDLE/rootfs/home/joe/b" ]
	done
}

@test "only the allowed port can be bound" {
	rules '{"ruleset": {"handledAccessNet": ["bind_tcp"]},
		"rules": {"netPort": [{"allowedAccess": ["bind_tcp"], "ports": [8080]}]}}'
	ln -s busybox "$BUNDLE/rootfs/bin/nc"
	ln -s busybox "$BUNDLE/rootfs/bin/timeout"
	run_sh 'timeout 1 nc -l -p 8080 -w 1 </dev/null; nc -l -p 8081 -w 1'
	[[ "$output" == *"bind: Permission denied" ]]
	[ "$(grep -c bind <<<"$output")" = 1 ]
}

@test "a path that the image lacks is warned about and allows nothing" {
	rules '{"ruleset": {"handledAccessFS": ["write_file"]},
		"rules": {"pathBeneath": [{"allowedAccess": ["write_file"], "paths": ["/tmp", "/lib64/x"]}]}}'
	run_sh 'echo fine'
	[ "$status" -eq 0 ]
	[[ "$output" == *"/lib64/x"*fine* ]]
}

@test "a link in the image leads nowhere but into the image" {
	ln -s ../../../../etc "$BUNDLE/rootfs/tmp/out"
	rules '{"ruleset": {"handledAccessFS": ["write_file", "make_reg"]},
		"rules": {"pathBeneath": [{"allowedAccess": ["write_file", "make_reg"], "paths": ["/tmp/out"]}]}}'
	run_sh 'echo a >/etc/a && cat /etc/a; echo a >/tmp/a'
	[ "${lines[0]}" = a ]
	[ "$status" -ne 0 ]
}

@test "a name that is unknown and a key that is misspelt stop the start" {
	rules '{"ruleset": {"handledAccessFS": ["write_files"]}}'
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *'org.corten.landlock: unknown name'*write_files* ]]
	rules '{"ruleset": {"handledAccesFS": ["write_file"]}}'
	run rt run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"unknown key"* ]]
	nothing_left
}

@test "features lists the rights" {
	rt features | jq -e '.linux.landlock | .enabled and (.handledAccessFS | index("truncate"))
		and (.handledAccessNet | index("bind_tcp")) and (.scoped | index("signal"))'
}
