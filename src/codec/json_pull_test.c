#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "base/test.h"
#include "codec/json.h"

static int check(const char *text, struct err *e)
{
	return json_check(text, strlen(text), NULL, e);
}

TEST(valid_texts_are_accepted)
{
	static const char *const rows[] = {
		"{}",
		"[]",
		" \t\r\n null \n",
		"0",
		"-0",
		"-0.5e+10",
		"1E5",
		"true",
		"false",
		"\"\"",
		"[[],{}]",
		"{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}]}",
		"\"\x7f\"",
		"\"\\ud83d\\ude00\"",
		"\"\xf0\x9f\x98\x80\"",
		"{\"\":0}",
		"\"\\u0001\"",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;

		CHECK_EQ(check(rows[i], &e), 0);
	}
}

/* What other readers let through is among these: the list of what is refused on purpose. */
TEST(wrong_texts_are_refused_with_line_path_and_words)
{
	static const char *const rows[][2] = {
		{ "", "line 1: the text ends too early, a value expected" },
		{ "{", "line 1: the text ends too early, a key expected" },
		{ "[1,\n]", "line 2: [1]: unexpected character ']', a value expected" },
		{ "{\"a\":1,}", "line 1: a: unexpected character '}', a key expected" },
		{ "{\"a\" 1}", "line 1: a: unexpected character '1', ':' expected" },
		{ "{a:1}", "line 1: unexpected character 'a', a key expected" },
		{ "{'a':1}", "line 1: unexpected character ''', a key expected" },
		{ "[1 2]", "line 1: [0]: unexpected character '2', ',' or ']' expected" },
		{ "[1}", "line 1: [0]: unexpected character '}', ',' or ']' expected" },
		{ "1 2", "line 1: unexpected character '2', the end expected" },
		{ "{}\n\n//x", "line 3: unexpected character '/', the end expected" },
		{ "/*x*/1", "line 1: unexpected character '/', a value expected" },
		{ "\xef\xbb\xbf{}", "line 1: unexpected byte 0xef, a value expected" },
		{ "01", "line 1: wrong number" },
		{ "-", "line 1: wrong number" },
		{ "1.", "line 1: wrong number" },
		{ "1e", "line 1: wrong number" },
		{ ".5", "line 1: unexpected character '.', a value expected" },
		{ "+1", "line 1: unexpected character '+', a value expected" },
		{ "0x10", "line 1: unexpected character 'x', the end expected" },
		{ "NaN", "line 1: unexpected character 'N', a value expected" },
		{ "Infinity", "line 1: unexpected character 'I', a value expected" },
		{ "nul", "line 1: unexpected character 'n', a value expected" },
		{ "True", "line 1: unexpected character 'T', a value expected" },
		{ "truex", "line 1: unexpected character 'x', the end expected" },
		{ "\"a", "line 1: the text ends inside a string" },
		{ "\"a\\", "line 1: the text ends inside a string" },
		{ "\"\\x\"", "line 1: wrong escape in a string" },
		{ "\"\\u12g4\"", "line 1: \\u needs four hex digits" },
		{ "\"\\u12", "line 1: \\u needs four hex digits" },
		{ "\"a\tb\"", "line 1: a string contains a control character" },
		{ "\"\\u0000\"", "line 1: a string contains a NUL character" },
		{ "\"\\ud800\"", "line 1: a string contains half of a surrogate pair" },
		{ "\"\\udc00\\ud800\"", "line 1: a string contains half of a surrogate pair" },
		{ "\"\\ud800\\u0041\"", "line 1: a string contains half of a surrogate pair" },
		{ "\"\xc0\xaf\"", "line 1: a string is not valid UTF-8" },
		{ "\"\xed\xa0\x80\"", "line 1: a string is not valid UTF-8" },
		{ "\"\xf4\x90\x80\x80\"", "line 1: a string is not valid UTF-8" },
		{ "\"\x80\"", "line 1: a string is not valid UTF-8" },
		{ "\"\xe2\x82\"", "line 1: a string is not valid UTF-8" },
		{ "{\"a\":1,\n\"a\":2}", "line 2: a: duplicate key" },
		{ "{\"a\":1,\"\\u0061\":2}", "line 1: a: duplicate key" },
		{ "{\"x\":[0,{\"y\":[[7,tru]]}]}",
		  "line 1: x[1].y[0][1]: unexpected character 't', a value expected" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;

		CHECK_EQ(check(rows[i][0], &e), -EBADMSG);
		CHECK_STR(e.msg, rows[i][1]);
		CHECK_EQ(check(rows[i][0], NULL), -EBADMSG);
	}
	CHECK_EQ(json_check("\"a\0b\"", 5, NULL, NULL), -EBADMSG);
	CHECK_EQ(json_check(NULL, 0, NULL, NULL), -EBADMSG);
}

TEST(hostile_keys_cannot_garble_the_error)
{
	struct err e = ERR_INIT;

	CHECK_EQ(check("{\"a\\n\\u001b[2J"
		       "012345678901234567890123456789012345678901234567890123456789"
		       "\":x}",
		       &e),
		 -EBADMSG);
	CHECK(!strchr(e.msg, '\n') && !strchr(e.msg, '\x1b'));
	CHECK(strstr(e.msg, "...: unexpected character 'x'"));
}

TEST(limits_are_e2big)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	struct json_limits lim = { 0 };
	struct err e = ERR_INIT;

	for (int i = 0; i < LIMIT_JSON_DEPTH; i++)
		strbuf_addc(&b, '[');
	for (int i = 0; i < LIMIT_JSON_DEPTH; i++)
		strbuf_addc(&b, ']');
	CHECK_EQ(json_check(b.p, b.len, NULL, &e), 0);
	strbuf_reset(&b);
	for (int i = 0; i < 1000000; i++)
		strbuf_adds(&b, i % 2 ? "[" : "{\"a\":");
	CHECK_EQ(json_check(b.p, b.len, NULL, &e), -E2BIG);
	CHECK(strstr(e.msg, "nested deeper than 64 levels"));
	lim.depth = 3;
	CHECK_EQ(json_check("[[[]]]", 6, &lim, NULL), 0);
	CHECK_EQ(json_check("[[[[]]]]", 8, &lim, NULL), -E2BIG);
	/* More than the reader's stack is no way to more. */
	lim.depth = 1000000;
	CHECK_EQ(json_check(b.p, b.len, &lim, NULL), -E2BIG);
	lim = (struct json_limits){ .bytes = 3 };
	CHECK_EQ(json_check("[1]", 3, &lim, NULL), 0);
	CHECK_EQ(json_check("[1] ", 4, &lim, &e), -E2BIG);
	CHECK_STR(e.msg, "line 1: the text has 4 bytes, the limit is 3");
	lim = (struct json_limits){ .nodes = 3 };
	CHECK_EQ(json_check("[1,2]", 5, &lim, NULL), 0);
	CHECK_EQ(json_check("[1,2,3]", 7, &lim, &e), -E2BIG);
}

