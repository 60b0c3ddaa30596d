#include "oci/state.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/str.h"

static const struct json_field ns_rows_[] = {
	JSON_ROW(state_ns, type, "type", JSON_STR, JSON_ALWAYS),
	JSON_ROW(state_ns, path, "path", JSON_STR, JSON_ALWAYS),
};
static JSON_TABLE(ns_table, "namespaces", state_ns, ns_rows_);

static const struct json_field cgroups_rows[] = {
	JSON_ROW(state_cgroups, name, "name", JSON_STR, 0),
	JSON_ROW(state_cgroups, parent, "parent", JSON_STR, 0),
	JSON_ROW(state_cgroups, path, "path", JSON_STR, JSON_ALWAYS),
	JSON_ROW(state_cgroups, scope_prefix, "scope_prefix", JSON_STR, 0),
	JSON_ROW(state_cgroups, systemd, "Systemd", JSON_BOOL, 0),
	JSON_ROW(state_cgroups, rootless, "Rootless", JSON_BOOL, 0),
};
static JSON_TABLE(cgroups_table, "cgroups", state_cgroups, cgroups_rows);

static const struct json_field config_rows[] = {
	JSON_ROW(state_config, rootfs, "rootfs", JSON_STR, JSON_ALWAYS),
	JSON_ROW(state_config, readonlyfs, "readonlyfs", JSON_BOOL, JSON_ALWAYS),
	JSON_ROW(state_config, no_new_privileges, "no_new_privileges", JSON_BOOL, 0),
	JSON_ROW_SUB(state_config, namespaces, "namespaces", JSON_OBJS, JSON_ALWAYS, ns_table),
	JSON_ROW_SUB(state_config, cgroups, "cgroups", JSON_OBJ, 0, cgroups_table),
	JSON_ROW(state_config, labels, "labels", JSON_STRS, JSON_ALWAYS),
};
static JSON_TABLE(config_table, "config", state_config, config_rows);

static const struct json_field extra_rows[] = {
	JSON_ROW(state_extra, oci_version, "oci_version", JSON_STR, JSON_ALWAYS),
	JSON_ROW(state_extra, seccomp, "seccomp", JSON_STR, 0),
	JSON_ROW(state_extra, owner, "owner", JSON_I64, JSON_ALWAYS),
	JSON_ROW(state_extra, intel_rdt_is_own, "intel_rdt_is_own", JSON_BOOL, 0),
	JSON_ROW(state_extra, intel_rdt_has_monitor, "intel_rdt_has_monitor", JSON_BOOL, 0),
};
static JSON_TABLE(extra_table, "corten", state_extra, extra_rows);

static const struct json_field state_rows[] = {
	JSON_ROW(state, id, "id", JSON_STR, JSON_REQUIRED),
	JSON_ROW(state, pid, "init_process_pid", JSON_I64, JSON_ALWAYS),
	JSON_ROW(state, start, "init_process_start", JSON_U64, JSON_ALWAYS),
	JSON_ROW(state, created, "created", JSON_STR, JSON_ALWAYS),
	JSON_ROW_SUB(state, config, "config", JSON_OBJ, JSON_REQUIRED, config_table),
	JSON_ROW(state, rootless, "rootless", JSON_BOOL, JSON_ALWAYS),
	JSON_ROW(state, cgroup_paths, "cgroup_paths", JSON_MAP, JSON_ALWAYS),
	JSON_ROW(state, namespace_paths, "namespace_paths", JSON_MAP, JSON_ALWAYS),
	JSON_ROW(state, external, "external_descriptors", JSON_STRS, JSON_ALWAYS),
	JSON_ROW(state, intel_rdt_path, "intel_rdt_path", JSON_STR, JSON_ALWAYS),
	JSON_ROW_SUB(state, corten, "corten", JSON_OBJ, 0, extra_table),
};
static JSON_TABLE(state_table, "state", state, state_rows);

bool state_id_is_valid(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-");

	return n > 0 && n <= LIMIT_NAME && !id[n] && !streq(id, ".") && !streq(id, "..");
}

int state_check_id(const char *id, struct err *e)
{
	if (!*id)
		return err_set(e, -EINVAL, "container id cannot be empty");
	return state_id_is_valid(id) ? 0 : err_set(e, -EINVAL, "invalid container ID format");
}

int state_root_open(const char *root, bool is_made, struct err *e)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0 && errno == ENOENT && is_made) {
		r = dir_make_all(root, 0711);
		if (r < 0)
			return err_sys(e, r, "make state root '%s'", root);
		fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? err_sys(e, -errno, "open state root '%s'", root) : fd;
}

int state_open(int root, const char *id, struct err *e)
{
	int fd;

	if (!state_id_is_valid(id))
		return err_set(e, -EINVAL, "invalid container ID format");
	fd = root < 0 ? root : openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0 || (fd < 0 && errno == ENOENT))
		return err_set(e, -ENOENT, "container does not exist");
	return fd < 0 ? err_sys(e, -errno, "open container '%s'", id) : fd;
}

