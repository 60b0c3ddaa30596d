# Pulling: a registry that behaves (Debian's docker-registry) and one that misbehaves in every way (registry.py).

bats_require_minimum_version 1.5.0
load ../inventory/instance
load registry

setup_file() { registry_py_start; }
teardown_file() { registry_py_stop; }

setup() {
	instance_setup
	registry_py_forget
}

teardown() {
	docker_registry_stop
	instance_teardown
}

# fails NAME WORDS: with these words, and nothing is left of it but what a resume may use.
fails() {
	run -1 pull "$HOST/$1"
	[[ $output == *"$2"* ]] || {
		printf 'expected: %s\ngot: %s\n' "$2" "$output"
		return 1
	}
	[ -z "$("$CORTEN" images -q)" ]
	[ -z "$(ls "$CORTEN_ROOT/snapshots" 2>/dev/null)" ]
	[ -z "$(find "$CORTEN_ROOT/blobs" -type f)" ]
}

noise() { find "$CORTEN_ROOT/snapshots" -name noise -exec stat -c %s {} +; }

login() {
	mkdir -p "$DOCKER_CONFIG"
	printf '{"auths":{"%s":{"auth":"%s"}}}' "$HOST" "$(printf user:secret | base64)" >"$DOCKER_CONFIG/config.json"
}

@test "an index: our platform, in docker's words, the reference last" {
	run -0 pull "$HOST/plain"
	[ "${lines[0]}" = "Using default tag: latest" ]
	[ "${lines[1]}" = "latest: Pulling from plain" ]
	[[ $output == *": Pull complete"* && $output == *"Digest: sha256:"* ]]
	[[ $output == *"Status: Downloaded newer image for $HOST/plain:latest"* ]]
	[ "${lines[-1]}" = "$HOST/plain:latest" ]
	[ "$(noise)" = 3145728 ]
	run -0 pull "$HOST/plain"
	[[ $output == *"Status: Image is up to date for $HOST/plain:latest"* ]]
	# Blobs were fetched once.
	[ "$(grep -c /blobs/ "$LOG")" = 3 ]
	run -0 pull -q "$HOST/plain"
	[ "$output" = "$HOST/plain:latest" ]
}

@test "the index stays beside its manifest, with containerd's labels, as long as the name does" {
	local digest labels
	digest=$(pull "$HOST/plain" | sed -n 's/^Digest: //p')
	[ -f "$CORTEN_ROOT/blobs/sha256/${digest#sha256:}" ]
	[ "$("$CORTEN" images --format '{{.Digest}}')" = "$digest" ]
	"$CORTEN" inspect "$HOST/plain" | grep -q "\"$HOST/plain@$digest\""
	labels=$("$PYTHON" -c 'import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute("SELECT labels FROM content"): print(row[0])' "$CORTEN_ROOT/store.db")
	# All that the index names, there or not; what the manifest names; and where it came from.
	for key in m.0 m.1 m.2 m.3 config l.0 l.1; do
		[[ $labels == *"containerd.io/gc.ref.content.$key\":\"sha256:"* ]]
	done
	[ "$(grep -c "containerd.io/distribution.source.$HOST\":\"plain\"" <<<"$labels")" = 5 ]
	# By either digest, and another name of the same.
	run -0 pull -q "$HOST/plain@$digest"
	[ "$("$CORTEN" images -q | sort -u | wc -l)" = 1 ]
	run -0 "$CORTEN" rmi "$HOST/plain"
	[ -f "$CORTEN_ROOT/blobs/sha256/${digest#sha256:}" ]
	run -0 "$CORTEN" rmi "$digest"
	[ -z "$(find "$CORTEN_ROOT/blobs" -type f)" ]
}

