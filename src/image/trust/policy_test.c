#include "image/trust/policy.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/test.h"
#include "codec/ref.h"

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ACCEPT "[{\"type\":\"insecureAcceptAnything\"}]"
#define REJECT "[{\"type\":\"reject\"}]"

static struct arena a;

static struct policy *policy_of(const char *text)
{
	struct err e = ERR_INIT;
	struct policy *p;
	int r = policy_read(text, strlen(text), &a, &p, &e);

	if (r < 0)
		TEST_END(TEST_FAILED, "%s", err_text(&e, r));
	return p;
}

static struct ref ref_of(const char *s)
{
	struct ref ref;

	CHECK_EQ(ref_parse(s, &ref, NULL), 0);
	return ref;
}

TEST(the_longest_scope_wins)
{
	static const char text[] = "{\"default\":" REJECT ",\"transports\":{\"docker\":{"
				   "\"example.org\":" REJECT ",\"example.org/a\":" ACCEPT
				   ",\"example.org/a/b\":" REJECT ","
				   "\"example.org/a/b/c:1\":" ACCEPT ",\"example.org/a/b@" DIGEST
				   "\":" ACCEPT ","
				   "\"*.test\":" REJECT ",\"*.x.test\":" ACCEPT
				   ",\"docker.io/library/busybox\":" ACCEPT
				   "},\"docker-daemon\":{\"\":" ACCEPT "}}}";
	static const struct {
		const char *image, *scope;
	} rows[] = {
		{ "example.org/z", "example.org" },
		{ "example.org/a", "example.org/a" },
		{ "example.org/a/z:3", "example.org/a" },
		{ "example.org/ab", "example.org" },
		{ "example.org/a/b/c", "example.org/a/b" },
		{ "example.org/a/b/c:1", "example.org/a/b/c:1" },
		{ "example.org/a/b/c:12", "example.org/a/b" },
		{ "example.org/a/b@" DIGEST, "example.org/a/b@" DIGEST },
		{ "y.x.test/i", "*.x.test" },
		{ "x.test/i", "*.test" },
		{ "busybox", "docker.io/library/busybox" },
		{ "alpine", NULL },
	};
	struct policy *p = policy_of(text);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ref ref = ref_of(rows[i].image);
		const char *scope = policy_find(p, &ref)->scope;

		if (rows[i].scope ? !scope || strcmp(scope, rows[i].scope) != 0 : scope != NULL)
			TEST_END(TEST_FAILED, "%s: %s", rows[i].image, scope ? scope : "default");
	}
	CHECK(policy_find(p, NULL) == &p->fallback);
}

TEST(an_empty_scope_is_the_transports_default)
{
	struct policy *p = policy_of("{\"default\":" REJECT
				     ",\"transports\":{\"docker\":{\"\":" ACCEPT "}}}");
	struct ref ref = ref_of("example.org/a");

	CHECK_EQ(policy_find(p, &ref)->v[0].kind, POLICY_ACCEPT);
	CHECK_EQ(policy_find(p, NULL)->v[0].kind, POLICY_REJECT);
}

TEST(what_is_wrong_is_an_error_with_words)
{
	static const struct {
		const char *requirement, *words;
	} rows[] = {
		{ "[]", "requirements" },
		{ "{}", "no list" },
		{ "[{}]", "type" },
		{ "[{\"type\":\"rejects\"}]", "requirement 'rejects' is not known" },
		{ "[{\"type\":\"reject\",\"kind\":1}]", "unknown key" },
		{ "[{\"type\":\"sigstoreSigned\"}]", "exactly one of" },
		{ "[{\"type\":\"sigstoreSigned\",\"keyPath\":\"a\",\"keyData\":\"b\"}]",
		  "exactly one of" },
		{ "[{\"type\":\"sigstoreSigned\",\"keypath\":\"a\"}]", "unknown key" },
		{ "[{\"type\":\"sigstoreSigned\",\"keyPath\":\"a\",\"signedIdentity\":{\"type\":\"x\"}}]",
		  "signedIdentity 'x' is not known" },
		{ "[{\"type\":\"sigstoreSigned\",\"keyPath\":\"a\",\"signedIdentity\":{\"type\":\"matchExact\",\"y\":1}}]",
		  "unknown key" },
		{ "[{\"type\":\"sigstoreSigned\",\"keyPath\":\"a\",\"signedIdentity\":{\"type\":\"exactReference\"}}]",
		  "needs 'dockerReference'" },
		{ "[{\"type\":\"sigstoreSigned\",\"keyPath\":\"a\",\"signedIdentity\":{\"type\":\"exactReference\",\"dockerReference\":\"a/b\"}}]",
		  "no reference" },
		{ "[{\"type\":\"verifier\",\"path\":\"relative\"}]", "absolute" },
		{ "[{\"type\":\"verifier\",\"path\":\"/a\",\"timeoutSeconds\":0}]",
		  "timeoutSeconds" },
	};
	char text[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct policy *p;

		snprintf(text, sizeof(text), "{\"default\":%s}", rows[i].requirement);
		CHECK_EQ(policy_read(text, strlen(text), &a, &p, &e), -EBADMSG);
		if (!strstr(e.msg, rows[i].words))
			TEST_END(TEST_FAILED, "%s: %s", rows[i].requirement, e.msg);
	}
}

