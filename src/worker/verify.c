/*
 * The verify role: whether one signature of an image is by one of the policy's keys, and of what. Behind a sandbox as parse's,
 * a process for each signature; the payload is read only when a key fits.
 */
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/base64.h"
#include "codec/digest.h"
#include "spec/sigstore.h"
#include "spec/verify_setup.h"
#include "spec/worker_protocol.h"
#include "worker/document.h"
#include "worker/sandbox.h"
#include "worker/verify_key.h"
#include "worker/worker.h"

#define BUDGET ((size_t)24 << 20)
#define STATEMENT_TYPE "application/vnd.in-toto+json"

struct verify {
	struct arena a;
	struct verify_setup setup;
	/* What is signed, and what its meaning is read from. */
	const char *is_signed, *text;
	size_t signed_len, len;
};

static int decode(struct verify *v, const char *s, size_t len, const char **ret, size_t *ret_len,
		  struct err *e)
{
	char *p = arena_alloc(&v->a, BASE64_RAW_MAX(len) + 1);
	ssize_t n = p ? base64_decode(BASE64_STANDARD, s, len, p) : -ENOMEM;

	if (n < 0)
		return err_set(e, (int)n, n == -ENOMEM ? "out of memory" : "it is no base64");
	p[n] = '\0';
	*ret = p;
	*ret_len = (size_t)n;
	return 0;
}

/* DSSE's pre-authentication encoding, so that the type is signed too. */
static int encode_dsse(struct verify *v, const struct document *doc, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	const char *type = v->setup.payload_type ? v->setup.payload_type : "";
	char *p;
	int r = decode(v, doc->text, doc->len, &v->text, &v->len, e);

	if (r < 0)
		return err_wrap(e, r, "payload");
	strbuf_addf(&b, "DSSEv1 %zu %s %zu ", strlen(type), type, v->len);
	strbuf_add(&b, v->text, v->len);
	p = strbuf_ok(&b) < 0 ? NULL : arena_strndup(&v->a, b.p, b.len);
	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	v->is_signed = p;
	v->signed_len = b.len;
	return 0;
}

static int read_dsse(struct verify *v, struct sigstore_claim *ret, struct err *e)
{
	if (!v->setup.payload_type || !streq(v->setup.payload_type, STATEMENT_TYPE))
		return err_set(e, -EBADMSG, "the envelope holds a '%.80s', not a '%s'",
			       v->setup.payload_type ? v->setup.payload_type : "", STATEMENT_TYPE);
	return sigstore_statement_read(v->text, v->len, v->setup.digest, &v->a, ret, e);
}

static int take_text(struct verify *v, const struct document *doc, struct err *e)
{
	(void)e;
	v->is_signed = v->text = doc->text;
	v->signed_len = v->len = doc->len;
	return 0;
}

static int read_simple(struct verify *v, struct sigstore_claim *ret, struct err *e)
{
	return sigstore_payload_read(v->text, v->len, &v->a, ret, e);
}

/* The manifest itself: its bytes are the claim. */
static int read_message(struct verify *v, struct sigstore_claim *ret, struct err *e)
{
	char digest[DIGEST_TEXT_MAX];

	*ret = (struct sigstore_claim){ arena_strdup(&v->a, digest_of(v->text, v->len, digest)),
					"" };
	return ret->digest ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static const struct {
	const char *name;
	int (*prepare)(struct verify *v, const struct document *doc, struct err *e);
	int (*read)(struct verify *v, struct sigstore_claim *ret, struct err *e);
} kinds[] = {
	{ SIGNATURE_SIMPLE, take_text, read_simple },
	{ SIGNATURE_DSSE, encode_dsse, read_dsse },
	{ SIGNATURE_MESSAGE, take_text, read_message },
};

/* A key that cannot be used is an error even when another one fits: somebody relies on it. */
static int find_key(struct verify *v, struct verify_result *ret, struct err *e)
{
	const char *signature, *algorithm;
	size_t len;
	int r = decode(v, v->setup.signature, strlen(v->setup.signature), &signature, &len, e);

	if (r < 0)
		return err_wrap(e, r, "signature");
	ret->key = -1;
	for (size_t i = 0; i < v->setup.keys.n; i++) {
		CLEANUP(verify_key_freep) struct verify_key *k = NULL;

		r = verify_key_read(v->setup.keys.v[i], &k, e);
		if (r < 0)
			return err_wrap(e, r, "key %zu", i + 1);
		if (ret->key >= 0 || len > SIGSTORE_SIGNATURE_BYTES)
			continue;
		r = verify_key_check(k, signature, len, v->is_signed, v->signed_len, &algorithm);
		if (r == -ENOMEM)
			return err_set(e, r, "out of memory");
		if (r == 0) {
			ret->key = (int64_t)i;
			ret->algorithm = algorithm;
		}
	}
	if (ret->key >= 0)
		return 0;
	return err_set_code(e, -EKEYREJECTED, ERR_PERMISSION_DENIED,
			    v->setup.keys.n == 1 ? "it is not by the key"
						 : "it is by none of the keys");
}

static int report(const struct verify_result *res, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	int r;

	json_write(&verify_result_table, res, 0, &b);
	if (strbuf_ok(&b) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = worker_msg_send(WORKER_CONTROL_FD, WORKER_VERIFIED, 0, 0, b.p, b.len, -EBADF);
	return r < 0 ? err_sys(e, r, "report") : 0;
}

static int judge(struct verify *v, const struct document *doc, struct err *e)
{
	struct sigstore_claim claim = { 0 };
	struct verify_result res = { 0 };
	size_t i = 0;
	int r;

	while (i < ARRAY_LEN(kinds) && !streq(kinds[i].name, v->setup.kind))
		i++;
	if (i == ARRAY_LEN(kinds))
		return err_set(e, -EPROTO, "no such kind of signature");
	r = kinds[i].prepare(v, doc, e);
	if (r == 0)
		r = find_key(v, &res, e);
	if (r == 0)
		r = kinds[i].read(v, &claim, e);
	if (r < 0)
		return r;
	res.digest = claim.digest;
	res.reference = claim.reference;
	return report(&res, e);
}

static int run(struct verify *v, struct err *e)
{
	static const struct json_limits lim = { .bytes = WORKER_PAYLOAD_MAX };
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	AUTO_DOCUMENT doc = { 0 };
	struct worker_msg m;
	int r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);

	if (r <= 0 || m.type != WORKER_START)
		return err_set(e, -EPROTO, "no start message");
	r = json_read(&verify_setup_table, payload, m.len, &lim, &v->a, &v->setup, e);
	if (r == 0)
		r = document_need(&doc, e);
	return r < 0 ? r : judge(v, &doc, e);
}

int worker_verify_main(void)
{
	struct verify v = { .a = { .budget = BUDGET } };
	struct err e = ERR_INIT;
	int r;

	verify_init();
	r = sandbox_enter_verify(&e);
	if (r == 0)
		r = run(&v, &e);
	if (r < 0)
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	arena_done(&v.a);
	return r < 0 ? 1 : 0;
}
