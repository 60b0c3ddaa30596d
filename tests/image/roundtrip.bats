# Round trips: images of other tools are pulled from Debian's registry, run, committed, saved, and read back by others;
# what they read is what GNU tar and tree.py see of the original.

bats_require_minimum_version 1.5.0
load ../inventory/instance
load registry
load ../lab/room

LAB=$BATS_TEST_DIRNAME/../lab

# One registry, one store that images are made in, and one room for daemons, for the file.
setup_file() {
	instance_setup
	room_start
	! has_docker_registry || docker_registry_start
	export REG
}

teardown_file() {
	[ -z "${CORTEN_REGISTRY_DIR:-}" ] || docker_registry_stop
	room_stop
	instance_teardown
}

need() {
	local p
	for p; do command -v "$p" >/dev/null || skip "no $p"; done
}

# fresh_store NAME: this case's own.
fresh_store() {
	export CORTEN_ROOT=$INSTANCE/$BATS_TEST_NUMBER-$1
	mkdir "$CORTEN_ROOT"
}

# unpacked FILE NAME: an OCI or docker archive's root by skopeo and umoci, listed by tree.py into FILE.
unpacked() {
	local dir=$BATS_TEST_TMPDIR/read-$RANDOM
	mkdir "$dir"
	skopeo copy -q "$2" "oci:$dir/layout:x"
	umoci unpack --image "$dir/layout:x" "$dir/bundle" >/dev/null
	"$PYTHON" "$LAB/tree.py" "$dir/bundle/rootfs" >"$1"
}

@test "what save writes, skopeo and umoci read: content, modes, owners, times, xattrs, links, devices" {
	need skopeo umoci
	local name
	for name in layers-umoci layers-buildah; do
		need_lab_image "$name.tar"
		fresh_store "$name"
		run -0 "$CORTEN" load -i "$LAB_IMAGES/$name.tar"
		"$CORTEN" save -o "$BATS_TEST_TMPDIR/saved.tar" "${output##*: }"
		unpacked "$BATS_TEST_TMPDIR/tree" "docker-archive:$BATS_TEST_TMPDIR/saved.tar"
		run -0 diff "$BATS_TEST_TMPDIR/tree" "$LAB_IMAGES/$name.tree"
	done
}

@test "an image of each tool runs, is committed and saved, and skopeo reads the change" {
	need skopeo umoci
	local tool
	for tool in docker skopeo-docker oci podman buildah umoci zstd; do
		need_lab_image "busybox-$tool.tar"
		fresh_store "$tool"
		run -0 "$CORTEN" load -i "$LAB_IMAGES/busybox-$tool.tar"
		"$CORTEN" run --network none --name changer "${output##*: }" \
			sh -c "echo $tool >/made; rm /bin/yes; chmod 750 /var; chown 12:34 /root"
		"$CORTEN" commit changer "made/by:$tool"
		"$CORTEN" rm changer
		"$CORTEN" save -o "$BATS_TEST_TMPDIR/made-$tool.tar" "made/by:$tool"
		unpacked "$BATS_TEST_TMPDIR/tree" "docker-archive:$BATS_TEST_TMPDIR/made-$tool.tar"
		grep -q '^made	file	0644	0:0' "$BATS_TEST_TMPDIR/tree"
		run -1 grep -q '^bin/yes	' "$BATS_TEST_TMPDIR/tree"
		grep -q '^var	dir	0750	0:0' "$BATS_TEST_TMPDIR/tree"
		grep -q '^root	dir	0755	12:34' "$BATS_TEST_TMPDIR/tree"
	done
}

