#include "sys/root.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rand.h"
#include "base/test.h"

/* A folder "outside" beside the root, with a file that must never be reached. */
struct tree {
	char name[32];
	int base, root;
};

static void put_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && fd_write_full(fd, text, strlen(text)) == 0);
	close(fd);
}

static void tree_init(struct tree *t)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	char tail[13];

	rand_hex(tail, 12);
	snprintf(t->name, sizeof(t->name), "root-test-%s", tail);
	CHECK(tmp >= 0);
	t->base = dir_open_make_at(tmp, t->name, 0700);
	close(tmp);
	CHECK(t->base >= 0);
	t->root = dir_open_make_at(t->base, "root", 0755);
	CHECK(t->root >= 0);
	put_file(t->base, "secret", "outside");
	CHECK(mkdirat(t->root, "dir", 0755) == 0);
	put_file(t->root, "dir/file", "inside");
	CHECK(symlinkat("/dir", t->root, "abs") == 0);
	CHECK(symlinkat("../../../dir", t->root, "dir/up") == 0);
	CHECK(symlinkat("../../secret", t->root, "dir/out") == 0);
	CHECK(symlinkat("loop", t->root, "loop") == 0);
	CHECK(symlinkat("/gone/x", t->root, "dangling") == 0);
	CHECK(symlinkat("/proc/self/root", t->root, "magic") == 0);
}

static void tree_done(struct tree *t)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	close(t->root);
	close(t->base);
	dir_remove_at(tmp, t->name);
	close(tmp);
}

static void expect_text(int root, const char *path, const char *want)
{
	AUTO_FD fd = root_open(root, path, O_RDONLY);
	char buf[16] = "";

	CHECK(fd >= 0);
	CHECK(fd_read_full(fd, buf, sizeof(buf) - 1) >= 0);
	CHECK_STR(buf, want);
}

static void check_resolution(void)
{
	struct tree t;

	tree_init(&t);
	expect_text(t.root, "/dir/file", "inside");
	expect_text(t.root, "dir/../dir/./file", "inside");
	expect_text(t.root, "/../../../dir/file", "inside");
	expect_text(t.root, "/abs/file", "inside");
	expect_text(t.root, "/dir/up/file", "inside");
	CHECK_EQ(root_open(t.root, "/dir/out", O_RDONLY), -ENOENT);
	CHECK_EQ(root_open(t.root, "/../secret", O_RDONLY), -ENOENT);
	CHECK_EQ(root_open(t.root, "/loop", O_RDONLY), -ELOOP);
	CHECK_EQ(root_open(t.root, "/dir/file/x", O_RDONLY), -ENOTDIR);
	CHECK_EQ(root_open(t.root, "/dir/file", O_RDONLY | O_DIRECTORY), -ENOTDIR);
	tree_done(&t);
}

TEST(paths_stay_inside_with_openat2)
{
	root_force_walk(false);
	check_resolution();
}

TEST(paths_stay_inside_with_the_walk)
{
	root_force_walk(true);
	check_resolution();
	root_force_walk(false);
}

static void check_making(void)
{
	struct tree t;
	struct stat st;
	int fd;

	tree_init(&t);
	fd = root_make(t.root, "/a/b/c", true);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode));
	close(fd);
	fd = root_make(t.root, "/a/b/f", false);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
	close(fd);
	/* Made where the link points, below the root. */
	fd = root_make(t.root, "/dangling", true);
	CHECK(fd >= 0);
	close(fd);
	CHECK(fstatat(t.root, "gone/x", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
	fd = root_make(t.root, "/dir/out/deeper", true);
	CHECK(fd >= 0);
	close(fd);
	CHECK(fstatat(t.root, "secret/deeper", &st, 0) == 0);
	CHECK_EQ(root_make(t.root, "/dir/file", true), -ENOTDIR);
	CHECK_EQ(root_make(t.root, "/loop/x", true), -ELOOP);
	tree_done(&t);
}

TEST(missing_folders_are_made_inside_with_openat2)
{
	root_force_walk(false);
	check_making();
}

TEST(missing_folders_are_made_inside_with_the_walk)
{
	root_force_walk(true);
	check_making();
	root_force_walk(false);
}

TEST(the_parent_is_opened_and_the_last_name_given)
{
	struct tree t;
	struct stat a, b;
	char name[256];
	int fd;

	tree_init(&t);
	fd = root_open_parent(t.root, "/abs/node", name);
	CHECK(fd >= 0);
	CHECK_STR(name, "node");
	CHECK(fstat(fd, &a) == 0 && fstatat(t.root, "dir", &b, 0) == 0);
	CHECK_EQ(a.st_ino, b.st_ino);
	close(fd);
	CHECK_EQ(root_open_parent(t.root, "/", name), -EINVAL);
	CHECK_EQ(root_open_parent(t.root, "/dir/..", name), -EINVAL);
	tree_done(&t);
}

TEST(magic_links_are_refused)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	root_force_walk(false);
	CHECK_EQ(root_open(root, "/proc/self/root/etc", O_PATH), -ELOOP);
	root_force_walk(true);
	CHECK(root_open(root, "/proc/self/root/etc", O_PATH) < 0);
	root_force_walk(false);
}

TEST_MAIN()
