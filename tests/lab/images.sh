#!/bin/bash
# Makes the test images once, by tools that are not ours, and says which tool made which.
#   images.sh make      makes what is missing below the lab's cache and prints the manifest
#   images.sh here DIR  makes what is missing in DIR by the tools of this machine, without lab and network
#   images.sh list      prints the manifest: file, reference inside, format, tool
#   images.sh path NAME | clean
# Roots: busybox (static, all applets), debian (bookworm by debootstrap, or hostroot.py), layers (three small layers with whiteouts,
# an opaque folder, hard links, xattrs, devices, odd names; layers-*.tree is what must come out of them).
set -eu
. "$(dirname "$0")/lib.sh"
work=/lab/work images=/lab/images
applets='sh ash cat cp echo env false grep head hostname id ip kill ln ls mkdir mknod mount mv nc ping ps pwd rm rmdir
	sed seq sleep sort stat stty sync tail tar tee test touch true tty umount uname wc wget which whoami yes dd df find
	awk md5sum sha256sum time timeout vi xargs nslookup httpd'

# ---- on the host ----

cmd_make() {
	need_root
	"$lab_here/sid.sh" make
	mkdir -p "$lab_images"
	exec 9>"$lab_dir/make.lock"
	flock 9
	[ -d "$lab_dir/bookworm" ] || lab_debootstrap bookworm "$lab_dir/bookworm"
	"$lab_here/sid.sh" run -b "$lab_dir/bookworm:/lab/bookworm:ro" -- /corten/tests/lab/images.sh inside 9>&-
	cmd_list
}

# In namespaces of its own: whatever ends this ends the engines, and nothing of the machine's is seen or changed.
cmd_here() {
	need_root
	[ -n "$arg" ] || die "here: a folder is missing"
	mkdir -p "$arg"
	exec 9>"$arg/make.lock"
	flock 9
	unshare --mount --net --pid --fork --kill-child --mount-proc -- "$0" here-inside "$(readlink -f "$arg")" 9>&-
}

cmd_here_inside() {
	images=$arg
	work=$(mktemp -d "$arg/work.XXXXXX")
	trap 'rm -rf --one-file-system "$work"' EXIT
	mount -t tmpfs tmpfs /run
	export ENGINE_DIR=$work/engine ENGINE_RUN=/run/engine
	make_all
}

cmd_list() {
	[ -f "$lab_images/MANIFEST.tsv" ] || die "no images in $lab_images: run '$0 make'"
	column -t -s $'\t' "$lab_images/MANIFEST.tsv"
}

# ---- in the lab ----

row() { printf '%s\t%s\t%s\t%s\n' "$@" >>$work/MANIFEST.tsv; }

# A client without its daemon makes nothing.
has_tool() {
	local p programs=$1
	[ "$1" != docker ] || programs='docker dockerd containerd'
	for p in $programs; do command -v "$p" >/dev/null || return; done
}

# once FILE REFERENCE FORMAT TOOL CMD...: CMD writes FILE.part; a killed run leaves no half file under the name.
once() {
	local file=$images/$1
	if ! has_tool "${4%% *}"; then
		say "no ${4%% *} here, so no $1"
		return 0
	fi
	row "$1" "$2" "$3" "$4"
	shift 4
	[ ! -e "$file" ] || return 0
	say "making ${file##*/}"
	rm -rf "$file.part"
	"$@" "$file.part" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "cannot make ${file##*/}"; }
	mv "$file.part" "$file"
}

make_busybox_root() {
	local root=$work/busybox a
	mkdir -p "$root"/{bin,etc,root,tmp,proc,sys,dev,var}
	chmod 1777 "$root/tmp"
	cp /usr/bin/busybox "$root/bin/busybox"
	for a in $applets; do ln -s busybox "$root/bin/$a"; done
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	tar -C "$root" --numeric-owner --sort=name -cf $work/busybox.tar .
}

make_debian_root() {
	if [ ! -d /lab/bookworm ]; then
		"$lab_here/hostroot.py" $work/debian.tar
		return
	fi
	tar -C /lab/bookworm --numeric-owner --sort=name --one-file-system --exclude='./var/cache/apt/*' \
		--exclude='./var/lib/apt/lists/*' --exclude='./var/log/*' --exclude='./proc/*' --exclude='./sys/*' \
		-cf $work/debian.tar .
}

docker_archive() {
	docker import --change 'CMD ["/bin/sh"]' --change "ENV PATH=$PATH" "$work/$1.tar" "$2"
	docker save -o "$3" "$2"
}

