#include "sys/cgroup_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/str.h"

int cg_place_of(const struct cgroup *g, enum cg_controller c)
{
	int i = g->host->where[c];

	return i >= 0 && g->place[i].fd >= 0 ? i : -1;
}

ssize_t cg_read_at(int dirfd, const char *file, char *buf, size_t cap)
{
	AUTO_FD fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	/* Not until the end but until a short read: seq files answer whole, and a call less is saved. */
	for (;;) {
		ssize_t n = read(fd, buf + len, cap - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len == cap - 1)
			return -EFBIG;
		if (n < 4096 && (n == 0 || buf[len - 1] == '\n'))
			break;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

ssize_t cg_read(const struct cgroup *g, int i, const char *file, char *buf, size_t cap)
{
	return cg_read_at(g->place[i].fd, file, buf, cap);
}

int cg_read_u64(const struct cgroup *g, int i, const char *file, uint64_t *ret)
{
	char text[64];
	ssize_t n = cg_read(g, i, file, text, sizeof(text));

	if (n < 0)
		return (int)n;
	text[strcspn(text, " \n")] = '\0';
	if (streq(text, "max")) {
		*ret = UINT64_MAX;
		return 0;
	}
	if (text[0] == '-') { /* v1: -1 where nothing is set */
		*ret = UINT64_MAX;
		return 0;
	}
	return str_to_u64(text, UINT64_MAX, ret);
}

int cg_find_u64(const char *text, const char *key, uint64_t *ret)
{
	size_t n = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		char *end;

		if (strncmp(p, key, n) != 0 || p[n] != ' ')
			continue;
		*ret = strtoull(p + n + 1, &end, 10);
		return end == p + n + 1 ? -EINVAL : 0;
	}
	return -ENOENT;
}

int cg_write_at(int dirfd, const char *file, const char *value)
{
	AUTO_FD fd = openat(dirfd, file, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, value, strlen(value));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int cg_write(const struct cgroup *g, int i, const char *file, const char *value, struct err *e)
{
	int r = cg_write_at(g->place[i].fd, file, value);

	if (r < 0)
		return err_sys(e, r, "write '%s' to '%s/%s'", value, g->place[i].path, file);
	return 0;
}

struct walk {
	int (*fn)(int parent, const char *name, void *arg);
	void *arg;
	size_t seen;
};

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* One level; recursion is bounded by CG_DEPTH_MAX. */
static int walk_level(struct walk *w, int dirfd, int depth)
{
	AUTO_FD fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(close_dir) DIR *d = NULL;
	const struct dirent *entry;

	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	if (depth > CG_DEPTH_MAX)
		return -ELOOP;
	d = fdopendir(fd);
	if (!d)
		return -errno;
	fd = -EBADF; /* belongs to `d` now */
	while ((entry = readdir(d))) {
		AUTO_FD sub = -EBADF;
		int r;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (++w->seen > CG_CHILDREN_MAX)
			return -E2BIG;
		sub = openat(dirfd, entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			continue;
		r = walk_level(w, sub, depth + 1);
		if (r == 0)
			r = w->fn(dirfd, entry->d_name, w->arg);
		if (r < 0)
			return r;
	}
	return 0;
}

int cg_walk(int dirfd, int (*fn)(int parent, const char *name, void *arg), void *arg)
{
	struct walk w = { fn, arg, 0 };

	return walk_level(&w, dirfd, 0);
}

void cg_enable(int dirfd, uint32_t controllers)
{
	char text[256] = "";
	size_t len = 0;

	controllers &= ~(1u << CG_CPUACCT); /* is "cpu" on v2 */
	for (int c = 0; c < CG_CONTROLLER_COUNT; c++)
		if (controllers & 1u << c)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s+%s",
						len > 0 ? " " : "", cg_controller_name(c, true));
	if (len == 0 || cg_write_at(dirfd, "cgroup.subtree_control", text) == 0)
		return;
	/* One that is not to be had refuses all: again one by one. What is missing in the end is
	 * reported by name when a resource needs it. */
	for (int c = 0; c < CG_CONTROLLER_COUNT; c++)
		if (controllers & 1u << c) {
			snprintf(text, sizeof(text), "+%s", cg_controller_name(c, true));
			(void)cg_write_at(dirfd, "cgroup.subtree_control", text);
		}
}

void cg_enable_down(const struct cgroup *g, int i, enum cg_controller c)
{
	const struct cg_hierarchy *h = &g->host->h[i];
	const char *rest = cg_path_below(g->place[i].path, h->mount);
	AUTO_FD fd = open(h->mount, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (!rest)
		return;
	while (fd >= 0) {
		char name[NAME_MAX + 1];
		size_t n;
		int next;

		rest += strspn(rest, "/");
		n = strcspn(rest, "/");
		if (n == 0 || n > NAME_MAX)
			return; /* this is the group itself: children of it are its own business */
		cg_enable(fd, 1u << c);
		memcpy(name, rest, n);
		name[n] = '\0';
		rest += n;
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(fd);
		fd = next;
	}
}

void cg_hand_down(const struct cgroup *g)
{
	if (!g->host || g->host->mode != CG_MODE_V2)
		return;
	for (int c = 0; c < CG_CONTROLLER_COUNT; c++)
		if (g->host->h[g->host->unified].controllers & 1u << c)
			cg_enable_down(g, g->host->unified, c);
}
