/* Inodes with several names: which name the archive has, and which names wait for it to get one. */
#include "worker/pack.h"

#include <errno.h>
#include <stdlib.h>

struct waiting {
	const char *path;
	struct waiting *next;
};

struct pack_inode {
	dev_t dev;
	ino_t ino;
	bool is_used;
	const char *first;	 /* in the archive; NULL: not yet */
	struct waiting *waiting; /* names that did not change */
};

static size_t slot_of(const struct pack_links *l, dev_t dev, ino_t ino)
{
	uint64_t h = ((uint64_t)ino + (uint64_t)dev * 31) * 0x9e3779b97f4a7c15ull;
	size_t i = (size_t)(h >> 20) & (l->cap - 1);

	while (l->v[i].is_used && (l->v[i].ino != ino || l->v[i].dev != dev))
		i = (i + 1) & (l->cap - 1);
	return i;
}

static int grow(struct pack_links *l)
{
	struct pack_links bigger = *l;

	if (l->n * 2 < l->cap)
		return 0;
	bigger.cap = l->cap ? l->cap * 2 : 1024;
	if (bigger.cap * sizeof(*l->v) > PACK_BUDGET)
		return -ENOMEM;
	bigger.v = calloc(bigger.cap, sizeof(*l->v));
	if (!bigger.v)
		return -ENOMEM;
	for (size_t i = 0; i < l->cap; i++)
		if (l->v[i].is_used)
			bigger.v[slot_of(&bigger, l->v[i].dev, l->v[i].ino)] = l->v[i];
	free(l->v);
	*l = bigger;
	return 0;
}

static struct pack_inode *find(struct pack_links *l, const struct stat *st, bool is_made)
{
	size_t i;

	if (is_made && grow(l) < 0)
		return NULL;
	if (l->cap == 0)
		return NULL;
	i = slot_of(l, st->st_dev, st->st_ino);
	if (!l->v[i].is_used) {
		if (!is_made)
			return NULL;
		l->v[i] = (struct pack_inode){ .dev = st->st_dev,
					       .ino = st->st_ino,
					       .is_used = true };
		l->n++;
	}
	return &l->v[i];
}

const char *pack_links_first(struct pack *p, const struct stat *st, const char *path, int *ret_r)
{
	struct pack_inode *i = find(&p->links, st, true);

	*ret_r = i ? 0 : -ENOMEM;
	if (!i || i->first)
		return i ? i->first : NULL;
	i->first = arena_strdup(&p->links.a, path);
	if (!i->first)
		*ret_r = -ENOMEM;
	return NULL;
}

int pack_links_same(struct pack *p, const struct stat *st, const char *path)
{
	struct pack_inode *i = find(&p->links, st, true);
	struct waiting *w;

	if (!i)
		return -ENOMEM;
	if (i->first)
		return 1;
	w = arena_alloc(&p->links.a, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->path = arena_strdup(&p->links.a, path);
	if (!w->path)
		return -ENOMEM;
	w->next = i->waiting;
	i->waiting = w;
	return 0;
}

const char *pack_links_take(struct pack *p, const struct stat *st)
{
	struct pack_inode *i = find(&p->links, st, false);
	struct waiting *w = i ? i->waiting : NULL;

	if (!w)
		return NULL;
	i->waiting = w->next;
	return w->path;
}
