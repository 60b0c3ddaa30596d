#include "sys/cgroup.h"

#include "base/err.h"
#include "base/str.h"
#include "sys/cgroup_priv.h"

static void add(struct cg_mounts *m, struct cg_mount row)
{
	ASSERT(m->n < CG_MOUNTS_MAX);
	m->v[m->n++] = row;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static struct cg_mount bind_row(const struct cgroup *g, int i, const char *name)
{
	return (struct cg_mount){ .kind = CG_MOUNT_BIND,
				  .name = name,
				  .fd = g->place[i].fd,
				  .source = g->place[i].path };
}

/* "cpu,cpuacct" lives in a folder of that name; links lead there from "cpu" and "cpuacct". */
static void add_links(const struct cg_hierarchy *h, const char *name, struct cg_mounts *m)
{
	for (size_t k = 0; k < h->names_n && h->names_n > 1; k++)
		if (!streq(h->names[k], name))
			add(m, (struct cg_mount){ .kind = CG_MOUNT_LINK,
						  .name = h->names[k],
						  .data = name,
						  .fd = -EBADF });
}

static void add_v1(const struct cgroup *g, int i, bool has_cgroupns, struct cg_mounts *m)
{
	const struct cg_hierarchy *h = &g->host->h[i];
	const char *name = base_name(h->mount);

	if (has_cgroupns)
		add(m, (struct cg_mount){ .kind = CG_MOUNT_FRESH,
					  .name = name,
					  .fstype = "cgroup",
					  .data = h->mount_data,
					  .fd = -EBADF });
	else
		add(m, bind_row(g, i, name));
	add_links(h, name, m);
}

const struct cg_mounts cg_mounts_systemd_v1 = {
	.v = { { .kind = CG_MOUNT_TMPFS,
		 .name = "",
		 .fstype = "tmpfs",
		 .data = "mode=755,size=1024k",
		 .fd = -EBADF },
	       { .kind = CG_MOUNT_FRESH,
		 .name = "systemd",
		 .fstype = "cgroup",
		 .data = "none,name=systemd,xattr",
		 .fd = -EBADF } },
	.n = 2,
};

int cg_mount_plan(const struct cgroup *g, bool has_cgroupns, struct cg_mounts *ret, struct err *e)
{
	struct cg_mounts m = { .n = 0 };

	if (!g->host || g->host->mode == CG_MODE_NONE)
		return err_set(e, -ENODEV, "no cgroup filesystem is mounted");
	if (g->host->mode == CG_MODE_V2) {
		if (has_cgroupns)
			add(&m, (struct cg_mount){ .kind = CG_MOUNT_FRESH,
						   .name = "",
						   .fstype = "cgroup2",
						   .fd = -EBADF });
		else /* never a new cgroup2 mount: its options are the host's own (runc#5258) */
			add(&m, bind_row(g, g->host->unified, ""));
		*ret = m;
		return 0;
	}
	add(&m, (struct cg_mount){ .kind = CG_MOUNT_TMPFS,
				   .name = "",
				   .fstype = "tmpfs",
				   .data = "mode=755",
				   .fd = -EBADF });
	/* Hybrid: the unified hierarchy stays out, as with runc; programs inside take it for v2 otherwise. */
	for (int i = 0; i < (int)g->host->n; i++)
		if (!cg_is_v2(g, i) && g->place[i].fd >= 0)
			add_v1(g, i, has_cgroupns, &m);
	*ret = m;
	return 0;
}
