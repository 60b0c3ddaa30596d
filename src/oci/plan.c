#include "oci/plan.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "oci/annotation.h"
#include "oci/intel_rdt.h"
#include "sys/calls.h"
#include "sys/landlock.h"
#include "sys/lsm.h"
#include "sys/resctrl.h"

bool plan_wants_modules(const struct oci_spec *spec, const struct oci_process *p)
{
	return (spec && spec->linux_ && (spec->linux_->intel_rdt || spec->linux_->mount_label)) ||
	       (spec && annotation_get(spec, ANNOTATION_LANDLOCK)) ||
	       (p && (p->apparmor_profile || p->selinux_label));
}

static bool is_yes(const char *path)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	char c;

	return fd >= 0 && read(fd, &c, 1) == 1 && c == 'Y';
}

static void probe_rdt(struct host *h)
{
	AUTO_FD root = resctrl_open(NULL);

	h->has_intel_rdt = root >= 0;
	/* With code and data apart there are two resources in place of L3. */
	h->has_rdt_l3 = resctrl_has(root, "L3") || resctrl_has(root, "L3CODE");
	h->has_rdt_mb = resctrl_has(root, "MB");
}

int host_probe(bool wants_modules, struct host *ret, struct err *e)
{
	int r;

	*ret = (struct host){ 0 };
	r = caps_get(&ret->caps);
	if (r < 0)
		return err_sys(e, r, "read own capabilities");
	ret->uid = geteuid();
	ret->has_time_ns = true;
	ret->has_kcore = access("/proc/kcore", F_OK) == 0;
	if (!wants_modules)
		return 0;
	ret->has_apparmor = is_yes("/sys/module/apparmor/parameters/enabled") &&
			    access("/sys/kernel/security/apparmor", F_OK) == 0;
	ret->has_selinux = access("/sys/fs/selinux/enforce", F_OK) == 0;
	probe_rdt(ret);
	ret->landlock_abi = landlock_abi();
	return 0;
}

static int unsupported(struct err *e, const char *what)
{
	return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED, "%s is not supported on this host",
			    what);
}

char *plan_clean_path(struct arena *a, const char *path)
{
	char *out = arena_alloc(a, strlen(path) + 2);
	size_t n = 0;

	if (!out)
		return NULL;
	while (*path) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0 || (len == 1 && path[0] == '.')) {
			path += len;
			continue;
		}
		if (len == 2 && path[0] == '.' && path[1] == '.') {
			while (n > 0 && out[--n] != '/')
				;
			path += len;
			continue;
		}
		out[n++] = '/';
		memcpy(out + n, path, len);
		n += len;
		path += len;
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

static int plan_namespaces(const struct oci_linux *l, const struct host *host, struct plan *p,
			   struct err *e)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < l->namespaces.n; i++) {
		const struct oci_namespace *ns = &l->namespaces.v[i];
		const struct ns_row *row = ns->type ? ns_find_spec(ns->type) : NULL;

		if (!row)
			return err_set(e, -EINVAL, "namespace {\"%s\" \"%s\"} does not exist",
				       ns->type ? ns->type : "", ns->path ? ns->path : "");
		if (seen & row->flag)
			return err_set(e, -EINVAL,
				       "malformed spec file: duplicated ns {\"%s\" \"%s\"}",
				       ns->type, ns->path ? ns->path : "");
		seen |= row->flag;
		if (!ns->path || !*ns->path)
			p->new_ns |= row->flag;
		else
			p->joins[p->joins_n++] = (struct plan_join){ row, ns->path };
	}
	if (!(seen & CLONE_NEWNS))
		return err_set(e, -EINVAL, "container without a mount namespace is not supported");
	if (!(seen & CLONE_NEWUSER) && host->uid != 0)
		return err_set(e, -EINVAL, "rootless container requires user namespaces");
	if (!(seen & CLONE_NEWUSER) && (l->uid_mappings.n || l->gid_mappings.n))
		return err_set(e, -EINVAL,
			       "user namespaces aren't enabled, but id mappings are given");
	if (p->new_ns & CLONE_NEWUSER && (!l->uid_mappings.n || !l->gid_mappings.n))
		return err_set(e, -EINVAL, "user namespaces enabled, but no %s mappings found",
			       l->uid_mappings.n ? "gid" : "uid");
	return 0;
}

