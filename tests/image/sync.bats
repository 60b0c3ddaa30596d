# image sync beside skopeo sync: the same images in the same places.

bats_require_minimum_version 1.5.0
load ../inventory/instance
load registry

setup_file() {
	has_docker_registry || return 0
	export PLACES=$BATS_FILE_TMPDIR
	"$PYTHON" "$BATS_TEST_DIRNAME/layouts.py" "$PLACES/layout"
	docker_registry_start "$BATS_FILE_TMPDIR/registry"
	local tag
	for tag in one other many; do
		skopeo copy -q --all --dest-tls-verify=false "oci:$PLACES/layout:$tag" "docker://$REG/team/app:$tag"
	done
	skopeo copy -q --dest-tls-verify=false "oci:$PLACES/layout:one" "docker://$REG/lib:1"
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

# both OPTION... SOURCE: into the folders ours and theirs.
both() {
	"$CORTEN" image sync --dest dir "${@:1:$#-1}" "${!#}" ours
	skopeo sync --src-tls-verify=false --dest dir "${@:1:$#-1}" "${!#}" theirs 2>/dev/null
	diff -r ours theirs
}

@test "sync: a repository or a tag to a folder, whole paths when scoped" {
	both --src docker "$REG/team/app"
	[ "$(ls ours | xargs)" = "app:many app:one app:other" ]
	run -1 "$CORTEN" image sync --src docker --dest dir "$REG/team/app" ours
	[[ $output == *"ours/app:"*"does not overwrite"* ]]
	rm -rf ours theirs
	both --src docker --scoped --all "$REG/team/app:many"
	[ "$(find ours -name 'app:many')" = "ours/$REG/team/app:many" ]
}

@test "sync: a folder to a registry, skopeo's and ours" {
	skopeo sync --src docker --dest dir --scoped --all --src-tls-verify=false "$REG/team/app" from 2>/dev/null
	run -0 "$CORTEN" image sync --src dir --dest docker --all from "$REG/flat"
	[[ $output == *"Synced 3 images" ]]
	"$CORTEN" image sync -q --src dir --dest docker --all --scoped "from/$REG" "docker://$REG/deep"
	local tag digest
	for tag in one other many; do
		digest=$(skopeo inspect --raw "oci:$PLACES/layout:$tag" | sha256sum)
		[ "$(skopeo inspect --raw --tls-verify=false "docker://$REG/flat/app:$tag" | sha256sum)" = "$digest" ]
		[ "$(skopeo inspect --raw --tls-verify=false "docker://$REG/deep/team/app:$tag" | sha256sum)" = "$digest" ]
	done
	# The source is an image itself.
	"$CORTEN" image sync -q --src dir --dest docker "from/$REG/team/app:one/" "$REG/single"
	[ "$("$CORTEN" image tags "$REG/single/app")" = one ]
	mkdir empty
	run -1 "$CORTEN" image sync --src dir --dest docker empty "$REG/none"
	[[ $output == *"no images to sync found in 'empty'"* ]]
}

@test "sync: a YAML file, with tags, digests, patterns and settings of a registry" {
	local digest
	digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$REG/lib:1")
	cat >list.yml <<-YML
	# what the team needs
	$REG:
	    tls-verify: false
	    images:
	        lib: []
	        team/app:
	            - "one"
	    images-by-tag-regex:
	        team/app: ^(oth|x)
	YML
	both --src yaml --scoped list.yml
	[ "$(find ours -name manifest.json | wc -l)" = 3 ]
	printf '%s:\n  tls-verify: false\n  images:\n    lib: ["%s"]\n' "$REG" "$digest" >digest.yml
	rm -rf ours theirs
	both --src yaml digest.yml
	[ "$(ls ours)" = "lib@$digest" ]
	printf '%s:\n  images-by-semver:\n    lib: "1"\n' "$REG" >odd.yml
	run -1 "$CORTEN" image sync --src yaml --dest dir odd.yml x
	[[ $output == *"'odd.yml', line 2: 'images-by-semver' is not supported"* ]]
}

@test "sync: dry, and on after a failure" {
	run -0 "$CORTEN" image sync --src docker --dest dir --dry-run "$REG/team/app" dry
	[ "$(grep -c '^Would copy docker://'"$REG"'/team/app:.* to dir:dry/app:' <<<"$output")" = 3 ]
	[ ! -e dry ]
	mkdir -p some/app:one
	run -1 "$CORTEN" image sync --src docker --dest dir --keep-going "$REG/team/app" some
	[[ $output == *"1 of 3 images were not copied"* ]]
	[ -e some/app:many/manifest.json ] && [ -e some/app:other/manifest.json ]
	run -125 "$CORTEN" image sync --src dir --dest dir some other
	[[ $output == *"use rsync"* ]]
	run -125 "$CORTEN" image sync --dest dir some other
	[[ $output == *"--src is needed"* ]]
}
