#include "engine/user.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/test.h"

#define PASSWD                                         \
	"root:x:0:0:root:/root:/bin/sh\n"              \
	"broken line\n"                                \
	"alice:x:1000:100:Alice:/home/alice:/bin/sh\n" \
	"1001:x:5:5:a name like a number::\n"
#define GROUP "root:x:0:\nusers:x:100:bob\nwheel:x:10:alice,bob\naudio:x:29:alice\n"

struct layers {
	char path[32];
	int fds[2]; /* topmost first; the top has no files of its own */
};

static struct layers make(const char *passwd, const char *group)
{
	struct layers l = { .path = "/tmp/corten-test-XXXXXX" };
	int dir;

	CHECK(mkdtemp(l.path) != NULL);
	dir = open(l.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l.fds[0] = dir_open_make_at(dir, "top", 0700);
	l.fds[1] = dir_open_make_at(dir, "low", 0700);
	CHECK_EQ(mkdirat(l.fds[1], "etc", 0700), 0);
	CHECK_EQ(file_replace_at(l.fds[1], "etc/passwd", passwd, strlen(passwd), 0600, 0), 0);
	CHECK_EQ(file_replace_at(l.fds[1], "etc/group", group, strlen(group), 0600, 0), 0);
	close(dir);
	return l;
}

static void drop(struct layers *l)
{
	close(l->fds[0]);
	close(l->fds[1]);
	dir_remove_at(AT_FDCWD, l->path);
}
#define AUTO_LAYERS CLEANUP(drop) struct layers

static int resolve(struct layers *l, const char *spec, struct arena *a, struct oci_user **ret,
		   struct err *e)
{
	return user_resolve(spec, l->fds, 2, a, ret, e);
}

TEST(a_name_gets_its_ids_and_groups)
{
	AUTO_LAYERS l = make(PASSWD, GROUP);
	AUTO_ARENA struct arena a = { 0 };
	struct oci_user *u;

	CHECK_EQ(resolve(&l, "alice", &a, &u, NULL), 0);
	CHECK_EQ(u->uid, 1000);
	CHECK_EQ(u->gid, 100);
	CHECK_EQ(u->additional_gids.n, 2);
	CHECK_EQ(u->additional_gids.v[0] + u->additional_gids.v[1], 39);
}

TEST(nothing_and_an_empty_string_are_root)
{
	AUTO_LAYERS l = make(PASSWD, GROUP);
	AUTO_ARENA struct arena a = { 0 };
	struct oci_user *u;

	CHECK_EQ(resolve(&l, NULL, &a, &u, NULL), 0);
	CHECK_EQ(u->uid + u->gid, 0);
	CHECK_EQ(resolve(&l, "", &a, &u, NULL), 0);
	CHECK_EQ(u->uid + u->gid, 0);
}

TEST(a_number_is_a_number_even_where_a_name_looks_like_it)
{
	AUTO_LAYERS l = make(PASSWD, GROUP);
	AUTO_ARENA struct arena a = { 0 };
	struct oci_user *u;

	CHECK_EQ(resolve(&l, "1001", &a, &u, NULL), 0);
	CHECK_EQ(u->uid, 1001);
	CHECK_EQ(u->gid, 0);
	CHECK_EQ(resolve(&l, "1000", &a, &u, NULL), 0);
	CHECK_EQ(u->gid, 100);
}

TEST(a_group_of_its_own_replaces_the_additional_ones)
{
	AUTO_LAYERS l = make(PASSWD, GROUP);
	AUTO_ARENA struct arena a = { 0 };
	struct oci_user *u;

	CHECK_EQ(resolve(&l, "alice:wheel", &a, &u, NULL), 0);
	CHECK_EQ(u->gid, 10);
	CHECK_EQ(u->additional_gids.n, 0);
	CHECK_EQ(resolve(&l, "5:77", &a, &u, NULL), 0);
	CHECK_EQ(u->uid, 5);
	CHECK_EQ(u->gid, 77);
}

TEST(who_is_not_there_is_an_error_with_dockers_words)
{
	AUTO_LAYERS l = make(PASSWD, GROUP);
	AUTO_ARENA struct arena a = { 0 };
	struct err e = ERR_INIT;
	struct oci_user *u;

	CHECK_EQ(resolve(&l, "nobodyhere", &a, &u, &e), -EINVAL);
	CHECK_STR(e.msg, "unable to find user nobodyhere: no matching entries in passwd file");
	CHECK_EQ(resolve(&l, "alice:nogroup", &a, &u, &e), -EINVAL);
	CHECK_STR(e.msg, "unable to find group nogroup: no matching entries in group file");
	/* Too large for a uid is no number, and there is no such name: never a wrapped 0. */
	CHECK_EQ(resolve(&l, "4294967296", &a, &u, &e), -EINVAL);
}

TEST(a_fifo_and_a_link_out_of_the_root_are_as_if_there_were_no_file)
{
	AUTO_LAYERS l = make(PASSWD, GROUP);
	AUTO_ARENA struct arena a = { 0 };
	struct oci_user *u;

	CHECK_EQ(unlinkat(l.fds[1], "etc/passwd", 0), 0);
	CHECK_EQ(mkfifoat(l.fds[1], "etc/passwd", 0600), 0);
	CHECK_EQ(resolve(&l, "alice", &a, &u, NULL), -EINVAL);
	CHECK_EQ(resolve(&l, "7", &a, &u, NULL), 0);
	CHECK_EQ(unlinkat(l.fds[1], "etc/passwd", 0), 0);
	CHECK_EQ(symlinkat("/../../../../etc/passwd", l.fds[1], "etc/passwd"), 0);
	CHECK(resolve(&l, "root", &a, &u, NULL) < 0);
}

TEST(assignments_replace_and_a_bare_name_takes_the_callers_value)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_strs env = { 0 };
	char *more[] = { (char *)"A=1",
			 (char *)"B=2",
			 (char *)"A=3",
			 (char *)"CORTEN_TEST_SET",
			 (char *)"CORTEN_TEST_UNSET",
			 NULL };
	char *bad[] = { (char *)"=x", NULL };

	setenv("CORTEN_TEST_SET", "yes", 1);
	unsetenv("CORTEN_TEST_UNSET");
	CHECK_EQ(env_apply(&env, more, &a, NULL), 0);
	CHECK_EQ(env.n, 3);
	CHECK_STR(env.v[0], "A=3");
	CHECK_STR(env.v[2], "CORTEN_TEST_SET=yes");
	CHECK_EQ(env_apply(&env, bad, &a, NULL), -EINVAL);
}

TEST_MAIN()
