/*
 * The pull reader: bytes to tokens, strictly RFC 8259.
 *
 * Strings (json_string.c) are validated where they lie and copied only when somebody wants them. Keys
 * of open objects stand on one stack, which serves twice: it is the path in error texts, and together
 * with a hash table it finds duplicate keys. Objects close in the reverse order of their opening, so
 * entries leave the linear-probing table in the reverse order of their insertion and no tombstones are
 * needed.
 */
#include "codec/json_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "base/rand.h"

enum reader_state {
	AT_VALUE,	/* a value must come */
	AT_FIRST_KEY,	/* behind '{' */
	AT_FIRST_VALUE, /* behind '[' */
	AT_COLON,	/* behind a key */
	AT_COMMA,	/* behind a value inside an array or object */
	AT_END,		/* behind the whole */
	AT_ERROR,
};

#define PATH_MAX_TEXT 240
#define PATH_KEY_MAX 64

void json_reader_init(struct json_reader *rd, const char *text, size_t len,
		      const struct json_limits *lim, struct arena *a, struct err *e)
{
	/* The inline keys need no zeroing, and are most of the struct. */
	memset(rd, 0, offsetof(struct json_reader, keys_inline));
	memset(rd->slots_inline, 0, sizeof(rd->slots_inline));
	if (!text)
		text = "";
	rd->start = rd->p = rd->at = text;
	rd->end = text + len;
	rd->arena = a;
	rd->e = e;
	if (lim)
		rd->lim = *lim;
	if (!rd->lim.bytes)
		rd->lim.bytes = LIMIT_SPEC_BYTES;
	if (!rd->lim.depth || rd->lim.depth > LIMIT_JSON_DEPTH)
		rd->lim.depth = LIMIT_JSON_DEPTH;
	if (!rd->lim.nodes)
		rd->lim.nodes = LIMIT_JSON_NODES;
	rd->lim.bytes = MIN(rd->lim.bytes, (size_t)INT32_MAX);
	rd->lim.nodes = MIN(rd->lim.nodes, (size_t)INT32_MAX / 4);
	rd->keys = rd->keys_inline;
	rd->keys_cap = JSON_KEYS_INLINE;
	rd->slots = rd->slots_inline;
	rd->slots_cap = ARRAY_LEN(rd->slots_inline);
	if (len > rd->lim.bytes)
		json_fail(rd, -E2BIG, "the text has %zu bytes, the limit is %zu", len,
			  rd->lim.bytes);
}

/* Errors */

static void path_add_key(char *buf, size_t *fill, const struct json_key *k)
{
	size_t len = MIN(k->len, (uint32_t)PATH_KEY_MAX), n = *fill;

	/* Never cut inside a character. */
	while (len < k->len && len > 0 && ((unsigned char)k->p[len] & 0xc0) == 0x80)
		len--;
	if (n + len + 8 > PATH_MAX_TEXT)
		return;
	if (n)
		buf[n++] = '.';
	for (size_t i = 0; i < len; i++)
		buf[n++] = (unsigned char)k->p[i] < 0x20 || k->p[i] == 0x7f ? '?' : k->p[i];
	if (len < k->len) {
		memcpy(buf + n, "...", 3);
		n += 3;
	}
	*fill = n;
}

/* "process.rlimits[2].soft", or "" at the top. */
static void path_of(const struct json_reader *rd, char buf[PATH_MAX_TEXT])
{
	size_t n = 0;

	for (size_t d = 0; d < rd->depth; d++) {
		uint32_t top = rd->keys_len;

		if (rd->is_array[d]) {
			if (rd->level[d] && n + 14 < PATH_MAX_TEXT)
				n += (size_t)snprintf(buf + n, PATH_MAX_TEXT - n, "[%u]",
						      rd->level[d] - 1);
			continue;
		}
		for (size_t i = d + 1; i < rd->depth; i++) {
			if (!rd->is_array[i]) {
				top = rd->level[i];
				break;
			}
		}
		if (top > rd->level[d])
			path_add_key(buf, &n, &rd->keys[top - 1]);
	}
	buf[n] = '\0';
}

