# Images: loading what other tools made, listing, removing, and archives that are none.

load helpers

setup() { empty_setup; }
teardown() { box_teardown; }

# loads FILE REFERENCE: it loads, and a container of it runs.
loads() {
	run -0 corten load -i "$1"
	says "Loaded image"
	run -0 once "${2:-$(sed -n 's/.*: //p' <<<"$output" | tail -n 1)}" /bin/sh -c 'echo runs'
	is runs
}

@test "load: a docker archive from a file" {
	run -0 corten load -i "$ARCHIVES/box-docker.tar"
	says "Loaded image: box:latest"
	says "Loaded image: box:entry"
	run -0 once box echo runs
	is runs
}

@test "load: an OCI archive from a file" {
	run -0 corten load --input "$ARCHIVES/box-oci.tar"
	is "Loaded image: box:oci"
	run -0 once box:oci echo runs
	is runs
}

@test "load: from standard input, a pipe" {
	run -0 corten load < <(cat "$ARCHIVES/box-docker.tar")
	says "Loaded image: box:latest"
	run -0 bash -c 'cat "$1" | "$CORTEN" load' - "$ARCHIVES/box-oci.tar"
	is "Loaded image: box:oci"
}

@test "load: from standard input, a file" {
	run -0 corten load <"$ARCHIVES/box-docker.tar"
	says "Loaded image: box:latest"
}

@test "load: an archive that was compressed whole" {
	gzip -1 -c "$ARCHIVES/box-docker.tar" >"$INSTANCE/box.tar.gz"
	loads "$INSTANCE/box.tar.gz" box
}

@test "load: twice is once" {
	corten load -i "$ARCHIVES/box-docker.tar"
	run -0 corten load -i "$ARCHIVES/box-docker.tar"
	says "Loaded image: box:latest"
	[ "$(corten images -q | wc -l)" = 2 ]
}

@test "load: two at once end in one image" {
	corten load -i "$ARCHIVES/box-docker.tar" 3>&- &
	run -0 corten load -i "$ARCHIVES/box-docker.tar"
	wait $!
	run -0 once box echo runs
	is runs
}

@test "load: busybox by docker" {
	need_lab_image busybox-docker.tar
	loads "$LAB_IMAGES/busybox-docker.tar" busybox
}

@test "load: busybox by skopeo, docker and OCI archive" {
	need_lab_image busybox-skopeo-docker.tar
	loads "$LAB_IMAGES/busybox-skopeo-docker.tar" busybox
	loads "$LAB_IMAGES/busybox-oci.tar" busybox
}

@test "load: busybox by skopeo, zstd layers" {
	need_lab_image busybox-zstd.tar
	loads "$LAB_IMAGES/busybox-zstd.tar" busybox:zstd
}

@test "load: busybox by podman" {
	need_lab_image busybox-podman.tar
	loads "$LAB_IMAGES/busybox-podman.tar" busybox
}

@test "load: busybox by buildah" {
	need_lab_image busybox-buildah.tar
	loads "$LAB_IMAGES/busybox-buildah.tar" localhost/busybox
}

@test "load: busybox by umoci, a layout whose reference is a tag only" {
	need_lab_image busybox-umoci.tar
	loads "$LAB_IMAGES/busybox-umoci.tar"
}

@test "load: two tags of one image" {
	need_lab_image busybox-two-tags.tar
	run -0 corten load -i "$LAB_IMAGES/busybox-two-tags.tar"
	says "Loaded image: busybox:latest"
	says "Loaded image: busybox:again"
	[ "$(corten images -q | sort -u | wc -l)" = 1 ]
}

# Debian is large: each archive is loaded once, all into one instance, where the layers are shared.
@test "load: Debian by docker, skopeo, buildah and umoci" {
	local tool
	need_lab_image debian-docker.tar
	for tool in docker oci buildah umoci; do
		run -0 corten load -i "$LAB_IMAGES/debian-$tool.tar"
		run -0 once "${output##*: }" sh -c '. /etc/os-release && echo $ID && dpkg --version | head -n 1'
		says debian
		says "package management program"
	done
}

@test "load: three layers with whiteouts, opaque folders and links are as the tool saw them" {
	need_lab_image layers-buildah.tar
	corten load -i "$LAB_IMAGES/layers-buildah.tar"
	run -0 once localhost/layers sh -c 'cat changed returned opaque/* replaced-by-file hard-1; [ ! -e whiteout-me ]; ls opaque | wc -l' 2>/dev/null
	says "layer 2"
	says "layer 3: back again"
	says linked
}

@test "hello: the built-in image runs in an empty store" {
	run -0 once corten/hello
	says "pid"
	run -0 corten images
	says "corten/hello"
}

