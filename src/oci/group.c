#include "oci/group.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "oci/annotation.h"
#include "oci/resources.h"
#include "oci/run.h"
#include "oci/state.h"
#include "oci/sync.h"

/* The intent's text: whose manager, then the unit. */
#define INTENT_USER "user:"
#define INTENT_SYSTEM "system:"

static const char *cgroups_path(const struct group_options *o)
{
	const char *path = o->spec->linux_->cgroups_path;

	return path && *path ? path : NULL;
}

/* A user's own groups, if there are any, lie beside the runtime's; NULL: at the top, by the container's id. */
static const char *own_path(const struct group_options *o)
{
	const char *path = cgroups_path(o);

	return path || !o->is_rootless ? path : o->id;
}

static int plan_unit(struct group *g, const struct group_options *o, struct arena *a, struct err *e)
{
	const char *text;
	int r;

	if (!systemd_is_running())
		return err_set(
			e, -ENODEV,
			"systemd not running on this host, cannot use systemd cgroups manager");
	if (o->is_rootless && g->host.mode != CG_MODE_V2)
		return err_set(e, -EOPNOTSUPP,
			       "cannot use rootless systemd cgroups manager on cgroup v1");
	r = systemd_unit_parse(cgroups_path(o), o->id, o->is_rootless, a, &g->unit, e);
	if (r < 0)
		return r;
	text = arena_printf(a, "%s%s", g->unit.is_user ? INTENT_USER : INTENT_SYSTEM, g->unit.name);
	if (!text)
		return err_sys(e, -ENOMEM, "write intent");
	return symlinkat(text, o->dir, STATE_UNIT) < 0 ? err_sys(e, -errno, "write intent") : 0;
}

int group_plan(struct group *g, const struct group_options *o, struct arena *a, struct err *e)
{
	const char *path = own_path(o);
	int r = cg_host_probe(&g->host, e);

	g->is_rootless = o->is_rootless;
	if (r < 0)
		return r;
	if (o->is_systemd)
		return plan_unit(g, o, a, e);
	return symlinkat(path ? path : "-", o->dir, STATE_INTENT) < 0
		       ? err_sys(e, -errno, "write intent")
		       : 0;
}

/* As runc: without a group a rootless container may still start when no controller is needed. */
static bool needs_controller(const struct cg_resources *r)
{
	return r->memory.limit.is_set || r->memory.reservation.is_set || r->memory.swap.is_set ||
	       r->cpu.shares.is_set || r->cpu.quota.is_set || r->cpu.period.is_set ||
	       (r->cpu.cpus && *r->cpu.cpus) || (r->cpu.mems && *r->cpu.mems) || r->pids.is_set ||
	       r->blkio.weight.is_set || r->blkio.weight_device.n || r->blkio.read_bps.n ||
	       r->blkio.write_bps.n || r->blkio.read_iops.n || r->blkio.write_iops.n ||
	       r->hugepages.n || r->rdma.n || r->unified.n;
}

static bool is_refusal(int r)
{
	return r == -EACCES || r == -EPERM || r == -EROFS || r == -ENODEV || r == -ENOENT;
}

static int make_by_cgroupfs(struct group *g, const struct group_options *o,
			    const struct cg_resources *res, struct err *e)
{
	int r = cg_create(&g->host, own_path(o), o->id, &g->cg, e);

	if (r >= 0 || cgroups_path(o) || !o->is_rootless || !is_refusal(r))
		return r;
	if (needs_controller(res))
		return err_wrap(e, r,
				"rootless needs no limits + no cgrouppath when no permission is "
				"granted for cgroups");
	log_debug("the container has no cgroup: %s", e ? e->msg : "not permitted");
	if (e)
		*e = ERR_INIT;
	return 0;
}

/* The scope's groups in all hierarchies, and below them the one that crun's annotation asks for. */
static int enter_scope(struct group *g, const struct oci_spec *spec, const char *cgroup,
		       struct err *e)
{
	const char *sub = annotation_get(spec, ANNOTATION_SUBGROUP);
	char path[SYSTEMD_CGROUP_MAX + 256];
	int r;

	if (!sub || !*sub)
		return cg_enter(&g->host, cgroup, &g->cg, e);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", cgroup, sub) >= sizeof(path))
		return err_set(e, -ENAMETOOLONG, "sub-cgroup '%s'", sub);
	r = cg_enter(&g->host, path, &g->cg, e);
	/* v2: a group with processes hands on no controllers, so the helper goes below too. */
	if (r == 0)
		r = cg_add_pid(&g->cg, g->scope.helper.pid, 0, e);
	if (r == 0)
		cg_hand_down(&g->cg);
	return r;
}