/* The spec's mapping and ours have the same three numbers under other names. */
static int copy_maps(const struct oci_id_mapping *v, size_t n, struct arena *a,
		     const struct ns_id_map **ret, size_t *ret_n, struct err *e)
{
	struct ns_id_map *m = arena_calloc(a, n ? n : 1, sizeof(*m));

	if (!m)
		return err_sys(e, -ENOMEM, "plan id mappings");
	for (size_t i = 0; i < n; i++)
		m[i] = (struct ns_id_map){ v[i].container_id, v[i].host_id, v[i].size };
	*ret = m;
	*ret_n = n;
	return 0;
}

static const struct {
	char name[12];
	unsigned long flag;
	bool is_rec;
} propagations[] = {
	{ "private", MS_PRIVATE, false },	{ "rprivate", MS_PRIVATE, true },
	{ "slave", MS_SLAVE, false },		{ "rslave", MS_SLAVE, true },
	{ "shared", MS_SHARED, false },		{ "rshared", MS_SHARED, true },
	{ "unbindable", MS_UNBINDABLE, false }, { "runbindable", MS_UNBINDABLE, true },
};

static int plan_propagation(const char *name, struct plan *p, struct err *e)
{
	if (!name || !*name)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(propagations); i++) {
		if (!streq(propagations[i].name, name))
			continue;
		p->root_propagation = propagations[i].flag;
		p->is_root_propagation_rec = propagations[i].is_rec;
		return 0;
	}
	return err_set(e, -EINVAL, "rootfsPropagation=%s is not supported", name);
}

static int plan_mempolicy(const struct oci_memory_policy *m, struct plan *p, struct err *e)
{
	int mode = m->mode ? task_mempolicy_find(m->mode) : -EINVAL;

	if (mode < 0)
		return err_set(e, -EINVAL, "invalid memory policy mode \"%s\"",
			       m->mode ? m->mode : "");
	for (size_t i = 0; i < m->flags.n; i++) {
		int f = task_mempolicy_flag(m->flags.v[i]);

		if (f < 0)
			return err_set(e, -EINVAL, "invalid memory policy flag \"%s\"",
				       m->flags.v[i]);
		mode |= f;
	}
	p->has_mempolicy = true;
	p->mempolicy = mode;
	p->has_mempolicy_nodes = m->nodes && *m->nodes;
	if (p->has_mempolicy_nodes && task_cpus_parse(m->nodes, p->mempolicy_nodes) < 0)
		return err_set(e, -EINVAL, "invalid memory policy nodes \"%s\"", m->nodes);
	return 0;
}

static int plan_personality(const struct oci_personality *o, struct plan *p, struct err *e)
{
	p->personality = o->domain ? task_personality_find(o->domain) : -EINVAL;
	if (p->personality < 0)
		return err_set(e, -EINVAL, "invalid personality domain \"%s\"",
			       o->domain ? o->domain : "");
	if (o->flags.n)
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "linux.personality.flags are not supported");
	return 0;
}

bool plan_has_ns(const struct plan *p, uint32_t flag)
{
	for (size_t i = 0; i < p->joins_n; i++)
		if (p->joins[i].ns->flag == flag)
			return true;
	return p->new_ns & flag;
}

static bool is_interface_name(const char *s)
{
	size_t n = strcspn(s, "/: \t\n\v\f\r");

	return n > 0 && n < IFNAMSIZ && !s[n] && !streq(s, ".") && !streq(s, "..");
}

