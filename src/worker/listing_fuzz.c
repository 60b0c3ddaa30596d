/* Listings that somebody had in hand between unpack and repack. */
#include <stdlib.h>

#include "base/err.h"
#include "worker/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is taken is in order, in the folder, and comes out as it went in. */
static void check(const struct pack_listing *l)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct pack_listing again = { 0 };

	strbuf_adds(&out, PACK_LISTING_HEAD);
	for (size_t i = 0; i < l->n; i++) {
		char clean[NAME_PATH_MAX];

		ASSERT(name_clean(l->v[i].path, clean, NULL) == 0 && streq(clean, l->v[i].path));
		ASSERT(i == 0 || pack_path_compare(l->v[i - 1].path, l->v[i].path) < 0);
		ASSERT(l->v[i].end > i && l->v[i].end <= l->n);
		ASSERT(pack_listing_find(l, l->v[i].path) == i);
		pack_listing_add(&out, &l->v[i]);
	}
	if (strbuf_ok(&out) < 0)
		return;
	ASSERT(pack_listing_read(out.p, out.len, &again, NULL) == 0 && again.n == l->n);
	for (size_t i = 0; i < l->n; i++)
		ASSERT(streq(l->v[i].path, again.v[i].path) && l->v[i].end == again.v[i].end &&
		       l->v[i].mode == again.v[i].mode);
	pack_listing_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = malloc(len + 1);
	struct pack_listing l = { 0 };

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	if (pack_listing_read(text, len, &l, NULL) == 0)
		check(&l);
	pack_listing_done(&l);
	return 0;
}
