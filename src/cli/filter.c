#include "cli/filter.h"

#include "base/err.h"
#include "base/str.h"
#include "codec/json.h"

const struct filter_key *filter_find(const struct filter_key *keys, size_t n, const char *spec,
				     const char **ret_value)
{
	for (size_t i = 0; i < n; i++) {
		const char *rest = str_skip(spec, keys[i].name);

		if (rest && *rest == '=') {
			*ret_value = rest + 1;
			return &keys[i];
		}
	}
	return NULL;
}

int filter_check(const struct filter_key *keys, size_t n, char *const *specs, struct err *e)
{
	const char *value;

	for (size_t i = 0; specs && specs[i]; i++)
		if (!filter_find(keys, n, specs[i], &value))
			return err_set(e, -EINVAL, "invalid filter '%s'", specs[i]);
	return 0;
}

static bool fits_key(const struct filter_key *key, char *const *specs, const void *context,
		     const void *object)
{
	bool is_asked = false, is_met = key->is_all;
	const char *value;

	for (size_t i = 0; specs[i]; i++) {
		bool fits;

		if (!filter_find(key, 1, specs[i], &value))
			continue;
		is_asked = true;
		fits = key->fits(context, object, value);
		is_met = key->is_all ? is_met && fits : is_met || fits;
	}
	return !is_asked || is_met;
}

bool filter_fits(const struct filter_key *keys, size_t n, char *const *specs, const void *context,
		 const void *object)
{
	for (size_t i = 0; specs && i < n; i++)
		if (!fits_key(&keys[i], specs, context, object))
			return false;
	return true;
}

bool filter_has_label(const struct json_map *labels, const char *value)
{
	size_t n = strcspn(value, "=");

	for (size_t i = 0; i < labels->n; i++) {
		const struct json_pair *l = &labels->v[i];

		if (strlen(l->key) == n && strncmp(l->key, value, n) == 0 &&
		    (!value[n] || streq(l->value, value + n + 1)))
			return true;
	}
	return false;
}

bool filter_is_true(const char *value)
{
	return streq(value, "true") || streq(value, "1");
}
