/*
 * JSON: whatever comes, the three ways to read it agree, and what was read survives being written and
 * read again.
 */
#include "base/err.h"
#include "base/str.h"
#include "codec/json.h"

struct leaf {
	const char *key, *text;
	bool has_n;
	uint32_t n;
};

struct tree {
	bool b;
	int32_t i32;
	uint32_t u32;
	int64_t i64;
	uint64_t u64;
	double f64;
	const char *s;
	struct json_raw raw;
	struct json_strs strs, set;
	struct json_i64s i64s;
	struct json_u32s u32s;
	struct json_map map;
	struct leaf *leaf;
	struct {
		struct leaf *v;
		size_t n;
	} leaves, map_leaves;
};

static const struct json_field leaf_rows[] = {
	JSON_ROW(leaf, text, "t", JSON_STR, JSON_REQUIRED | JSON_ALWAYS),
	JSON_ROW_HAS(leaf, n, "n", JSON_U32, 0),
};
static JSON_TABLE(leaf_table, "leaf", leaf, leaf_rows);

static const struct json_field tree_rows[] = {
	JSON_ROW(tree, b, "b", JSON_BOOL, 0),
	JSON_ROW(tree, i32, "i", JSON_I32, 0),
	JSON_ROW(tree, u32, "u", JSON_U32, JSON_FOLD),
	JSON_ROW(tree, i64, "I", JSON_I64, 0),
	JSON_ROW(tree, u64, "W", JSON_U64, 0),
	JSON_ROW(tree, f64, "f", JSON_F64, 0),
	JSON_ROW(tree, s, "s", JSON_STR, 0),
	JSON_ROW(tree, raw, "r", JSON_RAW, 0),
	JSON_ROW(tree, strs, "ss", JSON_STRS, 0),
	JSON_ROW(tree, set, "set", JSON_SET, 0),
	JSON_ROW(tree, i64s, "is", JSON_I64S, 0),
	JSON_ROW(tree, u32s, "us", JSON_U32S, 0),
	JSON_ROW(tree, map, "m", JSON_MAP, 0),
	JSON_ROW_SUB(tree, leaf, "o", JSON_OBJ, 0, leaf_table),
	JSON_ROW_SUB(tree, leaves, "os", JSON_OBJS, 0, leaf_table),
	JSON_ROW_SUB(tree, map_leaves, "mo", JSON_MAP_OBJS, JSON_ALWAYS, leaf_table),
};
static JSON_TABLE(tree_table, "tree", tree, tree_rows);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Pulls all tokens; 0 or -errno. */
static int pull_all(const char *text, size_t len)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_reader rd;
	enum json_token token;

	json_reader_init(&rd, text, len, NULL, &a, NULL);
	do {
		token = json_next(&rd);
		if (token == JSON_T_STRING || token == JSON_T_KEY)
			ASSERT(strlen(rd.text) == rd.len);
	} while (token != JSON_T_END && token != JSON_T_ERROR);
	ASSERT(json_next(&rd) == token);
	return token == JSON_T_END ? 0 : rd.r;
}

static void read_back(const struct tree *t)
{
	AUTO_STRBUF struct strbuf one = { 0 }, two = { 0 };
	AUTO_ARENA struct arena a = { 0 };
	struct tree again;

	json_write(&tree_table, t, JSON_PRETTY, &one);
	ASSERT(json_read(&tree_table, one.p, one.len, NULL, &a, &again, NULL) == 0);
	json_write(&tree_table, &again, JSON_PRETTY, &two);
	ASSERT(one.len == two.len && memcmp(one.p, two.p, one.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_ARENA struct arena a = { .budget = (size_t)8 << 20 };
	const char *text = (const char *)data;
	struct err e = ERR_INIT;
	int checked = json_check(text, len, NULL, &e);
	struct json_objs objs;
	struct json_map map;
	struct tree t;

	ASSERT((checked == 0) == (pull_all(text, len) == 0));
	ASSERT(checked == 0 || e.errnum);
	if (json_read(&tree_table, text, len, NULL, &a, &t, &e) == 0) {
		ASSERT(checked == 0);
		read_back(&t);
	}
	if (json_read_array(&leaf_table, text, len, NULL, &a, &objs, &e) == 0)
		ASSERT(checked == 0);
	if (json_read_map(text, len, NULL, &a, &map, &e) == 0)
		ASSERT(checked == 0);
	return 0;
}
