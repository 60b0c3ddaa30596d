#include "oci/plan.h"

#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "sys/lsm.h"

static int copy_strings(const struct json_strs *s, struct arena *a, char ***ret, struct err *e)
{
	char **v = arena_calloc(a, s->n + 2, sizeof(*v));

	if (!v)
		return err_sys(e, -ENOMEM, "plan process");
	for (size_t i = 0; i < s->n; i++)
		v[i] = (char *)s->v[i];
	*ret = v;
	return 0;
}

/* The last of several values of one name wins, as with runc's setenv in order. */
static int plan_env(const struct json_strs *s, struct arena *a, char ***ret, struct err *e)
{
	/* One slot more than copy_strings gives: HOME may be added in the child. */
	char **v = arena_calloc(a, s->n + 4, sizeof(*v));
	size_t n = 0, i, k;

	if (!v)
		return err_sys(e, -ENOMEM, "plan process");
	for (i = 0; i < s->n; i++) {
		const char *eq = strchr(s->v[i], '=');
		size_t len;

		if (!eq || eq == s->v[i])
			return err_set(e, -EINVAL, "invalid environment variable: %s",
				       eq ? "name cannot be empty" : "missing '='");
		len = (size_t)(eq - s->v[i]) + 1;
		for (k = 0; k < n && strncmp(v[k], s->v[i], len) != 0; k++)
			;
		v[k] = (char *)s->v[i];
		n = MAX(n, k + 1);
	}
	*ret = v;
	return 0;
}

static uint64_t plan_cap_set(const struct json_strs *s)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < s->n; i++) {
		int c = caps_find(s->v[i]);

		if (c < 0)
			log_warn("ignoring unknown or unavailable capability '%s'", s->v[i]);
		else
			mask |= 1ull << c;
	}
	return mask;
}

/* runtime-spec 1.3 config.md: a capability that cannot be granted MUST be a warning. */
static void clamp_caps(struct caps_sets *c, uint64_t have)
{
	uint64_t lost = (c->bounding | c->permitted | c->effective | c->inheritable | c->ambient) &
			~have;

	for (unsigned int i = 0; i < 64; i++)
		if (lost & 1ull << i)
			log_warn("ignoring unknown or unavailable capability '%s'", caps_name(i));
	c->bounding &= have;
	c->permitted &= have;
	c->effective &= have & c->permitted;
	c->inheritable &= have;
	lost = c->ambient & ~(c->permitted & c->inheritable);
	/* runc warns of each: fourteen lines for every RUN of buildah, which asks for them all. */
	for (unsigned int i = 0; i < 64; i++)
		if (lost & 1ull << i)
			log_debug("can't raise ambient capability %s: operation not permitted",
				  caps_name(i));
	c->ambient &= ~lost;
}

static void plan_caps(const struct oci_capabilities *o, const struct host *host, bool has_userns,
		      struct plan_process *p)
{
	if (!o)
		return;
	p->has_caps = true;
	p->caps = (struct caps_sets){
		.bounding = plan_cap_set(&o->bounding),
		.effective = plan_cap_set(&o->effective),
		.inheritable = plan_cap_set(&o->inheritable),
		.permitted = plan_cap_set(&o->permitted),
		.ambient = plan_cap_set(&o->ambient),
	};
	clamp_caps(&p->caps, has_userns ? UINT64_MAX : host->caps.permitted);
}

static int plan_rlimits(const struct oci_process *o, struct arena *a, struct plan_process *p,
			struct err *e)
{
	struct task_rlimit *l = arena_calloc(a, o->rlimits.n + 1, sizeof(*l));

	if (!l)
		return err_sys(e, -ENOMEM, "plan process");
	for (size_t i = 0; i < o->rlimits.n; i++) {
		const struct oci_rlimit *s = &o->rlimits.v[i];
		int n = s->type ? task_rlimit_find(s->type) : -EINVAL;

		if (n < 0)
			return err_set(e, -EINVAL, "wrong rlimit value: %s",
				       s->type ? s->type : "");
		for (size_t k = 0; k < i; k++)
			if (l[k].resource == n)
				return err_set(e, -EINVAL, "duplicate rlimit type: %s", s->type);
		l[i] = (struct task_rlimit){ n, s->soft, s->hard };
	}
	p->rlimits = l;
	p->rlimits_n = o->rlimits.n;
	return 0;
}

static int plan_scheduler(const struct oci_scheduler *o, struct arena *a, struct plan_process *p,
			  struct err *e)
{
	struct task_sched *s = arena_alloc(a, sizeof(*s));

	if (!s)
		return err_sys(e, -ENOMEM, "plan process");
	s->policy = o->policy ? task_sched_find(o->policy) : -EINVAL;
	if (s->policy < 0)
		return err_set(e, -EINVAL, "invalid scheduler policy: %s",
			       o->policy ? o->policy : "");
	for (size_t i = 0; i < o->flags.n; i++) {
		uint64_t f = task_sched_flag(o->flags.v[i]);

		if (!f)
			return err_set(e, -EINVAL, "invalid scheduler flag: %s", o->flags.v[i]);
		s->flags |= f;
	}
	s->nice = o->nice;
	s->priority = o->priority;
	s->runtime = o->runtime;
	s->deadline = o->deadline;
	s->period = o->period;
	p->sched = s;
	return 0;
}

