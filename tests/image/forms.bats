# Images as local files: what is made here is read by tools that are not ours, and what a container has changed is what its
# image has.

bats_require_minimum_version 1.5.0
load ../inventory/instance

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

setup() {
	instance_setup
	command -v busybox >/dev/null || skip "busybox is not installed"
	make_root
	# None of the peers may touch the machine's own stores.
	export TMPDIR=$INSTANCE/tmp CONTAINERS_STORAGE_CONF=$INSTANCE/storage.conf
	mkdir -p "$TMPDIR"
	printf '[storage]\ndriver="vfs"\ngraphroot="%s"\nrunroot="%s"\n' \
		"$INSTANCE/graph" "$INSTANCE/run" >"$CONTAINERS_STORAGE_CONF"
}

teardown() {
	umount "$INSTANCE/mnt" 2>/dev/null || true
	instance_teardown
}

need() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

# An inode whose other names are gone or hidden is a file like any other.
tree() {
	"$PYTHON" "$BATS_TEST_DIRNAME/../lab/tree.py" "$1" |
		awk -F'\t' -v OFS='\t' '{ line[NR] = $0; group[NR] = $8; n[$8]++ }
			END { for (i = 1; i <= NR; i++) { $0 = line[i]; if (n[group[i]] == 1) $8 = "-"; print } }'
}

# Without what was made to mount upon.
made() { grep -Ev '^(dev|proc|sys|etc/hosts|etc/hostname|etc/resolv.conf)[[:space:]]' "$1"; }