static int make_by_systemd(struct group *g, const struct group_options *o, struct cg_resources *res,
			   struct arena *a, struct err *e)
{
	struct systemd_props p = { .arena = a };
	bool is_v2 = g->host.mode == CG_MODE_V2;
	char cgroup[SYSTEMD_CGROUP_MAX];
	int r;

	systemd_unit_props(&g->unit, is_v2, &p);
	r = systemd_props_annotations(&p, &o->spec->annotations, e);
	systemd_round_quota(res, 0);
	if (r == 0)
		r = systemd_props_resources(&p, res, is_v2, 0, true, e);
	if (r == 0)
		r = systemd_scope_start(&g->unit, &p, &g->scope, cgroup, e);
	if (r < 0)
		return r;
	/* The kernel counts the helper when it clones into the group, though not when a process moves there. */
	g->is_narrow = res->pids.is_set && res->pids.v >= 0 && res->pids.v <= 1;
	return enter_scope(g, o->spec, cgroup, e);
}

/* Device rules of a rootless container are not expected to work, and are not needed. */
static int apply(const struct cgroup *cg, struct cg_resources *r, unsigned int flags,
		 bool is_rootless, struct err *e)
{
	struct cg_resources only = { .devices = { r->devices.v, r->devices.n } };
	struct err own = ERR_INIT;

	if (!is_rootless)
		return cg_apply(cg, r, flags, e);
	if (cg_apply(cg, &only, flags, &own) < 0)
		log_debug("%s", own.msg);
	r->devices.n = 0;
	return cg_apply(cg, r, flags, e);
}

static bool may_be_frozen(const struct group *g, const char *path)
{
	for (size_t i = 0; i < g->host.n; i++)
		if (g->cg.place[i].path && !g->cg.place[i].is_made)
			return true;
	return path && strchr(path + 1, '/');
}

int group_make(struct group *g, const struct group_options *o, struct arena *a, struct err *e)
{
	struct cg_resources res = { 0 };
	int r = oci_resources_translate(o->spec->linux_->resources, RESOURCES_CREATE, a, &res, e);

	if (r == 0)
		r = g->unit.name ? make_by_systemd(g, o, &res, a, e)
				 : make_by_cgroupfs(g, o, &res, e);
	if (r == 0 && group_is_there(g))
		r = apply(&g->cg, &res, 0, g->is_rootless, e);
	if (r < 0)
		return r;
	/* A process cloned into a frozen group would never answer. A new group at the top cannot be frozen. */
	if (group_is_there(g) && may_be_frozen(g, cgroups_path(o)) && cg_is_frozen(&g->cg) == 1)
		return err_set(e, -EBUSY, "the container's cgroup is frozen");
	return 0;
}

pid_t group_clone(struct k_clone_args *ca, const struct cgroup *cg, bool has_unit, bool is_narrow,
		  struct init *in, struct err *e)
{
	int into = cg && !is_narrow ? cg_clone_fd(cg) : -EBADF;
	int r = cg ? cg_join_open(cg, into >= 0 ? CG_JOIN_NOT_UNIFIED : 0, &in->groups, e) : 0;

	if (r < 0)
		return err_wrap(e, r, "unable to apply cgroup configuration");
	if (into >= 0) {
		ca->flags |= K_CLONE_INTO_CGROUP;
		ca->cgroup = (uint64_t)into;
	}
	r = k_clone3(ca);
	if (r == -EACCES && into >= 0 && has_unit) {
		/* A user in a login's scope: the way to the user's own slice leads over root's groups. */
		ca->flags &= ~(uint64_t)K_CLONE_INTO_CGROUP;
		in->waits_group = true;
		r = k_clone3(ca);
	}
	return r < 0 ? err_sys(e, r, "clone into new namespaces") : r;
}

const char *group_below_unit(const struct cgroup *cg, const struct systemd_unit *u)
{
	const char *path = cg->host->unified >= 0 ? cg->place[cg->host->unified].path : NULL;
	const char *unit = path ? strstr(path, u->name) : NULL;
	const char *below = unit ? unit + strlen(u->name) : "";

	return *below ? below : NULL;
}

