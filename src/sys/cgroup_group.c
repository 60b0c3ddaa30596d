#include "sys/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "sys/cgroup_priv.h"

/* First and longest pause while a group that was left by its last process is still busy. */
#define BUSY_PAUSE_NS 50000
#define BUSY_PAUSE_MAX_NS (20 * NSEC_PER_MSEC)
/* /proc/PID/cgroup: one line per hierarchy, each a path. */
#define PID_CGROUP_MAX ((size_t)128 << 10)
/* A task being born refuses to be moved (EINVAL, kernels before 5.2): it is there a moment later. */
#define MOVE_TRIES 5

#define for_places(g, i) for (int i = 0; i < (int)(g)->host->n; i++)

static void clear(struct cgroup *g, const struct cg_host *h)
{
	*g = (struct cgroup){ .host = h };
	for (int i = 0; i < CG_HIERARCHIES_MAX; i++)
		g->place[i].fd = -EBADF;
}

void cg_done(struct cgroup *g)
{
	if (!g || !g->host)
		return;
	for_places(g, i)
	{
		fd_closep(&g->place[i].fd);
		free(g->place[i].path);
	}
	*g = CGROUP_INIT;
}

/* Where the group lies in one hierarchy: malloc'ed, or NULL with `*r` set. */
static char *place_path(const struct cg_host *host, const struct cg_hierarchy *h, const char *path,
			int *r, struct err *e)
{
	const char *base = "";
	size_t base_len = 0;
	char *full;

	if (*path != '/') {
		if (!h->own) {
			*r = err_set(
				e, -ENOENT,
				"cgroup path '%s' is relative, and the caller's own group in '%s' "
				"cannot be seen from here; give an absolute cgroupsPath",
				path, h->mount);
			return NULL;
		}
		base = h->own;
		base_len = strlen(base);
		if (host->mode == CG_MODE_V2) /* beside us: our own group holds processes */
			while (base_len > 0 && base[base_len - 1] != '/')
				base_len--;
	}
	while (base_len > 0 && base[base_len - 1] == '/')
		base_len--;
	path += strspn(path, "/");
	full = str_printf("%s%.*s/%s", h->mount, (int)base_len, base, path);
	if (!full) {
		*r = err_set(e, -ENOMEM, "no memory for a cgroup path");
		return NULL;
	}
	for (size_t n = strlen(full); n > 1 && full[n - 1] == '/'; n--)
		full[n - 1] = '\0';
	return full;
}

/* Refuses what would leave the hierarchy, or be the hierarchy's top. */
static int check_path(const char *path, struct err *e)
{
	AUTO_FREE char *rooted = str_printf("/%s", path);

	if (!rooted)
		return err_set(e, -ENOMEM, "no memory for a cgroup path");
	if (!cg_path_is_plain(rooted))
		return err_set(e, -EINVAL, "cgroup path '%s' must not hold '.' or '..'", path);
	if (strlen(path) >= PATH_MAX - 256)
		return err_set(e, -ENAMETOOLONG, "cgroup path of %zu bytes is too long",
			       strlen(path));
	if (strspn(path, "/") == strlen(path))
		return err_set(e, -EINVAL, "cgroup path '%s' is the root of the hierarchy", path);
	return 0;
}

/* Makes all folders of `path` below `mount`; on v2 hands the controllers down on the way. */
static int make_parents(char *path, size_t mount_len, uint32_t enable)
{
	AUTO_FD fd = -EBADF;

	for (char *p = path + mount_len; p && *p; p = strchr(p + 1, '/')) {
		char saved = *p;
		int r = 0;

		*p = '\0'; /* at "/": the folder before it */
		if (p > path + mount_len && mkdir(path, 0755) < 0 && errno != EEXIST)
			r = -errno;
		if (r == 0 && enable) {
			fd_closep(&fd);
			fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (fd >= 0)
				cg_enable(fd, enable);
		}
		*p = saved;
		if (r < 0)
			return r;
	}
	return 0;
}