docker_archive_of_two() {
	docker load -q -i "$images/busybox-docker.tar"
	docker tag busybox:latest busybox:again
	docker save -o "$1" busybox:latest busybox:again
}
skopeo_copy() { skopeo --insecure-policy copy "$1" "$2:$4:$3"; }
skopeo_zstd() { skopeo --insecure-policy copy --dest-compress-format zstd "$1" "oci-archive:$3:$2"; }
podman_archive() {
	podman load -q -i "$1"
	podman save -q --format docker-archive -o "$3" "$2"
}

buildah_archive() {
	local c
	c=$(buildah from scratch)
	buildah add -q "$c" "$work/$1.tar" /
	buildah config --cmd /bin/sh --label made.by=buildah "$c"
	buildah commit -q --rm "$c" "$2"
	buildah push -q "$2" "oci-archive:$3:$2"
}

umoci_archive() {
	local layout=$work/layout-$1 bundle=$work/bundle-$1
	rm -rf "$layout" "$bundle"
	umoci init --layout "$layout"
	umoci new --image "$layout:latest"
	umoci unpack --image "$layout:latest" "$bundle"
	tar -C "$bundle/rootfs" --numeric-owner -xpf "$work/$1.tar"
	umoci repack --image "$layout:latest" "$bundle"
	umoci config --image "$layout:latest" --config.cmd /bin/sh
	umoci gc --layout "$layout"
	tar -C "$layout" -cf "$2" .
	rm -rf "$layout" "$bundle"
}

# ---- the image of three layers ----

set_xattr() { python3 -c 'import os, sys; os.setxattr(sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3]))' "$@"; }

# Whole seconds, the layer's number: Go's tar writer rounds up what tree.py cuts. Times of old or of the far future stay.
set_times() {
	find "$1" -mindepth 1 -newermt @1700000003 ! -newermt @4000000000 -exec touch -h -d "@170000000$2" {} +
}

layer_1() {
	local r=$1 long
	long=$(printf 'n%.0s' $(seq 200))
	mkdir -p "$r"/{bin,tmp,replaced-by-file,replaced-by-link,gone/deep,opaque/sub,kept/sub,owned,"$long/$long"}
	cp $work/busybox/bin/busybox "$r/bin/busybox"
	ln -s busybox "$r/bin/sh"
	for a in replaced-by-file/x replaced-by-link/x gone/deep/x gone/y opaque/old opaque/sub/old kept/a kept/sub/b \
		whiteout-me replaced-by-folder returned changed "$long/$long/long" 'name with blank' $'name\twith\ttab' \
		$'umlaut-\303\244' $'not-utf8-\377' mode-0; do echo "layer 1: $a" >"$r/$a"; done
	echo linked >"$r/hard-1"
	ln "$r/hard-1" "$r/hard-2"
	ln "$r/hard-1" "$r/kept/hard-3"
	ln -s /absolute/nowhere "$r/link-dangling"
	ln -s ../../../../etc/passwd "$r/link-upward"
	mknod "$r/device-null" c 1 3
	mknod "$r/device-block" b 7 200
	mkfifo "$r/fifo"
	truncate -s 1M "$r/sparse"
	printf end >>"$r/sparse"
	: >"$r/empty"
	cp "$r/hard-1" "$r/setuid"
	cp "$r/hard-1" "$r/with-xattr"
	cp "$r/hard-1" "$r/with-capability"
	set_xattr "$r/with-xattr" user.corten 00ff0a
	# cap_net_raw=ep, revision 2
	set_xattr "$r/with-capability" security.capability 0100000200200000000000000000000000000000
	chown 1234:5678 "$r/owned"
	chown -h 1234:5678 "$r/link-dangling"
	chmod 4755 "$r/setuid"
	chmod 2775 "$r/owned"
	chmod 1777 "$r/tmp"
	chmod 0 "$r/mode-0"
	touch -d @0 "$r/empty"
	touch -d @4294967297 "$r/mode-0"
}

layer_2() {
	local r=$1
	rm -rf "$r"/gone "$r"/whiteout-me "$r"/returned "$r"/replaced-by-file "$r"/replaced-by-folder "$r"/replaced-by-link \
		"$r"/opaque "$r"/hard-2
	mkdir "$r/opaque" "$r/replaced-by-folder"
	echo 'layer 2: new' >"$r/opaque/new"
	echo 'layer 2' >"$r/replaced-by-folder/x"
	echo 'layer 2' >"$r/replaced-by-file"
	ln -s kept "$r/replaced-by-link"
	echo 'layer 2' >>"$r/changed"
	chmod 750 "$r/kept/sub"
}

layer_3() {
	local r=$1
	echo 'layer 3: back again' >"$r/returned"
	mkdir "$r/gone"
	echo 'layer 3' >"$r/gone/new"
	rm "$r/opaque/new"
	ln "$r/returned" "$r/kept/returned"
}

