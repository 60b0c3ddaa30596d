#include "oci/systemd_props.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "oci/annotation.h"
#include "sys/cgroup_devices.h"
#include "sys/task.h"

#define PERIOD_DEFAULT 100000
#define SECOND_US 1000000
/* systemd keeps a quota as hundredths of a CPU: steps of 10 ms in each second. */
#define QUOTA_STEP_US 10000
/* The releases in which systemd learnt what a property may be. */
#define SINCE_CPU_IDLE 252
#define SINCE_OOM_POLICY 253
#define DEVICE_TEXT 64

void systemd_props_value(struct systemd_props *p, struct systemd_property *to, const char *value)
{
	const char *copy = to ? arena_strdup(p->arena, value) : NULL;

	if (!copy)
		p->is_out = true;
	else
		to->values.v[to->values.n++] = copy;
}

struct systemd_property *systemd_props_array(struct systemd_props *p, const char *name,
					     const char *signature, size_t values_max)
{
	const char **values = arena_calloc(p->arena, values_max ? values_max : 1, sizeof(*values));
	struct systemd_property *v = p->list.v;

	if (p->list.n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 16;

		v = arena_calloc(p->arena, cap, sizeof(*v));
		if (v && p->list.n)
			memcpy(v, p->list.v, p->list.n * sizeof(*v));
		p->cap = v ? cap : p->cap;
	}
	if (!v || !values) {
		p->is_out = true;
		return NULL;
	}
	p->list.v = v;
	v += p->list.n++;
	*v = (struct systemd_property){ .name = name, .signature = signature, .values.v = values };
	return v;
}

void systemd_props_add(struct systemd_props *p, const char *name, const char *signature,
		       const char *value)
{
	systemd_props_value(p, systemd_props_array(p, name, signature, 1), value);
}

static void add_u64(struct systemd_props *p, const char *name, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	systemd_props_add(p, name, "t", text);
}

/* A limit of the spec: -1 is none, which systemd writes as the largest number; 0 asks for nothing. */
static void add_limit(struct systemd_props *p, const char *name, struct cg_num n)
{
	if (n.is_set && n.v)
		add_u64(p, name, n.v < 0 ? UINT64_MAX : (uint64_t)n.v);
}

static int64_t period_of(const struct cg_resources *r, int64_t period_now)
{
	if (r->cpu.period.is_set && r->cpu.period.v > 0)
		return r->cpu.period.v;
	return period_now > 0 ? period_now : PERIOD_DEFAULT;
}

/* µs of each second, rounded up to what systemd can hold; 0 when that is out of range. */
static uint64_t quota_per_second(int64_t quota, int64_t period)
{
	uint64_t v;

	if (__builtin_mul_overflow((uint64_t)quota, SECOND_US, &v))
		return 0;
	v /= (uint64_t)period;
	return (v + QUOTA_STEP_US - 1) / QUOTA_STEP_US * QUOTA_STEP_US;
}

void systemd_round_quota(struct cg_resources *r, int64_t period_now)
{
	int64_t period = period_of(r, period_now);
	uint64_t per_second = r->cpu.quota.is_set && r->cpu.quota.v > 0
				      ? quota_per_second(r->cpu.quota.v, period)
				      : 0;

	/* A quota that is exact already stays: the way back would cut it. */
	if (per_second && (uint64_t)r->cpu.quota.v * SECOND_US != per_second * (uint64_t)period)
		r->cpu.quota.v = (int64_t)(per_second * (uint64_t)period / SECOND_US);
}

static void cpu_quota(struct systemd_props *p, const struct cg_resources *r, int64_t period_now)
{
	bool has_period = r->cpu.period.is_set && r->cpu.period.v > 0;
	bool has_quota = r->cpu.quota.is_set && r->cpu.quota.v;

	if (has_period)
		add_u64(p, "CPUQuotaPeriodUSec", (uint64_t)r->cpu.period.v);
	if (has_quota && r->cpu.quota.v > 0)
		add_u64(p, "CPUQuotaPerSecUSec",
			quota_per_second(r->cpu.quota.v, period_of(r, period_now)));
	else if (has_quota)
		add_u64(p, "CPUQuotaPerSecUSec", UINT64_MAX);
}

