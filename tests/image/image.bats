# Images: what is unpacked is what the layers say, and what hostile archives may not do.

bats_require_minimum_version 1.5.0
load ../inventory/instance
load archives

setup() {
	instance_setup
	archives_make
}

teardown() {
	umount "$INSTANCE/mnt" 2>/dev/null || true
	instance_teardown
}

load_good() {
	"$CORTEN" load -i "$ARCHIVES/$1.tar" >"$INSTANCE/out" || return
	cat "$INSTANCE/out"
}

# The folders of the snapshots, lowest first.
layers() { ls -d "$CORTEN_ROOT"/snapshots/*/fs | sort -V; }
fs() { layers | sed -n "${1}p"; }

# Mounts all snapshots on each other, as a container's root would be.
mount_all() {
	mkdir -p "$INSTANCE/mnt"
	mount -t overlay overlay -o "lowerdir=$(layers | sort -rV | paste -sd:)" "$INSTANCE/mnt"
}

# refused NAME WORDS: the load fails with these words and leaves nothing.
refused() {
	local before after
	run -1 timeout 60 "$CORTEN" load -i "$ARCHIVES/$1.tar"
	[[ $output == *"$2"* ]] || {
		printf 'expected: %s\ngot: %s\n' "$2" "$output"
		return 1
	}
	run -0 find "$CORTEN_ROOT" -mindepth 2 ! -path '*/blobs/sha256' ! -path '*/blobs/sha512'
	[ -z "$output" ] || {
		echo "left: $output"
		return 1
	}
	[ "$("$CORTEN" images -q)" = "" ]
}

@test "plain, gzip and many gzip members give the same" {
	for kind in oci gzip members docker; do
		load_good good-$kind
		[ "$(cat "$(fs 1)/bin/sh")" = plain ]
		[ "$("$CORTEN" images -q | sort -u | wc -l)" -ge 1 ]
	done
	# The layer's content is one: so is its snapshot.
	[ "$(layers | wc -l)" = 1 ]
}

@test "an index: our platform is chosen, attestations and unknown types are passed over" {
	load_good good-index
	[ "$("$CORTEN" images -q | wc -l)" = 1 ]
}

@test "docker archive: a layer may be a link to another one's file" {
	load_good good-shared-layer
	[ "$(layers | wc -l)" = 2 ]
}

@test "an image without a name that gets one is one image" {
	load_good good-docker-nameless
	[ "$("$CORTEN" images -q | wc -l)" = 1 ]
	load_good good-docker
	[ "$("$CORTEN" images -q | wc -l)" = 1 ]
	run -0 "$CORTEN" rmi image:latest
	[ -z "$("$CORTEN" images -q)" ]
	[ -z "$(ls "$CORTEN_ROOT/snapshots")" ]
}

@test "the record of an image that is there is not replaced by a liar" {
	local before
	load_good good-oci
	before=$("$CORTEN" inspect image:latest)
	run -1 "$CORTEN" load -i "$ARCHIVES/bad-link-digest.tar"
	[ "$("$CORTEN" inspect image:latest)" = "$before" ]
	[ "$(layers | wc -l)" = 1 ]
}

@test "whiteouts, opaque folders and folders nobody describes" {
	load_good good-whiteouts
	mount_all
	cd "$INSTANCE/mnt"
	[ ! -e a/gone ]
	[ -e a/stays ]
	[ "$(ls b)" = new ]
	[ "$(ls d)" = new ]
	[ "$(ls e)" = new ]
	[ "$(ls c | paste -sd' ')" = "x y" ]
	# c is not in the second layer: it looks as below.
	[ "$(stat -c '%a %u:%g' c)" = "700 5:6" ]
	[ "$(stat -c '%a %u:%g' f)" = "755 0:0" ]
	[ "$(cat twice)" = last ]
	[ "$(stat -c %i first)" = "$(stat -c %i hard)" ]
	[ -z "$(find . -name '.wh*')" ]
	cd /
}

@test "links inside a layer lead inside" {
	load_good good-links
	cd "$(fs 1)"
	[ "$(cat usr/lib/one usr/lib/three two made/later/four absolute dotted)" = 132456 ]
	[ ! -e /made/later ]
}

@test "folders that the layer itself replaces" {
	load_good good-replaced
	cd "$(fs 1)"
	[ "$(cat a u)" = filefile ]
	[ "$(readlink s)" = gone ]
	[ ! -e gone ]
}

