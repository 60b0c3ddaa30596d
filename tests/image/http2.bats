# HTTP/2: nghttpx speaks it over TLS in front of Debian's docker-registry and of registry.py, which breaks off.

bats_require_minimum_version 1.5.0
load ../inventory/instance
load registry

# One of each for the file, and one store.
setup_file() {
	local p
	for p in nghttpx openssl docker-registry skopeo; do
		command -v "$p" >/dev/null || { export LACKS=$p; return 0; }
	done
	instance_setup
	export CORTEN_HOSTS_DIR=$INSTANCE/hosts DOCKER_CONFIG=$INSTANCE/docker REG BAD GOOD
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=registry \
		-addext subjectAltName=IP:127.0.0.1 -keyout "$INSTANCE/tls.key" -out "$INSTANCE/tls.crt" 2>/dev/null
	registry_py_start
	BAD=$(front "$HOST" bad)
	docker_registry_start
	GOOD=$(front "$REG" good)
}

teardown_file() {
	[ -z "${LACKS:-}" ] || return 0
	kill $(cat "$INSTANCE"/front-*.pid) 2>/dev/null || true
	registry_py_stop
	docker_registry_stop
	instance_teardown
}

setup() { [ -z "${LACKS:-}" ] || skip "needs $LACKS"; }

# front BACKEND NAME: its address; what is asked of it is $INSTANCE/front-NAME.log.
front() {
	local port dir pid
	port=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	nghttpx --conf=/dev/null -f "127.0.0.1,$port" -b "${1/:/,}" --workers=1 --pid-file="$INSTANCE/front-$2.pid" \
		--accesslog-file="$INSTANCE/front-$2.log" --accesslog-format='$request' --errorlog-file="$INSTANCE/front-$2.err" \
		"$INSTANCE/tls.key" "$INSTANCE/tls.crt" >/dev/null 2>&1 3>&- &
	pid=$!
	until [ -s "$INSTANCE/front-$2.pid" ] && (exec 7<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		kill -0 $pid || { cat "$INSTANCE/front-$2.err" >&2; return 1; }
		read -r -t 0.02 <> <(:) || true
	done
	dir=$INSTANCE/hosts/127.0.0.1_${port}_
	mkdir -p "$dir"
	printf '[host."https://127.0.0.1:%s"]\nca = "%s"\n' "$port" "$INSTANCE/tls.crt" >"$dir/hosts.toml"
	echo "127.0.0.1:$port"
}

# only_http2 NAME WORD: everything of that repository was asked by it.
only_http2() {
	grep -q "$2.* HTTP/2" "$INSTANCE/front-$1.log"
	run -1 grep "$2.* HTTP/1" "$INSTANCE/front-$1.log"
}

noise() { find "$CORTEN_ROOT/snapshots" -name noise -exec stat -c %s {} +; }

@test "pull: an image whole, its layers at once" {
	pull -q "$BAD/plain"
	[ "$(noise)" = 3145728 ]
	only_http2 bad /v2/plain/
}

@test "pull: a stream that ends in the middle is gone on with by range" {
	"$CORTEN" rmi -f "$BAD/plain"
	pull -q "$BAD/reset"
	[ "$(noise)" = 3145728 ]
	[ "$(grep -c '/v2/reset/blobs/.* bytes=[1-9]' "$LOG")" = 3 ]
	only_http2 bad /v2/reset/
}

load_once() { [ -f "$BATS_FILE_TMPDIR/push.tar" ] || HOST=$BAD load_for_push; }

@test "push: what goes up is what the registry has" {
	load_once
	push -q "$BAD/good"
	[ "$(grep -c '^PUT /v2/good/blobs/' "$LOG")" = 3 ]
	only_http2 bad /v2/good/
	# To a registry that checks digests, and skopeo reads it back without HTTP/2.
	"$CORTEN" tag "$BAD/good" "$GOOD/http2/image:1"
	push -q "$GOOD/http2/image:1"
	only_http2 good /v2/http2/image/
	skopeo copy -q --src-tls-verify=false "docker://$REG/http2/image:1" "dir:$BATS_TEST_TMPDIR/copy"
	[ "sha256:$(sha256sum <"$BATS_TEST_TMPDIR/copy/manifest.json" | cut -d ' ' -f 1)" = \
		"$("$CORTEN" inspect -f '{{.Descriptor.digest}}' "$GOOD/http2/image:1")" ]
}

@test "push: an upload that ends in the middle is gone on with where it came to" {
	load_once
	push -q "$BAD/broken"
	# Nothing of the first MiB again, and the rest by PATCH.
	grep -q '^PATCH /v2/broken/blobs/uploads/.* 1048576-' "$LOG"
	only_http2 bad /v2/broken/
}

@test "push: 413 in the midst of an upload, then chunks; 429" {
	load_once
	push -q "$BAD/small"
	grep -q '^PATCH /v2/small/.* 0-' "$LOG"
	push -q "$BAD/busypost"
	only_http2 bad /v2/small/
}

@test "push: an upload that never ends well is an error, and given up" {
	load_once
	run -1 push "$BAD/never"
	[[ $output == *"the registry $BAD"* ]]
	grep -q '^DELETE /v2/never/blobs/uploads/' "$LOG"
}
