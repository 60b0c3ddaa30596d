# Pushing: to a registry that behaves (Debian's docker-registry, read back by skopeo and podman) and to one that breaks
# off, forgets, refuses and redirects (registry.py with uploads.py).

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

# pushes NAME: the push succeeds, and what the registry has of it is what is here.
pushes() {
	run -0 push "$HOST/$1"
	[[ ${lines[-1]} == "latest: digest: sha256:"* ]] || [[ $output == *"latest: digest: sha256:"* ]]
	run -0 "$CORTEN" images -q --no-trunc "$HOST/$1"
}

@test "a whole push in docker's words, and a second one sends nothing" {
	load_for_push
	run -0 push "$HOST/good"
	[ "${lines[0]}" = "Using default tag: latest" ]
	[ "${lines[1]}" = "The push refers to repository [$HOST/good]" ]
	[ "$(grep -c ': Preparing$' <<<"$output")" = 3 ]
	[ "$(grep -c ': Pushed$' <<<"$output")" = 3 ]
	[[ ${lines[-1]} =~ ^latest:\ digest:\ sha256:[0-9a-f]{64}\ size:\ [0-9]+$ ]]
	[ "$(grep -c '^PUT /v2/good/blobs/' "$LOG")" = 3 ]
	: >"$LOG"
	run -0 push "$HOST/good"
	[ "$(grep -c ': Layer already exists$' <<<"$output")" = 3 ]
	[ "$(grep -c '^PUT /v2/good/blobs/' "$LOG")" = 0 ]
	run -0 push -q "$HOST/good"
	[ "$output" = "$HOST/good:latest" ]
}

@test "what is not here is not pushed" {
	run -1 push "$HOST/nosuch:1"
	[[ $output == *"An image does not exist locally with the tag: $HOST/nosuch"* ]]
}

@test "broken off: asked how far it came, gone on there" {
	load_for_push
	pushes broken
	grep -q '^GET /v2/broken/blobs/uploads/' "$LOG"
	# Nothing of the first MiB again, and the rest by PATCH.
	grep -q '^PATCH /v2/broken/blobs/uploads/.* 1048576-' "$LOG"
}

@test "416: a registry that has less than it said" {
	load_for_push
	pushes slips
	grep -q '^PATCH .* 2097152-' "$LOG"
	grep -q '^PATCH .* 1048576-' "$LOG"
}

@test "an upload that the registry lost begins anew" {
	load_for_push
	pushes lost
	[ "$(grep -c '^POST /v2/lost/blobs/uploads/' "$LOG")" = 4 ]
}

@test "an end whose answer was lost is seen" {
	load_for_push
	pushes unheard
	[ "$(grep -c '^POST /v2/unheard/blobs/uploads/' "$LOG")" = 3 ]
}

@test "5xx in the middle" {
	load_for_push
	pushes midway
	grep -q '^PATCH .* 1048576-' "$LOG"
}

@test "413: in chunks" {
	load_for_push
	pushes small
	grep -q '^PATCH .* 0-' "$LOG"
}

@test "429: waits as told" {
	load_for_push
	pushes busypost
}

@test "a registry that breaks off for ever ends in an error, and the upload is given up" {
	load_for_push
	run -1 push "$HOST/never"
	[[ $output == *"the registry $HOST"* ]]
	grep -q '^DELETE /v2/never/blobs/uploads/' "$LOG"
	run -1 grep -q '^PUT /v2/never/manifests' "$LOG"
}

@test "a Location that is relative, elsewhere, or worse" {
	load_for_push
	pushes relative
	pushes offsite
	# What is elsewhere gets no token: there is none here, but no other header either.
	run -1 push "$HOST/worse"
	[[ $output == *"leads to a URL that cannot be followed"* ]]
}

@test "a login that is asked for" {
	load_for_push
	pushes pushlogin
	grep -q 'GET /pushtoken?.*scope=repository%3Apushlogin%3Apull%2Cpush' "$LOG"
}

@test "mounted from where it is known to be; a refusal is no failure" {
	load_for_push
	pushes good
	run -0 push "$HOST/mounts"
	[ "$(grep -c ': Mounted from good$' <<<"$output")" = 3 ]
	pushes nomount
	[ "$(grep -c '^PUT /v2/nomount/blobs/' "$LOG")" = 3 ]
}

@test "warnings of the registry reach the user" {
	load_for_push
	run -0 --separate-stderr push "$HOST/warns"
	[[ $stderr == *"the registry says: your quota is nearly full"* ]]
}

@test "a subject: the registry lists it, or the tag does, once" {
	load_for_push
	pushes good
	pushes subject
	run -1 grep -q '/manifests/sha256-' "$LOG"
	pushes nosubject
	[ "$(grep -c '^PUT /v2/nosubject/manifests/sha256-' "$LOG")" = 1 ]
	pushes nosubject
	[ "$(grep -c '^PUT /v2/nosubject/manifests/sha256-' "$LOG")" = 1 ]
	subject=$(sed -n 's|^PUT /v2/nosubject/manifests/sha256-\([0-9a-f]*\).*|\1|p' "$LOG")
	run -0 "$CORTEN" image referrers --format '{{.ArtifactType}}' "$HOST/nosubject@sha256:$subject"
	[ "$output" = application/vnd.oci.image.config.v1+json ]
}

@test "all tags of a repository" {
	need_docker_registry
	docker_registry_start
	skopeo copy -q "oci-archive:$(good_archive)" "oci-archive:$INSTANCE/a.tar:$REG/all:one"
	skopeo copy -q "oci-archive:$(good_archive)" "oci-archive:$INSTANCE/b.tar:$REG/all:two"
	"$CORTEN" load -i "$INSTANCE/a.tar"
	"$CORTEN" load -i "$INSTANCE/b.tar"
	run push -a "$REG/all"
	local code=$status
	run "$CORTEN" image tags "$REG/all"
	docker_registry_stop
	[ "$code" = 0 ]
	[ "$output" = "$(printf 'one\ntwo')" ]
}

# Byte for byte: what skopeo copies out of the registry is what it put into the archive that was loaded.
@test "images of buildah, umoci and skopeo come back as they were" {
	need_docker_registry
	docker_registry_start
	local name code=0
	make_umoci_image "$INSTANCE/umoci"
	skopeo copy -q "oci:$INSTANCE/umoci:x" "oci-archive:$INSTANCE/umoci.tar:$REG/umoci:1"
	skopeo copy -q "oci-archive:$(good_archive)" "oci-archive:$INSTANCE/skopeo.tar:$REG/skopeo:1"
	for name in umoci skopeo; do
		"$CORTEN" load -i "$INSTANCE/$name.tar"
		push "$REG/$name:1" || code=1
		skopeo copy -q --src-tls-verify=false "docker://$REG/$name:1" "dir:$INSTANCE/back-$name" || code=1
		skopeo copy -q "oci-archive:$INSTANCE/$name.tar:$REG/$name:1" "dir:$INSTANCE/own-$name" || code=1
		diff -r "$INSTANCE/back-$name" "$INSTANCE/own-$name" || code=1
		skopeo inspect --tls-verify=false "docker://$REG/$name:1" >/dev/null || code=1
	done
	docker_registry_stop
	[ "$code" = 0 ]
}