int state_read(int dir, struct arena *a, struct state **ret, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct state *s = arena_alloc(a, sizeof(*s));
	size_t len;
	int r = file_read_at(dir, STATE_FILE, LIMIT_SPEC_BYTES, &text, &len);

	if (!s)
		return err_sys(e, -ENOMEM, "read state");
	if (r < 0)
		return err_sys(e, r, "read " STATE_FILE);
	r = json_read(&state_table, text, len, NULL, a, s, e);
	if (r < 0)
		return err_wrap(e, r, STATE_FILE);
	*ret = s;
	return 0;
}

int state_write(int dir, const struct state *s, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	int r;

	json_write(&state_table, s, 0, &b);
	r = strbuf_ok(&b);
	if (r == 0)
		r = file_replace_at(dir, STATE_FILE, b.p, b.len, 0600, 0);
	return r < 0 ? err_sys(e, r, "write " STATE_FILE) : 0;
}

const char *state_label(const struct state *s, const char *name)
{
	for (size_t i = 0; s->config && i < s->config->labels.n; i++) {
		const char *v = str_skip(s->config->labels.v[i], name);

		if (v && *v == '=')
			return v + 1;
	}
	return NULL;
}

const char *state_status_name(enum state_status s)
{
	static const char *const names[] = { "creating", "created", "running", "paused",
					     "stopped" };

	return names[s];
}

/* -ESRCH for a process that is gone, a zombie, or another one with the same number. */
static int check_alive(const struct state *s)
{
	uint64_t start;
	int state;

	if (s->pid <= 0 || s->pid > INT32_MAX || proc_start_time((pid_t)s->pid, &start) < 0 ||
	    start != s->start)
		return -ESRCH;
	state = proc_state((pid_t)s->pid);
	return state < 0 || state == 'Z' || state == 'X' ? -ESRCH : 0;
}

static bool is_frozen(const struct state *s)
{
	struct cg_host h = { 0 };
	AUTO_CGROUP struct cgroup g = CGROUP_INIT;
	bool is = false;

	if (cg_host_probe(&h, NULL) == 0 && state_cgroup(&h, s, &g, NULL) == 0)
		is = cg_is_frozen(&g) == 1;
	cg_done(&g);
	g = CGROUP_INIT;
	cg_host_done(&h);
	return is;
}

enum state_status state_status(int dir, const struct state *s)
{
	if (!s)
		return STATE_CREATING;
	if (check_alive(s) < 0)
		return STATE_STOPPED;
	if (faccessat(dir, STATE_FIFO, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return STATE_CREATED;
	return s->cgroup_paths.n && is_frozen(s) ? STATE_PAUSED : STATE_RUNNING;
}

int state_pidfd(const struct state *s)
{
	int fd = s->pid > 0 && s->pid <= INT32_MAX ? proc_pidfd_open((pid_t)s->pid) : -ESRCH;

	/* In this order: what the descriptor names cannot change after it was checked. */
	if (fd >= 0 && check_alive(s) < 0) {
		close(fd);
		return -ESRCH;
	}
	return fd;
}

/* Whether the target's user namespace is another one: entering one's own is an error. */
static bool differs_userns(pid_t pid)
{
	struct stat a, b;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	return stat("/proc/self/ns/user", &a) == 0 && stat(path, &b) == 0 && a.st_ino != b.st_ino;
}

uint32_t state_namespaces(const struct state *s)
{
	uint32_t flags = CLONE_NEWNS;

	for (size_t i = 0; i < s->config->namespaces.n; i++) {
		const struct ns_row *row = ns_find_runc(s->config->namespaces.v[i].type);

		if (row && (row->flag != CLONE_NEWUSER || differs_userns((pid_t)s->pid)))
			flags |= row->flag;
	}
	return flags;
}

int state_cgroup(const struct cg_host *h, const struct state *s, struct cgroup *ret, struct err *e)
{
	struct cg_path paths[CG_PATHS_MAX];
	size_t n = MIN(s->cgroup_paths.n, ARRAY_LEN(paths));

	for (size_t i = 0; i < n; i++)
		paths[i] = (struct cg_path){ s->cgroup_paths.v[i].key, s->cgroup_paths.v[i].value };
	if (!n) {
		*ret = CGROUP_INIT;
		return 0;
	}
	return cg_open(h, paths, n, ret, e);
}

void state_hook_json(const struct oci_spec *spec, const char *id, const char *bundle, int64_t pid,
		     const char *status, struct strbuf *out)
{
	struct oci_state s = { .oci_version = RUNTIME_SPEC,
			       .id = id,
			       .status = status,
			       .pid = pid,
			       .bundle = bundle,
			       .annotations = spec->annotations };

	json_write(&oci_state_table, &s, 0, out);
}
