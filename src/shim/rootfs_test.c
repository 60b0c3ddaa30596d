#include "shim/rootfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"
#include "shim/client.h"

static char top[64];
static struct err err;

static void done(void)
{
	if (top[0])
		(void)dir_remove_at(AT_FDCWD, top);
	top[0] = '\0';
}

/* <top>/a/fs and <top>/b/fs, two layers with files of uid 0 and 7; <top>/c/fs and work for an upper. */
static void begin(void)
{
	static const char *const folders[] = { "a", "a/fs", "b", "b/fs", "c", "c/fs", "c/work" };
	static const char *const files[] = { "a/fs/low", "b/fs/high" };
	AUTO_FD dir = -EBADF;

	if (geteuid() != 0)
		TEST_SKIP("needs root");
	done();
	atexit(done);
	snprintf(top, sizeof(top), "/tmp/corten-rootfs-XXXXXX");
	CHECK(mkdtemp(top));
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		CHECK_EQ(mkdirat(dir, folders[i], 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CHECK_EQ(file_replace_at(dir, files[i], "x", 1, 0644, 0), 0);
		CHECK_EQ(fchownat(dir, files[i], i ? 7 : 0, i ? 8 : 0, 0), 0);
	}
}

static int open_root(const char *type, const char *source, char **options)
{
	const struct shim_mount m = { .type = (char *)type,
				      .source = (char *)source,
				      .options = options };

	err = ERR_INIT;
	return shim_root_open(&m, 1, &err);
}

static char *text(const char *fmt, const char *a, const char *b)
{
	static char bufs[8][256];
	static size_t n;
	char *buf = bufs[n++ % ARRAY_LEN(bufs)];

	snprintf(buf, sizeof(bufs[0]), fmt, a, b);
	return buf;
}

static void check_owner(int dir, const char *name, uid_t uid, gid_t gid)
{
	struct stat st;

	CHECK_EQ(fstatat(dir, name, &st, 0), 0);
	CHECK_EQ(st.st_uid, uid);
	CHECK_EQ(st.st_gid, gid);
}

static int open_overlay(void)
{
	char *options[] = { text("upperdir=%s/c/fs%s", top, ""),
			    text("workdir=%s/c/work%s", top, ""),
			    text("lowerdir=%s/b/fs:%s/a/fs", top, top),
			    (char *)"uidmap=0:100000:65536",
			    (char *)"gidmap=0:200000:65536",
			    NULL };

	return open_root("overlay", "overlay", options);
}

TEST(layers_appear_with_host_ids_and_keep_container_ids)
{
	AUTO_FD root = -EBADF, file = -EBADF, disk = -EBADF;

	begin();
	root = open_overlay();
	if (root == -EOPNOTSUPP || root == -EINVAL)
		TEST_SKIP("this kernel or filesystem has no id-mapped layers: %s", err.msg);
	CHECK(root >= 0);
	check_owner(root, "low", 100000, 200000);
	check_owner(root, "high", 100007, 200008);
	check_owner(root, ".", 100000, 200000);
	/* Copied up, and new: on disk they have container ids. Host root has none. */
	CHECK_EQ(fchownat(root, "low", 100001, 200002, 0), 0);
	CHECK_EQ(openat(root, "no", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), -1);
	CHECK_EQ(errno, EOVERFLOW);
	CHECK_EQ(setegid(200000) | seteuid(100000), 0);
	file = openat(root, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK_EQ(seteuid(0) | setegid(0), 0);
	CHECK(file >= 0);
	check_owner(root, "new", 100000, 200000);
	check_owner(root, "low", 100001, 200002);
	disk = open(text("%s/c/fs%s", top, ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check_owner(disk, "low", 1, 2);
	check_owner(disk, "new", 0, 0);
	fd_closep(&disk);
	disk = open(text("%s/a/fs%s", top, ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check_owner(disk, "low", 0, 0);
}

TEST(a_bind_is_mapped_too)
{
	char *options[] = { (char *)"rw", (char *)"rbind", (char *)"uidmap=0:100000:65536",
			    (char *)"gidmap=0:200000:65536", NULL };
	AUTO_FD root = -EBADF;

	begin();
	root = open_root("bind", text("%s/b/fs%s", top, ""), options);
	if (root == -EOPNOTSUPP)
		TEST_SKIP("this filesystem has no id maps: %s", err.msg);
	CHECK(root >= 0);
	check_owner(root, "high", 100007, 200008);
}

TEST(wrong_maps_are_refused)
{
	static const char *const bad[] = { "uidmap=0:1", "uidmap=0:1:2:3", "uidmap=a:1:2",
					   "uidmap=0:1:0", "uidmap=0:4294967290:100" };

	begin();
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *options[] = { (char *)bad[i], (char *)"gidmap=0:1:1", NULL };

		CHECK_EQ(open_root("bind", top, options), -EINVAL);
	}
	char *half[] = { (char *)"uidmap=0:1:1", NULL };

	CHECK_EQ(open_root("bind", top, half), -EINVAL);
}

TEST_MAIN()
