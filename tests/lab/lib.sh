# shellcheck shell=bash disable=SC2034 # variables are used by those who source this
# What the lab's scripts share: where things lie, the mirror, cgroups of an entry, debootstrap in namespaces.
# Sourced by bash, never executed. Nothing here changes a mount of the host: every mount is made in a
# private mount namespace, which ends with its last process.

lab_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab_repo=$(cd "$lab_here/../.." && pwd)
lab_dir=${CORTEN_LAB:-/var/cache/corten-lab}
lab_tree=$lab_dir/sid
lab_images=$lab_dir/images

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

need_root() { [ "$(id -u)" = 0 ] || die "needs root: try sudo $0"; }

# need_programs NAME...: names every missing program at once, then fails.
need_programs() {
	local missing=() p
	for p; do command -v "$p" >/dev/null || missing+=("$p"); done
	[ ${#missing[@]} = 0 ] || die "missing on this machine: ${missing[*]} (apt-get install ${missing[*]})"
}

# The mirror is the one apt uses on this machine; CORTEN_LAB_MIRROR overrides it.
lab_mirror() {
	if [ -n "${CORTEN_LAB_MIRROR:-}" ]; then printf '%s\n' "$CORTEN_LAB_MIRROR"; return; fi
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
		awk '$1 ~ /\/debian\/?$/ && $2 !~ /security|updates|backports/ { print $1; exit }'
}

# debootstrap speaks to the mirror with wget, which knows nothing of apt's proxy.
lab_export_proxy() {
	local proxy=''
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then export http_proxy=$proxy; fi
}

# lab_debootstrap SUITE TARGET: a minimal tree, all or nothing. A killed run leaves only TARGET.part, which
# the next run throws away; the packages it had fetched are kept and not fetched again.
lab_debootstrap() {
	local suite=$1 target=$2 mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	need_programs debootstrap unshare
	mirror=$(lab_mirror)
	[ -n "$mirror" ] || die "no Debian mirror in apt's sources: set CORTEN_LAB_MIRROR"
	lab_export_proxy
	mkdir -p "$lab_dir/debs/$suite"
	rm -rf --one-file-system "$target.part"
	say "debootstrap $suite into $target"
	# Whatever ends this shell ends debootstrap; the lock in fd 9 is held until its last process is gone.
	setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child --mount-proc -- \
		debootstrap --variant=minbase --keyring="$keyring" --cache-dir="$lab_dir/debs/$suite" \
		"$suite" "$target.part" "$mirror" || die "debootstrap $suite failed: $target.part/debootstrap/debootstrap.log"
	mv "$target.part" "$target"
}

# cgroup_dirs: for each hierarchy of this process, one a line: "<controllers or unified> <own folder> <root folder>".
cgroup_dirs() {
	awk '
		FILENAME == "/proc/self/mountinfo" {
			for (i = 7; $i != "-"; i++) ;
			if ($(i + 1) == "cgroup2") at["unified"] = $5
			if ($(i + 1) != "cgroup") next
			n = split($(i + 3), o, ",")
			for (j = 1; j <= n; j++) at[o[j]] = $5
			next
		}
		{
			match($0, /^[0-9]+:[^:]*:/)
			path = substr($0, RLENGTH + 1)
			split($0, f, ":")
			key = f[2] == "" ? "unified" : f[2]
			first = key; sub(/,.*/, "", first)
			if (first in at) print key, at[first] (path == "/" ? "" : path), at[first]
		}' /proc/self/mountinfo /proc/self/cgroup
}

# cgroup_make NAME: one group below the caller's own in each hierarchy, so that the caller's limits still hold.
cgroup_make() {
	local key dir f
	while read -r key dir _; do
		mkdir "$dir/$1" || return
		case ,$key, in *,cpuset,*)
			for f in cpuset.cpus cpuset.mems; do cat "$dir/$f" >"$dir/$1/$f"; done ;;
		esac
	done < <(cgroup_dirs)
}

# cgroup_join NAME PID
cgroup_join() {
	local key dir
	while read -r key dir _; do echo "$2" >"$dir/$1/cgroup.procs" || return; done < <(cgroup_dirs)
}

# cgroup_find NAME: the groups of that name beside the caller's own groups and at the roots, and all below, deepest first.
cgroup_find() {
	local dirs
	mapfile -t dirs < <(cgroup_dirs | awk -v n="$1" '{ print $2 "/" n; print $3 "/" n }' | sort -u)
	find "${dirs[@]}" -depth -type d 2>/dev/null || true
}

# cgroup_remove_empty NAME: removes what can be removed: others may have containers in groups that a peer names.
cgroup_remove_empty() { cgroup_find "$1" | xargs -r rmdir 2>/dev/null || true; }

# cgroup_remove NAME: removes all of it. Its processes are dead but may take a moment to go, frozen ones for ever.
cgroup_remove() {
	local tries dir
	while read -r dir; do
		[ ! -e "$dir/freezer.state" ] || echo THAWED >"$dir/freezer.state"
		[ ! -e "$dir/cgroup.freeze" ] || echo 0 >"$dir/cgroup.freeze"
	done < <(cgroup_find "$1")
	for tries in $(seq 100); do
		cgroup_remove_empty "$1"
		[ -n "$(cgroup_find "$1")" ] || return 0
		sleep 0.05
	done
	say "cgroup '$1' is still busy"
	return 1
}

# write_containers_conf FILE: podman would raise these limits above what a machine without CAP_SYS_RESOURCE grants.
write_containers_conf() {
	cat >"$1" <<-CONF
	[containers]
	default_ulimits = ["nofile=$(ulimit -Sn):$(ulimit -Hn)", "nproc=$(ulimit -Su):$(ulimit -Hu)"]
	[engine]
	cgroup_manager = "cgroupfs"
	events_logger = "file"
	CONF
}
