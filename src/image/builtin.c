/* The image that comes with the program, so that a first run needs no network. */
#include "image/priv.h"

#include <fcntl.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/ref.h"

#define BUILTIN_NAME "docker.io/corten/hello:latest"
#define BUILTIN_FILE "corten-hello.tar"

static int open_archive(struct err *e)
{
	AUTO_FREE char *dir = NULL;
	AUTO_FREE char *path = NULL;
	int fd = -ENOENT;

	if (proc_self_dir(&dir) == 0 &&
	    (path = str_printf("%s/../share/corten/" BUILTIN_FILE, dir)))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fd = open(CORTEN_DATADIR "/" BUILTIN_FILE, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, -errno,
				"the built-in image '" CORTEN_DATADIR "/" BUILTIN_FILE "'")
		      : fd;
}

int image_ensure_builtin(struct store *s, const char *ns, const char *what, struct arena *a,
			 struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	struct image_loaded loaded;
	struct image_row row;
	AUTO_FD fd = -EBADF;
	struct ref ref;

	if (ref_parse(what, &ref, NULL) < 0 || !streq(ref_full(&ref, full), BUILTIN_NAME))
		return err_set(e, -ENOENT, "No such image: %s", what);
	if (store_image_get(s, ns, BUILTIN_NAME, a, &row, NULL) == 0)
		return 0;
	fd = open_archive(e);
	return fd < 0 ? fd : image_load(s, ns, fd, NULL, a, &loaded, e);
}
