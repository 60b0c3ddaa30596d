/*
 * The tables of config.json, in the order of the keys that the spec's own writers use, and its readers.
 * Required is what no consumer can do without; what a runtime checks with words of its own (cwd, args,
 * user) is optional here.
 */
#include "spec/runtime.h"

#include "base/err.h"
#include "base/limits.h"

#define ROW JSON_ROW
#define HAS JSON_ROW_HAS
#define SUB JSON_ROW_SUB
#define NEED JSON_REQUIRED
#define EVER JSON_ALWAYS

/* process */

static const struct json_field console_size_rows[] = {
	ROW(oci_console_size, height, "height", JSON_U32, EVER),
	ROW(oci_console_size, width, "width", JSON_U32, EVER),
};
static JSON_TABLE(console_size_table, "consoleSize", oci_console_size, console_size_rows);

static const struct json_field user_rows[] = {
	ROW(oci_user, uid, "uid", JSON_U32, EVER),
	ROW(oci_user, gid, "gid", JSON_U32, EVER),
	HAS(oci_user, umask, "umask", JSON_U32, 0),
	ROW(oci_user, additional_gids, "additionalGids", JSON_U32S, 0),
	ROW(oci_user, username, "username", JSON_STR, 0),
};
static JSON_TABLE(user_table, "user", oci_user, user_rows);

static const struct json_field capabilities_rows[] = {
	ROW(oci_capabilities, bounding, "bounding", JSON_STRS, 0),
	ROW(oci_capabilities, effective, "effective", JSON_STRS, 0),
	ROW(oci_capabilities, inheritable, "inheritable", JSON_STRS, 0),
	ROW(oci_capabilities, permitted, "permitted", JSON_STRS, 0),
	ROW(oci_capabilities, ambient, "ambient", JSON_STRS, 0),
};
static JSON_TABLE(capabilities_table, "capabilities", oci_capabilities, capabilities_rows);

static const struct json_field rlimit_rows[] = {
	ROW(oci_rlimit, type, "type", JSON_STR, NEED | EVER),
	ROW(oci_rlimit, hard, "hard", JSON_U64, NEED | EVER),
	ROW(oci_rlimit, soft, "soft", JSON_U64, NEED | EVER),
};
static JSON_TABLE(rlimit_table, "rlimit", oci_rlimit, rlimit_rows);

static const struct json_field scheduler_rows[] = {
	ROW(oci_scheduler, policy, "policy", JSON_STR, NEED | EVER),
	ROW(oci_scheduler, nice, "nice", JSON_I32, 0),
	ROW(oci_scheduler, priority, "priority", JSON_I32, 0),
	ROW(oci_scheduler, flags, "flags", JSON_STRS, 0),
	ROW(oci_scheduler, runtime, "runtime", JSON_U64, 0),
	ROW(oci_scheduler, deadline, "deadline", JSON_U64, 0),
	ROW(oci_scheduler, period, "period", JSON_U64, 0),
};
static JSON_TABLE(scheduler_table, "scheduler", oci_scheduler, scheduler_rows);

static const struct json_field io_priority_rows[] = {
	ROW(oci_io_priority, class_, "class", JSON_STR, NEED | EVER),
	ROW(oci_io_priority, priority, "priority", JSON_I32, EVER),
};
static JSON_TABLE(io_priority_table, "ioPriority", oci_io_priority, io_priority_rows);

static const struct json_field exec_cpu_affinity_rows[] = {
	ROW(oci_exec_cpu_affinity, initial, "initial", JSON_STR, 0),
	ROW(oci_exec_cpu_affinity, final, "final", JSON_STR, 0),
};
static JSON_TABLE(exec_cpu_affinity_table, "execCPUAffinity", oci_exec_cpu_affinity,
		  exec_cpu_affinity_rows);

