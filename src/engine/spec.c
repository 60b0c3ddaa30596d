/*
 * The OCI spec of a container with docker's safe defaults. What differs from docker, on purpose and
 * documented: a pids limit of 2048 and a private cgroup namespace.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "engine/caps.h"
#include "engine/priv.h"
#include "engine/seccomp_default.h"
#include "spec/runtime.h"

#define DEFAULT_PIDS_LIMIT 2048
#define CPU_PERIOD_US 100000
/* The kernel's smallest quota. */
#define CPU_QUOTA_MIN_US 1000
/* docker's smallest memory limit. */
#define MEMORY_MIN ((int64_t)6 << 20)
#define DEV_DEPTH_MAX 4

struct mount_row {
	const char *destination, *type, *source;
	const char *options;		/* comma separated */
	const char *privileged_options; /* NULL: the same */
};

static const struct mount_row default_mounts[] = {
	{ "/proc", "proc", "proc", "nosuid,noexec,nodev", NULL },
	{ "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k", NULL },
	{ "/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5",
	  NULL },
	{ "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro", "nosuid,noexec,nodev,rw" },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", "ro,nosuid,noexec,nodev",
	  "rw,nosuid,noexec,nodev" },
	{ "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev", NULL },
	{ "/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=67108864", NULL },
};

static const char *const masked_paths[] = {
	"/proc/asound",	    "/proc/acpi",	 "/proc/interrupts",
	"/proc/kcore",	    "/proc/keys",	 "/proc/latency_stats",
	"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	"/proc/scsi",	    "/sys/firmware",	 "/sys/devices/virtual/powercap",
};

static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

struct device_row {
	bool allow;
	const char *type;
	int32_t major, minor; /* -1: all */
	const char *access;
};

static const struct device_row default_devices[] = {
	{ false, NULL, -1, -1, "rwm" },
	{ true, "c", -1, -1, "m" }, /* mknod alone gives no access */
	{ true, "b", -1, -1, "m" },
	{ true, "c", 1, 3, "rwm" },    /* null */
	{ true, "c", 1, 5, "rwm" },    /* zero */
	{ true, "c", 1, 7, "rwm" },    /* full */
	{ true, "c", 1, 8, "rwm" },    /* random */
	{ true, "c", 1, 9, "rwm" },    /* urandom */
	{ true, "c", 5, 0, "rwm" },    /* tty */
	{ true, "c", 5, 2, "rwm" },    /* ptmx */
	{ true, "c", 136, -1, "rwm" }, /* pts/N */
};

static const struct device_row all_devices[] = {
	{ true, NULL, -1, -1, "rwm" },
};

struct builder {
	const struct engine_create_options *o;
	const struct doc *d;
	const char *id;
	const char *task_dir; /* NULL: of a bundle, which has none */
	struct arena *a;
	struct oci_spec *spec;
	bool is_out; /* an allocation failed */
};

/* Zeroed memory; a failure is remembered and the caller gets a scratch that lives as long. */
static void *take(struct builder *b, size_t n, size_t size)
{
	void *p = arena_calloc(b->a, n ? n : 1, size);

	if (!p)
		b->is_out = true;
	return p;
}

static struct json_strs split(struct builder *b, const char *list)
{
	struct json_strs s = { 0 };
	size_t n = 1;

	for (const char *p = list; *p; p++)
		n += *p == ',';
	s.v = take(b, n, sizeof(*s.v));
	while (s.v && s.n < n) {
		size_t len = strcspn(list, ",");

		s.v[s.n++] = arena_strndup(b->a, list, len);
		list += len + (list[len] == ',');
	}
	return s;
}

static void add_default_mounts(struct builder *b)
{
	for (size_t i = 0; i < ARRAY_LEN(default_mounts); i++) {
		const struct mount_row *m = &default_mounts[i];
		bool is_privileged = b->d->is_privileged && m->privileged_options;

		b->spec->mounts.v[b->spec->mounts.n++] = (struct oci_mount){
			.destination = m->destination,
			.type = m->type,
			.source = m->source,
			.options = split(b, is_privileged ? m->privileged_options : m->options),
		};
	}
}

static void add_bind(struct builder *b, const char *source, const char *target, const char *options)
{
	b->spec->mounts.v[b->spec->mounts.n++] = (struct oci_mount){
		.destination = target,
		.type = "bind",
		.source = source,
		.options = split(b, options),
	};
}