static int plan_mask(const char *list, struct arena *a, const unsigned long **ret, struct err *e)
{
	unsigned long *m;

	if (!list || !*list)
		return 0;
	m = arena_calloc(a, 16, sizeof(*m));
	if (!m)
		return err_sys(e, -ENOMEM, "plan process");
	if (task_cpus_parse(list, m) < 0)
		return err_set(e, -EINVAL, "invalid CPU list \"%s\" in execCPUAffinity", list);
	*ret = m;
	return 0;
}

static int plan_ioprio(const struct oci_io_priority *o, struct plan_process *p, struct err *e)
{
	p->ioprio_class = o->class_ ? task_ioprio_find(o->class_) : -EINVAL;
	if (p->ioprio_class < 0)
		return err_set(e, -EINVAL, "invalid ioPriority class: %s",
			       o->class_ ? o->class_ : "");
	if (o->priority < 0 || o->priority > 7)
		return err_set(e, -EINVAL, "ioPriority priority %d is not between 0 and 7",
			       o->priority);
	p->has_ioprio = true;
	p->ioprio = o->priority;
	return 0;
}

static int plan_labels(const struct oci_process *o, const struct host *host, struct plan_process *p,
		       struct err *e)
{
	p->apparmor = o->apparmor_profile && *o->apparmor_profile ? o->apparmor_profile : NULL;
	p->selinux = o->selinux_label && *o->selinux_label ? o->selinux_label : NULL;
	if (p->apparmor && !host->has_apparmor)
		return err_set_code(
			e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
			"apparmorProfile '%s' is asked for, but the host has no AppArmor",
			p->apparmor);
	if (p->selinux && !host->has_selinux)
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "selinuxLabel '%s' is asked for, but the host has no SELinux",
				    p->selinux);
	if (p->apparmor && !lsm_label_is_valid(p->apparmor))
		return err_set(e, -EINVAL, "apparmorProfile is too long or not one line");
	if (p->selinux && !lsm_label_is_valid(p->selinux))
		return err_set(e, -EINVAL, "selinuxLabel is too long or not one line");
	return 0;
}

static int check_args(const struct oci_process *o, struct err *e)
{
	size_t total = 0;

	for (size_t i = 0; i < o->args.n; i++)
		total += strlen(o->args.v[i]) + 9;
	for (size_t i = 0; i < o->env.n; i++)
		total += strlen(o->env.v[i]) + 9;
	if (total > LIMIT_ARGS_BYTES)
		return err_set(e, -E2BIG, "arguments and environment are longer than %zu bytes",
			       LIMIT_ARGS_BYTES);
	if (!o->args.n)
		return err_set(e, -EINVAL, "args must not be empty");
	if (!o->cwd || !*o->cwd)
		return err_set(e, -EINVAL, "Cwd property must not be empty");
	if (o->cwd[0] != '/')
		return err_set(e, -EINVAL, "Cwd must be an absolute path");
	return 0;
}

int plan_process_make(const struct oci_process *o, const struct host *host, bool has_userns,
		      struct arena *a, struct plan_process **ret, struct err *e)
{
	struct plan_process *p = arena_alloc(a, sizeof(*p));
	int r = check_args(o, e);

	if (!p)
		return err_sys(e, -ENOMEM, "plan process");
	if (r == 0)
		r = copy_strings(&o->args, a, &p->args, e);
	if (r == 0)
		r = plan_env(&o->env, a, &p->env, e);
	if (r == 0)
		r = plan_rlimits(o, a, p, e);
	if (r == 0)
		r = plan_labels(o, host, p, e);
	if (r == 0 && o->scheduler)
		r = plan_scheduler(o->scheduler, a, p, e);
	if (r == 0 && o->io_priority)
		r = plan_ioprio(o->io_priority, p, e);
	if (r == 0 && o->exec_cpu_affinity)
		r = plan_mask(o->exec_cpu_affinity->initial, a, &p->cpus_initial, e);
	if (r == 0 && o->exec_cpu_affinity)
		r = plan_mask(o->exec_cpu_affinity->final, a, &p->cpus_final, e);
	if (r < 0)
		return r;
	plan_caps(o->capabilities, host, has_userns, p);
	p->cwd = o->cwd;
	p->is_terminal = o->terminal;
	if (o->console_size) {
		p->rows = o->console_size->height;
		p->cols = o->console_size->width;
	}
	if (o->user) {
		p->ids.uid = o->user->uid;
		p->ids.gid = o->user->gid;
		p->ids.groups = o->user->additional_gids.v;
		p->ids.groups_n = o->user->additional_gids.n;
		p->has_umask = o->user->has_umask;
		p->umask = (mode_t)o->user->umask;
	}
	p->no_new_privileges = o->no_new_privileges;
	if (o->has_oom_score_adj && (o->oom_score_adj < -1000 || o->oom_score_adj > 1000))
		return err_set(e, -EINVAL, "oomScoreAdj %d is not between -1000 and 1000",
			       o->oom_score_adj);
	p->has_oom_score = o->has_oom_score_adj;
	p->oom_score = o->oom_score_adj;
	*ret = p;
	return 0;
}
