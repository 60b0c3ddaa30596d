#include "oci/resources.h"

#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "spec/runtime.h"

#define ACCESS_ALL (CG_DEVICE_READ | CG_DEVICE_WRITE | CG_DEVICE_MKNOD)

static const struct cg_device_rule default_devices[] = {
	{ true, 'c', -1, -1, CG_DEVICE_MKNOD }, { true, 'b', -1, -1, CG_DEVICE_MKNOD },
	{ true, 'c', 1, 3, ACCESS_ALL },    /* null */
	{ true, 'c', 1, 5, ACCESS_ALL },    /* zero */
	{ true, 'c', 1, 7, ACCESS_ALL },    /* full */
	{ true, 'c', 1, 8, ACCESS_ALL },    /* random */
	{ true, 'c', 1, 9, ACCESS_ALL },    /* urandom */
	{ true, 'c', 5, 0, ACCESS_ALL },    /* tty */
	{ true, 'c', 5, 1, ACCESS_ALL },    /* console */
	{ true, 'c', 136, -1, ACCESS_ALL }, /* pts/N */
	{ true, 'c', 5, 2, ACCESS_ALL },    /* ptmx */
};

static struct cg_num number(bool has, int64_t v)
{
	return (struct cg_num){ has, v };
}

/* An unsigned number of the spec; above int64_t nothing in the kernel has room. */
static int number_u64(bool has, uint64_t v, const char *name, struct cg_num *ret, struct err *e)
{
	if (has && v > INT64_MAX)
		return err_set(e, -ERANGE, "%s %llu is out of range", name, (unsigned long long)v);
	*ret = number(has, (int64_t)v);
	return 0;
}

static int memory(const struct oci_memory *m, struct cg_resources *r, struct err *e)
{
	if (!m)
		return 0;
	r->memory.limit = number(m->has_limit, m->limit);
	r->memory.reservation = number(m->has_reservation, m->reservation);
	r->memory.swap = number(m->has_swap, m->swap);
	r->memory.kernel_tcp = number(m->has_kernel_tcp, m->kernel_tcp);
	r->memory.oom_disable = (struct cg_flag){ m->has_disable_oom_killer,
						  m->disable_oom_killer };
	r->memory.check_before_update = (struct cg_flag){ m->has_check_before_update,
							  m->check_before_update };
	/* runc takes the type's -1 for "not set". */
	if (m->has_swappiness && m->swappiness == UINT64_MAX)
		return 0;
	return number_u64(m->has_swappiness, m->swappiness, "memory.swappiness",
			  &r->memory.swappiness, e);
}

static int cpu(const struct oci_cpu *c, struct cg_resources *r, struct err *e)
{
	int err;

	if (!c)
		return 0;
	r->cpu.quota = number(c->has_quota, c->quota);
	r->cpu.rt_runtime = number(c->has_realtime_runtime, c->realtime_runtime);
	r->cpu.idle = number(c->has_idle, c->idle);
	r->cpu.cpus = c->cpus;
	r->cpu.mems = c->mems;
	err = number_u64(c->has_shares, c->shares, "cpu.shares", &r->cpu.shares, e);
	if (err == 0)
		err = number_u64(c->has_burst, c->burst, "cpu.burst", &r->cpu.burst, e);
	if (err == 0)
		err = number_u64(c->has_period, c->period, "cpu.period", &r->cpu.period, e);
	if (err == 0)
		err = number_u64(c->has_realtime_period, c->realtime_period, "cpu.realtimePeriod",
				 &r->cpu.rt_period, e);
	return err;
}

static int device_numbers(int64_t major, int64_t minor, struct err *e)
{
	if (major < 0 || major > UINT32_MAX || minor < 0 || minor > UINT32_MAX)
		return err_set(e, -ERANGE, "block device %lld:%lld is out of range",
			       (long long)major, (long long)minor);
	return 0;
}

/* A list of `n` rows of the plain struct, or NULL with the error set. */
static void *rows(struct arena *a, size_t n, size_t size, int *err, struct err *e)
{
	void *v = n <= LIMIT_DEVICES ? arena_calloc(a, n, size) : NULL;

	if (n > LIMIT_DEVICES)
		*err = err_set(e, -E2BIG, "%zu rows in a list of resources, at most %d", n,
			       LIMIT_DEVICES);
	else if (!v)
		*err = err_set(e, -ENOMEM, "no memory for the resources");
	return v;
}

