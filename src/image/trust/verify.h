#pragma once
/*
 * Whether the policy lets an image be used: the rule of its name, and each requirement of it. One struct trust for one
 * image; a pull asks it between resolving and fetching, `create` asks again, from what was kept.
 *
 * Nothing from outside is parsed here: what a registry calls signatures is read by the signatures role, each of them is tried by
 * a verify role of its own, and what that says was signed is compared here. Is not: the policy file (trust/policy.h).
 * Safe after fork: no.
 */
#include "codec/ref.h"
#include "image/image.h"
#include "image/trust/policy.h"
#include "spec/verify_setup.h"

/* Documents of signatures of one image: manifests, bundles, payloads. */
#define TRUST_DOCUMENTS_MAX 128

struct trust_document {
	char *text; /* malloc'ed */
	size_t len;
	char digest[DIGEST_TEXT_MAX];
};
void trust_document_done(struct trust_document *d);

/* Where documents come from: a registry, or what was kept of it. */
struct trust_source {
	/*
	 * The document at `path` below the repository, hashed; `digest` NULL: whatever is there, of at most `max` bytes.
	 * -ENOENT: there is none.
	 */
	int (*get)(struct trust_source *s, const char *path, const char *digest, size_t max,
		   struct trust_document *ret, struct err *e);
};

/* What the name stands for in the registry: an index, or the image's manifest. */
struct trust_target {
	const char *digest, *media_type;
	int64_t size;
};

enum trust_stage { TRUST_TAG, TRUST_REFERRERS, TRUST_STAGES };

struct trust {
	struct arena *a;
	const struct ref *ref;		/* NULL: an image without a name */
	const struct policy_rule *rule; /* NULL: there is no policy */
	struct trust_source *source;
	struct trust_target target; /* what was accepted */
	/* Signatures of the digest that is looked at, by stage. */
	struct signature_candidate found[TRUST_STAGES][SIGNATURES_MAX];
	size_t found_n[TRUST_STAGES];
	bool is_gathered[TRUST_STAGES];
	/* What was read of the source: a path and a digest each. */
	struct json_map kept;
	/* One for each requirement that is met. */
	struct json_strs words;
	bool is_unsigned;	/* trust_check failed for want of a signature that counts */
	struct strbuf *reasons; /* why signatures do not count, of one requirement */
};

/*
 * Finds the rule; -EACCES at once when it rejects or needs what Corten lacks. `ref` is borrowed as long as `ret` is used.
 */
int trust_begin(struct trust *ret, const struct ref *ref, struct arena *a, struct err *e);
/* Every requirement is "insecureAcceptAnything", or there is no policy: trust_check has nothing to do. */
bool trust_is_open(const struct trust *t);
/* Whether `target` meets the rule. -EACCES: "Source image rejected: …". */
int trust_check(struct trust *t, struct trust_source *source, const struct trust_target *target,
		struct err *e);
/* Of everything that a verdict depends on besides the image. Returns `buf`. -errno when keys cannot be read. */
int trust_hash(const struct trust *t, char buf[DIGEST_TEXT_MAX], struct err *e);
/* "rule 'registry.example.org/team'", "the default rule". */
const char *trust_rule_name(const struct trust *t, struct arena *a);
int trust_add_words(struct trust *t, const char *words, struct err *e);

/* signatures.c: sigstoreSigned. 0 or -EACCES. */
int trust_check_signatures(struct trust *t, const struct policy_requirement *q,
			   const struct trust_target *target, struct err *e);
/* verifiers.c: programs by containerd's image-verifier.v1.bindir protocol. 0 or -EACCES. */
int trust_check_verifiers(struct trust *t, const struct policy_requirement *q,
			  const struct trust_target *target, struct err *e);

/* kept.c */

/*
 * After trust_check: labels on the manifest say what was found and keep the signatures from being collected. For
 * images that the rule accepts without looking nothing is written.
 */
int trust_keep(struct trust *t, struct store *s, const char *ns, const char *manifest_digest,
	       struct err *e);
