#pragma once
/*
 * Control groups as verbs: one container's group in every hierarchy of the host, on v1, hybrid and v2.
 *
 * Is: probing, creating, limiting, joining, freezing, killing, counting, removing. Is not: a parser of
 * config.json (oci/resources fills struct cg_resources) nor the systemd driver. Holds always: a resource
 * that was asked for and whose controller is missing is an error that names it, never skipped; numbers that
 * cgroupfs gives are bounded before use; nothing waits without a deadline. One row of a table is one knob
 * (cgroup_apply.c).
 *
 * "Place" is the container's folder in one hierarchy; struct cgroup holds one per hierarchy, in the order
 * of cg_host.h. Places are O_PATH folders: cgroupfs has no links, so names below them cannot be led astray.
 *
 * Safe after fork: cg_join_self only (plain write calls); the rest allocates, so it is safe while the
 * parent had one thread. Spec: runtime-spec 1.3 config-linux.md#control-groups; kernel
 * admin-guide/cgroup-v1 and cgroup-v2.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fd.h"
#include "base/mem.h"

struct err;

/* cgroup.c: the host */

enum cg_mode {
	CG_MODE_NONE,	/* no cgroup filesystem is mounted */
	CG_MODE_V1,	/* v1 hierarchies only */
	CG_MODE_HYBRID, /* v1 controllers, and cgroup2 mounted elsewhere */
	CG_MODE_V2,	/* cgroup2 alone */
};

enum cg_controller {
	CG_CPU,
	CG_CPUACCT,
	CG_CPUSET,
	CG_MEMORY,
	CG_BLKIO, /* "io" on v2 */
	CG_PIDS,
	CG_HUGETLB,
	CG_RDMA,
	CG_MISC,
	CG_NET_CLS,
	CG_NET_PRIO,
	CG_DEVICES,
	CG_FREEZER,
	CG_PERF_EVENT,
	CG_CONTROLLER_COUNT,
};

/* v1 has 14 controllers at most, each perhaps alone, plus named hierarchies and the unified one. */
#define CG_HIERARCHIES_MAX 24

struct cg_hierarchy {
	const char
		*name; /* as in /proc/self/cgroup: "cpu,cpuacct", "name=systemd"; "" is unified */
	const char **names; /* the same split at commas, names_n of them; unified: one "" */
	size_t names_n;
	const char *mount; /* absolute folder where it is mounted */
	const char *
		root; /* which group of the hierarchy the mount shows: "/" but in nested containers */
	const char *
		mount_data; /* v1: what a new mount of it is given: "cpu,cpuacct", "none,name=systemd" */
	const char
		*own; /* the caller's group below `mount`: "/" or "/a/b"; NULL: out of its sight */
	uint32_t
		controllers; /* bits 1 << enum cg_controller; unified: those in its cgroup.controllers */
	bool is_unified;
	bool is_readonly;
};

/* Read once per process by cg_host_probe; must outlive every struct cgroup made with it. */
struct cg_host {
	enum cg_mode mode;
	struct cg_hierarchy h[CG_HIERARCHIES_MAX];
	size_t n;
	int8_t where[CG_CONTROLLER_COUNT]; /* index into h, -1: no such controller mounted */
	int unified;			   /* index into h, -1: none */
	struct arena arena;		   /* all text above */
};

/*
 * Reads /proc/self/mountinfo, /proc/self/cgroup and the unified root's cgroup.controllers.
 * A host without cgroups is not an error here (mode NONE): creating a group is. -ENOMEM, -EFBIG, -EIO.
 */
int cg_host_probe(struct cg_host *ret, struct err *e);
/*
 * The same from given texts, which need not end in NUL. `prefix` (NULL: "") is put before each mount
 * point: tests point it at a fake tree. Lines that are no cgroup mounts are skipped whatever they hold; a
 * cgroup line that is malformed is -EIO; texts above 16 MiB or more than CG_HIERARCHIES_MAX are -E2BIG.
 */
int cg_host_parse(const char *mountinfo, size_t mountinfo_len, const char *self, size_t self_len,
		  const char *prefix, struct cg_host *ret, struct err *e);
