#!/bin/bash
# The way into the lab's tree: run by sid.sh as PID 1 of new namespaces. Mounts what a system needs, makes the
# tree the root by pivot_root and runs the command. Every mount lives and dies with this mount namespace.
# Environment from sid.sh: lab_tree, lab_scratch (this entry's own folder on the same file system), lab_binds.
set -eu
. "$(dirname "$0")/lib.sh"

mount_dev() {
	local d=$1 n
	mount -t tmpfs -o mode=755,nosuid dev "$d"
	for n in null zero full random urandom tty fuse kmsg; do
		if [ -c /dev/$n ]; then cp -a /dev/$n "$d/$n"; fi
	done
	mkdir -p "$d"/pts "$d"/shm "$d"/mqueue "$d"/net
	if [ -c /dev/net/tun ]; then cp -a /dev/net/tun "$d/net/tun"; else mknod "$d/net/tun" c 10 200; fi
	# A filesystem of its own for a measurement.
	for n in loop-control loop0 loop1 loop2 loop3 loop4 loop5 loop6 loop7; do
		if [ -e "/dev/$n" ]; then cp -a "/dev/$n" "$d/$n"; fi
	done
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$d/pts"
	mount -t tmpfs -o mode=1777,nosuid,nodev shm "$d/shm"
	mount -t mqueue mqueue "$d/mqueue"
	ln -s pts/ptmx "$d/ptmx"
	ln -s /proc/self/fd "$d/fd"
	ln -s /proc/self/fd/0 "$d/stdin"
	ln -s /proc/self/fd/1 "$d/stdout"
	ln -s /proc/self/fd/2 "$d/stderr"
}

# Shows the host's hierarchies from this entry's groups downward (it has its own cgroup namespace).
mount_cgroups() {
	local d=$1 id ctl path
	if ! grep -q -v '^0::' /proc/self/cgroup; then mount -t cgroup2 cgroup2 "$d"; return; fi
	mount -t tmpfs -o mode=755 cgroup "$d"
	while IFS=: read -r id ctl path; do
		case $ctl in
		'') mkdir "$d/unified"; mount -t cgroup2 cgroup2 "$d/unified" 2>/dev/null || rmdir "$d/unified" ;;
		name=*) mkdir "$d/${ctl#name=}"; mount -t cgroup -o none,"$ctl" cgroup "$d/${ctl#name=}" ;;
		*) mkdir "$d/$ctl"; mount -t cgroup -o "$ctl" cgroup "$d/$ctl" ;;
		esac
	done </proc/self/cgroup
	# crun refuses a v1 layout whose unified hierarchy has controllers; runc and the engines do not care.
	if [ -e "$d/unified/cgroup.controllers" ]; then
		: >"$d/.no-controllers"
		mount --bind "$d/.no-controllers" "$d/unified/cgroup.controllers"
	fi
	mount -o remount,ro "$d"
}

# State that engines keep at fixed places is this entry's own; it goes with the entry.
mount_state() {
	local p
	mount -t tmpfs -o mode=755,nosuid run run
	mkdir -p run/lock lab "$lab_scratch"/lab tmp
	mount --bind "$lab_scratch/lab" lab
	mount -t tmpfs -o mode=1777,nosuid tmp tmp
	for p in var/lib/containerd var/lib/docker var/lib/containers var/lib/cni var/lib/corten var/tmp; do
		mkdir -p "$p" "$lab_scratch/$p"
		mount --bind "$lab_scratch/$p" "$p"
	done
	chmod 1777 var/tmp
	write_containers_conf run/lab-containers.conf
}

mount_binds() {
	local src dst mode
	while IFS='|' read -r src dst mode; do
		[ -n "$src" ] || continue
		dst=./$dst
		if [ -d "$src" ]; then mkdir -p "$dst"; else mkdir -p "$(dirname "$dst")"; touch "$dst"; fi
		mount --bind "$src" "$dst"
		if [ "$mode" = ro ]; then mount -o remount,bind,ro "$dst"; fi
	done <<<"$lab_binds"
}

mount --bind "$lab_tree" "$lab_tree"
cd "$lab_tree"
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o nosuid,nodev,noexec sysfs sys
mount_cgroups sys/fs/cgroup
mount_dev dev
mount_state
mount_binds
if [ -f /etc/resolv.conf ]; then cat /etc/resolv.conf >etc/resolv.conf; fi
hostname lab
mkdir -p .host
pivot_root . .host
cd /
umount -l /.host

if [ -x /usr/sbin/ip ] || [ -x /usr/bin/ip ]; then ip link set lo up; fi
init=()
if [ -x /usr/bin/tini ]; then init=(/usr/bin/tini -g --); fi
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" \
	LANG=C.UTF-8 http_proxy="${http_proxy:-}" CORTEN_IN_LAB=1 PODMAN_IGNORE_CGROUPSV1_WARNING=1 \
	CONTAINERS_CONF_OVERRIDE=/run/lab-containers.conf "${init[@]}" "$@"
