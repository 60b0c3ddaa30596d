#include "sys/lsm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/test.h"

/* A folder that looks like /proc/self/attr; this kernel may have no module at all. */
struct fake {
	char path[32];
	int attr;
};

static void put(const struct fake *f, const char *name)
{
	int fd = openat(f->attr, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	close(fd);
}

static struct fake fake_make(bool has_apparmor)
{
	struct fake f = { .path = "/tmp/lsm-test-XXXXXX" };

	CHECK(mkdtemp(f.path));
	f.attr = open(f.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(f.attr >= 0);
	put(&f, "exec");
	put(&f, "keycreate");
	if (has_apparmor) {
		CHECK(mkdirat(f.attr, "apparmor", 0700) == 0);
		put(&f, "apparmor/exec");
	}
	return f;
}

static void fake_done(struct fake *f)
{
	static const char *const names[] = { "apparmor/exec", "exec", "keycreate" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlinkat(f->attr, names[i], 0);
	if (unlinkat(f->attr, "apparmor", AT_REMOVEDIR) < 0)
		unlinkat(f->attr, "apparmor", 0);
	close(f->attr);
	CHECK(rmdir(f->path) == 0);
}

static const char *got(const struct fake *f, const char *name)
{
	static char text[64];
	int fd = openat(f->attr, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	CHECK(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

TEST(apparmor_has_a_file_of_its_own)
{
	struct fake f = fake_make(true);
	struct err e = ERR_INIT;

	CHECK_EQ(lsm_set(f.attr, LSM_APPARMOR_EXEC, "docker-default", &e), 0);
	CHECK_STR(got(&f, "apparmor/exec"), "exec docker-default");
	CHECK_STR(got(&f, "exec"), "");
	fake_done(&f);
}

TEST(an_older_kernels_apparmor_has_the_common_file)
{
	struct fake f = fake_make(false);
	struct err e = ERR_INIT;

	CHECK_EQ(lsm_set(f.attr, LSM_APPARMOR_EXEC, "docker-default", &e), 0);
	CHECK_STR(got(&f, "exec"), "exec docker-default");
	fake_done(&f);
}

TEST(selinux_takes_the_bare_label)
{
	struct fake f = fake_make(true);
	struct err e = ERR_INIT;

	CHECK_EQ(lsm_set(f.attr, LSM_SELINUX_EXEC, "u:r:container_t:s0:c1,c2", &e), 0);
	CHECK_EQ(lsm_set(f.attr, LSM_SELINUX_KEY, "u:r:container_t:s0:c1,c2", &e), 0);
	CHECK_STR(got(&f, "exec"), "u:r:container_t:s0:c1,c2");
	CHECK_STR(got(&f, "keycreate"), "u:r:container_t:s0:c1,c2");
	CHECK_STR(got(&f, "apparmor/exec"), "");
	fake_done(&f);
}

TEST(a_link_on_the_way_is_refused)
{
	struct fake f = fake_make(false);
	struct err e = ERR_INIT;

	CHECK(symlinkat(".", f.attr, "apparmor") == 0);
	CHECK(lsm_set(f.attr, LSM_APPARMOR_EXEC, "p", &e) < 0);
	CHECK_STR(got(&f, "exec"), "");
	CHECK(strstr(e.msg, "AppArmor") && strstr(e.msg, "'p'"));
	fake_done(&f);
}

TEST(a_missing_attribute_is_an_error)
{
	struct err e = ERR_INIT;
	int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(proc >= 0);
	CHECK_EQ(lsm_set(proc, LSM_SELINUX_EXEC, "x", &e), -ENOENT);
	close(proc);
}

TEST(labels_are_one_line_of_bounded_length)
{
	struct err e = ERR_INIT;
	char big[5000];

	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	CHECK(lsm_label_is_valid("system_u:system_r:container_t:s0:c1,c2"));
	CHECK(lsm_label_is_valid("a profile with spaces"));
	CHECK(!lsm_label_is_valid(""));
	CHECK(!lsm_label_is_valid("a\nb"));
	CHECK(!lsm_label_is_valid(big));
	CHECK_EQ(lsm_set(-1, LSM_SELINUX_EXEC, "a\nb", &e), -EINVAL);
}

TEST(the_attributes_are_those_of_this_process_and_in_a_procfs)
{
	struct err e = ERR_INIT;
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), attr;
	char path[64];
	struct stat a, b;

	CHECK(proc >= 0);
	attr = lsm_attr_open(proc, &e);
	CHECK(attr >= 0);
	snprintf(path, sizeof(path), "/proc/%d/attr", (int)getpid());
	CHECK(fstat(attr, &a) == 0 && stat(path, &b) == 0);
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	close(attr);
	close(proc);
}

TEST(a_folder_that_plays_procfs_is_refused)
{
	char top[] = "/tmp/lsm-test-XXXXXX";
	struct err e = ERR_INIT;
	int dir;

	CHECK(mkdtemp(top));
	dir = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(mkdirat(dir, "7", 0700) == 0 && mkdirat(dir, "7/attr", 0700) == 0);
	CHECK(symlinkat("7", dir, "self") == 0);
	CHECK_EQ(lsm_attr_open(dir, &e), -EBADF);
	unlinkat(dir, "self", 0);
	unlinkat(dir, "7/attr", AT_REMOVEDIR);
	unlinkat(dir, "7", AT_REMOVEDIR);
	close(dir);
	CHECK(rmdir(top) == 0);
}

TEST_MAIN()
