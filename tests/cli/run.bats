# run: exit codes, the process's settings, mounts. Cases tagged `peer` hold for docker and podman too.

load helpers

setup() { box_setup; }
teardown() { box_teardown; }

# bats test_tags=peer
@test "exit code: of the program" {
	run -0 once box true
	run -7 once box sh -c 'exit 7'
	run -255 once box sh -c 'exit 255'
}

# bats test_tags=peer
@test "exit code: 127 when the program is not found" {
	run -127 once box no-such-program
	says "no-such-program"
	run -127 once box /no/such/program
}

# bats test_tags=peer
@test "exit code: 126 when it cannot be executed" {
	run -126 once box /bin/not-executable
	run -126 once box /etc
}

# The kernel refuses it when the container has started: docker's runtime says so with 255, crun with 1.
# bats test_tags=peer
@test "exit code: 255 for a file that is no program, which is named" {
	unlike_podman "crun's words"
	run once box /bin/garbage
	says "/bin/garbage"
	[[ ${output,,} == *"exec format error"* ]]
	[ "$status" -eq 255 ] || is_peer
}

# bats test_tags=peer
@test "exit code: 128 + signal" {
	# Process 1 is spared its own signals: a child's end tells.
	run -137 once box sh -c 'sh -c "kill -KILL \$\$"; exit $?'
	run -143 once box sh -c 'sh -c "kill -TERM \$\$"; exit $?'
}

# bats test_tags=peer
@test "exit code: 125 for an own error" {
	run -125 once --no-such-flag box true
	says "unknown flag: --no-such-flag"
	run -125 once --memory lots box true
	[ "${CORTEN##*/}" = podman ] || run -125 once --workdir relative box true
}

@test "exit code: 125 for an image that is not there, which is named" {
	run -125 once --pull never nothing:here true
	says "No such image: nothing:here"
}

@test "a failed start leaves no container behind with --rm, and one in state created without" {
	run -127 once box no-such-program
	[ -z "$(corten ps -aq)" ]
	run -127 corten run --network none --name stays box no-such-program
	[ "$(state_of stays)" = created ]
	corten rm stays
}

# bats test_tags=peer
@test "command: the image's, and arguments replace it" {
	run -0 once box:entry
	is "entry cmd"
	run -0 once box:entry other words
	is "entry other words"
}

# bats test_tags=peer
@test "--entrypoint replaces the entrypoint and drops the image's command" {
	run -0 once --entrypoint echo box:entry only this
	is "only this"
	run -0 once --entrypoint id box:entry
	says "uid=1000"
	run -0 once --entrypoint "" box:entry echo none
	is none
}

# bats test_tags=peer
@test "-e: on top of the image's, from the caller, with odd values" {
	export FROM_CALLER='a b'
	run -0 once -e A=1 -e FROM_IMAGE=no -e FROM_CALLER -e NOT_SET -e 'EQ=x=y' -e EMPTY= box env
	says $'A=1\n'
	says $'FROM_IMAGE=no'
	says $'FROM_CALLER=a b'
	says $'EQ=x=y'
	says 'EMPTY='
	[[ $output != *NOT_SET* ]]
	[[ $output != *FROM_IMAGE=yes* ]]
}

# bats test_tags=peer
@test "environment: PATH, HOSTNAME and HOME are there" {
	run -0 once --hostname box1 box sh -c 'echo $HOSTNAME $HOME $PATH'
	is "box1 /root /usr/bin:/bin"
}

# bats test_tags=peer
@test "--env-file: comments, bare names, and -e wins" {
	printf '# words\n\nA=file\nB=file with blank\nFROM_CALLER\n' >"$INSTANCE/env"
	export FROM_CALLER=caller
	run -0 once --env-file "$INSTANCE/env" -e A=option box sh -c 'echo "$A|$B|$FROM_CALLER"'
	is "option|file with blank|caller"
	run -125 once --env-file "$INSTANCE/none" box true
}

# bats test_tags=peer
@test "-w: the folder, made when it is not there" {
	unlike_podman "does not make it"
	run -0 once -w /home/app box pwd
	is /home/app
	run -0 once -w /not/there/yet box sh -c 'pwd; ls -ld . | cut -c1-10'
	is $'/not/there/yet\ndrwxr-xr-x'
	run -0 once --entrypoint pwd box:entry
	is /home/app
}

# bats test_tags=peer
@test "-u: names, numbers, groups, and the image's" {
	run -0 once box id
	says "uid=0(root) gid=0(root)"
	run -0 once -u app box id
	says "uid=1000(app) gid=1000(app)"
	says "2000(extra)"
	run -0 once -u 1000:2000 box id -g
	is 2000
	run -0 once -u app:extra box id -G
	is 2000
	run -0 once -u 4321 box sh -c 'id -u; id -g'
	is $'4321\n0'
	run -0 once --entrypoint id box:entry -un
	is app
}

@test "-u: a user or group that is not there" {
	run -125 once -u nobody-knows box true
	says "unable to find user nobody-knows: no matching entries in passwd file"
	run -125 once -u app:strangers box true
	says "unable to find group strangers: no matching entries in group file"
	[ -z "$(corten ps -aq)" ]
}

# bats test_tags=peer
@test "--hostname: seen by uname and /etc/hostname" {
	run -0 once --hostname some.host box sh -c 'hostname; cat /etc/hostname'
	is $'some.host\nsome.host'
}

@test "hostname: the first twelve digits of the id" {
	run -0 once --cidfile "$INSTANCE/cid" box hostname
	is "$(cut -c1-12 "$INSTANCE/cid")"
}

