/* The policy file: read, checked, and the rule of a name found. */
#include "image/trust/policy.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/base64.h"
#include "codec/ref.h"

#define POLICY_BYTES ((size_t)1 << 20)
#define SCOPES_MAX 4096
#define REQUIREMENTS_MAX 32 /* of one scope */
#define KEYS_MAX 32	    /* of one requirement: each is tried on each signature */
#define KEY_BYTES ((size_t)64 << 10)
#define TIMEOUT_MAX_S 600
#define VERIFIERS_MAX 100

/* ---- rows ---- */

static const struct json_field identity_rows[] = {
	JSON_ROW(policy_identity, type, "type", JSON_STR, JSON_REQUIRED),
	JSON_ROW(policy_identity, docker_reference, "dockerReference", JSON_STR, 0),
	JSON_ROW(policy_identity, docker_repository, "dockerRepository", JSON_STR, 0),
	JSON_ROW(policy_identity, prefix, "prefix", JSON_STR, 0),
	JSON_ROW(policy_identity, signed_prefix, "signedPrefix", JSON_STR, 0),
};
static JSON_TABLE(identity_table, "signedIdentity", policy_identity, identity_rows);

#define ROW(member, key, kind) JSON_ROW(policy_requirement, member, key, kind, 0)
static const struct json_field requirement_rows[] = {
	JSON_ROW(policy_requirement, type, "type", JSON_STR, JSON_REQUIRED),
	ROW(key_path, "keyPath", JSON_STR),
	ROW(key_data, "keyData", JSON_STR),
	ROW(key_paths, "keyPaths", JSON_STRS),
	ROW(key_datas, "keyDatas", JSON_STRS),
	ROW(fulcio, "fulcio", JSON_RAW),
	ROW(pki, "pki", JSON_RAW),
	ROW(rekor_path, "rekorPublicKeyPath", JSON_RAW),
	ROW(rekor_data, "rekorPublicKeyData", JSON_RAW),
	ROW(rekor_paths, "rekorPublicKeyPaths", JSON_RAW),
	ROW(rekor_datas, "rekorPublicKeyDatas", JSON_RAW),
	JSON_ROW_SUB(policy_requirement, identity, "signedIdentity", JSON_OBJ, 0, identity_table),
	ROW(key_type, "keyType", JSON_STR),
	ROW(path, "path", JSON_STR),
	JSON_ROW_HAS(policy_requirement, timeout_s, "timeoutSeconds", JSON_I64, 0),
	JSON_ROW_HAS(policy_requirement, max_verifiers, "maxVerifiers", JSON_I64, 0),
};
JSON_TABLE(policy_requirement_table, "requirement", policy_requirement, requirement_rows);

static const struct {
	const char *type;
	enum policy_kind kind;
} types[] = {
	{ "insecureAcceptAnything", POLICY_ACCEPT },
	{ "reject", POLICY_REJECT },
	{ "sigstoreSigned", POLICY_SIGSTORE },
	{ "verifier", POLICY_VERIFIER },
	{ "signedBy", POLICY_SIGNED_BY },
};

/* ---- requirements ---- */

/* Every key of every requirement has a row. */
static int check_all_keys(const struct json_raw *text, struct arena *a, struct err *e)
{
	struct json_reader rd;
	enum json_token token;
	int r = 0;

	json_reader_init(&rd, text->p, text->len, NULL, a, e);
	if (json_next(&rd) != JSON_T_ARRAY)
		return json_fail(&rd, -EBADMSG, "no list of requirements");
	while (r == 0 && (token = json_next(&rd)) == JSON_T_OBJECT)
		r = json_check_keys(&rd, &policy_requirement_table);
	return r;
}

static int check_sigstore(struct policy_requirement *q, struct err *e)
{
	size_t ways = !!q->key_path + !!q->key_data + !!q->key_paths.v + !!q->key_datas.v +
		      !!q->fulcio.p + !!q->pki.p;

	if (ways != 1)
		return err_set(
			e, -EBADMSG,
			"sigstoreSigned: exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio and pki must be given");
	if (q->key_paths.n > KEYS_MAX || q->key_datas.n > KEYS_MAX)
		return err_set(e, -E2BIG, "sigstoreSigned: more than %d keys", KEYS_MAX);
	return q->identity ? policy_identity_check(q->identity, e) : 0;
}

static int check_verifier(struct policy_requirement *q, struct err *e)
{
	if (!q->path || q->path[0] != '/')
		return err_set(e, -EBADMSG, "verifier: 'path' must be an absolute path");
	if (q->has_timeout_s && (q->timeout_s < 1 || q->timeout_s > TIMEOUT_MAX_S))
		return err_set(e, -EBADMSG, "verifier: 'timeoutSeconds' must be 1 to %d",
			       TIMEOUT_MAX_S);
	if (q->has_max_verifiers && (q->max_verifiers < 1 || q->max_verifiers > VERIFIERS_MAX))
		return err_set(e, -EBADMSG, "verifier: 'maxVerifiers' must be 1 to %d",
			       VERIFIERS_MAX);
	return 0;
}

