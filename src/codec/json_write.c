/* JSON output: a nesting writer, and tables over it. The text is valid whatever the strings hold. */
#include "codec/json_priv.h"

#include <math.h>
#include <stdio.h>

#include "base/str.h"

/* Layout */

static void newline(struct json_writer *w)
{
	static const char tabs[] = "\n\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t";
	static const char spaces[] =
		"\n                                                                ";
	bool is_tabs = w->flags & JSON_TABS;
	size_t n = w->depth * (is_tabs ? 1 : 4),
	       at_once = is_tabs ? sizeof(tabs) - 2 : sizeof(spaces) - 2;

	if (!(w->flags & JSON_PRETTY))
		return;
	strbuf_add(w->out, is_tabs ? tabs : spaces, 1 + MIN(n, at_once));
	for (; n > at_once; n -= MIN(n, at_once))
		strbuf_add(w->out, (is_tabs ? tabs : spaces) + 1, MIN(n - at_once, at_once));
}

static bool is_html(unsigned char c)
{
	return c == '<' || c == '>' || c == '&';
}

static void put_escaped(struct strbuf *out, unsigned char c)
{
	static const char plain[] = "\"\\\n\r\t\b\f", names[] = "\"\\nrtbf";
	const char *found = c ? strchr(plain, c) : NULL;

	if (found)
		strbuf_addf(out, "\\%c", names[found - plain]);
	else
		strbuf_addf(out, "\\u%04x", c);
}

/* Writes the character at `p` that is not plain ASCII; returns the bytes it takes in the input. */
static size_t escape_at(struct strbuf *out, unsigned int flags, const unsigned char *p, size_t left)
{
	size_t n;

	if (*p < 0x20 || *p == '"' || *p == '\\' || (flags & JSON_ESCAPE_HTML && is_html(*p))) {
		put_escaped(out, *p);
		return 1;
	}
	n = json_utf8_len(p, p + left);
	if (n == 0) {
		strbuf_adds(out, "\\ufffd");
		return 1;
	}
	if (flags & JSON_ESCAPE_HTML && n == 3 && p[0] == 0xe2 && p[1] == 0x80 &&
	    (p[2] & 0xfe) == 0xa8) {
		strbuf_addf(out, "\\u%04x", 0x2000u | (p[2] & 0x3fu));
		return 3;
	}
	strbuf_add(out, p, n);
	return n;
}

static void put_string(struct strbuf *out, unsigned int flags, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + len;

	strbuf_addc(out, '"');
	while (p < end) {
		const unsigned char *from = p;

		while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\' &&
		       !(flags & JSON_ESCAPE_HTML && is_html(*p)))
			p++;
		if (p > from)
			strbuf_add(out, from, (size_t)(p - from));
		if (p < end)
			p += escape_at(out, flags, p, (size_t)(end - p));
	}
	strbuf_addc(out, '"');
}

/* What stands before every value. */
static void begin_value(struct json_writer *w, const char *key)
{
	if (w->needs_comma)
		strbuf_addc(w->out, ',');
	if (w->depth)
		newline(w);
	if (key) {
		put_string(w->out, w->flags, key, strlen(key));
		strbuf_adds(w->out, w->flags & JSON_PRETTY ? ": " : ":");
	}
	w->needs_comma = true;
}

static void open_level(struct json_writer *w, const char *key, char c)
{
	begin_value(w, key);
	strbuf_addc(w->out, c);
	w->depth++;
	w->needs_comma = false;
}

static void close_level(struct json_writer *w, char c)
{
	ASSERT(w->depth > 0);
	w->depth--;
	if (w->needs_comma)
		newline(w);
	strbuf_addc(w->out, c);
	w->needs_comma = true;
}

void json_begin_object(struct json_writer *w, const char *key)
{
	open_level(w, key, '{');
}

void json_end_object(struct json_writer *w)
{
	close_level(w, '}');
}

void json_begin_array(struct json_writer *w, const char *key)
{
	open_level(w, key, '[');
}

void json_end_array(struct json_writer *w)
{
	close_level(w, ']');
}

/* Scalars */

void json_put_strn(struct json_writer *w, const char *key, const char *value, size_t len)
{
	begin_value(w, key);
	put_string(w->out, w->flags, value, len);
}

