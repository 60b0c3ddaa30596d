#pragma once
/*
 * Strings: growing buffers, comparisons that read well, numbers parsed strictly.
 *
 * A struct strbuf remembers the first failed allocation; callers build freely and check once with
 * strbuf_ok(). No locale anywhere. Safe after fork: yes, while the parent had one thread.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}
/* Both may be NULL; two NULLs are equal. */
static inline bool streq_null(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}
/* The rest of `s` behind `prefix`, or NULL. */
static inline const char *str_skip(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}
static inline bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

struct strbuf {
	char *p;    /* terminated whenever not NULL */
	size_t len; /* without the NUL */
	size_t cap;
	bool is_out; /* an allocation failed; the content is cut */
};

void strbuf_done(struct strbuf *b);
#define AUTO_STRBUF CLEANUP(strbuf_done)
void strbuf_add(struct strbuf *b, const void *data, size_t len);
void strbuf_adds(struct strbuf *b, const char *s);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
void strbuf_reset(struct strbuf *b);
/* 0, or -ENOMEM when something was lost. */
int strbuf_ok(const struct strbuf *b);
/* Hands over the text (malloc'ed, never NULL on success); the buffer is empty afterwards. */
int strbuf_take(struct strbuf *b, char **ret);

/* A malloc'ed formatted string, or NULL. */
char *str_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Decimal numbers: the whole of `s`, no spaces, no plus sign. Return 0, -EINVAL for a wrong form and
 * -ERANGE for a number outside the type or outside [min, max].
 */
int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret);
int str_to_u64(const char *s, uint64_t max, uint64_t *ret);
int str_to_u32(const char *s, uint32_t *ret);

/* Bytes as docker takes them: 512, 4k, 64m, 2g, 1t (1024-based), "b", "kb", "KiB" endings too. -EINVAL, -ERANGE. */
int str_to_bytes(const char *s, int64_t *ret);

/* Lists of strings, NULL-terminated, malloc'ed with their elements. */
void strv_free(char **v);
static inline void strv_freep(char ***v)
{
	strv_free(*v);
}
#define AUTO_STRV CLEANUP(strv_freep)
size_t strv_len(char *const *v);
/* Appends a copy. 0 or -ENOMEM. `*v` may be NULL at first. */
int strv_add(char ***v, const char *s);
/* Appends and takes `s`, which is freed on failure; NULL `s` is -ENOMEM. */
int strv_take(char ***v, char *s);
int strv_addf(char ***v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
