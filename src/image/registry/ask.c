#include "image/registry/ask.h"

#include <sys/mman.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "image/priv.h"
#include "spec/fetch_setup.h"

void registry_answer_done(struct registry_answer *a)
{
	free(a->text);
	free(a->type);
	*a = (struct registry_answer){ 0 };
}

static int start(const struct fetch_setup *setup, struct worker *w, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	int r;

	json_write(&fetch_setup_table, setup, 0, &b);
	if (strbuf_ok(&b) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = worker_start("fetch", NULL, 0, w, e);
	if (r == 0)
		r = worker_send(w, WORKER_START, 0, b.p, b.len, -EBADF, e);
	explicit_bzero(b.p, b.len);
	return r;
}

static int wait_answer(struct worker *w, char **ret_type, struct err *e)
{
	for (;;) {
		AUTO_FREE char *payload = NULL;
		struct worker_msg m;
		int r = worker_wait(w, false, e);

		if (r == 0)
			r = worker_recv(w, &m, &payload, e);
		if (r < 0)
			return r;
		if (m.type == WORKER_PROGRESS)
			continue;
		if (m.type != WORKER_GOT || strlen(payload) >= m.len)
			return err_set(e, -EPROTO, "the worker sent message %u", m.type);
		*ret_type = TAKE_PTR(payload);
		return 0;
	}
}

int registry_ask(const struct fetch_setup *setup, const char *path, size_t size_max,
		 struct registry_answer *ret, struct err *e)
{
	AUTO_FD fd = memfd_create("registry-answer", MFD_CLOEXEC);
	struct registry_answer a = { 0 };
	struct worker w = { .control = -EBADF };
	int r = fd < 0 ? err_sys(e, -errno, "make a file in memory") : start(setup, &w, e);

	if (r == 0) {
		r = worker_msg_send(w.control, WORKER_GET, 0, WORKER_GET_BOUNDED | size_max, path,
				    strlen(path), fd);
		r = r < 0 && r != -EPIPE ? err_sys(e, r, "talk to the worker") : 0;
	}
	if (r == 0)
		r = wait_answer(&w, &a.type, e);
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
