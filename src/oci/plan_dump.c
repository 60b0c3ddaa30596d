#include "oci/plan.h"

#include "base/str.h"

static const char *const kinds[] = { "mount", "cgroup",	  "device", "symlink",
				     "mask",  "readonly", "sysctl" };

static void dump_mount(const struct step *s, struct strbuf *out)
{
	const struct mnt *m = &s->mount;

	strbuf_addf(out, " %s %s",
		    m->kind == MNT_BIND ? m->is_recursive ? "rbind" : "bind" : m->type,
		    m->source ? m->source : "-");
	if (m->data)
		strbuf_addf(out, " data=%s", m->data);
	if (m->context)
		strbuf_addf(out, " %s=%s", m->context_type ? m->context_type : "context",
			    m->context);
	if (s->text)
		strbuf_addf(out, " label=%s", s->text);
	if (m->attr.set || m->attr.clr)
		strbuf_addf(out, " set=%llx clr=%llx", (unsigned long long)m->attr.set,
			    (unsigned long long)m->attr.clr);
	if (m->rec.set || m->rec.clr)
		strbuf_addf(out, " rset=%llx rclr=%llx", (unsigned long long)m->rec.set,
			    (unsigned long long)m->rec.clr);
	if (m->sb_flags)
		strbuf_addf(out, " sb=%lx", m->sb_flags);
	if (m->propagation)
		strbuf_addf(out, " propagation=%lx%s", m->propagation,
			    m->is_propagation_rec ? " rec" : "");
	if (m->has_tmpcopyup)
		strbuf_adds(out, " copyup");
	for (size_t i = 0; i < s->idmap_uids_n; i++)
		strbuf_addf(out, " idmap=%u:%u:%u", s->idmap_uids[i].inside,
			    s->idmap_uids[i].outside, s->idmap_uids[i].count);
}

static void dump_step(const struct step *s, struct strbuf *out)
{
	strbuf_addf(out, "%s %s", kinds[s->kind], s->path);
	if (s->kind == STEP_MOUNT || s->kind == STEP_CGROUP_MOUNT)
		dump_mount(s, out);
	else if (s->kind == STEP_DEVICE)
		strbuf_addf(out, " %o %u:%u %u:%u", s->device.mode, s->device.major,
			    s->device.minor, s->device.uid, s->device.gid);
	else if (s->text)
		strbuf_addf(out, " -> %s", s->text);
	strbuf_addc(out, '\n');
}

static void dump_landlock(const struct plan_landlock *l, struct strbuf *out)
{
	strbuf_addf(out, "landlock fs=%llx net=%llx scope=%llx flags=%x\n",
		    (unsigned long long)l->fs, (unsigned long long)l->net,
		    (unsigned long long)l->scope, l->flags);
	for (size_t i = 0; i < l->paths_n; i++)
		strbuf_addf(out, "landlock path %s %llx\n", l->paths[i].path,
			    (unsigned long long)l->paths[i].access);
	for (size_t i = 0; i < l->ports_n; i++)
		strbuf_addf(out, "landlock port %u %llx\n", l->ports[i].port,
			    (unsigned long long)l->ports[i].access);
}

static void dump_mask(const char *what, const unsigned long *mask, struct strbuf *out)
{
	if (mask)
		strbuf_addf(out, "%s %lx\n", what, mask[0]);
}

static void dump_scheduling(const struct plan_process *p, struct strbuf *out)
{
	const struct task_sched *s = p->sched;

	if (s)
		strbuf_addf(out,
			    "sched %d flags=%llx nice=%d priority=%d deadline=%llu/%llu/%llu\n",
			    s->policy, (unsigned long long)s->flags, s->nice, s->priority,
			    (unsigned long long)s->runtime, (unsigned long long)s->deadline,
			    (unsigned long long)s->period);
	if (p->has_ioprio)
		strbuf_addf(out, "ioprio %d %d\n", p->ioprio_class, p->ioprio);
	dump_mask("cpus initial", p->cpus_initial, out);
	dump_mask("cpus final", p->cpus_final, out);
	if (p->has_oom_score)
		strbuf_addf(out, "oom_score %d\n", p->oom_score);
	if (p->has_umask)
		strbuf_addf(out, "umask %o\n", p->umask);
}