void cg_host_done(struct cg_host *h);
/* "memory"; on v2 "io" for CG_BLKIO when `is_v2`. Static. */
const char *cg_controller_name(enum cg_controller c, bool is_v2);
/* The controller of that v1 or v2 name, or -1. */
int cg_controller_find(const char *name, size_t len);

/* cgroup_group.c: one container's groups */

struct cgroup {
	const struct cg_host *host; /* borrowed */
	struct {
		int fd;	      /* O_PATH folder, -EBADF: not part of this group, or gone */
		char *path;   /* absolute, as state.json stores it; NULL when not part */
		bool is_made; /* cg_create made it; otherwise it was there */
	} place[CG_HIERARCHIES_MAX];
};

#define CGROUP_INIT ((struct cgroup){ 0 })
void cg_done(struct cgroup *g); /* closes and frees; the groups stay. Accepts a zeroed struct */
#define AUTO_CGROUP CLEANUP(cg_done)

/*
 * Makes the group in all hierarchies, parents too. `path`: absolute, from the top of each hierarchy as
 * this process sees it; relative, below the caller's own group (v2: beside it, because a group with
 * processes cannot hand on controllers; as runc does); NULL or "": "/<id>". An existing group is entered
 * unless it holds processes or is frozen. On failure the groups made are removed (parents stay). v2: enables in every parent the
 * controllers it may; v1 cpuset: fills empty cpus and mems from the parent.
 * -EINVAL for "..", -EROFS and -EACCES when cgroupfs is read-only or not ours, -EBUSY not empty, -ENODEV no cgroups.
 */
int cg_create(const struct cg_host *h, const char *path, const char *id, struct cgroup *ret,
	      struct err *e);

/*
 * The same for a group that another (systemd) made at `path` and where processes may be: what is there is
 * entered, hierarchies that it left out get their group.
 */
int cg_enter(const struct cg_host *h, const char *path, struct cgroup *ret, struct err *e);
/* v2: all controllers, as far as it may, from the top down to this group. None above may hold processes. */
void cg_hand_down(const struct cgroup *g);

/* An entry of state.json's cgroup_paths: "memory" → "/sys/fs/cgroup/memory/x"; "" is unified. */
struct cg_path {
	const char *controller;
	const char *path; /* borrowed from the group, or the caller's for cg_open */
};
#define CG_PATHS_MAX (CG_CONTROLLER_COUNT + CG_HIERARCHIES_MAX)

/* Lists the entries, one per controller as runc writes them. Returns how many were put into `ret`. */
size_t cg_paths(const struct cgroup *g, struct cg_path ret[CG_PATHS_MAX]);
/*
 * Opens an existing group by stored paths; unknown controllers and vanished folders are left out
 * (cg_exists tells). -EINVAL for a path that is not below its hierarchy's mount, -ENOMEM.
 */
int cg_open(const struct cg_host *h, const struct cg_path *paths, size_t n, struct cgroup *ret,
	    struct err *e);
/*
 * Opens what cg_create with the same arguments would make, and makes nothing: for mending after a killed
 * runtime. Missing folders are left out (cg_exists tells); processes in it and frost are fine. Errors of
 * the path as cg_create's.
 */
int cg_find(const struct cg_host *h, const char *path, const char *id, struct cgroup *ret,
	    struct err *e);
/* The group of a running process, from /proc/PID/cgroup (for shims that know a pid only). -ESRCH. */
int cg_open_pid(const struct cg_host *h, pid_t pid, struct cgroup *ret, struct err *e);
/* A group below `g` (exec --cgroup): `sub` is relative; with `controller` (v1 only) in that hierarchy alone. */
int cg_open_sub(const struct cgroup *g, const char *controller, const char *sub, struct cgroup *ret,
		struct err *e);
/* Whether any place still exists (1 or 0). */
bool cg_exists(const struct cgroup *g);

/*
 * For clone3's CLONE_INTO_CGROUP: the place in the unified hierarchy, borrowed; -EBADF when there is
 * none. A process cloned into it still has to be added to the v1 hierarchies (CG_JOIN_NOT_UNIFIED).
 */
int cg_clone_fd(const struct cgroup *g);

