/* Removing what belongs to nobody. */
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "net/rules/priv.h"

struct sweep {
	struct rules_record **v;
	size_t n;
	bool has_strangers;
};

static bool is_valid(const struct rules_record *rec, const struct cni_attachment *valid, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (streq_null(rec->container_id, valid[i].container_id) &&
		    (!valid[i].ifname || streq_null(rec->ifname, valid[i].ifname)))
			return true;
	return false;
}

/* Whether a comment is that of a record; it may have been cut. */
static bool is_explained(const struct sweep *w, const char *comment)
{
	char name[RULES_NAME_MAX];

	for (size_t i = 0; i < w->n; i++)
		if (w->v[i] && rules_record_name(w->v[i], name, NULL) == 0 &&
		    (strncmp(strchr(name, '@') + 1, comment, NFT_COMMENT_MAX) == 0 ||
		     strncmp(w->v[i]->network, comment, NFT_COMMENT_MAX) == 0))
			return true;
	return false;
}

static int see(void *data, const struct nft_elem *el)
{
	struct sweep *w = data;

	w->has_strangers |= !is_explained(w, el->comment);
	return 0;
}

/* Subnets without a comment came with a rebuild and go with the next one. */
static int look_for_strangers(struct rules_store *s, struct sweep *w, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < SETS_N && r == 0 && !w->has_strangers; i++)
		if (i != SET_OWN4 && i != SET_OWN6)
			r = nft_elems_dump(s->nft, &s->table, rules_sets[i].name, see, w, e);
	if (r == -ENOENT) {
		w->has_strangers = true;
		return 0;
	}
	return r;
}

static int remove_record(struct rules_store *s, const struct rules_record *rec, struct err *e)
{
	char name[RULES_NAME_MAX];
	int r = rules_record_name(rec, name, e);

	if (r == 0 && unlinkat(s->dir, name, 0) < 0 && errno != ENOENT)
		r = err_sys(e, -errno, "remove the record '%s'", name);
	return r;
}

/* Without any record the host is to be as it was. */
static int drop_table(struct rules_store *s, struct err *e)
{
	AUTO_NFT_BATCH struct nft_batch b = { 0 };

	nft_batch_begin(&b, &s->table, 0);
	nft_table_add(&b, NULL);
	nft_table_del(&b);
	return nft_batch_commit(s->nft, &b, e);
}

int rules_gc(const struct rules *r, unsigned int kinds, const char *network,
	     const struct cni_attachment *valid, size_t valid_n, struct err *e)
{
	AUTO_RULES_STORE s = RULES_STORE_NONE;
	AUTO_ARENA struct arena a = { 0 };
	struct sweep w = { 0 };
	size_t removed = 0;
	int result = rules_store_open(r, &s, e);

	result = result < 0 ? result : rules_settle(&s, e);
	result = result < 0 ? result : rules_records_read(&s, &a, &w.v, &w.n, e);
	for (size_t i = 0; i < w.n && result == 0; i++) {
		if (!(rules_record_kind(w.v[i]) & kinds) ||
		    (network && !streq(network, w.v[i]->network)) ||
		    is_valid(w.v[i], valid, valid_n))
			continue;
		result = remove_record(&s, w.v[i], e);
		w.v[i] = NULL;
		removed++;
	}
	if (result == 0 && removed == w.n)
		return drop_table(&s, e);
	if (result == 0 && !removed)
		result = look_for_strangers(&s, &w, e);
	if (result == 0 && (removed || w.has_strangers))
		result = rules_rebuild(&s, NULL, NULL, e);
	return result;
}