int group_settle(struct group *g, const struct init *in, pid_t pid, int sync, struct err *e)
{
	int r = 0;

	if (in->waits_group) {
		r = systemd_scope_attach(&g->scope, group_below_unit(&g->cg, &g->unit), pid, e);
		if (r == 0)
			r = sync_send(sync, SYNC_GO, SYNC_FD_NONE);
	}
	if (!g->is_narrow)
		systemd_scope_release(&g->scope);
	return r;
}

int group_mount_plan(const struct group *g, bool has_cgroupns, struct cg_mounts *ret, struct err *e)
{
	struct cgroup none = { .host = &g->host };

	for (size_t i = 0; i < ARRAY_LEN(none.place); i++)
		none.place[i].fd = -EBADF;
	if (!group_is_there(g) && !has_cgroupns && g->host.mode == CG_MODE_V2)
		return err_set(
			e, -ENOENT,
			"a mount of the container's cgroup needs a cgroup or a cgroup namespace");
	return cg_mount_plan(group_is_there(g) ? &g->cg : &none, has_cgroupns, ret, e);
}

int group_remove(struct group *g, bool kills, struct err *e)
{
	int r = 0, last;

	if (kills && group_is_there(g))
		cg_kill(&g->cg, SIGKILL, RUN_REMOVE_TIMEOUT_MS, NULL);
	systemd_scope_release(&g->scope);
	if (g->unit.name)
		r = systemd_unit_stop(&g->unit, e);
	/* Even then: groups that systemd does not know of are ours. */
	last = group_is_there(g) ? cg_remove(&g->cg, RUN_REMOVE_TIMEOUT_MS, r < 0 ? NULL : e) : 0;
	return r < 0 ? r : last;
}

void group_done(struct group *g)
{
	for (size_t i = 0; i < ARRAY_LEN(g->cg.place); i++)
		free(g->cg.place[i].path);
	cg_host_done(&g->host);
}

int group_update(const struct cgroup *cg, const struct systemd_unit *u, struct cg_resources *r,
		 bool is_rootless, struct arena *a, struct err *e)
{
	struct systemd_props p = { .arena = a };
	bool is_v2 = cg->host && cg->host->mode == CG_MODE_V2;
	int64_t period = 0;
	int err = 0;

	if (u->name) {
		period = cg_cpu_period(cg);
		systemd_round_quota(r, period);
		err = systemd_props_resources(&p, r, is_v2, period, false, e);
	}
	if (err == 0)
		err = apply(cg, r, CG_APPLY_UPDATE, is_rootless, e);
	if (err == 0 && u->name) {
		err = systemd_unit_set(u, &p, e);
		if (err < 0)
			err_wrap(e, err, "unable to set unit properties");
	}
	return err;
}

void group_save(const struct group *g, const struct oci_spec *spec, struct state_cgroups *ret)
{
	*ret = (struct state_cgroups){ .rootless = g->is_rootless };
	if (!g->unit.name) {
		ret->path = spec->linux_->cgroups_path;
		return;
	}
	ret->systemd = true;
	ret->name = g->unit.id;
	ret->parent = g->unit.slice;
	ret->scope_prefix = g->unit.prefix;
}

int group_unit_of(const struct state *s, struct arena *a, struct systemd_unit *ret, struct err *e)
{
	const struct state_cgroups *c = s->config ? s->config->cgroups : NULL;

	*ret = (struct systemd_unit){ 0 };
	if (!c || !c->systemd)
		return 0;
	if (!c->name || !c->scope_prefix)
		return err_set(e, -EBADMSG, "state.json names no unit");
	ret->slice = c->parent;
	ret->prefix = c->scope_prefix;
	ret->id = c->name;
	ret->is_user = c->rootless;
	ret->name = systemd_unit_name(c->scope_prefix, c->name, a);
	return ret->name ? 0 : err_sys(e, -ENOMEM, "read state");
}

int group_intended_unit(int dir, struct arena *a, struct systemd_unit *ret)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(dir, STATE_UNIT, text, sizeof(text) - 1);
	const char *user;

	if (n < 0)
		return -errno;
	text[n] = '\0';
	user = str_skip(text, INTENT_USER);
	if (!user && !str_skip(text, INTENT_SYSTEM))
		return -EBADMSG;
	*ret = (struct systemd_unit){ .is_user = user };
	ret->name = arena_strdup(a, user ? user : text + strlen(INTENT_SYSTEM));
	return ret->name ? 0 : -ENOMEM;
}
