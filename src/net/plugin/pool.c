/*
 * host-local's store: one file for each address that is given out, named after it, with "container\r\ninterface" in it; the
 * address that a range set gave out last; a lock. All is as the reference plugin (1.1 to 1.9) has it, so that either takes
 * over from the other. A reservation is written elsewhere and renamed: a kill never leaves an address without an owner.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/plugin/priv.h"
#include "sys/calls.h"

#define DATA_DIR "/var/lib/cni/networks"
/* Where a reservation is written; the lock keeps others from it. */
#define NEW_NAME ".new"
/* "container\r\ninterface": both names have their limits. */
#define OWNER_MAX (LIMIT_NAME + 2 + 16)
/* Addresses of one network that are looked at: a /12. */
#define ENTRIES_MAX ((size_t)1 << 20)

int pool_open(const char *data_dir, const struct cni_call *call, struct pool *ret, struct err *e)
{
	const char *base = data_dir && *data_dir ? data_dir : DATA_DIR;
	AUTO_FREE char *path = str_printf("%s/%s", base, call->c->name);
	AUTO_POOL struct pool s = POOL_NONE;
	int r;

	if (!path)
		return err_set(e, -ENOMEM, "no memory for the address store");
	r = dir_make_all(path, 0755);
	if (r < 0)
		return err_sys(e, r, "make address store '%s'", path);
	s.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.dir < 0)
		return err_sys(e, -errno, "open address store '%s'", path);
	s.lock = openat(s.dir, "lock", O_CREAT | O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s.lock < 0 || flock(s.lock, LOCK_EX) < 0)
		return err_sys(e, -errno, "lock address store '%s'", path);
	/* What somebody who was killed had begun to write. */
	(void)unlinkat(s.dir, NEW_NAME, 0);
	s.container_id = call->container_id;
	s.ifname = call->ifname;
	*ret = s;
	s = POOL_NONE;
	return 0;
}

void pool_close(struct pool *s)
{
	if (!s)
		return;
	fd_closep(&s->lock);
	fd_closep(&s->dir);
}