# A root with links, xattrs and something to remove, as root.tar; GNU tar made it.
make_root() {
	local r=$INSTANCE/root applet
	mkdir -p "$r"/{bin,etc,tmp,dir/sub,gone,keep}
	cp "$(command -v busybox)" "$r/bin/busybox"
	for applet in sh ls cat touch rm mkdir ln mknod chmod chown mv mkfifo sleep test echo; do
		ln -s busybox "$r/bin/$applet"
	done
	echo root:x:0:0:root:/root:/bin/sh >"$r/etc/passwd"
	echo one >"$r/dir/one"
	ln "$r/dir/one" "$r/dir/hard"
	echo two >"$r/dir/sub/two"
	echo g >"$r/gone/g"
	chmod 1777 "$r/tmp"
	chown 3:4 "$r/keep"
	touch -d @1000000000 "$r/dir/one" "$r/dir/sub/two"
	touch -d @1000000000.5 "$r/keep"
	"$PYTHON" - "$r" <<-'PY'
		import os, sys
		r = sys.argv[1]
		os.setxattr(r + "/dir/one", "user.a", b"b\n\0c")
		os.setxattr(r + "/keep", "trusted.t", b"v")
		os.setxattr(r + "/bin/busybox", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
	PY
	tar -C "$r" --xattrs --xattrs-include='*' --numeric-owner -cf "$INSTANCE/root.tar" .
}

import_root() {
	"$CORTEN" import "$@" --change 'CMD ["sh"]' "$INSTANCE/root.tar" base:1
}

# Changes of every kind, in a container that is called `box`.
change_box() {
	"$CORTEN" run --name box base:1 sh -c '
		rm /dir/one
		rm -r /gone; mkdir /gone; echo new >/gone/new
		rm -r /dir/sub; mkdir /dir/sub; echo x >/dir/sub/x
		rm -r /keep; echo file >/keep
		echo h >/h1; ln /h1 /h2; ln -s /nowhere /sl; mkfifo /ff; mknod /nn c 1 3; mknod /bb b 7 200
		chmod 700 /tmp; touch "/odd \$name"; chown 70000:3000000 /h1; chmod 4711 /h1
		mkdir -p /a/b; i=0; n=; while [ $i -lt 24 ]; do n=0123456789$n; i=$((i + 1)); done
		echo long >/a/b/$n; mkdir /a/$n; echo deep >/a/$n/$n; ln -s /$n$n /a/link; ln /a/b/$n /a/b/same
		touch /etc/t; rm /etc/t
		echo hidden >/a/.hidden'
}

# The container's root as a mount of its snapshot shows it.
box_tree() {
	local upper lower
	mkdir -p "$INSTANCE/mnt"
	upper=$(ls -d "$CORTEN_ROOT"/snapshots/*/fs | sort -V | tail -1)
	lower=$(ls -d "$CORTEN_ROOT"/snapshots/*/fs | sort -V | head -1)
	mount -t overlay overlay -o "ro,lowerdir=$upper:$lower" "$INSTANCE/mnt"
	tree "$INSTANCE/mnt"
	umount "$INSTANCE/mnt"
}

# The tree that umoci unpacks of an archive.
umoci_tree() { # ARCHIVE
	rm -rf "$INSTANCE/oci" "$INSTANCE/bundle"
	skopeo copy -q "oci-archive:$1" "oci:$INSTANCE/oci:x"
	umoci unpack --image "$INSTANCE/oci:x" "$INSTANCE/bundle" >&2
	tree "$INSTANCE/bundle/rootfs"
}

@test "import: plain, gzip, zstd and a pipe give one layer, which is what GNU tar made" {
	need umoci
	local id
	import_root
	gzip -k "$INSTANCE/root.tar"
	zstd -q "$INSTANCE/root.tar"
	"$CORTEN" import "$INSTANCE/root.tar.gz" base:gz
	"$CORTEN" import "$INSTANCE/root.tar.zst" base:zst
	"$CORTEN" import - base:pipe <"$INSTANCE/root.tar"
	"$CORTEN" import --compression zstd - base:z <"$INSTANCE/root.tar"
	"$CORTEN" import --compression none - base:plain <"$INSTANCE/root.tar"
	[ "$("$CORTEN" inspect -f '{{json .RootFS.Layers}}' base:1 base:gz base:zst base:pipe base:z base:plain | sort -u)" = \
		"[\"sha256:$(sha256sum <"$INSTANCE/root.tar" | cut -d' ' -f1)\"]" ]
	[ "$(ls -d "$CORTEN_ROOT"/snapshots/*/fs | wc -l)" = 1 ]
	diff <(tree "$INSTANCE/root") <(tree "$(ls -d "$CORTEN_ROOT"/snapshots/*/fs)")
	[ "$("$CORTEN" run --rm base:z cat /dir/one)" = one ]
}

@test "import: settings, platform, refusals" {
	run -0 "$CORTEN" import --change 'ENV A=1 B="x y"' --change 'LABEL k=v' --change 'EXPOSE 80 53/udp' \
		--change 'ENTRYPOINT ["/bin/sh", "-c"]' --change 'CMD echo $0' --change 'WORKDIR /a' --change 'WORKDIR b' \
		--change 'VOLUME /v /w' --change 'USER 5' --change 'STOPSIGNAL SIGINT' --platform linux/arm64 \
		--change 'ONBUILD RUN x' --change 'HEALTHCHECK --interval=5s --retries=3 CMD true' \
		"$INSTANCE/root.tar" set:1
	[[ $output == sha256:* ]]
	"$CORTEN" save -o "$INSTANCE/set.tar" set:1
	run -0 tar -xOf "$INSTANCE/set.tar" "blobs/sha256/${output#sha256:}"
	jq -e '.architecture == "arm64" and .config.Env == ["A=1", "B=x y"] and .config.Labels == {"k": "v"}
		and .config.ExposedPorts == {"80/tcp": {}, "53/udp": {}} and .config.Entrypoint == ["/bin/sh", "-c"]
		and .config.Cmd == ["/bin/sh", "-c", "echo $0"] and .config.WorkingDir == "/a/b"
		and .config.Volumes == {"/v": {}, "/w": {}} and .config.User == "5" and .config.StopSignal == "SIGINT"
		and .config.OnBuild == ["RUN x"] and .config.Healthcheck.Test == ["CMD-SHELL", "true"]
		and .config.Healthcheck.Interval == 5000000000 and .config.Healthcheck.Retries == 3' <<<"$output"
	run -1 "$CORTEN" import --change 'RUN x' "$INSTANCE/root.tar"
	[[ $output == *"RUN is not a valid change command"* ]]
	run -1 "$CORTEN" import "$INSTANCE/root/etc/passwd"
	[[ $output == *"damaged"* ]]
	xz -k "$INSTANCE/root.tar" 2>/dev/null || skip "xz is not installed"
	run -1 "$CORTEN" import "$INSTANCE/root.tar.xz"
	[[ $output == *"archives in xz are not supported"* ]]
	[ "$("$CORTEN" images -q | wc -l)" = 1 ]
}

@test "commit: another tool unpacks what the container has" {
	need umoci
	need skopeo
	import_root
	change_box
	run -0 "$CORTEN" commit -a me -m words -c 'ENV X=y' box box:1
	[[ $output == sha256:* ]]
	"$CORTEN" save -o "$INSTANCE/box.tar" box:1
	box_tree >"$INSTANCE/box.tree"
	diff <(made "$INSTANCE/box.tree") <(umoci_tree "$INSTANCE/box.tar")
	run -0 jq -r '.author, .history[-1].comment, .history[-1].author, .config.Env[-1], (.config.Env | length)' \
		"$INSTANCE/oci/blobs/sha256/${output#sha256:}"
	[ "$output" = "$(printf 'me\nwords\nme\nX=y\n1')" ]
	"$CORTEN" rm box
	[ "$("$CORTEN" run --rm box:1 sh -c 'cat /gone/* /dir/sub/* /keep; test -e /dir/one || echo gone')" = \
		"$(printf 'new\nx\nfile\ngone')" ]
}

@test "commit: the unpacked layer is the container's folder" {
	import_root
	change_box
	box_tree >"$INSTANCE/box.tree"
	"$CORTEN" commit --compression zstd box box:1
	"$CORTEN" run --rm box:1 echo unpacked
	"$CORTEN" rm box
	diff <(made "$INSTANCE/box.tree") <(box_tree)
}

@test "commit: whiteouts are as umoci makes them" {
	need umoci
	import_root
	change_box
	"$CORTEN" commit box box:1
	"$CORTEN" save -o "$INSTANCE/box.tar" box:1
	local layer
	layer=$(tar -xOf "$INSTANCE/box.tar" manifest.json | jq -r '.[0].Layers[-1]')
	tar -xOf "$INSTANCE/box.tar" "$layer" | tar -tzvf - --numeric-owner >"$INSTANCE/ours"
	# A whiteout stands before what is beside it, has no mode, no size and no time.
	grep -q '^---------- 0/0 *0 1970-01-01 00:00 dir/.wh.one$' "$INSTANCE/ours"
	grep -q ' gone/.wh..wh..opq$' "$INSTANCE/ours"
	[ "$(sed -n 's/.* \(gone.*\)/\1/p' "$INSTANCE/ours" | paste -sd' ')" = "gone/ gone/.wh..wh..opq gone/new" ]
	# The same names, by a tool that compares two trees: an opaque folder is one whiteout each there, and a name less
	# changes its inode's other one.
	"$CORTEN" save -o "$INSTANCE/base.tar" base:1
	umoci_tree "$INSTANCE/base.tar" >/dev/null
	mkdir -p "$INSTANCE/mnt"
	mount -t overlay overlay -o "ro,lowerdir=$(ls -d "$CORTEN_ROOT"/snapshots/*/fs | sort -rV | paste -sd:)" "$INSTANCE/mnt"
	rm -rf "$INSTANCE/bundle/rootfs"
	cp -a "$INSTANCE/mnt" "$INSTANCE/bundle/rootfs"
	umount "$INSTANCE/mnt"
	umoci repack --image "$INSTANCE/oci:y" "$INSTANCE/bundle"
	layer=$(jq -r '.layers[-1].digest' "$INSTANCE/oci/blobs/sha256/$(
		jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "y").digest' "$INSTANCE/oci/index.json" |
			cut -d: -f2)")
	tar -tzf "$INSTANCE/oci/blobs/sha256/${layer#sha256:}" | sort >"$INSTANCE/theirs"
	diff <(sed 's/^[^ ]* *[^ ]* *[^ ]* [^ ]* [^ ]* //; s/ -> .*//; s/ link to .*//; s,gone/.wh..wh..opq,gone/.wh.g,; s,dir/sub/.wh..wh..opq,dir/sub/.wh.two,' \
		"$INSTANCE/ours" | grep -v '/$' | sort) \
		<(grep -Evx '\.|.*/|etc/(hosts|hostname|resolv.conf)|dir/hard' "$INSTANCE/theirs" | sort)
}

