#pragma once
/*
 * The policy of which images may be used: containers-policy.json(5), with two additions of ours, the requirement
 * "verifier" (containerd's image-verifier.v1.bindir protocol) and the identity "matchDigest".
 *
 * The file is the administrator's: it and the keys it names belong to root or to the user, others cannot write them, and an unknown
 * key is an error, because a misspelt requirement would be a missing one. A requirement that needs what Corten lacks (GPG,
 * Fulcio, Rekor) refuses the images of its scope with an error that names it, and no others.
 *
 * Is not: the verification (trust/verify.h). Of "transports" only "docker" counts, and it counts for every image with a name,
 * wherever it came from. Safe after fork: yes.
 */
#include "codec/json.h"

struct err;
struct ref;

#define POLICY_PATH "/etc/corten/policy.json"
#define POLICY_PATH_ENV "CORTEN_POLICY"

/* Which signed references are the image's own. */
enum policy_identity_kind {
	IDENTITY_REPO_DIGEST_OR_EXACT, /* the default */
	IDENTITY_EXACT,
	IDENTITY_REPOSITORY,
	IDENTITY_EXACT_REFERENCE,
	IDENTITY_EXACT_REPOSITORY,
	IDENTITY_REMAP,
	IDENTITY_DIGEST, /* ours: the signed digest alone counts */
};
struct policy_identity {
	const char *type;
	const char *docker_reference, *docker_repository, *prefix, *signed_prefix;
	enum policy_identity_kind kind;
};

enum policy_kind {
	POLICY_ACCEPT,
	POLICY_REJECT,
	POLICY_SIGSTORE,
	POLICY_VERIFIER,
	POLICY_SIGNED_BY, /* GPG: refuses */
};
struct policy_requirement {
	const char *type;
	enum policy_kind kind;
	/* sigstoreSigned */
	const char *key_path, *key_data; /* key_data: base64 of PEM */
	struct json_strs key_paths, key_datas;
	struct json_raw fulcio, pki, rekor_path, rekor_data, rekor_paths, rekor_datas;
	struct policy_identity *identity; /* NULL: the default */
	/* signedBy */
	const char *key_type;
	/* verifier */
	const char *path; /* a folder of programs */
	int64_t timeout_s, max_verifiers;
	bool has_timeout_s, has_max_verifiers;
};
extern const struct json_table policy_requirement_table;

/* All requirements of a rule must be met. */
struct policy_rule {
	const char *
		scope; /* "registry.example.org/team", "" for the transport's own; NULL: the policy's default */
	struct policy_requirement *v;
	size_t n;
};
struct policy {
	struct policy_rule fallback;
	struct policy_rule *scopes;
	size_t n;
};

/* Reads and checks a policy's text. -EBADMSG. */
int policy_read(const char *text, size_t len, struct arena *a, struct policy **ret, struct err *e);
/*
 * Reads CORTEN_POLICY, else POLICY_PATH. `*ret` is NULL when the latter is not there: everything is accepted. -EPERM when
 * somebody else could have written it.
 */
int policy_load(struct arena *a, struct policy **ret, struct err *e);
/* The rule of an image's name, NULL for one without a name: the longest scope that covers it. Never NULL. */
const struct policy_rule *policy_find(const struct policy *p, const struct ref *ref);
/* The PEM texts of a sigstoreSigned requirement, and where each came from. */
int policy_keys(const struct policy_requirement *q, struct arena *a, struct json_strs *ret,
		struct json_strs *ret_names, struct err *e);
/*
 * Reads a file or opens a folder (O_DIRECTORY in `flags`) that only root or the user can have written: fd or -errno,
 * -EPERM.
 */
int policy_open_trusted(const char *path, int flags, struct err *e);

/* identity.c: whether `signed_ref` (what the key's owner signed, "" when nothing) stands for `ref`. */
bool policy_identity_matches(const struct policy_identity *i, const struct ref *ref,
			     const char *signed_ref);
/* The identity as people write it, for messages. */
const char *policy_identity_name(const struct policy_identity *i);
int policy_identity_check(struct policy_identity *i, struct err *e);
