/* What is known of a container when it stands, into state.json. */
#include "oci/creation.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"
#include "oci/intel_rdt.h"

static int fill_labels(struct creation *c, struct state_config *cfg)
{
	const struct json_map *m = &c->spec->annotations;
	const char **v = arena_calloc(&c->arena, m->n + 1, sizeof(*v));
	size_t n = 0;

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < m->n; i++)
		v[n++] = arena_printf(&c->arena, "%s=%s", m->v[i].key, m->v[i].value);
	v[n++] = arena_printf(&c->arena, "bundle=%s", c->bundle);
	for (size_t i = 0; i < n; i++)
		if (!v[i])
			return -ENOMEM;
	cfg->labels = (struct json_strs){ v, n };
	return 0;
}

static int fill_namespaces(struct creation *c, struct state_config *cfg, struct state *s)
{
	const struct plan *p = c->plan;
	struct state_ns *v = arena_calloc(&c->arena, NS_COUNT, sizeof(*v));
	struct json_pair *paths = arena_calloc(&c->arena, NS_COUNT, sizeof(*paths));

	if (!v || !paths)
		return -ENOMEM;
	cfg->namespaces.v = v;
	s->namespace_paths.v = paths;
	for (size_t i = 0; i < NS_COUNT; i++) {
		const struct ns_row *row = &ns_rows[i];
		const char *path = p->new_ns & row->flag ? "" : NULL;

		for (size_t k = 0; k < p->joins_n; k++)
			if (p->joins[k].ns == row)
				path = p->joins[k].path;
		if (path)
			v[cfg->namespaces.n++] = (struct state_ns){ row->runc, path };
		paths[s->namespace_paths.n++] = (struct json_pair){
			row->runc, arena_printf(&c->arena, "/proc/%d/ns/%s", c->pid, row->proc)
		};
	}
	return 0;
}

static int fill_cgroups(struct creation *c, struct state_config *cfg, struct state *s)
{
	struct cg_path paths[CG_PATHS_MAX];
	size_t n = group_is_there(&c->group) ? cg_paths(&c->group.cg, paths) : 0;
	struct json_pair *v = arena_calloc(&c->arena, n + 1, sizeof(*v));

	cfg->cgroups = arena_alloc(&c->arena, sizeof(*cfg->cgroups));
	if (!v || !cfg->cgroups)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		v[i] = (struct json_pair){ paths[i].controller, paths[i].path };
	group_save(&c->group, c->spec, cfg->cgroups);
	s->cgroup_paths = (struct json_map){ v, n };
	return 0;
}

int creation_save_state(struct creation *c, struct err *e)
{
	struct state *s = &c->state;
	struct state_config *cfg = arena_alloc(&c->arena, sizeof(*cfg));
	struct state_extra *x = arena_alloc(&c->arena, sizeof(*x));
	const struct oci_intel_rdt *rdt = c->spec->linux_->intel_rdt;
	char *now = arena_alloc(&c->arena, CLOCK_TEXT_MAX);
	int r = proc_start_time(c->pid, &s->start);

	if (r < 0 || !cfg || !x || !now)
		return err_sys(e, r < 0 ? r : -ENOMEM, "save state");
	s->id = c->o->id;
	s->pid = c->pid;
	s->created = clock_rfc3339(clock_wall_ns(), now);
	s->config = cfg;
	s->corten = x;
	s->intel_rdt_path = rdt ? intel_rdt_path(rdt, s->id, &c->arena) : "";
	s->rootless = c->group.is_rootless;
	*x = (struct state_extra){ c->spec->oci_version, c->seccomp_key[0] ? c->seccomp_key : NULL,
				   geteuid(), c->has_own_rdt, intel_rdt_has_monitor(rdt) };
	cfg->rootfs = c->plan->rootfs[0] == '/'
			      ? c->plan->rootfs
			      : arena_printf(&c->arena, "%s/%s", c->bundle, c->plan->rootfs);
	cfg->readonlyfs = c->plan->is_root_readonly;
	cfg->no_new_privileges = c->plan->process->no_new_privileges;
	r = fill_labels(c, cfg);
	if (r == 0)
		r = fill_namespaces(c, cfg, s);
	if (r == 0)
		r = fill_cgroups(c, cfg, s);
	return r < 0 ? err_sys(e, r, "save state") : state_write(c->dir, s, e);
}
