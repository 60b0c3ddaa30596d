/* Documents by the control channel. Apart from what they mean: the verify role links no more than this. */
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "spec/image.h"
#include "spec/worker_protocol.h"
#include "worker/document.h"

void document_done(struct document *d)
{
	free(d->payload);
}

int document_receive(struct document *ret, struct err *e)
{
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	int r = worker_msg_recv(WORKER_CONTROL_FD, &m, &ret->payload, &fd);
	size_t at;

	if (r == 0 || r == -ECONNRESET)
		return 0;
	if (r < 0 || m.type != WORKER_DOCUMENT)
		return err_set(e, -EPROTO, "no document");
	ret->digest = ret->payload;
	at = strlen(ret->payload) + 1;
	if (at >= m.len)
		return err_set(e, -EPROTO, "a document without a type");
	ret->media_type = ret->payload + at;
	at += strlen(ret->media_type) + 1;
	if (at > m.len)
		return err_set(e, -EPROTO, "a document without a text");
	ret->text = ret->payload + at;
	ret->len = m.len - at;
	return 1;
}

int document_need(struct document *ret, struct err *e)
{
	int r = document_receive(ret, e);

	return r > 0 ? 0 : r < 0 ? r : err_set(e, -EPROTO, "no document");
}

int document_want(const struct oci_descriptor *d, size_t max, struct document *ret, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	int r;

	if (d->size < 0 || d->size > (int64_t)max)
		return err_set(e, -E2BIG, "%.80s has %lld bytes, the limit is %zu", d->digest,
			       (long long)d->size, max);
	strbuf_add(&b, d->digest, strlen(d->digest) + 1);
	strbuf_adds(&b, d->media_type ? d->media_type : "");
	if (strbuf_ok(&b) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = worker_msg_send(WORKER_CONTROL_FD, WORKER_WANT, (uint64_t)d->size, 0, b.p, b.len,
			    -EBADF);
	if (r < 0)
		return err_sys(e, r, "ask for a document");
	r = document_need(ret, e);
	if (r == 0 && !streq(ret->digest, d->digest))
		r = err_set(e, -EPROTO, "another document than the one that was asked for");
	return r;
}
