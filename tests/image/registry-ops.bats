# What a registry is asked or told without an image here: tags, delete, referrers, inspect; and copies between places.

bats_require_minimum_version 1.5.0
load ../inventory/instance
load registry

setup_file() {
	registry_py_start
	! has_docker_registry || docker_registry_start "$BATS_FILE_TMPDIR/registry"
}
teardown_file() {
	registry_py_stop
	docker_registry_stop
}

setup() {
	instance_setup
	registry_py_forget
}

teardown() { instance_teardown; }

@test "tags: over all pages, and only what can be one" {
	run -0 "$CORTEN" image tags "$HOST/pages"
	[ "${#lines[@]}" = 25 ]
	[ "${lines[24]}" = t024 ]
	[ "$(grep -c 'tags/list' "$LOG")" = 3 ]
	run -0 "$CORTEN" image tags --format json "$HOST/pages"
	[ "$("$PYTHON" -c 'import json, sys; v = json.load(sys.stdin); print(v["Repository"], len(v["Tags"]))' <<<"$output")" = "$HOST/pages 25" ]
	run -1 "$CORTEN" image tags "$HOST/endless"
	[[ $output == *"is its own next"* ]]
}

@test "referrers: by type, whoever filters" {
	local digest="sha256:$(printf '1%.0s' {1..64})" name
	run -0 "$CORTEN" image referrers "$HOST/good@$digest"
	[ "${#lines[@]}" = 1 ]
	for name in kinds unfiltered; do
		run -0 "$CORTEN" image referrers --format '{{.ArtifactType}}' "$HOST/$name@$digest"
		[ "$output" = "$(printf 'application/x-one\napplication/x-two')" ]
		run -0 "$CORTEN" image referrers --artifact-type application/x-two --format '{{.ArtifactType}}' "$HOST/$name@$digest"
		[ "$output" = application/x-two ]
	done
}

@test "delete: asks first, says what goes, and what else would" {
	need_docker_registry
	local digest code=0
	skopeo copy -q --dest-tls-verify=false "oci-archive:$(good_archive)" "docker://$REG/a:1"
	digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$REG/a:1")
	run -1 "$CORTEN" image delete "$REG/a@$digest" <<<n
	[[ $output == *"removes the manifest $digest of $REG/a"*"nothing was deleted"* ]] || code=1
	run -1 "$CORTEN" image delete -f "$REG/a:1"
	[[ $output == *"'corten image delete $REG/a@$digest' deletes the manifest with all its tags"* ]] || code=2
	run -0 "$CORTEN" image delete "$REG/a@$digest" <<<y
	[[ $output == *"Deleted: $REG/a@$digest" ]] || code=3
	run -1 skopeo inspect --tls-verify=false "docker://$REG/a:1"
	run -1 "$CORTEN" image delete -f "$REG/a@$digest"
	[ "$code" = 0 ]
	# A registry of today deletes a tag.
	load_for_push
	push "$HOST/good"
	run -0 "$CORTEN" image delete -f "$HOST/good:latest"
	[ "$output" = "Deleted: $HOST/good:latest" ]
}

@test "copy: from another registry, hashed on the way; what is not there is named" {
	need_docker_registry
	local code=0
	run -0 "$CORTEN" image copy "docker://$HOST/plain" "docker://$REG/copied:1"
	[ "$(grep -c ': Pushed$' <<<"$output")" = 3 ] || code=1
	run -0 skopeo copy -q --src-tls-verify=false "docker://$REG/copied:1" "dir:$INSTANCE/copied"
	[ "$(sha256sum <"$INSTANCE/copied/manifest.json" | cut -d' ' -f1)" = "$("$CORTEN" image copy -q "docker://$HOST/plain" "docker://$REG/again:1" | sed s/sha256://)" ] || code=2
	# The registry's own bytes are mounted, not carried.
	run -0 "$CORTEN" image copy "docker://$REG/copied:1" "docker://$REG/near:1"
	[ "$(grep -c ': Mounted from copied$' <<<"$output")" = 3 ] || code=3
	run -1 "$CORTEN" image copy "docker://$HOST/digest" "docker://$REG/damaged:1"
	[[ $output == *"the blob is damaged"* ]] || code=4
	run -0 "$CORTEN" image tags "$REG/near"
	[ "$code" = 0 ]
}

@test "pull --all-tags: each tag that skopeo pushed, and no name with a tag" {
	need_docker_registry
	skopeo copy -q --dest-tls-verify=false "oci-archive:$(good_archive)" "docker://$REG/many:one"
	skopeo copy -q --dest-tls-verify=false --src-tls-verify=false "docker://$REG/many:one" "docker://$REG/many:two"
	run -0 "$CORTEN" pull --all-tags "$REG/many"
	[ "$("$CORTEN" images --format '{{.Tag}}' | sort | xargs)" = "one two" ]
	[[ $output != *"Using default tag"* ]]
	run -1 "$CORTEN" pull -a "$REG/many:one"
	[[ $output == *"tag can't be used with --all-tags/-a"* ]]
}

@test "image inspect: images of the store, as docker shows them" {
	"$CORTEN" load -q -i "$(good_archive)"
	local name
	name=$("$CORTEN" images --format '{{.Repository}}:{{.Tag}}' | head -n 1)
	run -0 "$CORTEN" image inspect "$name"
	[ "$output" = "$("$CORTEN" inspect --type image "$name")" ]
	[ "$("$CORTEN" image inspect -f '{{.Os}}' "$name")" = linux ]
	run -1 "$CORTEN" image inspect none
	[[ $output == *"No such image: none"* ]]
	run -125 "$CORTEN" image inspect --raw "$name"
	run -1 "$CORTEN" image inspect "$name" docker://x
}

@test "inspect: says of a registry's image what skopeo says" {
	need_docker_registry
	local code=0 args
	make_umoci_image "$INSTANCE/layout"
	skopeo copy -q --dest-tls-verify=false "oci:$INSTANCE/layout:x" "docker://$REG/seen:1"
	for args in --raw "--config --raw"; do
		[ "$("$CORTEN" image inspect $args "docker://$REG/seen:1" | sha256sum)" = "$(skopeo inspect --tls-verify=false $args "docker://$REG/seen:1" | sha256sum)" ] || code=1
	done
	for args in Name Digest RepoTags Architecture Os Layers; do
		"$CORTEN" image inspect "docker://$REG/seen:1" | "$PYTHON" -c "import json, sys; print(json.load(sys.stdin)['$args'])" >"$INSTANCE/ours"
		skopeo inspect --tls-verify=false "docker://$REG/seen:1" | "$PYTHON" -c "import json, sys; print(json.load(sys.stdin)['$args'])" >"$INSTANCE/theirs"
		diff "$INSTANCE/ours" "$INSTANCE/theirs" || code=2
	done
	run -1 "$CORTEN" image inspect "docker://$REG/seen:none"
	[ "$code" = 0 ]
}
