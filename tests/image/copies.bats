# Copies between folders, archives, a registry and the store, each way beside skopeo.

bats_require_minimum_version 1.5.0
load ../inventory/instance
load registry

setup_file() {
	has_docker_registry || return 0
	export PLACES=$BATS_FILE_TMPDIR
	"$PYTHON" "$BATS_TEST_DIRNAME/layouts.py" "$PLACES/layout"
	export CORTEN_REGISTRY_HTPASSWD=$BATS_FILE_TMPDIR/htpasswd
	"$PYTHON" -W ignore -c 'import crypt; print("user:" + crypt.crypt("pa:ss", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))' \
		>"$CORTEN_REGISTRY_HTPASSWD"
	docker_registry_start "$BATS_FILE_TMPDIR/registry"
	# Only now: the registry takes it for a setting of its own.
	export REGISTRY_AUTH_FILE=$BATS_FILE_TMPDIR/auth.json
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$REG" "$(printf user:pa:ss | base64)" >"$REGISTRY_AUTH_FILE"
	export FROM=oci:$BATS_FILE_TMPDIR/layout
	local tag
	for tag in one other many chart; do
		skopeo copy -q --all --dest-tls-verify=false "$FROM:$tag" "docker://$REG/from:$tag"
	done
}

teardown_file() { docker_registry_stop; }

setup() {
	[ -n "${PLACES:-}" ] || skip "needs skopeo and docker-registry"
	instance_setup
	cd "$INSTANCE"
}
teardown() {
	cd /
	[ -z "${PLACES:-}" ] || instance_teardown
}

copy() { "$CORTEN" image copy -q "$@"; }
digest_of() { skopeo inspect --tls-verify=false --format '{{.Digest}}' "$1"; }
raw_digest_of() { skopeo inspect --raw "$@" | sha256sum | sed 's/ .*//; s/^/sha256:/'; }
json_of() { "$PYTHON" -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1])), sort_keys=True))' "$1"; }