/* 0: made, 1: it was there, or -errno. */
static int make_leaf(const struct cg_hierarchy *h, char *path, bool is_v2)
{
	uint32_t enable = is_v2 ? h->controllers : 0;
	int r;

	if (enable) {
		r = make_parents(path, strlen(h->mount), enable);
		if (r < 0)
			return r;
	}
	if (mkdir(path, 0755) == 0)
		return 0;
	if (errno != ENOENT)
		return errno == EEXIST ? 1 : -errno;
	r = make_parents(path, strlen(h->mount), 0);
	if (r < 0)
		return r;
	if (mkdir(path, 0755) == 0)
		return 0;
	return errno == EEXIST ? 1 : -errno;
}

/* v1: a group with an empty cpuset takes no process. Fills it, and the parents made with it, from above. */
static int fill_cpuset(int fd, const char *path, size_t mount_len, struct err *e)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	size_t end = strlen(path);
	char value[CG_VALUE_MAX];
	AUTO_FD parent = -EBADF;
	AUTO_FREE char *up = NULL;

	while (end > mount_len && path[end - 1] != '/')
		end--;
	if (end <= mount_len)
		return 0; /* the top has all */
	up = strndup(path, end - 1);
	if (!up)
		return err_set(e, -ENOMEM, "no memory for a cgroup path");
	parent = open(up, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return err_sys(e, -errno, "open '%s'", up);
	for (size_t f = 0; f < ARRAY_LEN(files); f++) {
		ssize_t n = cg_read_at(parent, files[f], value, sizeof(value));
		int r;

		if (n >= 0 &&
		    value[0] == '\n') { /* an empty parent: depth is bounded by PATH_MAX */
			r = fill_cpuset(parent, up, mount_len, e);
			if (r < 0)
				return r;
			n = cg_read_at(parent, files[f], value, sizeof(value));
		}
		if (n < 0)
			return err_sys(e, (int)n, "read '%s/%s'", up, files[f]);
		value[strcspn(value, "\n")] = '\0';
		r = cg_write_at(fd, files[f], value);
		if (r < 0)
			return err_sys(e, r, "write '%s' to '%s/%s'", value, path, files[f]);
	}
	return 0;
}

/* An existing group may be entered when nobody is in it and it is not frozen (it would hold us for ever). */
static int check_existing(struct cgroup *g, int i, struct err *e)
{
	char text[64];
	ssize_t n = cg_read(g, i, "cgroup.procs", text, sizeof(text));

	if (n > 0 || n == -EFBIG)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				    "container's cgroup is not empty: '%s' holds processes",
				    g->place[i].path);
	return 0;
}

/* Named hierarchies carry no limits: one that we may not touch is left out. */
static bool may_miss(const struct cg_hierarchy *h, int r)
{
	bool is_named = str_skip(h->name, "name=") != NULL;

	return is_named && (r == -EROFS || r == -EACCES || r == -EPERM);
}

