#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define ARENA_ALIGN 16
/* A block holds the usual request whole; a spec of 8 kB takes about 20 kB of structs. */
#define ARENA_BLOCK_SIZE ((size_t)16 << 10)

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data */
	size_t used;
	size_t pad;
	char data[];
};

_Noreturn void assert_failed(const char *expr, const char *file, int line)
{
	dprintf(2, "%s:%d: assertion failed: %s\n", file, line, expr);
	abort();
}

int mem_grow(void *array_ptr, size_t *cap, size_t need, size_t size)
{
	void **array = array_ptr;
	size_t want = *cap + *cap / 2 + 8;
	size_t bytes;
	void *p;

	if (need <= *cap)
		return 0;
	if (want < need)
		want = need;
	if (!size_mul(want, size, &bytes))
		return -ENOMEM;
	p = realloc(*array, bytes);
	if (!p)
		return -ENOMEM;
	*array = p;
	*cap = want;
	return 0;
}

void arena_done(struct arena *a)
{
	if (!a)
		return;
	while (a->head) {
		struct arena_block *b = a->head;

		a->head = b->next;
		free(b);
	}
	a->used = 0;
}

static struct arena_block *arena_add_block(struct arena *a, size_t size)
{
	size_t budget = a->budget ? a->budget : ARENA_BUDGET_DEFAULT;
	size_t want = MAX(size, ARENA_BLOCK_SIZE);
	struct arena_block *b;

	if (a->used > budget || want > budget - a->used)
		want = size;
	if (a->used > budget || want > budget - a->used)
		return NULL;
	b = calloc(1, sizeof(*b) + want);
	if (!b)
		return NULL;
	b->size = want;
	a->used += want;
	/* A large block goes behind the head, so that the room left in the head stays usable. */
	if (a->head && want == size && size > ARENA_BLOCK_SIZE / 4) {
		b->next = a->head->next;
		a->head->next = b;
	} else {
		b->next = a->head;
		a->head = b;
	}
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->head;
	size_t n;
	void *p;

	if (!size_add(size, ARENA_ALIGN - 1, &n))
		return NULL;
	n &= ~(size_t)(ARENA_ALIGN - 1);
	if (n == 0)
		n = ARENA_ALIGN;
	if (!b || b->size - b->used < n) {
		b = arena_add_block(a, n);
		if (!b)
			return NULL;
	}
	p = b->data + b->used;
	b->used += n;
	return p;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	return size_mul(n, size, &bytes) ? arena_alloc(a, bytes) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p = len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;

	if (p)
		memcpy(p, s, len);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}
