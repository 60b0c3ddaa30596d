#include "worker/names.h"

#include <errno.h>

#include "base/test.h"

__attribute__((noinline)) static const char *clean(const char *name)
{
	static char buf[NAME_PATH_MAX];

	return name_clean(name, buf, NULL) == 0 ? buf : NULL;
}

__attribute__((noinline)) static const char *resolve(const char *link, const char *target)
{
	static char buf[NAME_PATH_MAX];

	return name_resolve(link, target, buf, NULL) == 0 ? buf : NULL;
}

TEST(names_lose_dots_and_slashes)
{
	CHECK_STR(clean("a"), "a");
	CHECK_STR(clean("./a//b/./c/"), "a/b/c");
	CHECK_STR(clean("/etc/passwd"), "etc/passwd");
	CHECK_STR(clean("a/../b"), "b");
	CHECK_STR(clean("a/b/../../c"), "c");
	CHECK_STR(clean("..."), "...");
	CHECK_STR(clean("a/..b"), "a/..b");
}

TEST(the_root_is_empty)
{
	CHECK_STR(clean("."), "");
	CHECK_STR(clean("./"), "");
	CHECK_STR(clean("/"), "");
	CHECK_STR(clean("a/.."), "");
}

TEST(names_that_climb_are_refused)
{
	CHECK(!clean(".."));
	CHECK(!clean("../a"));
	CHECK(!clean("/../a"));
	CHECK(!clean("a/../../b"));
}

TEST(long_names_are_refused)
{
	static char part[300], path[NAME_PATH_MAX + 10];
	char buf[NAME_PATH_MAX];

	memset(part, 'x', 256);
	CHECK_EQ(name_clean(part, buf, NULL), -ENAMETOOLONG);
	part[255] = '\0';
	CHECK_EQ(name_clean(part, buf, NULL), 0);
	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 ? '/' : 'a';
	CHECK_EQ(name_clean(path, buf, NULL), -ENAMETOOLONG);
}

TEST(links_are_resolved_from_their_folder)
{
	CHECK_STR(resolve("b/layer.tar", "../a/layer.tar"), "a/layer.tar");
	CHECK_STR(resolve("b/layer.tar", "x"), "b/x");
	CHECK_STR(resolve("layer.tar", "x"), "x");
	CHECK_STR(resolve("b/layer.tar", "/c"), "c");
	CHECK(!resolve("b/layer.tar", "../../c"));
}

TEST(the_base_is_behind_the_last_slash)
{
	size_t len;

	CHECK_STR(name_base("a/b/c", &len), "c");
	CHECK_EQ(len, 3);
	CHECK_STR(name_base("a", &len), "a");
	CHECK_EQ(len, 0);
}

TEST_MAIN()
