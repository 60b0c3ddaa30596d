# What files about registries share: the scripted registry (registry.py) and Debian's docker-registry.

load archives

# registry_py_start: once for a file, in setup_file. $HOST answers as registry.py does; $LOG has its requests.
registry_py_start() {
	local dir=$BATS_FILE_TMPDIR/registry-py
	mkdir "$dir"
	export LOG=$dir/log HOST REGISTRY REGISTRY_TIMEOUT=60
	: >"$LOG"
	"$PYTHON" "$BATS_TEST_DIRNAME/registry.py" "$LOG" >"$dir/port" 3>&- 2>"$dir/err" &
	REGISTRY=$!
	until [ -s "$dir/port" ]; do
		kill -0 "$REGISTRY" || { cat "$dir/err"; return 1; }
		read -r -t 0.02 <> <(:) || true
	done
	HOST=127.0.0.1:$(cat "$dir/port")
}

# registry_py_forget: for each case, in setup: the registry is as a new one.
registry_py_forget() {
	local line
	export DOCKER_CONFIG=$INSTANCE/docker
	exec 7<>"/dev/tcp/${HOST/://}"
	printf 'GET /forget HTTP/1.0\r\n\r\n' >&7
	read -r line <&7
	exec 7>&-
	[[ $line == *" 200 "* ]]
	: >"$LOG"
	rm -f "$LOG".*
}

registry_py_stop() {
	kill "$REGISTRY" 2>/dev/null || true
	wait "$REGISTRY" 2>/dev/null || true
}

pull() { timeout "$REGISTRY_TIMEOUT" "$CORTEN" pull "$@"; }
push() { timeout "$REGISTRY_TIMEOUT" "$CORTEN" push "$@"; }

# The image of uploads.py, under the name of every behaviour.
load_for_push() {
	local archive=$BATS_FILE_TMPDIR/push.tar
	[ -f "$archive" ] || "$PYTHON" "$BATS_TEST_DIRNAME/registry.py" "$archive" --archive "$HOST"
	"$CORTEN" load -q -i "$archive" >/dev/null
}

good_archive() {
	archives_make
	echo "$ARCHIVES/${1:-good-gzip}.tar"
}

has_docker_registry() { command -v skopeo >/dev/null && command -v docker-registry >/dev/null; }
need_docker_registry() { has_docker_registry || skip "needs skopeo and docker-registry"; }

# docker_registry_start [FOLDER]: $REG is its address. A file that starts one for all its cases gives $BATS_FILE_TMPDIR/registry.
docker_registry_start() {
	export REG CORTEN_REGISTRY_DIR=${1:-$INSTANCE/registry}
	"$BATS_TEST_DIRNAME/../lab/registry.sh" start 3>&- >/dev/null
	REG=$("$BATS_TEST_DIRNAME/../lab/registry.sh" host)
}

# Accepts that none was started.
docker_registry_stop() { [ ! -d "${CORTEN_REGISTRY_DIR:-/nonexistent}" ] || "$BATS_TEST_DIRNAME/../lab/registry.sh" stop; }

# make_umoci_image FOLDER: an OCI layout with the image x of two layers.
make_umoci_image() {
	command -v umoci >/dev/null || skip "needs umoci"
	mkdir "$INSTANCE/files"
	echo one >"$INSTANCE/files/one"
	tar -C "$INSTANCE/files" -cf "$INSTANCE/one.tar" one
	head -c 300000 /dev/urandom >"$INSTANCE/files/two"
	tar -C "$INSTANCE/files" -cf "$INSTANCE/two.tar" two
	umoci init --layout "$1" 2>/dev/null
	umoci new --image "$1:x" 2>/dev/null
	umoci raw add-layer --image "$1:x" "$INSTANCE/one.tar" 2>/dev/null
	umoci raw add-layer --image "$1:x" "$INSTANCE/two.tar" 2>/dev/null
}
