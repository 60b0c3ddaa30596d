/* Layers: compression, tar headers, names; everything up to the file system. */
#include <stdlib.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "worker/inflate.h"
#include "worker/names.h"
#include "worker/tarball.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What comes out of the cleaning must never be able to climb. */
static void check_clean(const char *path)
{
	ASSERT(path[0] != '/' && strlen(path) < NAME_PATH_MAX);
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");

		ASSERT(n > 0 && n <= NAME_PART_MAX && !(n == 1 && p[0] == '.') &&
		       !(n == 2 && p[0] == '.' && p[1] == '.'));
		p += n;
		if (*p == '/')
			ASSERT(*++p);
	}
}

static void check_names(struct archive_entry *ae)
{
	const char *link = archive_entry_hardlink(ae), *target = archive_entry_symlink(ae);
	char path[NAME_PATH_MAX], other[NAME_PATH_MAX];

	if (name_clean(archive_entry_pathname(ae), path, NULL) < 0)
		return;
	check_clean(path);
	if (link && name_clean(link, other, NULL) == 0)
		check_clean(other);
	if (target && name_resolve(path, target, other, NULL) == 0)
		check_clean(other);
}

static int read_entries(struct tarball *t, struct err *e)
{
	struct archive_entry *ae;
	const void *data;
	int64_t offset;
	size_t len;
	int r;

	while ((r = tarball_next(t, &ae, e)) > 0) {
		check_names(ae);
		while ((r = tarball_data(t, &data, &len, &offset, e)) > 0)
			;
		if (r < 0)
			break;
	}
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct inflate_options o = { .is_hashed = true, .window_log_max = 25 };
	AUTO_FD fd = memfd_create("layer", MFD_CLOEXEC);
	AUTO_INFLATE source = NULL;
	struct err e = ERR_INIT;
	struct tarball t;

	if (fd < 0 || fd_write_full(fd, data, len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	if (inflate_open(fd, &o, &source, &e) < 0)
		return 0;
	if (tarball_open(&t, source, &e) == 0)
		(void)read_entries(&t, &e);
	tarball_done(&t);
	return 0;
}
