#include "image/trust/verify.h"

#include <stdio.h>

#include "base/err.h"
#include "base/str.h"

#define WORDS_MAX 64

void trust_document_done(struct trust_document *d)
{
	free(d->text);
}

const char *trust_rule_name(const struct trust *t, struct arena *a)
{
	if (!t->rule)
		return "there is no policy";
	return t->rule->scope ? arena_printf(a, "rule '%s'", t->rule->scope) : "the default rule";
}

static int rejected(enum policy_kind kind, const char *what, struct err *e)
{
	if (kind == POLICY_REJECT)
		return err_set(e, -EACCES, "Source image rejected: the policy rejects it");
	return err_set_code(e, -EACCES, ERR_PERMISSION_DENIED,
			    "Source image rejected: the policy needs %s, which is not supported",
			    what);
}

/* What no image can meet: nothing has to be fetched to know it. */
static int check_possible(const struct policy_requirement *q, struct err *e)
{
	const struct {
		const struct json_raw *raw;
		const char *what;
	} rows[] = {
		{ &q->fulcio, "certificates by Fulcio (sigstoreSigned with 'fulcio')" },
		{ &q->pki, "certificates (sigstoreSigned with 'pki')" },
		{ &q->rekor_path, "Rekor (sigstoreSigned with 'rekorPublicKeyPath')" },
		{ &q->rekor_paths, "Rekor (sigstoreSigned with 'rekorPublicKeyPaths')" },
		{ &q->rekor_data, "Rekor (sigstoreSigned with 'rekorPublicKeyData')" },
		{ &q->rekor_datas, "Rekor (sigstoreSigned with 'rekorPublicKeyDatas')" },
	};

	if (q->kind == POLICY_REJECT)
		return rejected(q->kind, NULL, e);
	if (q->kind == POLICY_SIGNED_BY)
		return rejected(q->kind, "signatures by GPG ('signedBy')", e);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].raw->p)
			return rejected(q->kind, rows[i].what, e);
	return 0;
}

int trust_begin(struct trust *ret, const struct ref *ref, struct arena *a, struct err *e)
{
	struct policy *p = NULL;
	int r = policy_load(a, &p, e);

	*ret = (struct trust){ .a = a, .ref = ref };
	if (r < 0 || !p)
		return r;
	ret->rule = policy_find(p, ref);
	for (size_t i = 0; i < ret->rule->n && r == 0; i++)
		r = check_possible(&ret->rule->v[i], e);
	return r < 0 ? err_wrap(e, r, "%s", trust_rule_name(ret, a)) : 0;
}

bool trust_is_open(const struct trust *t)
{
	for (size_t i = 0; t->rule && i < t->rule->n; i++)
		if (t->rule->v[i].kind != POLICY_ACCEPT)
			return false;
	return true;
}

int trust_add_words(struct trust *t, const char *words, struct err *e)
{
	if (!t->words.v)
		t->words.v = arena_calloc(t->a, WORDS_MAX, sizeof(char *));
	if (!t->words.v || !words)
		return err_set(e, -ENOMEM, "out of memory");
	if (t->words.n < WORDS_MAX)
		t->words.v[t->words.n++] = words;
	return 0;
}

static int check_requirement(struct trust *t, const struct policy_requirement *q,
			     const struct trust_target *target, struct err *e)
{
	switch (q->kind) {
	case POLICY_ACCEPT:
		return trust_add_words(t, "insecureAcceptAnything", e);
	case POLICY_SIGSTORE:
		return trust_check_signatures(t, q, target, e);
	case POLICY_VERIFIER:
		return trust_check_verifiers(t, q, target, e);
	default:
		return rejected(q->kind, q->type, e);
	}
}

int trust_check(struct trust *t, struct trust_source *source, const struct trust_target *target,
		struct err *e)
{
	int r = 0;

	t->source = source;
	t->words.n = 0;
	t->is_unsigned = false;
	for (int stage = 0; stage < TRUST_STAGES; stage++) {
		t->is_gathered[stage] = false;
		t->found_n[stage] = 0;
	}
	for (size_t i = 0; t->rule && i < t->rule->n && r == 0; i++)
		r = check_requirement(t, &t->rule->v[i], target, e);
	if (r < 0)
		return r;
	t->target = (struct trust_target){ arena_strdup(t->a, target->digest),
					   arena_strdup(t->a, target->media_type), target->size };
	return t->target.digest && t->target.media_type ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* With the keys' texts: a file that says something else now is another policy. */
int trust_hash(const struct trust *t, char buf[DIGEST_TEXT_MAX], struct err *e)
{
	char name[REF_TEXT_MAX + DIGEST_TEXT_MAX] = "";
	AUTO_STRBUF struct strbuf b = { 0 };

	strbuf_addf(&b, "1\n%s\n", t->ref ? ref_full(t->ref, name) : "");
	for (size_t i = 0; t->rule && i < t->rule->n; i++) {
		const struct policy_requirement *q = &t->rule->v[i];
		struct json_strs keys = { 0 }, names;
		int r = q->kind == POLICY_SIGSTORE ? policy_keys(q, t->a, &keys, &names, e) : 0;

		if (r < 0)
			return r;
		json_write(&policy_requirement_table, q, 0, &b);
		for (size_t k = 0; k < keys.n; k++)
			strbuf_addf(&b, "\n%zu\n%s", strlen(keys.v[k]), keys.v[k]);
		strbuf_addc(&b, '\n');
	}
	if (strbuf_ok(&b) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	digest_of(b.p, b.len, buf);
	return 0;
}