@test "--cidfile: the whole id; one that is there is refused and left alone" {
	run -0 once --cidfile "$INSTANCE/cid" box true
	[[ $(cat "$INSTANCE/cid") =~ ^[0-9a-f]{64}$ ]]
	echo mine >"$INSTANCE/cid"
	run -125 once --cidfile "$INSTANCE/cid" box true
	says "container ID file found, make sure the other container isn't running or delete $INSTANCE/cid"
	[ "$(cat "$INSTANCE/cid")" = mine ]
	[ -z "$(corten ps -aq)" ]
	run -125 once --cidfile "$INSTANCE/no/such/folder" box true
	[ -z "$(corten ps -aq)" ]
}

# bats test_tags=peer
@test "-v: writable, read only, and a file" {
	mkdir "$INSTANCE/dir"
	echo before >"$INSTANCE/file"
	run -0 once -v "$INSTANCE/dir:/data" box sh -c 'echo inside >/data/new'
	[ "$(cat "$INSTANCE/dir/new")" = inside ]
	run -0 once -v "$INSTANCE/dir:/data:ro" box sh -c 'cat /data/new; echo x >/data/no 2>&1 || echo refused'
	says inside
	says refused
	[ ! -e "$INSTANCE/dir/no" ]
	run -0 once -v "$INSTANCE/file:/etc/one.conf" box sh -c 'cat /etc/one.conf; echo after >/etc/one.conf'
	is before
	[ "$(cat "$INSTANCE/file")" = after ]
}

# podman refuses a source that is not there.
@test "-v: a source that is not there is made" {
	run -0 once -v "$INSTANCE/made/deep:/data" box touch /data/x
	[ -e "$INSTANCE/made/deep/x" ]
}

@test "-v: a source from a relative path, a target in a target, a target below a link of the image" {
	mkdir -p "$INSTANCE/dir/sub"
	cd "$INSTANCE"
	run -0 once -v ./dir:/data -v ./dir/sub:/data/sub/deeper box ls -d /data/sub/deeper
	is /data/sub/deeper
	run -0 once -v "$INSTANCE/dir:/proc-is-not/../data2" box ls /data2
	is sub
}

@test "-v: a link in the image leads to nowhere outside" {
	mkdir "$INSTANCE/victim" "$INSTANCE/source"
	touch "$INSTANCE/source/x"
	# The container's own layer has the link when it starts again.
	corten create --name linked --network none -v "$INSTANCE/source:/link/target" box ls /link/target
	corten start -a linked
	corten rm linked
	[ -z "$(ls "$INSTANCE/victim")" ]
}

@test "-v: wrong specifications are refused and named" {
	run -125 once -v "$INSTANCE:/x:wrong" box true
	says "invalid mode: wrong"
	run -125 once -v "$INSTANCE:" box true
	says "invalid volume specification"
	run -125 once -v ":/x" box true
	says "invalid volume specification"
	run -125 once -v "$INSTANCE:relative" box true
	says "invalid volume specification"
	run -125 once -v "$INSTANCE:/" box true
	says "invalid volume specification"
	run -125 once -v name:/x box true
	says "named volume 'name' is not supported yet"
	run -125 once -v /anonymous box true
	says "not supported yet"
	[ -z "$(corten ps -aq)" ]
}

# bats test_tags=peer
@test "--read-only: the root is, binds and /dev/shm are not" {
	mkdir "$INSTANCE/dir"
	run -0 once --read-only -v "$INSTANCE/dir:/data" box sh -c \
		'touch /x 2>&1 || echo refused; touch /data/x /dev/shm/x && echo written'
	says refused
	says written
}

@test "the root is writable, and what is written is gone with the container" {
	run -0 once box sh -c 'echo x >/new && rm /bin/yes && cat /new'
	is x
	run -0 once box sh -c 'ls /new 2>&1; ls /bin/yes'
	says "/bin/yes"
	says "No such file"
}

# bats test_tags=peer
@test "--label: own, the image's, and own over the image's" {
	corten create --name labelled --network none --label a=1 --label b --label made.by=me box:entry
	run corten inspect -f '{{json .Config.Labels}}' labelled
	corten rm labelled
	[ "$(jq -r '.a + "|" + .b + "|" + .["made.by"]' <<<"$output")" = "1||me" ]
}

# bats test_tags=peer
@test "options end at the image; -- ends them too" {
	run -0 once box echo --rm -it --name x
	is "--rm -it --name x"
	run -0 corten run --rm --network none -- box echo words
	is words
}

@test "forms of options: --x=v, -xv, -x=v, grouped switches" {
	run -0 corten run --rm --network=none -eA=1 -e=B=2 -w=/tmp box sh -c 'echo $A $B $PWD'
	is "1 2 /tmp"
	run -0 bash -c 'echo in | "$CORTEN" run --rm=true -iw/tmp --network none box sh -c "cat; pwd"'
	is $'in\n/tmp'
}

@test "/etc/hosts, resolv.conf and the standard devices" {
	run -0 once box sh -c 'grep -c localhost /etc/hosts; [ -f /etc/resolv.conf ]; ls -l /dev/stdin /dev/fd >/dev/null
		for d in null zero full random urandom tty ptmx; do [ -c /dev/$d ] || [ -L /dev/$d ] || echo no $d; done
		echo x >/dev/null; head -c 2 /dev/zero | wc -c; df /dev/shm >/dev/null && touch /dev/mqueue/x'
	is $'2\n2'
}