static int throttle(const struct oci_throttle_device *in, size_t n, struct arena *a,
		    const struct cg_throttle **ret, size_t *ret_n, struct err *e)
{
	struct cg_throttle *v;
	int err = 0;

	if (n == 0)
		return 0;
	v = rows(a, n, sizeof(*v), &err, e);
	for (size_t i = 0; err == 0 && i < n; i++) {
		err = device_numbers(in[i].major, in[i].minor, e);
		v[i] = (struct cg_throttle){ (uint32_t)in[i].major, (uint32_t)in[i].minor,
					     in[i].rate };
	}
	*ret = v;
	*ret_n = n;
	return err;
}

static int weight_devices(const struct oci_block_io *b, struct arena *a, struct cg_resources *r,
			  struct err *e)
{
	size_t n = b->weight_device.n;
	struct cg_weight_device *v;
	int err = 0;

	if (n == 0)
		return 0;
	v = rows(a, n, sizeof(*v), &err, e);
	for (size_t i = 0; err == 0 && i < n; i++) {
		const struct oci_weight_device *d = &b->weight_device.v[i];

		err = device_numbers(d->major, d->minor, e);
		v[i].major = (uint32_t)d->major;
		v[i].minor = (uint32_t)d->minor;
		v[i].weight = number(d->has_weight, d->weight);
		v[i].leaf_weight = number(d->has_leaf_weight, d->leaf_weight);
	}
	r->blkio.weight_device.v = v;
	r->blkio.weight_device.n = n;
	return err;
}

static int block_io(const struct oci_block_io *b, struct arena *a, struct cg_resources *r,
		    struct err *e)
{
	int err;

	if (!b)
		return 0;
	r->blkio.weight = number(b->has_weight, b->weight);
	r->blkio.leaf_weight = number(b->has_leaf_weight, b->leaf_weight);
	err = weight_devices(b, a, r, e);
	if (err == 0)
		err = throttle(b->throttle_read_bps_device.v, b->throttle_read_bps_device.n, a,
			       &r->blkio.read_bps.v, &r->blkio.read_bps.n, e);
	if (err == 0)
		err = throttle(b->throttle_write_bps_device.v, b->throttle_write_bps_device.n, a,
			       &r->blkio.write_bps.v, &r->blkio.write_bps.n, e);
	if (err == 0)
		err = throttle(b->throttle_read_iops_device.v, b->throttle_read_iops_device.n, a,
			       &r->blkio.read_iops.v, &r->blkio.read_iops.n, e);
	if (err == 0)
		err = throttle(b->throttle_write_iops_device.v, b->throttle_write_iops_device.n, a,
			       &r->blkio.write_iops.v, &r->blkio.write_iops.n, e);
	return err;
}

static int access_bits(const char *text, unsigned int *ret, struct err *e)
{
	unsigned int bits = 0;

	for (const char *p = text; p && *p; p++) {
		unsigned int bit = *p == 'r'   ? CG_DEVICE_READ
				   : *p == 'w' ? CG_DEVICE_WRITE
				   : *p == 'm' ? CG_DEVICE_MKNOD
					       : 0;

		if (!bit)
			return err_set(e, -EINVAL, "invalid device access '%s'", text);
		bits |= bit;
	}
	*ret = text && *text ? bits : ACCESS_ALL;
	return 0;
}

/* Empty type is "a"; "u" is an unbuffered character device (config-linux.md#allowed-device-list). */
static int device_rule(const struct oci_device_rule *in, struct cg_device_rule *ret, struct err *e)
{
	const char *type = in->type && *in->type ? in->type : "a";

	if (strlen(type) != 1 || !strchr("abcu", *type))
		return err_set(e, -EINVAL, "invalid device type '%s'", type);
	ret->is_allow = in->allow;
	ret->type = *type == 'u' ? 'c' : *type;
	ret->major = in->has_major && in->major >= 0 ? in->major : -1;
	ret->minor = in->has_minor && in->minor >= 0 ? in->minor : -1;
	return access_bits(in->access, &ret->access, e);
}

