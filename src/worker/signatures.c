/*
 * The signatures role: which signatures a registry has of an image. Behind parse's sandbox; what it reads anybody can have
 * written, so it decides nothing: it names candidates, and another process looks at each of them with the keys.
 */
#include "worker/signatures.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "spec/image.h"
#include "spec/sigstore.h"
#include "spec/worker_protocol.h"
#include "worker/document.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

#define MT_OCI_EMPTY "application/vnd.oci.empty.v1+json"
#define BUDGET ((size_t)24 << 20)

static const char *annotation(const struct json_map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (streq(m->v[i].key, key))
			return m->v[i].value;
	return NULL;
}

static int add(struct signatures *s, const struct signature_candidate *c, struct err *e)
{
	if (s->n == SIGNATURES_MAX)
		return err_set(e, -E2BIG, "the image has more than %d signatures", SIGNATURES_MAX);
	s->n++;
	return s->found(s, c, e);
}

static int add_unusable(struct signatures *s, const char *source, const char *why, struct err *e)
{
	return add(s, &(struct signature_candidate){ .source = source, .unusable = why }, e);
}

/* ---- cosign's tag: one layer for each signature ---- */

int signatures_read_tag(struct signatures *s, const char *digest, const char *text, size_t len,
			struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = BUDGET };
	struct oci_manifest *m;
	bool is_index;
	int r = oci_manifest_read(text, len, NULL, &a, &m, &is_index, e);

	if (r < 0)
		return err_wrap(e, r, "signatures %.19s", digest);
	if (is_index)
		return err_set(e, -EBADMSG, "signatures %.19s: an index, not a manifest", digest);
	for (size_t i = 0; i < m->layers.n && r == 0; i++) {
		const struct oci_descriptor *d = &m->layers.v[i];
		const char *signature = annotation(&d->annotations, SIGSTORE_ANNOTATION);

		if (!d->media_type || !streq(d->media_type, MT_SIMPLE_SIGNING))
			r = add_unusable(s, digest, "a layer that is no simple signing payload", e);
		else if (!signature)
			r = add_unusable(s, digest, "a payload without a signature", e);
		else
			r = add(s,
				&(struct signature_candidate){ .kind = SIGNATURE_SIMPLE,
							       .signature = signature,
							       .payload_digest = d->digest,
							       .payload_size = d->size,
							       .source = digest },
				e);
	}
	return r;
}

/* ---- bundles among the referrers ---- */

int signatures_read_bundle(struct signatures *s, const char *digest, const char *text, size_t len,
			   struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = BUDGET };
	struct err why = ERR_INIT;
	struct sigstore_bundle b;
	int r = sigstore_bundle_read(text, len, &a, &b, &why);

	if (r == -ENOMEM)
		return err_set(e, r, "out of memory");
	if (r < 0)
		return add_unusable(s, digest, err_text(&why, r), e);
	if (b.has_certificate)
		return add_unusable(
			s, digest,
			"signed with a certificate (Fulcio), which is not supported: only keys are",
			e);
	return add(s,
		   &(struct signature_candidate){ .kind = b.is_message ? SIGNATURE_MESSAGE
								       : SIGNATURE_DSSE,
						  .signature = b.signature,
						  .payload = b.payload,
						  .payload_type = b.payload_type,
						  .source = digest },
		   e);
}

static int take_bundle_manifest(struct signatures *s, const struct oci_descriptor *d, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = BUDGET };
	AUTO_DOCUMENT doc = { 0 };
	struct oci_manifest *m;
	bool is_index;
	int r = document_want(d, LIMIT_MANIFEST_BYTES, &doc, e);

	if (r == 0)
		r = oci_manifest_read(doc.text, doc.len, NULL, &a, &m, &is_index, e);
	if (r < 0)
		return err_wrap(e, r, "signature %.19s", d->digest);
	for (size_t i = 0; !is_index && i < m->layers.n && r == 0; i++) {
		const struct oci_descriptor *layer = &m->layers.v[i];
		AUTO_DOCUMENT bundle = { 0 };

		if (!layer->media_type || !streq(layer->media_type, MT_SIGSTORE_BUNDLE_V03))
			continue;
		r = document_want(layer, SIGSTORE_PAYLOAD_BYTES, &bundle, e);
		if (r == 0)
			r = signatures_read_bundle(s, doc.digest, bundle.text, bundle.len, e);
	}
	return r;
}

/*
 * Bundles, and what could be one: cosign's own entries in the list behind the fallback tag have the type of the manifest's
 * config.
 */
static bool is_bundle_type(const char *type)
{
	return !type || streq(type, MT_SIGSTORE_BUNDLE_V03) || streq(type, MT_OCI_EMPTY);
}

/* The list that the registry keeps, or its fallback tag: image-spec's index, distribution-spec "Listing Referrers". */
static int take_referrers(struct signatures *s, const struct document *doc, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = BUDGET };
	struct oci_manifest *m;
	size_t looked_at = 0;
	bool is_index;
	int r = oci_manifest_read(doc->text, doc->len, NULL, &a, &m, &is_index, e);

	if (r < 0)
		return err_wrap(e, r, "referrers %.19s", doc->digest);
	for (size_t i = 0; is_index && i < m->manifests.n && r == 0; i++) {
		const struct oci_descriptor *d = &m->manifests.v[i];

		if (!is_bundle_type(d->artifact_type))
			continue;
		r = ++looked_at > SIGNATURES_MAX
			    ? err_set(e, -E2BIG, "the image has more than %d signatures",
				      SIGNATURES_MAX)
			    : take_bundle_manifest(s, d, e);
	}
	return r;
}

/* ---- the parent ---- */

static int send_candidate(struct signatures *s, const struct signature_candidate *c, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	int r;

	(void)s;
	json_write(&signature_candidate_table, c, 0, &b);
	if (strbuf_ok(&b) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = worker_msg_send(WORKER_CONTROL_FD, WORKER_SIGNATURE, 0, 0, b.p, b.len, -EBADF);
	return r < 0 ? err_sys(e, r, "report a signature") : 0;
}

static int run(struct err *e)
{
	struct signatures s = { .found = send_candidate };
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	AUTO_DOCUMENT doc = { 0 };
	struct worker_msg m;
	int r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);

	if (r <= 0 || m.type != WORKER_START)
		return err_set(e, -EPROTO, "no start message");
	r = document_need(&doc, e);
	if (r < 0)
		return r;
	return m.a == WORKER_IS_REFERRERS
		       ? take_referrers(&s, &doc, e)
		       : signatures_read_tag(&s, doc.digest, doc.text, doc.len, e);
}

int worker_signatures_main(void)
{
	struct err e = ERR_INIT;
	int r = sandbox_enter_parse(&e);

	if (r == 0)
		r = run(&e);
	if (r == 0)
		r = worker_msg_send(WORKER_CONTROL_FD, WORKER_DONE, 0, 0, NULL, 0, -EBADF);
	else
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	return r < 0 ? 1 : 0;
}
