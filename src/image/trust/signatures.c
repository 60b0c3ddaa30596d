/* sigstoreSigned: signatures by the policy's keys. Found by one role, tried by another, compared here. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "image/priv.h"
#include "image/trust/verify.h"
#include "spec/image.h"
#include "spec/sigstore.h"

#define PATH_MAX_TEXT (DIGEST_TEXT_MAX + 32)
#define KIND_MAX 16

#define AUTO_DOCUMENT CLEANUP(trust_document_done) struct trust_document

/* ---- documents ---- */

static int keep(struct trust *t, const char *path, const char *digest, struct err *e)
{
	struct json_pair *p;

	for (size_t i = 0; i < t->kept.n; i++)
		if (streq(t->kept.v[i].key, path))
			return 0;
	if (!t->kept.v)
		t->kept.v = arena_calloc(t->a, TRUST_DOCUMENTS_MAX, sizeof(*t->kept.v));
	if (!t->kept.v)
		return err_set(e, -ENOMEM, "out of memory");
	if (t->kept.n == TRUST_DOCUMENTS_MAX)
		return err_set(e, -E2BIG, "the image's signatures have more than %d documents",
			       TRUST_DOCUMENTS_MAX);
	p = &t->kept.v[t->kept.n];
	*p = (struct json_pair){ arena_strdup(t->a, path), arena_strdup(t->a, digest) };
	if (!p->key || !p->value)
		return err_set(e, -ENOMEM, "out of memory");
	t->kept.n++;
	return 0;
}

static int get(struct trust *t, const char *path, const char *digest, size_t max,
	       struct trust_document *ret, struct err *e)
{
	int r = t->source->get(t->source, path, digest, max, ret, e);

	return r < 0 ? r : keep(t, path, ret->digest, e);
}

static int get_by_digest(struct trust *t, const char *folder, const char *digest, size_t max,
			 struct trust_document *ret, struct err *e)
{
	char path[PATH_MAX_TEXT];

	if (!str_skip(digest, "sha256:") || !digest_is_valid(digest))
		return err_set(e, -EPROTO, "the worker asks for a wrong document");
	snprintf(path, sizeof(path), "%s/%s", folder, digest);
	return get(t, path, digest, max, ret, e);
}

static int send_document(struct worker *w, const char *digest, const char *type, const void *text,
			 size_t len, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };

	strbuf_add(&b, digest, strlen(digest) + 1);
	strbuf_add(&b, type, strlen(type) + 1);
	strbuf_add(&b, text, len);
	if (strbuf_ok(&b) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return worker_send(w, WORKER_DOCUMENT, 0, b.p, b.len, -EBADF, e);
}

/* ---- what the registry has ---- */

static int on_want(struct trust *t, struct worker *w, const struct worker_msg *m,
		   const char *payload, struct err *e)
{
	AUTO_DOCUMENT doc = { 0 };
	size_t at = strlen(payload) + 1;
	bool is_manifest;
	int r;

	if (at > m->len)
		return err_set(e, -EPROTO, "the worker asks for a wrong document");
	is_manifest = streq(payload + at, MT_OCI_MANIFEST) ||
		      streq(payload + at, MT_DOCKER_MANIFEST);
	r = get_by_digest(t, is_manifest ? "manifests" : "blobs", payload, LIMIT_MANIFEST_BYTES,
			  &doc, e);
	return r < 0 ? r
		     : send_document(w, doc.digest, is_manifest ? MT_OCI_MANIFEST : "", doc.text,
				     doc.len, e);
}

static bool is_kind(const struct signature_candidate *c)
{
	static const char *const kinds[] = { SIGNATURE_SIMPLE, SIGNATURE_DSSE, SIGNATURE_MESSAGE };

	for (size_t i = 0; c->kind && i < ARRAY_LEN(kinds); i++)
		if (streq(kinds[i], c->kind))
			return true;
	return false;
}

static int on_signature(struct trust *t, enum trust_stage stage, const struct worker_msg *m,
			const char *payload, struct err *e)
{
	static const struct json_limits lim = { .bytes = WORKER_PAYLOAD_MAX };
	struct signature_candidate c;
	int r = json_read(&signature_candidate_table, payload, m->len, &lim, t->a, &c, e);

	if (r < 0)
		return r;
	if (t->found_n[stage] == SIGNATURES_MAX)
		return err_set(e, -E2BIG, "the image has more than %d signatures", SIGNATURES_MAX);
	if (!digest_is_valid(c.source) || (!c.unusable && (!c.signature || !is_kind(&c))) ||
	    (!c.unusable && streq(c.kind, SIGNATURE_SIMPLE) && !c.payload_digest) ||
	    (!c.unusable && streq(c.kind, SIGNATURE_DSSE) && !c.payload))
		return err_set(e, -EPROTO, "the worker sent a wrong signature");
	t->found[stage][t->found_n[stage]++] = c;
	return 0;
}