@test "commit: the same container gives the same image" {
	import_root
	change_box
	export SOURCE_DATE_EPOCH=1700000000
	run -0 "$CORTEN" commit box a:1
	local first=$output
	run -0 "$CORTEN" commit box b:1
	[ "$output" = "$first" ]
	[ "$("$CORTEN" inspect -f '{{.Created}}' a:1)" = 2023-11-14T22:13:20.000000000Z ]
}

@test "commit: a running container is paused, unless it is not" {
	import_root
	"$CORTEN" run -d --name box base:1 sh -c 'i=0; while :; do echo $i >/t; mv /t /n; i=$((i + 1)); done'
	until "$CORTEN" exec box test -s /n; do :; done
	"$CORTEN" commit box a:1
	"$CORTEN" commit --no-pause box b:1
	[ "$("$CORTEN" ps --format '{{.State}}')" = running ]
	"$CORTEN" run --rm a:1 test -s /n
	"$CORTEN" rm -f box
}

@test "commit: a name that means a whiteout is refused, nothing stays" {
	import_root
	"$CORTEN" run --name box base:1 touch /tmp/.wh.x
	local before
	before=$(find "$CORTEN_ROOT" -type f ! -name 'store.db*' | sort)
	run -1 "$CORTEN" commit box box:1
	[[ $output == *"'/tmp/.wh.x': names that begin with '.wh.'"* ]]
	[ "$(find "$CORTEN_ROOT" -type f ! -name 'store.db*' | sort)" = "$before" ]
	"$CORTEN" export box | tar -t | grep -qx tmp/.wh.x
}

