/* Changes of records and table together: the table first, under a record that says so, then the record's name. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "net/rules/priv.h"

/* Tries against others that change rules all the time; then without regard to them: the next call looks again. */
#define TRIES 10

struct fill {
	struct nft_batch *b;
	bool is_del, is_rebuild;
	/* A rebuild's subnets: those inside of another are left out, as a set's intervals must not overlap. */
	struct ip_net *own;
	size_t own_n, own_cap;
};

static bool is_inside(const struct ip_net *inner, const struct ip_net *outer)
{
	return inner->prefix >= outer->prefix && ip_net_contains(outer, &inner->addr);
}

static int collect_own(struct fill *f, const struct ip_net *net)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->own_n; i++)
		if (is_inside(net, &f->own[i]))
			return 0;
	for (size_t i = 0; i < f->own_n; i++)
		if (!is_inside(&f->own[i], net))
			f->own[kept++] = f->own[i];
	f->own_n = kept;
	if (mem_grow(&f->own, &f->own_cap, f->own_n + 1, sizeof(*f->own)) < 0)
		return -ENOMEM;
	f->own[f->own_n++] = *net;
	return 0;
}

static int put_element(void *data, enum rules_set set, const struct nft_elem *el, bool is_shared)
{
	struct fill *f = data;
	enum nft_elem_op op = f->is_del			   ? NFT_ELEM_DEL
			      : f->is_rebuild || is_shared ? NFT_ELEM_ADD
							   : NFT_ELEM_ADD_NEW;
	struct ip_net net;

	if (f->is_rebuild && (set == SET_OWN4 || set == SET_OWN6)) {
		net = rules_own_net(set, el);
		return collect_own(f, &net);
	}
	if (!f->is_del || !is_shared)
		nft_elem_put(f->b, rules_sets[set].name, op, el);
	return 0;
}

static void put_own(struct fill *f)
{
	for (size_t i = 0; i < f->own_n; i++) {
		struct ip_addr last = ip_net_last(&f->own[i]);
		size_t len = ip_addr_len(&last);
		struct nft_elem el = { 0 };

		for (size_t j = 0; j < 2; j++) {
			nft_key_end_put(&el, el.key_len, last.bytes, len);
			nft_key_put(&el, f->own[i].addr.bytes, len);
		}
		nft_elem_put(f->b, rules_sets[ip_is_v4(&last) ? SET_OWN4 : SET_OWN6].name,
			     NFT_ELEM_ADD, &el);
	}
}

static int fill_all(struct rules_store *s, struct fill *f, const struct rules_record *added,
		    const char *skip, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct rules_record **v;
	char name[RULES_NAME_MAX];
	size_t n;
	int r = rules_records_read(s, &a, &v, &n, e);

	for (size_t i = 0; i < n && r == 0; i++) {
		r = rules_record_name(v[i], name, e);
		if (r == 0 && !(skip && streq(name, skip)))
			r = rules_elements(v[i], put_element, f, e);
	}
	if (r == 0 && added)
		r = rules_elements(added, put_element, f, e);
	if (r == 0)
		put_own(f);
	return r;
}

int rules_rebuild(struct rules_store *s, const struct rules_record *added, const char *skip,
		  struct err *e)
{
	AUTO_NFT_BATCH struct nft_batch b = { 0 };
	struct fill f = { .b = &b, .is_rebuild = true };
	int r;

	nft_batch_begin(&b, &s->table, 0);
	rules_table_build(&b);
	r = fill_all(s, &f, added, skip, e);
	free(f.own);
	return r < 0 ? r : nft_batch_commit(s->nft, &b, e);
}

/* One try: `old` out, `new` in. 1: done. 0: the table is not whole. */
static int exchange(struct rules_store *s, const struct rules_record *new,
		    const struct rules_record *old, bool is_last, struct err *e)
{
	AUTO_NFT_BATCH struct nft_batch b = { 0 };
	struct fill f = { .b = &b };
	uint32_t genid;
	int r = rules_table_is_whole(s->nft, &s->table, &genid, e);

	if (r <= 0)
		return r;
	nft_batch_begin(&b, &s->table, is_last ? 0 : genid);
	f.is_del = true;
	r = old ? rules_elements(old, put_element, &f, e) : 0;
	f.is_del = false;
	if (r == 0 && new)
		r = rules_elements(new, put_element, &f, e);
	r = r < 0 ? r : nft_batch_commit(s->nft, &b, e);
	return r < 0 ? r : 1;
}

/* -ENOENT, -EEXIST…: table and records do not fit. */
static int apply(struct rules_store *s, const struct rules_record *new,
		 const struct rules_record *old, const char *name, struct err *e)
{
	int r = -ERESTART;

	for (int i = 0; i < TRIES && r == -ERESTART; i++)
		r = exchange(s, new, old, i == TRIES - 1, e);
	return r == 0 ? rules_rebuild(s, new, name, e) : MIN(r, 0);
}

/* ---- conflicts ---- */

struct wanted {
	enum rules_set set;
	struct nft_elem el;
};
struct conflict {
	struct wanted *v; /* of the new record */
	size_t n, cap;
	const struct wanted *found;
};

static int collect_wanted(void *data, enum rules_set set, const struct nft_elem *el, bool is_shared)
{
	struct conflict *c = data;

	if (is_shared)
		return 0;
	if (mem_grow(&c->v, &c->cap, c->n + 1, sizeof(*c->v)) < 0)
		return -ENOMEM;
	c->v[c->n++] = (struct wanted){ set, *el };
	return 0;
}