static int make_place(struct cgroup *g, int i, const char *path, bool is_shared, struct err *e)
{
	const struct cg_hierarchy *h = &g->host->h[i];
	AUTO_FREE char *full = NULL;
	int r = 0;

	full = place_path(g->host, h, path, &r, e);
	if (!full)
		return r;
	/* Whoever shares a group has processes in it, and hands on what it wants itself. */
	r = make_leaf(h, full, g->host->mode == CG_MODE_V2 && !is_shared);
	if (r < 0)
		return may_miss(h, r) ? 0 : err_sys(e, r, "make cgroup '%s'", full);
	g->place[i].is_made = r == 0;
	g->place[i].fd = open(full, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	g->place[i].path = TAKE_PTR(full);
	if (g->place[i].fd < 0)
		return err_sys(e, -errno, "open cgroup '%s'", g->place[i].path);
	if (r == 1)
		r = is_shared ? 0 : check_existing(g, i, e);
	if (r == 0 && !h->is_unified && h->controllers & 1u << CG_CPUSET)
		r = fill_cpuset(g->place[i].fd, g->place[i].path, strlen(h->mount), e);
	return r;
}

static void undo(struct cgroup *g)
{
	for_places(g, i) if (g->place[i].is_made) rmdir(g->place[i].path);
	cg_done(g);
}

static int make_group(const struct cg_host *h, const char *path, bool is_shared, struct cgroup *ret,
		      struct err *e)
{
	struct cgroup g;
	bool is_fresh = true;
	int r = check_path(path, e);

	if (r < 0)
		return r;
	if (h->mode == CG_MODE_NONE)
		return err_set(e, -ENODEV, "no cgroup filesystem is mounted");
	clear(&g, h);
	for_places(&g, i)
	{
		r = make_place(&g, i, path, is_shared, e);
		if (r < 0)
			break;
		is_fresh &= g.place[i].is_made || !g.place[i].path;
	}
	/* A top-level group that we made just now cannot be frozen: three calls saved. */
	if (r >= 0 && !is_shared && !(is_fresh && *path == '/' && !strchr(path + 1, '/')) &&
	    cg_is_frozen(&g) == 1)
		r = err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				 "container's cgroup unexpectedly frozen");
	if (r < 0) {
		undo(&g);
		return r;
	}
	*ret = g;
	return 0;
}

int cg_create(const struct cg_host *h, const char *path, const char *id, struct cgroup *ret,
	      struct err *e)
{
	AUTO_FREE char *by_id = NULL;

	if (!path || !*path)
		path = by_id = str_printf("/%s", id);
	return path ? make_group(h, path, false, ret, e)
		    : err_set(e, -ENOMEM, "no memory for a cgroup path");
}

int cg_enter(const struct cg_host *h, const char *path, struct cgroup *ret, struct err *e)
{
	return make_group(h, path, true, ret, e);
}

size_t cg_paths(const struct cgroup *g, struct cg_path ret[CG_PATHS_MAX])
{
	size_t n = 0;

	for_places(g, i) for (size_t k = 0;
			      g->place[i].path && k < g->host->h[i].names_n && n < CG_PATHS_MAX;
			      k++)
		ret[n++] = (struct cg_path){ g->host->h[i].names[k], g->place[i].path };
	return n;
}

/* Takes `path`. A folder that is gone leaves the fd empty. */
static int open_place(struct cgroup *g, int i, char *path, struct err *e)
{
	g->place[i].path = path;
	if (!path)
		return err_set(e, -ENOMEM, "no memory for a cgroup path");
	g->place[i].fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (g->place[i].fd >= 0)
		return 0;
	g->place[i].fd = -EBADF;
	return errno == ENOENT ? 0 : err_sys(e, -errno, "open cgroup '%s'", path);
}

int cg_open(const struct cg_host *h, const struct cg_path *paths, size_t n, struct cgroup *ret,
	    struct err *e)
{
	AUTO_CGROUP struct cgroup g;

	clear(&g, h);
	for_places(&g, i) for (size_t k = 0; k < n && !g.place[i].path; k++)
	{
		int r;

		if (!streq(paths[k].controller, h->h[i].names[0]))
			continue;
		if (!cg_path_is_plain(paths[k].path) ||
		    !cg_path_below(paths[k].path, h->h[i].mount))
			return err_set(e, -EINVAL, "cgroup path '%s' is not below '%s'",
				       paths[k].path, h->h[i].mount);
		r = open_place(&g, i, strdup(paths[k].path), e);
		if (r < 0)
			return r;
	}
	*ret = g;
	g.host = NULL;
	return 0;
}

int cg_find(const struct cg_host *h, const char *path, const char *id, struct cgroup *ret,
	    struct err *e)
{
	AUTO_FREE char *by_id = NULL;
	AUTO_CGROUP struct cgroup g;
	int r;

