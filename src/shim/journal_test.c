#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/client.h"
#include "shim/journal.h"

static int open_dir(void)
{
	char path[] = "/tmp/journal_test.XXXXXX";
	int fd;

	if (!mkdtemp(path))
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

static void remove_dir(int dir)
{
	char link[FD_PATH_MAX], path[256] = "";

	unlinkat(dir, "exits", 0);
	if (readlink(fd_path(dir, link), path, sizeof(path) - 1) > 0)
		rmdir(path);
	close(dir);
}

static void add(int dir, const char *id, int pid, unsigned int status, unsigned int flags)
{
	struct journal_record r = {
		.pid = pid, .status = status, .flags = flags, .exited_at_ns = 42
	};
	struct journal j;

	snprintf(r.exec_id, sizeof(r.exec_id), "%s", id);
	CHECK_EQ(journal_open(dir, &j), 0);
	CHECK_EQ(journal_append(&j, &r), 0);
	journal_close(&j);
}

TEST(a_record_is_found_again)
{
	int dir = open_dir();
	struct shim_exit x;

	add(dir, "", 7, 3, JOURNAL_OOM);
	add(dir, "probe", 8, 4, 0);
	CHECK_EQ(shim_read_exit(dir, NULL, &x), 0);
	CHECK_EQ(x.status, 3);
	CHECK_EQ(x.pid, 7);
	CHECK(x.is_oom);
	CHECK_EQ(x.exited_at_ns, 42);
	CHECK_EQ(shim_read_exit(dir, "probe", &x), 0);
	CHECK_EQ(x.status, 4);
	CHECK(!x.is_oom);
	CHECK_EQ(shim_read_exit(dir, "other", &x), -ENOENT);
	remove_dir(dir);
}

TEST(the_last_record_of_a_reused_id_counts)
{
	int dir = open_dir();
	struct shim_exit x;

	add(dir, "e", 7, 1, 0);
	add(dir, "e", 9, 2, 0);
	CHECK_EQ(shim_read_exit(dir, "e", &x), 0);
	CHECK_EQ(x.status, 2);
	remove_dir(dir);
}

TEST(a_note_about_the_command_is_no_exit)
{
	int dir = open_dir();
	struct journal_record r;
	struct shim_exit x;

	add(dir, "", 0, 0, JOURNAL_COMMAND);
	CHECK_EQ(shim_read_exit(dir, NULL, &x), -ENOENT);
	CHECK_EQ(journal_find(dir, "", JOURNAL_COMMAND, 0, &r), 0);
	remove_dir(dir);
}

TEST(a_torn_tail_of_any_length_is_cut_off)
{
	for (off_t torn = 1; torn < (off_t)sizeof(struct journal_record); torn += 7) {
		int dir = open_dir(), fd;
		struct shim_exit x;

		add(dir, "", 7, 3, 0);
		add(dir, "late", 8, 4, 0);
		fd = openat(dir, "exits", O_RDWR | O_CLOEXEC);
		CHECK_EQ(ftruncate(fd, (off_t)sizeof(struct journal_record) + torn), 0);
		close(fd);
		CHECK_EQ(shim_read_exit(dir, "late", &x), -ENOENT);
		add(dir, "next", 9, 5, 0);
		CHECK_EQ(shim_read_exit(dir, "next", &x), 0);
		CHECK_EQ(x.status, 5);
		CHECK_EQ(shim_read_exit(dir, NULL, &x), 0);
		CHECK_EQ(x.status, 3);
		remove_dir(dir);
	}
}

TEST(a_flipped_bit_ends_the_journal)
{
	int dir = open_dir(), fd;
	struct shim_exit x;
	char c;

	add(dir, "", 7, 3, 0);
	fd = openat(dir, "exits", O_RDWR | O_CLOEXEC);
	CHECK_EQ(pread(fd, &c, 1, 20), 1);
	c ^= 1;
	CHECK_EQ(pwrite(fd, &c, 1, 20), 1);
	close(fd);
	CHECK_EQ(shim_read_exit(dir, NULL, &x), -ENOENT);
	remove_dir(dir);
}

TEST_MAIN()
