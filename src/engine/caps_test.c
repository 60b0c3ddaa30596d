#include "engine/caps.h"

#include <errno.h>

#include "base/err.h"
#include "base/test.h"

static struct json_strs list(const char **v)
{
	struct json_strs s = { v, 0 };

	while (v && v[s.n])
		s.n++;
	return s;
}

static bool has(const struct json_strs *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], name) == 0)
			return true;
	return false;
}

static struct json_strs choose(struct arena *a, const char **add, const char **drop)
{
	struct json_strs added = list(add), dropped = list(drop), ret;

	CHECK_EQ(caps_choose(false, &added, &dropped, a, &ret, NULL), 0);
	return ret;
}
#define LIST(...) ((const char *[]){ __VA_ARGS__, NULL })

TEST(the_default_is_dockers_fourteen)
{
	static const char *const docker[] = {
		"CAP_CHOWN",	   "CAP_DAC_OVERRIDE", "CAP_FOWNER",
		"CAP_FSETID",	   "CAP_KILL",	       "CAP_SETGID",
		"CAP_SETUID",	   "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE",
		"CAP_NET_RAW",	   "CAP_SYS_CHROOT",   "CAP_MKNOD",
		"CAP_AUDIT_WRITE", "CAP_SETFCAP"
	};
	AUTO_ARENA struct arena a = { 0 };
	struct json_strs got = choose(&a, NULL, NULL);

	CHECK_EQ(got.n, 14);
	for (size_t i = 0; i < ARRAY_LEN(docker); i++)
		CHECK(has(&got, docker[i]));
}

TEST(names_are_taken_with_and_without_prefix_in_any_case)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_strs got = choose(&a, LIST("net_admin", "CAP_SYS_TIME"), LIST("Mknod"));

	CHECK(has(&got, "CAP_NET_ADMIN") && has(&got, "CAP_SYS_TIME"));
	CHECK(!has(&got, "CAP_MKNOD"));
	CHECK_EQ(got.n, 15);
}

TEST(dropping_all_leaves_what_was_added_by_name)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_strs got = choose(&a, LIST("CHOWN"), LIST("ALL"));

	CHECK_EQ(got.n, 1);
	CHECK_STR(got.v[0], "CAP_CHOWN");
	CHECK_EQ(choose(&a, NULL, LIST("all")).n, 0);
}

TEST(adding_all_leaves_out_what_was_dropped_by_name)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_strs got = choose(&a, LIST("ALL"), LIST("CHOWN"));

	CHECK(got.n > 14);
	CHECK(!has(&got, "CAP_CHOWN"));
}

TEST(a_wrong_name_is_an_error_that_shows_it)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_strs add = list(LIST("NOPE")), none = { 0 }, ret;
	struct err e = ERR_INIT;

	CHECK_EQ(caps_choose(false, &add, &none, &a, &ret, &e), -EINVAL);
	CHECK_STR(e.msg, "invalid capability: \"NOPE\"");
}

TEST_MAIN()