static void fail_va(struct json_reader *rd, int r, const char *fmt, va_list ap)
{
	char words[ERR_MSG_MAX], path[PATH_MAX_TEXT];
	size_t line = 1;

	if (rd->state == AT_ERROR)
		return;
	rd->state = AT_ERROR;
	rd->r = r;
	if (!rd->e)
		return;
	vsnprintf(words, sizeof(words), fmt, ap);
	path_of(rd, path);
	for (const char *p = rd->start; p && p < rd->at; p++)
		line += *p == '\n';
	err_set(rd->e, r, "line %zu: %s%s%s", line, path, *path ? ": " : "", words);
}

int json_fail(struct json_reader *rd, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_va(rd, r, fmt, ap);
	va_end(ap);
	return r;
}

enum json_token json_bad(struct json_reader *rd, const char *at, const char *fmt, ...)
{
	va_list ap;

	rd->at = at;
	va_start(ap, fmt);
	fail_va(rd, -EBADMSG, fmt, ap);
	va_end(ap);
	return JSON_T_ERROR;
}

__attribute__((cold)) static enum json_token bad_char(struct json_reader *rd, const char *wanted)
{
	unsigned char c;

	if (rd->p >= rd->end)
		return json_bad(rd, rd->end, "the text ends too early, %s expected", wanted);
	c = (unsigned char)*rd->p;
	if (c > 0x20 && c < 0x7f)
		return json_bad(rd, rd->p, "unexpected character '%c', %s expected", c, wanted);
	return json_bad(rd, rd->p, "unexpected byte 0x%02x, %s expected", c, wanted);
}

int json_no_memory(struct json_reader *rd)
{
	return json_fail(rd, -ENOMEM, "the text needs more memory than is allowed for it");
}

/* Duplicate keys */

/* Up to eight bytes as a number, without a call: two loads that may overlap, or three bytes. */
static inline uint64_t load_tail(const char *p, size_t n)
{
	uint32_t low, high;

	if (n >= 4) {
		memcpy(&low, p, 4);
		memcpy(&high, p + n - 4, 4);
		return low | (uint64_t)high << 32;
	}
	if (n == 0)
		return 0;
	return (unsigned char)p[0] | (unsigned char)p[n / 2] << 8 | (unsigned char)p[n - 1] << 16;
}

__extension__ typedef unsigned __int128 wide_t;

