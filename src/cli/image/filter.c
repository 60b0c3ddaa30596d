#include "cli/image/filter.h"

#include <fnmatch.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/filter.h"
#include "codec/ref.h"

/* ---- keys ---- */

static bool fits_dangling(const void *context, const void *object, const char *value)
{
	const struct image_listed *i = object;

	return filter_is_true(value) == (i->name == NULL);
}

static bool fits_label(const void *context, const void *object, const char *value)
{
	const struct image_filter *f = context;
	const struct image_listed *i = object;
	AUTO_ARENA struct arena a = { 0 };
	struct image_record *rec;
	const char *name;

	return image_find(f->store, f->ns, i->id, &a, &rec, &name, NULL) == 0 &&
	       filter_has_label(&rec->labels, value);
}

/* docker's: against the familiar name with and without its tag; "*" stays within a part of the path. */
static bool fits_reference(const void *context, const void *object, const char *value)
{
	const struct image_listed *i = object;
	AUTO_FREE char *tagged = NULL;
	char name[REF_TEXT_MAX];
	struct ref ref;

	if (!i->name || ref_parse(i->name, &ref, NULL) < 0)
		return false;
	ref_familiar_name(&ref, name);
	tagged = str_printf("%s:%s", name, ref.tag);
	return fnmatch(value, name, FNM_PATHNAME) == 0 ||
	       (tagged && fnmatch(value, tagged, FNM_PATHNAME) == 0);
}

static bool fits_before(const void *context, const void *object, const char *value)
{
	const struct image_filter *f = context;
	const struct image_listed *i = object;

	return i->created_ns < f->before_ns;
}

static bool fits_since(const void *context, const void *object, const char *value)
{
	const struct image_filter *f = context;
	const struct image_listed *i = object;

	return i->created_ns > f->since_ns;
}

static const struct filter_key keys[] = {
	{ "before", true, fits_before }, { "dangling", true, fits_dangling },
	{ "label", true, fits_label },	 { "reference", false, fits_reference },
	{ "since", true, fits_since },
};

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
		const struct filter_key *k = filter_find(keys, ARRAY_LEN(keys), f->specs[i],
							 &value);

		if (!k)
			r = err_set(e, -EINVAL, "invalid filter '%s'", f->specs[i]);
		else if (k->fits == fits_before)
			r = creation(f, value, &f->before_ns, e);
		else if (k->fits == fits_since)
			r = creation(f, value, &f->since_ns, e);
		else if (k->fits == fits_dangling && !filter_is_true(value) &&
			 !streq(value, "false") && !streq(value, "0"))
			r = err_set(e, -EINVAL, "invalid filter 'dangling=[%s]'", value);
	}
	return r;
}

bool image_filter_fits(const struct image_filter *f, const struct image_listed *image)
{
	return filter_fits(keys, ARRAY_LEN(keys), f->specs, f, image);
}
