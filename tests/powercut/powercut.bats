# Power cuts: a filesystem is shut down without writing its journal at points spread over a command; after the next
# mount the store opens, no acknowledged image is lost, and what the cut may have hurt is made again at its next use.
#
# POWERCUT_POINTS: cuts per command (default 3); `make powercut` takes 40 of each.

bats_require_minimum_version 1.5.0

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
POINTS=${POWERCUT_POINTS:-3}
# What survives depends on how the filesystem orders its writes.
MOUNT_OPTIONS=(loop loop,nodelalloc loop,data=writeback loop,commit=1)

setup_file() {
	local top port
	top=$(readlink -f "$BATS_TEST_DIRNAME/../..")
	export CORTEN=${CORTEN:-$top/build/bin/corten} TOOLS=${TOOLS:-$top/build/tests}
	# Memory, where there is some: the disk under the loop file has no say in what is tested.
	export DIR
	DIR=$(mktemp -d -p "$([ -d /dev/shm ] && echo /dev/shm || echo /tmp)" powercut.XXXXXX)
	export MNT=$DIR/mnt CORTEN_ROOT=$DIR/mnt/r CORTEN_STATE=$DIR/s CORTEN_NETWORK=none
	mkdir "$MNT"
	cgroups >"$DIR/cgroups"
	"$PYTHON" "$BATS_TEST_DIRNAME/image.py" "$DIR/whole.tar"
	make_filesystems || {
		echo "no loop filesystem here: $(cat "$DIR/why")" >"$DIR/skip"
	}
	[ ! -e "$DIR/skip" ] || return 0
	command -v skopeo docker-registry >/dev/null && start_registry
	return 0
}

teardown_file() {
	[ ! -s "$DIR/registry" ] || kill "$(cat "$DIR/registry")" 2>/dev/null || true
	umount "$MNT" 2>/dev/null || true
	rm -rf --one-file-system "$DIR"
}

setup() {
	[ ! -e "$DIR/skip" ] || skip "$(cat "$DIR/skip")"
}

teardown() {
	[ -n "${DIR:-}" ] || return 0
	if [ -s "$DIR/log" ] && [ -z "${BATS_TEST_COMPLETED:-}" ]; then
		tail -n 30 "$DIR/log"
	fi
	umount "$MNT" 2>/dev/null || true
	remove_cgroups
}

cgroups() { find /sys/fs/cgroup -type d -path '*/corten/*' | sort; }

# The machine that lost its power took its cgroups with it; this one keeps them.
remove_cgroups() {
	cgroups | comm -13 "$DIR/cgroups" - | sort -r | xargs -r rmdir 2>/dev/null || true
}

new_boot() { uuidgen >"$DIR/boot"; }

# A copy of a filesystem, always another file: some other mount namespace on this host may hold the old one's mount, and
# would give us the filesystem that was shut down instead of what is on disk.
insert() {
	cp --sparse=always "$1" "$DIR/next.img" && mv -f "$DIR/next.img" "$DIR/work.img"
}

# One more boot: the state folder is empty, the boot id is another one.
start_machine() {
	new_boot
	rm -rf "$CORTEN_STATE"
	mkdir "$CORTEN_STATE"
	mount -o "${1:-loop}" "$DIR/work.img" "$MNT"
}

on_machine() { "$TOOLS/powercut/cut" - "$DIR/boot" 0 "$@"; }

