# For .bats files: a room of namespaces in which daemons of peers run (engine.sh), so that its end takes daemons, shims,
# mounts and containers along. $ROOM is a folder of the file's; $ROOM/NAME.on marks what a case has started for those
# behind it.

# room_start [--net]: with --net it has a network of its own. Sets and exports ROOM, HOLDER and INSIDE, the pid whose
# namespaces they are. ENGINE_DOCKER_CONFIG as in engine.sh.
room_start() {
	export ROOM=$BATS_FILE_TMPDIR ENGINE_DIR=$BATS_FILE_TMPDIR/engine ENGINE_RUN=/run/engine HOLDER INSIDE
	mkfifo "$ROOM/ready"
	unshare --mount --pid --fork --kill-child --mount-proc "$@" -- bash -c 'mount -t tmpfs tmpfs /run
		echo ready >"$ROOM/ready"
		sleep infinity & wait' >/dev/null 2>&1 </dev/null 3>&- 4>&- &
	HOLDER=$!
	read -r -t 10 _ <>"$ROOM/ready"
	INSIDE=$(cat "/proc/$HOLDER/task/$HOLDER/children")
	INSIDE=${INSIDE% }
	engine env >"$ROOM/env"
}

# room_stop: accepts one that never started.
room_stop() {
	[ -n "${HOLDER:-}" ] || return 0
	engine stop >&2
	kill -KILL "$INSIDE" "$HOLDER" || true
	wait "$HOLDER" || true
}

inside() { nsenter -t "$INSIDE" --mount --net --pid -- "$@" 3>&- 4>&-; }
engine() { inside "$BATS_TEST_DIRNAME/../lab/engine.sh" "$@"; }

# with_env CMD...: CMD uses the engines of this room.
with_env() { inside bash -c '. "$ROOM/env"; exec "$@"' - "$@"; }