/* The files that the start writes into the task folder; its cwd is the bundle, so relative names do. */
static const char *const etc_files[][2] = {
	{ "resolv.conf", "/etc/resolv.conf" },
	{ "hostname", "/etc/hostname" },
	{ "hosts", "/etc/hosts" },
};

static bool is_bound(const struct doc *d, const char *target)
{
	for (size_t i = 0; i < d->binds.n; i++)
		if (streq(d->binds.v[i].target, target))
			return true;
	return false;
}

static void add_binds(struct builder *b)
{
	for (size_t i = 0; b->task_dir && i < ARRAY_LEN(etc_files); i++) {
		const char *source = arena_printf(b->a, "%s/%s", b->task_dir, etc_files[i][0]);

		if (!source)
			b->is_out = true;
		else if (!is_bound(b->d, etc_files[i][1]))
			add_bind(b, source, etc_files[i][1], "rbind,rprivate");
	}
	for (size_t i = 0; i < b->d->binds.n; i++) {
		const struct doc_bind *v = &b->d->binds.v[i];
		const char *options = arena_printf(b->a, "rbind,%s%s",
						   v->propagation ? v->propagation : "rprivate",
						   v->is_readonly ? ",ro" : "");

		if (options)
			add_bind(b, v->source, v->target, options);
		else
			b->is_out = true;
	}
}

static void fill_namespaces(struct builder *b, struct oci_linux *l)
{
	static const char *const types[] = { "mount", "uts", "pid", "ipc", "cgroup", "network" };
	bool is_host_net = streq_null(b->d->network, "host");
	bool is_shared = b->task_dir && engine_network_peer(b->d);

	l->namespaces.v = take(b, ARRAY_LEN(types), sizeof(*l->namespaces.v));
	for (size_t i = 0; l->namespaces.v && i < ARRAY_LEN(types); i++) {
		if (is_host_net && streq(types[i], "network"))
			continue;
		l->namespaces.v[l->namespaces.n].type = types[i];
		if (is_shared && streq(types[i], "network")) {
			const char *path = arena_printf(b->a, "%s/" PEER_NETNS, b->task_dir);

			b->is_out |= !path;
			l->namespaces.v[l->namespaces.n].path = path;
		}
		l->namespaces.n++;
	}
}

static void fill_devices(struct builder *b, struct oci_resources *res)
{
	const struct device_row *rows = b->d->is_privileged ? all_devices : default_devices;
	size_t n = b->d->is_privileged ? ARRAY_LEN(all_devices) : ARRAY_LEN(default_devices);

	res->devices.v = take(b, n, sizeof(*res->devices.v));
	for (size_t i = 0; res->devices.v && i < n; i++)
		res->devices.v[res->devices.n++] = (struct oci_device_rule){
			.allow = rows[i].allow,
			.type = rows[i].type,
			.access = rows[i].access,
			.has_major = rows[i].major >= 0,
			.major = rows[i].major,
			.has_minor = rows[i].minor >= 0,
			.minor = rows[i].minor,
		};
}

static void fill_resources(struct builder *b, struct oci_linux *l)
{
	struct oci_resources *res = take(b, 1, sizeof(*res));
	const struct doc *d = b->d;

	if (!res)
		return;
	l->resources = res;
	fill_devices(b, res);
	if (d->memory > 0 && (res->memory = take(b, 1, sizeof(*res->memory)))) {
		/* As docker: the same amount again may be swapped. */
		*res->memory = (struct oci_memory){
			.has_limit = true,
			.limit = d->memory,
			.has_swap = true,
			.swap = d->memory > INT64_MAX / 2 ? -1 : d->memory * 2,
		};
	}
	if (d->nano_cpus > 0 && (res->cpu = take(b, 1, sizeof(*res->cpu)))) {
		int64_t quota = d->nano_cpus / 1000 * CPU_PERIOD_US / 1000000;

		*res->cpu = (struct oci_cpu){
			.has_quota = true,
			.quota = MAX(quota, CPU_QUOTA_MIN_US),
			.has_period = true,
			.period = CPU_PERIOD_US,
		};
	}
	res->pids = take(b, 1, sizeof(*res->pids));
	if (res->pids)
		*res->pids = (struct oci_pids){ .has_limit = true,
						.limit = d->pids_limit ? d->pids_limit
								       : DEFAULT_PIDS_LIMIT };
}