enum cg_join_flags {
	CG_JOIN_NOT_UNIFIED = 1
			      << 0, /* leave the unified hierarchy out: CLONE_INTO_CGROUP did it */
};
/* Moves a process (all its threads) into every place; from outside. -ESRCH, -EBUSY, -ENOSPC (empty cpuset), -ENOENT. */
int cg_add_pid(const struct cgroup *g, pid_t pid, unsigned int flags, struct err *e);

/*
 * The same from inside: the parent opens, the child after clone writes "0" to each, before it has threads. A
 * cgroup namespace of its own must come after that (unshare, not clone's flag): its top is the group at that
 * moment. From Linux 5.16 on this is also the fast way: a lone thread that moves itself takes no global lock,
 * whereas moving a process waits for a grace period of RCU (up to 10 ms) when nobody did so just before.
 */
struct cg_join {
	int fd[CG_HIERARCHIES_MAX];	      /* O_CLOEXEC; v1: tasks, v2: cgroup.procs */
	const char *path[CG_HIERARCHIES_MAX]; /* of the group, which lends them */
	size_t n;
};
int cg_join_open(const struct cgroup *g, unsigned int flags, struct cg_join *ret, struct err *e);
/* Async-signal-safe: write calls only. `e` names the group. */
int cg_join_self(const struct cg_join *j, struct err *e);
void cg_join_done(struct cg_join *j);

/*
 * Removes the groups with the groups below them, in all hierarchies; retries -EBUSY (dying processes)
 * with growing pauses until `timeout_ms`. A group that is gone is fine. Without processes it takes one
 * rmdir per hierarchy. -EBUSY when it is still in use after that; tries all before it answers.
 */
int cg_remove(struct cgroup *g, int timeout_ms, struct err *e);

/* cgroup_state.c: freezing, killing, counting processes, OOM */

/* Freezes and waits until all are frozen. On timeout it thaws again and gives -ETIMEDOUT. -ENOTSUP: no freezer. */
int cg_freeze(const struct cgroup *g, int timeout_ms, struct err *e);
int cg_thaw(const struct cgroup *g, int timeout_ms, struct err *e);
/* 1 when this group or one above it is frozen or being frozen, 0, or -errno. No freezer: 0. */
int cg_is_frozen(const struct cgroup *g);
/* Every process of the group and the groups below, malloc'ed. Order is the kernel's; at most 1 Mi. */
int cg_pids(const struct cgroup *g, pid_t **ret, size_t *ret_n, struct err *e);
/*
 * Signals every process. SIGKILL: cgroup.kill where the unified hierarchy has it (5.14), else freeze,
 * signal, thaw, until empty or `timeout_ms`; other signals once to each. With cgroup.kill it does not
 * wait until they are gone (a pidfd or cg_remove does). Never signals the caller. Empty is fine.
 */
int cg_kill(const struct cgroup *g, int sig, int timeout_ms, struct err *e);

/* An OOM watch: poll `fd` for `events`, then cg_oom_read. */
struct cg_oom {
	int fd;		/* -EBADF: unset */
	short events;	/* POLLIN (v1's eventfd) or POLLPRI (v2's memory.events) */
	int control_fd; /* v1: memory.oom_control */
	uint64_t count; /* kills seen until now */
};
#define CG_OOM_INIT ((struct cg_oom){ .fd = -EBADF, .control_fd = -EBADF })
/* -ENOTSUP without a memory controller. */
int cg_oom_open(const struct cgroup *g, struct cg_oom *ret, struct err *e);
/*
 * Returns how many OOM kills came since the last call (0: another event woke it), or -ENODEV when the group was removed: then call
 * cg_oom_done. v1 tells of being out of memory just before it kills: that is answered as the kill.
 * Exact counts are in cg_stats_read.
 */
int64_t cg_oom_read(struct cg_oom *o);
void cg_oom_done(struct cg_oom *o);

/* cgroup_apply.c: resources */

struct cg_num {
	bool is_set;
	int64_t v;
};

struct cg_flag {
	bool is_set;
	bool v;
};

struct cg_device_rule {
	bool is_allow;
	char type;	      /* 'a' all, 'b' block, 'c' character */
	int64_t major, minor; /* -1: any */
	unsigned int access;  /* enum cg_device_access */
};

enum cg_device_access {
	CG_DEVICE_MKNOD = 1,
	CG_DEVICE_READ = 2,
	CG_DEVICE_WRITE = 4,
};

