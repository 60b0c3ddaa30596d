#include "spec/sigstore.h"

#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/digest.h"

#define PAYLOAD_TYPE "cosign container image signature"
#define PREDICATE_SIGN "https://sigstore.dev/cosign/sign/v1"
#define STATEMENT_PREFIX "https://in-toto.io/Statement/v"
#define ROW JSON_ROW
#define SUB JSON_ROW_SUB
#define NEED JSON_REQUIRED

static const struct json_limits limits = { .bytes = SIGSTORE_PAYLOAD_BYTES };

/* ---- simple signing ---- */

struct identity {
	const char *reference;
};
static const struct json_field identity_rows[] = {
	ROW(identity, reference, "docker-reference", JSON_STR, NEED),
};
static JSON_TABLE(identity_table, "identity", identity, identity_rows);

struct image {
	const char *digest;
};
static const struct json_field image_rows[] = {
	ROW(image, digest, "docker-manifest-digest", JSON_STR, NEED),
};
static JSON_TABLE(image_table, "image", image, image_rows);

struct critical {
	struct identity *identity;
	struct image *image;
	const char *type;
};
static const struct json_field critical_rows[] = {
	SUB(critical, identity, "identity", JSON_OBJ, NEED, identity_table),
	SUB(critical, image, "image", JSON_OBJ, NEED, image_table),
	ROW(critical, type, "type", JSON_STR, NEED),
};
static JSON_TABLE(critical_table, "critical", critical, critical_rows);

struct payload {
	struct critical *critical;
	struct json_raw optional;
};
static const struct json_field payload_rows[] = {
	SUB(payload, critical, "critical", JSON_OBJ, NEED, critical_table),
	ROW(payload, optional, "optional", JSON_RAW, 0),
};
static JSON_TABLE(payload_table, "payload", payload, payload_rows);

int sigstore_payload_read(const char *text, size_t len, struct arena *a, struct sigstore_claim *ret,
			  struct err *e)
{
	struct payload p;
	struct json_reader rd;
	int r = json_read(&payload_table, text, len, &limits, a, &p, e);

	if (r < 0)
		return r;
	json_reader_init(&rd, text, len, &limits, a, e);
	if (json_next(&rd) != JSON_T_OBJECT)
		return json_fail(&rd, -EBADMSG, "no object");
	r = json_check_keys(&rd, &payload_table);
	if (r < 0)
		return r;
	if (!streq(p.critical->type, PAYLOAD_TYPE))
		return err_set(e, -EBADMSG, "the signature is a '%.80s', not a '%s'",
			       p.critical->type, PAYLOAD_TYPE);
	if (!digest_is_valid(p.critical->image->digest))
		return err_set(e, -EBADMSG, "the signature's '%.150s' is no digest",
			       p.critical->image->digest);
	*ret = (struct sigstore_claim){ p.critical->image->digest,
					p.critical->identity->reference };
	return 0;
}

/* ---- in-toto ---- */

struct subject {
	const char *name;
	struct json_map digest;
};
static const struct json_field subject_rows[] = {
	ROW(subject, name, "name", JSON_STR, 0),
	ROW(subject, digest, "digest", JSON_MAP, 0),
};
static JSON_TABLE(subject_table, "subject", subject, subject_rows);

struct statement {
	const char *type, *predicate_type;
	struct {
		struct subject *v;
		size_t n;
	} subjects;
};
static const struct json_field statement_rows[] = {
	ROW(statement, type, "_type", JSON_STR, NEED),
	ROW(statement, predicate_type, "predicateType", JSON_STR, NEED),
	SUB(statement, subjects, "subject", JSON_OBJS, NEED, subject_table),
};
static JSON_TABLE(statement_table, "statement", statement, statement_rows);

static bool is_digest(const struct subject *s, const char *want)
{
	for (size_t i = 0; i < s->digest.n; i++)
		if (streq(s->digest.v[i].key, "sha256") &&
		    streq(s->digest.v[i].value, digest_hex(want)))
			return true;
	return false;
}

int sigstore_statement_read(const char *text, size_t len, const char *want, struct arena *a,
			    struct sigstore_claim *ret, struct err *e)
{
	struct statement s;
	int r = json_read(&statement_table, text, len, &limits, a, &s, e);

