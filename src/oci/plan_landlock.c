#include "oci/plan_landlock.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/annotation.h"
#include "spec/landlock.h"
#include "sys/landlock.h"

/* The key that lists a set's names. */
static const char *const keys[] = {
	[LANDLOCK_FS] = "handledAccessFS",
	[LANDLOCK_NET] = "handledAccessNet",
	[LANDLOCK_SCOPE] = "scoped",
	[LANDLOCK_FLAGS] = "flags",
};

/* Names to bits, each of which the kernel must know. */
static int take(enum landlock_set set, const struct json_strs *names, int abi, uint64_t *ret,
		struct err *e)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < names->n; i++) {
		const struct landlock_row *row = landlock_find(set, names->v[i]);

		if (!row)
			return err_set(e, -EINVAL, "unknown name \"%s\" (%s)", names->v[i],
				       keys[set]);
		if (row->abi > abi)
			return err_set_code(
				e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				"'%s' needs Landlock ABI %u, this kernel has %d: leave it out or use a newer one",
				row->name, row->abi, abi);
		bits |= 1ull << row->bit;
	}
	*ret = bits;
	return 0;
}

/* What a rule allows: something, and nothing that is not denied by the ruleset. */
static int take_rule(enum landlock_set set, const struct json_strs *names, uint64_t handled,
		     int abi, uint64_t *ret, struct err *e)
{
	int r = take(set, names, abi, ret, e);

	if (r < 0)
		return r;
	if (!*ret)
		return err_set(e, -EINVAL, "a rule without allowedAccess");
	if (*ret & ~handled)
		return err_set(e, -EINVAL, "a rule allows what is not in %s", keys[set]);
	return 0;
}

static int take_paths(const struct oci_landlock_rules *rules, int abi, struct arena *a,
		      struct plan_landlock *l, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < rules->path_beneath.n; i++)
		n += rules->path_beneath.v[i].paths.n;
	l->paths = arena_calloc(a, n + 1, sizeof(*l->paths));
	if (!l->paths)
		return err_sys(e, -ENOMEM, "plan rules");
	for (size_t i = 0; i < rules->path_beneath.n; i++) {
		const struct oci_landlock_paths *rule = &rules->path_beneath.v[i];
		uint64_t access;
		int r = take_rule(LANDLOCK_FS, &rule->allowed_access, l->fs, abi, &access, e);

		if (r < 0)
			return r;
		for (size_t k = 0; k < rule->paths.n; k++) {
			if (rule->paths.v[k][0] != '/')
				return err_set(e, -EINVAL, "path '%s' is not absolute",
					       rule->paths.v[k]);
			l->paths[l->paths_n++] = (struct plan_landlock_path){ rule->paths.v[k],
									      access };
		}
	}
	return 0;
}

static int take_ports(const struct oci_landlock_rules *rules, int abi, struct arena *a,
		      struct plan_landlock *l, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < rules->net_port.n; i++)
		n += rules->net_port.v[i].ports.n;
	l->ports = arena_calloc(a, n + 1, sizeof(*l->ports));
	if (!l->ports)
		return err_sys(e, -ENOMEM, "plan rules");
	for (size_t i = 0; i < rules->net_port.n; i++) {
		const struct oci_landlock_ports *rule = &rules->net_port.v[i];
		uint64_t access;
		int r = take_rule(LANDLOCK_NET, &rule->allowed_access, l->net, abi, &access, e);

		if (r < 0)
			return r;
		for (size_t k = 0; k < rule->ports.n; k++) {
			if (rule->ports.v[k] > UINT16_MAX)
				return err_set(e, -EINVAL, "port %u is above 65535",
					       rule->ports.v[k]);
			l->ports[l->ports_n++] =
				(struct plan_landlock_port){ (uint16_t)rule->ports.v[k], access };
		}
	}
	return 0;
}

static int take_all(const struct oci_landlock *o, int abi, struct arena *a, struct plan_landlock *l,
		    struct err *e)
{
	uint64_t flags;
	int r = take(LANDLOCK_FS, &o->ruleset->handled_access_fs, abi, &l->fs, e);

	if (r == 0)
		r = take(LANDLOCK_NET, &o->ruleset->handled_access_net, abi, &l->net, e);
	if (r == 0)
		r = take(LANDLOCK_SCOPE, &o->ruleset->scoped, abi, &l->scope, e);
	if (r == 0)
		r = take(LANDLOCK_FLAGS, &o->flags, abi, &flags, e);
	if (r < 0)
		return r;
	l->flags = (uint32_t)flags;
	if (!l->fs && !l->net && !l->scope)
		return err_set(e, -EINVAL, "the ruleset handles nothing");
	if (o->has_disable_best_effort && !o->disable_best_effort)
		return err_set_code(
			e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
			"best effort is not offered: what the kernel lacks is an error");
	if (o->rules)
		r = take_paths(o->rules, abi, a, l, e);
	return r == 0 && o->rules ? take_ports(o->rules, abi, a, l, e) : r;
}

int plan_landlock_make(const char *text, int abi, struct arena *a, const struct plan_landlock **ret,
		       struct err *e)
{
	struct plan_landlock *l = arena_alloc(a, sizeof(*l));
	struct oci_landlock *o;
	int r;

	if (!l)
		return err_sys(e, -ENOMEM, "plan Landlock");
	if (!abi)
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    ANNOTATION_LANDLOCK
				    " is asked for, but the kernel has no Landlock");
	r = oci_landlock_read(text, strlen(text), a, &o, e);
	if (r == 0)
		r = take_all(o, abi, a, l, e);
	if (r < 0)
		return err_wrap(e, r, "annotation " ANNOTATION_LANDLOCK);
	*ret = l;
	return 0;
}