static inline uint64_t fold_mul(uint64_t a, uint64_t b)
{
	wide_t m = (wide_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* The seed is 0 while the table is so small that collisions do not matter. */
static uint32_t key_hash(const struct json_reader *rd, const char *p, size_t len, size_t depth)
{
	uint64_t mul = rd->seed ^ 0x9e3779b97f4a7c15u, h = len * 64 + depth;

	for (; len > 8; p += 8, len -= 8)
		h = fold_mul(h ^ json_load8(p), mul);
	h = fold_mul(h ^ load_tail(p, len), mul);
	return (uint32_t)(h ^ (h >> 32));
}

static void slot_set(struct json_reader *rd, uint32_t place)
{
	uint32_t mask = rd->slots_cap - 1, i = rd->keys[place].hash & mask;

	while (rd->slots[i])
		i = (i + 1) & mask;
	rd->slots[i] = place + 1;
	rd->keys[place].slot = i;
}

static int keys_grow(struct json_reader *rd)
{
	uint32_t cap = rd->keys_cap * 2;
	struct json_key *keys = arena_calloc(rd->arena, cap, sizeof(*keys));
	uint32_t *slots = arena_calloc(rd->arena, (size_t)cap * 2, sizeof(*slots));
	size_t depth = 0;

	if (!keys || !slots)
		return -ENOMEM;
	memcpy(keys, rd->keys, rd->keys_len * sizeof(*keys));
	rd->keys = keys;
	rd->keys_cap = cap;
	rd->slots = slots;
	rd->slots_cap = cap * 2;
	if (!rd->seed)
		rd->seed = rand_u64() & ~(uint64_t)1;
	for (uint32_t i = 0; i < rd->keys_len; i++) {
		/* The deepest object whose keys begin at or before this one. */
		for (size_t d = depth; d < rd->depth; d++)
			if (!rd->is_array[d] && rd->level[d] <= i)
				depth = d;
		keys[i].hash = key_hash(rd, keys[i].p, keys[i].len, depth + 1);
		slot_set(rd, i);
	}
	return 0;
}

/* Puts the last token's key on the stack. `p` is decoded and lives as long as the text or the arena. */
static enum json_token key_push(struct json_reader *rd, const char *p, size_t len)
{
	uint32_t base = rd->level[rd->depth - 1], hash, mask, i;
	bool is_twice = false;
	struct json_key *k;

	if (rd->keys_len == rd->keys_cap && keys_grow(rd)) {
		json_no_memory(rd);
		return JSON_T_ERROR;
	}
	hash = key_hash(rd, p, len, rd->depth);
	mask = rd->slots_cap - 1;
	for (i = hash & mask; rd->slots[i]; i = (i + 1) & mask) {
		k = &rd->keys[rd->slots[i] - 1];
		if (k->hash == hash && rd->slots[i] > base && k->len == len &&
		    memcmp(k->p, p, len) == 0)
			is_twice = true;
	}
	rd->keys[rd->keys_len] =
		(struct json_key){ .p = p, .len = (uint32_t)len, .hash = hash, .slot = i };
	rd->slots[i] = ++rd->keys_len;
	if (is_twice)
		return json_bad(rd, rd->at, "duplicate key");
	return JSON_T_KEY;
}

static void keys_pop(struct json_reader *rd, uint32_t base)
{
	while (rd->keys_len > base)
		rd->slots[rd->keys[--rd->keys_len].slot] = 0;
}

/* Tokens */

static inline bool is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static enum json_token scan_number(struct json_reader *rd)
{
	const char *p = rd->p, *end = rd->end;

	p += *p == '-';
	if (!is_digit(p, end))
		goto wrong;
	if (*p == '0') {
		p++;
		if (is_digit(p, end))
			goto wrong;
	}
	while (is_digit(p, end))
		p++;
	if (p < end && *p == '.') {
		if (!is_digit(++p, end))
			goto wrong;
		while (is_digit(p, end))
			p++;
	}
	if (p < end && (*p | 0x20) == 'e') {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		if (!is_digit(p, end))
			goto wrong;
		while (is_digit(p, end))
			p++;
	}
	rd->text = rd->p;
	rd->len = (size_t)(p - rd->p);
	rd->p = p;
	return JSON_T_NUMBER;
wrong:
	return json_bad(rd, rd->p, "wrong number");
}

static enum json_token scan_word(struct json_reader *rd, const char *word, enum json_token token)
{
	size_t n = strlen(word);

	if ((size_t)(rd->end - rd->p) < n || memcmp(rd->p, word, n) != 0)
		return bad_char(rd, "a value");
	rd->p += n;
	return token;
}

static enum json_token open_level(struct json_reader *rd, bool is_array)
{
	if (rd->depth >= rd->lim.depth) {
		json_fail(rd, -E2BIG, "nested deeper than %zu levels", rd->lim.depth);
		return JSON_T_ERROR;
	}
	rd->is_array[rd->depth] = is_array;
	rd->level[rd->depth] = is_array ? 0 : rd->keys_len;
	rd->depth++;
	rd->p++;
	rd->state = is_array ? AT_FIRST_VALUE : AT_FIRST_KEY;
	return is_array ? JSON_T_ARRAY : JSON_T_OBJECT;
}

static inline void behind_value(struct json_reader *rd)
{
	rd->state = rd->depth ? AT_COMMA : AT_END;
}

static enum json_token close_level(struct json_reader *rd)
{
	bool is_array = rd->is_array[--rd->depth];

	rd->at = rd->p++;
	if (!is_array)
		keys_pop(rd, rd->level[rd->depth]);
	behind_value(rd);
	return is_array ? JSON_T_ARRAY_END : JSON_T_OBJECT_END;
}

static enum json_token scan_scalar(struct json_reader *rd)
{
	switch (*rd->p) {
	case '"':
		return json_scan_string(rd) ? JSON_T_STRING : JSON_T_ERROR;
	case 't':
		return scan_word(rd, "true", JSON_T_TRUE);
	case 'f':
		return scan_word(rd, "false", JSON_T_FALSE);
	case 'n':
		return scan_word(rd, "null", JSON_T_NULL);
	default:
		if (*rd->p == '-' || is_digit(rd->p, rd->end))
			return scan_number(rd);
		return bad_char(rd, "a value");
	}
}

static enum json_token pull_value(struct json_reader *rd)
{
	enum json_token token;

	if (rd->depth && rd->is_array[rd->depth - 1])
		rd->level[rd->depth - 1]++;
	if (rd->p >= rd->end)
		return bad_char(rd, "a value");
	rd->at = rd->p;
	if (++rd->nodes > rd->lim.nodes) {
		json_fail(rd, -E2BIG, "more than %zu values", rd->lim.nodes);
		return JSON_T_ERROR;
	}
	if (*rd->p == '{' || *rd->p == '[')
		return open_level(rd, *rd->p == '[');
	token = scan_scalar(rd);
	if (token != JSON_T_ERROR)
		behind_value(rd);
	return token;
}

static enum json_token pull_key(struct json_reader *rd)
{
	if (rd->p >= rd->end || *rd->p != '"')
		return bad_char(rd, "a key");
	if (!json_scan_string(rd))
		return JSON_T_ERROR;
	rd->state = AT_COLON;
	if (rd->is_escaped && !json_store(rd))
		return JSON_T_ERROR;
	return key_push(rd, rd->text, rd->len);
}

static inline void skip_space(struct json_reader *rd)
{
	const char *p = rd->p;

	while (p < rd->end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	rd->p = p;
}

static enum json_token pull_behind_value(struct json_reader *rd)
{
	bool is_array = rd->is_array[rd->depth - 1];

	if (rd->p < rd->end && *rd->p == (is_array ? ']' : '}'))
		return close_level(rd);
	if (rd->p >= rd->end || *rd->p != ',')
		return bad_char(rd, is_array ? "',' or ']'" : "',' or '}'");
	rd->p++;
	skip_space(rd);
	return is_array ? pull_value(rd) : pull_key(rd);
}

enum json_token json_pull(struct json_reader *rd)
{
	if (rd->state == AT_ERROR)
		return JSON_T_ERROR;
	skip_space(rd);
	switch ((enum reader_state)rd->state) {
	case AT_VALUE:
		return pull_value(rd);
	case AT_FIRST_KEY:
		return rd->p < rd->end && *rd->p == '}' ? close_level(rd) : pull_key(rd);
	case AT_FIRST_VALUE:
		return rd->p < rd->end && *rd->p == ']' ? close_level(rd) : pull_value(rd);
	case AT_COLON:
		if (rd->p >= rd->end || *rd->p != ':')
			return bad_char(rd, "':'");
		rd->p++;
		skip_space(rd);
		return pull_value(rd);
	case AT_COMMA:
		return pull_behind_value(rd);
	case AT_END:
		return rd->p == rd->end ? JSON_T_END : bad_char(rd, "the end");
	case AT_ERROR:
		break;
	}
	return JSON_T_ERROR;
}

enum json_token json_next(struct json_reader *rd)
{
	enum json_token token = json_pull(rd);

	if ((token == JSON_T_STRING || token == JSON_T_KEY) && !json_store(rd))
		return JSON_T_ERROR;
	return token;
}

int json_skip_rest(struct json_reader *rd)
{
	size_t depth = rd->depth - 1;

	while (rd->depth > depth)
		if (json_pull(rd) == JSON_T_ERROR)
			return rd->r;
	return 0;
}

int json_skip(struct json_reader *rd, struct json_raw *ret)
{
	enum json_token token = json_pull(rd);
	const char *from;
	int r = 0;

	if (token == JSON_T_KEY)
		token = json_pull(rd);
	from = rd->at;
	if (token == JSON_T_OBJECT || token == JSON_T_ARRAY)
		r = json_skip_rest(rd);
	else if (token == JSON_T_END || token == JSON_T_OBJECT_END || token == JSON_T_ARRAY_END)
		r = json_fail(rd, -EBADMSG, "a value is missing");
	else if (token == JSON_T_ERROR)
		r = rd->r;
	if (r == 0 && ret)
		*ret = (struct json_raw){ .p = from, .len = (size_t)(rd->p - from) };
	return r;
}
