#include "image/registry/ask.h"

#include <sys/mman.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "image/registry/fetcher.h"

void registry_answer_done(struct registry_answer *a)
{
	free(a->text);
	free(a->type);
	*a = (struct registry_answer){ 0 };
}

int registry_ask(const struct fetch_setup *setup, const char *path, size_t size_max,
		 struct registry_answer *ret, struct err *e)
{
	AUTO_FD fd = memfd_create("registry-answer", MFD_CLOEXEC);
	struct registry_answer a = { 0 };
	struct worker w = { .control = -EBADF };
	int r = fd < 0 ? err_sys(e, -errno, "make a file in memory") : fetcher_start(setup, &w, e);

	if (r == 0)
		r = fetcher_get(&w, path, 0, WORKER_GET_BOUNDED | size_max, fd, e);
	if (r == 0)
		r = fetcher_wait_got(&w, NULL, &a.type, e);
	worker_stop(&w);
	if (r == 0) {
		r = lseek(fd, 0, SEEK_SET) < 0 ? -errno
					       : fd_read_all(fd, size_max, &a.text, &a.len);
		if (r < 0)
			err_sys(e, r, "read the registry's answer");
	}
	if (r < 0)
		registry_answer_done(&a);
	else
		*ret = a;
	return r;
}