static int talk(struct trust *t, enum trust_stage stage, struct worker *w, struct err *e)
{
	for (size_t i = 0; i < TRUST_DOCUMENTS_MAX + SIGNATURES_MAX + 1; i++) {
		AUTO_FREE char *payload = NULL;
		struct worker_msg m;
		int r = worker_recv(w, &m, &payload, e);

		if (r < 0 || m.type == WORKER_DONE)
			return r;
		if (m.type == WORKER_WANT)
			r = on_want(t, w, &m, payload, e);
		else if (m.type == WORKER_SIGNATURE)
			r = on_signature(t, stage, &m, payload, e);
		else
			r = err_set(e, -EPROTO, "the worker sent message %u", m.type);
		if (r < 0)
			return r;
	}
	return err_set(e, -E2BIG, "the image's signatures have too many documents");
}

static int read_list(struct trust *t, enum trust_stage stage, const struct trust_document *doc,
		     struct err *e)
{
	struct worker w = { .control = -EBADF };
	int r = worker_start("signatures", NULL, 0, &w, e);

	if (r == 0)
		r = worker_send(&w, WORKER_START,
				stage == TRUST_REFERRERS ? WORKER_IS_REFERRERS : 0, NULL, 0, -EBADF,
				e);
	if (r == 0)
		r = send_document(&w, doc->digest, "", doc->text, doc->len, e);
	if (r == 0)
		r = talk(t, stage, &w, e);
	worker_stop(&w);
	return r;
}

/* A registry without the list of referrers has, or has not, a tag in its place. */
static int gather(struct trust *t, enum trust_stage stage, const char *digest, struct err *e)
{
	static const char *const paths[TRUST_STAGES][2] = {
		[TRUST_TAG] = { "manifests/sha256-%s.sig" },
		[TRUST_REFERRERS] = { "referrers/sha256:%s", "manifests/sha256-%s" },
	};
	AUTO_DOCUMENT doc = { 0 };
	int r = -ENOENT;

	for (int i = 0; r == -ENOENT && i < 2 && paths[stage][i]; i++) {
		char path[PATH_MAX_TEXT];

		snprintf(path, sizeof(path), paths[stage][i], digest_hex(digest));
		r = get(t, path, NULL, LIMIT_MANIFEST_BYTES, &doc, e);
	}
	t->is_gathered[stage] = r == 0 || r == -ENOENT;
	return r == -ENOENT ? 0 : r < 0 ? r : read_list(t, stage, &doc, e);
}

/* ---- one signature ---- */

struct attempt {
	struct trust *t;
	const struct policy_requirement *q;
	const struct trust_target *target;
	struct json_strs keys, key_names;
};

static int get_payload(struct attempt *at, const struct signature_candidate *c,
		       struct trust_document *ret, struct err *e)
{
	if (streq(c->kind, SIGNATURE_SIMPLE))
		return get_by_digest(at->t, "blobs", c->payload_digest, SIGSTORE_PAYLOAD_BYTES, ret,
				     e);
	if (streq(c->kind, SIGNATURE_MESSAGE))
		return get_by_digest(at->t, "manifests", at->target->digest, LIMIT_MANIFEST_BYTES,
				     ret, e);
	ret->len = strlen(c->payload);
	ret->text = strdup(c->payload);
	return ret->text ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int ask(struct attempt *at, const struct signature_candidate *c,
	       const struct trust_document *doc, struct verify_result *ret, struct err *e)
{
	static const struct json_limits lim = { .bytes = SIGSTORE_PAYLOAD_BYTES };
	struct worker w = { .control = -EBADF };
	AUTO_STRBUF struct strbuf b = { 0 };
	AUTO_FREE char *payload = NULL;
	struct worker_msg m;
	const struct verify_setup setup = { c->kind, c->signature, c->payload_type,
					    at->target->digest, at->keys };
	int r;

	json_write(&verify_setup_table, &setup, 0, &b);
	r = strbuf_ok(&b) < 0 ? err_set(e, -ENOMEM, "out of memory")
			      : worker_start("verify", NULL, 0, &w, e);
	if (r == 0)
		r = worker_send(&w, WORKER_START, 0, b.p, b.len, -EBADF, e);
	if (r == 0)
		r = send_document(&w, doc->digest, "", doc->text, doc->len, e);
	if (r == 0)
		r = worker_recv(&w, &m, &payload, e);
	if (r == 0 && m.type != WORKER_VERIFIED)
		r = err_set(e, -EPROTO, "the worker sent message %u", m.type);
	if (r == 0)
		r = json_read(&verify_result_table, payload, m.len, &lim, at->t->a, ret, e);
	worker_stop(&w);
	return r;
}

static int compare(struct attempt *at, const struct verify_result *res, struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX] = "";
	const char *reference = res->reference ? res->reference : "";

