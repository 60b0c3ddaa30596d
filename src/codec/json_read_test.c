#include "base/err.h"
#include "base/str.h"
#include "base/test.h"
#include "codec/json.h"

struct item {
	const char *key, *name;
	int64_t n;
};

struct all {
	bool has_u; /* first on purpose: an offset of 0 counts too */
	uint32_t u;
	bool b;
	int32_t i;
	int64_t i64;
	uint64_t u64;
	double f;
	const char *s;
	struct json_raw raw;
	struct json_strs strs, set;
	struct json_i64s i64s;
	struct json_u32s u32s;
	struct json_map map;
	struct item *item;
	struct {
		struct item *v;
		size_t n;
	} items, by_key;
};

static const struct json_field item_rows[] = {
	JSON_ROW(item, name, "name", JSON_STR, JSON_REQUIRED),
	JSON_ROW(item, n, "n", JSON_I64, 0),
};
static JSON_TABLE(item_table, "item", item, item_rows);

static const struct json_field all_rows[] = {
	JSON_ROW_HAS(all, u, "u", JSON_U32, 0),
	JSON_ROW(all, b, "b", JSON_BOOL, 0),
	JSON_ROW(all, i, "i", JSON_I32, 0),
	JSON_ROW(all, i64, "i64", JSON_I64, 0),
	JSON_ROW(all, u64, "u64", JSON_U64, 0),
	JSON_ROW(all, f, "f", JSON_F64, 0),
	JSON_ROW(all, s, "S", JSON_STR, JSON_FOLD),
	JSON_ROW(all, raw, "raw", JSON_RAW, 0),
	JSON_ROW(all, strs, "strs", JSON_STRS, 0),
	JSON_ROW(all, set, "set", JSON_SET, 0),
	JSON_ROW(all, i64s, "i64s", JSON_I64S, 0),
	JSON_ROW(all, u32s, "u32s", JSON_U32S, 0),
	JSON_ROW(all, map, "map", JSON_MAP, 0),
	JSON_ROW_SUB(all, item, "item", JSON_OBJ, 0, item_table),
	JSON_ROW_SUB(all, items, "items", JSON_OBJS, 0, item_table),
	JSON_ROW_SUB(all, by_key, "byKey", JSON_MAP_OBJS, 0, item_table),
};
static JSON_TABLE(all_table, "all", all, all_rows);

static struct arena arena;

static int read_all(const char *text, struct all *ret, struct err *e)
{
	arena_done(&arena);
	return json_read(&all_table, text, strlen(text), NULL, &arena, ret, e);
}

TEST(every_kind_is_read)
{
	static char text[] =
		"{\"u\":0,\"b\":true,\"i\":-2147483648,\"i64\":-9223372036854775808,"
		"\"u64\":18446744073709551615,\"f\":-1.25e2,\"s\":\"\\ud83d\\ude00\\/\",\"raw\": [1, {} ] ,"
		"\"strs\":[\"\",\"b\"],\"set\":{\"80/tcp\":{\"x\":[]},\"v\":null},\"i64s\":[-1,9223372036854775807],"
		"\"u32s\":[4294967295],\"map\":{\"k\":\"v\",\"gone\":null,\"\":\"\"},\"item\":{\"name\":\"one\"},"
		"\"items\":[{\"name\":\"a\",\"n\":5},{\"n\":-0,\"name\":\"b\"}],"
		"\"byKey\":{\"k1\":{\"name\":\"c\"},\"k2\":null},\"unknown\":[{\"u\":\"not a number\"}]}";
	struct err e = ERR_INIT;
	struct all v;

	CHECK_EQ(read_all(text, &v, &e), 0);
	/* Nothing points into the text. */
	memset(text, 'x', sizeof(text) - 1);
	CHECK(v.has_u && v.u == 0 && v.b);
	CHECK_EQ(v.i, INT32_MIN);
	CHECK(v.i64 == INT64_MIN && v.u64 == UINT64_MAX && v.f == -125);
	CHECK_STR(v.s, "\xf0\x9f\x98\x80/");
	CHECK_STR(v.raw.p, "[1, {} ]");
	CHECK(v.strs.n == 2 && streq(v.strs.v[0], "") && streq(v.strs.v[1], "b"));
	CHECK(v.set.n == 2 && streq(v.set.v[0], "80/tcp") && streq(v.set.v[1], "v"));
	CHECK(v.i64s.n == 2 && v.i64s.v[1] == INT64_MAX && v.u32s.n == 1);
	CHECK(v.map.n == 2 && streq(v.map.v[0].value, "v") && streq(v.map.v[1].key, ""));
	CHECK_STR(v.item->name, "one");
	CHECK(v.items.n == 2 && v.items.v[0].n == 5 && streq(v.items.v[1].name, "b"));
	CHECK(v.by_key.n == 1 && streq(v.by_key.v[0].key, "k1") && streq(v.by_key.v[0].name, "c"));
	arena_done(&arena);
}

TEST(null_is_absent_and_empty_is_not)
{
	struct err e = ERR_INIT;
	struct all v;

	CHECK_EQ(
		read_all(
			"{\"u\":null,\"s\":null,\"strs\":null,\"item\":null,\"raw\":null,\"items\":[],"
			"\"map\":{}}",
			&v, &e),
		0);
	CHECK(!v.has_u && !v.s && !v.strs.v && !v.item && !v.raw.p);
	CHECK(v.items.v && v.items.n == 0 && v.map.v && v.map.n == 0);
	arena_done(&arena);
}

