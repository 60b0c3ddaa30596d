#include "codec/ref.h"

#include "base/err.h"
#include "base/test.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TEN(s) s s s s s s s s s s

TEST(names_are_normalised_as_docker_does)
{
	static const char *const rows[][3] = {
		{ "busybox", "docker.io/library/busybox:latest", "busybox" },
		{ "busybox:1.36", "docker.io/library/busybox:1.36", "busybox" },
		{ "docker.io/busybox", "docker.io/library/busybox:latest", "busybox" },
		{ "index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox" },
		{ "index.docker.io/a/b", "docker.io/a/b:latest", "a/b" },
		{ "library/busybox", "docker.io/library/busybox:latest", "busybox" },
		{ "a/b", "docker.io/a/b:latest", "a/b" },
		{ "a/b/c", "docker.io/a/b/c:latest", "a/b/c" },
		{ "library/a/b", "docker.io/library/a/b:latest", "library/a/b" },
		{ "ghcr.io/a/b", "ghcr.io/a/b:latest", "ghcr.io/a/b" },
		{ "localhost/x", "localhost/x:latest", "localhost/x" },
		{ "localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x" },
		{ "host:5000/a/b:t", "host:5000/a/b:t", "host:5000/a/b" },
		{ "[::1]:5000/x:y", "[::1]:5000/x:y", "[::1]:5000/x" },
		{ "Foo/bar", "Foo/bar:latest", "Foo/bar" },
		{ "a__b/c.d/e---f", "docker.io/a__b/c.d/e---f:latest", "a__b/c.d/e---f" },
		{ "x:T_1.2-3", "docker.io/library/x:T_1.2-3", "x" },
		{ "x@sha256:" HEX64, "docker.io/library/x@sha256:" HEX64, "x" },
		{ "x:1@sha256:" HEX64, "docker.io/library/x:1@sha256:" HEX64, "x" },
		{ "x@sha512:" HEX64 HEX64, "docker.io/library/x@sha512:" HEX64 HEX64, "x" },
	};
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX], name[REF_TEXT_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = ERR_INIT;
		struct ref r;

		CHECK_EQ(ref_parse(rows[i][0], &r, &e), 0);
		CHECK_STR(ref_full(&r, full), rows[i][1]);
		CHECK_STR(ref_familiar_name(&r, name), rows[i][2]);
	}
}

TEST(wrong_references_get_docker_s_words)
{
	static const char *const format = "invalid reference format";
	static const struct {
		const char *s, *words;
	} rows[] = {
		{ "", NULL },
		{ "/", NULL },
		{ "a//b", NULL },
		{ ":x", NULL },
		{ "@", NULL },
		{ "x:", NULL },
		{ "x@", NULL },
		{ "x:-a", NULL },
		{ "x y", NULL },
		{ "a___b", NULL },
		{ "a..b", NULL },
		{ "-a", NULL },
		{ "a-", NULL },
		{ "a/b/", NULL },
		{ "-host.x/a", NULL },
		{ "host:/a", NULL },
		{ "host:x/a", NULL },
		{ "../a", NULL },
		{ "a/../b", NULL },
		{ "x@sha256:12", NULL },
		{ "x:a:b", NULL },
		{ "x@sha256:" HEX64 "@sha256:" HEX64, NULL },
		{ "x@sha256:" HEX64 "00", "invalid checksum digest length" },
		{ "x@md5:" HEX64, "unsupported digest algorithm" },
		{ "Foo",
		  "invalid reference format: repository name (library/Foo) must be lowercase" },
		{ "foo/Bar:x",
		  "invalid reference format: repository name (foo/Bar) must be lowercase" },
		{ HEX64, "invalid repository name (" HEX64
			 "), cannot specify 64-byte hexadecimal strings" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = ERR_INIT;
		struct ref r;

		CHECK_EQ(ref_parse(rows[i].s, &r, &e), -EINVAL);
		CHECK_STR(e.msg, rows[i].words ? rows[i].words : format);
	}
}

TEST(lengths_have_limits)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX], s[1024];
	struct err e = ERR_INIT;
	struct ref r;

	snprintf(s, sizeof(s), "x:%s12345678", TEN(TEN("t")) TEN("tt"));
	CHECK_EQ(ref_parse(s, &r, &e), 0);
	CHECK_EQ(strlen(r.tag), 128);
	snprintf(s, sizeof(s), "x:%s123456789", TEN(TEN("t")) TEN("tt"));
	CHECK_EQ(ref_parse(s, &r, &e), -EINVAL);
	snprintf(s, sizeof(s), "a/%s", TEN(TEN("abc")));
	CHECK_EQ(ref_parse(s, &r, &e), -EINVAL);
	CHECK_STR(e.msg, "repository name must not be more than 255 characters");
	/* The longest of everything fits the buffer that the header names. */
	snprintf(s, sizeof(s), "%s.io/%s:%s12345678@sha512:" HEX64 HEX64,
		 TEN(TEN("hh")) TEN("hhhhh"), TEN(TEN("pp")) TEN("ppppp") "ppppp",
		 TEN(TEN("t")) TEN("tt"));
	CHECK_EQ(ref_parse(s, &r, &e), 0);
	CHECK(strcmp(ref_full(&r, full), s) == 0);
}

TEST_MAIN()