/* Keys in one object; `twice` of them is the first again, at the end. */
static void many_keys(struct strbuf *b, int n, bool is_twice)
{
	strbuf_reset(b);
	strbuf_addc(b, '{');
	for (int i = 0; i < n; i++)
		strbuf_addf(b, "%s\"key%d\":%d", i ? "," : "", i, i);
	if (is_twice)
		strbuf_adds(b, ",\"key0\":0");
	strbuf_addc(b, '}');
}

TEST(a_hundred_thousand_keys_take_milliseconds)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	struct json_limits lim = { .nodes = 200000 };
	struct err e = ERR_INIT;
	int64_t from;

	many_keys(&b, 100000, false);
	from = clock_mono_ns();
	CHECK_EQ(json_check(b.p, b.len, &lim, &e), 0);
	/* 10 ms measured; the bound holds under sanitizers on a busy machine. */
	CHECK((clock_mono_ns() - from) / NSEC_PER_MSEC < 2000);
	many_keys(&b, 100000, true);
	CHECK_EQ(json_check(b.p, b.len, &lim, &e), -EBADMSG);
	CHECK(strstr(e.msg, "key0: duplicate key"));
}

TEST(duplicates_are_found_at_every_size_and_depth)
{
	AUTO_STRBUF struct strbuf b = { 0 };

	for (int n = 1; n < 200; n++) {
		many_keys(&b, n, false);
		CHECK_EQ(json_check(b.p, b.len, NULL, NULL), 0);
		many_keys(&b, n, true);
		CHECK_EQ(json_check(b.p, b.len, NULL, NULL), -EBADMSG);
	}
	/* The same keys in an inner object are no duplicates, before, while and after the table grows. */
	strbuf_reset(&b);
	strbuf_addc(&b, '{');
	for (int i = 0; i < 300; i++)
		strbuf_addf(&b, "%s\"key%d\":{\"key0\":{\"key%d\":1,\"x\":2},\"key%d\":{}}",
			    i ? "," : "", i, i, i + 1);
	strbuf_adds(&b, ",\"z\":{\"key0\":1}");
	CHECK_EQ(json_check(b.p, b.len, NULL, NULL), -EBADMSG);
	strbuf_addc(&b, '}');
	CHECK_EQ(json_check(b.p, b.len, NULL, NULL), 0);
	b.len--;
	strbuf_adds(&b, ",\"key17\":0}");
	CHECK_EQ(json_check(b.p, b.len, NULL, NULL), -EBADMSG);
}