static const struct json_field process_rows[] = {
	ROW(oci_process, terminal, "terminal", JSON_BOOL, 0),
	SUB(oci_process, console_size, "consoleSize", JSON_OBJ, 0, console_size_table),
	SUB(oci_process, user, "user", JSON_OBJ, 0, user_table),
	ROW(oci_process, args, "args", JSON_STRS, 0),
	ROW(oci_process, command_line, "commandLine", JSON_STR, 0),
	ROW(oci_process, env, "env", JSON_STRS, 0),
	ROW(oci_process, cwd, "cwd", JSON_STR, EVER),
	SUB(oci_process, capabilities, "capabilities", JSON_OBJ, 0, capabilities_table),
	SUB(oci_process, rlimits, "rlimits", JSON_OBJS, 0, rlimit_table),
	ROW(oci_process, no_new_privileges, "noNewPrivileges", JSON_BOOL, 0),
	ROW(oci_process, apparmor_profile, "apparmorProfile", JSON_STR, 0),
	HAS(oci_process, oom_score_adj, "oomScoreAdj", JSON_I32, 0),
	SUB(oci_process, scheduler, "scheduler", JSON_OBJ, 0, scheduler_table),
	ROW(oci_process, selinux_label, "selinuxLabel", JSON_STR, 0),
	SUB(oci_process, io_priority, "ioPriority", JSON_OBJ, 0, io_priority_table),
	SUB(oci_process, exec_cpu_affinity, "execCPUAffinity", JSON_OBJ, 0,
	    exec_cpu_affinity_table),
};
JSON_TABLE(oci_process_table, "process", oci_process, process_rows);

/* root, mounts, hooks */

static const struct json_field root_rows[] = {
	ROW(oci_root, path, "path", JSON_STR, NEED | EVER),
	ROW(oci_root, readonly, "readonly", JSON_BOOL, 0),
};
static JSON_TABLE(root_table, "root", oci_root, root_rows);

static const struct json_field id_mapping_rows[] = {
	ROW(oci_id_mapping, container_id, "containerID", JSON_U32, NEED | EVER),
	ROW(oci_id_mapping, host_id, "hostID", JSON_U32, NEED | EVER),
	ROW(oci_id_mapping, size, "size", JSON_U32, NEED | EVER),
};
static JSON_TABLE(id_mapping_table, "id mapping", oci_id_mapping, id_mapping_rows);

static const struct json_field mount_rows[] = {
	ROW(oci_mount, destination, "destination", JSON_STR, NEED | EVER),
	ROW(oci_mount, type, "type", JSON_STR, 0),
	ROW(oci_mount, source, "source", JSON_STR, 0),
	ROW(oci_mount, options, "options", JSON_STRS, 0),
	SUB(oci_mount, uid_mappings, "uidMappings", JSON_OBJS, 0, id_mapping_table),
	SUB(oci_mount, gid_mappings, "gidMappings", JSON_OBJS, 0, id_mapping_table),
};
JSON_TABLE(oci_mount_table, "mount", oci_mount, mount_rows);

static const struct json_field hook_rows[] = {
	ROW(oci_hook, path, "path", JSON_STR, NEED | EVER),
	ROW(oci_hook, args, "args", JSON_STRS, 0),
	ROW(oci_hook, env, "env", JSON_STRS, 0),
	HAS(oci_hook, timeout, "timeout", JSON_I32, 0),
};
static JSON_TABLE(hook_table, "hook", oci_hook, hook_rows);

static const struct json_field hooks_rows[] = {
	SUB(oci_hooks, prestart, "prestart", JSON_OBJS, 0, hook_table),
	SUB(oci_hooks, create_runtime, "createRuntime", JSON_OBJS, 0, hook_table),
	SUB(oci_hooks, create_container, "createContainer", JSON_OBJS, 0, hook_table),
	SUB(oci_hooks, start_container, "startContainer", JSON_OBJS, 0, hook_table),
	SUB(oci_hooks, poststart, "poststart", JSON_OBJS, 0, hook_table),
	SUB(oci_hooks, poststop, "poststop", JSON_OBJS, 0, hook_table),
};
JSON_TABLE(oci_hooks_table, "hooks", oci_hooks, hooks_rows);

