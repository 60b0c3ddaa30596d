#include "base/str.h"

#include <errno.h>

#include "base/test.h"

TEST(a_buffer_grows_and_is_always_terminated)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	AUTO_FREE char *s = NULL;

	for (int i = 0; i < 100; i++)
		strbuf_addf(&b, "%d,", i);
	CHECK_EQ(strbuf_ok(&b), 0);
	CHECK_EQ(b.len, 290);
	CHECK_EQ(strlen(b.p), 290);
	CHECK_EQ(strbuf_take(&b, &s), 0);
	CHECK(str_ends(s, "99,"));
	CHECK(b.p == NULL);
}

TEST(an_empty_buffer_gives_an_empty_string)
{
	struct strbuf b = { 0 };
	AUTO_FREE char *s = NULL;

	CHECK_EQ(strbuf_take(&b, &s), 0);
	CHECK_STR(s, "");
}

TEST(numbers_are_parsed_strictly)
{
	static const char *const bad[] = { "", " 1", "+1", "1 ", "0x1", "1.0", "--1", "-" };
	int64_t v;
	uint32_t u;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_EQ(str_to_i64(bad[i], INT64_MIN, INT64_MAX, &v), -EINVAL);
	CHECK_EQ(str_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v), 0);
	CHECK(v == INT64_MIN);
	CHECK_EQ(str_to_i64("9223372036854775808", INT64_MIN, INT64_MAX, &v), -ERANGE);
	CHECK_EQ(str_to_i64("11", 0, 10, &v), -ERANGE);
	CHECK_EQ(str_to_u32("4294967295", &u), 0);
	CHECK_EQ(str_to_u32("4294967296", &u), -ERANGE);
	CHECK_EQ(str_to_u32("-1", &u), -EINVAL);
}

TEST(bytes_have_dockers_units)
{
	static const struct {
		const char *s;
		int64_t v;
	} good[] = { { "0", 0 },	   { "512", 512 },	{ "4k", 4096 },
		     { "64m", 64 << 20 },  { "2g", 2LL << 30 }, { "1T", 1LL << 40 },
		     { "10MB", 10 << 20 }, { "1KiB", 1024 },	{ "7b", 7 } };
	static const char *const bad[] = { "", "k", "1x", "1kk", "-1", "1.5", "1 k" };
	int64_t v;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK_EQ(str_to_bytes(good[i].s, &v), 0);
		CHECK_EQ(v, good[i].v);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(str_to_bytes(bad[i], &v) < 0);
	CHECK_EQ(str_to_bytes("9223372036854775807g", &v), -ERANGE);
}

TEST(lists_of_strings_own_their_elements)
{
	AUTO_STRV char **v = NULL;

	CHECK_EQ(strv_len(v), 0);
	CHECK_EQ(strv_add(&v, "a"), 0);
	CHECK_EQ(strv_addf(&v, "%d", 5), 0);
	CHECK_EQ(strv_take(&v, NULL), -ENOMEM);
	CHECK_EQ(strv_len(v), 2);
	CHECK_STR(v[1], "5");
}

TEST(prefixes_and_endings)
{
	CHECK_STR(str_skip("abc", "ab"), "c");
	CHECK(str_skip("abc", "b") == NULL);
	CHECK(str_ends("abc", "bc") && !str_ends("c", "bc"));
	CHECK(streq_null(NULL, NULL) && !streq_null("a", NULL));
}

TEST_MAIN()