@test "a Debian image that went through save is GNU tar's tree" {
	need skopeo umoci
	need_lab_image debian-skopeo-docker.tar
	fresh_store debian
	mkdir "$BATS_TEST_TMPDIR/archive" "$BATS_TEST_TMPDIR/tar"
	tar -C "$BATS_TEST_TMPDIR/archive" -xf "$LAB_IMAGES/debian-skopeo-docker.tar"
	tar -C "$BATS_TEST_TMPDIR/tar" --numeric-owner --xattrs --xattrs-include='*' -xpf "$(ls -S "$BATS_TEST_TMPDIR"/archive/*.tar | head -n 1)"
	run -0 "$CORTEN" load -i "$LAB_IMAGES/debian-skopeo-docker.tar"
	"$CORTEN" save -o "$BATS_TEST_TMPDIR/saved.tar" "${output##*: }"
	unpacked "$BATS_TEST_TMPDIR/tree" "docker-archive:$BATS_TEST_TMPDIR/saved.tar"
	run -0 diff "$BATS_TEST_TMPDIR/tree" <("$PYTHON" "$LAB/tree.py" "$BATS_TEST_TMPDIR/tar")
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
	NAMES=()
	for tool; do
		NAMES+=("$REG/$tool:made")
		[ ! -f "$INSTANCE/$tool.made" ] || continue
		need_lab_image "busybox-$tool.tar"
		publish "busybox-$tool" "$tool"
		change_and_push "$tool" "echo $tool >/made"
		: >"$INSTANCE/$tool.made"
	done
}

# publish_layers TOOL: the tool's image with links, xattrs, devices and odd names, changed, is $REG/layers-TOOL:made;
# $INSTANCE/layers-TOOL.made is what its tree must be. Its shell has no applet besides itself in the PATH.
publish_layers() {
	local name=layers-$1
	need_docker_registry
	[ ! -f "$INSTANCE/$name.made" ] || return 0
	need_lab_image "$name.tar"
	publish "$name" "$name"
	change_and_push "$name" 'echo made >/made; busybox touch -d @1700000009 /made; busybox rm /setuid
		busybox chmod 711 /owned; busybox ln /made /made-too; busybox mknod /made-null c 1 3; busybox rm -r /replaced-by-folder
		busybox touch -d @1700000009 /made-null'
	{
		grep -Ev '^(setuid|replaced-by-folder(/x)?)	' "$LAB_IMAGES/$name.tree" | sed 's/^owned	dir	2775/owned	dir	0711/'
		printf 'made\tfile\t0644\t0:0\t1700000009\t5\t%s\tmade\t-\n' "$(echo made | sha256sum | cut -d ' ' -f 1)"
		printf 'made-too\tfile\t0644\t0:0\t1700000009\t5\t%s\tmade\t-\n' "$(echo made | sha256sum | cut -d ' ' -f 1)"
		printf 'made-null\tchar\t0644\t0:0\t1700000009\t1:3\t-\t-\t-\n'
	} | LC_ALL=C sort >"$INSTANCE/$name.made"
}

# The folders and files that containers are mounted upon are no part of what is compared.
without_mount_points() {
	grep -Ev '^(dev(/(pts|shm|console))?|proc|sys|etc(/(hosts|hostname|resolv.conf|mtab))?|run|\.dockerenv)	' | LC_ALL=C sort
}
is_expected() { "$PYTHON" "$LAB/tree.py" "$1" | without_mount_points | diff - "$2"; }

# peer podman|buildah ARG...: with stores of its own, and limits that this machine can grant.
peer() {
	local program=$1
	shift
	[ -f "$INSTANCE/containers.conf" ] ||
		printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n' >"$INSTANCE/containers.conf"
	TMPDIR=$BATS_TEST_TMPDIR CONTAINERS_CONF=$INSTANCE/containers.conf "$program" --root "$BATS_TEST_TMPDIR/graph-$program" \
		--runroot "$BATS_TEST_TMPDIR/run-$program" --storage-driver vfs "$@"
}

@test "registry: images of tools are changed, and skopeo inspects and copies it" {
	local name
	publish_all docker skopeo-docker umoci zstd
	for name in "${NAMES[@]}"; do
		run -0 skopeo inspect --tls-verify=false -f '{{len .Layers}}' "docker://$name"
		[ "$output" -ge 2 ]
		skopeo copy -q --src-tls-verify=false "docker://$name" "dir:$BATS_TEST_TMPDIR/copy"
		[ "sha256:$(sha256sum <"$BATS_TEST_TMPDIR/copy/manifest.json" | cut -d ' ' -f 1)" = \
			"$("$CORTEN" inspect -f '{{.Descriptor.digest}}' "$name")" ]
		rm -r "$BATS_TEST_TMPDIR/copy"
	done
}

