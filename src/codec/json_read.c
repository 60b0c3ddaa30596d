/*
 * The table reader: tokens into structs, one row per key.
 *
 * It recurses once per level of a table, and the pull reader's depth limit bounds that. Arrays grow by
 * doubling inside the arena; what they leave behind is at most as large as they are.
 */
#include "codec/json_priv.h"

#include <math.h>

#include "base/err.h"
#include "base/str.h"

#define ARRAY_FIRST 4
/* Longer numbers exist only to annoy; a double needs 24 characters, exact decimals of one 770. */
#define NUMBER_MAX 1024

static int read_object(struct json_reader *rd, const struct json_table *t, void *obj);

static const char *const token_names[] = {
	[JSON_T_END] = "the end",     [JSON_T_OBJECT] = "an object", [JSON_T_OBJECT_END] = "'}'",
	[JSON_T_ARRAY] = "an array",  [JSON_T_ARRAY_END] = "']'",    [JSON_T_KEY] = "a key",
	[JSON_T_STRING] = "a string", [JSON_T_NUMBER] = "a number",  [JSON_T_TRUE] = "true",
	[JSON_T_FALSE] = "false",     [JSON_T_NULL] = "null",
};

static int wrong_kind(struct json_reader *rd, const char *wanted, enum json_token token)
{
	if (token == JSON_T_ERROR)
		return rd->r;
	return json_fail(rd, -EBADMSG, "%s expected, %s found", wanted, token_names[token]);
}

/* A growing array in the arena. */
struct growing {
	char *v;
	size_t n, cap, size;
};

/* Room for one more element, zeroed; NULL after json_fail. */
static void *growing_add(struct json_reader *rd, struct growing *g)
{
	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : ARRAY_FIRST;
		char *v = arena_calloc(rd->arena, cap, g->size);

		if (!v) {
			json_no_memory(rd);
			return NULL;
		}
		if (g->n)
			memcpy(v, g->v, g->n * g->size);
		g->v = v;
		g->cap = cap;
	}
	return g->v + g->n++ * g->size;
}

/* What `v` of a list points to that is there but empty; nobody reads or writes it. */
static char empty_list[1];

/* All lists share this view: pointer and count. */
static void growing_give(const struct growing *g, void *member)
{
	*(struct json_objs *)member = (struct json_objs){ .v = g->v ? g->v : empty_list,
							  .n = g->n };
}

/* Numbers */

/* Sign and amount of the last token, which must be written as an integer. */
static int read_integer(struct json_reader *rd, bool *ret_negative, uint64_t *ret)
{
	const char *p = rd->text, *end = p + rd->len;
	uint64_t v = 0;

	*ret_negative = *p == '-';
	p += *p == '-';
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return json_fail(rd, -EBADMSG, "an integer expected, %.*s found",
					 (int)MIN(rd->len, (size_t)40), rd->text);
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			goto too_large;
	}
	*ret = v;
	return 0;
too_large:
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	if (p < end)
		return json_fail(rd, -EBADMSG, "an integer expected, %.*s found",
				 (int)MIN(rd->len, (size_t)40), rd->text);
	*ret = UINT64_MAX;
	return -ERANGE;
}

static int out_of_range(struct json_reader *rd)
{
	return json_fail(rd, -EBADMSG, "number %.*s is out of range", (int)MIN(rd->len, (size_t)40),
			 rd->text);
}

static int read_signed(struct json_reader *rd, int64_t min, int64_t max, int64_t *ret)
{
	bool is_negative;
	uint64_t v;
	int r = read_integer(rd, &is_negative, &v);

	if (r && r != -ERANGE)
		return r;
	if (r || v > (is_negative ? -(uint64_t)min : (uint64_t)max))
		return out_of_range(rd);
	*ret = (int64_t)(is_negative ? -v : v);
	return 0;
}

static int read_unsigned(struct json_reader *rd, uint64_t max, uint64_t *ret)
{
	bool is_negative;
	uint64_t v;
	int r = read_integer(rd, &is_negative, &v);

	if (r && r != -ERANGE)
		return r;
	if (r || v > max || (is_negative && v))
		return out_of_range(rd);
	*ret = v;
	return 0;
}

/* One function per kind: the first token of the value is read, and is neither null nor an error. */

typedef int read_fn(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *member);

static int read_bool(struct json_reader *rd, const struct json_field *f, enum json_token token,
		     void *member)
{
	if (token != JSON_T_TRUE && token != JSON_T_FALSE)
		return wrong_kind(rd, "true or false", token);
	*(bool *)member = token == JSON_T_TRUE;
	return 0;
}