@test "owners, modes, times and xattrs" {
	load_good good-attributes
	cd "$(fs 1)"
	[ "$(stat -c '%a %u:%g' group)" = "2775 1:50" ]
	[ "$(stat -c '%a %u:%g' group/file)" = "640 7:8" ]
	[ "$(stat -c '%a %u:%g' group/root)" = "644 0:0" ]
	[ "$(stat -c '%a %u:%g' suid)" = "4755 9:9" ]
	[ "$(stat -c '%a' sticky)" = 1777 ]
	[ "$(stat -c '%F %t:%T %a' null)" = "character special file 1:3 666" ]
	[ "$(stat -c '%F' pipe)" = fifo ]
	[ "$(stat -c '%Y' old)" = 1 ]
	[ "$(stat -c '%Y' group)" = 1000000000 ]
	run -0 "$PYTHON" -c 'import os,sys; print(*sorted(f"{n}={os.getxattr(sys.argv[1], n).decode()}" for n in os.listxattr(sys.argv[1])))' x
	[ "$output" = "trusted.t=v user.a=b" ]
}

@test "trees of other tools come out as they went in" {
	for name in layers-umoci layers-buildah; do
		need_lab_image "$name.tar"
		rm -rf "$CORTEN_ROOT"/*
		"$CORTEN" load -i "$LAB_IMAGES/$name.tar"
		mount_all
		run -0 diff <("$PYTHON" "$BATS_TEST_DIRNAME/../lab/tree.py" "$INSTANCE/mnt") "$LAB_IMAGES/$name.tree"
		umount "$INSTANCE/mnt"
	done
}

@test "a Debian root comes out as GNU tar unpacks it" {
	need_lab_image debian-skopeo-docker.tar
	"$CORTEN" load -i "$LAB_IMAGES/debian-skopeo-docker.tar"
	mkdir "$INSTANCE/archive" "$INSTANCE/tar"
	tar -C "$INSTANCE/archive" -xf "$LAB_IMAGES/debian-skopeo-docker.tar"
	tar -C "$INSTANCE/tar" --numeric-owner --xattrs --xattrs-include='*' -xpf "$(ls -S "$INSTANCE"/archive/*.tar | head -n 1)"
	run -0 diff <("$PYTHON" "$BATS_TEST_DIRNAME/../lab/tree.py" "$INSTANCE/tar") \
		<("$PYTHON" "$BATS_TEST_DIRNAME/../lab/tree.py" "$(fs 1)")
	run -0 diff <(cd "$INSTANCE/tar" && find . -mindepth 1 -type d -printf '%P %T@\n' | sort) \
		<(cd "$(fs 1)" && find . -mindepth 1 -type d -printf '%P %T@\n' | sort)
}

@test "names that leave the root are refused" {
	refused bad-dotdot "leaves the archive's root"
	refused bad-dotdot-inside "leaves the archive's root"
	refused bad-hardlink "leaves the archive's root"
	refused bad-hardlink-absolute "not in this layer"
	refused bad-symlink-parent "not in this layer"
	refused bad-archive-dotdot "leaves the archive's root"
	refused bad-docker-layer "leaves the archive's root"
}

@test "whiteouts of nothing and folders that are files are refused" {
	refused bad-whiteout "whiteout without a name"
	refused bad-whiteout-dots "whiteout without a name"
	refused bad-parent-file "is no folder"
}

@test "bombs are refused" {
	refused bad-bomb "1000 times"
	refused bad-archive-bomb "1000 times"
	refused bad-layer-count "the limit is 512"
	refused bad-config-size "the limit is 4194304"
	refused bad-nesting "nest deeper"
	refused bad-files "more than 16384 files"
	refused bad-shared-config "more than 64 MiB"
}

@test "sizes and digests that lie are refused" {
	refused bad-diff-id "the config says"
	refused bad-diff-count "the config 2"
	refused bad-blob-digest "its digest is"
	refused bad-blob-size "its descriptor says"
	refused bad-blob-missing "is not in the archive"
	refused bad-link-digest "is a link to something else"
}

@test "damaged layers are refused" {
	refused bad-layer-truncated "cut off"
	refused bad-layer-garbage "Unrecognized archive format"
	refused bad-trailing "gzip stream"
}

@test "texts that mean two things are refused" {
	refused bad-confusion "a manifest and an index"
	refused bad-duplicate-key "duplicate key"
}

@test "what is no image for us is refused" {
	refused bad-platform "no image for platform"
	refused bad-media-type "is not supported"
	refused bad-name "invalid reference format"
	refused bad-archive-other "is not an image archive"
	refused bad-archive-garbage "Unrecognized archive format"
	refused bad-archive-truncated "Truncated"
	refused bad-docker-config "is not JSON"
	refused bad-docker-loop "is not in the archive"
}

@test "a load that is killed leaves nothing that the next one does not mend" {
	for ms in 1 2 4 6 8 10 15 20; do
		timeout -s KILL 0.0$(printf %02d $ms) "$CORTEN" load -i "$ARCHIVES/good-whiteouts.tar" >/dev/null 2>&1 || true
	done
	load_good good-oci
	[ -z "$(ls "$CORTEN_ROOT/ingest")" ]
	run -0 "$CORTEN" load -i "$ARCHIVES/good-whiteouts.tar"
	# Three layers of one image and one of the other, nothing else.
	[ "$(layers | wc -l)" -le 4 ]
}