/* linux.resources */

static const struct json_field device_rule_rows[] = {
	ROW(oci_device_rule, allow, "allow", JSON_BOOL, EVER),
	ROW(oci_device_rule, type, "type", JSON_STR, 0),
	HAS(oci_device_rule, major, "major", JSON_I64, 0),
	HAS(oci_device_rule, minor, "minor", JSON_I64, 0),
	ROW(oci_device_rule, access, "access", JSON_STR, 0),
};
static JSON_TABLE(device_rule_table, "device rule", oci_device_rule, device_rule_rows);

static const struct json_field memory_rows[] = {
	HAS(oci_memory, limit, "limit", JSON_I64, 0),
	HAS(oci_memory, reservation, "reservation", JSON_I64, 0),
	HAS(oci_memory, swap, "swap", JSON_I64, 0),
	HAS(oci_memory, kernel, "kernel", JSON_I64, 0),
	HAS(oci_memory, kernel_tcp, "kernelTCP", JSON_I64, 0),
	HAS(oci_memory, swappiness, "swappiness", JSON_U64, 0),
	HAS(oci_memory, disable_oom_killer, "disableOOMKiller", JSON_BOOL, 0),
	HAS(oci_memory, use_hierarchy, "useHierarchy", JSON_BOOL, 0),
	HAS(oci_memory, check_before_update, "checkBeforeUpdate", JSON_BOOL, 0),
};
static JSON_TABLE(memory_table, "memory", oci_memory, memory_rows);

static const struct json_field cpu_rows[] = {
	HAS(oci_cpu, shares, "shares", JSON_U64, 0),
	HAS(oci_cpu, quota, "quota", JSON_I64, 0),
	HAS(oci_cpu, burst, "burst", JSON_U64, 0),
	HAS(oci_cpu, period, "period", JSON_U64, 0),
	HAS(oci_cpu, realtime_runtime, "realtimeRuntime", JSON_I64, 0),
	HAS(oci_cpu, realtime_period, "realtimePeriod", JSON_U64, 0),
	ROW(oci_cpu, cpus, "cpus", JSON_STR, 0),
	ROW(oci_cpu, mems, "mems", JSON_STR, 0),
	HAS(oci_cpu, idle, "idle", JSON_I64, 0),
};
static JSON_TABLE(cpu_table, "cpu", oci_cpu, cpu_rows);

static const struct json_field pids_rows[] = {
	HAS(oci_pids, limit, "limit", JSON_I64, 0),
};
static JSON_TABLE(pids_table, "pids", oci_pids, pids_rows);

static const struct json_field weight_device_rows[] = {
	ROW(oci_weight_device, major, "major", JSON_I64, NEED | EVER),
	ROW(oci_weight_device, minor, "minor", JSON_I64, NEED | EVER),
	HAS(oci_weight_device, weight, "weight", JSON_U32, 0),
	HAS(oci_weight_device, leaf_weight, "leafWeight", JSON_U32, 0),
};
static JSON_TABLE(weight_device_table, "weightDevice", oci_weight_device, weight_device_rows);

static const struct json_field throttle_device_rows[] = {
	ROW(oci_throttle_device, major, "major", JSON_I64, NEED | EVER),
	ROW(oci_throttle_device, minor, "minor", JSON_I64, NEED | EVER),
	ROW(oci_throttle_device, rate, "rate", JSON_U64, NEED | EVER),
};
static JSON_TABLE(throttle_device_table, "throttleDevice", oci_throttle_device,
		  throttle_device_rows);