static int read_i32(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *member)
{
	int64_t v;
	int r;

	if (token != JSON_T_NUMBER)
		return wrong_kind(rd, "an integer", token);
	r = read_signed(rd, INT32_MIN, INT32_MAX, &v);
	if (r == 0)
		*(int32_t *)member = (int32_t)v;
	return r;
}

static int read_u32(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *member)
{
	uint64_t v;
	int r;

	if (token != JSON_T_NUMBER)
		return wrong_kind(rd, "an integer", token);
	r = read_unsigned(rd, UINT32_MAX, &v);
	if (r == 0)
		*(uint32_t *)member = (uint32_t)v;
	return r;
}

static int read_i64(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *member)
{
	if (token != JSON_T_NUMBER)
		return wrong_kind(rd, "an integer", token);
	return read_signed(rd, INT64_MIN, INT64_MAX, member);
}

static int read_u64(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *member)
{
	if (token != JSON_T_NUMBER)
		return wrong_kind(rd, "an integer", token);
	return read_unsigned(rd, UINT64_MAX, member);
}

static int read_f64(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *member)
{
	char text[NUMBER_MAX];
	double v;

	if (token != JSON_T_NUMBER)
		return wrong_kind(rd, "a number", token);
	if (rd->len >= sizeof(text))
		return out_of_range(rd);
	memcpy(text, rd->text, rd->len);
	text[rd->len] = '\0';
	v = strtod(text, NULL);
	if (!isfinite(v))
		return out_of_range(rd);
	*(double *)member = v;
	return 0;
}

static int read_str(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *member)
{
	if (token != JSON_T_STRING)
		return wrong_kind(rd, "a string", token);
	*(const char **)member = json_store(rd);
	return rd->r;
}

static int read_raw(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *member)
{
	const char *from = rd->at;
	struct json_raw raw;
	int r = 0;

	if (token == JSON_T_OBJECT || token == JSON_T_ARRAY)
		r = json_skip_rest(rd);
	if (r)
		return r;
	raw.len = (size_t)(rd->p - from);
	raw.p = arena_strndup(rd->arena, from, raw.len);
	if (!raw.p)
		return json_no_memory(rd);
	*(struct json_raw *)member = raw;
	return 0;
}

/* An array whose elements another kind's function reads. */
static int read_elements(struct json_reader *rd, enum json_token token, size_t size, read_fn *read,
			 void *member)
{
	struct growing g = { .size = size };
	int r;

	if (token != JSON_T_ARRAY)
		return wrong_kind(rd, "an array", token);
	while ((token = json_pull(rd)) != JSON_T_ARRAY_END) {
		void *v;

		if (token == JSON_T_ERROR)
			return rd->r;
		v = growing_add(rd, &g);
		if (!v)
			return rd->r;
		r = read(rd, NULL, token, v);
		if (r)
			return r;
	}
	growing_give(&g, member);
	return 0;
}

static int read_strs(struct json_reader *rd, const struct json_field *f, enum json_token token,
		     void *member)
{
	return read_elements(rd, token, sizeof(const char *), read_str, member);
}

static int read_i64s(struct json_reader *rd, const struct json_field *f, enum json_token token,
		     void *member)
{
	return read_elements(rd, token, sizeof(int64_t), read_i64, member);
}

static int read_u32s(struct json_reader *rd, const struct json_field *f, enum json_token token,
		     void *member)
{
	return read_elements(rd, token, sizeof(uint32_t), read_u32, member);
}

/*
 * The next key of an open object and the first token of its value. 1, 0 at the object's end, -errno.
 * Keys whose value is null are passed over, unless `keeps_null`.
 */
static int next_pair(struct json_reader *rd, bool keeps_null, const char **ret_key,
		     enum json_token *ret_token)
{
	for (;;) {
		enum json_token token = json_pull(rd);

		if (token == JSON_T_ERROR)
			return rd->r;
		if (token == JSON_T_OBJECT_END)
			return 0;
		/* Before the value, which overwrites `text`. */
		*ret_key = json_store(rd);
		if (!*ret_key)
			return rd->r;
		token = *ret_token = json_pull(rd);
		if (token == JSON_T_ERROR)
			return rd->r;
		if (token != JSON_T_NULL || keeps_null)
			return 1;
	}
}

