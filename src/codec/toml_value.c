/* TOML's values: strings of four kinds, numbers, times, arrays, inline tables. */
#include <stdlib.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/toml_priv.h"

#define NUMBER_MAX 128

/* ---- strings ---- */

struct text {
	char *p; /* as long as the text that is left: decoding never makes longer */
	size_t len;
};

static void add_utf8(struct text *t, uint32_t c)
{
	if (c < 0x80) {
		t->p[t->len++] = (char)c;
		return;
	}
	if (c < 0x800) {
		t->p[t->len++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		t->p[t->len++] = (char)(0xe0 | c >> 12);
		t->p[t->len++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		t->p[t->len++] = (char)(0xf0 | c >> 18);
		t->p[t->len++] = (char)(0x80 | (c >> 12 & 0x3f));
		t->p[t->len++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	t->p[t->len++] = (char)(0x80 | (c & 0x3f));
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int read_unicode(struct toml_parser *ps, int digits, struct text *t)
{
	uint32_t c = 0;

	for (int i = 0; i < digits; i++) {
		int d = ps->p < ps->end ? hex_digit(*ps->p) : -1;

		if (d < 0)
			return toml_bad(ps, "an escape needs %d hex digits", digits);
		c = c << 4 | (uint32_t)d;
		ps->p++;
	}
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_bad(ps, "an escape is no character");
	add_utf8(t, c);
	return 0;
}

/* Behind a backslash. */
static int read_escape(struct toml_parser *ps, struct text *t)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	char c = ps->p < ps->end ? *ps->p++ : '\0';
	const char *at = c ? strchr(from, c) : NULL;

	if (at) {
		t->p[t->len++] = to[at - from];
		return 0;
	}
	if (c == 'u' || c == 'U')
		return read_unicode(ps, c == 'u' ? 4 : 8, t);
	return toml_bad(ps, "unknown escape in a string");
}

/* A backslash that ends a line of a multi-line string takes the white space behind it away. */
static bool skip_line_end(struct toml_parser *ps)
{
	const struct toml_parser before = *ps;
	bool is_any = false;

	toml_skip_space(ps);
	while (toml_take_newline(ps)) {
		is_any = true;
		toml_skip_space(ps);
	}
	if (!is_any)
		*ps = before;
	return is_any;
}

/* Ends a multi-line string: three quotes, and up to two more that belong to it. */
static bool take_end(struct toml_parser *ps, char quote, struct text *t)
{
	size_t n = 0;

	while (n < 5 && ps->p + n < ps->end && ps->p[n] == quote)
		n++;
	if (n < 3)
		return false;
	for (size_t i = 3; i < n; i++)
		t->p[t->len++] = quote;
	ps->p += n;
	return true;
}

static int read_char(struct toml_parser *ps, char quote, bool is_multi, struct text *t)
{
	if (ps->p >= ps->end)
		return toml_bad(ps, "a string does not end");
	if (is_multi && toml_take_newline(ps)) {
		t->p[t->len++] = '\n';
		return 0;
	}
	if (quote == '"' && toml_take(ps, '\\'))
		return is_multi && skip_line_end(ps) ? 0 : read_escape(ps, t);
	if (*ps->p == '\n' || *ps->p == '\r')
		return toml_bad(ps, "a string does not end");
	if (toml_is_control(*ps->p))
		return toml_bad(ps, "control character in a string");
	t->p[t->len++] = *ps->p++;
	return 0;
}

/* The end of the string that begins here, at most: where its memory ends. */
static size_t bound(const struct toml_parser *ps, char quote, bool is_multi)
{
	size_t n = 0, left = (size_t)(ps->end - ps->p), run = 0;

	while (n < left && run < (is_multi ? 3u : 1u) && (is_multi || ps->p[n] != '\n')) {
		bool is_escape = quote == '"' && ps->p[n] == '\\' && n + 1 < left;

		run = ps->p[n] == quote ? run + 1 : 0;
		n += is_escape ? 2 : 1;
	}
	return n + 3;
}

static int read_string(struct toml_parser *ps, char quote, bool is_multi, const char **ret)
{
	struct text t = { .p = arena_alloc(ps->a, bound(ps, quote, is_multi)) };

	if (!t.p)
		return err_set(ps->e, -ENOMEM, "out of memory");
	if (is_multi)
		toml_take_newline(ps);
	while (is_multi ? !take_end(ps, quote, &t) : !toml_take(ps, quote)) {
		int r = read_char(ps, quote, is_multi, &t);

		if (r < 0)
			return r;
	}
	t.p[t.len] = '\0';
	*ret = t.p;
	return 0;
}

int toml_read_line_string(struct toml_parser *ps, const char **ret)
{
	return read_string(ps, *ps->p++, false, ret);
}

static int read_any_string(struct toml_parser *ps, struct toml *n)
{
	char quote = *ps->p++;
	bool is_multi = ps->end - ps->p >= 2 && ps->p[0] == quote && ps->p[1] == quote;

	ps->p += is_multi ? 2 : 0;
	return read_string(ps, quote, is_multi, &n->s);
}

/* ---- numbers, booleans, times ---- */

/* 'd' stands for a digit, all else for itself. The rest of the text, or NULL. */
static const char *skip_shape(const char *s, const char *shape)
{
	for (; *shape; shape++, s++)
		if (*shape == 'd' ? *s < '0' || *s > '9' : *s != *shape)
			return NULL;
	return s;
}

/* "07:32:00.999" */
static const char *skip_clock(const char *s)
{
	s = skip_shape(s, "dd:dd:dd");
	if (s && *s == '.')
		s = strspn(s + 1, "0123456789") ? s + 1 + strspn(s + 1, "0123456789") : NULL;
	return s;
}

static bool is_time(const char *s)
{
	const char *p = skip_shape(s, "dddd-dd-dd");

	if (!p) {
		p = skip_clock(s);
		return p && !*p;
	}
	if (!*p)
		return true;
	if (*p != 'T' && *p != 't' && *p != ' ')
		return false;
	p = skip_clock(p + 1);
	if (p && (*p == 'Z' || *p == 'z'))
		p++;
	else if (p && (*p == '+' || *p == '-'))
		p = skip_shape(p + 1, "dd:dd");
	return p && !*p;
}

/* Takes underscores away, each of which stands between two digits of the base. */
static bool strip_underscores(const char *s, const char *digits, char *to)
{
	for (; *s; s++) {
		if (*s != '_')
			*to++ = *s;
		else if (s[1] == '\0' || !strchr(digits, s[1]) || !strchr(digits, s[-1]))
			return false;
	}
	*to = '\0';
	return true;
}

static int read_based(struct toml_parser *ps, const char *s, int base, const char *digits,
		      int64_t *ret)
{
	char plain[NUMBER_MAX];
	unsigned long long v;

	if (*s == '_' || !strip_underscores(s, digits, plain) || !*plain ||
	    plain[strspn(plain, digits)])
		return toml_bad(ps, "'0%c%.40s' is no number",
				base == 16  ? 'x'
				: base == 8 ? 'o'
					    : 'b',
				s);
	errno = 0;
	v = strtoull(plain, NULL, base);
	if (errno || v > INT64_MAX)
		return toml_bad(ps, "the number '%.40s' is out of range", s);
	*ret = (int64_t)v;
	return 0;
}

static bool has_leading_zero(const char *digits)
{
	return digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9';
}

/* Digits, a fraction and an exponent, each with digits. */
static bool is_float(const char *s)
{
	size_t n = strspn(s, "0123456789");

	if (n == 0 || has_leading_zero(s))
		return false;
	s += n;
	if (*s == '.') {
		n = strspn(s + 1, "0123456789");
		if (n == 0)
			return false;
		s += 1 + n;
	}
	if (*s == 'e' || *s == 'E') {
		s += s[1] == '+' || s[1] == '-' ? 2 : 1;
		n = strspn(s, "0123456789");
		if (n == 0)
			return false;
		s += n;
	}
	return *s == '\0';
}

static int read_decimal(struct toml_parser *ps, const char *s, struct toml *n)
{
	char plain[NUMBER_MAX + 2];
	const char *digits = s + (*s == '+' || *s == '-');

	if (*digits == '_' || !strip_underscores(digits, "0123456789", plain + 1))
		return toml_bad(ps, "'%.40s' is no value", s);
	plain[0] = *s == '-' ? '-' : '+';
	if (streq(plain + 1, "inf") || streq(plain + 1, "nan")) {
		n->kind = TOML_FLOAT;
		n->f = strtod(plain, NULL);
		return 0;
	}
	if (plain[1 + strspn(plain + 1, "0123456789")] == '\0' && plain[1] &&
	    !has_leading_zero(plain + 1)) {
		n->kind = TOML_INTEGER;
		errno = 0;
		n->i = strtoll(plain, NULL, 10);
		return errno ? toml_bad(ps, "the number '%.40s' is out of range", s) : 0;
	}
	if (!is_float(plain + 1))
		return toml_bad(ps, "'%.40s' is no value", s);
	n->kind = TOML_FLOAT;
	n->f = strtod(plain, NULL);
	return 0;
}

static int read_word_value(struct toml_parser *ps, const char *s, struct toml *n)
{
	static const struct {
		const char *prefix, *digits;
		int base;
	} bases[] = { { "0x", "0123456789abcdefABCDEF", 16 },
		      { "0o", "01234567", 8 },
		      { "0b", "01", 2 } };

	if (streq(s, "true") || streq(s, "false")) {
		n->kind = TOML_BOOLEAN;
		n->b = *s == 't';
		return 0;
	}
	if (is_time(s)) {
		n->kind = TOML_TIME;
		n->s = arena_strdup(ps->a, s);
		return n->s ? 0 : err_set(ps->e, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
		const char *rest = str_skip(s, bases[i].prefix);

		if (rest) {
			n->kind = TOML_INTEGER;
			return read_based(ps, rest, bases[i].base, bases[i].digits, &n->i);
		}
	}
	return read_decimal(ps, s, n);
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_+-.:", c));
}

/* A date and a time of day may have a space between them. */
static bool is_date_space(const struct toml_parser *ps, const char *word, size_t n)
{
	return n == 10 && *ps->p == ' ' && ps->end - ps->p > 2 && skip_shape(word, "dddd-dd-dd") &&
	       ps->p[1] >= '0' && ps->p[1] <= '9';
}

static int read_word(struct toml_parser *ps, struct toml *node)
{
	char word[NUMBER_MAX];
	size_t n = 0;

	while (ps->p < ps->end) {
		word[n] = '\0';
		if (!is_word(*ps->p) && !is_date_space(ps, word, n))
			break;
		if (n + 1 >= sizeof(word))
			return toml_bad(ps, "'%.40s…' is no value", word);
		word[n++] = *ps->p++;
	}
	word[n] = '\0';
	if (n == 0)
		return toml_bad(ps, "a value is missing");
	return read_word_value(ps, word, node);
}

/* ---- arrays and inline tables ---- */

/* What may stand between an array's elements. */
static int skip_between(struct toml_parser *ps)
{
	do {
		int r;

		toml_skip_space(ps);
		r = toml_skip_comment(ps);
		if (r < 0)
			return r;
	} while (toml_take_newline(ps));
	return 0;
}

static int read_array(struct toml_parser *ps, size_t depth, struct toml *array)
{
	bool needs_comma = false;

	for (;;) {
		struct toml *item;
		int r = skip_between(ps);

		if (r < 0)
			return r;
		if (toml_take(ps, ']'))
			return 0;
		if (needs_comma) {
			if (!toml_take(ps, ','))
				return toml_bad(ps, "an array does not end");
			needs_comma = false;
			continue;
		}
		r = toml_read_value(ps, depth + 1, &item);
		if (r < 0)
			return r;
		toml_append(array, item);
		needs_comma = true;
	}
}

static int read_inline(struct toml_parser *ps, size_t depth, struct toml *table)
{
	toml_skip_space(ps);
	if (toml_take(ps, '}'))
		return 0;
	for (;;) {
		int r = toml_read_pair(ps, table, depth);

		if (r < 0)
			return r;
		toml_skip_space(ps);
		if (toml_take(ps, '}'))
			return 0;
		if (!toml_take(ps, ','))
			return toml_bad(ps, "an inline table does not end");
		toml_skip_space(ps);
	}
}

int toml_read_value(struct toml_parser *ps, size_t depth, struct toml **ret)
{
	struct toml *n;
	int r = toml_check_depth(ps, depth);

	if (r == 0)
		r = toml_node(ps, TOML_STRING, TOML_PLAIN, &n);
	if (r < 0)
		return r;
	if (ps->p < ps->end && (*ps->p == '"' || *ps->p == '\'')) {
		r = read_any_string(ps, n);
	} else if (toml_take(ps, '[')) {
		n->kind = TOML_ARRAY;
		r = read_array(ps, depth, n);
	} else if (toml_take(ps, '{')) {
		n->kind = TOML_TABLE;
		n->how = TOML_INLINE;
		r = read_inline(ps, depth, n);
	} else {
		r = read_word(ps, n);
	}
	if (r == 0)
		*ret = n;
	return r;
}