static void cpu_weight(struct systemd_props *p, const struct cg_resources *r, bool is_v2)
{
	bool is_idle = r->cpu.idle.is_set && r->cpu.idle.v == 1;
	int64_t shares = r->cpu.shares.is_set ? r->cpu.shares.v : 0;

	if (is_v2 && is_idle) { /* weight 0 is systemd's word for idle */
		add_u64(p, "CPUWeight", 0);
		if (p->list.n)
			p->list.v[p->list.n - 1].since = SINCE_CPU_IDLE;
	} else if (shares > 0) {
		add_u64(p, is_v2 ? "CPUWeight" : "CPUShares",
			is_v2 ? cg_weight_of_shares((uint64_t)shares) : (uint64_t)shares);
	}
}

/* A list of CPUs or nodes as systemd's bit mask, the byte of the lowest numbers first. */
static int cpuset(struct systemd_props *p, const char *name, const char *list, struct err *e)
{
	unsigned long mask[16];
	const unsigned char *bytes = (const unsigned char *)mask;
	size_t n = sizeof(mask);
	struct systemd_property *to;
	char text[8];
	int r;

	if (!list || !*list)
		return 0;
	r = task_cpus_parse(list, mask);
	if (r < 0)
		return err_set(e, r, "%s: '%s' is no list of numbers below 1024", name, list);
	while (n > 0 && !bytes[n - 1])
		n--;
	to = systemd_props_array(p, name, "ay", n);
	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%u", bytes[i]);
		systemd_props_value(p, to, text);
	}
	return 0;
}

static int memory(struct systemd_props *p, const struct cg_resources *r, bool is_v2, struct err *e)
{
	struct cg_num swap, limit = r->memory.limit, memsw = r->memory.swap;
	int err;

	if (!is_v2) {
		add_limit(p, "MemoryLimit", limit);
		return 0;
	}
	limit.is_set &= limit.v != 0;
	memsw.is_set &= memsw.v != 0;
	err = cg_swap_of_memsw(limit, memsw, &swap, e);
	if (err < 0)
		return err;
	add_limit(p, "MemoryMax", limit);
	add_limit(p, "MemoryLow", r->memory.reservation);
	if (swap.is_set)
		add_u64(p, "MemorySwapMax", swap.v < 0 ? UINT64_MAX : (uint64_t)swap.v);
	return 0;
}

static void tasks(struct systemd_props *p, const struct cg_resources *r)
{
	if (!r->pids.is_set)
		return;
	/* 0 is 1 by the spec, and systemd takes no 0. */
	add_u64(p, "TasksMax", r->pids.v < 0 ? UINT64_MAX : (uint64_t)MAX(r->pids.v, 1));
}

/*
 * systemd writes IOWeight to io.weight and, by a curve of its own, to io.bfq.weight, whose scale is the spec's.
 * This is that curve backwards: 1..1000 to 1..10000, with 100 as both defaults.
 */
static uint64_t io_weight(int64_t v)
{
	return v <= 100 ? (uint64_t)v : 100 + (uint64_t)(v - 100) * 9900 / 900;
}

static void io(struct systemd_props *p, const struct cg_resources *r, bool is_v2)
{
	if (r->blkio.weight.is_set && r->blkio.weight.v > 0)
		add_u64(p, is_v2 ? "IOWeight" : "BlockIOWeight",
			is_v2 ? io_weight(r->blkio.weight.v) : (uint64_t)r->blkio.weight.v);
	for (size_t i = 0; is_v2 && i < r->blkio.weight_device.n; i++) {
		const struct cg_weight_device *d = &r->blkio.weight_device.v[i];
		struct systemd_property *to;
		char text[32];

		if (!d->weight.is_set || d->weight.v <= 0)
			continue;
		to = systemd_props_array(p, "IODeviceWeight", "a(st)", 2);
		snprintf(text, sizeof(text), "/dev/block/%u:%u", d->major, d->minor);
		systemd_props_value(p, to, text);
		snprintf(text, sizeof(text), "%llu", (unsigned long long)io_weight(d->weight.v));
		systemd_props_value(p, to, text);
	}
}

/* "char-136", "/dev/char/1:3", "block-*"; false for "any major, this minor", which systemd has no word for. */
static bool device_path(const struct cg_device_rule *d, char text[DEVICE_TEXT])
{
	const char *type = d->type == 'c' ? "char" : "block";

	if (d->major < 0 && d->minor >= 0)
		return false;
	if (d->major < 0)
		snprintf(text, DEVICE_TEXT, "%s-*", type);
	else if (d->minor < 0)
		snprintf(text, DEVICE_TEXT, "%s-%lld", type, (long long)d->major);
	else
		snprintf(text, DEVICE_TEXT, "/dev/%s/%lld:%lld", type, (long long)d->major,
			 (long long)d->minor);
	return true;
}