# What a container changes, and how it becomes an image that tells whether it has all of it.
CHANGE='cat /data/* >/new; busybox mkdir /more; busybox cp /data/1 /data/2 /more; busybox rm /bin/touch; busybox ln /new /more/new
	sha256sum /new /more/* >>/sums'
COMMIT=(commit -c 'CMD ["sha256sum", "-c", "-s", "/sums"]' changed made)

# fresh.img: a store without images; loaded.img: with one that was acknowledged; changed.img: with a container of it that
# has ended; old.img: with one whose snapshots were never synced and lost what was in them.
make_filesystems() {
	truncate -s 96M "$DIR/work.img"
	{ mkfs.ext4 -q -O ^metadata_csum "$DIR/work.img" && start_machine; } 2>"$DIR/why" || return
	on_machine "$CORTEN" images -q
	stop_machine
	cp --sparse=always "$DIR/work.img" "$DIR/fresh.img"
	start_machine
	on_machine "$CORTEN" load -i "$DIR/whole.tar"
	stop_machine
	cp --sparse=always "$DIR/work.img" "$DIR/loaded.img"
	start_machine
	on_machine "$CORTEN" run --name changed --network none whole sh -c "$CHANGE"
	stop_machine
	cp --sparse=always "$DIR/work.img" "$DIR/changed.img"
	insert "$DIR/loaded.img"
	start_machine
	"$PYTHON" - "$CORTEN_ROOT/store.db" <<-'PY'
		import sqlite3, sys
		db = sqlite3.connect(sys.argv[1])
		db.execute("update snapshots set boot='11111111-2222-3333-4444-555555555555'")
		db.commit()
	PY
	find "$CORTEN_ROOT/snapshots" -type f -size +0 -exec truncate -s 0 {} +
	stop_machine
	cp --sparse=always "$DIR/work.img" "$DIR/old.img"
}

stop_machine() {
	umount "$MNT"
	remove_cgroups
}

start_registry() {
	local port
	port=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	cat >"$DIR/registry.yml" <<-YML
		version: 0.1
		storage: {filesystem: {rootdirectory: $DIR/registry.d}}
		http: {addr: 127.0.0.1:$port}
	YML
	docker-registry serve "$DIR/registry.yml" >"$DIR/registry.log" 2>&1 3>&- &
	echo $! >"$DIR/registry"
	until curl -sf "http://127.0.0.1:$port/v2/" >/dev/null; do
		kill -0 "$(cat "$DIR/registry")" || { cat "$DIR/registry.log"; return 1; }
		read -r -t 0.05 <> <(:) || true
	done
	skopeo copy -q --dest-tls-verify=false "oci-archive:$DIR/whole.tar" "docker://127.0.0.1:$port/whole:latest"
	echo "127.0.0.1:$port" >"$DIR/host"
}

# whole NAME: it runs, and all its files are what they were.
whole() {
	on_machine "$CORTEN" run --rm "$1" >>"$DIR/log" 2>&1 || {
		echo "image '$1' does not run, or its files are damaged"
		return 1
	}
}

# What must hold after every cut. has NAME: the image must be there; may NAME: whole if it is there, else it can be had
# again by the rest of the words.
listed() { on_machine "$CORTEN" images --format '{{.Repository}}:{{.Tag}}' >"$DIR/images" && grep -qx "$1" "$DIR/images"; }

has() {
	listed "$1" || {
		echo "acknowledged image '$1' is lost; there are: $(cat "$DIR/images")"
		return 1
	}
	whole "$1"
}

may() {
	local name=$1
	shift
	if listed "$name"; then
		whole "$name" || return
	fi
	on_machine "$@" >>"$DIR/log" 2>&1 || {
		echo "after the cut '$*' fails"
		return 1
	}
	has "$name"
}

# The store opens, and what was under way can be removed; the container that is committed again stays.
opens() {
	on_machine "$CORTEN" images -q >/dev/null && on_machine "$CORTEN" ps -a --format '{{.Names}}' >"$DIR/all" || return
	grep -vx "${KEPT:-none}" "$DIR/all" >"$DIR/left" || true
	[ ! -s "$DIR/left" ] || on_machine xargs -a "$DIR/left" "$CORTEN" rm -f >>"$DIR/log"
}

# How long COMMAND takes undisturbed on a copy of IMAGE, in microseconds.
measure() { # IMAGE COMMAND...
	local began
	insert "$DIR/$1.img"
	shift
	start_machine
	began=$(date +%s%N)
	on_machine "$@" >>"$DIR/log" 2>&1 || {
		echo "'$*' fails without any cut"
		return 1
	}
	TOOK=$((($(date +%s%N) - began) / 1000))
	stop_machine
}

# cut_at IMAGE POINT AFTER US COMMAND...: cuts the power US after COMMAND began, or as soon as it has ended; AFTER, called
# with what the command came to, looks at the machine's next boot.
cut_at() {
	local image=$1 options=${MOUNT_OPTIONS[$2 % ${#MOUNT_OPTIONS[@]}]} after=$3 us=$4 came
	shift 4
	insert "$DIR/$image.img"
	start_machine "$options"
	came=$("$TOOLS/powercut/cut" "$MNT" "$DIR/boot" "$us" "$@" 2>>"$DIR/log" | tail -n 1)
	stop_machine
	insert "$DIR/work.img"
	start_machine
	opens && "$after" "$came" || {
		echo "cut after at most $us us of '$*' ($came), $options"
		return 1
	}
	stop_machine
	echo "$came" >>"$DIR/seen"
}

# sweep IMAGE AFTER COMMAND...: at POINTS points of COMMAND's time, the last ones behind its end.
sweep() {
	local image=$1 after=$2 point
	shift 2
	: >"$DIR/log" && : >"$DIR/seen"
	measure "$image" "$@" || return
	for ((point = 0; point < POINTS; point++)); do
		cut_at "$image" "$point" "$after" $((TOOK * (2 * point + 1) * 11 / (20 * POINTS))) "$@" || return
	done
	echo "# $POINTS cuts over $((TOOK / 1000)) ms: $(sort "$DIR/seen" | uniq -c | xargs)" >&3
}

# sweep_calls IMAGE AFTER COMMAND...: the same at POINTS system calls of all its processes together: whoever makes the
# call is killed in its place, and with it the power goes.
sweep_calls() {
	local image=$1 after=$2 point calls
	shift 2
	: >"$DIR/log" && : >"$DIR/seen"
	insert "$DIR/$image.img"
	start_machine
	on_machine "$TOOLS/faults/faults" --report "$DIR/counts" "$@" >>"$DIR/log" 2>&1 || return
	stop_machine
	calls=$(awk -F'\t' '$1 == "calls" { n += $3 } END { print n }' "$DIR/counts")
	for ((point = 0; point < POINTS; point++)); do
		cut_at "$image" "$point" "$after" 60000000 "$TOOLS/faults/faults" --report /dev/null \
			--kill "*:$((calls * (2 * point + 1) / (2 * POINTS)))" "$@" || return
	done
	echo "# $POINTS cuts over $calls system calls: $(sort "$DIR/seen" | uniq -c | xargs)" >&3
}

after_load() {
	if [ "$1" = acknowledged ]; then
		has whole:latest
	else
		may whole:latest "$CORTEN" load -i "$DIR/whole.tar"
	fi
}

after_pull() {
	local name
	name=$(cat "$DIR/host")/whole:latest
	if [ "$1" = acknowledged ]; then
		has "$name"
	else
		may "$name" "$CORTEN" pull "$name"
	fi
}

after_run() { has whole:latest; }

after_rmi() {
	if [ "$1" = acknowledged ] && listed whole:latest; then
		echo "the removal was acknowledged, but the image is there"
		return 1
	fi
	may whole:latest "$CORTEN" load -i "$DIR/whole.tar"
}

# Nothing of the container is lost either: it can be committed again. Files of the one that was cut may lie about.
after_commit() {
	has whole:latest || return
	if [ "$1" = acknowledged ]; then
		has made:latest || return
	fi
	may made:latest "$CORTEN" "${COMMIT[@]}" &&
		on_machine "$CORTEN" image check --deep --repair >"$DIR/checked" &&
		{ grep -q ": 0 damaged, 0 repaired, 0 lost$" "$DIR/checked" || { cat "$DIR/checked"; false; }; }
}

@test "load: an acknowledged image is there and whole" {
	sweep fresh after_load "$CORTEN" load -i "$DIR/whole.tar"
}

@test "pull: an acknowledged image is there and whole" {
	[ -s "$DIR/host" ] || skip "skopeo or docker-registry is not installed"
	sweep fresh after_pull "$CORTEN" pull -q "$(cat "$DIR/host")/whole:latest"
}

@test "run: the image stays whole" {
	sweep loaded after_run "$CORTEN" run whole sh -c 'echo x >/bin/new; sync; sha256sum -c -s /sums'
}

@test "run over damaged snapshots: they are made again from their blobs" {
	sweep old after_run "$CORTEN" run --rm whole
}

@test "rmi: gone, or whole" {
	sweep loaded after_rmi "$CORTEN" rmi -f whole
}

@test "commit: the image is whole or absent, and the container is as it was" {
	KEPT=changed sweep changed after_commit "$CORTEN" "${COMMIT[@]}"
}

@test "commit, cut at its system calls" {
	KEPT=changed sweep_calls changed after_commit "$CORTEN" "${COMMIT[@]}"
}
