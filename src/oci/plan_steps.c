#include "oci/plan.h"

#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"
#include "oci/annotation.h"
#include "sys/calls.h"

/* runtime-spec 1.3 config-linux.md#default-devices; the terminal is the run's work. */
static const struct {
	char path[14];
	uint32_t major, minor;
} default_devices[] = {
	{ "/dev/null", 1, 3 }, { "/dev/random", 1, 8 }, { "/dev/full", 1, 7 },
	{ "/dev/tty", 5, 0 },  { "/dev/zero", 1, 5 },	{ "/dev/urandom", 1, 9 },
};

/* As runc makes them; /dev/ptmx belongs to the devpts of the container. */
static const struct {
	char path[14], text[20];
} default_links[] = {
	{ "/dev/fd", "/proc/self/fd" },	      { "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" }, { "/dev/stderr", "/proc/self/fd/2" },
	{ "/dev/ptmx", "pts/ptmx" },
};

static struct step *add(struct plan *p, enum step_kind kind, const char *path)
{
	struct step *s = &p->steps[p->steps_n++];

	s->kind = kind;
	s->path = path;
	return s;
}

static int add_data(struct arena *a, struct mnt *m, const char *word)
{
	m->data = m->data ? arena_printf(a, "%s,%s", m->data, word) : word;
	return m->data ? 0 : -ENOMEM;
}

/*
 * runc's choice: procfs, sysfs and the groups are labelled by the policy; the message queues' one superblock is
 * there before the mount, so that only its root takes the label.
 */
static void plan_mount_label(const struct plan *p, struct step *s)
{
	static const char *const by_policy[] = { "proc", "sysfs", "cgroup2" };

	if (streq(s->mount.type, "mqueue")) {
		s->text = p->mount_label;
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(by_policy); i++)
		if (streq(by_policy[i], s->mount.type))
			return;
	s->mount.context = p->mount_label;
	s->mount.context_type = p->mount_label_type;
}

static int check_bind(const struct oci_mount *o, const struct step *s, struct err *e)
{
	if (!o->source || !*o->source)
		return err_set(e, -EINVAL, "bind mount '%s' without a source", s->path);
	/* As runc 1.2: the kernel would ignore them, whatever they were to protect. */
	if (s->mount.data)
		return err_set(
			e, -EINVAL,
			"mount '%s': bind mounts cannot have any filesystem-specific options applied: %s",
			s->path, s->mount.data);
	return 0;
}

/* How the options ask for mapped ids; `maps` is crun's form. */
struct idmap_ask {
	bool is_on, is_rec;
	const char *maps;
};

static int plan_options(const struct oci_mount *o, struct arena *a, struct step *s,
			struct idmap_ask *ask, struct err *e)
{
	for (size_t i = 0; i < o->options.n; i++) {
		const char *option = o->options.v[i];
		const char *maps = str_skip(option, "idmap=");
		int r = mnt_option_apply(&s->mount, option, &ask->is_on, &ask->is_rec);

		if (!maps) {
			maps = str_skip(option, "ridmap=");
			ask->is_rec |= maps != NULL;
		}
		if (maps) {
			ask->maps = maps;
			continue;
		}
		if (r == 0)
			r = add_data(a, &s->mount, option);
		if (r < 0)
			return err_sys(e, r, "mount '%s': option '%s'", s->path, option);
	}
	return 0;
}

static int plan_mount(const struct oci_mount *o, struct arena *a, struct plan *p, struct err *e)
{
	char *path = o->destination ? plan_clean_path(a, o->destination) : NULL;
	const char *forced = annotation_get(p->spec, ANNOTATION_FORCE_V1);
	struct idmap_ask ask = { 0 };
	struct step *s;
	int r;

	if (!o->destination || !*o->destination)
		return err_set(e, -EINVAL, "mount without a destination");
	if (!path)
		return err_sys(e, -ENOMEM, "plan mounts");
	s = add(p, STEP_MOUNT, path);
	s->mount.type = o->type;
	s->mount.source = o->source;
	if (o->type && streq(o->type, "bind"))
		s->mount.kind = MNT_BIND;
	r = plan_options(o, a, s, &ask, e);
	if (r < 0)
		return r;
	if (ask.is_on || ask.is_rec || ask.maps || o->uid_mappings.n || o->gid_mappings.n) {
		r = plan_idmap_make(o, ask.maps, p, a, s, e);
		s->mount.is_idmap_rec = ask.is_rec;
		if (r < 0)
			return r;
	}
	if (forced && streq(path, forced)) {
		s->kind = STEP_CGROUP_MOUNT;
		s->is_systemd_v1 = true;
		s->mount.kind = MNT_FS;
		return 0;
	}
	if (s->mount.kind == MNT_BIND)
		return check_bind(o, s, e);
	if (!o->type || !*o->type)
		return err_set(e, -EINVAL, "mount '%s' without a type", path);
	if (s->mount.has_tmpcopyup && !streq(o->type, "tmpfs"))
		return err_set(e, -EINVAL, "mount '%s': tmpcopyup needs a tmpfs", path);
	if (streq(o->type, "cgroup") || streq(o->type, "cgroup2"))
		s->kind = STEP_CGROUP_MOUNT;
	if (p->mount_label)
		plan_mount_label(p, s);
	/* runc's default for a tmpfs below /dev: without it the folder would be 1777. */
	if (streq(path, "/dev") && streq(o->type, "tmpfs"))
		p->has_dev = true;
	return 0;
}

