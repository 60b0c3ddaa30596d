#include "image/registry/hosts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"
#include "image/registry/trail.h"

static char root[64];
static struct arena a;
static struct fetch_setup setup;
static struct strbuf told;
static struct err e;

static void keep(void *data, const char *words)
{
	(void)data;
	strbuf_addf(&told, "%s\n", words);
}
static const struct registry_trail trail = { keep, NULL };

static void begin(void)
{
	dir_remove_at(AT_FDCWD, root);
	snprintf(root, sizeof(root), "/tmp/hosts-test.XXXXXX");
	CHECK(mkdtemp(root));
	setenv("CORTEN_HOSTS_DIR", root, 1);
}

static void put(const char *folder, const char *name, const char *text)
{
	AUTO_FREE char *dir = str_printf("%s/%s", root, folder);
	AUTO_FREE char *path = str_printf("%s/%s", dir, name);
	FILE *f;

	CHECK_EQ(dir_make_all(dir, 0755), 0);
	f = fopen(path, "we");
	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static int find(const char *host)
{
	arena_done(&a);
	a = (struct arena){ 0 };
	e = ERR_INIT;
	strbuf_reset(&told);
	setup = (struct fetch_setup){ 0 };
	return registry_hosts_find(host, &trail, &a, &setup, &e);
}

static const struct fetch_endpoint *at(size_t i)
{
	CHECK(i < setup.endpoints.n);
	return &setup.endpoints.v[i];
}

TEST(without_files_there_is_the_registry_itself)
{
	static const struct {
		const char *host, *url;
	} rows[] = {
		{ "docker.io", "https://registry-1.docker.io/v2" },
		{ "quay.io", "https://quay.io/v2" },
		{ "quay.io:5000", "https://quay.io:5000/v2" },
		{ "localhost:5000", "http://localhost:5000/v2" },
		{ "localhost:443", "https://localhost:443/v2" },
		{ "127.1.2.3:80", "http://127.1.2.3:80/v2" },
		{ "[::1]:5000", "http://[::1]:5000/v2" },
		{ "127.example.org", "https://127.example.org/v2" },
		{ "10.0.0.1:5000", "https://10.0.0.1:5000/v2" },
	};

	begin();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ(find(rows[i].host), 0);
		CHECK_EQ(setup.endpoints.n, 1);
		CHECK_STR(at(0)->url, rows[i].url);
		CHECK(at(0)->may_pull && at(0)->may_resolve && at(0)->may_push && !at(0)->ns);
		CHECK_EQ(at(0)->is_plain, rows[i].url[4] == ':');
	}
}

TEST(mirrors_come_in_the_order_of_the_file_and_the_registry_last)
{
	begin();
	put("docker.io", "hosts.toml",
	    "server = \"https://registry-1.docker.io\"\n"
	    "[host.\"https://z.example:5000\"]\n"
	    "capabilities = [\"pull\", \"resolve\"]\n"
	    "dial_timeout = \"1.5s\"\n"
	    "[host.\"https://z.example:5000\".header]\n"
	    "x-a = [\"1\", \"2\"]\nx-b = \"3\"\n"
	    "[host.\"http://a.example/mirror/v2/x/\"]\n"
	    "override_path = true\nskip_verify = true\n"
	    "[host.\"b.example/deep\"]\n"
	    "capabilities = [\"push\"]\nunheard = 1\n");
	CHECK_EQ(find("docker.io"), 0);
	CHECK_EQ(setup.endpoints.n, 4);
	CHECK_STR(at(0)->url, "https://z.example:5000/v2");
	CHECK_STR(at(0)->host, "z.example:5000");
	CHECK_STR(at(0)->ns, "docker.io");
	CHECK(at(0)->may_pull && at(0)->may_resolve && !at(0)->may_push);
	CHECK_EQ(at(0)->connect_ms, 1500);
	CHECK_EQ(at(0)->headers.n, 3);
	CHECK_STR(at(0)->headers.v[1], "x-a: 2");
	CHECK_STR(at(1)->url, "http://a.example/mirror/v2/x");
	CHECK(at(1)->is_plain && at(1)->skip_verify);
	CHECK_STR(at(2)->url, "https://b.example/deep/v2");
	CHECK(at(2)->may_push && !at(2)->may_pull);
	CHECK_STR(at(3)->url, "https://registry-1.docker.io/v2");
	CHECK(!at(3)->ns);
	CHECK(strstr(told.p, "line 13: 'unheard' is unknown and passed over"));
}

