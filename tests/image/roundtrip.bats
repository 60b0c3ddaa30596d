# Round trips: images of other tools are pulled from Debian's registry, run, committed, saved, and read back by others;
# what they read is what GNU tar and tree.py see of the original.

bats_require_minimum_version 1.5.0
load ../inventory/instance

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
LAB=$BATS_TEST_DIRNAME/../lab

setup() { instance_setup; }

teardown() {
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