static int read_map(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *member)
{
	struct growing g = { .size = sizeof(struct json_pair) };
	struct json_pair *pair;
	const char *key;
	int r;

	if (token != JSON_T_OBJECT)
		return wrong_kind(rd, "an object", token);
	while ((r = next_pair(rd, false, &key, &token)) > 0) {
		pair = growing_add(rd, &g);
		if (!pair)
			return rd->r;
		pair->key = key;
		r = read_str(rd, NULL, token, &pair->value);
		if (r)
			return r;
	}
	growing_give(&g, member);
	return r;
}

static int read_set(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *member)
{
	struct growing g = { .size = sizeof(const char *) };
	const char *key, **v;
	int r;

	if (token != JSON_T_OBJECT)
		return wrong_kind(rd, "an object", token);
	while ((r = next_pair(rd, true, &key, &token)) > 0) {
		v = growing_add(rd, &g);
		if (!v)
			return rd->r;
		*v = key;
		if (token == JSON_T_OBJECT)
			r = json_skip_rest(rd);
		else if (token != JSON_T_NULL)
			r = wrong_kind(rd, "an object", token);
		if (r < 0)
			return r;
	}
	growing_give(&g, member);
	return r;
}

static int read_obj(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *member)
{
	void *obj;
	int r;

	if (token != JSON_T_OBJECT)
		return wrong_kind(rd, "an object", token);
	obj = arena_alloc(rd->arena, f->sub->size);
	if (!obj)
		return json_no_memory(rd);
	r = read_object(rd, f->sub, obj);
	if (r == 0)
		*(void **)member = obj;
	return r;
}

static int read_objs(struct json_reader *rd, const struct json_field *f, enum json_token token,
		     void *member)
{
	struct growing g = { .size = f->sub->size };
	void *obj;
	int r;

	if (token != JSON_T_ARRAY)
		return wrong_kind(rd, "an array", token);
	while ((token = json_pull(rd)) != JSON_T_ARRAY_END) {
		if (token != JSON_T_OBJECT)
			return wrong_kind(rd, "an object", token);
		obj = growing_add(rd, &g);
		if (!obj)
			return rd->r;
		r = read_object(rd, f->sub, obj);
		if (r)
			return r;
	}
	growing_give(&g, member);
	return 0;
}

static int read_map_objs(struct json_reader *rd, const struct json_field *f, enum json_token token,
			 void *member)
{
	struct growing g = { .size = f->sub->size };
	const char *key;
	void *obj;
	int r;

	if (token != JSON_T_OBJECT)
		return wrong_kind(rd, "an object", token);
	while ((r = next_pair(rd, false, &key, &token)) > 0) {
		if (token != JSON_T_OBJECT)
			return wrong_kind(rd, "an object", token);
		obj = growing_add(rd, &g);
		if (!obj)
			return rd->r;
		*(const char **)obj = key;
		r = read_object(rd, f->sub, obj);
		if (r)
			return r;
	}
	growing_give(&g, member);
	return r;
}

static read_fn *const kind_readers[] = {
	[JSON_BOOL] = read_bool,	 [JSON_I32] = read_i32,	  [JSON_U32] = read_u32,
	[JSON_I64] = read_i64,		 [JSON_U64] = read_u64,	  [JSON_F64] = read_f64,
	[JSON_STR] = read_str,		 [JSON_RAW] = read_raw,	  [JSON_STRS] = read_strs,
	[JSON_I64S] = read_i64s,	 [JSON_U32S] = read_u32s, [JSON_MAP] = read_map,
	[JSON_OBJ] = read_obj,		 [JSON_OBJS] = read_objs, [JSON_SET] = read_set,
	[JSON_MAP_OBJS] = read_map_objs,
};

/* Objects */

static bool key_is(const struct json_field *f, const char *key, size_t len)
{
	if (f->flags & JSON_FOLD)
		return strncasecmp(f->key, key, len) == 0 && f->key[len] == '\0';
	/* Most keys differ at once; an empty one is a prefix of all. */
	if (len && f->key[0] != key[0])
		return false;
	return strncmp(f->key, key, len) == 0 && f->key[len] == '\0';
}

/* The row of a key, or t->n. `hint` is where it stands when keys come in the table's order. */
static size_t find_row(const struct json_table *t, const char *key, size_t len, size_t hint)
{
	for (size_t i = hint; i < t->n; i++)
		if (key_is(&t->fields[i], key, len))
			return i;
	for (size_t i = 0; i < hint && i < t->n; i++)
		if (key_is(&t->fields[i], key, len))
			return i;
	return t->n;
}

static int read_row(struct json_reader *rd, const struct json_field *f, enum json_token token,
		    void *obj)
{
	int r = kind_readers[f->kind](rd, f, token, (char *)obj + f->offset);

	if (r == 0 && f->flags & JSON_HAS)
		*((bool *)((char *)obj + f->has)) = true;
	return r;
}