@test "diff: docker's letters" {
	import_root
	change_box
	run -0 "$CORTEN" diff box
	diff - <(grep -v /0123 <<<"$output") <<-'LIST'
		A /a
		A /a/.hidden
		A /a/b
		A /a/b/same
		A /a/link
		A /bb
		C /dir
		D /dir/one
		C /dir/sub
		D /dir/sub/two
		A /dir/sub/x
		A /ff
		C /gone
		D /gone/g
		A /gone/new
		A /h1
		A /h2
		C /keep
		A /nn
		A /odd $name
		A /sl
		C /tmp
	LIST
	"$CORTEN" create --name idle base:1
	[ -z "$("$CORTEN" diff idle)" ]
}

@test "export: GNU tar unpacks the container's root" {
	import_root
	change_box
	box_tree >"$INSTANCE/box.tree"
	mkdir "$INSTANCE/out"
	"$CORTEN" export box | tar -C "$INSTANCE/out" --xattrs --xattrs-include='*' --numeric-owner -xpf -
	diff "$INSTANCE/box.tree" <(tree "$INSTANCE/out")
	"$CORTEN" export -o "$INSTANCE/e.tar" box
	"$CORTEN" export box | cmp - "$INSTANCE/e.tar"
	run -1 "$CORTEN" export -o "$INSTANCE/none" nobody
	[ ! -e "$INSTANCE/none" ]
	# To a terminal: docker's words.
	run -1 script -qec "'$CORTEN' export box" /dev/null
	[[ $output == *"cowardly refusing to save to a terminal"* ]]
}

