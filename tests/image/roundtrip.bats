# Round trips: images of other tools are pulled from Debian's registry, run, committed, saved, and read back by others;
# what they read is what GNU tar and tree.py see of the original.

bats_require_minimum_version 1.5.0
load ../inventory/instance
load registry

LAB=$BATS_TEST_DIRNAME/../lab

setup() { instance_setup; }

teardown() {
	[ -z "${CORTEN_REGISTRY_DIR:-}" ] || docker_registry_stop
	umount "$INSTANCE/mnt" 2>/dev/null || true
	instance_teardown
}

need() { command -v "$1" >/dev/null || skip "no $1"; }

# unpacked FILE NAME: an OCI or docker archive's root by skopeo and umoci, listed by tree.py into FILE.
unpacked() {
	local dir=$INSTANCE/read-$RANDOM
	mkdir "$dir"
	skopeo copy -q "$2" "oci:$dir/layout:x"
	umoci unpack --image "$dir/layout:x" "$dir/bundle" >/dev/null
	"$PYTHON" "$LAB/tree.py" "$dir/bundle/rootfs" >"$1"
}

@test "what save writes, skopeo and umoci read: content, modes, owners, times, xattrs, links, devices" {
	need skopeo
	need umoci
	local name
	for name in layers-umoci layers-buildah; do
		need_lab_image "$name.tar"
		rm -rf "$CORTEN_ROOT"/*
		run -0 "$CORTEN" load -i "$LAB_IMAGES/$name.tar"
		"$CORTEN" save -o "$INSTANCE/saved.tar" "${output##*: }"
		unpacked "$INSTANCE/tree" "docker-archive:$INSTANCE/saved.tar"
		run -0 diff "$INSTANCE/tree" "$LAB_IMAGES/$name.tree"
	done
}

@test "an image of each tool runs, is committed and saved, and skopeo reads the change" {
	need skopeo
	need umoci
	local tool
	for tool in docker skopeo-docker oci podman buildah umoci zstd; do
		need_lab_image "busybox-$tool.tar"
		rm -rf "$CORTEN_ROOT"/*
		run -0 "$CORTEN" load -i "$LAB_IMAGES/busybox-$tool.tar"
		"$CORTEN" run --network none --name changer "${output##*: }" \
			sh -c "echo $tool >/made; rm /bin/yes; chmod 750 /var; chown 12:34 /root"
		"$CORTEN" commit changer "made/by:$tool"
		"$CORTEN" rm changer
		"$CORTEN" save -o "$INSTANCE/made-$tool.tar" "made/by:$tool"
		unpacked "$INSTANCE/tree" "docker-archive:$INSTANCE/made-$tool.tar"
		grep -q '^made	file	0644	0:0' "$INSTANCE/tree"
		run -1 grep -q '^bin/yes	' "$INSTANCE/tree"
		grep -q '^var	dir	0750	0:0' "$INSTANCE/tree"
		grep -q '^root	dir	0755	12:34' "$INSTANCE/tree"
	done
}

@test "a Debian image that went through save is GNU tar's tree" {
	need skopeo
	need umoci
	need_lab_image debian-skopeo-docker.tar
	mkdir "$INSTANCE/archive" "$INSTANCE/tar"
	tar -C "$INSTANCE/archive" -xf "$LAB_IMAGES/debian-skopeo-docker.tar"
	tar -C "$INSTANCE/tar" --numeric-owner --xattrs --xattrs-include='*' -xpf "$(ls -S "$INSTANCE"/archive/*.tar | head -n 1)"
	run -0 "$CORTEN" load -i "$LAB_IMAGES/debian-skopeo-docker.tar"
	"$CORTEN" save -o "$INSTANCE/saved.tar" "${output##*: }"
	unpacked "$INSTANCE/tree" "docker-archive:$INSTANCE/saved.tar"
	run -0 diff "$INSTANCE/tree" <("$PYTHON" "$LAB/tree.py" "$INSTANCE/tar")
}

# ---- by way of a registry ----

# publish FILE NAME: skopeo pushes an image of the lab, in the form that its tool gave it.
publish() {
	local form
	form=$(awk -F'\t' -v file="$1.tar" '$1 == file { print $3 }' "$LAB_IMAGES/MANIFEST.tsv")
	skopeo copy -q --dest-tls-verify=false "${form/oci-layout-tar/oci-archive}:$LAB_IMAGES/$1.tar" "docker://$REG/$2"
}

# change_and_push NAME COMMAND: pulled, run, committed and pushed as NAME:made.
change_and_push() {
	"$CORTEN" pull -q "$REG/$1"
	"$CORTEN" run --network none --name changer "$REG/$1" sh -c "$2"
	"$CORTEN" commit changer "$REG/$1:made"
	"$CORTEN" rm changer
	"$CORTEN" push -q "$REG/$1:made"
}

# publish_all TOOL...: $NAMES are their images, changed; /made of each has its tool's name.
publish_all() {
	local tool
	need_docker_registry
	docker_registry_start
	NAMES=()
	for tool; do
		need_lab_image "busybox-$tool.tar"
		publish "busybox-$tool" "$tool"
		change_and_push "$tool" "echo $tool >/made"
		NAMES+=("$REG/$tool:made")
	done
}

# publish_layers FILE: the image with links, xattrs, devices and odd names, changed, is $REG/layers:made; $INSTANCE/expected
# is what its tree must be. Its shell has no applet besides itself in the PATH.
publish_layers() {
	need_docker_registry
	need_lab_image "$1.tar"
	docker_registry_start
	publish "$1" layers
	change_and_push layers 'echo made >/made; busybox touch -d @1700000009 /made; busybox rm /setuid
		busybox chmod 711 /owned; busybox ln /made /made-too; busybox mknod /made-null c 1 3; busybox rm -r /replaced-by-folder
		busybox touch -d @1700000009 /made-null'
	{
		grep -Ev '^(setuid|replaced-by-folder(/x)?)	' "$LAB_IMAGES/$1.tree" | sed 's/^owned	dir	2775/owned	dir	0711/'
		printf 'made\tfile\t0644\t0:0\t1700000009\t5\t%s\tmade\t-\n' "$(echo made | sha256sum | cut -d ' ' -f 1)"
		printf 'made-too\tfile\t0644\t0:0\t1700000009\t5\t%s\tmade\t-\n' "$(echo made | sha256sum | cut -d ' ' -f 1)"
		printf 'made-null\tchar\t0644\t0:0\t1700000009\t1:3\t-\t-\t-\n'
	} | LC_ALL=C sort >"$INSTANCE/expected"
}

# is_expected DIR, but for the folders that containers are mounted upon.
is_expected() {
	"$PYTHON" "$LAB/tree.py" "$1" | grep -Ev '^(dev|proc|sys|etc(/(hosts|hostname|resolv.conf|mtab))?|run)	' |
		LC_ALL=C sort | diff - "$INSTANCE/expected"
}

# peer podman|buildah ARG...: with stores of its own, and limits that this machine can grant.
peer() {
	local program=$1
	shift
	[ -f "$INSTANCE/containers.conf" ] ||
		printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n' >"$INSTANCE/containers.conf"
	TMPDIR=$INSTANCE CONTAINERS_CONF=$INSTANCE/containers.conf "$program" --root "$INSTANCE/graph-$program" \
		--runroot "$INSTANCE/run-$program" --storage-driver vfs "$@"
}

@test "registry: images of tools are changed, and skopeo inspects and copies it" {
	local name
	publish_all docker skopeo-docker umoci zstd
	for name in "${NAMES[@]}"; do
		run -0 skopeo inspect --tls-verify=false -f '{{len .Layers}}' "docker://$name"
		[ "$output" -ge 2 ]
		skopeo copy -q --src-tls-verify=false "docker://$name" "dir:$INSTANCE/copy"
		[ "sha256:$(sha256sum <"$INSTANCE/copy/manifest.json" | cut -d ' ' -f 1)" = \
			"$("$CORTEN" inspect -f '{{.Descriptor.digest}}' "$name")" ]
		rm -r "$INSTANCE/copy"
	done
}

@test "registry: an image of each tool is changed, and podman pulls, inspects and runs it" {
	need podman
	need runc
	local name
	publish_all docker skopeo-docker oci podman buildah umoci zstd
	peer podman pull -q --tls-verify=false "${NAMES[@]}"
	for name in "${NAMES[@]}"; do "$CORTEN" images -q --no-trunc "$name"; done >"$INSTANCE/ids"
	run -0 diff <(peer podman image inspect -f 'sha256:{{.Id}}' "${NAMES[@]}") "$INSTANCE/ids"
	run -0 peer podman --cgroup-manager cgroupfs --runtime "$(command -v runc)" run --rm --network none --pids-limit 0 \
		"$REG/umoci:made" cat /made
	[ "$output" = umoci ]
}

@test "registry: images of tools are changed, and buildah begins from them" {
	need buildah
	local tool
	publish_all docker buildah umoci zstd
	for tool in docker buildah umoci zstd; do
		peer buildah from -q --tls-verify=false --name "$tool" "$REG/$tool:made"
		[ "$(cat "$(peer buildah mount "$tool")/made")" = "$tool" ]
		[ "$(peer buildah inspect -f '{{.FromImageID}}' "$tool")" = \
			"$("$CORTEN" images -q --no-trunc "$REG/$tool:made" | cut -d : -f 2)" ]
	done
	peer buildah rm -a
}

@test "registry: what is pulled, changed, committed and pushed is the same tree in podman" {
	need podman
	publish_layers layers-buildah
	peer podman pull -q --tls-verify=false "$REG/layers:made"
	run -0 is_expected "$(peer podman image mount "$REG/layers:made")"
	peer podman image umount -a
}

@test "registry: what is pulled, changed, committed and pushed is the same tree in umoci" {
	need umoci
	publish_layers layers-buildah
	skopeo copy -q --src-tls-verify=false "docker://$REG/layers:made" "oci:$INSTANCE/layout:x"
	umoci unpack --image "$INSTANCE/layout:x" "$INSTANCE/bundle"
	run -0 is_expected "$INSTANCE/bundle/rootfs"
}
