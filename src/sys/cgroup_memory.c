#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "sys/cgroup_apply.h"
#include "sys/cgroup_priv.h"

#define V1_LIMIT "memory.limit_in_bytes"
#define V1_SWAP "memory.memsw.limit_in_bytes"

static int set_bytes(const struct cgroup *g, int i, const char *file, int64_t v, struct err *e)
{
	char text[CG_TEXT_MAX];

	if (v == -1 && cg_is_v2(g, i))
		snprintf(text, sizeof(text), "max");
	else
		snprintf(text, sizeof(text), "%lld", (long long)v);
	return cg_set(g, i, CG_MEMORY, file, text, e);
}

/* v1: EBUSY says nothing; what is in use does. */
static int set_v1_limit(const struct cgroup *g, int i, int64_t v, struct err *e)
{
	uint64_t usage = 0, peak = 0;
	int r = set_bytes(g, i, V1_LIMIT, v, e);

	if (r != -EBUSY)
		return r;
	(void)cg_read_u64(g, i, "memory.usage_in_bytes", &usage);
	(void)cg_read_u64(g, i, "memory.max_usage_in_bytes", &peak);
	return err_set_code(
		e, r, ERR_FAILED_PRECONDITION,
		"unable to set memory limit to %lld (current usage: %llu, peak usage: %llu)",
		(long long)v, (unsigned long long)usage, (unsigned long long)peak);
}

static int set_v1_swap(const struct cgroup *g, int i, int64_t v, struct err *e)
{
	int r = set_bytes(g, i, V1_SWAP, v, e);

	if (r == -ENOTSUP)
		return err_set_code(e, r, ERR_FAILED_PRECONDITION,
				    "swap limit %lld: this kernel does not account swap "
				    "(no '%s/" V1_SWAP "'; boot with swapaccount=1)",
				    (long long)v, g->place[i].path);
	return r;
}

/*
 * The kernel holds limit <= memory+swap at each write: going up, memory+swap goes first; going down, the
 * limit does.
 */
static int memory_v1(const struct cgroup *g, int i, struct cg_num limit, struct cg_num swap,
		     bool is_fresh, struct err *e)
{
	uint64_t now = UINT64_MAX;
	bool is_implied = limit.is_set && limit.v == -1 && !swap.is_set;
	int r = 0;

	if (is_implied) { /* no limit at all: swap goes with it where it is counted */
		r = cg_write_at(g->place[i].fd, V1_SWAP, "-1");
		if (r < 0 && r != -ENOENT)
			return err_sys(e, r, "write '-1' to '%s/" V1_SWAP "'", g->place[i].path);
		return set_v1_limit(g, i, -1, e);
	}
	if (limit.is_set && swap.is_set) {
		if (!is_fresh) /* a fresh one has no limit */
			r = cg_read_u64(g, i, V1_LIMIT, &now);
		if (r < 0)
			return err_sys(e, r, "read '%s/" V1_LIMIT "'", g->place[i].path);
		if (swap.v == -1 || now < (uint64_t)swap.v) {
			r = set_v1_swap(g, i, swap.v, e);
			return r < 0 ? r : set_v1_limit(g, i, limit.v, e);
		}
	}
	if (limit.is_set)
		r = set_v1_limit(g, i, limit.v, e);
	if (r == 0 && swap.is_set)
		r = set_v1_swap(g, i, swap.v, e);
	return r;
}

/* 0: nothing refuses; v2 itself would kill instead of refusing. */
static int check_usage(const struct cgroup *g, int i, struct cg_num limit, struct cg_num swap,
		       struct err *e)
{
	const struct {
		const char *name;
		struct cg_num n;
	} rows[] = { { "memory+swap", swap }, { "memory", limit } };
	uint64_t usage;

	if (cg_read_u64(g, i, "memory.current", &usage) < 0)
		return 0;
	for (size_t k = 0; k < ARRAY_LEN(rows); k++)
		if (rows[k].n.is_set && rows[k].n.v > 0 && (uint64_t)rows[k].n.v <= usage)
			return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
					    "rejecting %s limit %lld <= usage %llu", rows[k].name,
					    (long long)rows[k].n.v, (unsigned long long)usage);
	return 0;
}

int cg_swap_of_memsw(struct cg_num limit, struct cg_num memsw, struct cg_num *ret, struct err *e)
{
	*ret = (struct cg_num){ .is_set = false };
	if (!memsw.is_set) {
		if (limit.is_set && limit.v == -1)
			*ret = (struct cg_num){ true, -1 };
		return 0;
	}
	if (memsw.v == -1) {
		*ret = (struct cg_num){ true, -1 };
		return 0;
	}
	if (!limit.is_set || limit.v <= 0)
		return err_set(e, -EINVAL, "unable to set swap limit without memory limit");
	if (memsw.v < limit.v)
		return err_set(e, -EINVAL, "memory+swap limit %lld should be >= memory limit %lld",
			       (long long)memsw.v, (long long)limit.v);
	*ret = (struct cg_num){ true, memsw.v - limit.v };
	return 0;
}

static int memory_v2(const struct cgroup *g, int i, const struct cg_resources *r,
		     struct cg_num limit, struct cg_num memsw, struct err *e)
{
	struct cg_num swap;
	int err = 0;

	if (r->memory.check_before_update.is_set && r->memory.check_before_update.v)
		err = check_usage(g, i, limit, memsw, e);
	if (err == 0)
		err = cg_swap_of_memsw(limit, memsw, &swap, e);
	if (err == 0 && swap.is_set) {
		err = set_bytes(g, i, "memory.swap.max", swap.v, e);
		if (err == -ENOTSUP && swap.v <= 0)
			err = 0; /* a kernel without swap: none, and no limit on it, hold anyway */
	}
	if (err == 0 && limit.is_set)
		err = set_bytes(g, i, "memory.max", limit.v, e);
	return err;
}

int cg_apply_memory(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		    struct err *e)
{
	struct cg_num limit = r->memory.limit, swap = r->memory.swap;
	int i;

	limit.is_set &= limit.v != 0; /* 0 is Go's way of saying nothing */
	swap.is_set &= swap.v != 0;
	if (!limit.is_set && !swap.is_set)
		return 0;
	if (limit.v < -1 || swap.v < -1)
		return err_set(e, -EINVAL, "memory limit %lld with memory+swap limit %lld",
			       (long long)limit.v, (long long)swap.v);
	i = cg_need(g, CG_MEMORY, limit.is_set ? "memory.limit" : "memory.swap", e);
	if (i < 0)
		return i;
	if (cg_is_v2(g, i))
		return memory_v2(g, i, r, limit, swap, e);
	return memory_v1(g, i, limit, swap, g->place[i].is_made && !(flags & CG_APPLY_UPDATE), e);
}
