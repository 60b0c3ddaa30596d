#include "worker/ahead.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

/* The thread's own functions need little, and the role's memory is limited. */
#define STACK_BYTES ((size_t)256 << 10)

struct ahead {
	ahead_fill_fn fill;
	void *data;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock: blocks that were filled and that were given back. */
	uint64_t filled, freed;
	bool is_end;
	ssize_t last; /* what ended it: 0 or -errno */
	struct err why;
	/* The consumer's. */
	bool has_block;
	size_t len[AHEAD_BLOCKS];
	uint8_t blocks[AHEAD_BLOCKS][AHEAD_BLOCK];
};

static void *wait_for_room(struct ahead *a)
{
	void *room;

	pthread_mutex_lock(&a->lock);
	while (a->filled - a->freed == AHEAD_BLOCKS)
		pthread_cond_wait(&a->changed, &a->lock);
	room = a->blocks[a->filled % AHEAD_BLOCKS];
	pthread_mutex_unlock(&a->lock);
	return room;
}

static void publish(struct ahead *a, ssize_t n, const struct err *why)
{
	pthread_mutex_lock(&a->lock);
	if (n > 0) {
		a->len[a->filled++ % AHEAD_BLOCKS] = (size_t)n;
	} else {
		a->is_end = true;
		a->last = n;
		a->why = *why;
	}
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

static void *run(void *data)
{
	struct ahead *a = data;
	struct err why = ERR_INIT;
	ssize_t n;

	do {
		n = a->fill(a->data, wait_for_room(a), &why);
		publish(a, n, &why);
	} while (n > 0);
	return NULL;
}

int ahead_start(ahead_fill_fn fill, void *data, struct ahead **ret, struct err *e)
{
	struct ahead *a = malloc(sizeof(*a));
	pthread_attr_t attr;
	int r;

	if (!a)
		return err_set(e, -ENOMEM, "out of memory");
	/* The blocks are not touched before they are needed. */
	memset(a, 0, offsetof(struct ahead, blocks));
	a->fill = fill;
	a->data = data;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = -pthread_create(&a->thread, &attr, run, a);
	pthread_attr_destroy(&attr);
	if (r < 0) {
		free(a);
		return err_sys(e, r, "start a thread");
	}
	*ret = a;
	return 0;
}

ssize_t ahead_next(struct ahead *a, const void **ret, struct err *e)
{
	ssize_t n;

	pthread_mutex_lock(&a->lock);
	if (a->has_block) {
		a->freed++;
		a->has_block = false;
		pthread_cond_signal(&a->changed);
	}
	while (a->filled == a->freed && !a->is_end)
		pthread_cond_wait(&a->changed, &a->lock);
	if (a->filled > a->freed) {
		*ret = a->blocks[a->freed % AHEAD_BLOCKS];
		n = (ssize_t)a->len[a->freed % AHEAD_BLOCKS];
		a->has_block = true;
	} else {
		n = a->last;
		if (n < 0 && e)
			*e = a->why;
	}
	pthread_mutex_unlock(&a->lock);
	return n;
}

int ahead_free(struct ahead *a)
{
	bool is_end;

	if (!a)
		return 1;
	pthread_mutex_lock(&a->lock);
	is_end = a->is_end;
	pthread_mutex_unlock(&a->lock);
	if (!is_end)
		return 0;
	pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a);
	return 1;
}
