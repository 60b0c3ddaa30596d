#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

void strbuf_done(struct strbuf *b)
{
	free(b->p);
	*b = (struct strbuf){ 0 };
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	b->is_out = false;
	if (b->p)
		b->p[0] = '\0';
}

void strbuf_add(struct strbuf *b, const void *data, size_t len)
{
	size_t need;

	if (b->is_out)
		return;
	if (!size_add(b->len, len, &need) || !size_add(need, 1, &need) ||
	    mem_grow(&b->p, &b->cap, need, 1) < 0) {
		b->is_out = true;
		return;
	}
	if (len)
		memcpy(b->p + b->len, data, len);
	b->len += len;
	b->p[b->len] = '\0';
}

void strbuf_adds(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_addc(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t need;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n < 0 || b->is_out || !size_add(b->len, (size_t)n + 1, &need) ||
	    mem_grow(&b->p, &b->cap, need, 1) < 0) {
		b->is_out = true;
	} else {
		vsnprintf(b->p + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(b, fmt, ap);
	va_end(ap);
}

int strbuf_ok(const struct strbuf *b)
{
	return b->is_out ? -ENOMEM : 0;
}

int strbuf_take(struct strbuf *b, char **ret)
{
	strbuf_add(b, "", 0);
	if (b->is_out)
		return -ENOMEM;
	*ret = b->p;
	*b = (struct strbuf){ 0 };
	return 0;
}

char *str_printf(const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : p;
}

int str_to_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	}
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int str_to_u32(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = str_to_u64(s, UINT32_MAX, &v);

	if (r == 0)
		*ret = (uint32_t)v;
	return r;
}

int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	bool is_negative = *s == '-';
	uint64_t u;
	int64_t v;
	int r;

	r = str_to_u64(s + is_negative, (uint64_t)INT64_MAX + is_negative, &u);
	if (r < 0)
		return r;
	v = is_negative ? (int64_t)(0 - u) : (int64_t)u;
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int str_to_bytes(const char *s, int64_t *ret)
{
	static const char units[] = "bkmgtp";
	size_t digits = strspn(s, "0123456789");
	char number[24];
	const char *u;
	int64_t v;
	int shift = 0, r;

	if (digits == 0 || digits >= sizeof(number))
		return digits ? -ERANGE : -EINVAL;
	memcpy(number, s, digits);
	number[digits] = '\0';
	r = str_to_i64(number, 0, INT64_MAX, &v);
	if (r < 0)
		return r;
	s += digits;
	if (*s) {
		u = strchr(units, *s | 0x20);
		if (!u)
			return -EINVAL;
		shift = (int)(u - units) * 10;
		s++;
		if (shift && *s == 'i')
			s++;
		if (shift && (*s | 0x20) == 'b')
			s++;
		if (*s)
			return -EINVAL;
	}
	if (v > INT64_MAX >> shift)
		return -ERANGE;
	*ret = v << shift;
	return 0;
}

void strv_free(char **v)
{
	if (!v)
		return;
	for (size_t i = 0; v[i]; i++)
		free(v[i]);
	free(v);
}

size_t strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

int strv_take(char ***v, char *s)
{
	size_t n = strv_len(*v);
	char **p;

	if (!s)
		return -ENOMEM;
	p = realloc(*v, (n + 2) * sizeof(*p));
	if (!p) {
		free(s);
		return -ENOMEM;
	}
	p[n] = s;
	p[n + 1] = NULL;
	*v = p;
	return 0;
}

int strv_add(char ***v, const char *s)
{
	return strv_take(v, strdup(s));
}

int strv_addf(char ***v, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? -ENOMEM : strv_take(v, s);
}