/* Puts what was written below NEW_NAME to its place, unless that is taken. 1: done, 0: taken. */
static int publish(const struct pool *s, const char *name)
{
	if (renameat2(s->dir, NEW_NAME, s->dir, name, RENAME_NOREPLACE) == 0)
		return 1;
	if (errno == EEXIST)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* A filesystem without it: the lock keeps everybody else away. */
	if (faccessat(s->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return renameat(s->dir, NEW_NAME, s->dir, name) == 0 ? 1 : -errno;
}

static int write_new(const struct pool *s)
{
	char owner[OWNER_MAX + 1];
	int len = snprintf(owner, sizeof(owner), "%s\r\n%s", s->container_id, s->ifname);
	AUTO_FD fd = openat(s->dir, NEW_NAME, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
			    0644);

	return fd < 0 ? -errno : fd_write_full(fd, owner, (size_t)len);
}

int pool_reserve(struct pool *s, const struct ip_addr *a, struct err *e)
{
	char name[IP_TEXT_MAX];
	int r;

	/* Most addresses that are tried and taken cost one call. */
	if (faccessat(s->dir, ip_addr_text(a, name), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	r = write_new(s);
	r = r < 0 ? r : publish(s, name);
	if (r <= 0)
		unlinkat(s->dir, NEW_NAME, 0);
	return r < 0 ? err_sys(e, r, "reserve address %s", name) : r;
}

static const char *last_name(size_t set, char buf[40])
{
	snprintf(buf, 40, "last_reserved_ip.%zu", set);
	return buf;
}

int pool_set_last(struct pool *s, size_t set, const struct ip_addr *a, struct err *e)
{
	char name[40], text[IP_TEXT_MAX];
	AUTO_FD fd = openat(s->dir, last_name(set, name),
			    O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r;

	ip_addr_text(a, text);
	r = fd < 0 ? -errno : fd_write_full(fd, text, strlen(text));
	return r < 0 ? err_sys(e, r, "write '%s'", name) : 0;
}

struct ip_addr pool_last(struct pool *s, size_t set)
{
	char name[40];
	AUTO_FREE char *text = NULL;
	struct ip_addr a = { 0 };

	/* Wrong or missing: the round begins anew, as in the reference. */
	if (file_read_at(s->dir, last_name(set, name), IP_TEXT_MAX, &text, NULL) < 0 ||
	    ip_addr_parse(text, &a) < 0)
		return (struct ip_addr){ 0 };
	return a;
}

int pool_release(struct pool *s, const struct ip_addr *a, struct err *e)
{
	char name[IP_TEXT_MAX];

	if (unlinkat(s->dir, ip_addr_text(a, name), 0) < 0 && errno != ENOENT)
		return err_sys(e, -errno, "release address %s", name);
	return 0;
}

/* -- reading all -- */

/* An owner's file as it is: spaces around are cut, as the reference does. */
static void read_owner(const struct pool *s, const char *name, char owner[OWNER_MAX + 1])
{
	AUTO_FD fd = openat(s->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd < 0 ? 0 : fd_read_full(fd, owner, OWNER_MAX);
	size_t from = 0;

	while (n > 0 && strchr(" \t\r\n", owner[n - 1]))
		n--;
	while ((ssize_t)from < n && strchr(" \t\r\n", owner[from]))
		from++;
	n = MAX(n, (ssize_t)from);
	memmove(owner, owner + from, (size_t)n - from);
	owner[(size_t)n - from] = '\0';
}

typedef int each_entry(void *data, const struct ip_addr *a, const char *owner, struct err *e);

static int each_address(struct pool *s, each_entry *each, void *data, struct err *e)
{
	AUTO_FD fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char owner[OWNER_MAX + 1];
	struct dirent *entry;
	struct ip_addr a;
	size_t left = ENTRIES_MAX;
	int r = 0;

	if (!dir)
		return err_sys(e, -errno, "read the address store");
	fd = -EBADF;
	while (r == 0 && left-- > 0 && (entry = readdir(dir))) {
		if (ip_addr_parse(entry->d_name, &a) < 0)
			continue;
		read_owner(s, entry->d_name, owner);
		r = each(data, &a, owner, e);
	}
	closedir(dir);
	return r;
}

/* What one interface has; the old form counts when there is nothing of the new one. */
struct own {
	char owner[OWNER_MAX + 1];
	const char *old_owner; /* plugins before 0.8 wrote the container alone */
	struct ip_addr *v;
	size_t n;
	bool is_old;
};

static int take_own(void *data, const struct ip_addr *a, const char *owner, struct err *e)
{
	struct own *o = data;
	bool is_old = streq(owner, o->old_owner);

	if (!is_old && !streq(owner, o->owner))
		return 0;
	if (o->n > 0 && o->is_old != is_old) {
		if (is_old)
			return 0;
		o->n = 0;
	}
	if (o->n == POOL_OWN_MAX)
		return err_set(e, -E2BIG, "container '%s' has more than %d addresses", o->old_owner,
			       POOL_OWN_MAX);
	o->is_old = is_old;
	o->v[o->n++] = *a;
	return 0;
}

bool pool_is_own(struct pool *s, const struct ip_addr *a)
{
	char name[IP_TEXT_MAX], owner[OWNER_MAX + 1], own[OWNER_MAX + 1];

	snprintf(own, sizeof(own), "%s\r\n%s", s->container_id, s->ifname);
	read_owner(s, ip_addr_text(a, name), owner);
	return streq(owner, own);
}

int pool_own(struct pool *s, struct ip_addr ret[POOL_OWN_MAX], size_t *ret_n, struct err *e)
{
	struct own o = { .old_owner = s->container_id, .v = ret };
	int r;

	snprintf(o.owner, sizeof(o.owner), "%s\r\n%s", s->container_id, s->ifname);
	r = each_address(s, take_own, &o, e);
	if (r == 0)
		*ret_n = o.n;
	return r;
}

struct gc {
	struct pool *s;
	const struct cni_attachment *valid;
	size_t n;
};

static bool is_owner(const struct cni_attachment *at, const char *owner)
{
	const char *rest = str_skip(owner, at->container_id);

	if (!rest)
		return false;
	return !*rest || (str_skip(rest, "\r\n") && streq(rest + 2, at->ifname));
}

static int release_if_stale(void *data, const struct ip_addr *a, const char *owner, struct err *e)
{
	struct gc *g = data;

	for (size_t i = 0; i < g->n; i++)
		if (is_owner(&g->valid[i], owner))
			return 0;
	return pool_release(g->s, a, e);
}

int pool_gc(struct pool *s, const struct cni_attachment *valid, size_t n, struct err *e)
{
	struct gc g = { s, valid, n };

	return each_address(s, release_if_stale, &g, e);
}
