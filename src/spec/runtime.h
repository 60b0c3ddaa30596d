#pragma once
/*
 * The OCI runtime configuration (runtime-spec 1.3, config.json) as structs, one table row per key.
 *
 * Members carry the spec's names in snake case. Strings that are absent are NULL; lists that are absent
 * are empty; scalars whose zero means something have a `has_` member. The tables are the single list of
 * known keys: `features` and the validator read them too. Everything lives in the arena it was read into.
 */
#include <stdbool.h>
#include <stdint.h>

#include "codec/json.h"

#define OCI_LIST(T)       \
	struct {          \
		T *v;     \
		size_t n; \
	}

struct oci_user {
	uint32_t uid, gid;
	bool has_umask;
	uint32_t umask;
	struct json_u32s additional_gids;
	const char *username;
};

struct oci_console_size {
	uint32_t height, width;
};

struct oci_capabilities {
	struct json_strs bounding, effective, inheritable, permitted, ambient;
};

struct oci_rlimit {
	const char *type; /* "RLIMIT_NOFILE" */
	uint64_t soft, hard;
};

struct oci_scheduler {
	const char *policy; /* "SCHED_OTHER" */
	int32_t nice, priority;
	struct json_strs flags;
	uint64_t runtime, deadline, period;
};

struct oci_io_priority {
	const char *class_;
	int32_t priority;
};

struct oci_exec_cpu_affinity {
	const char *initial, *final;
};

struct oci_process {
	bool terminal;
	struct oci_console_size *console_size;
	struct oci_user *user;
	struct json_strs args;
	const char *command_line;
	struct json_strs env;
	const char *cwd;
	struct oci_capabilities *capabilities;
	OCI_LIST(struct oci_rlimit) rlimits;
	bool no_new_privileges;
	const char *apparmor_profile, *selinux_label;
	bool has_oom_score_adj;
	int32_t oom_score_adj;
	struct oci_scheduler *scheduler;
	struct oci_io_priority *io_priority;
	struct oci_exec_cpu_affinity *exec_cpu_affinity;
};

struct oci_root {
	const char *path;
	bool readonly;
};

struct oci_id_mapping {
	uint32_t container_id, host_id, size;
};

struct oci_mount {
	const char *destination, *type, *source;
	struct json_strs options;
	OCI_LIST(struct oci_id_mapping) uid_mappings;
	OCI_LIST(struct oci_id_mapping) gid_mappings;
};

struct oci_hook {
	const char *path;
	struct json_strs args, env;
	bool has_timeout;
	int32_t timeout; /* seconds */
};

struct oci_hooks {
	OCI_LIST(struct oci_hook) prestart;
	OCI_LIST(struct oci_hook) create_runtime;
	OCI_LIST(struct oci_hook) create_container;
	OCI_LIST(struct oci_hook) start_container;
	OCI_LIST(struct oci_hook) poststart;
	OCI_LIST(struct oci_hook) poststop;
};

struct oci_namespace {
	const char *type; /* "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time" */
	const char *path;
};

struct oci_time_offset {
	const char *key; /* "boottime", "monotonic" */
	int64_t secs;
	uint32_t nanosecs;
};

struct oci_device {
	const char *type, *path;
	bool has_major, has_minor, has_file_mode, has_uid, has_gid;
	int64_t major, minor;
	uint32_t file_mode, uid, gid;
};

struct oci_net_device {
	const char *key; /* the name on the host */
	const char *name;
};

struct oci_device_rule {
	bool allow;
	const char *type, *access;
	bool has_major, has_minor;
	int64_t major, minor;
};

struct oci_memory {
	bool has_limit, has_reservation, has_swap, has_kernel, has_kernel_tcp, has_swappiness;
	bool has_disable_oom_killer, has_use_hierarchy, has_check_before_update;
	int64_t limit, reservation, swap, kernel, kernel_tcp;
	uint64_t swappiness;
	bool disable_oom_killer, use_hierarchy, check_before_update;
};

struct oci_cpu {
	bool has_shares, has_quota, has_burst, has_period, has_realtime_runtime,
		has_realtime_period, has_idle;
	uint64_t shares, burst, period, realtime_period;
	int64_t quota, realtime_runtime, idle;
	const char *cpus, *mems;
};

struct oci_pids {
	bool has_limit;
	int64_t limit;
};

struct oci_weight_device {
	int64_t major, minor;
	bool has_weight, has_leaf_weight;
	uint32_t weight, leaf_weight;
};

struct oci_throttle_device {
	int64_t major, minor;
	uint64_t rate;
};