	if (r < 0)
		return r;
	if (!str_skip(s.type, STATEMENT_PREFIX))
		return err_set(e, -EBADMSG, "'%.80s' is no in-toto statement", s.type);
	if (!streq(s.predicate_type, PREDICATE_SIGN))
		return err_set(e, -EBADMSG, "it is an attestation of type '%.120s', no signature",
			       s.predicate_type);
	for (size_t i = 0; i < s.subjects.n; i++) {
		if (!is_digest(&s.subjects.v[i], want))
			continue;
		*ret = (struct sigstore_claim){ want,
						s.subjects.v[i].name ? s.subjects.v[i].name : "" };
		return 0;
	}
	return err_set(e, -EBADMSG, "it is the signature of another image");
}

/* ---- bundle ---- */

struct envelope_signature {
	const char *sig;
};
static const struct json_field envelope_signature_rows[] = {
	ROW(envelope_signature, sig, "sig", JSON_STR, NEED),
};
static JSON_TABLE(envelope_signature_table, "signature", envelope_signature,
		  envelope_signature_rows);

struct envelope {
	const char *payload, *payload_type;
	struct {
		struct envelope_signature *v;
		size_t n;
	} signatures;
};
static const struct json_field envelope_rows[] = {
	ROW(envelope, payload, "payload", JSON_STR, NEED),
	ROW(envelope, payload_type, "payloadType", JSON_STR, NEED),
	SUB(envelope, signatures, "signatures", JSON_OBJS, NEED, envelope_signature_table),
};
static JSON_TABLE(envelope_table, "dsseEnvelope", envelope, envelope_rows);

struct message {
	const char *signature;
};
static const struct json_field message_rows[] = {
	ROW(message, signature, "signature", JSON_STR, NEED),
};
static JSON_TABLE(message_table, "messageSignature", message, message_rows);

struct material {
	struct json_raw certificate, chain;
};
static const struct json_field material_rows[] = {
	ROW(material, certificate, "certificate", JSON_RAW, 0),
	ROW(material, chain, "x509CertificateChain", JSON_RAW, 0),
};
static JSON_TABLE(material_table, "verificationMaterial", material, material_rows);

struct bundle {
	const char *media_type;
	struct material *material;
	struct envelope *envelope;
	struct message *message;
};
static const struct json_field bundle_rows[] = {
	ROW(bundle, media_type, "mediaType", JSON_STR, NEED),
	SUB(bundle, material, "verificationMaterial", JSON_OBJ, NEED, material_table),
	SUB(bundle, envelope, "dsseEnvelope", JSON_OBJ, 0, envelope_table),
	SUB(bundle, message, "messageSignature", JSON_OBJ, 0, message_table),
};
static JSON_TABLE(bundle_table, "bundle", bundle, bundle_rows);

int sigstore_bundle_read(const char *text, size_t len, struct arena *a, struct sigstore_bundle *ret,
			 struct err *e)
{
	struct bundle b;
	int r = json_read(&bundle_table, text, len, &limits, a, &b, e);

	if (r < 0)
		return r;
	if (!streq(b.media_type, MT_SIGSTORE_BUNDLE_V03))
		return err_set(e, -EOPNOTSUPP, "bundles of type '%.80s' are not supported",
			       b.media_type);
	if (!b.envelope == !b.message)
		return err_set(e, -EBADMSG, "the bundle has no signature, or two");
	/* protobuf-specs: exactly one in an envelope of v0.3. */
	if (b.envelope && b.envelope->signatures.n != 1)
		return err_set(e, -EBADMSG, "the envelope has %zu signatures, not one",
			       b.envelope->signatures.n);
	*ret = (struct sigstore_bundle){ .is_message = b.message != NULL,
					 .has_certificate = b.material->certificate.p ||
							    b.material->chain.p };
	ret->signature = b.message ? b.message->signature : b.envelope->signatures.v[0].sig;
	if (b.envelope) {
		ret->payload = b.envelope->payload;
		ret->payload_type = b.envelope->payload_type;
	}
	return 0;
}
