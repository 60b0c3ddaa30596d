#!/usr/bin/env bats
# mounts add, mounts remove: crun's commands for a container that runs. `RUNTIME=crun` shows the common cases.
load helpers

# has_mounts: the runtime knows the command; runc and crun before 1.17 do not.
has_mounts() {
	needs_new_kernel
	"$RUNTIME" --help 2>&1 | grep -q "mounts" || skip "this runtime has no mounts command"
}

# running: a container that waits, and a folder and a file of the host.
running() {
	has_mounts
	command_is sleep 1000
	rt run -d -b "$BUNDLE" "$ID" >/dev/null 2>&1 </dev/null
	mkdir "$WORK/src"
	echo folder >"$WORK/src/file"
	echo file >"$WORK/file"
}

# mounts VERB JSON
mounts() {
	printf '%s' "$2" >"$WORK/mounts.json"
	rt mounts "$1" "$ID" "$WORK/mounts.json"
}

bind() { jq -nc --arg d "$1" --arg s "$2" '{destination: $d, type: "bind", source: $s, options: $ARGS.positional}' --args -- "${@:3}"; }

@test "a folder, a file and a tmpfs are added and removed" {
	running
	list="[$(bind /mnt/dir "$WORK/src" rbind ro), $(bind /mnt/file "$WORK/file" bind),
		{\"destination\": \"/mnt/tmp\", \"type\": \"tmpfs\", \"source\": \"tmpfs\"}]"
	mounts add "$list"
	run rt exec "$ID" sh -c 'cat /mnt/dir/file /mnt/file; echo a >/mnt/tmp/a; touch /mnt/dir/b || echo denied; grep -c " /mnt/" /proc/self/mountinfo'
	[ "${lines[0]}" = folder ]
	[ "${lines[1]}" = file ]
	[[ "$output" == *"Read-only"*denied*3 ]]
	! grep -q "$WORK" /proc/self/mountinfo
	mounts remove "$list"
	run rt exec "$ID" sh -c 'grep -c " /mnt/" /proc/self/mountinfo; ls /mnt/dir'
	[ "$output" = 0 ]
	rt delete -f "$ID"
	nothing_left
}

@test "remove looks at destinations alone, and names what is not mounted" {
	running
	mounts add "[$(bind /mnt "$WORK/src" bind)]"
	mounts remove '[{"destination": "/mnt"}]'
	run mounts remove '[{"destination": "/mnt"}]'
	[ "$status" -ne 0 ]
	[[ "$output" == *"/mnt"* ]]
}

@test "a procfs is the container's, not the host's" {
	is_corten || skip "crun 1.28 shows the host's processes"
	running
	mounts add '[{"destination": "/mnt", "type": "proc", "source": "proc"}]'
	run rt exec "$ID" cat /mnt/1/comm
	[ "$output" = sleep ]
}

@test "what the container mounts does not come back to the host" {
	running
	mount -t tmpfs none "$WORK/src"
	mount --make-shared "$WORK/src"
	mkdir "$WORK/src/below"
	mounts add "[$(bind /mnt "$WORK/src" rbind)]"
	pid=$(rt state "$ID" | jq .pid)
	nsenter -t "$pid" -m /bin/busybox mount -t tmpfs inner /mnt/below
	run mountpoint -q "$WORK/src/below"
	[ "$status" -ne 0 ]
	umount -R "$WORK/src"
}

@test "all are added or none" {
	is_corten || skip "others leave the first"
	running
	run mounts add "[$(bind /mnt/a "$WORK/src" bind), {\"destination\": \"/mnt/b\", \"type\": \"nosuchfs\", \"source\": \"x\"}]"
	[ "$status" -eq 1 ]
	[[ "$output" == *nosuchfs* ]]
	run rt exec "$ID" grep -c " /mnt/" /proc/self/mountinfo
	[ "$output" = 0 ]
}

@test "a link of the image leads nowhere but into the image" {
	running
	ln -s ../../../../../tmp "$BUNDLE/rootfs/out"
	mounts add "[$(bind /out/x "$WORK/src" bind)]"
	run rt exec "$ID" cat /tmp/x/file
	[ "$output" = folder ]
	mounts remove "[$(bind /out/x "$WORK/src" bind)]"
}

@test "nothing covers what procfs protects" {
	is_corten || skip "looks at our words"
	running
	run mounts add '[{"destination": "/proc/sys", "type": "tmpfs", "source": "x"}]'
	[ "$status" -eq 1 ]
	[[ "$output" == *"inside /proc"* ]]
}

@test "ids are mapped as in the container's user namespace" {
	has_mounts
	chmod 755 "$WORK" "$BUNDLE"
	chown -R 100000:100000 "$BUNDLE/rootfs"
	config '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings'
	running
	mounts add "[$(bind /mnt "$WORK/src" bind idmap)]"
	run rt exec "$ID" stat -c %u:%g /mnt
	[ "$output" = 0:0 ]
}

@test "a stopped container, another verb and a text that is no list are refused" {
	running
	run mounts list '[]'
	[ "$status" -ne 0 ]
	run mounts add '{}'
	[ "$status" -ne 0 ]
	rt kill "$ID" KILL
	until_true 5 status_is stopped
	run mounts add "[$(bind /mnt "$WORK/src" bind)]"
	[ "$status" -ne 0 ]
	! is_corten || [[ "$output" == *"not running"* ]]
}