static struct json_strs strs_of(const char *const *v, size_t n)
{
	return (struct json_strs){ (const char **)v, n };
}

/* A hidden folder per CPU; one that the host does not have needs no mask. */
static void add_thermal_masks(struct builder *b, struct json_strs *masked)
{
	for (int cpu = 0; cpu < 1024; cpu++) {
		char *path = arena_printf(b->a, "/sys/devices/system/cpu/cpu%d/thermal_throttle",
					  cpu);

		if (!path || access(path, F_OK) < 0)
			return;
		masked->v[masked->n++] = path;
	}
}

static void fill_protected_paths(struct builder *b, struct oci_linux *l)
{
	const char **v;

	if (b->d->is_privileged)
		return;
	v = take(b, ARRAY_LEN(masked_paths) + 1024, sizeof(*v));
	if (!v)
		return;
	memcpy(v, masked_paths, sizeof(masked_paths));
	l->masked_paths = (struct json_strs){ v, ARRAY_LEN(masked_paths) };
	add_thermal_masks(b, &l->masked_paths);
	l->readonly_paths = strs_of(readonly_paths, ARRAY_LEN(readonly_paths));
}

struct dev_walk {
	struct builder *b;
	struct oci_linux *l;
	size_t cap;
};

static void add_device(struct dev_walk *w, const char *path, const struct stat *st)
{
	if (w->l->devices.n >= w->cap)
		return;
	w->l->devices.v[w->l->devices.n++] = (struct oci_device){
		.type = S_ISCHR(st->st_mode) ? "c" : "b",
		.path = path,
		.has_major = true,
		.major = major(st->st_rdev),
		.has_minor = true,
		.minor = minor(st->st_rdev),
		.has_file_mode = true,
		.file_mode = st->st_mode & 07777,
		.has_uid = true,
		.uid = st->st_uid,
		.has_gid = true,
		.gid = st->st_gid,
	};
}

/* What the container mounts or the runtime makes itself. */
static bool is_own_device(const char *path)
{
	static const char *const own[] = { "/dev/pts",	   "/dev/shm",	   "/dev/fd",
					   "/dev/mqueue",  "/dev/console", "/dev/null",
					   "/dev/zero",	   "/dev/full",	   "/dev/random",
					   "/dev/urandom", "/dev/tty",	   "/dev/ptmx" };

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (streq(path, own[i]))
			return true;
	return false;
}

