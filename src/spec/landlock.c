#include "spec/landlock.h"

#include <errno.h>

#include "base/err.h"

#define ROW JSON_ROW
#define SUB JSON_ROW_SUB

static const struct json_field ruleset_rows[] = {
	ROW(oci_landlock_ruleset, handled_access_fs, "handledAccessFS", JSON_STRS, 0),
	ROW(oci_landlock_ruleset, handled_access_net, "handledAccessNet", JSON_STRS, 0),
	ROW(oci_landlock_ruleset, scoped, "scoped", JSON_STRS, 0),
};
static JSON_TABLE(ruleset_table, "ruleset", oci_landlock_ruleset, ruleset_rows);

static const struct json_field paths_rows[] = {
	ROW(oci_landlock_paths, allowed_access, "allowedAccess", JSON_STRS, JSON_REQUIRED),
	ROW(oci_landlock_paths, paths, "paths", JSON_STRS, JSON_REQUIRED),
};
static JSON_TABLE(paths_table, "pathBeneath", oci_landlock_paths, paths_rows);

static const struct json_field ports_rows[] = {
	ROW(oci_landlock_ports, allowed_access, "allowedAccess", JSON_STRS, JSON_REQUIRED),
	ROW(oci_landlock_ports, ports, "ports", JSON_U32S, JSON_REQUIRED),
};
static JSON_TABLE(ports_table, "netPort", oci_landlock_ports, ports_rows);

static const struct json_field rules_rows[] = {
	SUB(oci_landlock_rules, path_beneath, "pathBeneath", JSON_OBJS, 0, paths_table),
	SUB(oci_landlock_rules, net_port, "netPort", JSON_OBJS, 0, ports_table),
};
static JSON_TABLE(rules_table, "rules", oci_landlock_rules, rules_rows);

static const struct json_field landlock_rows[] = {
	SUB(oci_landlock, ruleset, "ruleset", JSON_OBJ, JSON_REQUIRED, ruleset_table),
	SUB(oci_landlock, rules, "rules", JSON_OBJ, 0, rules_table),
	ROW(oci_landlock, flags, "flags", JSON_STRS, 0),
	JSON_ROW_HAS(oci_landlock, disable_best_effort, "disableBestEffort", JSON_BOOL, 0),
};
static JSON_TABLE(landlock_table, "landlock", oci_landlock, landlock_rows);

static int check_keys(const char *text, size_t len, struct arena *a, struct err *e)
{
	struct json_reader rd;

	json_reader_init(&rd, text, len, NULL, a, e);
	return json_next(&rd) == JSON_T_OBJECT ? json_check_keys(&rd, &landlock_table)
					       : json_fail(&rd, -EBADMSG, "no object");
}

int oci_landlock_read(const char *text, size_t len, struct arena *a, struct oci_landlock **ret,
		      struct err *e)
{
	struct oci_landlock *l = arena_alloc(a, sizeof(*l));
	int r;

	if (!l)
		return err_set(e, -ENOMEM, "landlock: no memory");
	r = check_keys(text, len, a, e);
	if (r == 0)
		r = json_read(&landlock_table, text, len, NULL, a, l, e);
	if (r == 0)
		*ret = l;
	return r;
}