static int check_required(struct json_reader *rd, const struct json_table *t, const uint64_t *seen)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->fields[i].flags & JSON_REQUIRED && !(seen[i / 64] >> (i % 64) & 1))
			return json_fail(rd, -EBADMSG, "%s%skey '%s' is missing",
					 rd->depth ? "" : t->name, rd->depth ? "" : ": ",
					 t->fields[i].key);
	return 0;
}

/* Reads up to the closing brace; the opening one is read already. */
static int read_object(struct json_reader *rd, const struct json_table *t, void *obj)
{
	uint64_t seen[JSON_FIELDS_MAX / 64] = { 0 };
	size_t row, hint = 0;
	enum json_token token;
	int r = 0;

	ASSERT(t->n <= JSON_FIELDS_MAX);
	while ((token = json_pull(rd)) != JSON_T_OBJECT_END) {
		if (token == JSON_T_ERROR)
			return rd->r;
		row = find_row(t, rd->text, rd->len, hint);
		/* The same row by another case of its letters. */
		if (row < t->n && seen[row / 64] >> (row % 64) & 1)
			return json_fail(rd, -EBADMSG, "duplicate key");
		token = json_pull(rd);
		if (token == JSON_T_ERROR)
			return rd->r;
		if (row < t->n && token != JSON_T_NULL) {
			r = read_row(rd, &t->fields[row], token, obj);
			seen[row / 64] |= (uint64_t)1 << (row % 64);
			hint = row + 1;
		} else if (token == JSON_T_OBJECT || token == JSON_T_ARRAY) {
			r = json_skip_rest(rd);
		}
		if (r)
			return r;
	}
	return check_required(rd, t, seen);
}

static int read_end(struct json_reader *rd)
{
	return json_pull(rd) == JSON_T_END ? 0 : rd->r;
}

static int wrong_top(struct json_reader *rd, const char *name, const char *wanted,
		     enum json_token token)
{
	if (token == JSON_T_ERROR)
		return rd->r;
	return json_fail(rd, -EBADMSG, "%s: %s expected, %s found", name, wanted,
			 token_names[token]);
}

int json_read(const struct json_table *t, const char *text, size_t len,
	      const struct json_limits *lim, struct arena *a, void *ret, struct err *e)
{
	struct json_reader rd;
	enum json_token token;
	int r;

	memset(ret, 0, t->size);
	json_reader_init(&rd, text, len, lim, a, e);
	token = json_pull(&rd);
	if (token != JSON_T_OBJECT)
		return wrong_top(&rd, t->name, "an object", token);
	r = read_object(&rd, t, ret);
	if (r == 0)
		r = read_end(&rd);
	if (r)
		memset(ret, 0, t->size);
	return r;
}

int json_read_array(const struct json_table *t, const char *text, size_t len,
		    const struct json_limits *lim, struct arena *a, struct json_objs *ret,
		    struct err *e)
{
	const struct json_field f = { .key = "", .kind = JSON_OBJS, .sub = t };
	struct json_objs objs = { 0 };
	struct json_reader rd;
	enum json_token token;
	int r;

	json_reader_init(&rd, text, len, lim, a, e);
	token = json_pull(&rd);
	if (token != JSON_T_ARRAY)
		return wrong_top(&rd, t->name, "an array", token);
	r = read_objs(&rd, &f, token, &objs);
	if (r == 0)
		r = read_end(&rd);
	if (r == 0)
		*ret = objs;
	return r;
}

int json_read_map(const char *text, size_t len, const struct json_limits *lim, struct arena *a,
		  struct json_map *ret, struct err *e)
{
	struct json_map map = { 0 };
	struct json_reader rd;
	enum json_token token;
	int r;

	json_reader_init(&rd, text, len, lim, a, e);
	token = json_pull(&rd);
	if (token != JSON_T_OBJECT)
		return wrong_top(&rd, "map", "an object", token);
	r = read_map(&rd, NULL, token, &map);
	if (r == 0)
		r = read_end(&rd);
	if (r == 0)
		*ret = map;
	return r;
}

int json_check(const char *text, size_t len, const struct json_limits *lim, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_reader rd;
	enum json_token token;

	json_reader_init(&rd, text, len, lim, &a, e);
	do
		token = json_pull(&rd);
	while (token != JSON_T_END && token != JSON_T_ERROR);
	return token == JSON_T_END ? 0 : rd.r;
}
