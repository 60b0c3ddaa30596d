#include "sys/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "sys/cgroup_priv.h"

/* Rows of one file: devices of a big storage host, CPUs, counters of memory.stat. */
#define ROWS_MAX 16384
/* Memory for all rows of one reading. */
#define STATS_BUDGET ((size_t)8 << 20)
/* v1's "no limit" is LONG_MAX rounded down to a page. */
#define V1_NO_LIMIT 0x7fffffff00000000ULL

struct reader {
	const struct cgroup *g;
	int place;
	struct cg_stats *s;
	char *buf; /* CG_FILE_MAX */
};

/* The text of a file, or NULL when it is not there: then its members stay 0. */
static char *text_of(struct reader *r, const char *file)
{
	ssize_t n = cg_read(r->g, r->place, file, r->buf, CG_FILE_MAX);

	return n < 0 ? NULL : r->buf;
}

static uint64_t number_of(struct reader *r, const char *file)
{
	uint64_t v = 0;

	return cg_read_u64(r->g, r->place, file, &v) == 0 ? v : 0;
}

static uint64_t value_in(const char *text, const char *key)
{
	uint64_t v = 0;

	return text && cg_find_u64(text, key, &v) == 0 ? v : 0;
}

/* Cuts the next line off; NULL at the end. */
static char *next_line(char **text)
{
	char *line = *text, *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end++ = '\0';
	*text = end ? end : line + strlen(line);
	return line;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; text && *text; n++) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return MIN(n, (size_t)ROWS_MAX);
}

/* cgroup-v2.rst: "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and the same for full. */
static void read_psi(struct reader *r, const char *file, struct cg_psi *ret)
{
	char *text = text_of(r, file), *line;

	while ((line = next_line(&text))) {
		bool is_full = strncmp(line, "full ", 5) == 0;
		double *v = is_full ? ret->full : ret->some;
		unsigned long long total;

		if (sscanf(line + 5, "avg10=%lf avg60=%lf avg300=%lf total=%llu", &v[0], &v[1],
			   &v[2], &total) != 4)
			continue;
		*(is_full ? &ret->full_total : &ret->some_total) = total;
		ret->is_set = true;
	}
}

static int cpu_v1(struct reader *r)
{
	const char *text = text_of(r, "cpu.stat");

	r->s->cpu.periods = value_in(text, "nr_periods");
	r->s->cpu.throttled_periods = value_in(text, "nr_throttled");
	r->s->cpu.throttled_ns = value_in(text, "throttled_time");
	r->s->cpu.burst_periods = value_in(text, "nr_bursts");
	r->s->cpu.burst_ns = value_in(text, "burst_time");
	return 0;
}

static int read_percpu(struct reader *r)
{
	char *text = text_of(r, "cpuacct.usage_percpu"), *end;
	size_t n = 0;

	for (const char *p = text; p && *p; p++)
		n += *p == ' ';
	r->s->cpu.percpu_ns = arena_calloc(&r->s->arena, n + 1, sizeof(uint64_t));
	if (!r->s->cpu.percpu_ns)
		return -ENOMEM;
	for (; text && *text && r->s->cpu.percpu_n <= n; text = end) {
		uint64_t v = strtoull(text, &end, 10);

		if (end == text)
			break;
		r->s->cpu.percpu_ns[r->s->cpu.percpu_n++] = v;
	}
	return 0;
}

static int cpuacct_v1(struct reader *r)
{
	uint64_t tick = NSEC_PER_SEC / (uint64_t)MAX(sysconf(_SC_CLK_TCK), 1);
	const char *text;

	r->s->cpu.usage_ns = number_of(r, "cpuacct.usage");
	text = text_of(r, "cpuacct.stat");
	r->s->cpu.user_ns = value_in(text, "user") * tick;
	r->s->cpu.kernel_ns = value_in(text, "system") * tick;
	return read_percpu(r);
}

