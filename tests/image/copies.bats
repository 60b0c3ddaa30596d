# Copies between folders, archives, a registry and the store, each way beside skopeo.

bats_require_minimum_version 1.5.0
load ../inventory/instance
load registry

setup_file() {
	command -v skopeo >/dev/null && command -v docker-registry >/dev/null || return 0
	export PLACES=$BATS_FILE_TMPDIR CORTEN_REGISTRY_DIR=$BATS_FILE_TMPDIR/registry
	"$PYTHON" "$BATS_TEST_DIRNAME/layouts.py" "$PLACES/layout"
	"$BATS_TEST_DIRNAME/../lab/registry.sh" start 3>&- >/dev/null
	REG=$("$BATS_TEST_DIRNAME/../lab/registry.sh" host)
	export REG FROM=oci:$BATS_FILE_TMPDIR/layout
	local tag
	for tag in one other many; do
		skopeo copy -q --all --dest-tls-verify=false "$FROM:$tag" "docker://$REG/from:$tag"
	done
}

teardown_file() { [ -z "${PLACES:-}" ] || docker_registry_stop; }

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
	[[ $output == *"File exists"* ]]
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
