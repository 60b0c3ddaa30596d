#include "shim/group.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

#define TOP "corten"
#define SHIMS "shims"

static const char *const cpuset_files[] = { "cpuset.cpus", "cpuset.mems" };

/* A fresh v1 cpuset is empty and takes no process until it has what its parent has. */
static void fill_cpuset(int parent, int child)
{
	for (size_t i = 0; i < ARRAY_LEN(cpuset_files); i++) {
		AUTO_FREE char *text = NULL;

		if (file_read_at(parent, cpuset_files[i], 4096, &text, NULL) == 0)
			file_write_at(child, cpuset_files[i], text);
	}
}

static int open_child(const struct cg_hierarchy *h, int parent, const char *name)
{
	int fd;

	if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!h->is_unified && h->controllers & 1u << CG_CPUSET)
		fill_cpuset(parent, fd);
	return fd;
}

static void leave_one(const struct cg_hierarchy *h, struct strbuf *entered)
{
	AUTO_FD top = open(h->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD corten = -EBADF;
	AUTO_FD shims = -EBADF;

	if (top < 0)
		return;
	corten = open_child(h, top, TOP);
	if (corten < 0)
		return;
	shims = open_child(h, corten, SHIMS);
	/*
	 * The shim has one thread, so that on v1 moving the thread moves all of it, and the kernel then does
	 * not wait for every other thread group of the host (cgroup_threadgroup_rwsem: some 10 ms).
	 */
	const char *file = h->is_unified ? "cgroup.procs" : "tasks";

	if (shims >= 0 && file_write_at(shims, file, "0") == 0)
		strbuf_addf(entered, "%s/" TOP "/" SHIMS "\n", h->mount);
}

/* Whether `list` has `line`, which ends with a newline. */
static bool has_line(const char *list, const char *line, size_t len)
{
	for (const char *p = list, *end; (end = strchr(p, '\n')); p = end + 1)
		if ((size_t)(end + 1 - p) == len && memcmp(p, line, len) == 0)
			return true;
	return false;
}

/* A predecessor's groups are in the list already: what it could not remove its successor's end does. */
static void note_groups(int dir, struct strbuf *entered)
{
	AUTO_FREE char *old = NULL;

	if (file_read_at(dir, "groups", LIMIT_SPEC_BYTES, &old, NULL) == 0) {
		for (const char *p = old, *end; (end = strchr(p, '\n')); p = end + 1)
			if (strbuf_ok(entered) == 0 &&
			    !has_line(entered->p ? entered->p : "", p, (size_t)(end + 1 - p)))
				strbuf_add(entered, p, (size_t)(end + 1 - p));
	}
	if (entered->len > 0 && strbuf_ok(entered) == 0)
		file_replace_at(dir, "groups", entered->p, entered->len, 0600, 0);
}

void group_leave_callers(int dir)
{
	AUTO_STRBUF struct strbuf entered = { 0 };
	struct cg_host host;

	if (cg_host_probe(&host, NULL) < 0)
		return;
	for (size_t i = 0; i < host.n; i++) {
		if (streq(host.h[i].own, "/") || host.h[i].is_readonly)
			continue;
		if (streq(host.h[i].own, "/" TOP "/" SHIMS))
			strbuf_addf(&entered, "%s/" TOP "/" SHIMS "\n", host.h[i].mount);
		else
			leave_one(&host.h[i], &entered);
	}
	cg_host_done(&host);
	note_groups(dir, &entered);
}

/* Whether the shim's own group is `path` or below it: then it is not the container's alone. */
static bool holds_shim(const struct cg_hierarchy *h, const char *path)
{
	const char *below = str_skip(path, h->mount), *rest;

	if (!below || below[0] == '\0' || streq(below, "/"))
		return true;
	rest = str_skip(h->own, below);
	return rest && (rest[0] == '\0' || rest[0] == '/');
}

int group_open(struct group *g, pid_t pid, struct err *e)
{
	size_t n = 0;
	int r = cg_host_probe(&g->host, e);

	if (r < 0)
		return r;
	r = cg_open_pid(&g->host, pid, &g->cg, e);
	if (r < 0) {
		cg_host_done(&g->host);
		return r;
	}
	for (size_t i = 0; i < g->host.n; i++) {
		if (g->cg.place[i].fd < 0)
			continue;
		if (!holds_shim(&g->host.h[i], g->cg.place[i].path)) {
			n++;
			continue;
		}
		fd_closep(&g->cg.place[i].fd);
		free(TAKE_PTR(g->cg.place[i].path));
	}
	g->oom = CG_OOM_INIT;
	g->is_open = true;
	if (n == 0) {
		group_close(g);
		return err_set(e, -ENODEV, "the container has no cgroup of its own");
	}
	return 0;
}

void group_close(struct group *g)
{
	if (!g->is_open)
		return;
	cg_oom_done(&g->oom);
	cg_done(&g->cg);
	cg_host_done(&g->host);
	*g = (struct group){ .oom = CG_OOM_INIT };
}