static int plan_net_devices(const struct oci_linux *l, const struct plan *p, struct err *e)
{
	if (l->net_devices.n && !plan_has_ns(p, CLONE_NEWNET))
		return err_set(e, -EINVAL,
			       "unable to move network devices without a private NET namespace");
	for (size_t i = 0; i < l->net_devices.n; i++) {
		const struct oci_net_device *d = &l->net_devices.v[i];
		const char *name = d->name && *d->name ? d->name : d->key;

		if (!is_interface_name(d->key) || !is_interface_name(name))
			return err_set(e, -EINVAL, "linux.netDevices: invalid name \"%s\"",
				       is_interface_name(d->key) ? name : d->key);
		for (size_t k = 0; k < i; k++) {
			const struct oci_net_device *o = &l->net_devices.v[k];

			if (streq(name, o->name && *o->name ? o->name : o->key))
				return err_set(e, -EINVAL,
					       "linux.netDevices: two devices are named \"%s\"",
					       name);
		}
	}
	return 0;
}

static int plan_linux(const struct oci_linux *l, const struct host *host, struct arena *a,
		      struct plan *p, struct err *e)
{
	int r = plan_namespaces(l, host, p, e);

	if (r == 0)
		r = copy_maps(l->uid_mappings.v, l->uid_mappings.n, a, &p->uid_maps, &p->uid_maps_n,
			      e);
	if (r == 0)
		r = copy_maps(l->gid_mappings.v, l->gid_mappings.n, a, &p->gid_maps, &p->gid_maps_n,
			      e);
	if (r == 0)
		r = plan_propagation(l->rootfs_propagation, p, e);
	if (r == 0 && l->memory_policy)
		r = plan_mempolicy(l->memory_policy, p, e);
	if (r == 0 && l->personality)
		r = plan_personality(l->personality, p, e);
	if (r < 0)
		return r;
	if (l->intel_rdt)
		r = intel_rdt_check(l->intel_rdt, host, e);
	if (r < 0)
		return r;
	p->mount_label = l->mount_label && *l->mount_label ? l->mount_label : NULL;
	if (p->mount_label && !host->has_selinux)
		return unsupported(e, "linux.mountLabel (SELinux)");
	/* It stands in quotes between the other options on old kernels. */
	if (p->mount_label && (!lsm_label_is_valid(p->mount_label) || strchr(p->mount_label, '"')))
		return err_set(e, -EINVAL, "linux.mountLabel is too long or no SELinux context");
	r = plan_net_devices(l, p, e);
	if (r < 0)
		return r;
	p->time_offsets = l->time_offsets.v;
	p->time_offsets_n = l->time_offsets.n;
	if (p->time_offsets_n && !(p->new_ns & K_CLONE_NEWTIME))
		return err_set(
			e, -EINVAL,
			"time namespace offsets specified, but time namespace isn't enabled in the config");
	return 0;
}

/* Which of a filesystem's labels linux.mountLabel is; "context" as the spec says, unless an annotation says otherwise. */
static int plan_context_type(const struct oci_spec *spec, struct plan *p, struct err *e)
{
	static const char *const types[] = { "context", "fscontext", "defcontext", "rootcontext" };
	const char *type = annotation_get(spec, ANNOTATION_MOUNT_CONTEXT);

	p->mount_label_type = types[0];
	for (size_t i = 0; type && i < ARRAY_LEN(types); i++)
		if (streq(types[i], type)) {
			p->mount_label_type = types[i];
			return 0;
		}
	return type ? err_set(e, -EINVAL,
			      "annotation " ANNOTATION_MOUNT_CONTEXT
			      "=%s: it must be context, fscontext, defcontext or rootcontext",
			      type)
		    : 0;
}

/* A section for another platform asks for an isolation that is not this one. */
static int check_platform(const struct oci_spec *spec, struct err *e)
{
	const struct {
		const struct json_raw *text;
		const char *name;
	} sections[] = { { &spec->vm, "vm" },
			 { &spec->windows, "windows" },
			 { &spec->solaris, "solaris" },
			 { &spec->zos, "zos" },
			 { &spec->freebsd, "freebsd" } };

	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (sections[i].text->p)
			return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
					    "the config's section \"%s\" is for another platform",
					    sections[i].name);
	return 0;
}