static const struct json_field block_io_rows[] = {
	HAS(oci_block_io, weight, "weight", JSON_U32, 0),
	HAS(oci_block_io, leaf_weight, "leafWeight", JSON_U32, 0),
	SUB(oci_block_io, weight_device, "weightDevice", JSON_OBJS, 0, weight_device_table),
	SUB(oci_block_io, throttle_read_bps_device, "throttleReadBpsDevice", JSON_OBJS, 0,
	    throttle_device_table),
	SUB(oci_block_io, throttle_write_bps_device, "throttleWriteBpsDevice", JSON_OBJS, 0,
	    throttle_device_table),
	SUB(oci_block_io, throttle_read_iops_device, "throttleReadIOPSDevice", JSON_OBJS, 0,
	    throttle_device_table),
	SUB(oci_block_io, throttle_write_iops_device, "throttleWriteIOPSDevice", JSON_OBJS, 0,
	    throttle_device_table),
};
static JSON_TABLE(block_io_table, "blockIO", oci_block_io, block_io_rows);

static const struct json_field hugepage_limit_rows[] = {
	ROW(oci_hugepage_limit, page_size, "pageSize", JSON_STR, NEED | EVER),
	ROW(oci_hugepage_limit, limit, "limit", JSON_U64, NEED | EVER),
};
static JSON_TABLE(hugepage_limit_table, "hugepageLimit", oci_hugepage_limit, hugepage_limit_rows);

static const struct json_field interface_priority_rows[] = {
	ROW(oci_interface_priority, name, "name", JSON_STR, NEED | EVER),
	ROW(oci_interface_priority, priority, "priority", JSON_U32, NEED | EVER),
};
static JSON_TABLE(interface_priority_table, "priority", oci_interface_priority,
		  interface_priority_rows);

static const struct json_field network_rows[] = {
	HAS(oci_network, class_id, "classID", JSON_U32, 0),
	SUB(oci_network, priorities, "priorities", JSON_OBJS, 0, interface_priority_table),
};
static JSON_TABLE(network_table, "network", oci_network, network_rows);

static const struct json_field rdma_rows[] = {
	HAS(oci_rdma, hca_handles, "hcaHandles", JSON_U32, 0),
	HAS(oci_rdma, hca_objects, "hcaObjects", JSON_U32, 0),
};
static JSON_TABLE(rdma_table, "rdma", oci_rdma, rdma_rows);

static const struct json_field resources_rows[] = {
	SUB(oci_resources, devices, "devices", JSON_OBJS, 0, device_rule_table),
	SUB(oci_resources, memory, "memory", JSON_OBJ, 0, memory_table),
	SUB(oci_resources, cpu, "cpu", JSON_OBJ, 0, cpu_table),
	SUB(oci_resources, pids, "pids", JSON_OBJ, 0, pids_table),
	SUB(oci_resources, block_io, "blockIO", JSON_OBJ, 0, block_io_table),
	SUB(oci_resources, hugepage_limits, "hugepageLimits", JSON_OBJS, 0, hugepage_limit_table),
	SUB(oci_resources, network, "network", JSON_OBJ, 0, network_table),
	SUB(oci_resources, rdma, "rdma", JSON_MAP_OBJS, 0, rdma_table),
	ROW(oci_resources, unified, "unified", JSON_MAP, 0),
};
JSON_TABLE(oci_resources_table, "resources", oci_resources, resources_rows);

/* linux.seccomp */

static const struct json_field seccomp_arg_rows[] = {
	ROW(oci_seccomp_arg, index, "index", JSON_U32, NEED | EVER),
	ROW(oci_seccomp_arg, value, "value", JSON_U64, NEED | EVER),
	ROW(oci_seccomp_arg, value_two, "valueTwo", JSON_U64, 0),
	ROW(oci_seccomp_arg, op, "op", JSON_STR, NEED | EVER),
};
static JSON_TABLE(seccomp_arg_table, "seccomp argument", oci_seccomp_arg, seccomp_arg_rows);