struct oci_block_io {
	bool has_weight, has_leaf_weight;
	uint32_t weight, leaf_weight;
	OCI_LIST(struct oci_weight_device) weight_device;
	OCI_LIST(struct oci_throttle_device) throttle_read_bps_device;
	OCI_LIST(struct oci_throttle_device) throttle_write_bps_device;
	OCI_LIST(struct oci_throttle_device) throttle_read_iops_device;
	OCI_LIST(struct oci_throttle_device) throttle_write_iops_device;
};

struct oci_hugepage_limit {
	const char *page_size;
	uint64_t limit;
};

struct oci_interface_priority {
	const char *name;
	uint32_t priority;
};

struct oci_network {
	bool has_class_id;
	uint32_t class_id;
	OCI_LIST(struct oci_interface_priority) priorities;
};

struct oci_rdma {
	const char *key; /* the device */
	bool has_hca_handles, has_hca_objects;
	uint32_t hca_handles, hca_objects;
};

struct oci_resources {
	OCI_LIST(struct oci_device_rule) devices;
	struct oci_memory *memory;
	struct oci_cpu *cpu;
	struct oci_pids *pids;
	struct oci_block_io *block_io;
	OCI_LIST(struct oci_hugepage_limit) hugepage_limits;
	struct oci_network *network;
	OCI_LIST(struct oci_rdma) rdma;
	struct json_map unified;
};

struct oci_seccomp_arg {
	uint32_t index;
	uint64_t value, value_two;
	const char *op; /* "SCMP_CMP_EQ" */
};

struct oci_syscall {
	struct json_strs names;
	const char *action; /* "SCMP_ACT_ALLOW" */
	bool has_errno_ret;
	uint32_t errno_ret;
	OCI_LIST(struct oci_seccomp_arg) args;
};

struct oci_seccomp {
	const char *default_action;
	bool has_default_errno_ret;
	uint32_t default_errno_ret;
	struct json_strs architectures, flags;
	const char *listener_path, *listener_metadata;
	OCI_LIST(struct oci_syscall) syscalls;
};

struct oci_intel_rdt {
	const char *clos_id;
	const char *l3_cache_schema, *mem_bw_schema;
	struct json_strs schemata;
	bool enable_monitoring, enable_cmt, enable_mbm;
};

struct oci_memory_policy {
	const char *mode, *nodes;
	struct json_strs flags;
};

struct oci_personality {
	const char *domain;
	struct json_strs flags;
};

struct oci_linux {
	OCI_LIST(struct oci_id_mapping) uid_mappings;
	OCI_LIST(struct oci_id_mapping) gid_mappings;
	struct json_map sysctl;
	struct oci_resources *resources;
	const char *cgroups_path;
	OCI_LIST(struct oci_namespace) namespaces;
	OCI_LIST(struct oci_time_offset) time_offsets;
	OCI_LIST(struct oci_device) devices;
	OCI_LIST(struct oci_net_device) net_devices;
	struct oci_seccomp *seccomp;
	const char *rootfs_propagation;
	struct json_strs masked_paths, readonly_paths;
	const char *mount_label;
	struct oci_intel_rdt *intel_rdt;
	struct oci_memory_policy *memory_policy;
	struct oci_personality *personality;
};

struct oci_spec {
	const char *oci_version;
	struct oci_process *process;
	struct oci_root *root;
	const char *hostname, *domainname;
	OCI_LIST(struct oci_mount) mounts;
	struct oci_hooks *hooks;
	struct json_map annotations;
	struct oci_linux *linux_;
	/* Sections of other platforms, kept as text: there or not is all that counts. */
	struct json_raw vm, windows, solaris, zos, freebsd;
};

/* runtime.md#state, as `state` prints it and hooks get it. */
struct oci_state {
	const char *oci_version, *id,
		*status; /* "creating", "created", "running", "paused", "stopped" */
	int64_t pid;
	const char *bundle, *rootfs, *created, *owner;
	struct json_map annotations;
};

extern const struct json_table oci_spec_table, oci_process_table, oci_linux_table,
	oci_resources_table, oci_seccomp_table, oci_mount_table, oci_state_table, oci_hooks_table;

/* Reads and checks the form of a config.json (not what the host can do). Errors as json_read. */
int oci_spec_read(const char *text, size_t len, struct arena *a, struct oci_spec **ret,
		  struct err *e);
/* Reads a process.json (exec --process). */
int oci_process_read(const char *text, size_t len, struct arena *a, struct oci_process **ret,
		     struct err *e);
