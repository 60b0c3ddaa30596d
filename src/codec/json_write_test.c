#include <math.h>

#include "base/str.h"
#include "base/test.h"
#include "codec/json.h"

struct item {
	const char *key, *name;
	bool has_n;
	int64_t n;
};

struct some {
	bool b;
	uint64_t u;
	const char *s;
	struct json_strs strs, set;
	struct json_map map;
	struct json_raw raw;
	struct item *item;
	struct {
		struct item *v;
		size_t n;
	} items, by_key;
};

static const struct json_field item_rows[] = {
	JSON_ROW(item, name, "name", JSON_STR, JSON_ALWAYS),
	JSON_ROW_HAS(item, n, "n", JSON_I64, 0),
};
static JSON_TABLE(item_table, "item", item, item_rows);

#define SOME_ROWS(flags)                                                                           \
	{                                                                                          \
		JSON_ROW(some, b, "b", JSON_BOOL, flags), JSON_ROW(some, u, "u", JSON_U64, flags), \
			JSON_ROW(some, s, "s", JSON_STR, flags),                                   \
			JSON_ROW(some, strs, "strs", JSON_STRS, flags),                            \
			JSON_ROW(some, set, "set", JSON_SET, flags),                               \
			JSON_ROW(some, map, "map", JSON_MAP, flags),                               \
			JSON_ROW(some, raw, "raw", JSON_RAW, flags),                               \
			JSON_ROW_SUB(some, item, "item", JSON_OBJ, flags, item_table),             \
			JSON_ROW_SUB(some, items, "items", JSON_OBJS, flags, item_table),          \
			JSON_ROW_SUB(some, by_key, "byKey", JSON_MAP_OBJS, flags, item_table),     \
	}
static const struct json_field sparse_rows[] = SOME_ROWS(0);
static const struct json_field always_rows[] = SOME_ROWS(JSON_ALWAYS);
static JSON_TABLE(sparse_table, "sparse", some, sparse_rows);
static JSON_TABLE(always_table, "always", some, always_rows);

static void check_written(const struct json_table *t, const struct some *v, unsigned int flags,
			  const char *wanted)
{
	static struct strbuf b;

	strbuf_reset(&b);
	json_write(t, v, flags, &b);
	CHECK_STR(b.p, wanted);
	CHECK_EQ(json_check(b.p, b.len, NULL, NULL), 0);
	strbuf_done(&b);
}

TEST(absent_members_are_left_out_unless_always)
{
	const struct some none = { 0 };

	check_written(&sparse_table, &none, 0, "{}");
	check_written(&sparse_table, &none, JSON_PRETTY, "{}");
	check_written(
		&always_table, &none, 0,
		"{\"b\":false,\"u\":0,\"s\":\"\",\"strs\":[],\"set\":{},\"map\":{},\"raw\":null,"
		"\"item\":null,\"items\":[],\"byKey\":{}}");
}

TEST(every_kind_is_written_with_both_layouts)
{
	const char *strs[] = { "a", "b" };
	struct json_pair pair = { "k", "v" };
	struct item items[] = { { .key = "x", .name = "one", .has_n = true }, { .key = "y" } };
	const struct some v = {
		.b = true,
		.u = UINT64_MAX,
		.s = "",
		.strs = { strs, 2 },
		.set = { strs, 1 },
		.map = { &pair, 1 },
		.raw = { "[1]", 3 },
		.item = items,
		.items = { items, 2 },
		.by_key = { items, 2 },
	};

	check_written(
		&sparse_table, &v, 0,
		"{\"b\":true,\"u\":18446744073709551615,\"s\":\"\",\"strs\":[\"a\",\"b\"],"
		"\"set\":{\"a\":{}},\"map\":{\"k\":\"v\"},\"raw\":[1],\"item\":{\"name\":\"one\",\"n\":0},"
		"\"items\":[{\"name\":\"one\",\"n\":0},{\"name\":\"\"}],"
		"\"byKey\":{\"x\":{\"name\":\"one\",\"n\":0},\"y\":{\"name\":\"\"}}}");
	check_written(
		&sparse_table, &(struct some){ .b = true, .strs = { strs, 2 }, .set = { strs, 1 } },
		JSON_PRETTY | JSON_TABS,
		"{\n\t\"b\": true,\n\t\"strs\": [\n\t\t\"a\",\n\t\t\"b\"\n\t],\n\t\"set\": {\n\t\t\"a\": {}\n"
		"\t}\n}");
	check_written(&sparse_table, &(struct some){ .b = true }, JSON_PRETTY,
		      "{\n    \"b\": true\n}");
}

TEST(strings_are_escaped_and_always_valid)
{
	static const struct {
		const char *s, *plain, *html;
	} rows[] = {
		{ "a\"b\\c/", "\"a\\\"b\\\\c/\"", NULL },
		{ "\n\r\t\b\f\x01\x1f\x7f", "\"\\n\\r\\t\\b\\f\\u0001\\u001f\x7f\"", NULL },
		{ "<a&b>", "\"<a&b>\"", "\"\\u003ca\\u0026b\\u003e\"" },
		{ "\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa",
		  "\"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\"", "\"\\u2028\\u2029\xe2\x80\xaa\"" },
		{ "\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\"", NULL },
		{ "a\xff\xc0\xaf\xed\xa0\x80z\xe2\x82",
		  "\"a\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffdz\\ufffd\\ufffd\"", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRBUF struct strbuf b = { 0 }, html = { 0 };
		struct json_writer w = { .out = &b };

		json_put_str(&w, NULL, rows[i].s);
		CHECK_STR(b.p, rows[i].plain);
		CHECK_EQ(json_check(b.p, b.len, NULL, NULL), 0);
		w = (struct json_writer){ .out = &html, .flags = JSON_ESCAPE_HTML };
		json_put_str(&w, NULL, rows[i].s);
		CHECK_STR(html.p, rows[i].html ? rows[i].html : rows[i].plain);
	}
}

TEST(the_writer_nests)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	struct json_writer w = { .out = &b };

	json_begin_object(&w, NULL);
	json_put_str(&w, "s", NULL);
	json_begin_array(&w, "a");
	json_put_i64(&w, NULL, INT64_MIN);
	json_put_u64(&w, NULL, 0);
	json_put_bool(&w, NULL, false);
	json_begin_object(&w, NULL);
	json_end_object(&w);
	json_put_strn(&w, NULL, "abc", 2);
	json_end_array(&w);
	json_put_raw(&w, "r", "{}", 2);
	json_put_obj(&w, "o", &item_table, &(struct item){ .name = "n" });
	json_end_object(&w);
	CHECK_STR(b.p, "{\"s\":null,\"a\":[-9223372036854775808,0,false,{},\"ab\"],\"r\":{},"
		       "\"o\":{\"name\":\"n\"}}");
}

TEST(doubles_read_back_as_they_were)
{
	static const double rows[] = {
		0, 1, -1.5, 0.1, 1e300, 5e-324, 1.0 / 3, 123456789012345680.0
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRBUF struct strbuf b = { 0 };
		struct json_writer w = { .out = &b };

		json_put_f64(&w, NULL, rows[i]);
		CHECK(strtod(b.p, NULL) == rows[i]);
		CHECK_EQ(json_check(b.p, b.len, NULL, NULL), 0);
	}
	AUTO_STRBUF struct strbuf b = { 0 };
	struct json_writer w = { .out = &b };

	json_put_f64(&w, NULL, (double)NAN);
	CHECK_STR(b.p, "null");
}

TEST_MAIN()
