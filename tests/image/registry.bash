# What push.bats and registry-ops.bats share: the scripted registry (registry.py) and Debian's docker-registry.

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

# registry_py_start: $HOST answers as registry.py does; $LOG has its requests.
registry_py_start() {
	LOG=$INSTANCE/log
	export DOCKER_CONFIG=$INSTANCE/docker
	: >"$LOG"
	"$PYTHON" "$BATS_TEST_DIRNAME/registry.py" "$LOG" >"$INSTANCE/port" 3>&- 2>"$INSTANCE/registry-err" &
	REGISTRY=$!
	until [ -s "$INSTANCE/port" ]; do
		kill -0 "$REGISTRY" || { cat "$INSTANCE/registry-err"; return 1; }
		read -r -t 0.02 <> <(:) || true
	done
	HOST=127.0.0.1:$(cat "$INSTANCE/port")
	export REGISTRY_TIMEOUT=60
}

registry_py_stop() {
	kill "$REGISTRY" 2>/dev/null || true
	wait "$REGISTRY" 2>/dev/null || true
	[ ! -d "${CORTEN_REGISTRY_DIR:-/nonexistent}" ] || docker_registry_stop
}

push() { timeout "$REGISTRY_TIMEOUT" "$CORTEN" push "$@"; }

# The image of uploads.py, under the name of every behaviour.
load_for_push() {
	"$PYTHON" "$BATS_TEST_DIRNAME/registry.py" "$INSTANCE/push.tar" --archive "$HOST"
	"$CORTEN" load -q -i "$INSTANCE/push.tar" >/dev/null
}

good_archive() {
	[ -d "$INSTANCE/archives" ] || {
		mkdir "$INSTANCE/archives"
		"$PYTHON" "$BATS_TEST_DIRNAME/archives.py" "$INSTANCE/archives"
	}
	echo "$INSTANCE/archives/${1:-good-gzip}.tar"
}

has_docker_registry() { command -v skopeo >/dev/null && command -v docker-registry >/dev/null; }
need_docker_registry() { has_docker_registry || skip "needs skopeo and docker-registry"; }

# $REG is its address.
docker_registry_start() {
	export CORTEN_REGISTRY_DIR=$INSTANCE/registry
	"$BATS_TEST_DIRNAME/../lab/registry.sh" start 3>&- >/dev/null
	REG=$("$BATS_TEST_DIRNAME/../lab/registry.sh" host)
}

docker_registry_stop() { "$BATS_TEST_DIRNAME/../lab/registry.sh" stop; }

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
