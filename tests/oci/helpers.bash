# What every case of tests/oci uses. The runtime under test is $RUNTIME (a path or a name in PATH).

: "${RUNTIME:=$(readlink -f "${BATS_TEST_DIRNAME:-.}/../..")/build/bin/corten-runtime}"
: "${BUSYBOX:=$(command -v busybox)}"

is_corten() { [[ $(basename "$RUNTIME") == corten-runtime* ]]; }
is_crun() { [[ $(basename "$RUNTIME") == crun* ]]; }

# RUNTIME_FLAGS=--old-kernel: our fallbacks for kernels without detached mounts and openat2.
# shellcheck disable=SC2086
rt() { "$RUNTIME" $RUNTIME_FLAGS --root "$ROOT" "$@"; }
needs_new_kernel() { [[ "$RUNTIME_FLAGS" != *old-kernel* ]] || skip "needs detached mounts"; }

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -n "$BUSYBOX" ] || skip "needs busybox-static"
	WORK=$(mktemp -d "${BATS_TMPDIR:-/tmp}/oci.XXXXXX")
	ROOT=$WORK/root
	BUNDLE=$WORK/bundle
	ID=ct-$$-$BATS_TEST_NUMBER-$RANDOM
	mkdir -p "$BUNDLE/rootfs"/{bin,etc,tmp,root,home/joe,image}
	cp "$BUSYBOX" "$BUNDLE/rootfs/bin/busybox"
	for a in sh true false ls cat echo id sleep mount env pwd touch mkdir stat hostname kill tty stty grep \
		head readlink test ps dd ip dmesg date tail wc; do
		ln -s busybox "$BUNDLE/rootfs/bin/$a"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\njoe:x:1000:1000:joe:/home/joe:/bin/sh\n' >"$BUNDLE/rootfs/etc/passwd"
	cp "$BATS_TEST_DIRNAME/config.json" "$BUNDLE/config.json"
}

teardown() {
	[ -n "$WORK" ] || return 0
	rt delete -f "$ID" >/dev/null 2>&1 || true
	rm -rf "$WORK"
}

# config EXPRESSION: changes the config with jq.
config() {
	jq "$@" <"$BUNDLE/config.json" >"$BUNDLE/config.new"
	mv "$BUNDLE/config.new" "$BUNDLE/config.json"
}

# command WORDS...: what the container runs.
command_is() {
	config '.process.args = $ARGS.positional' --args -- "$@"
}

# run_sh SCRIPT: runs a container whose init is that script.
run_sh() {
	command_is /bin/sh -c "$1"
	run rt run -b "$BUNDLE" "$ID"
}

# until_true SECONDS COMMAND...: polls, because some changes have no event to wait for.
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		read -r -t 0.02 <> <(:) || true
	done
}

status_is() { [ "$(rt state "$ID" | jq -r .status)" = "$1" ]; }

# nothing_left: neither state, nor groups, nor mounts.
nothing_left() {
	[ ! -e "$ROOT/$ID" ]
	[ -z "$(find /sys/fs/cgroup -maxdepth 3 -name "$ID*" 2>/dev/null)" ]
	! grep -q "$WORK" /proc/self/mountinfo
}
