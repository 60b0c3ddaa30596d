#include "worker/challenge.h"

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"

TEST(bearer_with_its_parameters)
{
	struct challenge c;

	CHECK(challenge_parse(
		      "Bearer realm=\"https://auth.example.org/token\",service=\"reg\",scope=\"repository:a/b:pull\"",
		      &c) == 0);
	CHECK(c.scheme == CHALLENGE_BEARER);
	CHECK(streq(c.realm, "https://auth.example.org/token"));
	CHECK(streq(c.service, "reg"));
	CHECK(streq(c.scope, "repository:a/b:pull"));
}

TEST(the_stronger_of_two)
{
	struct challenge c;

	CHECK(challenge_parse("Basic realm=\"x\", Bearer realm=\"https://a.example/\"", &c) == 0);
	CHECK(c.scheme == CHALLENGE_BEARER && streq(c.realm, "https://a.example/"));
	CHECK(challenge_parse("basic realm=x", &c) == 0);
	CHECK(c.scheme == CHALLENGE_BASIC);
	CHECK(challenge_parse("Negotiate", &c) == 0);
	CHECK(c.scheme == CHALLENGE_NONE);
}

TEST(what_is_none)
{
	struct challenge c;

	CHECK(challenge_parse("Bearer realm=\"open", &c) == -EBADMSG);
	CHECK(challenge_parse("Bearer service=\"x\"", &c) == -EBADMSG);
	CHECK(challenge_parse("=,", &c) == -EBADMSG);
}

TEST(credentials_stay_at_home)
{
	static const struct {
		const char *host, *realm;
		bool is_plain, is_trusted;
	} rows[] = {
		{ "registry-1.docker.io", "https://auth.docker.io/token", false, true },
		{ "registry.gitlab.com", "https://gitlab.com/jwt/auth", false, true },
		{ "ghcr.io", "https://ghcr.io/token", false, true },
		{ "ghcr.io", "https://evil.io/token", false, false },
		{ "ghcr.io", "http://ghcr.io/token", false, false },
		{ "registry-1.docker.io", "https://auth.docker.io.evil.net/", false, false },
		{ "registry-1.docker.io", "https://docker.io@evil.net/", false, false },
		{ "registry.example.co", "https://other.co/", false, false },
		{ "127.0.0.1:5000", "http://127.0.0.1:5000/token", true, true },
		{ "127.0.0.1:5000", "http://127.0.0.1:5001/token", true, false },
		{ "127.0.0.1:5000", "https://8.0.0.1/token", true, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(challenge_is_trusted(rows[i].host, rows[i].is_plain, rows[i].realm) ==
		      rows[i].is_trusted);
}

TEST_MAIN()
