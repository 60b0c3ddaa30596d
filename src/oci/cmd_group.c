#include "oci/cmd.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/str.h"
#include "oci/group.h"
#include "oci/intel_rdt.h"
#include "oci/resources.h"

#define PS_OUTPUT_MAX ((size_t)4 << 20)
#define PS_TIMEOUT_MS 10000

struct ps_args {
	const char *format;
};

static const struct opt ps_opts[] = {
	{ "format", 'f', OPT_STR, 0, offsetof(struct ps_args, format), "format", "table or json",
	  NULL },
	OPT_END,
};

static bool has_pid(const pid_t *v, size_t n, long pid)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == pid)
			return true;
	return false;
}

/* The host's ps with the caller's options; the column that is called PID decides which lines are ours. */
static int print_table(int argc, char **argv, const pid_t *pids, size_t n, struct err *e)
{
	char *plain[] = { (char *)"ps", (char *)"-ef", NULL };
	struct spawn_options o = { .path = "ps", .argv = plain };
	AUTO_FREE char *text = NULL;
	char *line, *p;
	int r, status, column = -1;

	if (argc > 0) {
		argv[-1] = (char *)"ps";
		o.argv = argv - 1;
	}
	r = proc_run(&o, NULL, PS_OUTPUT_MAX, PS_TIMEOUT_MS, &text, &status, e);
	if (r < 0 || status != 0)
		return r < 0 ? r : err_set(e, -EIO, "exit status %d: %s", status, text);
	for (p = text; (line = strsep(&p, "\n"));) {
		char *copy = strdup(line), *q = copy, *field;
		bool is_wanted = column < 0;

		if (!copy)
			return err_sys(e, -ENOMEM, "read ps");
		for (int i = 0; (field = strsep(&q, " \t"));) {
			if (!*field)
				continue;
			if (column < 0 && streq(field, "PID"))
				column = i;
			else if (column == i && !is_wanted)
				is_wanted = has_pid(pids, n, strtol(field, NULL, 10));
			i++;
		}
		free(copy);
		if (column < 0)
			return err_set(e, -EINVAL, "couldn't find PID field in ps output");
		if (is_wanted)
			puts(line);
	}
	return 0;
}

int cmd_ps(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	struct ps_args pa = { .format = "table" };
	AUTO_CONTAINER c = { 0 };
	AUTO_FREE pid_t *pids = NULL;
	int first = cmd_parse("ps", ps_opts, OPT_STOP_AT_POSITIONAL, argc, argv, &pa, e), r;
	size_t n;

	if (first < 0)
		return first;
	if (!streq(pa.format, "table") && !streq(pa.format, "json"))
		return err_set(e, -EINVAL, "invalid format option");
	r = cmd_open(rt, argv[first], &c, e);
	if (r == 0)
		r = cmd_cgroup(&c, e);
	if (r == 0)
		r = cg_pids(&c.cg, &pids, &n, e);
	if (r < 0)
		return r;
	if (streq(pa.format, "table"))
		return print_table(argc - first - 1, argv + first + 1, pids, n, e);
	for (size_t i = 0; i < n; i++)
		printf("%c%d", i ? ',' : '[', pids[i]);
	puts(n ? "]" : "null");
	return 0;
}

struct update_args {
	const char *file;
	const char *blkio_weight, *cpu_period, *cpu_quota, *cpu_burst, *cpu_share, *cpu_rt_period,
		*cpu_rt_runtime, *cpuset_cpus, *cpuset_mems, *kernel_memory, *kernel_memory_tcp,
		*memory, *memory_reservation, *memory_swap, *pids_limit, *cpu_idle,
		*l3_cache_schema, *mem_bw_schema;
};

#define U(name, member, help)                                                              \
	{                                                                                  \
		name, 0, OPT_STR, 0, offsetof(struct update_args, member), "n", help, NULL \
	}

static const struct opt update_opts[] = {
	{ "resources", 'r', OPT_STR, 0, offsetof(struct update_args, file), "file",
	  "Path to the file with the resources, or '-' for standard input", NULL },
	U("blkio-weight", blkio_weight, "Block io weight, 10 to 1000"),
	U("cpu-burst", cpu_burst, "CPU CFS hardcap burst limit in usecs"),
	U("cpu-idle", cpu_idle, "CPU SCHED_IDLE behaviour: 0 or 1"),
	U("cpu-period", cpu_period, "CPU CFS period in usecs"),
	U("cpu-quota", cpu_quota, "CPU CFS hardcap limit in usecs"),
	U("cpu-rt-period", cpu_rt_period, "CPU realtime period in usecs"),
	U("cpu-rt-runtime", cpu_rt_runtime, "CPU realtime hardcap limit in usecs"),
	U("cpu-share", cpu_share, "CPU shares, relative to other containers"),
	U("cpuset-cpus", cpuset_cpus, "CPUs to use"),
	U("cpuset-mems", cpuset_mems, "Memory nodes to use"),
	U("kernel-memory", kernel_memory, "Accepted for compatibility"),
	U("kernel-memory-tcp", kernel_memory_tcp, "Kernel memory limit for TCP buffers in bytes"),
	U("memory", memory, "Memory limit in bytes"),
	U("memory-reservation", memory_reservation, "Memory reservation in bytes"),
	U("memory-swap", memory_swap, "Total memory usage (memory + swap), -1 for unlimited"),
	U("pids-limit", pids_limit, "Maximum number of processes"),
	U("l3-cache-schema", l3_cache_schema, "Intel RDT L3 schema"),
	U("mem-bw-schema", mem_bw_schema, "Intel RDT memory bandwidth schema"),
	OPT_END,
};