static int check_requirement(struct policy_requirement *q, struct err *e)
{
	size_t i = 0;

	while (i < ARRAY_LEN(types) && !streq(types[i].type, q->type))
		i++;
	if (i == ARRAY_LEN(types))
		return err_set(e, -EBADMSG, "requirement '%s' is not known", q->type);
	q->kind = types[i].kind;
	return q->kind == POLICY_SIGSTORE   ? check_sigstore(q, e)
	       : q->kind == POLICY_VERIFIER ? check_verifier(q, e)
					    : 0;
}

static int read_rule(const struct json_raw *text, struct arena *a, struct policy_rule *ret,
		     struct err *e)
{
	struct json_objs list;
	int r = check_all_keys(text, a, e);

	if (r == 0)
		r = json_read_array(&policy_requirement_table, text->p, text->len, NULL, a, &list,
				    e);
	if (r < 0)
		return r;
	if (list.n == 0 || list.n > REQUIREMENTS_MAX)
		return err_set(e, -EBADMSG, "%zu requirements, there must be 1 to %d", list.n,
			       REQUIREMENTS_MAX);
	ret->v = list.v;
	ret->n = list.n;
	for (size_t i = 0; i < ret->n && r == 0; i++)
		r = check_requirement(&ret->v[i], e);
	return r;
}

/* ---- the whole ---- */

static int read_scopes(struct json_reader *rd, struct arena *a, struct policy *p, struct err *e)
{
	size_t cap = 0;
	struct policy_rule *v = NULL;
	enum json_token token;
	int r = 0;

	if (json_next(rd) != JSON_T_OBJECT)
		return json_fail(rd, -EBADMSG, "no object of scopes");
	while (r == 0 && (token = json_next(rd)) == JSON_T_KEY) {
		struct json_raw text;

		if (p->n == SCOPES_MAX)
			return json_fail(rd, -E2BIG, "more than %d scopes", SCOPES_MAX);
		if (p->n == cap) {
			cap = cap ? 2 * cap : 16;
			v = arena_calloc(a, cap, sizeof(*v));
			if (!v)
				return err_set(e, -ENOMEM, "out of memory");
			if (p->n)
				memcpy(v, p->scopes, p->n * sizeof(*v));
			p->scopes = v;
		}
		v[p->n].scope = arena_strndup(a, rd->text, rd->len);
		if (!v[p->n].scope)
			return err_set(e, -ENOMEM, "out of memory");
		r = json_skip(rd, &text);
		if (r == 0) {
			r = read_rule(&text, a, &v[p->n], e);
			if (r < 0)
				err_wrap(e, r, "scope '%s'", v[p->n].scope);
		}
		p->n++;
	}
	return r < 0 ? r : token == JSON_T_ERROR ? rd->r : 0;
}

static int read_transports(struct json_reader *rd, struct arena *a, struct policy *p, struct err *e)
{
	enum json_token token;
	int r = 0;

	if (json_next(rd) != JSON_T_OBJECT)
		return json_fail(rd, -EBADMSG, "no object of transports");
	while (r == 0 && (token = json_next(rd)) == JSON_T_KEY)
		r = streq(rd->text, "docker") ? read_scopes(rd, a, p, e) : json_skip(rd, NULL);
	return r < 0 ? r : token == JSON_T_ERROR ? rd->r : 0;
}

int policy_read(const char *text, size_t len, struct arena *a, struct policy **ret, struct err *e)
{
	static const struct json_limits lim = { .bytes = POLICY_BYTES };
	struct policy *p = arena_alloc(a, sizeof(*p));
	struct json_reader rd;
	enum json_token token;
	int r = 0;

	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	json_reader_init(&rd, text, len, &lim, a, e);
	if (json_next(&rd) != JSON_T_OBJECT)
		return json_fail(&rd, -EBADMSG, "no object");
	while (r == 0 && (token = json_next(&rd)) == JSON_T_KEY) {
		struct json_raw raw;

		if (streq(rd.text, "transports")) {
			r = read_transports(&rd, a, p, e);
		} else if (streq(rd.text, "default")) {
			r = json_skip(&rd, &raw);
			if (r == 0 && (r = read_rule(&raw, a, &p->fallback, e)) < 0)
				err_wrap(e, r, "default");
		} else {
			r = json_fail(&rd, -EBADMSG, "unknown key");
		}
	}
	if (r == 0 && (token == JSON_T_ERROR || json_next(&rd) == JSON_T_ERROR))
		r = rd.r;
	if (r == 0 && !p->fallback.n)
		r = err_set(e, -EBADMSG, "'default' is missing");
	if (r == 0)
		*ret = p;
	return r;
}

/* ---- files ---- */

int policy_open_trusted(const char *path, int flags, struct err *e)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, -errno, "open '%s'", path);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(
			e, -EPERM,
			"'%s' must belong to root or to the user, and be writable by nobody else",
			path);
	return TAKE_FD(fd);
}