struct cg_weight_device {
	uint32_t major, minor;
	struct cg_num weight, leaf_weight; /* 10..1000; 0: remove the row */
};

struct cg_throttle {
	uint32_t major, minor;
	uint64_t rate; /* bytes or operations a second; 0: no limit */
};

struct cg_hugepage {
	const char *size; /* "2MB", "1GB" as in hugetlb.2MB.* */
	uint64_t limit;	  /* bytes */
};

struct cg_rdma {
	const char *device;
	struct cg_num handles, objects;
};

struct cg_netprio {
	const char *interface;
	uint32_t priority;
};

struct cg_pair {
	const char *key, *value;
};

#define CG_LIST(T)          \
	struct {            \
		const T *v; \
		size_t n;   \
	}

/* What to set; all borrowed. A zeroed struct asks for nothing. Values are the runtime-spec's, v1 terms. */
struct cg_resources {
	struct {
		struct cg_num limit;	   /* bytes, -1: none */
		struct cg_num reservation; /* bytes, -1: none */
		struct cg_num swap; /* memory + swap in bytes as on v1, -1: none; converted on v2 */
		struct cg_num
			kernel; /* v1; accepted and ignored by kernels from 5.16, as by runc */
		struct cg_num kernel_tcp;	    /* v1; -1: none */
		struct cg_num swappiness;	    /* v1, 0..100 */
		struct cg_flag oom_disable;	    /* v1 */
		struct cg_flag check_before_update; /* refuse a limit below the present usage */
	} memory;
	struct {
		struct cg_num
			shares; /* 2..262144; 0: leave; v2: weight by the curve of runc 1.4 and crun 1.23 */
		struct cg_num quota;	  /* µs per period, <= 0: none */
		struct cg_num period;	  /* µs */
		struct cg_num burst;	  /* µs */
		struct cg_num rt_runtime; /* µs, v1 */
		struct cg_num rt_period;  /* µs, v1 */
		struct cg_num idle;	  /* 0 or 1 */
		const char *cpus, *mems;  /* lists, NULL or "": leave */
	} cpu;
	struct cg_num pids; /* -1: none, 0: see the spec 1.3: as 1; else as it is */
	struct {
		struct cg_num weight;	   /* 10..1000, 0: leave */
		struct cg_num leaf_weight; /* v1 */
		CG_LIST(struct cg_weight_device) weight_device;
		CG_LIST(struct cg_throttle) read_bps, write_bps, read_iops, write_iops;
	} blkio;
	CG_LIST(struct cg_hugepage) hugepages;
	CG_LIST(struct cg_rdma) rdma;
	struct cg_num net_class; /* v1 net_cls.classid */
	CG_LIST(struct cg_netprio) net_prio;
	CG_LIST(struct cg_pair) unified; /* raw files of the unified hierarchy */
	/* In order, the last that matches wins; n == 0 leaves access as it is (all, in a fresh group). */
	CG_LIST(struct cg_device_rule) devices;
};

enum cg_apply_flags {
	/* On a running container: v2's device program is replaced in one step; v1's rules are changed
	 * one by one from those in force, what is allowed newly first. */
	CG_APPLY_UPDATE = 1 << 0,
};
/*
 * Sets everything in `r` that is set. Not atomic: what was written before a failure stays.
 * Errors name file and value: -ENOTSUP controller missing (named), -EINVAL and -ERANGE wrong value,
 * -EBUSY limit below usage, -EPERM/-EACCES not ours.
 */
int cg_apply(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
	     struct err *e);

/* The period of the CPU quota in force, µs; 0: not known. */
int64_t cg_cpu_period(const struct cgroup *g);

/* From the spec's terms to v2's, for whoever tells the same limits to somebody else (systemd). */
/* 2..262144 to 1..10000 so that 1024 is 100: the curve of runc 1.3.2 and crun 1.23 (older ones: linear, 1024 is 39). */
uint64_t cg_weight_of_shares(uint64_t shares);
/* memory+swap (v1 terms) to v2's swap alone; `ret` unset: leave as it is. -EINVAL as the kernel of v1 would. */
int cg_swap_of_memsw(struct cg_num limit, struct cg_num memsw, struct cg_num *ret, struct err *e);

