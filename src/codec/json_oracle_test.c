/*
 * json-c as the oracle: what the pull reader accepts, json-c accepts, with the same values in the same
 * places. The other direction does not hold on purpose: json-c takes duplicate keys, comments, NaN,
 * unquoted tails and wrong UTF-8 (json_pull_test lists what is refused here).
 */
/* By their own names: codec/json.h must not be taken for json-c's. */
#include <json_object.h>
#include <json_tokener.h>

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"
#include "codec/json.h"

#define ROUNDS 200000

static uint64_t seed;

/* xorshift64*: the same inputs in every run. */
static uint32_t random_below(uint32_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * 0x2545f4914f6cdd1du) >> 33) % n;
}

static const char *const words[] = {
	"{",
	"}",
	"[",
	"]",
	",",
	":",
	"\"a\"",
	"\"b\"",
	"\"\\u00e9\"",
	"\"\\ud83d\\ude00\"",
	"\"\\n\\\\\"",
	"\"\xc3\xa9\"",
	"0",
	"-1",
	"1.5",
	"1e3",
	"-0.0",
	"9223372036854775807",
	"18446744073709551615",
	"-9223372036854775808",
	"true",
	"false",
	"null",
	" ",
	"\n",
	"\"\"",
	"{}",
	"[]",
};

static bool same_value(struct json_reader *rd, enum json_token token, struct json_object *o);

static bool same_object(struct json_reader *rd, struct json_object *o)
{
	enum json_token token;
	int n = 0;

	if (!json_object_is_type(o, json_type_object))
		return false;
	while ((token = json_next(rd)) == JSON_T_KEY) {
		struct json_object *member;

		if (!json_object_object_get_ex(o, rd->text, &member) ||
		    !same_value(rd, json_next(rd), member))
			return false;
		n++;
	}
	return token == JSON_T_OBJECT_END && n == json_object_object_length(o);
}

static bool same_array(struct json_reader *rd, struct json_object *o)
{
	enum json_token token;
	size_t n = 0;

	if (!json_object_is_type(o, json_type_array))
		return false;
	while ((token = json_next(rd)) != JSON_T_ARRAY_END) {
		if (n >= json_object_array_length(o) ||
		    !same_value(rd, token, json_object_array_get_idx(o, n)))
			return false;
		n++;
	}
	return n == json_object_array_length(o);
}

static bool same_number(const struct json_reader *rd, struct json_object *o)
{
	char *text = strndup(rd->text, rd->len);
	bool is_integer = strcspn(text, ".eE") == rd->len, is_same;
	int64_t i;
	uint64_t u;

	if (is_integer && str_to_i64(text, INT64_MIN, INT64_MAX, &i) == 0)
		is_same = json_object_is_type(o, json_type_int) && json_object_get_int64(o) == i;
	else if (is_integer && str_to_u64(text, UINT64_MAX, &u) == 0)
		is_same = json_object_is_type(o, json_type_int) && json_object_get_uint64(o) == u;
	else
		/* json-c holds larger integers as the nearest it has. */
		is_same = is_integer || json_object_get_double(o) == strtod(text, NULL);
	free(text);
	return is_same;
}

static bool same_value(struct json_reader *rd, enum json_token token, struct json_object *o)
{
	switch (token) {
	case JSON_T_OBJECT:
		return same_object(rd, o);
	case JSON_T_ARRAY:
		return same_array(rd, o);
	case JSON_T_STRING:
		return json_object_is_type(o, json_type_string) &&
		       json_object_get_string_len(o) == (int)rd->len &&
		       memcmp(json_object_get_string(o), rd->text, rd->len) == 0;
	case JSON_T_NUMBER:
		return same_number(rd, o);
	case JSON_T_TRUE:
	case JSON_T_FALSE:
		return json_object_is_type(o, json_type_boolean) &&
		       json_object_get_boolean(o) == (token == JSON_T_TRUE);
	case JSON_T_NULL:
		return o == NULL;
	default:
		return false;
	}
}

/* 1: both accept and agree; 0: we refuse; -1: a difference. */
static int compare(const char *text, size_t len)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_tokener *tok;
	struct json_object *o;
	struct json_reader rd;
	bool is_same;

	if (json_check(text, len, NULL, NULL))
		return 0;
	tok = json_tokener_new_ex(LIMIT_JSON_DEPTH + 2);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	/* With its NUL, so that a number at the end is finished. */
	o = json_tokener_parse_ex(tok, text, (int)len + 1);
	json_reader_init(&rd, text, len, NULL, &a, NULL);
	is_same = json_tokener_get_error(tok) == json_tokener_success &&
		  same_value(&rd, json_next(&rd), o) && json_next(&rd) == JSON_T_END;
	json_object_put(o);
	json_tokener_free(tok);
	return is_same ? 1 : -1;
}

static void put_value(struct strbuf *b, int depth)
{
	uint32_t kind = random_below(depth > 4 ? 2 : 4);

	if (kind < 2) {
		strbuf_adds(b, words[6 + random_below(17)]);
		return;
	}
	strbuf_addc(b, kind == 2 ? '[' : '{');
	for (uint32_t i = 0, n = random_below(4); i < n; i++) {
		strbuf_adds(b, i ? ", " : "");
		if (kind == 3)
			strbuf_addf(b, "\"k%u\\t\": ", i);
		put_value(b, depth + 1);
	}
	strbuf_addc(b, kind == 2 ? ']' : '}');
}

/* Changes, drops or adds a few bytes or words. */
static void mutate(struct strbuf *b)
{
	for (uint32_t i = random_below(3); i > 0 && b->len; i--) {
		const char *word = words[random_below(ARRAY_LEN(words))];
		uint32_t at = random_below((uint32_t)b->len);
		char *tail = strdup(b->p + at);

		b->len = at;
		strbuf_adds(b, word);
		strbuf_adds(b, tail + (random_below(2) ? MIN(strlen(tail), strlen(word)) : 0));
		free(tail);
	}
}

TEST(what_we_accept_json_c_accepts_with_the_same_values)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	int accepted = 0, refused = 0;

	seed = 88172645463325252u;
	for (int i = 0; i < ROUNDS; i++) {
		int r;

		strbuf_reset(&b);
		put_value(&b, 0);
		mutate(&b);
		r = compare(b.p, b.len);
		if (r < 0)
			TEST_END(TEST_FAILED, "a difference: %.900s", b.p);
		accepted += r;
		refused += !r;
	}
	/* The inputs are good for something: both answers are frequent. */
	CHECK(accepted > ROUNDS / 10 && refused > ROUNDS / 10);
}

TEST_MAIN()