static int read_trusted(const char *path, size_t max, struct arena *a, const char **ret,
			size_t *ret_len, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_FD fd = policy_open_trusted(path, 0, e);
	int r = fd < 0 ? fd : fd_read_all(fd, max, &text, ret_len);

	if (fd < 0)
		return r;
	if (r < 0)
		return err_sys(e, r, "read '%s'", path);
	*ret = arena_strndup(a, text, *ret_len);
	return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int policy_load(struct arena *a, struct policy **ret, struct err *e)
{
	const char *given = getenv(POLICY_PATH_ENV), *path = given ? given : POLICY_PATH;
	const char *text;
	size_t len;
	int r = read_trusted(path, POLICY_BYTES, a, &text, &len, e);

	/* A policy that was asked for and is not there is no policy of accepting. */
	if (r == -ENOENT && !given) {
		*ret = NULL;
		return 0;
	}
	if (r == 0)
		r = policy_read(text, len, a, ret, e);
	return r < 0 ? err_wrap(e, r, "policy '%s'", path) : 0;
}

static int add_key(struct json_strs *keys, struct json_strs *names, const char *key,
		   const char *name, struct err *e)
{
	if (!key || !name)
		return err_set(e, -ENOMEM, "out of memory");
	keys->v[keys->n++] = key;
	names->v[names->n++] = name;
	return 0;
}

static int read_key_data(const char *data, struct arena *a, const char **ret, struct err *e)
{
	size_t len = strlen(data);
	char *text;
	ssize_t n;

	if (len > KEY_BYTES)
		return err_set(e, -E2BIG, "keyData has %zu bytes, the limit is %zu", len,
			       KEY_BYTES);
	text = arena_alloc(a, BASE64_RAW_MAX(len) + 1);
	n = text ? base64_decode(BASE64_STANDARD, data, len, text) : -ENOMEM;
	if (n < 0)
		return err_set(e, (int)n, "keyData is no base64");
	*ret = text;
	return 0;
}

int policy_keys(const struct policy_requirement *q, struct arena *a, struct json_strs *ret,
		struct json_strs *ret_names, struct err *e)
{
	const struct json_strs one_path = { (const char **)&q->key_path, q->key_path ? 1 : 0 };
	const struct json_strs one_text = { (const char **)&q->key_data, q->key_data ? 1 : 0 };
	const struct json_strs *paths = q->key_path ? &one_path : &q->key_paths;
	const struct json_strs *texts = q->key_data ? &one_text : &q->key_datas;
	struct json_strs keys = { 0 }, names = { 0 };
	int r = 0;

	keys.v = arena_calloc(a, paths->n + texts->n + 1, sizeof(char *));
	names.v = arena_calloc(a, paths->n + texts->n + 1, sizeof(char *));
	if (!keys.v || !names.v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < paths->n && r == 0; i++) {
		const char *text;
		size_t len;

		r = read_trusted(paths->v[i], KEY_BYTES, a, &text, &len, e);
		if (r == 0)
			r = add_key(&keys, &names, text, paths->v[i], e);
	}
	for (size_t i = 0; i < texts->n && r == 0; i++) {
		const char *text;

		r = read_key_data(texts->v[i], a, &text, e);
		if (r == 0)
			r = add_key(&keys, &names, text, arena_printf(a, "keyData %zu", i + 1), e);
	}
	if (r < 0)
		return r;
	*ret = keys;
	*ret_names = names;
	return 0;
}

/* ---- the rule of a name ---- */

static const struct policy_rule *find_scope(const struct policy *p, const char *scope, size_t len)
{
	for (size_t i = 0; i < p->n; i++)
		if (strlen(p->scopes[i].scope) == len &&
		    memcmp(p->scopes[i].scope, scope, len) == 0)
			return &p->scopes[i];
	return NULL;
}

/* "*.example.org" for "a.b.example.org", the nearest first. */
static const struct policy_rule *find_wildcard(const struct policy *p, const char *host)
{
	char scope[sizeof(((struct ref *)0)->host) + 2];
	const struct policy_rule *rule = NULL;

	for (const char *dot = strchr(host, '.'); dot && !rule; dot = strchr(dot + 1, '.')) {
		snprintf(scope, sizeof(scope), "*%s", dot);
		rule = find_scope(p, scope, strlen(scope));
	}
	return rule;
}

const struct policy_rule *policy_find(const struct policy *p, const struct ref *ref)
{
	char name[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	const struct policy_rule *rule;
	size_t len;

	if (!ref)
		return &p->fallback;
	/* As there: the image itself, its repository, each folder above, the host, its domains, the transport. */
	snprintf(name, sizeof(name), "%s/%s%s%s", ref->host, ref->path, ref->digest[0] ? "@" : ":",
		 ref->digest[0] ? ref->digest : ref->tag);
	rule = find_scope(p, name, strlen(name));
	for (len = strlen(ref->host) + 1 + strlen(ref->path); !rule && len > 0;) {
		rule = find_scope(p, name, len);
		while (len > 0 && name[--len] != '/')
			;
	}
	if (!rule)
		rule = find_wildcard(p, ref->host);
	if (!rule)
		rule = find_scope(p, "", 0);
	return rule ? rule : &p->fallback;
}
