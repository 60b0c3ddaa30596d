#include "image/registry/resolve.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"
#include "codec/ref.h"
#include "image/registry/ask.h"

static int check(const char *found, const char *wanted, const char *told, struct err *e)
{
	if (wanted && !streq(found, wanted))
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS,
				    "the registry sends %s in place of %s", found, wanted);
	if (*told && str_skip(told, "sha256:") && !streq(told, found))
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS,
				    "the registry calls the manifest %.80s, but it is %s", told,
				    found);
	return 0;
}

int registry_resolve(const struct ref *ref, const struct fetch_setup *setup,
		     char ret[DIGEST_TEXT_MAX], struct err *e)
{
	const char *digest = ref->digest[0] ? ref->digest : NULL;
	struct registry_answer answer = { 0 };
	AUTO_FREE char *path = str_printf("manifests/%s", digest ? digest : ref->tag);
	char found[DIGEST_TEXT_MAX];
	int r;

	if (!path)
		return err_set(e, -ENOMEM, "out of memory");
	if (digest && !str_skip(digest, "sha256:"))
		return err_set(e, -EOPNOTSUPP, "digest '%.80s': only sha256 is supported", digest);
	r = registry_ask(setup, path, LIMIT_MANIFEST_BYTES, &answer, e);
	if (r == 0) {
		digest_of(answer.text, answer.len, found);
		r = check(found, digest, answer.type + strlen(answer.type) + 1, e);
	}
	if (r == 0)
		memcpy(ret, found, sizeof(found));
	registry_answer_done(&answer);
	return r;
}
