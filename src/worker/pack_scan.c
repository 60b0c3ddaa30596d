/*
 * The first pass: trusted.* xattrs, which the kernel shows to CAP_SYS_ADMIN alone. Names and xattrs are read, files are not
 * opened; afterwards the capability goes (docs/decisions/0009-pack-role.md).
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "base/err.h"
#include "base/fd.h"
#include "worker/pack.h"

#define OVERLAY_OPAQUE "overlay.opaque"

struct scan {
	struct pack *p;
	DIR *dirs[PACK_LEVELS];
	size_t lens[PACK_LEVELS];
	size_t n;
	char names[PACK_XATTR_BYTES];
	struct err *e;
};

static int add(struct scan *s, const char *entry, const char *name)
{
	struct pack *p = s->p;
	struct pack_trusted t = { .path = arena_strdup(&p->a, p->path),
				  .name = arena_strdup(&p->a, name) };
	char value[PACK_XATTR_BYTES];
	ssize_t n = lgetxattr(entry, name, value, sizeof(value));

	if (n < 0)
		return 0; /* gone meanwhile */
	t.len = (size_t)n;
	t.value = arena_strndup(&p->a, value, t.len);
	if (!t.path || !t.name || !t.value ||
	    mem_grow(&p->trusted, &p->trusted_cap, p->trusted_n + 1, sizeof(t)) < 0)
		return err_set(s->e, -ENOMEM, "the folder has too many trusted xattrs");
	p->trusted[p->trusted_n++] = t;
	return 0;
}

/* Marks of an overlay whose folders and files are not what they look like without the ones below. */
static bool is_reference(const char *name)
{
	const char *rest = str_skip(name, "trusted.overlay.");

	rest = rest ? rest : str_skip(name, "user.overlay.");
	return rest && (streq(rest, "redirect") || streq(rest, "metacopy"));
}

static int look(struct scan *s, const char *entry)
{
	ssize_t n = llistxattr(entry, s->names, sizeof(s->names));
	int r = 0;

	if (n < 0 && errno == ERANGE)
		return err_set(s->e, -E2BIG, "'%.200s': its xattrs' names are too many",
			       s->p->path);
	for (const char *x = s->names; n > 0 && x < s->names + n && r == 0; x += strlen(x) + 1) {
		if (s->p->setup->kind == PACK_OVERLAY && is_reference(x))
			return err_set(s->e, -EXDEV,
				       "'%.200s' refers to a layer below by another name",
				       s->p->path);
		if (str_skip(x, "trusted.") || streq(x, "user." OVERLAY_OPAQUE))
			r = add(s, entry, x);
	}
	return r;
}

static int enter(struct scan *s, int fd, size_t len)
{
	DIR *d;

	if (s->n == PACK_LEVELS) {
		close(fd);
		return err_set(s->e, -E2BIG, "folders nest deeper than %d", PACK_LEVELS);
	}
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return err_sys(s->e, -errno, "'%.200s'", s->p->path);
	}
	s->dirs[s->n] = d;
	s->lens[s->n++] = len;
	return 0;
}

static int open_folder(struct scan *s, int at, const char *name, size_t len)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		return enter(s, fd, len);
	/* It went, or became something else. */
	if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
		return 0;
	return err_sys(s->e, -errno, "'%.200s'", s->p->path);
}

static bool is_folder(int at, const struct dirent *de)
{
	struct stat st;

	if (de->d_type != DT_UNKNOWN)
		return de->d_type == DT_DIR;
	return fstatat(at, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int visit(struct scan *s, const struct dirent *de)
{
	size_t len = s->lens[s->n - 1], n = strlen(de->d_name);
	int at = dirfd(s->dirs[s->n - 1]), r;

	if (len + n + 2 > NAME_PATH_MAX)
		return err_set(s->e, -ENAMETOOLONG, "the path '%.60s…' is too long", s->p->path);
	if (len > 0)
		s->p->path[len++] = '/';
	memcpy(s->p->path + len, de->d_name, n + 1);
	pack_beat(s->p);
	r = fchdir(at) < 0 ? err_sys(s->e, -errno, "enter a folder") : look(s, de->d_name);
	return r == 0 && is_folder(at, de) ? open_folder(s, at, de->d_name, len + n) : r;
}

static int run(struct scan *s, int root)
{
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? err_sys(s->e, -errno, "open the folder") : enter(s, fd, 0);

	while (r == 0 && s->n > 0) {
		struct dirent *de;

		s->p->path[s->lens[s->n - 1]] = '\0';
		errno = 0;
		de = readdir(s->dirs[s->n - 1]);
		if (!de && errno)
			r = err_sys(s->e, -errno, "read '%.200s'", s->p->path);
		else if (!de)
			closedir(s->dirs[--s->n]);
		else if (!streq(de->d_name, ".") && !streq(de->d_name, ".."))
			r = visit(s, de);
	}
	while (s->n > 0)
		closedir(s->dirs[--s->n]);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct pack_trusted *x = a, *y = b;
	int r = strcmp(x->path, y->path);

	return r ? r : strcmp(x->name, y->name);
}

int pack_scan(struct pack *p, int root, struct err *e)
{
	struct scan *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->p = p;
	s->e = e;
	r = run(s, root);
	free(s);
	p->path[0] = '\0';
	if (r == 0 && p->trusted_n > 0)
		qsort(p->trusted, p->trusted_n, sizeof(*p->trusted), compare);
	return r;
}

const struct pack_trusted *pack_trusted_of(const struct pack *p, const char *path, size_t *ret_n)
{
	size_t low = 0, high = p->trusted_n, n = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(p->trusted[mid].path, path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	while (low + n < p->trusted_n && streq(p->trusted[low + n].path, path))
		n++;
	*ret_n = n;
	return p->trusted + low;
}

bool pack_is_opaque(const struct pack *p, const char *path)
{
	size_t n;
	const struct pack_trusted *t = pack_trusted_of(p, path, &n);

	for (size_t i = 0; i < n; i++)
		if (str_ends(t[i].name, "." OVERLAY_OPAQUE) && t[i].len == 1 &&
		    *(const char *)t[i].value == 'y')
			return true;
	return false;
}
