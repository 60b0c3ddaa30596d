/* Documents and their descriptions; the describe role, which does nothing but to describe one after the other. */
#include "worker/document.h"

#include <stdbool.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "spec/image_described.h"
#include "spec/worker_protocol.h"
#include "worker/parse.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

static int tell(const struct image_described *d, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	int r;

	json_write(&image_described_table, d, 0, &out);
	if (strbuf_ok(&out) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (out.len > WORKER_PAYLOAD_MAX)
		return err_set(e, -E2BIG, "the description of %.19s takes more than %zu MiB",
			       d->digest, WORKER_PAYLOAD_MAX >> 20);
	r = worker_msg_send(WORKER_CONTROL_FD, WORKER_DESCRIBED, 0, 0, out.p, out.len, -EBADF);
	return r < 0 ? err_sys(e, r, "describe a document") : 0;
}

/* It is for those who have no network, and may be as large as the document. */
static void cut_data(struct oci_manifest *m)
{
	if (m->config)
		m->config->data = NULL;
	if (m->subject)
		m->subject->data = NULL;
	for (size_t i = 0; i < m->layers.n; i++)
		m->layers.v[i].data = NULL;
	for (size_t i = 0; i < m->manifests.n; i++)
		m->manifests.v[i].data = NULL;
}

int document_describe(const struct document *d, struct oci_manifest *m, bool is_index,
		      const char *chosen, struct err *e)
{
	const char *type = is_index ? MT_OCI_INDEX : MT_OCI_MANIFEST;
	struct image_described out = {
		.digest = d->digest,
		.media_type = *d->media_type  ? d->media_type
			      : m->media_type ? m->media_type
					      : type,
		.is_index = is_index,
		.chosen = chosen,
		.manifest = m,
	};

	cut_data(m);
	return tell(&out, e);
}

/* ---- the role ---- */

static const char *choose(const struct parse_platform *want, const struct oci_manifest *m)
{
	const char *best = NULL;
	int best_rank = 0;

	for (size_t i = 0; i < m->manifests.n; i++) {
		const struct oci_descriptor *d = &m->manifests.v[i];
		int rank = parse_rank_descriptor(want, d);

		if (rank > 0 && (!best || rank < best_rank)) {
			best = d->digest;
			best_rank = rank;
		}
	}
	return best;
}

static int describe(const struct parse_platform *want, const struct document *d, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = PARSE_IMAGE_BUDGET };
	struct image_described out = { .digest = d->digest, .media_type = d->media_type };
	struct oci_manifest *m;
	bool is_index;
	int r;

	if (parse_is_config_type(*d->media_type ? d->media_type : NULL) && *d->media_type) {
		r = oci_image_config_read(d->text, d->len, &a, &out.config, e);
		return r < 0 ? err_wrap(e, r, "config %.19s", d->digest) : tell(&out, e);
	}
	r = oci_manifest_read(d->text, d->len, *d->media_type ? d->media_type : NULL, &a, &m,
			      &is_index, e);
	return r < 0 ? err_wrap(e, r, "manifest %.19s", d->digest)
		     : document_describe(d, m, is_index, is_index ? choose(want, m) : NULL, e);
}

static int start(struct parse_platform *ret, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	int r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);

	if (r <= 0 || m.type != WORKER_START)
		return err_set(e, -EPROTO, "no start message");
	return parse_platform_read(payload, ret, e);
}

int worker_describe_main(void)
{
	struct parse_platform want;
	struct err e = ERR_INIT;
	int r = sandbox_enter_parse(&e);

	if (r == 0)
		r = start(&want, &e);
	if (r == 0) {
		do {
			AUTO_DOCUMENT doc = { 0 };

			r = document_receive(&doc, &e);
			if (r > 0) {
				int q = describe(&want, &doc, &e);

				r = q < 0 ? q : r;
			}
		} while (r > 0);
	}
	if (r < 0)
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	return r < 0 ? 1 : 0;
}
