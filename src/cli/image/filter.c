#include "cli/image/filter.h"

#include <fnmatch.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

/* ---- keys ---- */

static bool is_true(const char *value)
{
	return streq(value, "true") || streq(value, "1");
}

static bool fits_dangling(const struct image_filter *f, const struct image_listed *i,
			  const char *value)
{
	(void)f;
	return is_true(value) == (i->name == NULL);
}

static bool has_label(const struct image_record *rec, const char *value)
{
	size_t n = strcspn(value, "=");

	for (size_t i = 0; i < rec->labels.n; i++) {
		const struct json_pair *l = &rec->labels.v[i];

		if (strlen(l->key) == n && strncmp(l->key, value, n) == 0 &&
		    (!value[n] || streq(l->value, value + n + 1)))
			return true;
	}
	return false;
}

static bool fits_label(const struct image_filter *f, const struct image_listed *i,
		       const char *value)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_record *rec;
	const char *name;

	return image_find(f->store, f->ns, i->id, &a, &rec, &name, NULL) == 0 &&
	       has_label(rec, value);
}

/* docker's: against the familiar name with and without its tag; "*" stays within a part of the path. */
static bool fits_reference(const struct image_filter *f, const struct image_listed *i,
			   const char *value)
{
	AUTO_FREE char *tagged = NULL;
	char name[REF_TEXT_MAX];
	struct ref ref;

	(void)f;
	if (!i->name || ref_parse(i->name, &ref, NULL) < 0)
		return false;
	ref_familiar_name(&ref, name);
	tagged = str_printf("%s:%s", name, ref.tag);
	return fnmatch(value, name, FNM_PATHNAME) == 0 ||
	       (tagged && fnmatch(value, tagged, FNM_PATHNAME) == 0);
}

static bool fits_before(const struct image_filter *f, const struct image_listed *i,
			const char *value)
{
	(void)value;
	return i->created_ns < f->before_ns;
}

static bool fits_since(const struct image_filter *f, const struct image_listed *i,
		       const char *value)
{
	(void)value;
	return i->created_ns > f->since_ns;
}

static const struct key {
	const char *name;
	bool is_all; /* every value must fit */
	bool (*fits)(const struct image_filter *f, const struct image_listed *i, const char *value);
} keys[] = {
	{ "before", true, fits_before }, { "dangling", true, fits_dangling },
	{ "label", true, fits_label },	 { "reference", false, fits_reference },
	{ "since", true, fits_since },
};

static const struct key *find_key(const char *spec, const char **ret_value)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *rest = str_skip(spec, keys[i].name);

		if (rest && *rest == '=') {
			*ret_value = rest + 1;
			return &keys[i];
		}
	}
	return NULL;
}

/* ---- all ---- */

static int creation(const struct image_filter *f, const char *image, int64_t *ret, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_record *rec;
	const char *name;
	int r = image_find(f->store, f->ns, image, &a, &rec, &name, e);

	*ret = 0;
	if (r == 0 && rec->created)
		(void)clock_parse_rfc3339(rec->created, ret);
	return r;
}

int image_filter_open(struct image_filter *f, struct err *e)
{
	int r = 0;

	for (size_t i = 0; f->specs && f->specs[i] && r == 0; i++) {
		const char *value = NULL;
		const struct key *k = find_key(f->specs[i], &value);

		if (!k)
			r = err_set(e, -EINVAL, "invalid filter '%s'", f->specs[i]);
		else if (k->fits == fits_before)
			r = creation(f, value, &f->before_ns, e);
		else if (k->fits == fits_since)
			r = creation(f, value, &f->since_ns, e);
		else if (k->fits == fits_dangling && !is_true(value) && !streq(value, "false") &&
			 !streq(value, "0"))
			r = err_set(e, -EINVAL, "invalid filter 'dangling=[%s]'", value);
	}
	return r;
}

bool image_filter_fits(const struct image_filter *f, const struct image_listed *image)
{
	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		bool is_asked = false, is_met = keys[k].is_all;

		for (size_t i = 0; f->specs && f->specs[i]; i++) {
			const char *value = NULL;
			bool fits;

			if (find_key(f->specs[i], &value) != &keys[k])
				continue;
			is_asked = true;
			fits = keys[k].fits(f, image, value);
			is_met = keys[k].is_all ? is_met && fits : is_met || fits;
		}
		if (is_asked && !is_met)
			return false;
	}
	return true;
}
