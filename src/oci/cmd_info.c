#include "oci/cmd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "oci/annotation.h"
#include "spec/seccomp_names.h"
#include "spec/seccomp_profile.h"
#include "sys/cgroup.h"
#include "sys/landlock.h"
#include "sys/lsm.h"
#include "sys/task.h"

static const struct opt no_opts[] = { OPT_END };

static int put(struct strbuf *out, struct err *e)
{
	int r = strbuf_ok(out);

	if (r == 0)
		r = fd_write_full(1, out->p, out->len);
	return r < 0 ? err_sys(e, r, "write output") : 0;
}

#define NAME(name, ...) #name,
static const char *const seccomp_actions[] = { SECCOMP_ACTIONS(NAME) NULL };
static const char *const seccomp_operators[] = { SECCOMP_OPERATORS(NAME) NULL };
static const char *const seccomp_flags[] = { SECCOMP_FLAGS(NAME) NULL };
#undef NAME

static const char *seccomp_action(size_t i)
{
	return seccomp_actions[i];
}
static const char *seccomp_operator(size_t i)
{
	return seccomp_operators[i];
}
static const char *seccomp_flag(size_t i)
{
	return seccomp_flags[i];
}
static const char *namespace_name(size_t i)
{
	return i < NS_COUNT ? ns_rows[i].spec : NULL;
}
static const char *capability_name(size_t i)
{
	return caps_name((unsigned int)i);
}
static const char *hook_name(size_t i)
{
	return i < oci_hooks_table.n ? oci_hooks_table.fields[i].key : NULL;
}

/* The names of a table of rows, `name_of` answering NULL behind the last. */
static void put_names(struct json_writer *w, const char *key, const char *(*name_of)(size_t i))
{
	json_begin_array(w, key);
	for (size_t i = 0; name_of(i); i++)
		json_put_str(w, NULL, name_of(i));
	json_end_array(w);
}

static void put_enabled(struct json_writer *w, const char *key, bool is_enabled)
{
	json_begin_object(w, key);
	json_put_bool(w, "enabled", is_enabled);
	json_end_object(w);
}

/* The row of a key, "intelRdt", or NULL: what the tables read is what the plan does or refuses. */
static const struct json_field *find_row(const struct json_table *t, const char *key)
{
	for (size_t i = 0; t && i < t->n; i++)
		if (streq(t->fields[i].key, key))
			return &t->fields[i];
	return NULL;
}

static bool has_mount_option(const char *name)
{
	for (size_t i = 0; mnt_option_name(i); i++)
		if (streq(mnt_option_name(i), name))
			return true;
	return false;
}

static void put_cgroup(struct json_writer *w)
{
	json_begin_object(w, "cgroup");
	json_put_bool(w, "v1", cg_controller_name(CG_BLKIO, false));
	json_put_bool(w, "v2", cg_controller_name(CG_BLKIO, true));
	json_put_bool(w, "systemd", true);
	json_put_bool(w, "systemdUser", true);
	json_put_bool(w, "rdma",
		      find_row(&oci_resources_table, "rdma") &&
			      cg_controller_find("rdma", 4) == CG_RDMA);
	json_end_object(w);
}

static void put_seccomp(struct json_writer *w)
{
	json_begin_object(w, "seccomp");
	json_put_bool(w, "enabled", true);
	put_names(w, "actions", seccomp_action);
	put_names(w, "operators", seccomp_operator);
	put_names(w, "archs", seccomp_arch_name);
	put_names(w, "knownFlags", seccomp_flag);
	put_names(w, "supportedFlags", seccomp_flag);
	json_end_object(w);
}

static const char *landlock_fs(size_t i)
{
	return landlock_name(LANDLOCK_FS, i);
}
static const char *landlock_net(size_t i)
{
	return landlock_name(LANDLOCK_NET, i);
}
static const char *landlock_scope(size_t i)
{
	return landlock_name(LANDLOCK_SCOPE, i);
}
static const char *landlock_flag(size_t i)
{
	return landlock_name(LANDLOCK_FLAGS, i);
}

/* The spec has no place for it yet: the keys are those of the annotation. */
static void put_landlock(struct json_writer *w)
{
	json_begin_object(w, "landlock");
	json_put_bool(w, "enabled", true);
	put_names(w, "handledAccessFS", landlock_fs);
	put_names(w, "handledAccessNet", landlock_net);
	put_names(w, "scoped", landlock_scope);
	put_names(w, "flags", landlock_flag);
	json_end_object(w);
}

static void put_intel_rdt(struct json_writer *w)
{
	const struct json_field *row = find_row(&oci_linux_table, "intelRdt");
	const struct json_table *t = row ? row->sub : NULL;

	json_begin_object(w, "intelRdt");
	json_put_bool(w, "enabled", row);
	json_put_bool(w, "schemata", find_row(t, "schemata"));
	json_put_bool(w, "monitoring", find_row(t, "enableMonitoring"));
	json_end_object(w);
}

static void put_linux(struct json_writer *w)
{
	json_begin_object(w, "linux");
	put_names(w, "namespaces", namespace_name);
	put_names(w, "capabilities", capability_name);
	put_cgroup(w);
	put_seccomp(w);
	put_enabled(w, "apparmor", lsm_is_known("AppArmor"));
	put_enabled(w, "selinux", lsm_is_known("SELinux"));
	put_landlock(w);
	put_intel_rdt(w);
	json_begin_object(w, "mountExtensions");
	put_enabled(w, "idmap", has_mount_option("idmap"));
	json_end_object(w);
	put_enabled(w, "netDevices", find_row(&oci_linux_table, "netDevices"));
	json_begin_object(w, "memoryPolicy");
	put_names(w, "modes", task_mempolicy_name);
	put_names(w, "flags", task_mempolicy_flag_name);
	json_end_object(w);
	json_end_object(w);
}