@test "registry: an image of each tool is changed, and podman pulls, inspects and runs it" {
	need podman runc
	local name
	publish_all docker skopeo-docker oci podman buildah umoci zstd
	peer podman pull -q --tls-verify=false "${NAMES[@]}"
	for name in "${NAMES[@]}"; do "$CORTEN" images -q --no-trunc "$name"; done >"$BATS_TEST_TMPDIR/ids"
	run -0 diff <(peer podman image inspect -f 'sha256:{{.Id}}' "${NAMES[@]}") "$BATS_TEST_TMPDIR/ids"
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
	publish_layers buildah
	peer podman pull -q --tls-verify=false "$REG/layers-buildah:made"
	run -0 is_expected "$(peer podman image mount "$REG/layers-buildah:made")" "$INSTANCE/layers-buildah.made"
	peer podman image umount -a
}

# umoci 0.4 writes the whiteout of a file in a folder that became a file: "replaced-by-file", then
# "replaced-by-file/.wh.x". podman, docker and containerd refuse that layer, in umoci's own image too, so nobody else reads it.
@test "registry: what is pulled, changed, committed and pushed is the same tree in umoci" {
	need umoci
	local tool
	for tool in buildah umoci; do
		publish_layers "$tool"
		skopeo copy -q --src-tls-verify=false "docker://$REG/layers-$tool:made" "oci:$BATS_TEST_TMPDIR/$tool:x"
		umoci unpack --image "$BATS_TEST_TMPDIR/$tool:x" "$BATS_TEST_TMPDIR/bundle-$tool"
		run -0 is_expected "$BATS_TEST_TMPDIR/bundle-$tool/rootfs" "$INSTANCE/layers-$tool.made"
	done
}

# ---- by way of a registry, with daemons ----

daemon_on() {
	need containerd ctr runc
	[ "$1" != docker ] || need docker dockerd
	[ -f "$ROOM/$1.on" ] || engine start "$1"
	: >"$ROOM/$1.on"
}

dk() { with_env docker "$@"; }
cn() { with_env ctr "$@"; }
# inside_is_expected DIR FILE: of a folder that only the room sees.
inside_is_expected() {
	inside "$PYTHON" "$LAB/tree.py" "$1" | without_mount_points | diff - "$2"
}
cn_pull() { cn images pull --plain-http "$1" >/dev/null; }