layers_buildah() {
	local c image=scratch n
	for n in 1 2 3; do
		c=$(buildah from "$image")
		layer_$n "$(buildah mount "$c")"
		set_times "$(buildah mount "$c")" $n
		[ $n != 3 ] || python3 "$lab_here/tree.py" "$(buildah mount "$c")" >"$images/layers-buildah.tree"
		buildah umount "$c"
		image=localhost/layers:$n
		buildah config --cmd /bin/sh "$c"
		buildah commit -q --rm "$c" "$image"
	done
	buildah push -q "$image" "oci-archive:$1:localhost/layers:latest"
}

layers_umoci() {
	local layout=$work/layout-layers bundle=$work/bundle-layers n
	rm -rf "$layout" "$bundle"
	umoci init --layout "$layout"
	umoci new --image "$layout:latest"
	umoci unpack --image "$layout:latest" "$bundle"
	for n in 1 2 3; do
		layer_$n "$bundle/rootfs"
		set_times "$bundle/rootfs" $n
		umoci repack --refresh-bundle --image "$layout:latest" "$bundle"
	done
	python3 "$lab_here/tree.py" "$bundle/rootfs" >"$images/layers-umoci.tree"
	umoci config --image "$layout:latest" --config.cmd /bin/sh
	umoci gc --layout "$layout"
	tar -C "$layout" -cf "$1" .
}

cmd_inside() {
	[ -n "${CORTEN_IN_LAB:-}" ] || die "only within the lab: use '$0 make'"
	mkdir -p $work
	make_all
}

make_all() {
	local name tag
	row FILE REFERENCE FORMAT TOOL
	for name in docker podman; do
		! has_tool $name || "$lab_here/engine.sh" start $name
	done
	eval "$("$lab_here/engine.sh" env)"
	make_busybox_root
	if [ ! -e "$images/debian-docker.tar" ] || [ ! -e "$images/debian-buildah.tar" ] ||
		[ ! -e "$images/debian-umoci.tar" ]; then make_debian_root; fi
	cp $work/busybox.tar "$images/busybox-root.tar"
	for name in busybox debian; do
		tag=latest
		[ $name = busybox ] || tag=bookworm
		images_of $name $tag
	done
	once busybox-two-tags.tar 'busybox:latest busybox:again' docker-archive "docker save" docker_archive_of_two
	once busybox-zstd.tar docker.io/library/busybox:zstd oci-archive "skopeo copy, zstd layers" \
		skopeo_zstd "$(any_of busybox)" docker.io/library/busybox:zstd
	once layers-buildah.tar localhost/layers:latest oci-archive "buildah commit, push" layers_buildah
	once layers-umoci.tar latest oci-layout-tar "umoci repack" layers_umoci
	row layers-buildah.tree - listing "tree.py on the root before the last commit"
	row layers-umoci.tree - listing "tree.py on the root before the last repack"
	row busybox-root.tar - root "tar"
	mv $work/MANIFEST.tsv "$images/MANIFEST.tsv.part"
	mv "$images/MANIFEST.tsv.part" "$images/MANIFEST.tsv"
	"$lab_here/engine.sh" stop
}

# any_of NAME: where skopeo copies from, docker's where there is docker.
any_of() {
	if [ -e "$images/$1-docker.tar" ]; then
		echo "docker-archive:$images/$1-docker.tar"
	else
		echo "oci-archive:$images/$1-buildah.tar"
	fi
}

# images_of NAME TAG: the same root by every tool.
images_of() {
	local n=$1 ref=$1:$2 full=docker.io/library/$1:$2 from
	once "$n-docker.tar" "$ref" docker-archive "docker import, save" docker_archive "$n" "$ref"
	once "$n-buildah.tar" "localhost/$ref" oci-archive "buildah commit, push" buildah_archive "$n" "localhost/$ref"
	from=$(any_of "$n")
	once "$n-skopeo-docker.tar" "$full" docker-archive "skopeo copy" skopeo_copy "$from" docker-archive "$full"
	once "$n-oci.tar" "$full" oci-archive "skopeo copy" skopeo_copy "$from" oci-archive "$full"
	# Nobody needs the large one of podman but in the lab.
	[ "$n" = debian ] && [ "$images" != /lab/images ] ||
		once "$n-podman.tar" "$full" docker-archive "podman save" \
			podman_archive "$images/$n-skopeo-docker.tar" "$full"
	once "$n-umoci.tar" latest oci-layout-tar "umoci repack" umoci_archive "$n"
}

verb=${1:-} arg=${2:-}
case $verb in
make|list|inside|here) "cmd_$verb" ;;
here-inside) cmd_here_inside ;;
path) printf '%s\n' "$lab_images/$arg" ;;
clean) need_root; rm -rf --one-file-system "$lab_images" "$lab_dir/bookworm" ;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