TEST(the_first_folder_that_says_something_is_taken)
{
	begin();
	put("_default", "hosts.toml", "[host.\"https://mirror.example\"]\n");
	CHECK_EQ(find("quay.io:5000"), 0);
	CHECK_STR(at(0)->url, "https://mirror.example/v2");
	CHECK_STR(at(0)->ns, "quay.io:5000");
	CHECK_STR(at(1)->url, "https://quay.io:5000/v2");
	/* An empty folder hides nothing. */
	put("quay.io:5000", "notes.txt", "");
	CHECK_EQ(find("quay.io:5000"), 0);
	CHECK_EQ(setup.endpoints.n, 2);
	CHECK(strstr(told.p, "/quay.io:5000: has no certificates"));
	put("quay.io:5000", "hosts.toml", "server = \"https://one.example\"\n");
	CHECK_EQ(find("quay.io:5000"), 0);
	CHECK_EQ(setup.endpoints.n, 1);
	CHECK_STR(at(0)->url, "https://one.example/v2");
	put("quay.io_5000_", "hosts.toml", "skip_verify = true");
	CHECK_EQ(find("quay.io:5000"), 0);
	CHECK_EQ(setup.endpoints.n, 1);
	CHECK_STR(at(0)->url, "https://quay.io:5000/v2");
	CHECK(at(0)->skip_verify);
}

TEST(certificates_by_key_and_by_dockers_pattern)
{
	begin();
	put("localhost:5000", "b.crt", "two");
	put("localhost:5000", "a.crt", "one");
	put("localhost:5000", "c.cert", "cert");
	put("localhost:5000", "c.key", "key");
	CHECK_EQ(find("localhost:5000"), 0);
	CHECK_STR(at(0)->ca, "one\ntwo");
	CHECK_STR(at(0)->cert, "cert");
	CHECK_STR(at(0)->key, "key");
	/* An authority asks for https on loopback too. */
	CHECK_STR(at(0)->url, "https://localhost:5000/v2");
	put("x.example", "hosts.toml",
	    "ca = \"ca.pem\"\nclient = [[\"c.pem\", \"k.pem\"], [\"other.pem\", \"\"]]\n");
	put("x.example", "ca.pem", "authority");
	put("x.example", "c.pem", "cert");
	put("x.example", "k.pem", "key");
	CHECK_EQ(find("x.example"), 0);
	CHECK_STR(at(0)->ca, "authority");
	CHECK_STR(at(0)->key, "key");
	CHECK(strstr(told.p, "client: 1 passed over"));
	put("y.example", "hosts.toml", "client = \"both.pem\"\nca = ['a', 'a']\n");
	put("y.example", "both.pem", "both");
	put("y.example", "a", "x");
	CHECK_EQ(find("y.example"), 0);
	CHECK_STR(at(0)->cert, "both");
	CHECK_STR(at(0)->key, "both");
	CHECK_STR(at(0)->ca, "x\nx");
	put("z.example", "c.cert", "no key");
	CHECK_EQ(find("z.example"), -ENOENT);
	CHECK(strstr(e.msg, "z.example/c.key"));
}

TEST(errors_name_file_and_line)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "server = 1", "/x.example/hosts.toml': line 1: 'server' is no string" },
		{ "[host.\"https://a\"]\ncapabilities = ['fly']",
		  "line 2: unknown capability 'fly'" },
		{ "[host.\"https://a@b\"]", "line 1: 'https://a@b' is no URL of a registry" },
		{ "[host.\"ftp://a\"]", "line 1: 'ftp://a' is no URL of a registry" },
		{ "[host.\"https://a/../b\"]", "is no URL of a registry" },
		{ "[host.\"\"]", "is no URL of a registry" },
		{ "host = 1", "line 1: 'host' is no table" },
		{ "host.a = 1", "line 1: 'host.a' is no table" },
		{ "ca = 'none.pem'", "/x.example/none.pem': no such file" },
		{ "client = 1", "line 1: 'client' is no file, list of files or pairs" },
		{ "client = [['a', 'b', 'c']]",
		  "line 1: 'client' is no file, list of files or pairs" },
		{ "header = 1", "line 1: 'header' is no table" },
		{ "[header]\nx = \"a\\nb\"", "line 2: 'x' is no header" },
		{ "[header]\n\"x y\" = 'a'", "line 2: 'x y' is no header" },
		{ "dial_timeout = '1h'", "line 1: 'dial_timeout' is no duration from 1ms to 5m" },
		{ "skip_verify = 'yes'", "line 1: 'skip_verify' is no boolean" },
		{ "[host\n", "line 1: the table's header does not end" },
	};

	begin();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put("x.example", "hosts.toml", rows[i].text);
		CHECK(find("x.example") < 0);
		if (!strstr(e.msg, rows[i].words))
			TEST_END(TEST_FAILED, "%s: %s", rows[i].text, e.msg);
	}
}

TEST(only_regular_files_are_read)
{
	AUTO_FREE char *path = NULL;

	begin();
	put("x.example", "note", "");
	path = str_printf("%s/x.example/hosts.toml", root);
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK(find("x.example") < 0);
	CHECK(strstr(e.msg, "hosts.toml"));
	dir_remove_at(AT_FDCWD, root);
}

TEST(proxies_come_from_the_environment)
{
	struct proxy_rules rules;

	setenv("HTTP_PROXY", "upper", 1);
	setenv("http_proxy", "lower", 1);
	setenv("HTTPS_PROXY", "", 1);
	setenv("https_proxy", "lower-tls", 1);
	unsetenv("NO_PROXY");
	unsetenv("no_proxy");
	registry_proxies(&rules);
	CHECK_STR(rules.http, "upper");
	CHECK_STR(rules.https, "lower-tls");
	CHECK(!rules.none);
}

TEST_MAIN()
