#include "image/registry/fetcher.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "spec/fetch_setup.h"

void warner_tell(struct warner *w, const char *words)
{
	char text[WARNER_TEXT_MAX + 1];

	snprintf(text, sizeof(text), "%s", words);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	for (size_t i = 0; i < w->n; i++)
		if (streq(w->texts[i], text))
			return;
	if (!w->warned || w->n == WARNER_TEXTS_MAX)
		return;
	memcpy(w->texts[w->n++], text, sizeof(text));
	w->warned(w->data, text);
}

int fetcher_start(const struct fetch_setup *setup, struct worker *w, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	int r;

	if (w->control >= 0)
		return 0;
	json_write(&fetch_setup_table, setup, 0, &b);
	if (strbuf_ok(&b) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = worker_start("fetch", NULL, 0, w, e);
	if (r == 0)
		r = worker_send(w, WORKER_START, 0, b.p, b.len, -EBADF, e);
	explicit_bzero(b.p, b.len);
	return r;
}

int fetcher_get(struct worker *w, const char *path, uint64_t begin, uint64_t end, int fd,
		struct err *e)
{
	int r = worker_msg_send(w->control, WORKER_GET, begin, end, path, strlen(path), fd);

	w->heard_ms = clock_mono_ms();
	/* One that failed meanwhile has said why: the next message is its error. */
	return r < 0 && r != -EPIPE ? err_sys(e, r, "talk to the worker") : 0;
}

int fetcher_recv(struct worker *w, struct warner *warner, struct worker_msg *ret,
		 char **ret_payload, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	int r = worker_recv(w, ret, &payload, e);

	if (r < 0)
		return r;
	if (ret->type == WORKER_WARNED && warner)
		warner_tell(warner, payload);
	if (ret->type == WORKER_WARNED || ret->type == WORKER_PROGRESS)
		return 0;
	if (ret->type != WORKER_GOT && ret->type != WORKER_CALLED)
		return err_set(e, -EPROTO, "the worker sent message %u", ret->type);
	if (ret->type == WORKER_GOT && strlen(payload) >= ret->len)
		return err_set(e, -EPROTO, "the worker sent no media type");
	*ret_payload = TAKE_PTR(payload);
	return 1;
}

int fetcher_wait_got(struct worker *w, struct warner *warner, char **ret_type, struct err *e)
{
	struct worker_msg m = { 0 };
	int r;

	do {
		r = worker_wait(w, false, e);
		if (r == 0)
			r = fetcher_recv(w, warner, &m, ret_type, e);
	} while (r == 0);
	if (r > 0 && m.type != WORKER_GOT) {
		free(TAKE_PTR(*ret_type));
		return err_set(e, -EPROTO, "the worker sent message %u", m.type);
	}
	return MIN(r, 0);
}