static int cpu_v2(struct reader *r)
{
	const char *text = text_of(r, "cpu.stat");

	r->s->cpu.usage_ns = value_in(text, "usage_usec") * 1000;
	r->s->cpu.user_ns = value_in(text, "user_usec") * 1000;
	r->s->cpu.kernel_ns = value_in(text, "system_usec") * 1000;
	r->s->cpu.periods = value_in(text, "nr_periods");
	r->s->cpu.throttled_periods = value_in(text, "nr_throttled");
	r->s->cpu.throttled_ns = value_in(text, "throttled_usec") * 1000;
	r->s->cpu.burst_periods = value_in(text, "nr_bursts");
	r->s->cpu.burst_ns = value_in(text, "burst_usec") * 1000;
	read_psi(r, "cpu.pressure", &r->s->cpu.psi);
	return 0;
}

static int read_raw(struct reader *r)
{
	char *text = text_of(r, "memory.stat"), *line;
	size_t max = count_lines(text);

	r->s->memory.raw = arena_calloc(&r->s->arena, max + 1, sizeof(*r->s->memory.raw));
	if (!r->s->memory.raw)
		return -ENOMEM;
	while ((line = next_line(&text)) && r->s->memory.raw_n < max) {
		struct cg_stat_pair *p = &r->s->memory.raw[r->s->memory.raw_n];
		char *space = strchr(line, ' ');

		if (!space)
			continue;
		*space = '\0';
		p->key = arena_strdup(&r->s->arena, line);
		if (!p->key)
			return -ENOMEM;
		p->value = strtoull(space + 1, NULL, 10);
		r->s->memory.raw_n++;
	}
	return 0;
}

static uint64_t raw_value(const struct cg_stats *s, const char *key)
{
	for (size_t i = 0; i < s->memory.raw_n; i++)
		if (streq(s->memory.raw[i].key, key))
			return s->memory.raw[i].value;
	return 0;
}

static int memory_v1(struct reader *r)
{
	const struct {
		struct cg_mem_usage *to;
		const char *head;
	} rows[] = {
		{ &r->s->memory.memory, "memory" },
		{ &r->s->memory.swap, "memory.memsw" },
		{ &r->s->memory.kernel, "memory.kmem" },
		{ &r->s->memory.kernel_tcp, "memory.kmem.tcp" },
	};
	char file[64];
	int err = read_raw(r);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct {
			uint64_t *to;
			const char *tail;
		} files[] = {
			{ &rows[i].to->usage, "usage_in_bytes" },
			{ &rows[i].to->max, "max_usage_in_bytes" },
			{ &rows[i].to->limit, "limit_in_bytes" },
			{ &rows[i].to->failcnt, "failcnt" },
		};

		for (size_t k = 0; k < ARRAY_LEN(files); k++) {
			snprintf(file, sizeof(file), "%s.%s", rows[i].head, files[k].tail);
			*files[k].to = number_of(r, file);
		}
		if (rows[i].to->limit >= V1_NO_LIMIT)
			rows[i].to->limit = UINT64_MAX;
	}
	r->s->memory.cache = raw_value(r->s, "cache");
	r->s->memory.use_hierarchy = number_of(r, "memory.use_hierarchy") == 1;
	r->s->memory.oom_kills = value_in(text_of(r, "memory.oom_control"), "oom_kill");
	return err;
}

static int memory_v2(struct reader *r)
{
	struct cg_mem_usage *m = &r->s->memory.memory, *w = &r->s->memory.swap;
	const char *text;
	int err = read_raw(r);

	m->usage = number_of(r, "memory.current");
	m->max = number_of(r, "memory.peak");
	m->limit = number_of(r, "memory.max");
	w->usage = number_of(r, "memory.swap.current") + m->usage;
	w->limit = number_of(r, "memory.swap.max");
	w->limit = w->limit == UINT64_MAX || m->limit == UINT64_MAX ? UINT64_MAX
								    : w->limit + m->limit;
	text = text_of(r, "memory.events");
	m->failcnt = value_in(text, "max");
	r->s->memory.oom_kills = value_in(text, "oom_kill");
	r->s->memory.cache = raw_value(r->s, "file");
	r->s->memory.use_hierarchy = true;
	read_psi(r, "memory.pressure", &r->s->memory.psi);
	return err;
}

static int pids_any(struct reader *r)
{
	r->s->pids.current = number_of(r, "pids.current");
	r->s->pids.limit = number_of(r, "pids.max");
	if (r->s->pids.limit == UINT64_MAX)
		r->s->pids.limit = 0;
	return 0;
}

