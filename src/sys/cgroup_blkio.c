#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "sys/cgroup_apply.h"
#include "sys/cgroup_priv.h"

#define WEIGHT_MIN 10
#define WEIGHT_MAX 1000

/* 0 is "nothing asked"; otherwise the spec's range. */
static int check_weight(struct cg_num w, const char *what, struct err *e)
{
	if (w.is_set && w.v != 0 && (w.v < WEIGHT_MIN || w.v > WEIGHT_MAX))
		return err_set(e, -ERANGE, "%s %lld is not within 10 to 1000", what,
			       (long long)w.v);
	return 0;
}

/* The files for weights, the first that is there: CFQ's left with 5.0, BFQ and iocost came. */
struct weight_files {
	const char *plain, *bfq;
};
static const struct weight_files v1_weight = { "blkio.weight", "blkio.bfq.weight" };
static const struct weight_files v2_weight = { "io.weight", "io.bfq.weight" };
static const struct weight_files v1_device = { "blkio.weight_device", "blkio.bfq.weight_device" };
static const struct weight_files v1_leaf_device = { "blkio.leaf_weight_device", NULL };

/*
 * Writes a weight to BFQ's file (its own range 1..1000) or else to the plain one. `device`: "8:0 " in
 * front, or "" for the group's default.
 */
static int set_weight(const struct cgroup *g, int i, const struct weight_files *f,
		      const char *device, int64_t v, struct err *e)
{
	char text[CG_TEXT_MAX];
	int r = -ENOENT;

	if (f->bfq) {
		snprintf(text, sizeof(text), "%s%lld", device, (long long)v);
		r = cg_write_at(g->place[i].fd, f->bfq, text);
	}
	/* BFQ compiled in but not this device's scheduler answers EOPNOTSUPP or ENODEV for a device row. */
	if (r == 0)
		return 0;
	if (r != -ENOENT && !(r == -EOPNOTSUPP && cg_is_v2(g, i)))
		return err_sys(e, r, "write '%s' to '%s/%s'", text, g->place[i].path, f->bfq);
	snprintf(text, sizeof(text), "%s%lld", device,
		 (long long)(cg_is_v2(g, i) && v > 0 ? (int64_t)cg_io_weight_of_blkio((uint64_t)v)
						     : v));
	return cg_set(g, i, CG_BLKIO, f->plain, text, e);
}

static int set_device_weights(const struct cgroup *g, int i, const struct cg_weight_device *d,
			      struct err *e)
{
	char device[CG_TEXT_MAX];
	int r = check_weight(d->weight, "blockIO.weightDevice", e);

	if (r == 0)
		r = check_weight(d->leaf_weight, "blockIO.weightDevice.leafWeight", e);
	snprintf(device, sizeof(device), "%u:%u ", d->major, d->minor);
	if (r == 0 && d->weight.is_set)
		r = set_weight(g, i, cg_is_v2(g, i) ? &v2_weight : &v1_device, device, d->weight.v,
			       e);
	if (r < 0 || !d->leaf_weight.is_set || d->leaf_weight.v == 0)
		return r;
	if (cg_is_v2(g, i))
		return err_set_code(e, -ENOTSUP, ERR_FAILED_PRECONDITION,
				    "cgroup v2 has no counterpart of 'blockIO.leafWeight'");
	return set_weight(g, i, &v1_leaf_device, device, d->leaf_weight.v, e);
}

static int set_throttle(const struct cgroup *g, int i, const char *v1_file, const char *v2_key,
			const struct cg_throttle *t, struct err *e)
{
	char text[CG_TEXT_MAX], rate[24] = "max";

	if (t->rate > 0 || !cg_is_v2(g, i))
		snprintf(rate, sizeof(rate), "%llu", (unsigned long long)t->rate);
	if (!cg_is_v2(g, i)) {
		snprintf(text, sizeof(text), "%u:%u %s", t->major, t->minor, rate);
		return cg_set(g, i, CG_BLKIO, v1_file, text, e);
	}
	snprintf(text, sizeof(text), "%u:%u %s=%s", t->major, t->minor, v2_key, rate);
	return cg_set(g, i, CG_BLKIO, "io.max", text, e);
}

static int set_throttles(const struct cgroup *g, int i, const struct cg_resources *r, struct err *e)
{
	const struct {
		const struct cg_throttle *v;
		size_t n;
		const char *v1, *v2;
	} rows[] = {
		{ r->blkio.read_bps.v, r->blkio.read_bps.n, "blkio.throttle.read_bps_device",
		  "rbps" },
		{ r->blkio.write_bps.v, r->blkio.write_bps.n, "blkio.throttle.write_bps_device",
		  "wbps" },
		{ r->blkio.read_iops.v, r->blkio.read_iops.n, "blkio.throttle.read_iops_device",
		  "riops" },
		{ r->blkio.write_iops.v, r->blkio.write_iops.n, "blkio.throttle.write_iops_device",
		  "wiops" },
	};

	for (size_t k = 0; k < ARRAY_LEN(rows); k++)
		for (size_t j = 0; j < rows[k].n; j++) {
			int err = set_throttle(g, i, rows[k].v1, rows[k].v2, &rows[k].v[j], e);

			if (err < 0)
				return err;
		}
	return 0;
}

static bool is_asked(const struct cg_resources *r)
{
	return (r->blkio.weight.is_set && r->blkio.weight.v != 0) || r->blkio.weight_device.n > 0 ||
	       r->blkio.read_bps.n > 0 || r->blkio.write_bps.n > 0 || r->blkio.read_iops.n > 0 ||
	       r->blkio.write_iops.n > 0;
}

int cg_apply_blkio(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		   struct err *e)
{
	int i, err;

	(void)flags;
	if (!is_asked(r))
		return 0;
	err = check_weight(r->blkio.weight, "blockIO.weight", e);
	if (err < 0)
		return err;
	i = cg_need(g, CG_BLKIO, "blockIO", e);
	if (i < 0)
		return i;
	if (r->blkio.weight.is_set && r->blkio.weight.v != 0)
		err = set_weight(g, i, cg_is_v2(g, i) ? &v2_weight : &v1_weight, "",
				 r->blkio.weight.v, e);
	for (size_t k = 0; err == 0 && k < r->blkio.weight_device.n; k++)
		err = set_device_weights(g, i, &r->blkio.weight_device.v[k], e);
	return err < 0 ? err : set_throttles(g, i, r, e);
}