@test "oci: the layout is skopeo's, copy after copy" {
	local step from to
	for step in one:1 other:2 other:1 one:latest one; do
		from=${step%%:*} to=${step#"$from"}
		skopeo copy -q "$FROM:$from" "oci:theirs$to"
		[ "$(copy "$FROM:$from" "oci:ours$to")" = "$(digest_of "oci:ours${to:-:latest}")" ]
		[ "$(json_of ours/index.json)" = "$(json_of theirs/index.json)" ]
	done
	diff -r --exclude index.json ours theirs
	[ "$(find ours -perm 644 | sort)" = "$(find theirs -perm 644 | sed s/theirs/ours/ | sort)" ]
	umoci ls --layout ours | grep -qx latest
	# An image that is there already is not written again; one that was damaged is.
	run -0 "$CORTEN" image copy "$FROM:one" oci:ours:again
	[ "$(grep -c ': Already exists$' <<<"$output")" = 2 ]
	find ours/blobs -size -200c -exec truncate -s 0 {} +
	copy "$FROM:one" oci:ours:again
	skopeo copy -q oci:ours:again dir:read
}

@test "dir: the folder is skopeo's, both ways, and another image takes its place" {
	local tag
	for tag in one other; do
		rm -rf theirs
		skopeo copy -q "$FROM:$tag" dir:theirs
		copy "$FROM:$tag" dir:ours
		diff -r ours theirs
		[ "$(copy dir:theirs oci:back:$tag)" = "$(digest_of "$FROM:$tag")" ]
		[ "$(digest_of oci:back:$tag)" = "$(digest_of "$FROM:$tag")" ]
		skopeo copy -q dir:ours oci:read:$tag
		[ "$(digest_of oci:read:$tag)" = "$(digest_of "$FROM:$tag")" ]
	done
	mkdir mine && touch mine/file
	run -1 "$CORTEN" image copy -q "$FROM:one" dir:mine
	[[ $output == *"neither empty nor an image folder"* ]]
	[ "$(ls mine)" = file ]
	mkdir odd && echo "Directory Transport Version: 7" >odd/version
	run -1 "$CORTEN" image copy -q dir:odd oci:x
	[[ $output == *"version 7"*"not supported"* ]]
	# What lies there is not what it says: nothing of it goes on.
	printf x | dd of=theirs/"$(find theirs -size -200c -name '*[0-9a-f]' -printf '%f\n' | grep -v version | head -n 1)" conv=notrunc 2>/dev/null
	run -1 "$CORTEN" image copy -q dir:theirs oci:damaged:1
	[[ $output == *"is damaged"* ]]
	[ ! -e damaged/index.json ]
}

@test "copy: an index goes whole with --all, else the one image for the platform" {
	local want arch
	want=$(raw_digest_of "$FROM:many")
	skopeo copy -q --all "$FROM:many" dir:theirs
	copy --all "docker://$REG/from:many" dir:ours
	diff -r ours theirs
	[ "$(copy --all "docker://$REG/from:many" oci:layout:many)" = "$want" ]
	[ "$(raw_digest_of oci:layout:many)" = "$want" ]
	skopeo copy -q --all oci:layout:many dir:again
	diff -r again theirs
	copy -a dir:ours oci-archive:ours.tar:many
	[ "$(raw_digest_of oci-archive:ours.tar:many)" = "$want" ]
	copy -a oci:layout:many "docker://$REG/back:many"
	[ "$(raw_digest_of --tls-verify=false "docker://$REG/back:many")" = "$want" ]
	for arch in "$(skopeo inspect --format '{{.Architecture}}' "$FROM:one")" s390x; do
		skopeo --override-arch "$arch" copy -q "$FROM:many" dir:theirs
		copy --platform "linux/$arch" "docker://$REG/from:many" dir:ours
		diff -r ours theirs
	done
	run -1 "$CORTEN" image copy -q --all oci:layout:many docker-archive:x.tar
	[[ $output == *"--all is not supported"* ]]
	[ ! -e x.tar ]
}

@test "copy: archives of skopeo's and ours, by tag and name, in files and pipes" {
	local want from
	want=$(digest_of "$FROM:one")
	skopeo copy -q "$FROM:one" oci-archive:theirs.tar:1.0
	skopeo copy -q "$FROM:one" docker-archive:docker.tar:name:1.0
	copy "$FROM:one" oci-archive:ours.tar:1.0
	copy "$FROM:one" docker-archive:ours-docker.tar:name:1.0
	for from in oci-archive:theirs.tar:1.0 oci-archive:ours.tar oci-archive:ours.tar:1.0 docker-archive:ours-docker.tar:name:1.0; do
		[ "$(copy "$from" dir:d)" = "$want" ]
		skopeo copy -q "$from" dir:e
	done
	copy docker-archive:docker.tar:name:1.0 "docker://$REG/docker:1"
	skopeo copy -q --src-tls-verify=false "docker://$REG/docker:1" dir:f
	"$CORTEN" image copy "$FROM:one" oci-archive:/dev/stdout 2>words | tar -xO index.json | grep -q "${want#sha256:}"
	grep -q Pushed words
	run -1 "$CORTEN" image copy -q "$FROM:one" oci-archive:ours.tar:1.0
	[[ $output == *"file exists"* ]]
	run -1 "$CORTEN" image copy -q "$FROM:none" dir:g
	[[ $output == *"has no image 'none'"* ]]
	run -1 "$CORTEN" image copy -q "$FROM" dir:g
	[[ $output == *"4 images: say which by its tag"* ]]
	run -1 "$CORTEN" image copy -q "$FROM:one" docker-daemon:x:1
	[[ $output == *"'docker-daemon:' is not supported: 'docker save'"* ]]
	[ "$("$CORTEN" images -aq | wc -l)" = 0 ]
}

@test "copy: one that is killed leaves no image, and the next command removes what it read" {
	skopeo copy -q "$FROM:one" oci-archive:from.tar:1
	mkfifo to
	# Nobody reads: the copy waits with the archive's content in the store.
	"$CORTEN" image copy -q oci-archive:from.tar:1 oci-archive:to 3>&- &
	local pid=$! end=$((SECONDS + 20))
	until [ "$(find "$CORTEN_ROOT/blobs" -type f 2>/dev/null | wc -l)" -ge 3 ] || [ $SECONDS -ge $end ]; do
		read -r -t 0.05 <> <(:) || true
	done
	[ "$("$CORTEN" images -aq | wc -l)" = 0 ]
	kill -9 $pid
	wait $pid || true
	[ "$(find "$CORTEN_ROOT/blobs" -type f | wc -l)" -ge 3 ]
	copy oci-archive:from.tar:1 dir:d
	[ "$(find "$CORTEN_ROOT/blobs" -type f | wc -l)" = 0 ]
}

@test "copy: credentials of each end, as skopeo takes them" {
	local to=docker://$REG/creds
	unset REGISTRY_AUTH_FILE
	run -1 copy "$FROM:one" "$to:1"
	[[ $output == *"unauthorized"* || $output == *"denied"* || $output == *"credentials"* ]]
	copy --dest-creds user:pa:ss "$FROM:one" "$to:1"
	copy --src-username user --src-password pa:ss "$to:1" dir:a
	copy --src-authfile "$PLACES/auth.json" "$to:1" dir:a
	copy --authfile "$PLACES/auth.json" "$to:1" "$to:2"
	export REGISTRY_AUTH_FILE=$PLACES/auth.json
	run -1 copy --src-no-creds "$to:1" dir:a
	run -1 copy --src-creds user:wrong "$to:1" dir:a
	run -1 copy --src-registry-token none "$to:1" dir:a
	run -1 copy --src-authfile /nonexistent "$to:1" dir:a
	[[ $output == *"read '/nonexistent'"* ]]
	run -125 copy --src-creds user:x --src-no-creds "$to:1" dir:a
	unset REGISTRY_AUTH_FILE
	[ "$("$CORTEN" image tags --creds user:pa:ss "docker://$REG/creds" | sort | xargs)" = "1 2" ]
	run -1 "$CORTEN" image tags --no-creds "$REG/creds"
	run -0 "$CORTEN" image delete -f --creds user:pa:ss "docker://$REG/creds@$(digest_of "$FROM:one")"
}

@test "copy: https, whose word counts, and http where nothing speaks it" {
	local port to=docker://$REG/tls:1
	command -v openssl >/dev/null || skip "needs openssl"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=here \
		-addext subjectAltName=IP:127.0.0.1 -keyout tls.key -out tls.crt 2>/dev/null
	mkdir certs && cp tls.crt certs/ca.crt
	"$PYTHON" "$BATS_TEST_DIRNAME/registry.py" tls.log --tls tls.crt tls.key >tls.port 2>tls.err 3>&- &
	local server=$! code=0
	until [ -s tls.port ]; do kill -0 $server; read -r -t 0.02 <> <(:) || true; done
	port=$(cat tls.port)
	run -1 copy --src-tls-verify "docker://127.0.0.1:$port/plain" dir:a
	[[ $output == *"TLS with the registry"* ]] || code=1
	copy --src-cert-dir certs "docker://127.0.0.1:$port/plain" dir:a || code=2
	copy --src-tls-verify=false "docker://127.0.0.1:$port/plain" dir:b || code=3
	diff -r a b || code=4
	kill $server
	wait $server || true
	copy --dest-tls-verify=false "$FROM:one" "$to" || code=5
	copy --tls-verify=false "$to" dir:c || code=6
	run -1 copy --tls-verify "$to" dir:d
	[[ $output == *"TLS with the registry"* ]] || code=7
	[ "$code" = 0 ]
}

@test "copy: what else skopeo's users say" {
	copy --preserve-digests --remove-signatures --digestfile digest --format oci --multi-arch system "$FROM:many" dir:a
	[ "$(cat digest)" = "$(digest_of dir:a)" ]
	[ "$(copy --multi-arch index-only "$FROM:many" dir:b)" = "$(raw_digest_of "$FROM:many")" ]
	[ "$(ls b | xargs)" = "manifest.json version" ]
	copy --multi-arch all "$FROM:many" dir:c
	run -1 copy --format v2s2 "$FROM:one" dir:d
	[[ $output == *"a copy does not convert it"* ]]
	run -125 copy --format v1 "$FROM:one" dir:d
	run -125 copy --sign-by me "$FROM:one" dir:d
	[[ $output == *"option '--sign-by' is not supported"* ]]
	# Nobody listens: said again, then given up.
	run -1 copy --retry-times 1 docker://127.0.0.1:1/none dir:e
	[[ $output == *"trying again in 1s"*"127.0.0.1:1"* ]]
}

@test "inspect: layouts, folders and archives, as skopeo shows them" {
	local from words='import json, sys; v = json.load(sys.stdin); v.pop("DockerVersion", 0); v.pop("Created"); print(json.dumps(v, sort_keys=True))'
	skopeo copy -q "$FROM:one" dir:d
	skopeo copy -q "$FROM:one" oci-archive:a.tar:1
	for from in "$FROM:one" "$FROM:many" dir:d oci-archive:a.tar:1; do
		[ "$("$CORTEN" image inspect "$from" | "$PYTHON" -c "$words")" = "$(skopeo inspect "$from" | "$PYTHON" -c "$words")" ]
		[ "$("$CORTEN" image inspect --raw "$from" | sha256sum)" = "$(skopeo inspect --raw "$from" | sha256sum)" ]
		[ "$("$CORTEN" image inspect --config "$from" | sha256sum)" = "$(skopeo inspect --config --raw "$from" | sha256sum)" ]
	done
	[ "$("$CORTEN" image inspect -f '{{.Digest}} {{.Os}}' dir:d)" = "$(skopeo inspect --format '{{.Digest}} {{.Os}}' dir:d)" ]
	[ "$("$CORTEN" image inspect --platform linux/s390x -f '{{.Architecture}}' "$FROM:many")" = s390x ]
	[ "$("$CORTEN" image inspect -n -f '{{json .RepoTags}}' "docker://$REG/from:one")" = "[]" ]
	skopeo copy -q "$FROM:one" docker-archive:d.tar:name:1
	[ "$("$CORTEN" image inspect -f '{{.Os}}' docker-archive:d.tar:name:1)" = linux ]
	# An artifact has no such words, but a manifest.
	[ "$("$CORTEN" image inspect --raw "$FROM:chart" | sha256sum)" = "$(skopeo inspect --raw "$FROM:chart" | sha256sum)" ]
	run -1 "$CORTEN" image inspect "$FROM:chart"
	[[ $output == *"artifact of type 'application/vnd.cncf.helm.config.v1+json', not an image: --raw"* ]]
	"$CORTEN" image inspect --config "$FROM:chart" | grep -q '"name":"chart"'
	# A name is a name where no folder is.
	run -1 "$CORTEN" image inspect oci:latest
	[[ $output == *"No such image: oci:latest"* ]]
}

@test "artifacts: pulled, listed, copied and pushed as they are, and never run" {
	local want name=$REG/from:chart
	want=$(raw_digest_of "$FROM:chart")
	run -0 "$CORTEN" pull "$name"
	[[ $output == *"artifact of type 'application/vnd.cncf.helm.config.v1+json'"*"$want"* ]]
	run -0 "$CORTEN" pull "$name"
	[[ $output == *"Image is up to date"* ]]
	[ "$("$CORTEN" images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}')" = "$name $want" ]
	run -125 "$CORTEN" run --rm "$name" true
	[[ $output == *"'$name' is an artifact of type"*"not an image"* ]]
	[ "$("$CORTEN" image inspect --raw "corten:$name" | sha256sum)" = "$(skopeo inspect --raw "$FROM:chart" | sha256sum)" ]
	"$CORTEN" tag "$name" "$REG/back:chart"
	"$CORTEN" push -q "$REG/back:chart"
	[ "$(raw_digest_of --tls-verify=false "docker://$REG/back:chart")" = "$want" ]
	[ "$(copy "corten:$name" dir:ours)" = "$want" ]
	skopeo copy -q "$FROM:chart" dir:theirs
	diff -r ours theirs
	[ "$(copy dir:theirs corten:mine:chart)" = "$want" ]
	[ "$(copy oci:"$PLACES"/layout:chart corten:mine:again)" = "$want" ]
	"$CORTEN" rmi "$name" "$REG/back:chart" mine:chart mine:again
	[ "$(find "$CORTEN_ROOT/blobs" -type f | wc -l)" = 0 ]
}

@test "copy: a folder's image into the store, and out again as it was" {
	skopeo copy -q "$FROM:one" dir:from
	[ "$(copy dir:from corten:mine:1)" = "$(digest_of dir:from)" ]
	[ "$(copy "$FROM:one" corten:mine:2)" = "$(digest_of dir:from)" ]
	[ "$("$CORTEN" images --format '{{.Tag}}' | sort | xargs)" = "1 2" ]
	copy corten:mine:1 dir:back
	diff -r from back
}