/* "8:0 Read 4096" or "Total 0"; rows without a device are sums and left out. */
static int blkio_rows(struct reader *r, const char *const files[], struct cg_blkio_row **ret,
		      size_t *ret_n)
{
	char *text = NULL, *line;
	size_t max, n = 0;
	struct cg_blkio_row *v;

	for (; *files && (!text || !*text || strncmp(text, "Total", 5) == 0); files++)
		text = text_of(r, *files);
	max = count_lines(text);
	v = arena_calloc(&r->s->arena, max + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	while ((line = next_line(&text)) && n < max) {
		unsigned long long value;
		char op[16];

		if (sscanf(line, "%u:%u %15s %llu", &v[n].major, &v[n].minor, op, &value) != 4)
			continue;
		v[n].value = value;
		v[n].op = arena_strdup(&r->s->arena, op);
		if (!v[n].op)
			return -ENOMEM;
		n++;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

static int blkio_v1(struct reader *r)
{
	static const char *const bytes[] = { "blkio.bfq.io_service_bytes_recursive",
					     "blkio.io_service_bytes_recursive",
					     "blkio.throttle.io_service_bytes_recursive",
					     "blkio.throttle.io_service_bytes", NULL };
	static const char *const ops[] = { "blkio.bfq.io_serviced_recursive",
					   "blkio.io_serviced_recursive",
					   "blkio.throttle.io_serviced_recursive",
					   "blkio.throttle.io_serviced", NULL };
	int err = blkio_rows(r, bytes, &r->s->blkio.bytes, &r->s->blkio.bytes_n);

	return err < 0 ? err : blkio_rows(r, ops, &r->s->blkio.ops, &r->s->blkio.ops_n);
}

static const struct {
	char key[8];
	const char *op;
	bool is_ops;
} io_keys[] = {
	{ "rbytes", "Read", false }, { "wbytes", "Write", false }, { "dbytes", "Discard", false },
	{ "rios", "Read", true },    { "wios", "Write", true },	   { "dios", "Discard", true },
};

/* One "rbytes=4096" becomes a row. */
static void io_field(struct cg_stats *s, unsigned int major, unsigned int minor, const char *field)
{
	for (size_t k = 0; k < ARRAY_LEN(io_keys); k++) {
		const char *v = str_skip(field, io_keys[k].key);
		struct cg_blkio_row row = { major, minor, io_keys[k].op, 0 };

		if (!v || *v != '=')
			continue;
		row.value = strtoull(v + 1, NULL, 10);
		if (io_keys[k].is_ops)
			s->blkio.ops[s->blkio.ops_n++] = row;
		else
			s->blkio.bytes[s->blkio.bytes_n++] = row;
		return;
	}
}

/* io.stat: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static int io_v2(struct reader *r)
{
	char *text = text_of(r, "io.stat"), *line;
	size_t max = count_lines(text) * ARRAY_LEN(io_keys) + 1;

	r->s->blkio.bytes = arena_calloc(&r->s->arena, max, sizeof(*r->s->blkio.bytes));
	r->s->blkio.ops = arena_calloc(&r->s->arena, max, sizeof(*r->s->blkio.ops));
	if (!r->s->blkio.bytes || !r->s->blkio.ops)
		return -ENOMEM;
	while ((line = next_line(&text))) {
		char *save = NULL, *field = strtok_r(line, " ", &save);
		unsigned int major, minor;

		if (!field || sscanf(field, "%u:%u", &major, &minor) != 2)
			continue;
		for (int k = 0; k < (int)ARRAY_LEN(io_keys) && (field = strtok_r(NULL, " ", &save));
		     k++)
			if (r->s->blkio.ops_n < max && r->s->blkio.bytes_n < max)
				io_field(r->s, major, minor, field);
	}
	read_psi(r, "io.pressure", &r->s->blkio.psi);
	return 0;
}

static int hugetlb_row(struct reader *r, const char *size, size_t len, bool is_v2)
{
	struct cg_hugetlb_row *row = &r->s->hugetlb[r->s->hugetlb_n];
	const char *tails[3] = { "usage_in_bytes", "max_usage_in_bytes", "failcnt" };
	char file[96];

	row->size = arena_strndup(&r->s->arena, size, len);
	if (!row->size)
		return -ENOMEM;
	if (is_v2) {
		snprintf(file, sizeof(file), "hugetlb.%s.current", row->size);
		row->usage = number_of(r, file);
		snprintf(file, sizeof(file), "hugetlb.%s.events", row->size);
		row->failcnt = value_in(text_of(r, file), "max");
	} else {
		uint64_t *to[3] = { &row->usage, &row->max, &row->failcnt };

		for (size_t k = 0; k < 3; k++) {
			snprintf(file, sizeof(file), "hugetlb.%s.%s", row->size, tails[k]);
			*to[k] = number_of(r, file);
		}
	}
	r->s->hugetlb_n++;
	return 0;
}

#define HUGE_SIZES_MAX 16

/* The sizes are the names of the group's files: "hugetlb.2MB.current". */
static int hugetlb(struct reader *r, bool is_v2)
{
	int fd = openat(r->g->place[r->place].fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *tail = is_v2 ? ".current" : ".usage_in_bytes";
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int err = 0;

	if (!d) {
		fd_closep(&fd);
		return 0;
	}
	r->s->hugetlb = arena_calloc(&r->s->arena, HUGE_SIZES_MAX, sizeof(*r->s->hugetlb));
	if (!r->s->hugetlb)
		err = -ENOMEM;
	while (err == 0 && (entry = readdir(d))) {
		const char *size = str_skip(entry->d_name, "hugetlb.");
		size_t len = size ? strcspn(size, ".") : 0;

		if (len > 0 && len < 16 && streq(size + len, tail) &&
		    r->s->hugetlb_n < HUGE_SIZES_MAX)
			err = hugetlb_row(r, size, len, is_v2);
	}
	closedir(d);
	return err;
}

static int hugetlb_v1(struct reader *r)
{
	return hugetlb(r, false);
}

static int hugetlb_v2(struct reader *r)
{
	return hugetlb(r, true);
}

static const struct {
	int (*v1)(struct reader *r);
	int (*v2)(struct reader *r);
	enum cg_controller controller;
} parts[] = {
	{ cpu_v1, cpu_v2, CG_CPU },	     { cpuacct_v1, NULL, CG_CPUACCT },
	{ memory_v1, memory_v2, CG_MEMORY }, { pids_any, pids_any, CG_PIDS },
	{ blkio_v1, io_v2, CG_BLKIO },	     { hugetlb_v1, hugetlb_v2, CG_HUGETLB },
};

int cg_stats_read(const struct cgroup *g, struct cg_stats *ret, struct err *e)
{
	AUTO_FREE char *buf = malloc(CG_FILE_MAX);
	struct cg_stats s = { .arena.budget = STATS_BUDGET };

	if (!buf)
		return err_set(e, -ENOMEM, "no memory for the group's counters");
	if (!cg_exists(g))
		return err_set_code(e, -ENODEV, ERR_NOT_FOUND, "the container's cgroup is gone");
	for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
		int i = cg_place_of(g, parts[k].controller);
		struct reader r = { g, i, &s, buf };
		int (*fn)(struct reader * r);
		int err;

		if (i < 0)
			continue;
		fn = cg_is_v2(g, i) ? parts[k].v2 : parts[k].v1;
		err = fn ? fn(&r) : 0;
		if (err < 0) {
			cg_stats_done(&s);
			return err_set(e, err, "no memory for the group's counters");
		}
		s.present |= 1u << parts[k].controller;
	}
	*ret = s;
	return 0;
}

void cg_stats_done(struct cg_stats *s)
{
	if (!s)
		return;
	arena_done(&s->arena);
	*s = (struct cg_stats){ 0 };
}

int64_t cg_cpu_period(const struct cgroup *g)
{
	int i = g->host ? cg_place_of(g, CG_CPU) : -1;
	char text[64];
	const char *p = text;
	int64_t period;

	if (i < 0 ||
	    cg_read(g, i, cg_is_v2(g, i) ? "cpu.max" : "cpu.cfs_period_us", text, sizeof(text)) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (strchr(text, ' ')) /* v2: the quota stands before it */
		p = strchr(text, ' ') + 1;
	return str_to_i64(p, 1, INT64_MAX, &period) < 0 ? 0 : period;
}
