/* What a load or an unpack holds while it is under way, and how what a killed one held is mended. */
#include "image/priv.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rand.h"
#include "base/str.h"

#define VERB "load"
#define KEY_PREFIX "unpack-"
/* A load that takes longer than a day is stuck; its live intent keeps what is new even then. */
#define LEASE_NS (24 * 3600 * NSEC_PER_SEC)

const char *image_work_key(const struct image_work *w, size_t i, char buf[WORK_KEY_MAX])
{
	snprintf(buf, WORK_KEY_MAX, KEY_PREFIX "%s-%zu", w->id, i);
	return buf;
}

static void remove_snapshots(struct store *s, const char *ns, const char *id)
{
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_info *v;
	char prefix[WORK_KEY_MAX];
	size_t n;

	snprintf(prefix, sizeof(prefix), KEY_PREFIX "%s-", id);
	if (store_snapshot_list(s, ns, &a, &v, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (str_skip(v[i].key, prefix))
			(void)store_snapshot_remove(s, ns, v[i].key, NULL);
}

/* Whatever cannot be removed now is garbage that a later collection finds. */
static void remove_leftovers(struct store *s, const char *ns, const char *id)
{
	struct ingest *ingest = NULL;

	if (store_ingest_open(s, id, false, &ingest, NULL) == 0)
		store_ingest_abort(ingest);
	remove_snapshots(s, ns, id);
	(void)store_lease_delete(s, ns, id, NULL);
}

static int mend_dead(struct store *s, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct intent_row *v;
	bool is_dirty = false;
	size_t n = 0;
	int r = store_intent_list_dead(s, NULL, NULL, &a, &v, &n, e);

	for (size_t i = 0; i < n && r == 0; i++) {
		if (!streq(v[i].verb, VERB))
			continue;
		remove_leftovers(s, v[i].ns, v[i].object);
		r = store_intent_end(s, v[i].id, e);
		is_dirty = true;
	}
	if (r == 0 && is_dirty) {
		struct gc_stats stats;

		r = store_gc(s, &stats, e);
		(void)store_empty_trash(s, NULL);
	}
	return MIN(r, 0);
}

int image_work_begin(struct image_work *w, struct err *e)
{
	char hex[17];
	int r = mend_dead(w->s, e);

	rand_hex(hex, 16);
	snprintf(w->id, sizeof(w->id), "load-%s", hex);
	if (r == 0)
		r = store_intent_begin(w->s, w->ns, w->id, VERB, "", &w->intent, e);
	if (r < 0)
		return r;
	r = store_lease_create(w->s, w->ns, w->id, clock_wall_ns() + LEASE_NS, e);
	if (r < 0)
		(void)store_intent_end(w->s, w->intent, NULL);
	return r;
}

int image_work_end(struct image_work *w, struct err *e)
{
	int r = store_lease_delete(w->s, w->ns, w->id, e);

	return r < 0 ? r : store_intent_end(w->s, w->intent, e);
}

void image_work_abandon(struct image_work *w)
{
	struct gc_stats stats;

	remove_leftovers(w->s, w->ns, w->id);
	(void)store_intent_end(w->s, w->intent, NULL);
	(void)store_gc(w->s, &stats, NULL);
	(void)store_empty_trash(w->s, NULL);
}
