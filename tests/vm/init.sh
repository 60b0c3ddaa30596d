#!/bin/busybox sh
# The guest's first process: mounts, runs the cases one after the other, powers off.
. /guest.sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
make_rootfs
. /cases.sh
run_cases
poweroff -f