static const struct json_field syscall_rows[] = {
	ROW(oci_syscall, names, "names", JSON_STRS, NEED | EVER),
	ROW(oci_syscall, action, "action", JSON_STR, NEED | EVER),
	HAS(oci_syscall, errno_ret, "errnoRet", JSON_U32, 0),
	SUB(oci_syscall, args, "args", JSON_OBJS, 0, seccomp_arg_table),
};
static JSON_TABLE(syscall_table, "syscall rule", oci_syscall, syscall_rows);

static const struct json_field seccomp_rows[] = {
	ROW(oci_seccomp, default_action, "defaultAction", JSON_STR, NEED | EVER),
	HAS(oci_seccomp, default_errno_ret, "defaultErrnoRet", JSON_U32, 0),
	ROW(oci_seccomp, architectures, "architectures", JSON_STRS, 0),
	ROW(oci_seccomp, flags, "flags", JSON_STRS, 0),
	ROW(oci_seccomp, listener_path, "listenerPath", JSON_STR, 0),
	ROW(oci_seccomp, listener_metadata, "listenerMetadata", JSON_STR, 0),
	SUB(oci_seccomp, syscalls, "syscalls", JSON_OBJS, 0, syscall_table),
};
JSON_TABLE(oci_seccomp_table, "seccomp", oci_seccomp, seccomp_rows);

/* linux */

static const struct json_field namespace_rows[] = {
	ROW(oci_namespace, type, "type", JSON_STR, NEED | EVER),
	ROW(oci_namespace, path, "path", JSON_STR, 0),
};
static JSON_TABLE(namespace_table, "namespace", oci_namespace, namespace_rows);

static const struct json_field device_rows[] = {
	ROW(oci_device, path, "path", JSON_STR, NEED | EVER),
	ROW(oci_device, type, "type", JSON_STR, NEED | EVER),
	HAS(oci_device, major, "major", JSON_I64, EVER),
	HAS(oci_device, minor, "minor", JSON_I64, EVER),
	HAS(oci_device, file_mode, "fileMode", JSON_U32, 0),
	HAS(oci_device, uid, "uid", JSON_U32, 0),
	HAS(oci_device, gid, "gid", JSON_U32, 0),
};
static JSON_TABLE(device_table, "device", oci_device, device_rows);

static const struct json_field net_device_rows[] = {
	ROW(oci_net_device, name, "name", JSON_STR, 0),
};
static JSON_TABLE(net_device_table, "netDevice", oci_net_device, net_device_rows);

static const struct json_field intel_rdt_rows[] = {
	ROW(oci_intel_rdt, clos_id, "closID", JSON_STR, 0),
	ROW(oci_intel_rdt, schemata, "schemata", JSON_STRS, 0),
	ROW(oci_intel_rdt, l3_cache_schema, "l3CacheSchema", JSON_STR, 0),
	ROW(oci_intel_rdt, mem_bw_schema, "memBwSchema", JSON_STR, 0),
	ROW(oci_intel_rdt, enable_cmt, "enableCMT", JSON_BOOL, 0),
	ROW(oci_intel_rdt, enable_mbm, "enableMBM", JSON_BOOL, 0),
	ROW(oci_intel_rdt, enable_monitoring, "enableMonitoring", JSON_BOOL, 0),
};
static JSON_TABLE(intel_rdt_table, "intelRdt", oci_intel_rdt, intel_rdt_rows);

static const struct json_field memory_policy_rows[] = {
	ROW(oci_memory_policy, mode, "mode", JSON_STR, EVER),
	ROW(oci_memory_policy, nodes, "nodes", JSON_STR, EVER),
	ROW(oci_memory_policy, flags, "flags", JSON_STRS, 0),
};
static JSON_TABLE(memory_policy_table, "memoryPolicy", oci_memory_policy, memory_policy_rows);

static const struct json_field personality_rows[] = {
	ROW(oci_personality, domain, "domain", JSON_STR, NEED | EVER),
	ROW(oci_personality, flags, "flags", JSON_STRS, 0),
};
static JSON_TABLE(personality_table, "personality", oci_personality, personality_rows);