static void dump_process(const struct plan_process *p, struct strbuf *out)
{
	strbuf_addf(out, "user %u:%u", p->ids.uid, p->ids.gid);
	for (size_t i = 0; i < p->ids.groups_n; i++)
		strbuf_addf(out, " %u", p->ids.groups[i]);
	strbuf_addf(out, "\ncwd %s\n", p->cwd);
	for (char **a = p->args; *a; a++)
		strbuf_addf(out, "arg %s\n", *a);
	for (char **a = p->env; *a; a++)
		strbuf_addf(out, "env %s\n", *a);
	if (p->has_caps)
		strbuf_addf(out, "caps b=%llx p=%llx e=%llx i=%llx a=%llx\n",
			    (unsigned long long)p->caps.bounding,
			    (unsigned long long)p->caps.permitted,
			    (unsigned long long)p->caps.effective,
			    (unsigned long long)p->caps.inheritable,
			    (unsigned long long)p->caps.ambient);
	for (size_t i = 0; i < p->rlimits_n; i++)
		strbuf_addf(out, "rlimit %s %llu %llu\n", task_rlimit_name(p->rlimits[i].resource),
			    (unsigned long long)p->rlimits[i].soft,
			    (unsigned long long)p->rlimits[i].hard);
	if (p->is_terminal)
		strbuf_addf(out, "terminal %ux%u\n", p->cols, p->rows);
	dump_scheduling(p, out);
	if (p->no_new_privileges)
		strbuf_adds(out, "no_new_privs\n");
	if (p->apparmor)
		strbuf_addf(out, "apparmor %s\n", p->apparmor);
	if (p->landlock)
		dump_landlock(p->landlock, out);
	if (p->selinux)
		strbuf_addf(out, "selinux %s\n", p->selinux);
}

static void dump_maps(const char *what, const struct ns_id_map *v, size_t n, struct strbuf *out)
{
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "%s %u:%u:%u\n", what, v[i].inside, v[i].outside, v[i].count);
}

static void dump_linux(const struct plan *p, struct strbuf *out)
{
	const struct oci_linux *l = p->spec->linux_;

	dump_maps("uids", p->uid_maps, p->uid_maps_n, out);
	dump_maps("gids", p->gid_maps, p->gid_maps_n, out);
	for (size_t i = 0; i < p->time_offsets_n; i++)
		strbuf_addf(out, "time %s %lld %u\n", p->time_offsets[i].key,
			    (long long)p->time_offsets[i].secs, p->time_offsets[i].nanosecs);
	for (size_t i = 0; i < l->net_devices.n; i++)
		strbuf_addf(out, "netdev %s %s\n", l->net_devices.v[i].key,
			    l->net_devices.v[i].name ? l->net_devices.v[i].name : "-");
	if (p->root_propagation)
		strbuf_addf(out, "propagation %lx%s\n", p->root_propagation,
			    p->is_root_propagation_rec ? " rec" : "");
	if (p->personality >= 0)
		strbuf_addf(out, "personality %lx\n", p->personality);
	if (p->has_mempolicy)
		strbuf_addf(out, "mempolicy %x nodes=%lx\n", p->mempolicy, p->mempolicy_nodes[0]);
	if (l->cgroups_path)
		strbuf_addf(out, "cgroup %s\n", l->cgroups_path);
}

void plan_dump(const struct plan *p, struct strbuf *out)
{
	strbuf_addf(out, "rootfs %s%s\n", p->rootfs, p->is_root_readonly ? " ro" : "");
	for (size_t i = 0; i < NS_COUNT; i++)
		if (p->new_ns & ns_rows[i].flag)
			strbuf_addf(out, "new %s\n", ns_rows[i].spec);
	for (size_t i = 0; i < p->joins_n; i++)
		strbuf_addf(out, "join %s %s\n", p->joins[i].ns->spec, p->joins[i].path);
	if (p->hostname)
		strbuf_addf(out, "hostname %s\n", p->hostname);
	if (p->domainname)
		strbuf_addf(out, "domainname %s\n", p->domainname);
	dump_linux(p, out);
	for (size_t i = 0; i < p->steps_n; i++)
		dump_step(&p->steps[i], out);
	if (p->process)
		dump_process(p->process, out);
}