/* cgroup_stats.c */

struct cg_mem_usage {
	uint64_t usage, max, limit, failcnt; /* bytes; UINT64_MAX limit: none */
};

struct cg_stat_pair {
	const char *key;
	uint64_t value;
};

struct cg_blkio_row {
	uint32_t major, minor;
	const char *op; /* "Read", "Write", "Sync", "Async", "Discard", "Total", or "" */
	uint64_t value;
};

struct cg_hugetlb_row {
	const char *size;
	uint64_t usage, max, failcnt;
};

struct cg_psi {
	bool is_set;
	double some[3], full[3];	 /* percent over 10, 60, 300 s */
	uint64_t some_total, full_total; /* µs */
};

/* Everything `events --stats` and the shim's Stats need. All pointers live in `arena`. */
struct cg_stats {
	uint32_t present; /* bits 1 << enum cg_controller: which parts below hold something */
	struct {
		uint64_t usage_ns, user_ns, kernel_ns;
		uint64_t *percpu_ns; /* v1 cpuacct only; percpu_n entries */
		size_t percpu_n;
		uint64_t periods, throttled_periods, throttled_ns;
		uint64_t burst_periods, burst_ns;
		struct cg_psi psi;
	} cpu;
	struct {
		struct cg_mem_usage memory,
			swap; /* swap: memory+swap on v1, swap + memory on v2 as runc reports */
		struct cg_mem_usage kernel, kernel_tcp; /* v1 */
		uint64_t cache;
		uint64_t oom_kills;
		bool use_hierarchy;
		struct cg_stat_pair *raw; /* memory.stat */
		size_t raw_n;
		struct cg_psi psi;
	} memory;
	struct {
		uint64_t current, limit; /* limit 0: none, as runc reports */
	} pids;
	struct {
		struct cg_blkio_row *bytes,
			*ops; /* io_service_bytes_recursive, io_serviced_recursive */
		size_t bytes_n, ops_n;
		struct cg_psi psi;
	} blkio;
	struct cg_hugetlb_row *hugetlb;
	size_t hugetlb_n;
	struct arena arena;
};
/* Reads what is there; a missing file leaves its member 0. -ENODEV when the group is gone, -ENOMEM. */
int cg_stats_read(const struct cgroup *g, struct cg_stats *ret, struct err *e);
void cg_stats_done(struct cg_stats *s);

/* cgroup_mount.c: what the container sees at /sys/fs/cgroup */

enum cg_mount_kind {
	CG_MOUNT_TMPFS, /* the folder on top, v1: holds the rest; mode=755 */
	CG_MOUNT_FRESH, /* a new cgroup or cgroup2 mount with `data`, made inside the container's cgroup namespace */
	CG_MOUNT_BIND, /* bind of `fd` (the container's own group) */
	CG_MOUNT_LINK, /* symbolic link `name` → `data` */
};

struct cg_mount {
	enum cg_mount_kind kind;
	const char *
		name; /* below the mount's destination: "" is the destination, else "cpu,cpuacct" */
	const char *fstype; /* "tmpfs", "cgroup", "cgroup2"; NULL for bind and link */
	const char *
		data; /* options for FRESH ("cpu,cpuacct" or "none,name=systemd"), target for LINK */
	int fd;	      /* BIND: borrowed O_PATH folder of the group; else -EBADF */
	const char *source; /* BIND: its path, for mount(2); borrowed from the group */
};
#define CG_MOUNTS_MAX (1 + CG_HIERARCHIES_MAX + CG_CONTROLLER_COUNT)

struct cg_mounts {
	struct cg_mount v[CG_MOUNTS_MAX];
	size_t n;
};
/*
 * The rows in the order in which they must be made; flags (ro, nosuid, nodev, noexec) are those of the
 * config's mount and hold for every row, the tmpfs being made read-only last. `has_cgroupns`: the container
 * has a cgroup namespace of its own. Host without cgroups: -ENODEV.
 */
int cg_mount_plan(const struct cgroup *g, bool has_cgroupns, struct cg_mounts *ret, struct err *e);
/* v1's named hierarchy alone, for an old systemd in a container on v2; the host must have it mounted. */
extern const struct cg_mounts cg_mounts_systemd_v1;