/* The options become the same JSON that --resources has, so that one reader judges both. */
static int options_json(const struct update_args *ua, struct strbuf *out, struct err *e)
{
	const struct {
		const char *value, *key;
		bool is_bytes, is_text;
	} memory[] = {
		{ ua->memory, "limit", true, false },
		{ ua->memory_reservation, "reservation", true, false },
		{ ua->memory_swap, "swap", true, false },
		{ ua->kernel_memory, "kernel", true, false },
		{ ua->kernel_memory_tcp, "kernelTCP", true, false },
	}, cpu[] = {
		{ ua->cpu_share, "shares", false, false },
		{ ua->cpu_quota, "quota", false, false },
		{ ua->cpu_burst, "burst", false, false },
		{ ua->cpu_period, "period", false, false },
		{ ua->cpu_rt_runtime, "realtimeRuntime", false, false },
		{ ua->cpu_rt_period, "realtimePeriod", false, false },
		{ ua->cpu_idle, "idle", false, false },
		{ ua->cpuset_cpus, "cpus", false, true },
		{ ua->cpuset_mems, "mems", false, true },
	};
	struct json_writer w = { .out = out };
	int64_t v;

	json_begin_object(&w, NULL);
	json_begin_object(&w, "memory");
	for (size_t i = 0; i < ARRAY_LEN(memory); i++) {
		if (!memory[i].value)
			continue;
		v = -1;
		if (!streq(memory[i].value, "-1") && str_to_bytes(memory[i].value, &v) < 0)
			return err_set(e, -EINVAL, "invalid value for memory %s: %s", memory[i].key,
				       memory[i].value);
		json_put_i64(&w, memory[i].key, v);
	}
	json_end_object(&w);
	json_begin_object(&w, "cpu");
	for (size_t i = 0; i < ARRAY_LEN(cpu); i++) {
		if (!cpu[i].value)
			continue;
		if (cpu[i].is_text) {
			json_put_str(&w, cpu[i].key, cpu[i].value);
			continue;
		}
		if (str_to_i64(cpu[i].value, INT64_MIN, INT64_MAX, &v) < 0)
			return err_set(e, -EINVAL, "invalid value for cpu %s: %s", cpu[i].key,
				       cpu[i].value);
		json_put_i64(&w, cpu[i].key, v);
	}
	json_end_object(&w);
	if (ua->pids_limit) {
		if (str_to_i64(ua->pids_limit, INT64_MIN, INT64_MAX, &v) < 0)
			return err_set(e, -EINVAL, "invalid value for pids-limit: %s",
				       ua->pids_limit);
		json_begin_object(&w, "pids");
		json_put_i64(&w, "limit", v);
		json_end_object(&w);
	}
	if (ua->blkio_weight) {
		if (str_to_i64(ua->blkio_weight, 0, UINT16_MAX, &v) < 0)
			return err_set(e, -EINVAL, "invalid value for blkio-weight: %s",
				       ua->blkio_weight);
		json_begin_object(&w, "blockIO");
		json_put_i64(&w, "weight", v);
		json_end_object(&w);
	}
	json_end_object(&w);
	return strbuf_ok(out);
}

static int read_resources(const struct update_args *ua, struct arena *a, struct oci_resources **ret,
			  struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_FREE char *file = NULL;
	size_t len = 0;
	int r;

	if (ua->file) {
		r = streq(ua->file, "-") ? fd_read_all(0, LIMIT_SPEC_BYTES, &file, &len)
					 : file_read_at(-100 /* AT_FDCWD */, ua->file,
							LIMIT_SPEC_BYTES, &file, &len);
		if (r < 0)
			return err_sys(e, r, "read resources");
	} else {
		r = options_json(ua, &text, e);
		if (r < 0)
			return r;
	}
	*ret = arena_alloc(a, sizeof(**ret));
	if (!*ret)
		return err_sys(e, -ENOMEM, "read resources");
	return json_read(&oci_resources_table, file ? file : text.p, file ? len : text.len, NULL, a,
			 *ret, e);
}

int cmd_update(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	struct update_args ua = { 0 };
	struct oci_resources *res;
	struct cg_resources cg = { 0 };
	struct systemd_unit unit;
	AUTO_CONTAINER c = { 0 };
	int first = cmd_parse("update", update_opts, 0, argc, argv, &ua, e), r;

	if (first < 0)
		return first;
	r = cmd_open(rt, argv[first], &c, e);
	if (r == 0 && state_status(c.dir, c.state) == STATE_STOPPED)
		r = err_set_code(e, -ESRCH, ERR_NOT_FOUND, "container not running");
	if (r == 0)
		r = read_resources(&ua, &c.arena, &res, e);
	if (r == 0)
		r = oci_resources_translate(res, 0, &c.arena, &cg, e);
	if (r == 0)
		r = cmd_cgroup(&c, e);
	if (r == 0)
		r = group_unit_of(c.state, &c.arena, &unit, e);
	if (r == 0)
		r = group_update(&c.cg, &unit, &cg, c.state->rootless, &c.arena, e);
	return r < 0 ? r : intel_rdt_update(c.state, ua.l3_cache_schema, ua.mem_bw_schema, e);
}
