/*
 * The manifest role: what a registry names, document by document. Behind parse's sandbox; asks the parent for each
 * document that it needs next, and ends with one normalised record.
 */
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "spec/worker_protocol.h"
#include "worker/document.h"
#include "worker/parse.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

static int send_image(struct parse *p, const char *json, size_t len, struct err *e)
{
	int r = worker_msg_send(WORKER_CONTROL_FD, WORKER_IMAGE, 0, 0, json, len, -EBADF);

	(void)p;
	return r < 0 ? err_sys(e, r, "report an image") : 0;
}

static const struct parse_peer parent = { .image = send_image };

/* ---- a manifest ---- */

static int check_layers(const struct oci_manifest *m, struct err *e)
{
	for (size_t i = 0; i < m->layers.n; i++)
		if (oci_layer_compression(m->layers.v[i].media_type) < 0)
			return err_set(e, -EOPNOTSUPP,
				       "layer %zu: media type '%.120s' is not supported", i + 1,
				       m->layers.v[i].media_type ? m->layers.v[i].media_type : "");
	return 0;
}

/* 1: sent, 0: another platform's, -errno. */
static int take_manifest(struct parse *p, const struct document *doc, const struct oci_manifest *m,
			 struct arena *a, struct err *e)
{
	struct parse_image image = { .manifest_digest = doc->digest,
				     .manifest_size = (int64_t)doc->len,
				     .media_type = *doc->media_type ? doc->media_type
						   : m->media_type  ? m->media_type
								    : MT_OCI_MANIFEST,
				     .manifest = m };
	AUTO_DOCUMENT text = { 0 };
	struct oci_image_config *c;
	int r;

	if (m->artifact_type || !m->config || !parse_is_config_type(m->config->media_type))
		return err_set(e, -EOPNOTSUPP, "it is an artifact of type '%.120s', not an image",
			       m->artifact_type			    ? m->artifact_type
			       : m->config && m->config->media_type ? m->config->media_type
								    : "");
	r = check_layers(m, e);
	if (r == 0)
		r = document_want(m->config, LIMIT_MANIFEST_BYTES, &text, e);
	if (r == 0)
		r = oci_image_config_read(text.text, text.len, a, &c, e);
	if (r < 0)
		return err_wrap(e, r, "manifest %.19s", doc->digest);
	if (!parse_rank(&p->platform, c->os, c->architecture, c->variant)) {
		parse_note_platform(p, c->os, c->architecture, c->variant);
		return 0;
	}
	image.config = c;
	r = parse_send_image(p, &image, a, e);
	return r < 0 ? r : 1;
}

/* ---- an index ---- */

/* What the index says of an element's platform. 0: not ours. */
static int rank(struct parse *p, const struct oci_descriptor *d)
{
	const struct oci_platform *pf = d->platform;
	int r = parse_rank_descriptor(&p->platform, d);

	if (r == 0 && parse_is_document(d) && pf && pf->os && *pf->os)
		parse_note_platform(p, pf->os, pf->architecture, pf->variant);
	return r;
}

static int take(struct parse *p, const struct document *doc, int depth, struct err *e);

/* The best element first, then the next best, until one is an image for us. */
static int take_index(struct parse *p, const struct oci_manifest *m, int depth, struct arena *a,
		      struct err *e)
{
	int *ranks = arena_calloc(a, m->manifests.n + 1, sizeof(*ranks));
	int r = 0;

	if (!ranks)
		return err_set(e, -ENOMEM, "out of memory");
	if (depth >= LIMIT_INDEX_NESTING)
		return err_set(e, -E2BIG, "indexes nest deeper than %d", LIMIT_INDEX_NESTING);
	for (size_t i = 0; i < m->manifests.n; i++)
		ranks[i] = rank(p, &m->manifests.v[i]);
	while (r == 0) {
		AUTO_DOCUMENT doc = { 0 };
		size_t best = m->manifests.n;

		for (size_t i = 0; i < m->manifests.n; i++)
			if (ranks[i] > 0 && (best == m->manifests.n || ranks[i] < ranks[best]))
				best = i;
		if (best == m->manifests.n)
			break;
		ranks[best] = 0;
		r = document_want(&m->manifests.v[best], LIMIT_MANIFEST_BYTES, &doc, e);
		if (r == 0)
			r = take(p, &doc, depth + 1, e);
	}
	return r;
}

static int take(struct parse *p, const struct document *doc, int depth, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = PARSE_IMAGE_BUDGET };
	struct oci_manifest *m;
	bool is_index;
	int r = oci_manifest_read(doc->text, doc->len, *doc->media_type ? doc->media_type : NULL,
				  &a, &m, &is_index, e);

	if (r < 0)
		return err_wrap(e, r, "manifest %.19s", doc->digest);
	r = document_describe(doc, m, is_index, NULL, e);
	if (r < 0)
		return r;
	return is_index ? take_index(p, m, depth, &a, e) : take_manifest(p, doc, m, &a, e);
}

static int run(struct parse *p, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	AUTO_DOCUMENT top = { 0 };
	struct worker_msg m;
	int r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);

	if (r <= 0 || m.type != WORKER_START)
		return err_set(e, -EPROTO, "no start message");
	r = parse_platform_read(payload, &p->platform, e);
	if (r == 0)
		r = document_need(&top, e);
	if (r == 0)
		r = take(p, &top, 0, e);
	if (r == 0)
		r = err_set_code(
			e, -ENOENT, ERR_NOT_FOUND,
			"no matching manifest for %s/%s in the manifest list entries%s%s%s",
			p->platform.os, p->platform.architecture, p->found[0] ? " (only for " : "",
			p->found, p->found[0] ? ")" : "");
	return MIN(r, 0);
}

int worker_manifest_main(void)
{
	struct parse p = { .peer = &parent };
	struct err e = ERR_INIT;
	int r = sandbox_enter_parse(&e);

	if (r == 0)
		r = run(&p, &e);
	if (r == 0)
		r = worker_msg_send(WORKER_CONTROL_FD, WORKER_DONE, 0, 0, NULL, 0, -EBADF);
	else
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	return r < 0 ? 1 : 0;
}
