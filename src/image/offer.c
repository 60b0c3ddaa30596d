/* What a worker offers as an image: checked, and with everything that it needs made durable under its names. */
#include "image/priv.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

#define NAMES_MAX 256 /* of one image */

/* ---- platform ---- */

static const struct {
	const char *machine, *platform;
} machines[] = {
	{ "x86_64", "linux/amd64" },	{ "aarch64", "linux/arm64/v8" },
	{ "armv8l", "linux/arm/v8" },	{ "armv7l", "linux/arm/v7" },
	{ "armv6l", "linux/arm/v6" },	{ "i686", "linux/386" },
	{ "riscv64", "linux/riscv64" }, { "ppc64le", "linux/ppc64le" },
	{ "s390x", "linux/s390x" },
};

const char *image_host_platform(char buf[PLATFORM_TEXT_MAX])
{
	struct utsname u;

	uname(&u);
	for (size_t i = 0; i < ARRAY_LEN(machines); i++)
		if (streq(machines[i].machine, u.machine))
			return machines[i].platform;
	snprintf(buf, PLATFORM_TEXT_MAX, "linux/%s", u.machine);
	return buf;
}

/* ---- checks ---- */

static int check_blob(struct image_work *w, const char *digest, int64_t size, int64_t max,
		      struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct content_info info;
	int r = store_content_info(w->s, w->ns, digest, &a, &info, e);

	if (r < 0)
		return r;
	if (size >= 0 && info.size != size)
		return err_set(e, -EBADMSG, "blob %s has %lld bytes, not %lld", digest,
			       (long long)info.size, (long long)size);
	if (info.size > max)
		return err_set(e, -E2BIG, "blob %s has %lld bytes, the limit is %lld", digest,
			       (long long)info.size, (long long)max);
	return 0;
}

static int check_names(const struct json_strs *names, struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	struct ref ref;

	if (names->n > NAMES_MAX)
		return err_set(e, -E2BIG, "the image has %zu names, the limit is %d", names->n,
			       NAMES_MAX);
	for (size_t i = 0; i < names->n; i++) {
		int r = ref_parse(names->v[i], &ref, e);

		if (r < 0)
			return r;
		if (!streq(ref_full(&ref, full), names->v[i]))
			return err_set(e, -EPROTO, "the worker sent a name that is not whole");
	}
	return 0;
}

int image_offer_check(struct image_work *w, const struct image_offer *offer, struct err *e)
{
	static const int64_t text_max = (int64_t)LIMIT_MANIFEST_BYTES;
	const struct image_record *rec = offer->record;
	int r = image_record_check(rec, e);

	if (r == 0)
		r = check_names(&offer->names, e);
	if (r == 0 && strlen(offer->media_type) > LIMIT_NAME)
		r = err_set(e, -EPROTO, "the worker sent a wrong media type");
	if (r == 0)
		r = check_blob(w, rec->manifest_digest, offer->manifest_size, text_max, e);
	if (r == 0)
		r = check_blob(w, rec->config_digest, -1, text_max, e);
	for (size_t i = 0; i < rec->layers.n && r == 0; i++)
		r = check_blob(w, rec->layers.v[i].digest, rec->layers.v[i].size, INT64_MAX, e);
	return r;
}

/* ---- the result ---- */

static int put_image(struct image_work *w, const struct image_offer *offer, struct err *e)
{
	struct json_pair chosen = { LABEL_MANIFEST, offer->record->manifest_digest };
	const struct image_target *t = offer->target;
	struct image_row row = { .digest = t ? t->digest : offer->record->manifest_digest,
				 .media_type = t ? t->media_type : offer->media_type,
				 .size = t ? t->size : offer->manifest_size,
				 .labels = { &chosen, t ? 1 : 0 } };
	int r = image_record_put(w->s, offer->record, e);

	for (size_t i = 0; i < offer->names.n && r == 0; i++) {
		row.name = offer->names.v[i];
		r = image_name_put(w->s, w->ns, &row, e);
	}
	if (r == 0 && offer->names.n == 0)
		r = image_keep_nameless(w->s, w->ns, offer->record->manifest_digest, e);
	return r;
}

static int put_all(struct image_work *w, const struct image_offer *offers, size_t n, struct err *e)
{
	int r = store_begin(w->s, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++)
		r = put_image(w, &offers[i], e);
	if (r == 0)
		r = image_work_end(w, e);
	if (r == 0)
		return store_commit(w->s, e);
	store_rollback(w->s);
	return r;
}

/* Everything is on disk before the first row names it; one sync of the filesystem and one of the database. */
int image_offers_commit(struct image_work *w, const struct image_offer *offers, size_t n,
			struct err *e)
{
	struct store *s = w->s;
	int r = store_sync(s, e);

	if (r == 0)
		r = store_snapshots_mark_clean(s, e);
	if (r == 0)
		r = store_set_durable(s, true, e);
	if (r < 0)
		return r;
	r = put_all(w, offers, n, e);
	(void)store_set_durable(s, false, NULL);
	return r;
}
