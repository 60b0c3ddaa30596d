#include "shim/backlog.h"

#include <stdlib.h>

#include "base/mem.h"

/* Small pieces of one stream share a block, and its time, this long. */
#define SHARED_NS 1000000

static struct backlog_block *block_new(struct backlog *b)
{
	struct backlog_block *n = b->spare;

	if (n)
		b->spare = n->next;
	else
		n = malloc(sizeof(*n));
	if (!n)
		return NULL;
	n->next = NULL;
	n->len = 0;
	n->cost = 0;
	if (b->first)
		b->tail->next = n;
	else
		b->first = n;
	b->tail = n;
	b->blocks++;
	return n;
}

size_t backlog_room(struct backlog *b, int stream, int64_t time_ns, char **ret)
{
	struct backlog_block *t = b->first ? b->tail : NULL;

	if (!t || t->stream != stream || t->len == BACKLOG_BLOCK ||
	    time_ns - t->time_ns > SHARED_NS) {
		t = block_new(b);
		if (!t)
			return 0;
		t->stream = stream;
		t->time_ns = time_ns;
	}
	*ret = t->data + t->len;
	return BACKLOG_BLOCK - t->len;
}

void backlog_commit(struct backlog *b, size_t len, int64_t cost)
{
	ASSERT(b->first && len <= BACKLOG_BLOCK - b->tail->len);
	b->tail->len += len;
	b->tail->cost += cost;
	b->cost += cost;
}

struct backlog_block *backlog_first(const struct backlog *b)
{
	return b->first;
}

void backlog_shift(struct backlog *b)
{
	struct backlog_block *f = b->first;

	b->first = f->next;
	b->cost -= f->cost;
	b->blocks--;
	f->next = b->spare;
	b->spare = f;
}

void backlog_trim(struct backlog *b)
{
	while (b->spare) {
		struct backlog_block *f = b->spare;

		b->spare = f->next;
		free(f);
	}
}

void backlog_done(struct backlog *b)
{
	while (b->first)
		backlog_shift(b);
	backlog_trim(b);
}