	clear(&g, h);
	if (h->mode == CG_MODE_NONE)
		return err_set(e, -ENODEV, "no cgroup filesystem is mounted");
	if (!path || !*path)
		path = by_id = str_printf("/%s", id);
	r = path ? check_path(path, e) : err_set(e, -ENOMEM, "no memory for a cgroup path");
	if (r < 0)
		return r;
	for_places(&g, i)
	{
		char *full = place_path(h, &h->h[i], path, &r, e);

		if (full)
			r = open_place(&g, i, full, e);
		if (r < 0)
			return r;
	}
	*ret = g;
	g.host = NULL;
	return 0;
}

/* One line of /proc/PID/cgroup opens one place. */
static int open_line(struct cgroup *g, char *line, struct err *e)
{
	char *name = strchr(line, ':'), *path = name ? strchr(name + 1, ':') : NULL;

	if (!path)
		return err_set(e, -EIO, "a line of /proc/PID/cgroup is malformed");
	name++;
	*path++ = '\0';
	for_places(g, i)
	{
		const struct cg_hierarchy *h = &g->host->h[i];
		const char *below;

		if (g->place[i].path || !streq(name, h->name))
			continue;
		below = cg_path_below(path, h->root);
		if (!below || !cg_path_is_plain(below))
			return 0;
		return open_place(g, i,
				  str_printf("%s%s", h->mount, streq(below, "/") ? "" : below), e);
	}
	return 0;
}

int cg_open_pid(const struct cg_host *h, pid_t pid, struct cgroup *ret, struct err *e)
{
	AUTO_CGROUP struct cgroup g;
	AUTO_FREE char *text = NULL;
	char name[40];
	int r;

	clear(&g, h);
	snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
	r = file_read_at(AT_FDCWD, name, PID_CGROUP_MAX, &text, NULL);
	if (r < 0)
		return err_sys(e, r == -ENOENT ? -ESRCH : r, "read '%s'", name);
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		r = open_line(&g, line, e);
		if (r < 0)
			return r;
	}
	*ret = g;
	g.host = NULL;
	return 0;
}

int cg_open_sub(const struct cgroup *g, const char *controller, const char *sub, struct cgroup *ret,
		struct err *e)
{
	AUTO_CGROUP struct cgroup s;
	AUTO_FREE char *rooted = str_printf("/%s", sub);
	bool is_found = false;

	clear(&s, g->host);
	if (!rooted || !cg_path_is_plain(rooted))
		return err_set(e, rooted ? -EINVAL : -ENOMEM, "bad sub-cgroup path '%s'", sub);
	sub += strspn(sub, "/");
	for_places(g, i)
	{
		const struct cg_hierarchy *h = &g->host->h[i];
		bool is_named = !controller;
		int r;

		for (size_t k = 0; !is_named && k < h->names_n; k++)
			is_named = streq(controller, h->names[k]);
		if (!is_named || !g->place[i].path)
			continue;
		r = open_place(&s, i, str_printf("%s/%s", g->place[i].path, sub), e);
		if (r < 0)
			return r;
		if (s.place[i].fd < 0)
			return err_set(e, -ENOENT, "cgroup '%s' does not exist", s.place[i].path);
		is_found = true;
	}
	if (!is_found)
		return err_set(e, -EINVAL, "unknown controller '%s' in sub-cgroup '%s:%s'",
			       controller ? controller : "", controller ? controller : "", sub);
	*ret = s;
	s.host = NULL;
	return 0;
}

bool cg_exists(const struct cgroup *g)
{
	struct stat st;

	if (!g->host)
		return false;
	for_places(g, i) if (g->place[i].path && lstat(g->place[i].path, &st) == 0) return true;
	return false;
}

int cg_clone_fd(const struct cgroup *g)
{
	return g->host && g->host->unified >= 0 ? g->place[g->host->unified].fd : -EBADF;
}

