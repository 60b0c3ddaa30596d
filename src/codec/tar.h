#pragma once
/*
 * Headers of tar archives, written: POSIX ustar, with PAX records for what ustar cannot say (long names, times
 * with fractions, sizes from 8 GiB on, large owners, xattrs). What comes out depends on the entry alone.
 *
 * Is not a reader: archives from outside are read by libarchive in the worker. Safe after fork: yes, while the parent
 * had one thread. POSIX.1-2017 pax, "ustar Interchange Format"; xattrs as SCHILY.xattr.*, which all image tools read.
 */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct strbuf;

#define TAR_BLOCK 512

enum tar_type {
	TAR_FILE = '0',
	TAR_HARDLINK = '1',
	TAR_SYMLINK = '2',
	TAR_CHAR = '3',
	TAR_BLOCKDEV = '4',
	TAR_FOLDER = '5',
	TAR_FIFO = '6',
};

struct tar_xattr {
	const char *name; /* "user.a"; without "=", which the format cannot hold */
	const void *value;
	size_t len;
};

struct tar_entry {
	const char *path; /* without a slash at its begin; that of a folder gets one at its end */
	const char *link; /* target of a link, else NULL */
	enum tar_type type;
	uint32_t mode; /* permission bits */
	uint32_t uid, gid, major, minor;
	int64_t size; /* of a file */
	struct timespec mtime;
	const struct tar_xattr *xattrs; /* in the order in which they are written */
	size_t xattrs_n;
};

/* Appends the entry's header blocks; its `size` bytes follow, then tar_padding of them. */
void tar_add_header(struct strbuf *out, const struct tar_entry *entry);
/* Zero bytes that end the data's last block. */
static inline size_t tar_padding(int64_t size)
{
	return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}
/* The two blocks at the end of an archive. */
void tar_add_end(struct strbuf *out);
