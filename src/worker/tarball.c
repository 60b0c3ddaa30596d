#include "worker/tarball.h"

#include "base/err.h"
#include "base/str.h"
#include "worker/inflate.h"

static la_ssize_t on_read(struct archive *a, void *data, const void **ret)
{
	struct tarball *t = data;
	ssize_t n = inflate_next(t->source, ret, t->e);

	if (n < 0) {
		t->source_r = (int)n;
		archive_set_error(a, EIO, "source failed");
	}
	return n < 0 ? ARCHIVE_FATAL : n;
}

/* libarchive's words, or the source's, which were first. */
static int failed(struct tarball *t, struct err *e)
{
	const char *words = archive_error_string(t->a);

	if (t->source_r < 0)
		return t->source_r;
	if (archive_errno(t->a) == ENOMEM)
		return err_set(e, -ENOMEM, "damaged or too large archive: %s",
			       words ? words : "out of memory");
	return err_set(e, -EBADMSG, "damaged archive: %s", words ? words : "unknown");
}

int tarball_open(struct tarball *t, struct inflate *source, struct err *e)
{
	*t = (struct tarball){ .a = archive_read_new(), .source = source, .e = e };
	if (!t->a)
		return err_set(e, -ENOMEM, "out of memory");
	if (archive_read_support_format_tar(t->a) != ARCHIVE_OK ||
	    archive_read_support_format_empty(t->a) != ARCHIVE_OK ||
	    archive_read_open2(t->a, t, NULL, on_read, NULL, NULL) != ARCHIVE_OK)
		return failed(t, e);
	return 0;
}

void tarball_done(struct tarball *t)
{
	if (t->a)
		archive_read_free(t->a);
	t->a = NULL;
}

int tarball_next(struct tarball *t, struct archive_entry **ret, struct err *e)
{
	int r = archive_read_next_header(t->a, ret);

	/* An end that the source did not mean is none. */
	if (r == ARCHIVE_EOF)
		return t->source_r;
	/* A warning is about what we do not use (names of users), or leaves no name at all. */
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return failed(t, e);
	if (++t->entries > TARBALL_ENTRIES_MAX)
		return err_set(e, -E2BIG, "the archive has more than %llu entries",
			       (unsigned long long)TARBALL_ENTRIES_MAX);
	if (!archive_entry_pathname(*ret))
		return err_set(e, -EBADMSG, "damaged archive: entry %llu has no usable name",
			       (unsigned long long)t->entries);
	return 1;
}

int tarball_data(struct tarball *t, const void **ret, size_t *ret_len, int64_t *ret_offset,
		 struct err *e)
{
	la_int64_t offset;
	int r = archive_read_data_block(t->a, ret, ret_len, &offset);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK)
		return failed(t, e);
	*ret_offset = offset;
	return 1;
}