void json_put_str(struct json_writer *w, const char *key, const char *value)
{
	if (value)
		json_put_strn(w, key, value, strlen(value));
	else
		json_put_null(w, key);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t value)
{
	char buf[24];
	size_t i = sizeof(buf);

	do
		buf[--i] = (char)('0' + value % 10);
	while (value /= 10);
	begin_value(w, key);
	strbuf_add(w->out, buf + i, sizeof(buf) - i);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t value)
{
	char buf[24];

	if (value >= 0) {
		json_put_u64(w, key, (uint64_t)value);
		return;
	}
	begin_value(w, key);
	strbuf_add(w->out, buf, (size_t)snprintf(buf, sizeof(buf), "%lld", (long long)value));
}

void json_put_f64(struct json_writer *w, const char *key, double value)
{
	char buf[40];

	/* JSON has no word for these. */
	if (!isfinite(value)) {
		json_put_null(w, key);
		return;
	}
	/* The shortest of the three that reads back as the same number. */
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(buf, sizeof(buf), "%.*g", digits, value);
		if (strtod(buf, NULL) == value)
			break;
	}
	begin_value(w, key);
	strbuf_adds(w->out, buf);
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
	begin_value(w, key);
	strbuf_adds(w->out, value ? "true" : "false");
}

void json_put_null(struct json_writer *w, const char *key)
{
	begin_value(w, key);
	strbuf_adds(w->out, "null");
}

void json_put_raw(struct json_writer *w, const char *key, const char *text, size_t len)
{
	begin_value(w, key);
	strbuf_add(w->out, text, len);
}

/* Tables: one function per kind. Each writes the value even when it is empty. */

typedef void write_fn(struct json_writer *w, const struct json_field *f, const void *member);

static void write_bool(struct json_writer *w, const struct json_field *f, const void *member)
{
	json_put_bool(w, f->key, *(const bool *)member);
}

static void write_i32(struct json_writer *w, const struct json_field *f, const void *member)
{
	json_put_i64(w, f->key, *(const int32_t *)member);
}

static void write_u32(struct json_writer *w, const struct json_field *f, const void *member)
{
	json_put_u64(w, f->key, *(const uint32_t *)member);
}

static void write_i64(struct json_writer *w, const struct json_field *f, const void *member)
{
	json_put_i64(w, f->key, *(const int64_t *)member);
}

static void write_u64(struct json_writer *w, const struct json_field *f, const void *member)
{
	json_put_u64(w, f->key, *(const uint64_t *)member);
}

static void write_f64(struct json_writer *w, const struct json_field *f, const void *member)
{
	json_put_f64(w, f->key, *(const double *)member);
}

static void write_str(struct json_writer *w, const struct json_field *f, const void *member)
{
	const char *s = *(const char *const *)member;

	json_put_str(w, f->key, s ? s : "");
}

static void write_raw(struct json_writer *w, const struct json_field *f, const void *member)
{
	const struct json_raw *raw = member;

	if (raw->p)
		json_put_raw(w, f->key, raw->p, raw->len);
	else
		json_put_null(w, f->key);
}

static void write_strs(struct json_writer *w, const struct json_field *f, const void *member)
{
	const struct json_strs *strs = member;

	json_begin_array(w, f->key);
	for (size_t i = 0; i < strs->n; i++)
		json_put_str(w, NULL, strs->v[i]);
	json_end_array(w);
}

static void write_i64s(struct json_writer *w, const struct json_field *f, const void *member)
{
	const struct json_i64s *list = member;

	json_begin_array(w, f->key);
	for (size_t i = 0; i < list->n; i++)
		json_put_i64(w, NULL, list->v[i]);
	json_end_array(w);
}

static void write_u32s(struct json_writer *w, const struct json_field *f, const void *member)
{
	const struct json_u32s *list = member;

	json_begin_array(w, f->key);
	for (size_t i = 0; i < list->n; i++)
		json_put_u64(w, NULL, list->v[i]);
	json_end_array(w);
}

