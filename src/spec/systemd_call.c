#include "spec/systemd_call.h"

#include <string.h>

#include "base/str.h"

#define BASIC "bynqiuxtds"
#define UNIT_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@+"

static const struct json_field property_rows[] = {
	JSON_ROW(systemd_property, name, "name", JSON_STR, JSON_REQUIRED),
	JSON_ROW(systemd_property, signature, "signature", JSON_STR, JSON_REQUIRED),
	JSON_ROW(systemd_property, values, "values", JSON_STRS, JSON_ALWAYS),
	JSON_ROW(systemd_property, since, "since", JSON_U32, 0),
};
static JSON_TABLE(property_table, "property", systemd_property, property_rows);

static const struct json_field call_rows[] = {
	JSON_ROW(systemd_call, verb, "verb", JSON_STR, JSON_REQUIRED),
	JSON_ROW(systemd_call, unit, "unit", JSON_STR, JSON_REQUIRED),
	JSON_ROW(systemd_call, sub, "sub", JSON_STR, 0),
	JSON_ROW(systemd_call, is_user, "user", JSON_BOOL, 0),
	JSON_ROW(systemd_call, pid, "pid", JSON_I64, 0),
	JSON_ROW_SUB(systemd_call, properties, "properties", JSON_OBJS, 0, property_table),
};
JSON_TABLE(systemd_call_table, "systemd call", systemd_call, call_rows);

size_t systemd_signature(const char *signature, const char **ret_elements)
{
	const char *p = signature;
	bool is_struct = false;
	size_t n;

	if (*p == 'a') {
		p++;
		is_struct = *p == '(';
		p += is_struct;
	}
	n = strspn(p, BASIC);
	*ret_elements = p;
	if (is_struct)
		return n > 0 && streq(p + n, ")") ? n : 0;
	return n == 1 && !p[1] ? 1 : 0;
}

static int check_property(const struct systemd_property *p, struct err *e)
{
	const char *types;
	size_t n = systemd_signature(p->signature, &types);
	bool fits = n > 0 && (*p->signature == 'a' ? p->values.n % n == 0 : p->values.n == n);

	return fits ? 0
		    : err_set(e, -EINVAL, "property %s: %zu values do not fit the type '%s'",
			      p->name, p->values.n, p->signature);
}

int systemd_call_check(const struct systemd_call *c, struct err *e)
{
	size_t n = strlen(c->unit);
	int r = 0;

	if (n > SYSTEMD_UNIT_MAX || strspn(c->unit, UNIT_LETTERS) != n || *c->unit == '.')
		return err_set(e, -EINVAL, "invalid unit name '%s'", c->unit);
	if (!str_ends(c->unit, ".scope"))
		return err_set(e, -EINVAL, "a container's unit is a scope, and '%s' is none",
			       c->unit);
	for (size_t i = 0; r == 0 && i < c->properties.n; i++)
		r = check_property(&c->properties.v[i], e);
	return r;
}