static void allow_list(struct systemd_props *p, const struct cg_device_set *s)
{
	struct systemd_property *to = systemd_props_array(p, "DeviceAllow", "a(ss)", 2 * s->n);

	for (size_t i = 0; i < s->n; i++) {
		const struct cg_device_rule *d = &s->v[i];
		char path[DEVICE_TEXT], access[4];

		device_path(d, path);
		snprintf(access, sizeof(access), "%s%s%s", d->access & CG_DEVICE_READ ? "r" : "",
			 d->access & CG_DEVICE_WRITE ? "w" : "",
			 d->access & CG_DEVICE_MKNOD ? "m" : "");
		systemd_props_value(p, to, path);
		systemd_props_value(p, to, access);
	}
}

/*
 * The device rules that systemd can hold: nothing but a list of what is allowed. Where the rules are no such
 * list it is told to allow all, because both its rules and cgroupfs' hold, and cgroupfs has them exactly.
 */
static int devices(struct systemd_props *p, const struct cg_resources *r, struct err *e)
{
	CLEANUP(cg_device_set_done) struct cg_device_set s = { .is_allow = true };
	bool is_list;
	char path[DEVICE_TEXT];
	int err;

	if (!r->devices.n)
		return 0;
	err = cg_device_play(&s, r->devices.v, r->devices.n, NULL);
	if (err < 0 && err != -EINVAL)
		return err_sys(e, err, "list the device rules");
	/* -EINVAL is an exception from an exception. */
	is_list = err == 0 && !s.is_allow;
	for (size_t i = 0; is_list && i < s.n; i++)
		is_list = device_path(&s.v[i], path);
	/* Empty first: the property adds to what the unit has. */
	systemd_props_array(p, "DeviceAllow", "a(ss)", 0);
	systemd_props_add(p, "DevicePolicy", "s", is_list ? "strict" : "auto");
	if (is_list && s.n)
		allow_list(p, &s);
	return 0;
}

/* Raw files of the unified hierarchy that are properties too; "max" is the largest number. */
static const struct {
	const char *file, *property;
} unified_rows[] = {
	{ "cpu.weight", "CPUWeight" }, { "memory.high", "MemoryHigh" },
	{ "memory.low", "MemoryLow" }, { "memory.max", "MemoryMax" },
	{ "memory.min", "MemoryMin" }, { "memory.swap.max", "MemorySwapMax" },
	{ "pids.max", "TasksMax" },
};

static int unified_number(struct systemd_props *p, const char *property, const struct cg_pair *u,
			  struct err *e)
{
	uint64_t v = UINT64_MAX;
	int r = streq(u->value, "max") ? 0 : str_to_u64(u->value, UINT64_MAX, &v);

	if (r < 0)
		return err_set(e, r, "unified resource \"%s\" value conversion error: \"%s\"",
			       u->key, u->value);
	add_u64(p, property, v ? v : (uint64_t)streq(property, "TasksMax"));
	return 0;
}

/* "max", "50000", "50000 100000". */
static int unified_cpu_max(struct systemd_props *p, const struct cg_pair *u, struct err *e)
{
	struct cg_resources r = { .cpu.period = { true, PERIOD_DEFAULT } };
	const char *period = strchr(u->value, ' ');
	size_t n = period ? (size_t)(period - u->value) : strlen(u->value);
	char quota[24];
	int err = 0;

	snprintf(quota, sizeof(quota), "%.*s", (int)n, u->value);
	r.cpu.quota = (struct cg_num){ true, -1 };
	if (!streq(quota, "max"))
		err = str_to_i64(quota, 1, INT64_MAX, &r.cpu.quota.v);
	if (err == 0 && period)
		err = str_to_i64(period + 1, 1, SECOND_US, &r.cpu.period.v);
	if (err < 0)
		return err_set(e, err, "unified resource \"%s\" value invalid: \"%s\"", u->key,
			       u->value);
	cpu_quota(p, &r, 0);
	return 0;
}

static void oom_policy(struct systemd_props *p, const char *value)
{
	const char *word = streq(value, "0") ? "continue" : streq(value, "1") ? "kill" : NULL;

	if (!word)
		return;
	systemd_props_add(p, "OOMPolicy", "s", word);
	if (p->list.n)
		p->list.v[p->list.n - 1].since = SINCE_OOM_POLICY;
}