TEST(tokens_come_in_order_with_their_texts)
{
	static const char text[] =
		"{\"a\": [1.50, \"x\\ny\"], \"\\u00e9\": {\"skip\": [1, 2]}, \"n\": null}";
	AUTO_ARENA struct arena a = { 0 };
	struct err e = ERR_INIT;
	struct json_reader rd;
	struct json_raw raw;

	json_reader_init(&rd, text, strlen(text), NULL, &a, &e);
	CHECK_EQ(json_next(&rd), JSON_T_OBJECT);
	CHECK_EQ(json_next(&rd), JSON_T_KEY);
	CHECK_STR(rd.text, "a");
	CHECK_EQ(json_next(&rd), JSON_T_ARRAY);
	CHECK_EQ(json_next(&rd), JSON_T_NUMBER);
	CHECK(rd.len == 4 && memcmp(rd.text, "1.50", 4) == 0);
	CHECK_EQ(json_next(&rd), JSON_T_STRING);
	CHECK_STR(rd.text, "x\ny");
	CHECK_EQ(json_next(&rd), JSON_T_ARRAY_END);
	CHECK_EQ(json_next(&rd), JSON_T_KEY);
	CHECK_STR(rd.text, "\xc3\xa9");
	CHECK_EQ(json_skip(&rd, &raw), 0);
	CHECK(raw.len == strlen("{\"skip\": [1, 2]}") && memcmp(raw.p, "{\"skip\"", 7) == 0);
	CHECK_EQ(json_skip(&rd, &raw), 0);
	CHECK(raw.len == 4 && memcmp(raw.p, "null", 4) == 0);
	CHECK_EQ(json_next(&rd), JSON_T_OBJECT_END);
	CHECK_EQ(json_next(&rd), JSON_T_END);
	CHECK_EQ(json_next(&rd), JSON_T_END);
	CHECK_EQ(json_skip(&rd, NULL), -EBADMSG);
	CHECK_EQ(json_next(&rd), JSON_T_ERROR);
}

TEST(callers_make_errors_with_the_path)
{
	static const char text[] = "{\"a\":[{\"b\":1}]}";
	AUTO_ARENA struct arena a = { 0 };
	struct err e = ERR_INIT;
	struct json_reader rd;

	json_reader_init(&rd, text, strlen(text), NULL, &a, &e);
	while (json_next(&rd) != JSON_T_NUMBER)
		;
	CHECK_EQ(json_fail(&rd, -EINVAL, "%d is odd", 1), -EINVAL);
	CHECK_STR(e.msg, "line 1: a[0].b: 1 is odd");
	CHECK_EQ(json_next(&rd), JSON_T_ERROR);
	CHECK_EQ(rd.r, -EINVAL);
}

TEST(a_small_budget_is_enomem)
{
	AUTO_ARENA struct arena a = { .budget = 64 };
	static const char text[] =
		"[\"0123456789012345678901234567890123456789\",\"012345678901234567890\"]";
	struct err e = ERR_INIT;
	struct json_reader rd;
	enum json_token token;

	json_reader_init(&rd, text, strlen(text), NULL, &a, &e);
	do
		token = json_next(&rd);
	while (token != JSON_T_ERROR && token != JSON_T_END);
	CHECK_EQ(token, JSON_T_ERROR);
	CHECK_EQ(rd.r, -ENOMEM);
	CHECK_EQ(e.code, ERR_RESOURCE_EXHAUSTED);
}

TEST_MAIN()