@test "save: skopeo, buildah and podman read it, several images and names" {
	need skopeo
	import_root
	change_box
	"$CORTEN" commit box box:1
	"$CORTEN" tag box:1 box:two
	"$CORTEN" tag base:1 host.example/a/b:c
	"$CORTEN" save box:1 box:two host.example/a/b:c >"$INSTANCE/all.tar"
	tar -xOf "$INSTANCE/all.tar" manifest.json | jq -e 'map(.RepoTags) == [["box:1", "box:two"], ["host.example/a/b:c"]]'
	skopeo copy -q "docker-archive:$INSTANCE/all.tar:box:two" "dir:$INSTANCE/d1"
	skopeo copy -q "docker-archive:$INSTANCE/all.tar:host.example/a/b:c" "dir:$INSTANCE/d2"
	"$CORTEN" save -o "$INSTANCE/one.tar" box:1
	skopeo copy -q "oci-archive:$INSTANCE/one.tar" "oci:$INSTANCE/o:x"
	# The manifest is the one that is stored, byte for byte.
	[ "$(jq -r '.manifests[0].digest' "$INSTANCE/o/index.json")" = \
		"$("$CORTEN" inspect -f '{{.Descriptor.digest}}' box:1)" ]
	if command -v podman >/dev/null; then
		podman load -q -i "$INSTANCE/all.tar"
		[ "$(podman images -q --no-trunc box:1)" = "$("$CORTEN" images -q --no-trunc box:1)" ]
		podman rmi -af
	fi
	if command -v buildah >/dev/null; then
		local w
		w=$(buildah from "oci-archive:$INSTANCE/one.tar")
		box_tree >"$INSTANCE/box.tree"
		diff <(made "$INSTANCE/box.tree") <(tree "$(buildah mount "$w")")
		buildah rm -a
		buildah rmi -a
	fi
}

@test "save and load: what comes back is what went" {
	import_root
	change_box
	"$CORTEN" commit box box:1
	"$CORTEN" save -o "$INSTANCE/box.tar" box:1 base:1
	"$CORTEN" inspect box:1 base:1 >"$INSTANCE/inspected"
	"$CORTEN" rm box
	"$CORTEN" rmi box:1 base:1
	run -0 "$CORTEN" load -i "$INSTANCE/box.tar"
	[ "$(sort <<<"$output")" = "$(printf 'Loaded image: base:1\nLoaded image: box:1')" ]
	diff "$INSTANCE/inspected" <("$CORTEN" inspect box:1 base:1)
	# By id it has no name, and is the same image.
	"$CORTEN" save -o "$INSTANCE/id.tar" "$("$CORTEN" images -q box:1)"
	"$CORTEN" rmi -f box:1 base:1
	run -0 "$CORTEN" load -i "$INSTANCE/id.tar"
	[[ $output == "Loaded image ID: sha256:"* ]]
	# Such an image gets a name, or is saved again.
	"$CORTEN" tag "${output##*sha256:}" again:1
	"$CORTEN" save again:1 | cmp -s - "$INSTANCE/id.tar" && false
	[ "$("$CORTEN" run --rm again:1 cat /keep)" = file ]
}

@test "load: a layout folder, made by skopeo and by umoci" {
	need umoci
	import_root
	change_box
	"$CORTEN" commit box box:1
	"$CORTEN" save -o "$INSTANCE/box.tar" box:1
	umoci_tree "$INSTANCE/box.tar" >"$INSTANCE/box.tree"
	"$CORTEN" rm box
	"$CORTEN" rmi box:1
	skopeo copy -q "oci:$INSTANCE/oci:x" "oci:$INSTANCE/named:host.example/box:7"
	run -0 "$CORTEN" load -i "$INSTANCE/named"
	[ "$output" = "Loaded image: host.example/box:7" ]
	[ "$("$CORTEN" run --rm host.example/box:7 cat /keep)" = file ]
	run -1 "$CORTEN" load -i "$INSTANCE/root"
	[[ $output == *"this is not an image folder"* ]]
	# A blob that is not what its name says, and one that is missing.
	local blob
	blob=$(find "$INSTANCE/named/blobs" -type f -size +100k)
	echo more >>"$blob"
	run -1 "$CORTEN" load -i "$INSTANCE/named"
	[[ $output == *"its digest is"* ]]
	rm "$blob"
	run -1 "$CORTEN" load -i "$INSTANCE/named"
	[[ $output == *"is not in the archive"* ]]
}

