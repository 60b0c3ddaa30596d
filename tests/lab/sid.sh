#!/bin/bash
# The lab: a Debian sid tree with the newest peers, entered with unshare and pivot_root. See README.md.
set -eu
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-TEXT
	usage: sid.sh make [--golang] [--criu] [--with PACKAGE] [--upgrade]
	                                          make the tree once, or go on where a killed make stopped
	       sid.sh run [OPTIONS] [--] CMD...   run a command in it, in namespaces of its own
	       sid.sh shell [OPTIONS]             the same with a shell
	       sid.sh versions | path | clean
	options of run and shell:
	  -b SRC[:DST[:ro]]   bind a file or folder of the host into the lab (the repository is at /corten, read only)
	  --net private|host  a network with a loopback only (the default), or the host's
	environment: CORTEN_LAB (the cache, $lab_dir), CORTEN_LAB_MIRROR (a Debian mirror)
	TEXT
}

peers='containerd runc crun docker.io docker-cli podman buildah skopeo umoci docker-registry busybox-static e2fsprogs isal'
# What the scripts need, and the libraries that Corten's dynamic programs are linked with.
tools='tini curl iproute2 nftables iptables procps python3 attr ca-certificates xz-utils zstd strace jq'
libraries='libcurl4t64 libssl3t64 libarchive13t64 libzstd1 libisal2 libsqlite3-0 libnghttp2-14 libprotobuf-c1
	libseccomp2 libsystemd0'

# Packages that a flag of an earlier make asked for stay wanted.
wanted_packages() {
	printf '%s\n' $peers $tools $libraries
	cat "$lab_dir/extra" 2>/dev/null || true
}

write_sources() {
	local mirror
	mirror=$(lab_mirror)
	printf 'deb %s sid main\n' "$mirror" >"$lab_tree/etc/apt/sources.list"
	# No service may start in the tree, documentation is not read there, and a lost tree is made again.
	printf '#!/bin/sh\nexit 101\n' >"$lab_tree/usr/sbin/policy-rc.d"
	chmod 755 "$lab_tree/usr/sbin/policy-rc.d"
	cat >"$lab_tree/etc/apt/apt.conf.d/90lab" <<-CONF
	APT::Install-Recommends "false";
	Acquire::Retries "5";
	Acquire::Languages "none";
	Acquire::Check-Valid-Until "false";
	Dpkg::Use-Pty "0";
	CONF
	printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/man/*' \
		'path-exclude=/usr/share/locale/*' >"$lab_tree/etc/dpkg/dpkg.cfg.d/90lab"
}

cmd_make() {
	local upgrade=no missing
	mkdir -p "$lab_dir"
	exec 9>"$lab_dir/make.lock"
	flock -n 9 || { say "another make is running, waiting for it"; flock 9; }
	while [ $# -gt 0 ]; do
		case $1 in
		--golang) printf 'golang\nlibc6-dev\n' >>"$lab_dir/extra" ;;
		--criu) echo criu >>"$lab_dir/extra" ;;
		--with) echo "${2:?--with needs a package}" >>"$lab_dir/extra"; shift ;;
		--upgrade) upgrade=yes ;;
		*) usage >&2; exit 2 ;;
		esac
		shift
	done
	if [ -f "$lab_dir/extra" ]; then sort -u -o "$lab_dir/extra" "$lab_dir/extra"; fi
	if [ $upgrade = no ] && [ "$(wanted_packages)" = "$(cat "$lab_tree/.lab-packages" 2>/dev/null)" ]; then
		say "$lab_tree is ready"
		return
	fi
	[ -d "$lab_tree" ] || lab_debootstrap sid "$lab_tree"
	rm -f "$lab_tree/.lab-packages"
	write_sources
	say "installing $(wanted_packages | wc -l) packages and what they depend on"
	# An interrupted dpkg is finished first.
	enter host '' /bin/sh -euc '
		export DEBIAN_FRONTEND=noninteractive
		dpkg --configure -a
		apt-get -q update
		apt-get -q -y --fix-broken install
		if [ "$1" = yes ]; then apt-get -q -y dist-upgrade; fi
		shift
		apt-get -q -y install "$@"
		apt-get -q clean' sh $upgrade $(wanted_packages)
	wanted_packages >"$lab_tree/.lab-packages"
	say "$lab_tree is ready"
}

# enter NET BINDS CMD...: runs the command in the tree and returns its exit code. A watcher, which lives until this
# shell is gone by whatever means, removes the entry's cgroups and folder; mounts go with the namespaces.
enter() {
	local net=$1 binds=$2 name=corten-lab-$BASHPID rc=0 child
	shift 2
	mkdir -p "$lab_dir/run/$name"
	sweep
	cgroup_make "$name" || die "cannot make the cgroups '$name'"
	local ns=(--mount --propagation private --pid --fork --kill-child --ipc --uts --cgroup)
	if [ "$net" = private ]; then ns+=(--net); fi
	exec 8> >(trap '' HUP INT TERM; exec >/dev/null 2>&1; cat; remove_entry "$name")
	local watcher=$!
	(
		exec 8>&-
		cgroup_join "$name" "$BASHPID"
		export lab_tree lab_scratch=$lab_dir/run/$name lab_binds=$binds
		exec env --default-signal=INT,QUIT setpriv --pdeathsig KILL \
			unshare "${ns[@]}" -- "$lab_here/enter.sh" "$@"
	) <&0 &
	child=$!
	# unshare blocks SIGTERM while it waits, so that the signal goes to the process below it.
	trap 'kill_below $child TERM' TERM HUP
	trap : INT
	while wait "$child" || rc=$?; kill -0 "$child" 2>/dev/null; do rc=0; done
	trap - TERM HUP INT
	exec 8>&-
	wait "$watcher" || true
	return $rc
}

kill_below() {
	local p
	for p in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do kill -"$2" "$p" 2>/dev/null || true; done
}

# remove_entry NAME: everything an entry leaves once its processes are gone.
remove_entry() {
	local key dir p
	read -r key dir _ < <(cgroup_dirs)
	for p in $(cat "$dir/$1/cgroup.procs" 2>/dev/null); do kill -KILL "$p" || true; done
	cgroup_remove "$1"
	rm -rf --one-file-system "${lab_dir:?}/run/$1"
}

# sweep: removes entries whose shell and watcher were both killed.
sweep() {
	local d pid
	for d in "$lab_dir"/run/corten-lab-*; do
		pid=${d##*-}
		if [ -d "$d" ] && [ ! -d "/proc/$pid" ]; then remove_entry "${d##*/}"; fi
	done
}

