#include "spec/proxy.h"

#include "base/mem.h"
#include "base/test.h"

static const struct proxy_rules rules = {
	.http = "http://plain:3128",
	.https = "http://u:p@tls:3128",
	.none = "one.test, .two.test,*.three.test,10.0.0.0/8,192.168.1.7, four.test:8443,fd00::/8,[fd99::1]:5000",
};

TEST(the_scheme_chooses_the_proxy)
{
	CHECK_STR(proxy_for(&rules, "http://example.org/v2/"), "http://plain:3128");
	CHECK_STR(proxy_for(&rules, "https://example.org:5000/v2/"), "http://u:p@tls:3128");
	CHECK(!proxy_for(&rules, "ftp://example.org/"));
	CHECK(!proxy_for(&(struct proxy_rules){ 0 }, "http://example.org/"));
	CHECK(!proxy_for(&(struct proxy_rules){ .http = "" }, "http://example.org/"));
	CHECK(!proxy_for(&(struct proxy_rules){ .http = "p", .none = "a,*" },
			 "http://example.org/"));
}

TEST(loopback_is_never_proxied)
{
	static const char *const urls[] = { "http://localhost:5000/", "http://LOCALHOST/",
					    "http://127.3.2.1:5000/", "https://[::1]/",
					    "http://[::ffff:127.0.0.1]:5000/" };

	for (size_t i = 0; i < ARRAY_LEN(urls); i++)
		CHECK(!proxy_for(&rules, urls[i]));
}

/* Go's httpproxy package gives the same for each of these. */
TEST(exceptions_as_go_has_them)
{
	static const struct {
		const char *url;
		bool is_direct;
	} rows[] = {
		{ "http://one.test/", true },	      { "http://ONE.test:5000/", true },
		{ "http://a.one.test/", true },	      { "http://xone.test/", false },
		{ "http://two.test/", false },	      { "http://a.two.test/", true },
		{ "http://three.test/", false },      { "http://a.b.three.test/", true },
		{ "http://10.200.3.4/", true },	      { "http://11.0.0.1/", false },
		{ "http://192.168.1.7:80/", true },   { "http://192.168.1.70/", false },
		{ "https://four.test:8443/x", true }, { "https://four.test/x", false },
		{ "https://[fd12::3]:99/", true },    { "https://[fe80::3]/", false },
		{ "https://one.test?x", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!proxy_for(&rules, rows[i].url) != rows[i].is_direct)
			TEST_END(TEST_FAILED, "%s", rows[i].url);
}

TEST(credentials_of_a_proxy_are_not_shown)
{
	char buf[PROXY_TEXT_MAX];

	CHECK_STR(proxy_display("http://u:p@w@host:1", buf), "http://…@host:1");
	CHECK_STR(proxy_display("u:p@host:1", buf), "…@host:1");
	CHECK_STR(proxy_display("host:1", buf), "host:1");
}

TEST_MAIN()
