#include "codec/tar.h"

#include "base/str.h"
#include "base/test.h"

static const char *field(const struct strbuf *b, size_t block, size_t offset)
{
	return b->p + block * TAR_BLOCK + offset;
}

TEST(a_plain_entry_is_one_block)
{
	AUTO_STRBUF struct strbuf out = { 0 };

	tar_add_header(&out, &(struct tar_entry){ .path = "etc/passwd",
						  .type = TAR_FILE,
						  .mode = 0644,
						  .uid = 7,
						  .size = 1000,
						  .mtime = { .tv_sec = 8 } });
	CHECK_EQ(out.len, TAR_BLOCK);
	CHECK_STR(field(&out, 0, 0), "etc/passwd");
	CHECK_STR(field(&out, 0, 100), "0000644");
	CHECK_STR(field(&out, 0, 108), "0000007");
	CHECK_STR(field(&out, 0, 124), "00000001750");
	CHECK_STR(field(&out, 0, 136), "00000000010");
	CHECK_EQ(*field(&out, 0, 156), '0');
	CHECK_EQ(tar_padding(1000), 24);
	CHECK_EQ(tar_padding(1024), 0);
}

TEST(a_folder_ends_in_a_slash_and_has_no_size)
{
	AUTO_STRBUF struct strbuf out = { 0 };

	tar_add_header(&out,
		       &(struct tar_entry){ .path = "etc", .type = TAR_FOLDER, .size = 4096 });
	CHECK_STR(field(&out, 0, 0), "etc/");
	CHECK_STR(field(&out, 0, 124), "00000000000");
}

TEST(what_ustar_cannot_say_is_a_record)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	char name[201];

	memset(name, 'n', 200);
	name[200] = '\0';
	tar_add_header(&out, &(struct tar_entry){ .path = name,
						  .type = TAR_FILE,
						  .uid = 3000000,
						  .size = (int64_t)9 << 30,
						  .mtime = { -2, 500000000 } });
	CHECK_EQ(out.len, 3 * TAR_BLOCK);
	CHECK_EQ(*field(&out, 0, 156), 'x');
	CHECK(strstr(field(&out, 1, 0), "210 path=nnn"));
	CHECK(strstr(field(&out, 1, 0), "\n19 size=9663676416\n"));
	CHECK(strstr(field(&out, 1, 0), "\n15 uid=3000000\n"));
	CHECK(strstr(field(&out, 1, 0), "\n14 mtime=-1.5\n"));
}

TEST(a_record_counts_its_own_length)
{
	/* The length's digits make it longer by one more digit at 10, 100, 1000 bytes. */
	for (size_t n = 1; n < 1100; n++) {
		AUTO_STRBUF struct strbuf out = { 0 };
		AUTO_FREE char *value = calloc(n, 1);
		const struct tar_xattr x = { "user.a", value, n };
		size_t told;

		tar_add_header(
			&out, &(struct tar_entry){
				      .path = "a", .type = TAR_FILE, .xattrs = &x, .xattrs_n = 1 });
		told = (size_t)strtoul(field(&out, 1, 0), NULL, 10);
		CHECK_EQ(*field(&out, 1, told - 1), '\n');
		CHECK_EQ(strtoul(field(&out, 0, 124), NULL, 8), told);
	}
}

TEST_MAIN()