	if (res->key < 0 || res->key >= (int64_t)at->keys.n)
		return err_set(e, -EPROTO, "the worker names no key");
	if (!streq(res->digest, at->target->digest))
		return err_set(e, -EACCES, "it is the signature of %.80s", res->digest);
	if (at->q->identity && at->q->identity->kind == IDENTITY_DIGEST)
		return 0;
	if (at->t->ref && policy_identity_matches(at->q->identity, at->t->ref, reference))
		return 0;
	return err_set(e, -EACCES, "it is a signature for '%.200s', which is not '%.200s' (%s)",
		       reference, at->t->ref ? ref_full(at->t->ref, full) : "",
		       policy_identity_name(at->q->identity));
}

/* 1: it counts, 0: it does not, with the reason; -errno. */
static int try_one(struct attempt *at, const struct signature_candidate *c, struct err *e)
{
	AUTO_DOCUMENT doc = { 0 };
	struct verify_result res = { 0 };
	struct err why = ERR_INIT;
	int r = c->unusable ? err_set(&why, -EACCES, "%.200s", c->unusable)
			    : get_payload(at, c, &doc, &why);

	if (r == 0)
		r = ask(at, c, &doc, &res, &why);
	if (r == 0)
		r = compare(at, &res, &why);
	if (r == 0) {
		r = trust_add_words(
			at->t,
			arena_printf(at->t->a,
				     "sigstoreSigned: key '%s', signature in %s (%s), of '%s' (%s)",
				     at->key_names.v[res.key], c->source, res.algorithm,
				     res.reference ? res.reference : "",
				     policy_identity_name(at->q->identity)),
			e);
		return r < 0 ? r : 1;
	}
	/* Keys that cannot be read, a registry that does not answer, memory: no verdict on the signature. */
	if (r == -EINVAL || r == -EOPNOTSUPP || r == -ENOMEM || r == -ETIMEDOUT) {
		*e = why;
		return r;
	}
	strbuf_addf(at->t->reasons, "%ssignature in %.19s: %s", at->t->reasons->len ? "; " : "",
		    c->source, err_text(&why, r));
	return 0;
}

static int check_stages(struct attempt *at, struct err *e)
{
	struct trust *t = at->t;

	for (int stage = 0; stage < TRUST_STAGES; stage++) {
		int r = t->is_gathered[stage] ? 0 : gather(t, stage, at->target->digest, e);

		for (size_t i = 0; r == 0 && i < t->found_n[stage]; i++)
			r = try_one(at, &t->found[stage][i], e);
		if (r != 0)
			return r;
	}
	return 0;
}

int trust_check_signatures(struct trust *t, const struct policy_requirement *q,
			   const struct trust_target *target, struct err *e)
{
	struct attempt at = { .t = t, .q = q, .target = target };
	AUTO_STRBUF struct strbuf reasons = { 0 };
	int r = policy_keys(q, t->a, &at.keys, &at.key_names, e);

	if (r < 0)
		return r;
	t->reasons = &reasons;
	r = check_stages(&at, e);
	t->reasons = NULL;
	if (r != 0)
		return MIN(r, 0);
	t->is_unsigned = true;
	/* The words of containers/image. */
	if (!reasons.len)
		return err_set(
			e, -EACCES,
			"Source image rejected: A signature was required, but no signature exists");
	return err_set(e, -EACCES,
		       "Source image rejected: None of the signatures were accepted: %s",
		       reasons.p ? reasons.p : "out of memory");
}