static const struct json_field time_offset_rows[] = {
	ROW(oci_time_offset, secs, "secs", JSON_I64, 0),
	ROW(oci_time_offset, nanosecs, "nanosecs", JSON_U32, 0),
};
static JSON_TABLE(time_offset_table, "timeOffset", oci_time_offset, time_offset_rows);

static const struct json_field linux_rows[] = {
	SUB(oci_linux, uid_mappings, "uidMappings", JSON_OBJS, 0, id_mapping_table),
	SUB(oci_linux, gid_mappings, "gidMappings", JSON_OBJS, 0, id_mapping_table),
	ROW(oci_linux, sysctl, "sysctl", JSON_MAP, 0),
	SUB(oci_linux, resources, "resources", JSON_OBJ, 0, oci_resources_table),
	ROW(oci_linux, cgroups_path, "cgroupsPath", JSON_STR, 0),
	SUB(oci_linux, namespaces, "namespaces", JSON_OBJS, 0, namespace_table),
	SUB(oci_linux, devices, "devices", JSON_OBJS, 0, device_table),
	SUB(oci_linux, net_devices, "netDevices", JSON_MAP_OBJS, 0, net_device_table),
	SUB(oci_linux, seccomp, "seccomp", JSON_OBJ, 0, oci_seccomp_table),
	ROW(oci_linux, rootfs_propagation, "rootfsPropagation", JSON_STR, 0),
	ROW(oci_linux, masked_paths, "maskedPaths", JSON_STRS, 0),
	ROW(oci_linux, readonly_paths, "readonlyPaths", JSON_STRS, 0),
	ROW(oci_linux, mount_label, "mountLabel", JSON_STR, 0),
	SUB(oci_linux, intel_rdt, "intelRdt", JSON_OBJ, 0, intel_rdt_table),
	SUB(oci_linux, memory_policy, "memoryPolicy", JSON_OBJ, 0, memory_policy_table),
	SUB(oci_linux, personality, "personality", JSON_OBJ, 0, personality_table),
	SUB(oci_linux, time_offsets, "timeOffsets", JSON_MAP_OBJS, 0, time_offset_table),
};
JSON_TABLE(oci_linux_table, "linux", oci_linux, linux_rows);

/* The whole, and the state */

static const struct json_field spec_rows[] = {
	ROW(oci_spec, oci_version, "ociVersion", JSON_STR, NEED | EVER),
	SUB(oci_spec, process, "process", JSON_OBJ, 0, oci_process_table),
	SUB(oci_spec, root, "root", JSON_OBJ, 0, root_table),
	ROW(oci_spec, hostname, "hostname", JSON_STR, 0),
	ROW(oci_spec, domainname, "domainname", JSON_STR, 0),
	SUB(oci_spec, mounts, "mounts", JSON_OBJS, 0, oci_mount_table),
	SUB(oci_spec, hooks, "hooks", JSON_OBJ, 0, oci_hooks_table),
	ROW(oci_spec, annotations, "annotations", JSON_MAP, 0),
	SUB(oci_spec, linux_, "linux", JSON_OBJ, 0, oci_linux_table),
	ROW(oci_spec, vm, "vm", JSON_RAW, 0),
	ROW(oci_spec, windows, "windows", JSON_RAW, 0),
	ROW(oci_spec, solaris, "solaris", JSON_RAW, 0),
	ROW(oci_spec, zos, "zos", JSON_RAW, 0),
	ROW(oci_spec, freebsd, "freebsd", JSON_RAW, 0),
};
JSON_TABLE(oci_spec_table, "config.json", oci_spec, spec_rows);

