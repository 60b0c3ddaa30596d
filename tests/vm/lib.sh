# Sourced by boot.sh and systemd.sh, which set $here and $work: the guest's root is $work/root, by hostfs.

# copy PROGRAM: the program and what it links, at their own places below the guest's root.
copy() {
	local file
	for file in "$1" $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
		[ -e "$work/root$(realpath -s "$file")" ] || install -D "$file" "$work/root$(realpath -s "$file")"
	done
}

# bundle NAME GROUP JQ-EXPRESSION WORDS...: a bundle with that cgroupsPath, the given changes and command.
bundle() {
	local name=$1 group=$2 change=$3
	shift 3
	mkdir -p "$work/root/bundles/$name"
	jq --arg group "$group" '.root.path = "/run/rootfs" | .process.args = $ARGS.positional
		| .linux.cgroupsPath = $group | .linux.namespaces += [{type: "cgroup"}]
		| .linux.resources.devices += [{allow: true, type: "c", major: 1, minor: 5, access: "rwm"}]
		| '"$change" --args -- "$@" <"$here/../oci/config.json" >"$work/root/bundles/$name/config.json"
}

# The guest's busybox, the runtime under test with what it links, the scripts.
fill_root() {
	local name
	mkdir -p "$work"/{results,uml} "$work"/root/{bin,dev,proc,sys,run,tmp,results}
	for name in $(busybox --list); do
		ln -s busybox "$work/root/bin/$name"
	done
	install "$(command -v busybox)" "$work/root/bin/busybox"
	install -D "$(readlink -f "$(command -v "$RUNTIME")")" "$work/root/runtime"
	copy "$(readlink -f "$(command -v "$RUNTIME")")"
	install "$here/guest.sh" "$work/root/"
}

# boot MEMORY WORDS...: the guest, with these words for its kernel, until it powers off.
boot() {
	local memory=$1
	shift
	TMPDIR=$work timeout --kill-after=5 "${VM_SECONDS:-90}" linux.uml mem="$memory" rootfstype=hostfs \
		rootflags="$work/root" rw uml_dir="$work/uml" con=null con0=fd:0,fd:1 quiet panic=1 selinux=0 "$@" \
		</dev/null >"$work/console.log" 2>&1 || true
	rmdir "$work/results"
	mv "$work/root/results" "$work/results"
}