@test "tag: the image that comes with the program, before a run loaded it" {
	run -0 "$CORTEN" tag corten/hello greeting
	[ "$("$CORTEN" images --format '{{.Repository}}' | sort | xargs)" = "corten/hello greeting" ]
	run -1 "$CORTEN" tag nosuch greeting
	[[ $output == *"No such image: nosuch"* ]]
}

@test "tag: another name, by name and by id" {
	import_root
	"$CORTEN" tag base:1 other
	"$CORTEN" tag "$("$CORTEN" images -q base:1)" third:x
	[ "$("$CORTEN" images -q | sort -u | wc -l)" = 1 ]
	"$CORTEN" rmi base:1 other
	[ "$("$CORTEN" run --rm third:x cat /dir/one)" = one ]
	run -1 "$CORTEN" tag nobody x
	[[ $output == *"No such image: nobody"* ]]
	run -1 "$CORTEN" tag third:x Upper
	[[ $output == *"must be lowercase"* ]]
}

@test "history: every step, as docker shows it" {
	import_root -m first
	"$CORTEN" run --name box base:1 touch /new
	"$CORTEN" commit -m second box box:1
	run -0 "$CORTEN" history --format '{{.ID}}|{{.CreatedBy}}|{{.Comment}}' box:1
	[ "$output" = "$(printf '%s|touch /new|second\n<missing>||first' "$("$CORTEN" images -q box:1)")" ]
	run -0 "$CORTEN" history -q --no-trunc box:1
	[ "$output" = "$(printf '%s\n<missing>' "$("$CORTEN" images -q --no-trunc box:1)")" ]
	run -0 "$CORTEN" history base:1
	[[ ${lines[0]} == "IMAGE "*"CREATED "*"CREATED BY "*"SIZE "*"COMMENT" ]]
	[[ ${lines[1]} == *"Less than a second ago"* || ${lines[1]} == *" second"*" ago"* ]]
	run -0 "$CORTEN" history --human=false --format '{{.Size}}' base:1
	[ "$output" -gt 100000 ]
	run -1 "$CORTEN" history nobody
}

@test "images: filters" {
	import_root -c 'LABEL a=1'
	SOURCE_DATE_EPOCH=1000000000 "$CORTEN" import -c 'LABEL a=2' -c 'LABEL b=x' "$INSTANCE/root.tar" host.example/old/one:1
	"$CORTEN" import -m nameless "$INSTANCE/root.tar"
	filtered() { "$CORTEN" images --format '{{.Repository}}' "$@" | sort | paste -sd' '; }
	[ "$(filtered -f dangling=true)" = "<none>" ]
	[ "$(filtered -f dangling=false)" = "base host.example/old/one" ]
	[ "$(filtered -f label=a)" = "base host.example/old/one" ]
	[ "$(filtered -f label=a=2 -f label=b)" = host.example/old/one ]
	[ "$(filtered -f label=a=1 -f label=b)" = "" ]
	[ "$(filtered -f 'reference=ba*' -f 'reference=*/old/*:1')" = "base host.example/old/one" ]
	[ "$(filtered -f 'reference=*')" = base ]
	[ "$(filtered -f before=base:1)" = host.example/old/one ]
	[ "$(filtered -f since=host.example/old/one:1 -f dangling=false)" = base ]
	run -1 "$CORTEN" images -f what=x
	[[ $output == *"invalid filter 'what=x'"* ]]
	run -1 "$CORTEN" images -f before=nobody
	"$CORTEN" rmi --no-prune base:1
}