/* features.md of the runtime-spec; every list comes from the table that implements it. */
int cmd_features(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct json_writer w = { .out = &out, .flags = JSON_PRETTY };
	int r = cmd_parse("features", no_opts, 0, argc, argv, NULL, e);

	if (r < 0)
		return r;
	json_begin_object(&w, NULL);
	json_put_str(&w, "ociVersionMin", "1.0.0");
	json_put_str(&w, "ociVersionMax", RUNTIME_SPEC);
	put_names(&w, "hooks", hook_name);
	put_names(&w, "mountOptions", mnt_option_name);
	put_linux(&w);
	json_begin_object(&w, "annotations");
	json_put_str(&w, "org.corten.version", CORTEN_VERSION);
	json_put_str(&w, "org.opencontainers.runc.checkpoint.enabled", "false");
	json_end_object(&w);
	put_names(&w, "potentiallyUnsafeConfigAnnotations", annotation_name);
	json_end_object(&w);
	strbuf_addc(&out, '\n');
	return put(&out, e);
}

int cmd_plan(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf out = { 0 };
	struct host host;
	struct oci_spec *spec;
	struct plan *plan;
	int r = cmd_parse("plan", no_opts, 0, argc, argv, NULL, e);

	if (r >= 0)
		r = host_probe(true, &host, e);
	if (r == 0)
		r = run_read_spec("config.json", &a, &spec, e);
	if (r == 0)
		r = plan_make(spec, &host, &a, &plan, e);
	if (r < 0)
		return r;
	plan_dump(plan, &out);
	return put(&out, e);
}

static int refuse(const char *what, struct err *e)
{
	return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED, "%s is unsupported", what);
}

int cmd_checkpoint(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	return refuse("checkpoint", e);
}

int cmd_restore(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	return refuse("restore", e);
}

static const char spec_head[] =
	"{\"ociVersion\":\"1.3.0\",\"process\":{\"terminal\":true,\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],"
	"\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"TERM=xterm\"],"
	"\"cwd\":\"/\",\"capabilities\":{"
	"\"bounding\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"effective\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"permitted\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],\"noNewPrivileges\":true},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"runc\",\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
	"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},";
static const char spec_pts[] =
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},";
static const char spec_pts_rootless[] =
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]},";
static const char spec_shm[] =
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},";
static const char spec_sys[] =
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}],";
static const char spec_sys_rootless[] =
	"{\"destination\":\"/sys\",\"type\":\"none\",\"source\":\"/sys\","
	"\"options\":[\"rbind\",\"nosuid\",\"noexec\",\"nodev\",\"ro\"]}],";
static const char spec_linux[] =
	"\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},\"namespaces\":["
	"{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}";
/* As runc: a user namespace, the host's network, no limits that only root may set. */
static const char spec_linux_rootless[] =
	"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
	"{\"type\":\"mount\"},{\"type\":\"user\"}";
/* As runc: on v1 programs look for their groups by the paths of the host. */
static const char spec_cgroupns[] = ",{\"type\":\"cgroup\"}";
static const char spec_tail[] =
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\","
	"\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\",\"/sys/firmware\",\"/proc/scsi\"],"
	"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]}}";

struct spec_args {
	const char *bundle;
	bool is_rootless;
};

static const struct opt spec_opts[] = {
	{ "bundle", 'b', OPT_STR, 0, offsetof(struct spec_args, bundle), "dir",
	  "Path to the bundle", NULL },
	{ "rootless", 0, OPT_BOOL, 0, offsetof(struct spec_args, is_rootless), NULL,
	  "Generate a configuration for a rootless container", NULL },
	OPT_END,
};

static bool is_cgroup2(void)
{
	struct statfs st;

	return statfs("/sys/fs/cgroup", &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC;
}

/* The text goes through the tables, so what is written is what the reader takes. */
int cmd_spec_file(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_STRBUF struct strbuf out = { 0 };
	struct spec_args sa = { 0 };
	struct oci_spec *spec;
	int r = cmd_parse("spec", spec_opts, 0, argc, argv, &sa, e);

	if (r < 0)
		return r;
	if (sa.bundle && chdir(sa.bundle) < 0)
		return err_set(e, -errno, "chdir %s: %s", sa.bundle, err_words(errno));
	if (faccessat(AT_FDCWD, "config.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, -EEXIST, "File config.json exists. Remove it first");
	strbuf_addf(&text, "%s%s%s%s%s", spec_head, sa.is_rootless ? spec_pts_rootless : spec_pts,
		    spec_shm, sa.is_rootless ? spec_sys_rootless : spec_sys,
		    sa.is_rootless ? spec_linux_rootless : spec_linux);
	strbuf_addf(&text, "%s],", is_cgroup2() ? spec_cgroupns : "");
	if (sa.is_rootless) {
		strbuf_addf(&text,
			    "\"uidMappings\":[{\"containerID\":0,\"hostID\":%u,\"size\":1}],"
			    "\"gidMappings\":[{\"containerID\":0,\"hostID\":%u,\"size\":1}],",
			    geteuid(), getegid());
	}
	strbuf_adds(&text, spec_tail);
	r = strbuf_ok(&text);
	if (r == 0)
		r = oci_spec_read(text.p, text.len, &a, &spec, e);
	if (r < 0)
		return err_wrap(e, r, "make config.json");
	json_write(&oci_spec_table, spec, JSON_PRETTY | JSON_TABS, &out);
	r = strbuf_ok(&out);
	if (r == 0)
		r = file_replace_at(AT_FDCWD, "config.json", out.p, out.len, 0666, FILE_EXCL);
	return r < 0 ? err_sys(e, r, "write config.json") : 0;
}
