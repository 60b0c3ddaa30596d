#include "cli/volume.h"

#include <stdlib.h>

static const char *const propagations[] = { "rprivate", "private", "rshared",
					    "shared",	"rslave",  "slave" };

static int apply_option(const char *o, struct engine_bind *b)
{
	if (streq(o, "ro")) {
		b->is_readonly = true;
		return 0;
	}
	/* Labels for SELinux and Docker Desktop's consistency hints mean nothing where there is neither. */
	if (streq(o, "rw") || streq(o, "z") || streq(o, "Z") || streq(o, "cached") ||
	    streq(o, "delegated") || streq(o, "consistent"))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(propagations); i++) {
		if (streq(o, propagations[i])) {
			b->propagation = propagations[i];
			return 0;
		}
	}
	return -EINVAL;
}

static int parse(const char *spec, struct arena *a, struct engine_bind *ret, struct err *e)
{
	char *copy = arena_strdup(a, spec), *target, *options, *o;

	*ret = (struct engine_bind){ 0 };
	if (!copy)
		return err_sys(e, -ENOMEM, "volume");
	target = strchr(copy, ':');
	if (!target)
		return err_set_code(
			e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
			"anonymous volume '%s' is not supported yet: use -v SOURCE:TARGET", spec);
	*target++ = '\0';
	options = strchr(target, ':');
	if (options)
		*options++ = '\0';
	if (!*copy || !*target)
		return err_set(e, -EINVAL, "invalid volume specification: '%s'", spec);
	/* docker takes relative sources that begin with a dot, from the caller's folder. */
	if (copy[0] == '.') {
		AUTO_FREE char *abs = realpath(copy, NULL);

		if (!abs)
			return err_sys(e, -errno, "volume source '%s'", copy);
		copy = arena_strdup(a, abs);
		if (!copy)
			return err_sys(e, -ENOMEM, "volume");
	}
	ret->source = copy;
	ret->target = target;
	while (options && (o = strsep(&options, ",")))
		if (apply_option(o, ret) < 0)
			return err_set(e, -EINVAL,
				       "invalid volume specification: '%s': invalid mode: %s", spec,
				       o);
	return 0;
}

int volume_parse_all(char *const *specs, struct arena *a, struct engine_bind **ret, size_t *ret_n,
		     struct err *e)
{
	size_t n = strv_len(specs);

	*ret_n = 0;
	*ret = arena_calloc(a, n + 1, sizeof(**ret));
	if (!*ret)
		return err_sys(e, -ENOMEM, "volumes");
	for (; *ret_n < n; (*ret_n)++) {
		int r = parse(specs[*ret_n], a, &(*ret)[*ret_n], e);

		if (r < 0)
			return r;
	}
	return 0;
}