TEST(a_policy_without_default_is_none)
{
	static const char *const texts[] = { "{}",
					     "[]",
					     "",
					     "{\"default\":" ACCEPT ",\"x\":1}",
					     "{\"default\":" ACCEPT "} x",
					     "{\"default\":" ACCEPT ",\"default\":" REJECT "}" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct policy *p;

		CHECK_EQ(policy_read(texts[i], strlen(texts[i]), &a, &p, NULL), -EBADMSG);
	}
}

TEST(identities_match_as_the_manual_says)
{
	static const struct {
		struct policy_identity i;
		const char *image, *is_signed;
		bool want;
	} rows[] = {
#define KIND(k) { .kind = IDENTITY_##k }
		{ KIND(REPO_DIGEST_OR_EXACT), "r.test/a:1", "r.test/a:1", true },
		{ KIND(REPO_DIGEST_OR_EXACT), "r.test/a:1", "r.test/a:2", false },
		/* As there: a signature without a tag is none for a tag, not even for latest. */
		{ KIND(REPO_DIGEST_OR_EXACT), "r.test/a", "r.test/a", false },
		{ KIND(REPO_DIGEST_OR_EXACT), "r.test/a@" DIGEST, "r.test/a:9", true },
		{ KIND(REPO_DIGEST_OR_EXACT), "r.test/a@" DIGEST, "r.test/b:9", false },
		{ KIND(EXACT), "r.test/a@" DIGEST, "r.test/a:9", false },
		{ KIND(EXACT), "r.test/a:1", "r.test/a:1", true },
		{ KIND(REPOSITORY), "r.test/a:1", "r.test/a", true },
		{ KIND(REPOSITORY), "r.test/a:1", "r.test/a/b", false },
		{ KIND(REPOSITORY), "r.test/a:1", "", false },
		{ KIND(REPOSITORY), "r.test/a:1", "r.test/A", false },
		{ KIND(DIGEST), "r.test/a:1", "", true },
		{ { .kind = IDENTITY_EXACT_REFERENCE, .docker_reference = "r.test/z:3" },
		  "r.test/a:1",
		  "r.test/z:3",
		  true },
		{ { .kind = IDENTITY_EXACT_REFERENCE, .docker_reference = "r.test/z:3" },
		  "r.test/a:1",
		  "r.test/z:4",
		  false },
		{ { .kind = IDENTITY_EXACT_REPOSITORY, .docker_repository = "r.test/z" },
		  "r.test/a:1",
		  "r.test/z:4",
		  true },
		{ { .kind = IDENTITY_EXACT_REPOSITORY, .docker_repository = "r.test/z" },
		  "r.test/a:1",
		  "r.test/y:4",
		  false },
		{ { .kind = IDENTITY_REMAP, .prefix = "mirror.test/x", .signed_prefix = "r.test" },
		  "mirror.test/x/a:1",
		  "r.test/a:1",
		  true },
		{ { .kind = IDENTITY_REMAP, .prefix = "mirror.test/x", .signed_prefix = "r.test" },
		  "mirror.test/xy/a:1",
		  "r.test/y/a:1",
		  false },
		{ { .kind = IDENTITY_REMAP, .prefix = "mirror.test/x", .signed_prefix = "r.test" },
		  "r.test/a:1",
		  "r.test/a:1",
		  true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ref ref = ref_of(rows[i].image);

		if (policy_identity_matches(&rows[i].i, &ref, rows[i].is_signed) != rows[i].want)
			TEST_END(TEST_FAILED, "row %zu: %s by %s", i, rows[i].image,
				 rows[i].is_signed);
	}
}

/* Runs with a file of mode `mode` as the policy. */
static int load_with(const char *text, mode_t mode, struct policy **ret)
{
	char path[] = "/tmp/policy-test-XXXXXX";
	int fd = mkstemp(path), r;

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	fchmod(fd, mode);
	close(fd);
	setenv(POLICY_PATH_ENV, path, 1);
	r = policy_load(&a, ret, NULL);
	unlink(path);
	unsetenv(POLICY_PATH_ENV);
	return r;
}

TEST(a_policy_that_others_can_write_is_refused)
{
	struct policy *p = NULL;

	CHECK_EQ(load_with("{\"default\":" REJECT "}", 0644, &p), 0);
	CHECK(p && p->fallback.v[0].kind == POLICY_REJECT);
	CHECK_EQ(load_with("{\"default\":" REJECT "}", 0664, &p), -EPERM);
	CHECK_EQ(load_with("{\"default\":" REJECT "}", 0646, &p), -EPERM);
	CHECK_EQ(load_with("{", 0644, &p), -EBADMSG);
}

TEST(one_that_was_asked_for_must_be_there)
{
	struct policy *p;

	setenv(POLICY_PATH_ENV, "/nonexistent/policy.json", 1);
	CHECK_EQ(policy_load(&a, &p, NULL), -ENOENT);
	unsetenv(POLICY_PATH_ENV);
}

TEST_MAIN()