@test "images: columns, digests, quiet, format, filter by name" {
	corten load -i "$ARCHIVES/box-docker.tar"
	run -0 corten images
	[[ ${lines[0]} =~ ^REPOSITORY\ +TAG\ +IMAGE\ ID\ +CREATED\ +SIZE$ ]]
	[[ $output =~ box\ +latest\ +[0-9a-f]{12}\ +[0-9]+\ (years|months|weeks)\ ago\ +2\.0[0-9]*MB ]]
	run -0 corten images --digests
	[[ ${lines[0]} =~ ^REPOSITORY\ +TAG\ +DIGEST\ +IMAGE\ ID\ +CREATED\ +SIZE$ ]]
	says sha256:
	run -0 corten images -q --no-trunc box:entry
	[[ $output =~ ^sha256:[0-9a-f]{64}$ ]]
	run -0 corten images --format '{{.Repository}}:{{.Tag}}' box:entry
	is box:entry
	run -0 corten images -q nothing
	is ""
}

@test "image: found by name, id, prefix of the id and digest" {
	corten load -i "$ARCHIVES/box-docker.tar"
	local id
	id=$(corten images -q --no-trunc box:latest)
	for name in docker.io/library/box index.docker.io/library/box:latest "$id" "${id#sha256:}" "${id:7:12}"; do
		run -0 once "$name" echo runs
		is runs
	done
}

@test "inspect: an image" {
	corten load -i "$ARCHIVES/box-docker.tar"
	run -0 corten inspect box:entry
	[ "$(jq -r '.[0].Config.Entrypoint | join(" ")' <<<"$output")" = "echo entry" ]
	[ "$(jq -r '.[0].RepoTags[0]' <<<"$output")" = box:entry ]
	[ "$(jq -r '.[0].Config.Labels["made.by"]' <<<"$output")" = archive ]
	run -0 corten inspect --type image -f '{{.Os}} {{.Config.User}}' box:entry
	is "linux app"
}

@test "rmi: a name, then the image and its layers" {
	corten load -i "$ARCHIVES/box-docker.tar"
	run -0 corten rmi box:entry
	says "Untagged: box:entry"
	run -0 corten rmi box
	says "Untagged: box:latest"
	says "Deleted: sha256:"
	run -0 corten images -q
	is ""
	run -1 corten rmi box
	says "No such image: box"
	# The layer's folder is gone too.
	[ "$(find "$CORTEN_ROOT" -name busybox | wc -l)" = 0 ]
}

@test "rmi: an image in use is refused, and goes with its last container" {
	corten load -i "$ARCHIVES/box-docker.tar"
	background user
	run -1 corten rmi box
	says 'conflict: unable to remove repository reference "box" (must force)'
	corten stop -t 0 user
	run -1 corten rmi box
	says "is using its referenced image"
	corten rm user
	corten rmi box
}

@test "rmi -f: the name goes, and a container that uses the image lives on" {
	corten load -i "$ARCHIVES/box-docker.tar"
	background user
	run -0 corten rmi -f box box:entry
	says "Untagged: box:latest"
	run -0 corten exec user echo well
	is well
	corten stop -t 0 user
	corten start user
	run -0 corten exec user echo again
	is again
	corten rm -f user
	[ "$(find "$CORTEN_ROOT" -name busybox | wc -l)" = 0 ]
}

@test "load: what is no archive is refused with words" {
	head -c 100000 /dev/urandom >"$INSTANCE/noise"
	: >"$INSTANCE/empty"
	head -c 900000 "$ARCHIVES/box-docker.tar" >"$INSTANCE/cut"
	tar -C "$BATS_TEST_DIRNAME" -cf "$INSTANCE/other" terminal.py
	for f in noise empty cut other; do
		run -1 corten load -i "$INSTANCE/$f"
		[[ $output == corten:* ]]
		[ ${#lines[@]} -le 2 ]
	done
	run -1 corten load -i "$INSTANCE/nothing"
	[[ ${output,,} == *"open ${INSTANCE,,}/nothing: no such file or directory" ]]
	run -0 corten images -q
	is ""
}

@test "load: a layer whose content is not what the config says is refused" {
	mkdir "$INSTANCE/x"
	tar -C "$INSTANCE/x" -xf "$ARCHIVES/box-docker.tar"
	printf 'X' | dd of="$(echo "$INSTANCE"/x/*/layer.tar)" bs=1 seek=600000 conv=notrunc status=none
	tar -C "$INSTANCE/x" -cf "$INSTANCE/changed.tar" .
	run -1 corten load -i "$INSTANCE/changed.tar"
	run -0 corten images -q
	is ""
}
