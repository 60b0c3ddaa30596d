#pragma once
/*
 * Ownership helpers, checked arithmetic and the arena.
 *
 * Owned locals carry a cleanup attribute and are given away with TAKE_PTR. Request-scoped memory comes
 * from an arena, which has a budget: input can make it grow to that budget and no further. An arena is
 * not thread-safe. Safe after fork: yes, while the parent had one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Asserts an impossible state; stays in release builds. Never for input. */
#define ASSERT(x) ((x) ? (void)0 : assert_failed(#x, __FILE__, __LINE__))
_Noreturn void assert_failed(const char *expr, const char *file, int line);

#define CLEANUP(f) __attribute__((cleanup(f)))
#define TAKE_PTR(p)                   \
	({                            \
		__auto_type t_ = (p); \
		(p) = NULL;           \
		t_;                   \
	})

static inline void free_ptr(void *p)
{
	free(*(void **)p);
}
#define AUTO_FREE CLEANUP(free_ptr)

/* a*b and a+b for sizes; false when the result does not fit. */
static inline bool size_mul(size_t a, size_t b, size_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}
static inline bool size_add(size_t a, size_t b, size_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

/*
 * Makes room for at least `need` elements of `size` bytes in a malloc'ed array, growing by half.
 * `*cap` counts elements. Returns 0 or -ENOMEM; the array is untouched on failure.
 */
int mem_grow(void *array_ptr, size_t *cap, size_t need, size_t size);

struct arena_block;

/* Zeroed struct arena with a budget is ready for use; arena_done frees all. */
struct arena {
	struct arena_block *head;
	size_t used;   /* bytes taken from the system */
	size_t budget; /* 0: ARENA_BUDGET_DEFAULT */
};

#define ARENA_BUDGET_DEFAULT ((size_t)64 << 20)

/* Frees everything the arena gave out. Accepts NULL. */
void arena_done(struct arena *a);
#define AUTO_ARENA CLEANUP(arena_done)

/* Zeroed memory, aligned to 16. NULL when memory or budget is out. Lives until arena_done. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((malloc, alloc_size(2)));
/* `n` times `size`, checked. */
void *arena_calloc(struct arena *a, size_t n, size_t size);
/* A copy of `len` bytes with a NUL behind. */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