static bool is_joined(const struct cgroup *g, int i, unsigned int flags)
{
	return g->place[i].fd >= 0 && !(flags & CG_JOIN_NOT_UNIFIED && g->host->h[i].is_unified);
}

int cg_add_pid(const struct cgroup *g, pid_t pid, unsigned int flags, struct err *e)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	for_places(g, i)
	{
		int r = 0;

		if (!is_joined(g, i, flags))
			continue;
		for (int try = 0; try < MOVE_TRIES; try++) {
			r = cg_write_at(g->place[i].fd, "cgroup.procs", text);
			if (r != -EINVAL)
				break;
			nanosleep(&(struct timespec){ .tv_nsec = NSEC_PER_MSEC << try }, NULL);
		}
		if (r < 0)
			return err_sys(e, r, "move process %d into '%s'", (int)pid,
				       g->place[i].path);
	}
	return 0;
}

int cg_join_open(const struct cgroup *g, unsigned int flags, struct cg_join *ret, struct err *e)
{
	struct cg_join j = { .n = 0 };

	for_places(g, i)
	{
		const char *file = g->host->h[i].is_unified ? "cgroup.procs" : "tasks";
		int fd;

		if (!is_joined(g, i, flags))
			continue;
		fd = openat(g->place[i].fd, file, O_WRONLY | O_CLOEXEC);
		if (fd < 0) {
			int r = err_sys(e, -errno, "open '%s/%s'", g->place[i].path, file);

			cg_join_done(&j);
			return r;
		}
		j.path[j.n] = g->place[i].path;
		j.fd[j.n++] = fd;
	}
	*ret = j;
	return 0;
}

int cg_join_self(const struct cg_join *j, struct err *e)
{
	for (size_t i = 0; i < j->n; i++) {
		ssize_t n;

		do
			n = write(j->fd[i], "0", 1);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return err_sys(e, -errno, "join cgroup '%s'", j->path[i]);
	}
	return 0;
}

void cg_join_done(struct cg_join *j)
{
	if (!j)
		return;
	while (j->n > 0)
		close(j->fd[--j->n]);
}

static int remove_child(int parent, const char *name, void *arg)
{
	(void)arg;
	(void)unlinkat(parent, name,
		       AT_REMOVEDIR); /* a busy one makes its parent busy, which is retried */
	return 0;
}

/* 0: gone, -EBUSY: try again. */
static int remove_place(struct cgroup *g, int i, bool is_deep)
{
	const char *path = g->place[i].path;
	AUTO_FD fd = -EBADF;

	if (!path || rmdir(path) == 0 || errno == ENOENT || errno == ENODEV)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	if (!is_deep)
		return -EBUSY;
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		(void)cg_walk(fd, remove_child, NULL);
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	return -errno;
}

int cg_remove(struct cgroup *g, int timeout_ms, struct err *e)
{
	int64_t end = clock_mono_ns() + timeout_ms * NSEC_PER_MSEC;
	int64_t pause = BUSY_PAUSE_NS;
	bool is_gone[CG_HIERARCHIES_MAX] = { false };
	bool is_deep = false;

	if (!g->host)
		return 0;
	for (;;) {
		int busy = -1, failed = 0;

		for_places(g, i)
		{
			int r = is_gone[i] ? 0 : remove_place(g, i, is_deep);

			is_gone[i] = r == 0;
			if (r < 0) {
				busy = i;
				failed = failed && failed != -EBUSY ? failed : r;
			}
		}
		if (busy < 0)
			return 0;
		/* The first failure may be groups below: those are looked for at once. */
		if (is_deep && (failed != -EBUSY || clock_mono_ns() + pause > end))
			return err_sys(e, failed, "remove cgroup '%s'", g->place[busy].path);
		if (is_deep) {
			nanosleep(&(struct timespec){ .tv_nsec = pause }, NULL);
			pause = MIN(pause * 2, BUSY_PAUSE_MAX_NS);
		}
		is_deep = true;
	}
}
