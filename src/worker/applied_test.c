#include "worker/applied.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/test.h"

static char root[64];
static int top = -EBADF;

static void done(void)
{
	fd_closep(&top);
	if (root[0])
		(void)dir_remove_at(AT_FDCWD, root);
}

static void begin(void)
{
	done();
	snprintf(root, sizeof(root), "/tmp/corten-applied-XXXXXX");
	CHECK(mkdtemp(root));
	top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(top >= 0);
}

static void dir(const char *path)
{
	CHECK_EQ(mkdirat(top, path, 0755), 0);
}

static void file(const char *path)
{
	CHECK_EQ(file_replace_at(top, path, "x", 1, 0644, 0), 0);
}

static bool has(const char *path)
{
	return faccessat(top, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void own(struct applied *a, const char *path)
{
	struct stat st;

	CHECK_EQ(fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(applied_add(a, st.st_ino), 0);
}

TEST(the_set_has_what_was_added_and_nothing_else)
{
	struct applied a = { 0 };

	CHECK(!applied_has(&a, 1));
	for (ino_t i = 1; i < 5000; i += 2)
		CHECK_EQ(applied_add(&a, i), 0);
	CHECK_EQ(applied_add(&a, 1), 0);
	CHECK_EQ(a.n, 2500);
	for (ino_t i = 1; i < 5000; i++)
		CHECK_EQ(applied_has(&a, i), i % 2 == 1);
	applied_done(&a);
}

TEST(what_is_below_goes_and_what_is_the_layers_stays)
{
	struct applied a = { 0 };

	begin();
	dir("d");
	dir("d/old");
	file("d/old/x");
	dir("d/mixed");
	file("d/mixed/low");
	file("d/mixed/mine");
	file("low");
	file("mine");
	own(&a, "d/mixed/mine");
	own(&a, "mine");
	CHECK_EQ(applied_hide(&a, top, "low"), 0);
	CHECK_EQ(applied_hide(&a, top, "mine"), 0);
	CHECK_EQ(applied_hide(&a, top, "nosuch"), 0);
	CHECK_EQ(applied_hide(&a, top, "d"), 0);
	CHECK(!has("low") && has("mine"));
	CHECK(!has("d/old") && !has("d/mixed/low") && has("d/mixed/mine"));
	applied_done(&a);
}

TEST(an_opaque_folder_keeps_itself)
{
	struct applied a = { 0 };

	begin();
	dir("d");
	file("d/low");
	file("d/mine");
	dir("d/empty");
	own(&a, "d/mine");
	AUTO_FD fd = openat(top, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(applied_hide_all(&a, fd), 0);
	CHECK(has("d/mine") && !has("d/low") && !has("d/empty"));
	applied_done(&a);
}

TEST(links_are_removed_not_followed)
{
	struct applied a = { 0 };

	begin();
	dir("target");
	file("target/x");
	CHECK_EQ(symlinkat("target", top, "link"), 0);
	CHECK_EQ(applied_hide(&a, top, "link"), 0);
	CHECK(!has("link") && has("target/x"));
	applied_done(&a);
	done();
	root[0] = '\0';
}

TEST_MAIN()