static bool has_dev_bind(const struct plan *p)
{
	for (size_t i = 0; i < p->steps_n; i++)
		if (streq(p->steps[i].path, "/dev") && p->steps[i].mount.kind == MNT_BIND)
			return true;
	return false;
}

static int device_type(const struct oci_device *d, mode_t *ret)
{
	static const struct {
		char name;
		mode_t mode;
	} types[] = { { 'c', S_IFCHR }, { 'u', S_IFCHR }, { 'b', S_IFBLK }, { 'p', S_IFIFO } };

	for (size_t i = 0; d->type && d->type[0] && !d->type[1] && i < ARRAY_LEN(types); i++)
		if (types[i].name == d->type[0])
			return *ret = types[i].mode, 0;
	return -EINVAL;
}

static int plan_device(const struct oci_device *d, struct arena *a, struct plan *p, struct err *e)
{
	char *path = d->path ? plan_clean_path(a, d->path) : NULL;
	struct step *s;
	mode_t type;

	if (!path)
		return err_set(e, d->path ? -ENOMEM : -EINVAL, "device without a path");
	if (device_type(d, &type) < 0)
		return err_set(e, -EINVAL, "device '%s': invalid device type \"%s\"", path,
			       d->type ? d->type : "");
	if (d->major < 0 || d->minor < 0 || d->major > UINT32_MAX || d->minor > UINT32_MAX)
		return err_set(e, -EINVAL, "device '%s': invalid number", path);
	s = add(p, STEP_DEVICE, path);
	s->device = (struct plan_device){
		.mode = type | (d->has_file_mode ? d->file_mode & 07777 : 0666),
		.major = (uint32_t)d->major,
		.minor = (uint32_t)d->minor,
		.uid = d->has_uid ? d->uid : 0,
		.gid = d->has_gid ? d->gid : 0,
	};
	return 0;
}

static bool has_device(const struct oci_linux *l, const char *path)
{
	for (size_t i = 0; i < l->devices.n; i++)
		if (streq_null(l->devices.v[i].path, path))
			return true;
	return false;
}

static int plan_dev(const struct oci_linux *l, const struct host *host, struct arena *a,
		    struct plan *p, struct err *e)
{
	p->has_dev = !has_dev_bind(p);
	if (!p->has_dev)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(default_devices); i++) {
		struct step *s;

		if (has_device(l, default_devices[i].path))
			continue;
		s = add(p, STEP_DEVICE, default_devices[i].path);
		s->device = (struct plan_device){ .mode = S_IFCHR | 0666,
						  .major = default_devices[i].major,
						  .minor = default_devices[i].minor };
	}
	for (size_t i = 0; i < l->devices.n; i++) {
		int r = plan_device(&l->devices.v[i], a, p, e);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(default_links); i++)
		add(p, STEP_SYMLINK, default_links[i].path)->text = default_links[i].text;
	if (host->has_kcore)
		add(p, STEP_SYMLINK, "/dev/core")->text = "/proc/kcore";
	return 0;
}

/*
 * Whether the kernel keeps that file per namespace, and which. A sysctl outside of the container's own
 * namespaces would change the host. The names are those of runc's and the kernel's list.
 */
static uint32_t sysctl_namespace(const char *key)
{
	static const char *const ipc[] = { "kernel.msgmax",	"kernel.msgmnb",
					   "kernel.msgmni",	"kernel.sem",
					   "kernel.shmall",	"kernel.shmmax",
					   "kernel.shmmni",	"kernel.shm_rmid_forced",
					   "kernel.auto_msgmni" };

	for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
		if (streq(ipc[i], key))
			return CLONE_NEWIPC;
	if (str_skip(key, "fs.mqueue."))
		return CLONE_NEWIPC;
	if (str_skip(key, "net."))
		return CLONE_NEWNET;
	if (streq(key, "kernel.domainname") || streq(key, "kernel.hostname"))
		return CLONE_NEWUTS;
	if (str_skip(key, "user."))
		return CLONE_NEWUSER;
	return 0;
}