static int plan_check_version(const char *v, struct err *e)
{
	/* Everything of 1.x is compatible by semantic versioning; 0.x and 2 are not. */
	if (!v || !*v)
		return err_set(e, -EINVAL, "ociVersion is missing");
	if (strncmp(v, "1.", 2) != 0)
		return err_set(e, -EINVAL, "unsupported ociVersion \"%s\"", v);
	return 0;
}

/* Without a UTS namespace of its own, or of its pod, the names would be the host's. */
static int check_uts(const struct plan *p, struct err *e)
{
	bool has_uts = p->new_ns & CLONE_NEWUTS;

	for (size_t i = 0; i < p->joins_n; i++)
		has_uts = has_uts || p->joins[i].ns->flag == CLONE_NEWUTS;
	if (!has_uts && ((p->hostname && *p->hostname) || (p->domainname && *p->domainname)))
		return err_set(e, -EINVAL, "unable to set %s without a private UTS namespace",
			       p->hostname && *p->hostname ? "hostname" : "domainname");
	return 0;
}

static int plan_annotations(const struct oci_spec *spec, const struct host *host, struct arena *a,
			    struct plan_process *p, struct err *e)
{
	const char *landlock = annotation_get(spec, ANNOTATION_LANDLOCK);

	p->ids.keeps_groups = annotation_get(spec, ANNOTATION_KEEP_GROUPS);
	return landlock ? plan_landlock_make(landlock, host->landlock_abi, a, &p->landlock, e) : 0;
}

int plan_mounts_make(const struct oci_spec *spec, const struct host *host, struct arena *a,
		     struct plan **ret, struct err *e)
{
	struct plan *p = arena_alloc(a, sizeof(*p));
	int r;

	if (!p)
		return err_sys(e, -ENOMEM, "plan mounts");
	p->spec = spec;
	if (!spec->linux_)
		return err_set(e, -EINVAL, "the config has no linux section");
	r = plan_context_type(spec, p, e);
	if (r == 0)
		r = plan_linux(spec->linux_, host, a, p, e);
	if (r == 0)
		r = plan_steps_make(spec, host, true, a, p, e);
	if (r == 0)
		*ret = p;
	return r;
}

int plan_make(const struct oci_spec *spec, const struct host *host, struct arena *a,
	      struct plan **ret, struct err *e)
{
	struct plan *p = arena_alloc(a, sizeof(*p));
	int r;

	if (!p)
		return err_sys(e, -ENOMEM, "plan container");
	p->spec = spec;
	p->personality = -1;
	r = plan_check_version(spec->oci_version, e);
	if (r == 0)
		r = check_platform(spec, e);
	if (r < 0)
		return r;
	if (!spec->root || !spec->root->path || !*spec->root->path)
		return err_set(e, -EINVAL, "root must be specified");
	if (!spec->linux_)
		return err_set(e, -EINVAL, "the config has no linux section");
	p->rootfs = spec->root->path;
	p->is_root_readonly = spec->root->readonly;
	r = annotation_check(spec, e);
	if (r == 0)
		r = plan_context_type(spec, p, e);
	if (r == 0)
		r = plan_linux(spec->linux_, host, a, p, e);
	if (r < 0)
		return r;
	p->hostname = spec->hostname;
	p->domainname = spec->domainname;
	r = check_uts(p, e);
	if (r < 0)
		return r;
	r = plan_steps_make(spec, host, false, a, p, e);
	if (r == 0 && spec->process)
		r = plan_process_make(spec->process, host, plan_has_ns(p, CLONE_NEWUSER), a,
				      &p->process, e);
	if (r < 0)
		return r;
	if (p->process)
		r = plan_annotations(spec, host, a, p->process, e);
	if (r == 0)
		*ret = p;
	return r;
}
