#include "base/fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/test.h"

struct tmp {
	char path[32];
	int fd;
};

static struct tmp tmp_make(void)
{
	struct tmp t = { .path = "/tmp/corten-test-XXXXXX" };

	CHECK(mkdtemp(t.path) != NULL);
	t.fd = open(t.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(t.fd >= 0);
	return t;
}

static void tmp_drop(struct tmp *t)
{
	close(t->fd);
	dir_remove_at(AT_FDCWD, t->path);
}
#define AUTO_TMP CLEANUP(tmp_drop) struct tmp

TEST(a_file_is_replaced_whole)
{
	AUTO_TMP t = tmp_make();
	AUTO_FREE char *text = NULL;
	size_t len;

	CHECK_EQ(file_replace_at(t.fd, "f", "one", 3, 0600, FILE_SYNC), 0);
	CHECK_EQ(file_replace_at(t.fd, "f", "second", 6, 0600, 0), 0);
	CHECK_EQ(file_read_at(t.fd, "f", 100, &text, &len), 0);
	CHECK_STR(text, "second");
	CHECK_EQ(file_replace_at(t.fd, "f", "x", 1, 0600, FILE_EXCL), -EEXIST);
	CHECK_EQ(file_replace_at(t.fd, "g", "x", 1, 0600, FILE_EXCL), 0);
}

TEST(reading_is_bounded_and_takes_regular_files_only)
{
	AUTO_TMP t = tmp_make();
	AUTO_FREE char *text = NULL;

	CHECK_EQ(file_replace_at(t.fd, "f", "12345", 5, 0600, 0), 0);
	CHECK_EQ(file_read_at(t.fd, "f", 4, &text, NULL), -EFBIG);
	CHECK_EQ(file_read_at(t.fd, "missing", 4, &text, NULL), -ENOENT);
	CHECK_EQ(mkfifoat(t.fd, "fifo", 0600), 0);
	CHECK_EQ(file_read_at(t.fd, "fifo", 4, &text, NULL), -EINVAL);
	CHECK_EQ(file_read_at(t.fd, ".", 4, &text, NULL), -EISDIR);
}

TEST(a_tree_is_removed_without_following_links)
{
	AUTO_TMP t = tmp_make();

	CHECK_EQ(mkdirat(t.fd, "keep", 0700), 0);
	CHECK_EQ(file_replace_at(t.fd, "keep/file", "x", 1, 0600, 0), 0);
	CHECK_EQ(mkdirat(t.fd, "gone", 0700), 0);
	CHECK_EQ(mkdirat(t.fd, "gone/deep", 0700), 0);
	CHECK_EQ(file_replace_at(t.fd, "gone/deep/file", "x", 1, 0600, 0), 0);
	CHECK_EQ(symlinkat("../keep", t.fd, "gone/link"), 0);
	CHECK_EQ(dir_remove_at(t.fd, "gone"), 0);
	CHECK(faccessat(t.fd, "gone", F_OK, 0) < 0);
	CHECK_EQ(faccessat(t.fd, "keep/file", F_OK, 0), 0);
	CHECK_EQ(dir_remove_at(t.fd, "gone"), 0);
}

TEST(folders_are_made_with_their_parents)
{
	AUTO_TMP t = tmp_make();
	char path[64];

	snprintf(path, sizeof(path), "%s/a/b/c", t.path);
	CHECK_EQ(dir_make_all(path, 0700), 0);
	CHECK_EQ(dir_make_all(path, 0700), 0);
	AUTO_FD fd = dir_open_make_at(t.fd, "a", 0700);

	CHECK(fd >= 0);
}

TEST(a_full_pipe_without_waiting_is_waited_for)
{
	int p[2];
	char big[8192] = { 0 };

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	AUTO_FD in = p[0];
	AUTO_FD out = p[1];

	CHECK_EQ(fd_set_nonblock(out, true), 0);
	CHECK_EQ(fd_write_full(out, big, sizeof(big)), 0);
	CHECK_EQ(fd_read_full(in, big, sizeof(big)), (ssize_t)sizeof(big));
}

TEST(a_file_is_sent_whole_or_is_too_short)
{
	AUTO_FD from = memfd_create("from", MFD_CLOEXEC);
	AUTO_FD to = memfd_create("to", MFD_CLOEXEC);
	char text[8] = { 0 };

	CHECK_EQ(fd_write_full(from, "abcdef", 6), 0);
	CHECK_EQ(fd_send_file(to, from, 7), -ENODATA);
	CHECK_EQ(ftruncate(to, 0), 0);
	CHECK_EQ(lseek(to, 0, SEEK_SET), 0);
	CHECK_EQ(fd_send_file(to, from, 4), 0);
	CHECK_EQ(lseek(from, 0, SEEK_CUR), 6);
	CHECK_EQ(pread(to, text, sizeof(text), 0), 4);
	CHECK_STR(text, "abcd");
}

TEST_MAIN()