static int find_wanted(void *data, enum rules_set set, const struct nft_elem *el, bool is_shared)
{
	struct conflict *c = data;

	for (size_t i = 0; i < c->n && !is_shared; i++)
		if (c->v[i].set == set && c->v[i].el.key_len == el->key_len &&
		    memcmp(c->v[i].el.key, el->key, el->key_len) == 0)
			c->found = &c->v[i];
	return 0;
}

/* The address has been given to the new one, so the other container is dead, whatever its record says. */
static bool is_dead(const struct rules_record *other, const struct rules_record *new)
{
	if (!streq(other->network, new->network) || !other->container_id || !new->container_id ||
	    streq(other->container_id, new->container_id))
		return false;
	for (size_t i = 0; i < other->addresses.n; i++)
		for (size_t j = 0; j < new->addresses.n; j++)
			if (streq(other->addresses.v[i], new->addresses.v[j]))
				return true;
	return false;
}

static int tell_conflict(const struct conflict *c, const struct rules_record *other, struct err *e)
{
	char words[128];

	rules_element_text(c->found->set, &c->found->el, words, sizeof(words));
	/* As docker says it: without the protocol. */
	words[strcspn(words, "/")] = '\0';
	if (other->container_id)
		return err_set_code(e, -EADDRINUSE, ERR_ALREADY_EXISTS,
				    "Bind for %s failed: port is already allocated by container "
				    "'%s' on network '%s'",
				    words, other->container_id, other->network);
	return err_set_code(e, -EADDRINUSE, ERR_ALREADY_EXISTS, "%s is taken by network '%s'",
			    words, other->network);
}

static int settle_conflict(struct rules_store *s, struct conflict *c,
			   const struct rules_record *other, const struct rules_record *new,
			   struct err *e)
{
	char name[RULES_NAME_MAX];
	int r;

	c->found = NULL;
	r = rules_elements(other, find_wanted, c, e);
	if (r < 0 || !c->found)
		return r;
	if (!is_dead(other, new))
		return tell_conflict(c, other, e);
	r = rules_record_name(other, name, e);
	if (r == 0 && unlinkat(s->dir, name, 0) < 0 && errno != ENOENT)
		r = err_sys(e, -errno, "remove the record '%s'", name);
	return r;
}

/* Something of the new record is in the table: another's, a dead one's, or nobody's. */
static int resolve(struct rules_store *s, const struct rules_record *new, const char *name,
		   struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct conflict c = { 0 };
	struct rules_record **v;
	char other[RULES_NAME_MAX];
	size_t n;
	int r = rules_records_read(s, &a, &v, &n, e);

	r = r < 0 ? r : rules_elements(new, collect_wanted, &c, e);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = rules_record_name(v[i], other, e);
		if (r == 0 && !streq(other, name))
			r = settle_conflict(s, &c, v[i], new, e);
	}
	free(c.v);
	return r < 0 ? r : rules_rebuild(s, new, name, e);
}

/* ---- records ---- */

static int write_new(struct rules_store *s, const struct strbuf *text, struct err *e)
{
	AUTO_FD fd = openat(s->dir, RULES_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write_full(fd, text->p, text->len);

	return r < 0 ? err_sys(e, r, "write a record of rules") : 0;
}

int rules_settle(struct rules_store *s, struct err *e)
{
	struct stat st;
	int r;

	if (fstatat(s->dir, RULES_NEW, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, -errno, "look for an unfinished record");
	r = rules_rebuild(s, NULL, NULL, e);
	if (r == 0 && unlinkat(s->dir, RULES_NEW, 0) < 0)
		r = err_sys(e, -errno, "remove an unfinished record");
	return r;
}

static int change(struct rules_store *s, const struct rules_record *new,
		  const struct rules_record *old, const char *name, struct err *e)
{
	int r;

	/* What networks share is counted nowhere: a change of one is a new table. */
	if (old && rules_record_kind(old) == RULES_NETWORK)
		return rules_rebuild(s, new, name, e);
	r = apply(s, new, old, name, e);
	if (new && (r == -EEXIST || r == -EBUSY || r == -ENOTEMPTY))
		return resolve(s, new, name, e);
	if (r == -ENOENT)
		return rules_rebuild(s, new, name, e);
	return r;
}

/* When the table is not whole, everything is. */
static int keep(struct rules_store *s, struct err *e)
{
	int r = rules_table_is_whole(s->nft, &s->table, NULL, e);

	return r == 0 ? rules_rebuild(s, NULL, NULL, e) : MIN(r, 0);
}

int rules_record_add(struct rules_store *s, const struct rules_record *rec, const char *name,
		     struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf text = { 0 };
	struct rules_record *old = NULL;
	const char *old_text = NULL;
	int r = rules_record_read(s, name, &a, &old, &old_text, e);

	if (r < 0 && r != -ENOENT)
		return r;
	rules_record_write(rec, &text);
	r = strbuf_ok(&text);
	if (r == 0 && old_text && streq(old_text, text.p))
		return keep(s, e);
	r = r < 0 ? r : write_new(s, &text, e);
	r = r < 0 ? r : change(s, rec, old, name, e);
	if (r == 0 && renameat(s->dir, RULES_NEW, s->dir, name) < 0)
		r = err_sys(e, -errno, "name the record '%s'", name);
	if (r < 0)
		unlinkat(s->dir, RULES_NEW, 0);
	return r;
}

int rules_record_del(struct rules_store *s, const char *name, struct arena *a,
		     struct rules_record **ret_old, struct err *e)
{
	int r = rules_record_read(s, name, a, ret_old, NULL, e);

	if (r == -ENOENT) {
		*ret_old = NULL;
		return 0;
	}
	r = r < 0 ? r : change(s, NULL, *ret_old, name, e);
	if (r == 0 && unlinkat(s->dir, name, 0) < 0 && errno != ENOENT)
		r = err_sys(e, -errno, "remove the record '%s'", name);
	return r;
}