/* The order of runc's `state`; hooks do not mind it. */
static const struct json_field state_rows[] = {
	ROW(oci_state, oci_version, "ociVersion", JSON_STR, EVER),
	ROW(oci_state, id, "id", JSON_STR, EVER),
	ROW(oci_state, pid, "pid", JSON_I64, EVER),
	ROW(oci_state, status, "status", JSON_STR, EVER),
	ROW(oci_state, bundle, "bundle", JSON_STR, EVER),
	ROW(oci_state, rootfs, "rootfs", JSON_STR, 0),
	ROW(oci_state, created, "created", JSON_STR, 0),
	ROW(oci_state, annotations, "annotations", JSON_MAP, 0),
	ROW(oci_state, owner, "owner", JSON_STR, 0),
};
JSON_TABLE(oci_state_table, "state", oci_state, state_rows);

/* Readers */

struct count {
	const char *path;
	size_t n, max;
};

static int check_counts(const struct count *counts, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (counts[i].n > counts[i].max)
			return err_set(e, -E2BIG, "%s: %zu elements, the limit is %zu",
				       counts[i].path, counts[i].n, counts[i].max);
	return 0;
}

/* What the strings take on the new program's stack, with their pointers. */
static size_t strs_bytes(const struct json_strs *s)
{
	size_t bytes = 0;

	for (size_t i = 0; i < s->n; i++)
		bytes += strlen(s->v[i]) + 1 + sizeof(char *);
	return bytes;
}

static int check_process(const struct oci_process *p, const char *path, struct err *e)
{
	size_t bytes = strs_bytes(&p->args) + strs_bytes(&p->env);

	if (bytes > LIMIT_ARGS_BYTES)
		return err_set(e, -E2BIG, "%sargs and %senv: %zu bytes, the limit is %zu", path,
			       path, bytes, LIMIT_ARGS_BYTES);
	return 0;
}

static int check_linux(const struct oci_linux *l, struct err *e)
{
	struct count counts[] = {
		{ "linux.devices", l->devices.n, LIMIT_DEVICES },
		{ "linux.resources.devices", l->resources ? l->resources->devices.n : 0,
		  LIMIT_DEVICES },
		{ "linux.seccomp.syscalls", l->seccomp ? l->seccomp->syscalls.n : 0,
		  LIMIT_SECCOMP_RULES },
		{ "linux.maskedPaths", l->masked_paths.n, LIMIT_MOUNTS },
		{ "linux.readonlyPaths", l->readonly_paths.n, LIMIT_MOUNTS },
	};

	return check_counts(counts, ARRAY_LEN(counts), e);
}

static int check_spec(const struct oci_spec *s, struct err *e)
{
	const struct oci_hooks *h = s->hooks;
	struct count counts[] = {
		{ "mounts", s->mounts.n, LIMIT_MOUNTS },
		{ "hooks",
		  h ? h->prestart.n + h->create_runtime.n + h->create_container.n +
				  h->start_container.n + h->poststart.n + h->poststop.n
		    : 0,
		  LIMIT_HOOKS },
	};
	int r = check_counts(counts, ARRAY_LEN(counts), e);

	if (r == 0 && s->process)
		r = check_process(s->process, "process.", e);
	if (r == 0 && s->linux_)
		r = check_linux(s->linux_, e);
	return r;
}

int oci_spec_read(const char *text, size_t len, struct arena *a, struct oci_spec **ret,
		  struct err *e)
{
	struct oci_spec *s = arena_alloc(a, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "config.json: no memory");
	r = json_read(&oci_spec_table, text, len, NULL, a, s, e);
	if (r == 0)
		r = check_spec(s, e);
	if (r == 0)
		*ret = s;
	return r;
}

int oci_process_read(const char *text, size_t len, struct arena *a, struct oci_process **ret,
		     struct err *e)
{
	struct oci_process *p = arena_alloc(a, sizeof(*p));
	int r;

	if (!p)
		return err_set(e, -ENOMEM, "process: no memory");
	r = json_read(&oci_process_table, text, len, NULL, a, p, e);
	if (r == 0)
		r = check_process(p, "", e);
	if (r == 0)
		*ret = p;
	return r;
}