@test "by digest, and another platform" {
	local digest
	digest=$(pull "$HOST/plain" | sed -n 's/^Digest: //p')
	run -0 pull "$HOST/plain@$digest"
	[ "${lines[-1]}" = "$HOST/plain@$digest" ]
	run -1 pull --platform linux/riscv64 "$HOST/plain"
	[[ $output == *"no matching manifest for linux/riscv64"* ]]
	run -1 pull "$HOST/plain@sha256:$(printf '0%.0s' {1..64})"
	[[ $output == *"manifest unknown"* ]]
}

@test "what the registry wants the user to know is said, each once, and is no order to a terminal" {
	run -0 --separate-stderr pull -q "$HOST/warned"
	[ "$output" = "$HOST/warned:latest" ]
	[ "$(sort <<<"$stderr")" = 'corten: warning: the registry says: red?[31m
corten: warning: the registry says: this registry closes' ]
	run -0 --separate-stderr "$CORTEN" image inspect --raw "docker://$HOST/warned"
	[ "$(grep -c 'this registry closes' <<<"$stderr")" = 1 ]
}

@test "a registry that breaks off: resumed by range, nothing fetched twice" {
	run -0 pull "$HOST/reset"
	[ "$(noise)" = 3145728 ]
	# Each try begins where the last one ended.
	[ "$(grep -c 'bytes=786432-' "$LOG")" = 1 ]
	[ "$(grep -c 'bytes=1572864-' "$LOG")" = 1 ]
	[ "$(grep -c 'bytes=2359296-' "$LOG")" = 1 ]
}

# sent NAME: bytes of the large blob that the registry sent for it.
sent() { awk -v b="/v2/$1/blobs/" 'index($1, b) == 1 && $2 > 100000 { n += $2 } END { print n + 0 }' "$LOG.bytes"; }

@test "what came before a break is not fetched again: every byte once" {
	local name
	for name in plain reset; do
		run -0 pull "$HOST/$name"
		[ "$(noise)" = 3145728 ]
		[ "$(sent $name)" = 3153920 ]
		rm -rf "$CORTEN_ROOT"/*
	done
	# A hard reset loses what was on the wire, no more.
	run -0 pull "$HOST/rst"
	[ "$(noise)" = 3145728 ]
	[ "$(sent rst)" -le $((3153920 + 1572864)) ]
}

@test "a registry that ignores ranges: from the begin" {
	run -0 pull "$HOST/norange"
	[ "$(noise)" = 3145728 ]
}

@test "a registry that breaks off for ever ends in an error" {
	fails forever "the registry $HOST"
}

@test "a large layer comes in parts, each byte once" {
	run -0 pull "$HOST/large"
	[ "$(noise)" = 104857600 ]
	cat "$LOG"
	# Three parts; the last one has no end.
	[ "$(grep -c 'bytes=0-33554431 ' "$LOG")" = 1 ]
	[ "$(grep -c 'bytes=33554432-67108863 ' "$LOG")" = 1 ]
	[ "$(grep -c 'bytes=67108864-' "$LOG")" = 1 ]
	[ -z "$(ls "$CORTEN_ROOT/ingest")" ]
}

@test "a large layer of a registry without ranges" {
	run -0 pull "$HOST/largewhole"
	[ "$(noise)" = 104857600 ]
	[ "$(grep -c '/blobs/' "$LOG")" -le 5 ]
}

@test "a large layer whose second part fails goes on there" {
	run -1 pull "$HOST/largeonce"
	[[ $output == *"denies access"* ]]
	: >"$LOG"
	touch "$LOG.go"
	run -0 pull "$HOST/largeonce"
	[ "$(noise)" = 104857600 ]
	run -1 grep -q 'bytes=0-' "$LOG"
}

@test "what a failed pull has fetched is there for the next" {
	run -1 pull "$HOST/once"
	[[ $output == *"denies access"* ]]
	: >"$LOG"
	touch "$LOG.go"
	run -0 pull "$HOST/once"
	[ "$(grep -c 'bytes=1572864-' "$LOG")" = 1 ]
	[ "$(noise)" = 3145728 ]
}

@test "a resumed layer that turns out damaged is fetched anew" {
	run -1 pull "$HOST/once"
	local data
	data=$(find "$CORTEN_ROOT/ingest" -name data -size +1M)
	printf X | dd of="$data" bs=1 seek=1000 conv=notrunc status=none
	touch "$LOG.go"
	run -0 pull "$HOST/once"
	[ "$(noise)" = 3145728 ]
}

@test "wrong digests and wrong lengths are errors" {
	fails digest "the blob is damaged"
	fails manifest "bytes"
	fails header "the registry calls the manifest"
	fails short "the descriptor says"
	fails long "sends more than"
	fails oversized "sends more than 4194304 bytes"
	fails endless "sends more than 4194304 bytes"
	fails encoded "the descriptor says"
	# An encoding that is a label only: object stores send it with the blob's own bytes.
	run -0 pull "$HOST/labelled"
	[ "$(noise)" = 3145728 ]
}

@test "ranges that are not those asked for are errors, whatever they are called" {
	fails wrongrange "another range than the one it was asked for"
	fails lyingrange "damaged"
}

@test "answers that are no HTTP are errors" {
	fails chunks "the registry $HOST"
	fails headers "headers without end"
}

@test "a redirect that leads to itself is an error" {
	fails loop "redirects more than"
}

@test "redirects to what is not the web are errors" {
	fails file "leads to a URL that is not https: file:///etc/passwd"
	fails gopher "leads to a URL that is not https: gopher:"
	fails nowhere "redirects to nowhere"
}

# Side by side, because each takes its deadline; each in a store of its own, because they would share what one has.
@test "stalls and trickles: the next try goes on by range, and there is an end" {
	local name
	local -A pids
	export REGISTRY_TIMEOUT=100
	for name in stall silent trickle drip; do
		CORTEN_ROOT=$INSTANCE/r-$name pull "$HOST/$name" >"$INSTANCE/out-$name" 2>&1 3>&- &
		pids[$name]=$!
	done
	wait "${pids[stall]}"
	[ "$(sent stall)" = 3153920 ]
	for name in silent trickle drip; do
		local code=0
		wait "${pids[$name]}" || code=$?
		cat "$INSTANCE/out-$name"
		[ $code = 1 ]
	done
	grep -q "does not go on" "$INSTANCE/out-silent" "$INSTANCE/out-drip"
	grep -q "sends less than 10240 bytes in 10 s" "$INSTANCE/out-trickle"
	# Each try of the trickle began where the last one ended.
	[ "$(grep -c '/v2/trickle/blobs/.* bytes=[1-9]' "$LOG")" = 2 ]
}

@test "429: waits as told, and not for ever" {
	fails toobusy "too many requests (429"
	# Nobody waits for next year.
	fails later "is not available (503"
	fails broken "answers with an error (500"
	run -0 pull "$HOST/busy"
}

@test "tokens that are none, and challenges without end" {
	fails tokenhuge "the token of $HOST is none"
	fails tokenendless "sends more than 131072 bytes"
	fails tokengarbage "the token of $HOST"
	fails tokenlines "the token of $HOST is none"
	fails tokenempty "the token of $HOST is none"
	fails tokenbroken "answers with an error (500"
	fails badchallenge "asks for credentials"
	login
	fails never "refuses those it got"
}

@test "basic and bearer with docker's config.json" {
	fails basic "asks for credentials"
	login
	run -0 pull "$HOST/basic"
	run -0 pull "$HOST/login"
}

@test "a realm of another host does not get the credentials" {
	login
	fails foreign "are not sent to the foreign realm"
	run -1 grep -q 'token.* Basic' "$LOG"
}

@test "a redirect to another host does not get the token" {
	login
	run -0 pull "$HOST/elsewhere"
	grep -q '/v2/elsewhere/manifests/latest - Bearer' "$LOG"
	grep -q '/v2/plain/blobs/' "$LOG"
	run -1 grep -q '/v2/plain/blobs/.* Bearer' "$LOG"
}

@test "a credential helper that is not there is an error in docker's words" {
	mkdir -p "$DOCKER_CONFIG"
	printf '{"credHelpers":{"%s":"not-there"}}' "$HOST" >"$DOCKER_CONFIG/config.json"
	fails plain 'error getting credentials - err: exec: "docker-credential-not-there": executable file not found'
}

@test "two pulls of the same at once fetch it once" {
	pull "$HOST/plain" >"$INSTANCE/one" 3>&- &
	local first=$!
	run -0 pull "$HOST/plain"
	wait "$first"
	[ "$(noise)" = 3145728 ]
	[ "$(grep "/blobs/" "$LOG" | sort | uniq -d | wc -l)" -le 1 ]
}

@test "a killed pull leaves nothing that the next one does not mend" {
	local pid
	"$CORTEN" pull "$HOST/forever" >/dev/null 2>&1 3>&- &
	pid=$!
	until grep -q '/blobs/' "$LOG"; do kill -0 "$pid"; done
	kill -KILL "$pid"
	wait "$pid" || true
	run -0 pull "$HOST/plain"
	[ "$(noise)" = 3145728 ]
	[ "$("$CORTEN" images -q | wc -l)" = 1 ]
}

@test "create: a missing image is pulled, and said so on standard error" {
	run -125 --separate-stderr "$CORTEN" run --rm --pull never "$HOST/plain"
	[[ $stderr == *"No such image: $HOST/plain"* ]]
	run -0 --separate-stderr "$CORTEN" create "$HOST/plain"
	[[ $stderr == "Unable to find image '$HOST/plain:latest' locally"* ]]
	[[ $stderr == *"Status: Downloaded newer image"* ]]
	[ "$("$CORTEN" images -q | wc -l)" = 1 ]
}

@test "docker-registry: what skopeo pushed" {
	need_docker_registry
	docker_registry_start
	skopeo copy -q --dest-tls-verify=false "oci-archive:$(good_archive)" "docker://$REG/a/gzip:1"
	skopeo copy -q --dest-tls-verify=false "docker-archive:$(good_archive good-shared-layer)" "docker://$REG/a/shared:latest"
	run -0 pull "$REG/a/gzip:1"
	run -0 pull "$REG/a/shared"
	[[ $output == *"Pull complete"* ]]
}

# In namespaces of its own, a name server and an authority can be made up: what the sandbox must let through.
@test "https with an authority of one's own, and a name from the resolver" {
	command -v openssl >/dev/null && command -v ip >/dev/null || skip "needs openssl and ip"
	run -0 unshare -n -m "$BATS_TEST_DIRNAME/https.sh" "$INSTANCE" "$PYTHON"
	[[ $output == *"Status: Downloaded newer image for registry.test:8443/plain:latest"* ]]
	[[ $output == *"resumed behind TLS"* ]]
	[[ $output == *"refused without the authority"* ]]
}

@test "on a terminal a bar for a layer, no wider than the window; elsewhere lines alone" {
	terminal() { "$PYTHON" "$BATS_TEST_DIRNAME/../cli/terminal.py" "$@"; }
	run -0 terminal --size 24x80 'expect=[0-9a-f]{12}: \[[=> ]+\] [0-9.]+k?M?B/[0-9.]+k?M?B' exit=0 -- "$CORTEN" pull "$HOST/plain"
	"$CORTEN" rmi "$HOST/plain" >/dev/null
	run -0 terminal --size 24x20 exit=0 -- "$CORTEN" pull "$HOST/plain"
	# The bars are the lines between their begin and the next time they are cleared.
	[[ $output == *$'\e[1A'* ]]
	run grep -aE '^(.*\[J)?[0-9a-f]{12}: (\[|[0-9.]+k?M?B).{6,}' <<<"${output//$'\r'/}"
	[ "$status" = 1 ]
	"$CORTEN" rmi "$HOST/plain" >/dev/null
	run -0 pull "$HOST/plain"
	[[ $output != *$'\e'* ]]
}
