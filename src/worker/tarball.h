#pragma once
/*
 * Entries of a tar stream, by libarchive's tar reader alone: no other format, no filter, no file.
 */
#include <archive.h>
#include <archive_entry.h>

struct err;
struct inflate;

struct tarball {
	struct archive *a;
	struct inflate *source; /* borrowed */
	struct err *e;		/* borrowed: what the source says */
	int source_r;
	uint64_t entries;
};

/* Layers of distributions have some ten thousand entries; a hostile one would fill the inodes. */
#define TARBALL_ENTRIES_MAX ((uint64_t)4 << 20)

int tarball_open(struct tarball *t, struct inflate *source, struct err *e);
void tarball_done(struct tarball *t);
/* The next entry, valid until the next call. 1, 0 at the end, -errno. */
int tarball_next(struct tarball *t, struct archive_entry **ret, struct err *e);
/* The next bytes of the entry and their place. 1, 0 at the end, -errno. */
int tarball_data(struct tarball *t, const void **ret, size_t *ret_len, int64_t *ret_offset,
		 struct err *e);