# add_bind SRC[:DST[:ro]]
add_bind() {
	local src dst mode
	IFS=: read -r src dst mode <<<"$1"
	src=$(readlink -e "$src") || die "no such file or folder '$1' to bind"
	binds+="$src|${dst:-$src}|$mode"$'\n'
}

cmd_run() {
	local net=private binds=''
	[ -f "$lab_tree/.lab-packages" ] || die "no tree in $lab_dir: run '$0 make' first"
	mkdir -p "$lab_images"
	add_bind "$lab_repo:/corten:ro"
	add_bind "$lab_images:/lab/images"
	while [ $# -gt 0 ]; do
		case $1 in
		-b) add_bind "$2"; shift 2 ;;
		--net) net=$2; shift 2 ;;
		--) shift; break ;;
		-*) usage >&2; exit 2 ;;
		*) break ;;
		esac
	done
	[ $# -gt 0 ] || set -- "${default_command[@]}"
	[ $# -gt 0 ] || { usage >&2; exit 2; }
	enter "$net" "$binds" "$@"
}

cmd_clean() {
	local d
	sweep
	for d in "$lab_dir"/run/corten-lab-*; do [ ! -d "$d" ] || die "the lab is in use by process ${d##*-}"; done
	rm -rf --one-file-system "${lab_dir:?}"/{sid,sid.part,bookworm,bookworm.part,debs,images,run,extra,make.lock}
	rmdir "$lab_dir" 2>/dev/null || true
}

cmd_versions() {
	[ -d "$lab_tree" ] || die "no tree in $lab_dir: run '$0 make' first"
	dpkg-query --admindir="$lab_tree/var/lib/dpkg" -W -f '${Package} ${Version}\n' \
		$(wanted_packages) conmon netavark libc6 2>/dev/null | column -t
}

default_command=()
verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
make|run|clean) need_root; "cmd_$verb" "$@" ;;
shell) need_root; default_command=(/bin/bash -i); cmd_run "$@" ;;
versions) cmd_versions ;;
path) printf '%s\n' "$lab_tree" ;;
-h|--help|help) usage ;;
*) usage >&2; exit 2 ;;
esac
