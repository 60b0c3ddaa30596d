#include "worker/names.h"

#include <string.h>

#include "base/err.h"

/* Appends the parts of `name` to the cleaned path in `buf` of length `len`. */
static int add_parts(const char *name, char buf[NAME_PATH_MAX], size_t len, struct err *e)
{
	for (const char *p = name; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			if (len == 0)
				return err_set(e, -EINVAL, "'%.200s' leaves the archive's root",
					       name);
			while (len > 0 && buf[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			if (n > NAME_PART_MAX || len + n + 2 > NAME_PATH_MAX)
				return err_set(e, -ENAMETOOLONG, "the name '%.60s…' is too long",
					       name);
			if (len > 0)
				buf[len++] = '/';
			memcpy(buf + len, p, n);
			len += n;
		}
		p += n;
		p += *p == '/';
	}
	buf[len] = '\0';
	return 0;
}

int name_clean(const char *name, char buf[NAME_PATH_MAX], struct err *e)
{
	return add_parts(name, buf, 0, e);
}

int name_resolve(const char *link, const char *target, char buf[NAME_PATH_MAX], struct err *e)
{
	size_t len = 0;

	if (*target != '/') {
		name_base(link, &len);
		memcpy(buf, link, len);
	}
	return add_parts(target, buf, len, e);
}

const char *name_base(const char *path, size_t *ret_parent_len)
{
	const char *slash = strrchr(path, '/');

	*ret_parent_len = slash ? (size_t)(slash - path) : 0;
	return slash ? slash + 1 : path;
}