static void write_map(struct json_writer *w, const struct json_field *f, const void *member)
{
	const struct json_map *map = member;

	json_begin_object(w, f->key);
	for (size_t i = 0; i < map->n; i++)
		json_put_str(w, map->v[i].key, map->v[i].value ? map->v[i].value : "");
	json_end_object(w);
}

static void write_set(struct json_writer *w, const struct json_field *f, const void *member)
{
	const struct json_strs *set = member;

	json_begin_object(w, f->key);
	for (size_t i = 0; i < set->n; i++) {
		json_begin_object(w, set->v[i]);
		json_end_object(w);
	}
	json_end_object(w);
}

static void write_obj(struct json_writer *w, const struct json_field *f, const void *member)
{
	const void *obj = *(void *const *)member;

	if (obj)
		json_put_obj(w, f->key, f->sub, obj);
	else
		json_put_null(w, f->key);
}

static void write_objs(struct json_writer *w, const struct json_field *f, const void *member)
{
	const struct json_objs *objs = member;

	json_begin_array(w, f->key);
	for (size_t i = 0; i < objs->n; i++)
		json_put_obj(w, NULL, f->sub, (const char *)objs->v + i * f->sub->size);
	json_end_array(w);
}

static void write_map_objs(struct json_writer *w, const struct json_field *f, const void *member)
{
	const struct json_objs *objs = member;

	json_begin_object(w, f->key);
	for (size_t i = 0; i < objs->n; i++) {
		const char *obj = (const char *)objs->v + i * f->sub->size;

		json_put_obj(w, *(const char *const *)obj, f->sub, obj);
	}
	json_end_object(w);
}

/* How many leading bytes of a member are all zero when it is absent, and who writes it. */
static const struct {
	size_t empty_offset, empty_size;
	write_fn *write;
} kinds[] = {
	[JSON_BOOL] = { 0, sizeof(bool), write_bool },
	[JSON_I32] = { 0, sizeof(int32_t), write_i32 },
	[JSON_U32] = { 0, sizeof(uint32_t), write_u32 },
	[JSON_I64] = { 0, sizeof(int64_t), write_i64 },
	[JSON_U64] = { 0, sizeof(uint64_t), write_u64 },
	[JSON_F64] = { 0, sizeof(double), write_f64 },
	[JSON_STR] = { 0, sizeof(char *), write_str },
	[JSON_RAW] = { offsetof(struct json_raw, p), sizeof(char *), write_raw },
	[JSON_STRS] = { offsetof(struct json_objs, n), sizeof(size_t), write_strs },
	[JSON_I64S] = { offsetof(struct json_objs, n), sizeof(size_t), write_i64s },
	[JSON_U32S] = { offsetof(struct json_objs, n), sizeof(size_t), write_u32s },
	[JSON_MAP] = { offsetof(struct json_objs, n), sizeof(size_t), write_map },
	[JSON_OBJ] = { 0, sizeof(void *), write_obj },
	[JSON_OBJS] = { offsetof(struct json_objs, n), sizeof(size_t), write_objs },
	[JSON_MAP_OBJS] = { offsetof(struct json_objs, n), sizeof(size_t), write_map_objs },
	[JSON_SET] = { offsetof(struct json_objs, n), sizeof(size_t), write_set },
};

static bool is_absent(const struct json_field *f, const void *obj)
{
	static const char zeros[sizeof(uint64_t)];

	if (f->flags & JSON_HAS)
		return !*(const bool *)((const char *)obj + f->has);
	return memcmp((const char *)obj + f->offset + kinds[f->kind].empty_offset, zeros,
		      kinds[f->kind].empty_size) == 0;
}

void json_put_obj(struct json_writer *w, const char *key, const struct json_table *t,
		  const void *obj)
{
	json_begin_object(w, key);
	for (size_t i = 0; i < t->n; i++) {
		const struct json_field *f = &t->fields[i];

		if (f->flags & JSON_ALWAYS || !is_absent(f, obj))
			kinds[f->kind].write(w, f, (const char *)obj + f->offset);
	}
	json_end_object(w);
}

void json_write(const struct json_table *t, const void *obj, unsigned int flags, struct strbuf *out)
{
	struct json_writer w = { .out = out, .flags = flags };

	json_put_obj(&w, NULL, t, obj);
}