@test "registry: an image of docker build is changed, docker pulls and runs it" {
	daemon_on docker
	need_docker_registry
	local context=$BATS_TEST_TMPDIR/context id
	mkdir "$context"
	cp "$LAB_IMAGES/busybox-root.tar" "$context/root.tar"
	cat >"$context/Dockerfile" <<-'END'
	FROM scratch
	ADD root.tar /
	ENV MADE_BY=docker
	RUN mkdir -p /kept /hidden/deep && echo one >/hidden/deep/one && ln /bin/busybox /kept/busybox
	RUN rm -r /hidden /bin/yes && mkdir /hidden && echo two >/hidden/two
	USER nobody
	WORKDIR /kept
	CMD ["sh", "-c", "pwd; id -un; echo $MADE_BY"]
	END
	with_env env DOCKER_BUILDKIT=0 docker build -q --network none -t "$REG/built" "$context"
	dk push -q "$REG/built"
	"$CORTEN" pull -q "$REG/built"
	[ "$("$CORTEN" images -q --no-trunc "$REG/built")" = "$(dk images -q --no-trunc "$REG/built")" ]
	run -0 "$CORTEN" run --rm --network none "$REG/built"
	[ "$output" = $'/kept\nnobody\ndocker' ]
	"$CORTEN" run --network none --user 0 --name changer "$REG/built" \
		sh -c 'test ! -e /bin/yes && ls /hidden && rm -r /hidden && echo corten >/made'
	"$CORTEN" commit -c 'CMD ["cat", "/made"]' -c 'USER nobody' changer "$REG/built:made"
	"$CORTEN" rm changer
	"$CORTEN" push -q "$REG/built:made"
	dk rmi "$REG/built"
	dk pull -q "$REG/built:made"
	id=$(dk images -q --no-trunc "$REG/built:made")
	[ "$id" = "$("$CORTEN" images -q --no-trunc "$REG/built:made")" ]
	run -0 dk run --rm --network none "$REG/built:made"
	[ "$output" = corten ]
	run -0 dk run --rm --network none "$REG/built:made" \
		sh -c 'id -un; pwd; ls /kept; test ! -e /hidden && test ! -e /bin/yes'
	[ "$output" = $'nobody\n/kept\nbusybox' ]
	# What docker makes of it comes back.
	printf 'FROM %s\nUSER root\nRUN echo again >>/made\n' "$REG/built:made" >"$context/Dockerfile"
	with_env env DOCKER_BUILDKIT=0 docker build -q --network none -t "$REG/built:again" "$context"
	dk push -q "$REG/built:again"
	"$CORTEN" pull -q "$REG/built:again"
	run -0 "$CORTEN" run --rm --network none "$REG/built:again"
	[ "$output" = $'corten\nagain' ]
}

@test "registry: an image that containerd wrote is changed, ctr pulls and runs it" {
	daemon_on containerd
	need_docker_registry
	need_lab_image busybox-docker.tar
	# An archive of docker's, written anew: in OCI's form, its layers without compression.
	cn images import "$LAB_IMAGES/busybox-docker.tar" >/dev/null
	cn images convert --oci --uncompress docker.io/library/busybox:latest "$REG/written:latest" >/dev/null
	cn images push --plain-http "$REG/written:latest" >/dev/null
	change_and_push written "echo corten >/made; rm /bin/yes; chmod 700 /var"
	cn_pull "$REG/written:made"
	[ "$(cn images ls -q "name==$REG/written:made")" = "$REG/written:made" ]
	[[ "$(cn images ls "name==$REG/written:made")" == *"$("$CORTEN" images --format '{{.Digest}}' "$REG/written:made")"* ]]
	run -0 cn run --rm "$REG/written:made" reader sh -c 'cat /made; stat -c %a /var; test ! -e /bin/yes'
	[ "$output" = $'corten\n700' ]
	# What containerd makes of it comes back.
	cn images convert --oci --uncompress "$REG/written:made" "$REG/written:plain" >/dev/null
	cn images push --plain-http "$REG/written:plain" >/dev/null
	"$CORTEN" pull -q "$REG/written:plain"
	run -0 "$CORTEN" run --rm --network none "$REG/written:plain" cat /made
	[ "$output" = corten ]
}

@test "registry: what is pulled, changed, committed and pushed is the same tree in containerd" {
	daemon_on containerd
	publish_layers buildah
	cn_pull "$REG/layers-buildah:made"
	mkdir "$ROOM/mnt"
	cn images mount "$REG/layers-buildah:made" "$ROOM/mnt"
	run -0 inside_is_expected "$ROOM/mnt" "$INSTANCE/layers-buildah.made"
	cn images unmount "$ROOM/mnt"
}

@test "registry: what is pulled, changed, committed and pushed is the same tree in docker" {
	daemon_on docker
	publish_layers buildah
	local id root
	dk pull -q "$REG/layers-buildah:made"
	id=$(dk run -d --network none "$REG/layers-buildah:made" sh -c 'busybox sleep 1000')
	root=$(dk inspect -f '{{.GraphDriver.Data.MergedDir}}' "$id")
	[ -n "$root" ] || skip "this docker does not say where a container's root lies"
	run -0 inside_is_expected "$root" "$INSTANCE/layers-buildah.made"
	dk rm -f "$id"
}