static int unified_one(struct systemd_props *p, const struct cg_pair *u, bool at_start,
		       struct err *e)
{
	if (streq(u->key, "cpu.max"))
		return unified_cpu_max(p, u, e);
	if (streq(u->key, "cpuset.cpus"))
		return cpuset(p, "AllowedCPUs", u->value, e);
	if (streq(u->key, "cpuset.mems"))
		return cpuset(p, "AllowedMemoryNodes", u->value, e);
	if (streq(u->key, "memory.oom.group") && at_start)
		oom_policy(p, u->value);
	for (size_t i = 0; i < ARRAY_LEN(unified_rows); i++)
		if (streq(u->key, unified_rows[i].file))
			return unified_number(p, unified_rows[i].property, u, e);
	return 0;
}

int systemd_props_resources(struct systemd_props *p, const struct cg_resources *r, bool is_v2,
			    int64_t period_now, bool at_start, struct err *e)
{
	int err = devices(p, r, e);

	if (err == 0)
		err = memory(p, r, is_v2, e);
	if (err < 0)
		return err;
	cpu_weight(p, r, is_v2);
	cpu_quota(p, r, period_now);
	tasks(p, r);
	io(p, r, is_v2);
	err = cpuset(p, "AllowedCPUs", r->cpu.cpus, e);
	if (err == 0)
		err = cpuset(p, "AllowedMemoryNodes", r->cpu.mems, e);
	for (size_t i = 0; is_v2 && err == 0 && i < r->unified.n; i++)
		err = unified_one(p, &r->unified.v[i], at_start, e);
	if (err == 0 && p->is_out)
		err = err_set(e, -ENOMEM, "no memory for the unit's properties");
	return err;
}

static int check_name(const char *key, const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n < 3)
		return err_set(e, -EINVAL, "annotation %s name incorrect: too short", key);
	for (size_t i = 0; i < n; i++)
		if ((name[i] | 32) < 'a' || (name[i] | 32) > 'z')
			return err_set(
				e, -EINVAL,
				"annotation %s name incorrect: contains non-alphabetic character",
				key);
	return 0;
}

/* Seconds of any number type become microseconds of type "t": systemd's properties are TimeoutStopUSec. */
static int seconds_to_us(struct systemd_props *p, struct systemd_property *v)
{
	const char *value = v->values.n ? v->values.v[0] : "";
	uint64_t n;
	char text[24];

	if (strlen(v->signature) != 1 || !strchr("ynqiuxtd", *v->signature))
		return -EINVAL;
	if (*v->signature == 'd')
		n = (uint64_t)(strtod(value, NULL) * SECOND_US);
	else if (str_to_u64(value, UINT64_MAX / SECOND_US, &n) < 0)
		return -ERANGE;
	else
		n *= SECOND_US;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	v->signature = "t";
	v->values.v[0] = arena_strdup(p->arena, text);
	return v->values.v[0] ? 0 : -ENOMEM;
}

static int annotation(struct systemd_props *p, const struct json_pair *a, const char *name,
		      struct err *e)
{
	struct systemd_property v = { 0 };
	struct systemd_property *to;
	size_t n = strlen(name);
	int r = check_name(a->key, name, e);

	if (r < 0)
		return r;
	r = systemd_variant_parse(a->value, p->arena, &v, e);
	if (r < 0)
		return err_wrap(e, r, "annotation %s=%s value parse error", a->key, a->value);
	/* runc's rule: a lower case letter before "Sec", so that "Sec" and "USec" stay. */
	if (n > 3 && streq(name + n - 3, "Sec") && name[n - 4] >= 'a') {
		name = arena_printf(p->arena, "%.*sUSec", (int)n - 3, name);
		r = name ? seconds_to_us(p, &v) : -ENOMEM;
		if (r < 0)
			return err_set(e, r, "annotation %s=%s value parse error: not a number",
				       a->key, a->value);
	}
	to = systemd_props_array(p, name, v.signature, 0);
	if (to)
		to->values = v.values;
	return 0;
}

int systemd_props_annotations(struct systemd_props *p, const struct json_map *annotations,
			      struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < annotations->n; i++) {
		const char *name = str_skip(annotations->v[i].key, ANNOTATION_SYSTEMD);

		if (name)
			r = annotation(p, &annotations->v[i], name, e);
	}
	if (r == 0 && p->is_out)
		r = err_set(e, -ENOMEM, "no memory for the unit's properties");
	return r;
}