/* "net.ipv4.conf.eth0/1.x" to "sys/net/ipv4/conf/eth0.1/x": dot and slash change places, as sysctl(8). */
static char *sysctl_path(struct arena *a, const char *key)
{
	char *path = arena_printf(a, "sys/%s", key);
	char *first = path ? strpbrk(path + 4, "./") : NULL;

	if (first && *first == '.')
		for (char *c = path + 4; *c; c++)
			*c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
	return path;
}

static int plan_sysctl(const struct json_pair *kv, struct arena *a, struct plan *p, struct err *e)
{
	char *path = sysctl_path(a, kv->key), *dotted = path ? arena_strdup(a, path + 4) : NULL;
	uint32_t flag;

	if (!dotted)
		return err_sys(e, -ENOMEM, "plan sysctls");
	/* One form to judge, so that "net/../kernel/core_pattern" is not judged by its beginning. */
	for (char *c = dotted; *c; c++)
		*c = *c == '/' ? '.' : *c;
	if (strstr(path, "..") || strstr(path, "//"))
		return err_set(e, -EINVAL, "sysctl \"%s\" is not a valid name", kv->key);
	flag = sysctl_namespace(dotted);
	if (!flag)
		return err_set(e, -EINVAL, "sysctl \"%s\" is not in a separate kernel namespace",
			       kv->key);
	if (!plan_has_ns(p, flag))
		return err_set(e, -EINVAL, "sysctl \"%s\" is not allowed in the hosts %s namespace",
			       kv->key,
			       flag == CLONE_NEWNET   ? "network"
			       : flag == CLONE_NEWIPC ? "ipc"
						      : "own");
	add(p, STEP_SYSCTL, path)->text = kv->value;
	return 0;
}

static bool is_masked(const struct plan *p, const char *path)
{
	for (size_t i = 0; i < p->steps_n; i++)
		if (p->steps[i].kind == STEP_MASK && streq(p->steps[i].path, path))
			return true;
	return false;
}

static int plan_hiding(const struct oci_linux *l, struct arena *a, struct plan *p, struct err *e)
{
	for (size_t i = 0; i < l->readonly_paths.n; i++) {
		char *path = plan_clean_path(a, l->readonly_paths.v[i]);

		if (!path)
			return err_sys(e, -ENOMEM, "plan paths");
		add(p, STEP_READONLY, path);
	}
	for (size_t i = 0; i < l->masked_paths.n; i++) {
		char *path = plan_clean_path(a, l->masked_paths.v[i]);

		if (!path)
			return err_sys(e, -ENOMEM, "plan paths");
		if (!is_masked(p, path))
			add(p, STEP_MASK, path);
	}
	return 0;
}

int plan_steps_make(const struct oci_spec *spec, const struct host *host, bool is_mounts_only,
		    struct arena *a, struct plan *p, struct err *e)
{
	const struct oci_linux *l = spec->linux_;
	size_t most = spec->mounts.n + l->devices.n + l->sysctl.n + l->readonly_paths.n +
		      l->masked_paths.n + ARRAY_LEN(default_devices) + ARRAY_LEN(default_links) + 1;
	int r = 0;

	if (spec->mounts.n > LIMIT_MOUNTS || l->masked_paths.n > LIMIT_MOUNTS ||
	    l->readonly_paths.n > LIMIT_MOUNTS)
		return err_set(e, -E2BIG, "more than %d mounts or paths", LIMIT_MOUNTS);
	if (l->devices.n > LIMIT_DEVICES)
		return err_set(e, -E2BIG, "more than %d devices", LIMIT_DEVICES);
	p->steps = arena_calloc(a, most, sizeof(*p->steps));
	if (!p->steps)
		return err_sys(e, -ENOMEM, "plan steps");
	for (size_t i = 0; r == 0 && i < spec->mounts.n; i++)
		r = plan_mount(&spec->mounts.v[i], a, p, e);
	if (is_mounts_only)
		return r;
	if (r == 0)
		r = plan_dev(l, host, a, p, e);
	for (size_t i = 0; r == 0 && i < l->sysctl.n; i++)
		r = plan_sysctl(&l->sysctl.v[i], a, p, e);
	return r < 0 ? r : plan_hiding(l, a, p, e);
}