static int devices(const struct oci_resources *in, unsigned int flags, struct arena *a,
		   struct cg_resources *r, struct err *e)
{
	size_t own = in ? in->devices.n : 0;
	/* Rules take the place of those in force, the default ones among them. */
	bool has_default = own || flags & RESOURCES_CREATE;
	size_t n = own + (has_default ? ARRAY_LEN(default_devices) : 0);
	struct cg_device_rule *v;
	int err = 0;

	if (n == 0)
		return 0;
	v = rows(a, n, sizeof(*v), &err, e);
	for (size_t i = 0; err == 0 && i < own; i++)
		err = device_rule(&in->devices.v[i], &v[i], e);
	if (err < 0)
		return err;
	if (n > own)
		memcpy(v + own, default_devices, sizeof(default_devices));
	r->devices.v = v;
	r->devices.n = n;
	return 0;
}

static int hugepages(const struct oci_resources *in, struct arena *a, struct cg_resources *r,
		     struct err *e)
{
	size_t n = in->hugepage_limits.n;
	struct cg_hugepage *v;
	int err = 0;

	if (n == 0)
		return 0;
	v = rows(a, n, sizeof(*v), &err, e);
	for (size_t i = 0; err == 0 && i < n; i++) {
		const struct oci_hugepage_limit *h = &in->hugepage_limits.v[i];

		if (!h->page_size)
			return err_set(e, -EINVAL, "hugepageLimits without pageSize");
		v[i] = (struct cg_hugepage){ h->page_size, h->limit };
	}
	r->hugepages.v = v;
	r->hugepages.n = n;
	return err;
}

static int rdma(const struct oci_resources *in, struct arena *a, struct cg_resources *r,
		struct err *e)
{
	size_t n = in->rdma.n;
	struct cg_rdma *v;
	int err = 0;

	if (n == 0)
		return 0;
	v = rows(a, n, sizeof(*v), &err, e);
	for (size_t i = 0; err == 0 && i < n; i++) {
		const struct oci_rdma *d = &in->rdma.v[i];

		v[i] = (struct cg_rdma){ d->key, number(d->has_hca_handles, d->hca_handles),
					 number(d->has_hca_objects, d->hca_objects) };
	}
	r->rdma.v = v;
	r->rdma.n = n;
	return err;
}

static int network(const struct oci_network *in, struct arena *a, struct cg_resources *r,
		   struct err *e)
{
	struct cg_netprio *v;
	int err = 0;

	if (!in)
		return 0;
	r->net_class = number(in->has_class_id, in->class_id);
	if (in->priorities.n == 0)
		return 0;
	v = rows(a, in->priorities.n, sizeof(*v), &err, e);
	for (size_t i = 0; err == 0 && i < in->priorities.n; i++) {
		if (!in->priorities.v[i].name)
			return err_set(e, -EINVAL, "network.priorities without a name");
		v[i] = (struct cg_netprio){ in->priorities.v[i].name,
					    in->priorities.v[i].priority };
	}
	r->net_prio.v = v;
	r->net_prio.n = in->priorities.n;
	return err;
}

static int unified(const struct oci_resources *in, struct arena *a, struct cg_resources *r,
		   struct err *e)
{
	size_t n = in->unified.n;
	struct cg_pair *v;
	int err = 0;

	if (n == 0)
		return 0;
	v = rows(a, n, sizeof(*v), &err, e);
	for (size_t i = 0; err == 0 && i < n; i++)
		v[i] = (struct cg_pair){ in->unified.v[i].key, in->unified.v[i].value };
	r->unified.v = v;
	r->unified.n = n;
	return err;
}

int oci_resources_translate(const struct oci_resources *in, unsigned int flags, struct arena *a,
			    struct cg_resources *ret, struct err *e)
{
	struct cg_resources r = { .pids.is_set = false };
	int err = devices(in, flags, a, &r, e);

	if (in && err == 0) {
		err = memory(in->memory, &r, e);
		if (err == 0)
			err = cpu(in->cpu, &r, e);
		if (err == 0)
			err = block_io(in->block_io, a, &r, e);
		if (err == 0)
			err = hugepages(in, a, &r, e);
		if (err == 0)
			err = rdma(in, a, &r, e);
		if (err == 0)
			err = network(in->network, a, &r, e);
		if (err == 0)
			err = unified(in, a, &r, e);
		if (in->pids)
			r.pids = number(in->pids->has_limit, in->pids->limit);
	}
	if (err == 0)
		*ret = r;
	return err;
}
