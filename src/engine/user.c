#include "engine/user.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "sys/root.h"

/* docker's bound on a user's additional groups is the kernel's. */
#define GROUPS_MAX 65536

/* The file's text from the topmost root that has it; NULL with 0 when none has. */
static int read_file(const char *path, const int *roots, size_t n, char **ret, struct err *e)
{
	*ret = NULL;
	for (size_t i = 0; i < n; i++) {
		AUTO_FD fd = root_open(roots[i], path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
		struct stat st;
		int r;

		if (fd == -ENOENT || fd == -ENOTDIR)
			continue;
		/* A whiteout or anything else that is no file: as if there were none. */
		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			return 0;
		r = fd_read_all(fd, LIMIT_PASSWD_BYTES, ret, NULL);
		return r < 0 ? err_sys(e, r, "read '%s' of the image", path) : 0;
	}
	return 0;
}

/* Cuts the next line off; NULL at the end. */
static char *next_line(char **text)
{
	char *line = *text, *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	*text = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	return line;
}

/* Splits "a:b:c" in place; missing fields are "". */
static void split_fields(char *line, char **fields, size_t n)
{
	static char none[] = "";

	for (size_t i = 0; i < n; i++) {
		char *colon = line ? strchr(line, ':') : NULL;

		fields[i] = line ? line : none;
		if (colon)
			*colon = '\0';
		line = colon ? colon + 1 : NULL;
	}
}

struct found_user {
	const char *name; /* in the arena, or NULL when there is no entry */
	uint32_t uid, gid;
};

/* By name, or by number where `uid` is given. */
static int find_user(char *passwd, const char *name, const uint32_t *uid, struct arena *a,
		     struct found_user *ret)
{
	char *line;

	while ((line = next_line(&passwd))) {
		char *f[4];
		uint32_t u, g;

		split_fields(line, f, 4);
		if (str_to_u32(f[2], &u) < 0 || str_to_u32(f[3], &g) < 0)
			continue;
		if (uid ? u != *uid : !streq(f[0], name))
			continue;
		*ret = (struct found_user){ arena_strdup(a, f[0]), u, g };
		return ret->name ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

static bool lists(char *members, const char *name)
{
	size_t len = strlen(name);

	for (char *p = members; *p;) {
		size_t n = strcspn(p, ",");

		if (n == len && memcmp(p, name, n) == 0)
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

struct group_search {
	const char *member; /* whose groups are collected, or NULL */
	const char *wanted; /* a group's name to resolve, or NULL */
	bool is_wanted_found;
	uint32_t wanted_gid;
	uint32_t *gids;
	size_t n, cap;
};

static int search_groups(char *group, struct group_search *s)
{
	char *line;

	while ((line = next_line(&group))) {
		char *f[4];
		uint32_t gid;
		int r;

		split_fields(line, f, 4);
		if (str_to_u32(f[2], &gid) < 0)
			continue;
		if (s->wanted && !s->is_wanted_found && streq(f[0], s->wanted)) {
			s->is_wanted_found = true;
			s->wanted_gid = gid;
		}
		if (!s->member || !lists(f[3], s->member) || s->n >= GROUPS_MAX)
			continue;
		r = mem_grow(&s->gids, &s->cap, s->n + 1, sizeof(*s->gids));
		if (r < 0)
			return r;
		s->gids[s->n++] = gid;
	}
	return 0;
}

static int resolve_user_part(const char *name, const int *roots, size_t n, struct arena *a,
			     struct found_user *ret, struct err *e)
{
	AUTO_FREE char *passwd = NULL;
	uint32_t uid;
	bool is_number = str_to_u32(name, &uid) == 0;
	int r = read_file("/etc/passwd", roots, n, &passwd, e);

	if (r < 0)
		return r;
	r = find_user(passwd, name, is_number ? &uid : NULL, a, ret);
	if (r != -ENOENT)
		return r < 0 ? err_sys(e, r, "user '%s'", name) : 0;
	if (!is_number)
		return err_set_code(e, -EINVAL, ERR_INVALID_ARGUMENT,
				    "unable to find user %s: no matching entries in passwd file",
				    name);
	*ret = (struct found_user){ .uid = uid };
	return 0;
}

static int resolve_group_part(const char *name, const struct found_user *u, const int *roots,
			      size_t n, struct arena *a, struct oci_user *ret, struct err *e)
{
	AUTO_FREE char *group = NULL;
	struct group_search s = { 0 };
	uint32_t gid;
	bool is_number = name && str_to_u32(name, &gid) == 0;
	int r = read_file("/etc/group", roots, n, &group, e);

	if (r < 0)
		return r;
	/* As docker: an explicit group replaces the user's additional ones. */
	s.member = name ? NULL : u->name;
	s.wanted = is_number ? NULL : name;
	r = search_groups(group, &s);
	if (r == 0 && s.wanted && !s.is_wanted_found)
		r = err_set_code(e, -EINVAL, ERR_INVALID_ARGUMENT,
				 "unable to find group %s: no matching entries in group file",
				 name);
	if (r == 0) {
		ret->gid = !name ? u->gid : is_number ? gid : s.wanted_gid;
		ret->additional_gids.v = arena_calloc(a, s.n + 1, sizeof(uint32_t));
		ret->additional_gids.n = s.n;
		if (!ret->additional_gids.v)
			r = err_sys(e, -ENOMEM, "groups");
		else if (s.n)
			memcpy(ret->additional_gids.v, s.gids, s.n * sizeof(uint32_t));
	}
	free(s.gids);
	return r;
}

int user_resolve(const char *spec, const int *roots, size_t n, struct arena *a,
		 struct oci_user **ret, struct err *e)
{
	AUTO_FREE char *user = strdup(spec && *spec ? spec : "0");
	struct oci_user *u = arena_alloc(a, sizeof(*u));
	struct found_user found = { 0 };
	char *group;
	int r;

	if (!user || !u)
		return err_sys(e, -ENOMEM, "user");
	group = strchr(user, ':');
	if (group)
		*group++ = '\0';
	r = resolve_user_part(*user ? user : "0", roots, n, a, &found, e);
	if (r < 0)
		return r;
	u->uid = found.uid;
	r = resolve_group_part(group && *group ? group : NULL, &found, roots, n, a, u, e);
	if (r == 0)
		*ret = u;
	return r;
}
