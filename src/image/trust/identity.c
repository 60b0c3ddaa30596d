/* signedIdentity: whether what was signed is what is asked for. Semantics of containers-policy.json(5). */
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"
#include "image/trust/policy.h"

static const struct {
	const char *name;
	enum policy_identity_kind kind;
	size_t need; /* offset of a member that must be there, 0: none */
	const char *need_name;
} kinds[] = {
	{ "matchRepoDigestOrExact", IDENTITY_REPO_DIGEST_OR_EXACT, 0, NULL },
	{ "matchExact", IDENTITY_EXACT, 0, NULL },
	{ "matchRepository", IDENTITY_REPOSITORY, 0, NULL },
	{ "matchDigest", IDENTITY_DIGEST, 0, NULL },
	{ "exactReference", IDENTITY_EXACT_REFERENCE,
	  offsetof(struct policy_identity, docker_reference), "dockerReference" },
	{ "exactRepository", IDENTITY_EXACT_REPOSITORY,
	  offsetof(struct policy_identity, docker_repository), "dockerRepository" },
	{ "remapIdentity", IDENTITY_REMAP, offsetof(struct policy_identity, signed_prefix),
	  "signedPrefix" },
};

/* A reference, and whether the text names a tag or a digest: ref_parse puts "latest" where there is none. */
static bool read_ref(const char *s, struct ref *ret, bool *ret_is_whole)
{
	const char *slash = strrchr(s, '/');

	if (ref_parse(s, ret, NULL) < 0)
		return false;
	*ret_is_whole = ret->digest[0] || strchr(slash ? slash : s, ':');
	return true;
}

int policy_identity_check(struct policy_identity *i, struct err *e)
{
	struct ref ref;
	bool is_whole;

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		const char *need = NULL;

		if (!streq(i->type, kinds[k].name))
			continue;
		i->kind = kinds[k].kind;
		if (kinds[k].need)
			memcpy(&need, (const char *)i + kinds[k].need, sizeof(need));
		if (kinds[k].need && !need)
			return err_set(e, -EBADMSG, "signedIdentity '%s' needs '%s'", i->type,
				       kinds[k].need_name);
		if (i->kind == IDENTITY_REMAP && !i->prefix)
			return err_set(e, -EBADMSG, "signedIdentity '%s' needs 'prefix'", i->type);
		if (i->kind == IDENTITY_EXACT_REFERENCE &&
		    (!read_ref(i->docker_reference, &ref, &is_whole) || !is_whole))
			return err_set(e, -EBADMSG,
				       "dockerReference '%s' is no reference with tag or digest",
				       i->docker_reference);
		if (i->kind == IDENTITY_EXACT_REPOSITORY &&
		    !read_ref(i->docker_repository, &ref, &is_whole))
			return err_set(e, -EBADMSG, "dockerRepository '%s' is no repository",
				       i->docker_repository);
		return 0;
	}
	return err_set(e, -EBADMSG, "signedIdentity '%s' is not known", i->type);
}

const char *policy_identity_name(const struct policy_identity *i)
{
	return i ? i->type : kinds[0].name;
}

static bool is_same_repository(const struct ref *a, const struct ref *b)
{
	return streq(a->host, b->host) && streq(a->path, b->path);
}

static bool is_same(const struct ref *a, const struct ref *b)
{
	return is_same_repository(a, b) && streq(a->tag, b->tag) && streq(a->digest, b->digest);
}

static bool matches_repo_digest_or_exact(const struct ref *ref, const struct ref *have,
					 bool is_whole)
{
	return ref->digest[0] ? is_same_repository(ref, have) : is_whole && is_same(ref, have);
}

/* `ref` with its prefix exchanged; an image outside the prefix is compared as it is. */
static bool remap(const struct policy_identity *i, const struct ref *ref, struct ref *ret)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	AUTO_FREE char *text = NULL;
	const char *rest = str_skip(ref_full(ref, full), i->prefix);
	size_t name_len = strlen(ref->host) + 1 + strlen(ref->path), len = strlen(i->prefix);

	if (!rest || !(len == name_len || (len < name_len && *rest == '/'))) {
		*ret = *ref;
		return true;
	}
	text = str_printf("%s%s", i->signed_prefix, rest);
	return text && ref_parse(text, ret, NULL) == 0;
}

bool policy_identity_matches(const struct policy_identity *i, const struct ref *ref,
			     const char *signed_ref)
{
	static const struct policy_identity standard = { .kind = IDENTITY_REPO_DIGEST_OR_EXACT };
	struct ref have, want;
	bool is_whole, is_want_whole;

	if (!i)
		i = &standard;
	if (i->kind == IDENTITY_DIGEST)
		return true;
	if (!read_ref(signed_ref, &have, &is_whole))
		return false;
	switch (i->kind) {
	case IDENTITY_REPO_DIGEST_OR_EXACT:
		return matches_repo_digest_or_exact(ref, &have, is_whole);
	case IDENTITY_EXACT:
		return is_whole && is_same(ref, &have);
	case IDENTITY_REPOSITORY:
		return is_same_repository(ref, &have);
	case IDENTITY_EXACT_REFERENCE:
		return read_ref(i->docker_reference, &want, &is_want_whole) && is_whole &&
		       is_same(&want, &have);
	case IDENTITY_EXACT_REPOSITORY:
		return read_ref(i->docker_repository, &want, &is_want_whole) &&
		       is_same_repository(&want, &have);
	case IDENTITY_REMAP:
		return remap(i, ref, &want) && matches_repo_digest_or_exact(&want, &have, is_whole);
	default:
		return false;
	}
}