TEST(errors_name_line_path_and_reason)
{
	static const char *const rows[][2] = {
		{ "[]", "line 1: all: an object expected, an array found" },
		{ "{\"b\":1}", "line 1: b: true or false expected, a number found" },
		{ "{\"s\":{}}", "line 1: s: a string expected, an object found" },
		{ "{\n\"items\":[{\"name\":\"a\"},\n{\"name\":[]}]}",
		  "line 3: items[1].name: a string expected, an array found" },
		{ "{\"items\":[{\"name\":\"a\"},{}]}", "line 1: items[1]: key 'name' is missing" },
		{ "{\"items\":{}}", "line 1: items: an array expected, an object found" },
		{ "{\"items\":[null]}", "line 1: items[0]: an object expected, null found" },
		{ "{\"item\":{\"name\":null}}", "line 1: item: key 'name' is missing" },
		{ "{\"strs\":[\"a\",3]}", "line 1: strs[1]: a string expected, a number found" },
		{ "{\"map\":{\"k\":1}}", "line 1: map.k: a string expected, a number found" },
		{ "{\"set\":{\"k\":1}}", "line 1: set.k: an object expected, a number found" },
		{ "{\"byKey\":{\"k\":{\"name\":true}}}",
		  "line 1: byKey.k.name: a string expected, true found" },
		{ "{\"i\":1.0}", "line 1: i: an integer expected, 1.0 found" },
		{ "{\"i\":1e3}", "line 1: i: an integer expected, 1e3 found" },
		{ "{\"u64\":99999999999999999999.5}",
		  "line 1: u64: an integer expected, 99999999999999999999.5 found" },
		{ "{\"i\":2147483648}", "line 1: i: number 2147483648 is out of range" },
		{ "{\"i\":-2147483649}", "line 1: i: number -2147483649 is out of range" },
		{ "{\"u\":-1}", "line 1: u: number -1 is out of range" },
		{ "{\"u\":4294967296}", "line 1: u: number 4294967296 is out of range" },
		{ "{\"i64\":9223372036854775808}",
		  "line 1: i64: number 9223372036854775808 is out of range" },
		{ "{\"u64\":18446744073709551616}",
		  "line 1: u64: number 18446744073709551616 is out of range" },
		{ "{\"f\":1e999}", "line 1: f: number 1e999 is out of range" },
		{ "{\"s\":\"a\",\"S\":\"b\"}", "line 1: S: duplicate key" },
		{ "{\"x\":{\"y\":1,\"y\":2}}", "line 1: x.y: duplicate key" },
		{ "{\"b\":true}x", "line 1: unexpected character 'x', the end expected" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct all v;

		CHECK_EQ(read_all(rows[i][0], &v, &e), -EBADMSG);
		CHECK_STR(e.msg, rows[i][1]);
		CHECK_EQ(e.code, ERR_INVALID_ARGUMENT);
	}
	arena_done(&arena);
}

TEST(required_keys_at_the_top_are_named_with_the_table)
{
	struct err e = ERR_INIT;
	struct item v;

	CHECK_EQ(json_read(&item_table, "{}", 2, NULL, &arena, &v, &e), -EBADMSG);
	CHECK_STR(e.msg, "line 1: item: key 'name' is missing");
}

TEST(arrays_and_maps_are_read_at_the_top)
{
	struct err e = ERR_INIT;
	struct json_objs objs;
	struct json_map map;

	CHECK_EQ(json_read_array(&item_table, "[{\"name\":\"a\"},{\"name\":\"b\"}]", 27, NULL,
				 &arena, &objs, &e),
		 0);
	CHECK_EQ(objs.n, 2);
	CHECK_STR(((struct item *)objs.v)[1].name, "b");
	CHECK_EQ(json_read_array(&item_table, "{}", 2, NULL, &arena, &objs, &e), -EBADMSG);
	CHECK_EQ(json_read_array(&item_table, "[{\"name\":\"a\"},{}]", 17, NULL, &arena, &objs, &e),
		 -EBADMSG);
	CHECK_STR(e.msg, "line 1: [1]: key 'name' is missing");
	CHECK_EQ(json_read_map("{\"a\":\"b\"}", 9, NULL, &arena, &map, &e), 0);
	CHECK(map.n == 1 && streq(map.v[0].value, "b"));
	CHECK_EQ(json_read_map("[]", 2, NULL, &arena, &map, &e), -EBADMSG);
	arena_done(&arena);
}

TEST(hostile_texts_stay_within_the_budget)
{
	static const char *const rows[][2] = {
		/* what is repeated, and around it */
		{ "{\"items\":[", "{\"name\":\"\"}" },
		{ "{\"strs\":[", "\"\"" },
		{ "{\"u32s\":[", "1" },
	};
	struct err e = ERR_INIT;
	struct all v;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRBUF struct strbuf b = { 0 };
		struct arena small = { .budget = 1 << 20 }, usual = { 0 };

		strbuf_adds(&b, rows[i][0]);
		for (int k = 0; k < 49990; k++) {
			strbuf_adds(&b, rows[i][1]);
			strbuf_addc(&b, ',');
		}
		strbuf_adds(&b, rows[i][1]);
		strbuf_adds(&b, "]}");
		CHECK_EQ(json_read(&all_table, b.p, b.len, NULL, &usual, &v, &e), 0);
		CHECK(usual.used < (size_t)8 << 20);
		arena_done(&usual);
		if (i < 2) {
			CHECK_EQ(json_read(&all_table, b.p, b.len, NULL, &small, &v, &e), -ENOMEM);
			CHECK(small.used <= small.budget);
			CHECK(!v.items.v && !v.strs.v);
		}
		arena_done(&small);
	}
}

TEST_MAIN()