@test "image unpack: the folder is what the layers have, and a bundle that runs" {
	need umoci
	import_root
	change_box
	"$CORTEN" commit box box:1
	"$CORTEN" save -o "$INSTANCE/box.tar" box:1
	"$CORTEN" image unpack box:1 "$INSTANCE/work"
	diff <(umoci_tree "$INSTANCE/box.tar") <(tree "$INSTANCE/work/rootfs")
	"$CORTEN" image unpack base:1 "$INSTANCE/base"
	# trusted xattrs, which umoci drops, and times to the nanosecond.
	diff <(tree "$INSTANCE/root") <(tree "$INSTANCE/base/rootfs")
	[ "$(stat -c %y "$INSTANCE/base/rootfs/keep")" = "$(stat -c %y "$INSTANCE/root/keep")" ]
	jq -e '.process.args[-1] == "sh" or (.process.args | length) > 0' "$INSTANCE/work/config.json"
	jq '.process.args = ["cat", "/keep"]' "$INSTANCE/work/config.json" >"$INSTANCE/c"
	mv "$INSTANCE/c" "$INSTANCE/work/config.json"
	run -0 "${RUNTIME:-$(dirname "$CORTEN")/corten-runtime}" --root "$INSTANCE/rt" run -b "$INSTANCE/work" bundle$$
	[ "$output" = file ]
	run -1 "$CORTEN" image unpack box:1 "$INSTANCE/work"
	[[ $output == *"is not empty"* ]]
}

@test "image repack: a layer of what changed, and nothing when nothing did" {
	import_root
	"$CORTEN" image unpack base:1 "$INSTANCE/work"
	"$CORTEN" image repack "$INSTANCE/work" same:1
	[ "$("$CORTEN" inspect -f '{{json .RootFS.Layers}}' base:1 same:1 | sort -u | wc -l)" = 1 ]
	local r=$INSTANCE/work/rootfs
	rm -r "$r/gone" "$r/dir/one"
	echo TWO >"$r/dir/sub/t" && touch -r "$r/dir/sub/two" "$r/dir/sub/t" && mv "$r/dir/sub/t" "$r/dir/sub/two"
	ln "$r/etc/passwd" "$r/etc/passwd.link"
	chmod 700 "$r/tmp"
	printf 'odd' >"$r/a b\\c#"$'\n'
	"$PYTHON" -c 'import os, sys; os.setxattr(sys.argv[1], "user.new", b"1")' "$r/bin/busybox"
	"$CORTEN" image repack -m words -c 'ENV A=b' "$INSTANCE/work" new:1
	[ "$("$CORTEN" history --format '{{.CreatedBy}}|{{.Comment}}' new:1 | head -1)" = "corten image repack|words" ]
	"$CORTEN" save new:1 >"$INSTANCE/new.tar"
	local layer
	layer=$(tar -xOf "$INSTANCE/new.tar" manifest.json | jq -r '.[0].Layers[-1]')
	diff - <(tar -xOf "$INSTANCE/new.tar" "$layer" | tar -tzf - | sort) <<-'LIST'
		.wh.gone
		a b\\c#\n
		bin/
		bin/busybox
		dir/
		dir/.wh.one
		dir/sub/
		dir/sub/two
		etc/
		etc/passwd
		etc/passwd.link
		tmp/
	LIST
	"$CORTEN" image unpack new:1 "$INSTANCE/again"
	diff <(tree "$r") <(tree "$INSTANCE/again/rootfs")
	# A listing that was changed by hand is read with care.
	sed -i 's,^./etc ,./../etc ,' "$INSTANCE/work/rootfs.mtree"
	run -1 "$CORTEN" image repack "$INSTANCE/work" bad:1
	[[ $output == *"is not of a listing"* ]]
	"$CORTEN" rmi base:1 same:1 new:1
	run -1 "$CORTEN" image repack "$INSTANCE/again" none:1
	[[ $output == *"is not in the store any more"* ]]
}