static void walk_dev(struct dev_walk *w, const char *dir, int depth)
{
	DIR *d = depth < DEV_DEPTH_MAX ? opendir(dir) : NULL;
	struct dirent *de;

	while (d && (de = readdir(d))) {
		const char *path;
		struct stat st;

		if (de->d_name[0] == '.')
			continue;
		path = arena_printf(w->b->a, "%s/%s", dir, de->d_name);
		if (!path || is_own_device(path) ||
		    fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			walk_dev(w, path, depth + 1);
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			add_device(w, path, &st);
	}
	if (d)
		closedir(d);
}

static void fill_host_devices(struct builder *b, struct oci_linux *l)
{
	struct dev_walk w = { .b = b, .l = l, .cap = LIMIT_DEVICES };

	l->devices.v = take(b, LIMIT_DEVICES, sizeof(*l->devices.v));
	if (l->devices.v)
		walk_dev(&w, "/dev", 0);
}

/* A profile of the user's, in docker's form or as a runtime-spec object. */
static int load_profile(const char *path, const struct seccomp_subject *subject, struct arena *a,
			struct oci_seccomp **ret, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct seccomp_profile *profile;
	size_t len;
	int r = file_read_at(AT_FDCWD, path, LIMIT_SPEC_BYTES, &text, &len);

	if (r < 0)
		return err_sys(e, r, "opening seccomp profile (%s) failed", path);
	r = seccomp_profile_read(text, len, a, &profile, e);
	if (r == 0)
		r = seccomp_profile_resolve(profile, subject, a, ret, e);
	return r < 0 ? err_wrap(e, r, "seccomp profile '%s'", path) : 0;
}

static int fill_seccomp(struct builder *b, struct oci_linux *l, const struct json_strs *caps,
			struct err *e)
{
	const char *how = b->o->seccomp;
	struct seccomp_subject subject;
	int r;

	if (b->d->is_privileged || streq_null(how, "unconfined"))
		return 0;
	r = seccomp_subject_init(caps, &subject, e);
	if (r < 0)
		return r;
	return how ? load_profile(how, &subject, b->a, &l->seccomp, e)
		   : seccomp_default_resolve(&subject, b->a, &l->seccomp, e);
}

static int fill_process(struct builder *b, struct json_strs *ret_caps, struct err *e)
{
	struct oci_process *p = take(b, 1, sizeof(*p));
	struct oci_capabilities *caps = take(b, 1, sizeof(*caps));
	const struct doc *d = b->d;
	const char **argv;
	int r;

	if (!p || !caps)
		return 0;
	b->spec->process = p;
	argv = take(b, d->args.n + 1, sizeof(*argv));
	if (!argv)
		return 0;
	argv[0] = d->entrypoint_path;
	for (size_t i = 0; i < d->args.n; i++)
		argv[i + 1] = d->args.v[i];
	p->args = (struct json_strs){ argv, d->args.n + 1 };
	p->env = d->env;
	p->cwd = d->workdir && *d->workdir ? d->workdir : "/";
	p->terminal = d->is_terminal;
	p->no_new_privileges = b->o->no_new_privileges;
	p->capabilities = caps;
	r = caps_choose(d->is_privileged, &d->cap_add, &d->cap_drop, b->a, ret_caps, e);
	if (r < 0)
		return r;
	caps->bounding = caps->effective = caps->permitted = *ret_caps;
	return 0;
}

static int check_resources(const struct doc *d, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (d->memory < 0 || (d->memory > 0 && d->memory < MEMORY_MIN))
		return err_set(e, -EINVAL, "Minimum memory limit allowed is 6MB");
	if (d->nano_cpus > cpus * 1000000000LL)
		return err_set(
			e, -EINVAL,
			"range of CPUs is from 0.01 to %ld.00, as there are only %ld CPUs available",
			cpus, cpus);
	return 0;
}

static int fill_linux(struct builder *b, const struct json_strs *caps, struct err *e)
{
	struct oci_linux *l = take(b, 1, sizeof(*l));

	if (!l)
		return 0;
	b->spec->linux_ = l;
	l->cgroups_path = b->id ? arena_printf(b->a, "/corten/%s", b->id) : NULL;
	if (b->id && !l->cgroups_path)
		b->is_out = true;
	fill_namespaces(b, l);
	fill_resources(b, l);
	fill_protected_paths(b, l);
	if (b->d->is_privileged)
		fill_host_devices(b, l);
	return fill_seccomp(b, l, caps, e);
}

int engine_spec_build(struct engine *en, const struct engine_create_options *o, const struct doc *d,
		      struct oci_user *user, const char *id, struct arena *a, struct strbuf *out,
		      char ***warnings, struct err *e)
{
	struct oci_spec spec = { .oci_version = "1.3.0" };
	struct builder b = { .o = o, .d = d, .id = id, .a = a, .spec = &spec };
	struct json_strs caps = { 0 };
	int r = check_resources(d, e);

	if (r < 0)
		return r;
	if (id)
		b.task_dir = arena_printf(a, "%s/tasks/%s/%s", en->state, en->ns, id);
	spec.mounts.v = take(&b, ARRAY_LEN(default_mounts) + ARRAY_LEN(etc_files) + d->binds.n,
			     sizeof(*spec.mounts.v));
	spec.root = take(&b, 1, sizeof(*spec.root));
	if (b.is_out || (id && !b.task_dir))
		return err_sys(e, -ENOMEM, "spec");
	*spec.root = (struct oci_root){ .path = "rootfs", .readonly = d->is_readonly };
	if (!streq_null(d->network, "host") || o->hostname)
		spec.hostname = d->hostname;
	add_default_mounts(&b);
	add_binds(&b);
	r = fill_process(&b, &caps, e);
	if (spec.process)
		spec.process->user = user;
	if (r == 0)
		r = fill_linux(&b, &caps, e);
	if (r < 0)
		return r;
	json_write(&oci_spec_table, &spec, 0, out);
	if (b.is_out || strbuf_ok(out) < 0)
		return err_sys(e, -ENOMEM, "spec");
	return 0;
}
