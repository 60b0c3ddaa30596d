#include "sys/cgroup.h"

#include <net/if.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "sys/bpf_device.h"
#include "sys/cgroup_apply.h"
#include "sys/cgroup_devices.h"
#include "sys/cgroup_priv.h"

#define SHARES_MIN 2
#define SHARES_MAX 262144
#define LOG2_SLACK 256 /* of 2^40: far below the distance of two weights */
#define BLKIO_WEIGHT_MIN 10
#define BLKIO_WEIGHT_MAX 1000

/* The logarithm to base 2 of `v` (1 or more), in units of 2^-40, cut. */
static uint64_t log2_q40(uint64_t v)
{
	unsigned int whole = 63 - (unsigned int)__builtin_clzll(v);
	uint64_t m = v << (63 - whole), ret = whole;

	/* Each squaring of the mantissa (1 up to 2, in units of 2^-63) yields one more bit. */
	for (int i = 0; i < 40; i++) {
		unsigned __int128 square = (unsigned __int128)m * m;
		unsigned int bit = (unsigned int)(square >> 127);

		m = (uint64_t)(square >> (63 + bit));
		ret = ret << 1 | bit;
	}
	return ret;
}

/*
 * ceil(10^((l² + 125 l) / 612 - 7 / 34)) with l = log2(shares): the first weight whose logarithm reaches that.
 * In integers, because libm would be 17 kB of a static program for this one curve.
 */
