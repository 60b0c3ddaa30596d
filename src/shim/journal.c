#include "shim/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

#define JOURNAL_MAGIC 0x4a585443u
#define JOURNAL_NAME "exits"

/* FNV-1a: torn and zeroed records are what it has to tell, not malice. */
static uint32_t sum_of(const struct journal_record *r)
{
	const unsigned char *p = (const unsigned char *)r;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < offsetof(struct journal_record, sum); i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static bool is_valid(const struct journal_record *r)
{
	return r->magic == JOURNAL_MAGIC && r->sum == sum_of(r) &&
	       memchr(r->exec_id, '\0', JOURNAL_ID_MAX);
}

/* 1 and the record at `i`, or 0 behind the last valid one. */
static int read_record(int fd, uint64_t i, struct journal_record *ret)
{
	ssize_t n = pread(fd, ret, sizeof(*ret), (off_t)(i * sizeof(*ret)));

	return n == (ssize_t)sizeof(*ret) && is_valid(ret) && ret->seq == i + 1;
}

int journal_open(int task_fd, struct journal *ret)
{
	struct journal_record r;
	uint64_t n = 0;
	int fd = openat(task_fd, JOURNAL_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	while (read_record(fd, n, &r))
		n++;
	if (ftruncate(fd, (off_t)(n * sizeof(r))) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret = (struct journal){ fd, n };
	return 0;
}

int journal_append(struct journal *j, struct journal_record *r)
{
	ssize_t n;

	r->magic = JOURNAL_MAGIC;
	r->seq = j->seq + 1;
	r->zero = 0;
	r->sum = sum_of(r);
	n = pwrite(j->fd, r, sizeof(*r), (off_t)(j->seq * sizeof(*r)));
	if (n != (ssize_t)sizeof(*r))
		return n < 0 ? -errno : -ENOSPC;
	j->seq++;
	return 0;
}

void journal_close(struct journal *j)
{
	fd_closep(&j->fd);
}

int journal_find(int task_fd, const char *exec_id, unsigned int with, unsigned int without,
		 struct journal_record *ret)
{
	AUTO_FD fd = openat(task_fd, JOURNAL_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct journal_record r;
	bool is_found = false;

	if (fd < 0)
		return -errno;
	for (uint64_t i = 0; read_record(fd, i, &r); i++) {
		if (!streq(r.exec_id, exec_id) || (r.flags & with) != with || (r.flags & without))
			continue;
		*ret = r;
		is_found = true;
	}
	return is_found ? 0 : -ENOENT;
}
