#!/bin/busybox sh
# The guest's first process: mounts, runs the cases one after the other, powers off.
export PATH=/bin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir -p /run/rootfs/bin /run/rootfs/tmp /run/rootfs/etc
cp /bin/busybox /run/rootfs/bin/
for name in sh sleep cat grep dd head; do
	ln -s busybox /run/rootfs/bin/$name
done
. /cases.sh
for name in $CASES; do
	(
		set -ex
		"$name"
	) >/results/"$name".log 2>&1 </dev/null
	echo $? >/results/"$name".status
done
sync
poweroff -f