uint64_t cg_weight_of_shares(uint64_t shares)
{
	unsigned __int128 l, aim;
	uint64_t low = 1, high = 10000;

	if (shares <= SHARES_MIN)
		return low;
	if (shares >= SHARES_MAX)
		return high;
	l = log2_q40(shares);
	aim = (l * l >> 40) + 125 * l - ((unsigned __int128)126 << 40);
	aim = aim * log2_q40(10) / 612 >> 40;
	while (low < high) {
		uint64_t middle = (low + high) / 2;

		/* What was cut must not push a weight that is met exactly (1024: 100) over the edge. */
		if (log2_q40(middle) + LOG2_SLACK >= aim)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint64_t cg_io_weight_of_blkio(uint64_t weight)
{
	return 1 + (weight - BLKIO_WEIGHT_MIN) * 9999 / (BLKIO_WEIGHT_MAX - BLKIO_WEIGHT_MIN);
}

/* What became of a spec's number: its text for the file. 0, 1 for "leave as it is", or -errno. */
typedef int (*convert_fn)(int64_t v, bool is_v2, char text[CG_TEXT_MAX]);

static int as_is(int64_t v, bool is_v2, char text[CG_TEXT_MAX])
{
	(void)is_v2;
	snprintf(text, CG_TEXT_MAX, "%lld", (long long)v);
	return 0;
}

static int unless_zero(int64_t v, bool is_v2, char text[CG_TEXT_MAX])
{
	return v == 0 ? 1 : as_is(v, is_v2, text);
}

static int bytes_or_max(int64_t v, bool is_v2, char text[CG_TEXT_MAX])
{
	if (v < -1)
		return -EINVAL;
	if (v == -1 && is_v2) {
		snprintf(text, CG_TEXT_MAX, "max");
		return 0;
	}
	return unless_zero(v, is_v2, text);
}

static int shares(int64_t v, bool is_v2, char text[CG_TEXT_MAX])
{
	/* v1 would clamp without a word. */
	if (v < 0 || (!is_v2 && v != 0 && (v < SHARES_MIN || v > SHARES_MAX)))
		return -ERANGE;
	return unless_zero(is_v2 && v ? (int64_t)cg_weight_of_shares((uint64_t)v) : v, is_v2, text);
}

static int pids(int64_t v, bool is_v2, char text[CG_TEXT_MAX])
{
	if (v < 0) {
		snprintf(text, CG_TEXT_MAX, "max");
		return 0;
	}
	/* 0 would let nothing start, and the kernel counts what is there: runc 1.4 and newer say 1. */
	return as_is(MAX(v, 1), is_v2, text);
}

static int percent(int64_t v, bool is_v2, char text[CG_TEXT_MAX])
{
	if (v == -1)
		return 1;
	return v < 0 || v > 100 ? -ERANGE : as_is(v, is_v2, text);
}

static int blkio_leaf(int64_t v, bool is_v2, char text[CG_TEXT_MAX])
{
	if (v != 0 && (v < BLKIO_WEIGHT_MIN || v > BLKIO_WEIGHT_MAX))
		return -ERANGE;
	return unless_zero(v, is_v2, text);
}

/* One knob that is one number in one file. */
struct knob {
	uint16_t at; /* of the struct cg_num in struct cg_resources */
	uint8_t controller;
	convert_fn convert;
	const char *name;    /* as the spec calls it */
	const char *v1, *v2; /* NULL: that version has no such thing */
};

#define AT(m) offsetof(struct cg_resources, m)
static const struct knob memory_knobs[] = {
	{ AT(memory.reservation), CG_MEMORY, bytes_or_max, "memory.reservation",
	  "memory.soft_limit_in_bytes", "memory.low" },
	{ AT(memory.kernel_tcp), CG_MEMORY, bytes_or_max, "memory.kernelTCP",
	  "memory.kmem.tcp.limit_in_bytes", NULL },
	{ AT(memory.swappiness), CG_MEMORY, percent, "memory.swappiness", "memory.swappiness",
	  NULL },
};
static const struct knob other_knobs[] = {
	{ AT(pids), CG_PIDS, pids, "pids.limit", "pids.max", "pids.max" },
	{ AT(net_class), CG_NET_CLS, unless_zero, "network.classID", "net_cls.classid", NULL },
	{ AT(blkio.leaf_weight), CG_BLKIO, blkio_leaf, "blockIO.leafWeight", "blkio.leaf_weight",
	  NULL },
};
static const struct knob shares_knob = { AT(cpu.shares), CG_CPU,       shares,
					 "cpu.shares",	 "cpu.shares", "cpu.weight" };
static const struct knob idle_knob = { AT(cpu.idle), CG_CPU,	 as_is,
				       "cpu.idle",   "cpu.idle", "cpu.idle" };

int cg_need(const struct cgroup *g, enum cg_controller c, const char *what, struct err *e)
{
	int i = cg_place_of(g, c);

	if (i >= 0)
		return i;
	return err_set_code(e, -ENOTSUP, ERR_FAILED_PRECONDITION,
			    "cgroup controller '%s' is not available on this host: cannot set '%s'",
			    cg_controller_name(c, g->host->mode == CG_MODE_V2), what);
}

int cg_set(const struct cgroup *g, int i, enum cg_controller c, const char *file, const char *value,
	   struct err *e)
{
	int r = cg_write_at(g->place[i].fd, file, value);

	if (r == -ENOENT && cg_is_v2(g, i)) {
		cg_enable_down(g, i, c);
		r = cg_write_at(g->place[i].fd, file, value);
	}
	if (r == -ENOENT)
		return err_set_code(
			e, -ENOTSUP, ERR_FAILED_PRECONDITION,
			"write '%s' to '%s/%s': this kernel's or this group's controller "
			"'%s' has no such file",
			value, g->place[i].path, file, cg_controller_name(c, cg_is_v2(g, i)));
	return r < 0 ? err_sys(e, r, "write '%s' to '%s/%s'", value, g->place[i].path, file) : 0;
}

static int apply_knob(const struct cgroup *g, const struct cg_resources *r, const struct knob *k,
		      struct err *e)
{
	const struct cg_num *num = (const void *)((const char *)r + k->at);
	char text[CG_TEXT_MAX];
	const char *file;
	int i, err;

	if (!num->is_set)
		return 0;
	/* The form first, so that a knob that asks for nothing needs no controller. */
	err = k->convert(num->v, g->host->mode == CG_MODE_V2, text);
	if (err < 0)
		return err_set(e, err, "%s %lld is out of range", k->name, (long long)num->v);
	if (err > 0)
		return 0;
	i = cg_need(g, (enum cg_controller)k->controller, k->name, e);
	if (i < 0)
		return i;
	file = cg_is_v2(g, i) ? k->v2 : k->v1;
	if (!file && num->v <= 0)
		return 0;
	if (!file)
		return err_set_code(e, -ENOTSUP, ERR_FAILED_PRECONDITION,
				    "cgroup v2 has no counterpart of '%s': cannot set %lld",
				    k->name, (long long)num->v);
	(void)k->convert(num->v, cg_is_v2(g, i), text);
	return cg_set(g, i, (enum cg_controller)k->controller, file, text, e);
}

static int apply_knobs(const struct cgroup *g, const struct cg_resources *r, const struct knob *k,
		       size_t n, struct err *e)
{
	int err = 0;

	for (size_t j = 0; err == 0 && j < n; j++)
		err = apply_knob(g, r, &k[j], e);
	return err;
}

static int memory_knobs_all(const struct cgroup *g, const struct cg_resources *r,
			    unsigned int flags, struct err *e)
{
	(void)flags;
	return apply_knobs(g, r, memory_knobs, ARRAY_LEN(memory_knobs), e);
}

static int other_knobs_all(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
			   struct err *e)
{
	(void)flags;
	return apply_knobs(g, r, other_knobs, ARRAY_LEN(other_knobs), e);
}

static int oom_killer(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		      struct err *e)
{
	int i;

	(void)flags;
	if (!r->memory.oom_disable.is_set || !r->memory.oom_disable.v)
		return 0;
	i = cg_need(g, CG_MEMORY, "memory.disableOOMKiller", e);
	if (i < 0)
		return i;
	if (cg_is_v2(g, i))
		return err_set_code(e, -ENOTSUP, ERR_FAILED_PRECONDITION,
				    "cgroup v2 has no counterpart of 'memory.disableOOMKiller'");
	return cg_set(g, i, CG_MEMORY, "memory.oom_control", "1", e);
}

/* A group that is idle takes no weight: going idle comes last, waking up first. */
static int cpu_weight(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		      struct err *e)
{
	bool wakes = r->cpu.idle.is_set && r->cpu.idle.v == 0;
	int err;

	(void)flags;
	err = wakes ? apply_knob(g, r, &idle_knob, e) : 0;
	if (err == 0 && !(r->cpu.idle.is_set && !wakes))
		err = apply_knob(g, r, &shares_knob, e);
	if (err == 0 && !wakes && r->cpu.idle.is_set) {
		(void)apply_knob(g, r, &shares_knob,
				 NULL); /* idle outweighs it, and may be so already */
		err = apply_knob(g, r, &idle_knob, e);
	}
	return err;
}

/*
 * Two numbers of which the kernel refuses either as long as the other is old: `first` is tried, then
 * `second`, then `first` again if need be.
 */
static int set_pair(const struct cgroup *g, int i, const char *first, const struct cg_num *a,
		    const char *second, const struct cg_num *b, struct err *e)
{
	char text[CG_TEXT_MAX];
	bool again = false;
	int r;

	if (a->is_set) {
		as_is(a->v, false, text);
		r = cg_set(g, i, CG_CPU, first, text, e);
		again = r == -EINVAL && b->is_set;
		if (r < 0 && !again)
			return r;
	}
	if (b->is_set) {
		as_is(b->v, false, text);
		r = cg_set(g, i, CG_CPU, second, text, e);
		if (r < 0)
			return r;
	}
	if (!again)
		return 0;
	as_is(a->v, false, text);
	return cg_set(g, i, CG_CPU, first, text, e);
}

static struct cg_num nonzero(struct cg_num n)
{
	n.is_set = n.is_set && n.v != 0;
	return n;
}

static int bandwidth_v2(const struct cgroup *g, int i, struct cg_num quota, struct cg_num period,
			struct err *e)
{
	char text[CG_TEXT_MAX], old[32] = "max";

	if (!quota.is_set && !period.is_set)
		return 0;
	if (!quota.is_set) /* the period alone: the quota in force stays */
		(void)cg_read(g, i, "cpu.max", old, sizeof(old));
	old[strcspn(old, " \n")] = '\0';
	if (quota.is_set && quota.v > 0)
		snprintf(old, sizeof(old), "%lld", (long long)quota.v);
	if (period.is_set)
		snprintf(text, sizeof(text), "%s %lld", old, (long long)period.v);
	else
		snprintf(text, sizeof(text), "%s", old);
	return cg_set(g, i, CG_CPU, "cpu.max", text, e);
}

static int cpu_bandwidth(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
			 struct err *e)
{
	struct cg_num quota = nonzero(r->cpu.quota), period = nonzero(r->cpu.period);
	struct cg_num burst = r->cpu.burst;
	bool again = false;
	char text[CG_TEXT_MAX];
	const char *file;
	int i, err = 0;

	(void)flags;
	if (!quota.is_set && !period.is_set && !burst.is_set)
		return 0;
	i = cg_need(g, CG_CPU, quota.is_set ? "cpu.quota" : "cpu.period", e);
	if (i < 0)
		return i;
	file = cg_is_v2(g, i) ? "cpu.max.burst" : "cpu.cfs_burst_us";
	if (burst.is_set) {
		as_is(burst.v, false, text);
		err = cg_set(g, i, CG_CPU, file, text, e);
		again = err == -EINVAL && quota.is_set; /* more than the old quota */
		if (err == -ENOTSUP && burst.v == 0)
			burst.is_set = false;
		else if (err < 0 && !again)
			return err;
	}
	if (cg_is_v2(g, i))
		err = bandwidth_v2(g, i, quota, period, e);
	else
		err = set_pair(g, i, "cpu.cfs_period_us", &period, "cpu.cfs_quota_us", &quota, e);
	return err == 0 && again ? cg_set(g, i, CG_CPU, file, text, e) : err;
}

static int cpu_realtime(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
			struct err *e)
{
	struct cg_num runtime = nonzero(r->cpu.rt_runtime), period = nonzero(r->cpu.rt_period);
	int i;

	(void)flags;
	if (!runtime.is_set && !period.is_set)
		return 0;
	i = cg_need(g, CG_CPU, "cpu.realtimeRuntime", e);
	if (i < 0)
		return i;
	if (cg_is_v2(g, i))
		return err_set_code(e, -ENOTSUP, ERR_FAILED_PRECONDITION,
				    "cgroup v2 has no counterpart of 'cpu.realtimeRuntime'");
	return set_pair(g, i, "cpu.rt_period_us", &period, "cpu.rt_runtime_us", &runtime, e);
}

static int cpuset(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		  struct err *e)
{
	const struct {
		const char *value, *file;
	} rows[] = { { r->cpu.cpus, "cpuset.cpus" }, { r->cpu.mems, "cpuset.mems" } };

	(void)flags;
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		int i;

		if (!rows[k].value || !*rows[k].value)
			continue;
		i = cg_need(g, CG_CPUSET, rows[k].file, e);
		if (i < 0)
			return i;
		i = cg_set(g, i, CG_CPUSET, rows[k].file, rows[k].value, e);
		if (i < 0)
			return i;
	}
	return 0;
}

static int hugepages(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		     struct err *e)
{
	(void)flags;
	for (size_t k = 0; k < r->hugepages.n; k++) {
		const struct cg_hugepage *h = &r->hugepages.v[k];
		int i = cg_need(g, CG_HUGETLB, "hugepageLimits", e);
		const char *end;
		char file[96], text[CG_TEXT_MAX];
		int err;

		if (i < 0)
			return i;
		if (!*h->size || strspn(h->size, "0123456789KMGTB") != strlen(h->size) ||
		    strlen(h->size) > 16)
			return err_set(e, -EINVAL, "hugepage size '%s' is malformed", h->size);
		end = cg_is_v2(g, i) ? "max" : "limit_in_bytes";
		snprintf(text, sizeof(text), "%llu", (unsigned long long)h->limit);
		snprintf(file, sizeof(file), "hugetlb.%s.%s", h->size, end);
		err = cg_set(g, i, CG_HUGETLB, file, text, e);
		if (err < 0)
			return err;
		/* Reservations are counted apart since 5.7, and count before the fault. */
		snprintf(file, sizeof(file), "hugetlb.%s.rsvd.%s", h->size, end);
		err = cg_write_at(g->place[i].fd, file, text);
		if (err < 0 && err != -ENOENT)
			return err_sys(e, err, "write '%s' to '%s/%s'", text, g->place[i].path,
				       file);
	}
	return 0;
}

static int rdma(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		struct err *e)
{
	(void)flags;
	for (size_t k = 0; k < r->rdma.n; k++) {
		const struct cg_rdma *d = &r->rdma.v[k];
		int i = cg_need(g, CG_RDMA, "rdma", e), err;
		char text[160];
		size_t len;

		if (i < 0)
			return i;
		if (!*d->device || strlen(d->device) > 64 || strpbrk(d->device, " \n"))
			return err_set(e, -EINVAL, "rdma device '%s' is malformed", d->device);
		len = (size_t)snprintf(text, sizeof(text), "%s", d->device);
		if (d->handles.is_set)
			len += (size_t)snprintf(text + len, sizeof(text) - len, " hca_handle=%lld",
						(long long)d->handles.v);
		if (d->objects.is_set)
			snprintf(text + len, sizeof(text) - len, " hca_object=%lld",
				 (long long)d->objects.v);
		err = cg_set(g, i, CG_RDMA, "rdma.max", text, e);
		if (err < 0)
			return err;
	}
	return 0;
}

static int net_prio(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		    struct err *e)
{
	(void)flags;
	for (size_t k = 0; k < r->net_prio.n; k++) {
		int i = cg_need(g, CG_NET_PRIO, "network.priorities", e), err;
		char text[64];

		if (i < 0)
			return i;
		if (strlen(r->net_prio.v[k].interface) >= IFNAMSIZ)
			return err_set(e, -EINVAL, "interface name '%s' is too long",
				       r->net_prio.v[k].interface);
		snprintf(text, sizeof(text), "%s %u", r->net_prio.v[k].interface,
			 r->net_prio.v[k].priority);
		err = cg_set(g, i, CG_NET_PRIO, "net_prio.ifpriomap", text, e);
		if (err < 0)
			return err;
	}
	return 0;
}

static int devices(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		   struct err *e)
{
	int i, err;

	if (r->devices.n == 0)
		return 0;
	i = cg_need(g, CG_DEVICES, "devices", e);
	if (i < 0)
		return i;
	if (!cg_is_v2(g, i))
		return cg_devices_v1(g, i, r->devices.v, r->devices.n, flags & CG_APPLY_UPDATE, e);
	err = bpf_device_set(g->place[i].fd, r->devices.v, r->devices.n, e);
	return err < 0 ? err_wrap(e, err, "device rules of '%s'", g->place[i].path) : 0;
}

/* Files that move, kill or hold processes are not resources. */
static bool is_forbidden(const char *key)
{
	static const char *const names[] = { "cgroup.procs", "cgroup.threads", "cgroup.kill",
					     "cgroup.freeze", "cgroup.type" };

	for (size_t k = 0; k < ARRAY_LEN(names); k++)
		if (streq(key, names[k]))
			return true;
	return false;
}

/* Several lines are several writes: the kernel takes one row at a time. */
static int write_lines(const struct cgroup *g, int i, int c, const struct cg_pair *p, struct err *e)
{
	const char *at = p->value;
	int r = 0;

	do {
		size_t n = strcspn(at, "\n");
		AUTO_FREE char *line = strndup(at, n);

		if (!line)
			return err_set(e, -ENOMEM, "no memory for '%s'", p->key);
		if (n > 0 && c >= 0)
			r = cg_set(g, i, (enum cg_controller)c, p->key, line, e);
		else if (n > 0)
			r = cg_write(g, i, p->key, line, e);
		at += n + (at[n] == '\n');
	} while (r == 0 && *at);
	return r;
}

static int unified(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		   struct err *e)
{
	int i = g->host->unified;

	(void)flags;
	for (size_t k = 0; k < r->unified.n; k++) {
		const struct cg_pair *p = &r->unified.v[k];
		size_t head = strcspn(p->key, ".");
		int c = cg_controller_find(p->key, head), err;

		if (strchr(p->key, '/') || head == 0 || p->key[head] != '.' || strlen(p->key) > 255)
			return err_set(e, -EINVAL,
				       "unified resource '%s' must be a file name (no slashes)",
				       p->key);
		if (is_forbidden(p->key))
			return err_set(e, -EINVAL, "unified resource '%s' is not a limit", p->key);
		if (i < 0 || g->place[i].fd < 0)
			return err_set_code(
				e, -ENOTSUP, ERR_FAILED_PRECONDITION,
				"unified resource '%s' needs cgroup v2, which this host "
				"has not",
				p->key);
		if (c >= 0 && !(g->host->h[i].controllers & 1u << c))
			return err_set_code(
				e, -ENOTSUP, ERR_FAILED_PRECONDITION,
				"invalid configuration: unified resource '%s' can't be set: "
				"controller '%.*s' not available",
				p->key, (int)head, p->key);
		err = write_lines(g, i, c, p, e);
		if (err < 0)
			return err;
	}
	return 0;
}

int cg_apply(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
	     struct err *e)
{
	/* Raw unified files last: they are the user's last word. Devices before: a refused limit has not
	 * yet closed anything. */
	static int (*const steps[])(const struct cgroup *, const struct cg_resources *,
				    unsigned int, struct err *) = {
		cg_apply_memory, memory_knobs_all, oom_killer, cpu_weight,
		cpu_bandwidth,	 cpu_realtime,	   cpuset,     other_knobs_all,
		cg_apply_blkio,	 hugepages,	   rdma,       net_prio,
		devices,	 unified,
	};
	int err = 0;

	for (size_t k = 0; err == 0 && k < ARRAY_LEN(steps); k++)
		err = steps[k](g, r, flags, e);
	return err;
}
