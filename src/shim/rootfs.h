#pragma once
/*
 * The container's root as a detached mount, made from the snapshot's mount list.
 *
 * Nothing is mounted in the host's namespace unless shim_root_attach is asked to (for foreign runtimes).
 * Overlays of any length: lower folders go to the kernel one by one.
 *
 * The options uidmap=CONTAINER:HOST:COUNT and gidmap=… (containerd's, both or none) make the root one for a user
 * namespace: owners on disk are container ids, as the store keeps them, and appear as host ids; what is written by host
 * ids is stored as container ids. Nothing is chowned or copied. Every folder of the mount becomes an id-mapped one, the
 * upper and work folders through the folder that holds both. What the map does not cover appears as nobody. Linux 6.15 for
 * overlays (they must take detached mounts as layers), 5.12 for binds; a filesystem without id maps is -EOPNOTSUPP.
 * Safe after fork: no.
 */
#include <stddef.h>

struct err;
struct shim_mount;

/*
 * Returns a descriptor of the detached mount, or -errno. `n` must be 1: -EOPNOTSUPP for lists that build
 * the root from several mounts.
 */
int shim_root_open(const struct shim_mount *mounts, size_t n, struct err *e);
/* Mounts it on rootfs/ of the task folder. 0 or -errno. */
int shim_root_attach(int mount, int task_fd, struct err *e);
/* Unmounts rootfs/; fine when nothing is mounted there. */
int shim_root_detach(int task_fd);
