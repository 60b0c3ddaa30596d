#include "image/registry/credentials.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"
#include "image/registry/trail.h"

static char root[64];
static struct arena a;
static struct registry_credentials found;
static struct strbuf told;
static struct err e;

static void keep(void *data, const char *words)
{
	(void)data;
	strbuf_addf(&told, "%s\n", words);
}
static const struct registry_trail trail = { keep, NULL };

static void put(const char *name, const char *text)
{
	AUTO_FREE char *path = str_printf("%s/%s", root, name);
	FILE *f = fopen(path, "we");

	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
	CHECK_EQ(chmod(path, 0755), 0);
}

static void set_path(const char *variable, const char *name)
{
	AUTO_FREE char *path = str_printf("%s/%s", root, name);

	setenv(variable, path, 1);
}

/* A home of its own; nothing of the machine's is seen. */
static void begin(void)
{
	static char *path;
	AUTO_FREE char *search = NULL;

	if (*root)
		dir_remove_at(AT_FDCWD, root);
	if (!path)
		path = strdup(getenv("PATH"));
	snprintf(root, sizeof(root), "/tmp/credentials-test.XXXXXX");
	CHECK(mkdtemp(root));
	search = str_printf("%s:%s", root, path);
	setenv("PATH", search, 1);
	set_path("DOCKER_CONFIG", ".");
	set_path("XDG_RUNTIME_DIR", "run");
	set_path("XDG_CONFIG_HOME", "home");
	set_path("REGISTRY_AUTH_FILE", "own.json");
}

static int find(const char *host, const char *repository)
{
	arena_done(&a);
	a = (struct arena){ 0 };
	e = ERR_INIT;
	strbuf_reset(&told);
	strbuf_adds(&told, "\n");
	found = (struct registry_credentials){ 0 };
	return registry_credentials_find(host, repository, NULL, &trail, &a, &found, &e);
}

TEST(keys_fit_hosts_and_repositories)
{
	static const struct {
		const char *key, *host, *repository;
		int fit;
	} rows[] = {
		{ "quay.io", "quay.io", "a/b", 0 },
		{ "quay.io", "quay.io:5000", "a/b", -1 },
		{ "quay.io:5000", "quay.io:5000", "a/b", 0 },
		{ "xquay.io", "quay.io", "a/b", -1 },
		{ "https://quay.io", "quay.io", "a/b", 0 },
		{ "https://quay.io/v1/", "quay.io", "a/b", 0 },
		{ "quay.io/v2", "quay.io", "a/b", 0 },
		{ "quay.io/a", "quay.io", "a/b", 1 },
		{ "quay.io/a/b", "quay.io", "a/b", 3 },
		{ "quay.io/a/b/c", "quay.io", "a/b", -1 },
		{ "quay.io/a", "quay.io", "ab", -1 },
		{ "quay.io/a", "quay.io", "", -1 },
		{ "https://index.docker.io/v1/", "registry-1.docker.io", "library/x", 0 },
		{ "docker.io", "registry-1.docker.io", "library/x", 0 },
		{ "docker.io/library", "registry-1.docker.io", "library/x", 7 },
		{ "docker.io", "quay.io", "library/x", -1 },
		{ "docker.io.evil.example", "registry-1.docker.io", "x", -1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (credentials_key_fit(rows[i].key, rows[i].host, rows[i].repository) !=
		    rows[i].fit)
			TEST_END(TEST_FAILED, "%s for %s/%s", rows[i].key, rows[i].host,
				 rows[i].repository);
}

TEST(the_first_file_that_has_some_wins)
{
	begin();
	CHECK_EQ(find("quay.io", "a/b"), 0);
	CHECK(!found.username && !found.identity_token);
	put("config.json", "{\"auths\":{\"quay.io\":{\"auth\":\"dXNlcjpwOnc=\"}}}");
	CHECK_EQ(find("quay.io", "a/b"), 0);
	CHECK_STR(found.username, "user");
	CHECK_STR(found.password, "p:w");
	CHECK_EQ(find("other.io", "a/b"), 0);
	CHECK(!found.username);
	put("own.json", "{\"auths\":{\"quay.io\":{\"username\":\"u\",\"password\":\"secret\"},"
			"\"other.io\":{}}}");
	CHECK_EQ(find("quay.io", "a/b"), 0);
	CHECK_STR(found.username, "u");
	CHECK(strstr(told.p, "own.json: the entry 'quay.io' is taken"));
	CHECK(strstr(told.p, "/config.json: passed over"));
	CHECK(strstr(told.p, "/run/containers/auth.json: passed over"));
	CHECK(!strstr(told.p, "secret"));
	CHECK_EQ(find("other.io", ""), 0);
	CHECK(strstr(told.p, "own.json: the entry 'other.io' is empty"));
	CHECK(strstr(told.p, "/config.json: has no entry for other.io"));
}

TEST(of_several_keys_the_longest_counts)
{
	begin();
	put("own.json", "{\"auths\":{\"quay.io\":{\"username\":\"host\"},"
			"\"quay.io/a\":{\"username\":\"team\"},"
			"\"quay.io/a/b\":{\"identitytoken\":\"tok\"}}}");
	CHECK_EQ(find("quay.io", "x"), 0);
	CHECK_STR(found.username, "host");
	CHECK_EQ(find("quay.io", "a/c"), 0);
	CHECK_STR(found.username, "team");
	CHECK_EQ(find("quay.io", "a/b"), 0);
	CHECK_STR(found.identity_token, "tok");
	CHECK(!found.username);
}

TEST(helpers_come_first_and_are_asked_by_dockers_protocol)
{
	begin();
	put("docker-credential-some",
	    "#!/bin/sh\n[ \"$1\" = get ] || exit 9\nread -r host\necho noise >&2\n"
	    "[ \"$host\" = none.io ] && { echo 'credentials not found in native keychain'; exit 1; }\n"
	    "[ \"$host\" = bad.io ] && { echo 'the key is locked'; exit 1; }\n"
	    "[ \"$host\" = token.io ] && { echo '{\"Username\":\"<token>\",\"Secret\":\"t\"}'; exit; }\n"
	    "printf '{\"ServerURL\":\"%s\",\"Username\":\"u-%s\",\"Secret\":\"s\"}' \"$host\" \"$host\"\n");
	put("docker-credential-garbage", "#!/bin/sh\necho garbage\n");
	put("docker-credential-flood", "#!/bin/sh\nexec head -c 100000 /dev/zero | tr '\\0' x\n");
	put("config.json",
	    "{\"credHelpers\":{\"quay.io\":\"some\",\"none.io\":\"some\",\"bad.io\":\"some\","
	    "\"token.io\":\"some\",\"docker.io\":\"some\",\"gone.io\":\"gone\","
	    "\"garbage.io\":\"garbage\",\"flood.io\":\"flood\",\"evil.io\":\"../x\"},"
	    "\"auths\":{\"none.io\":{\"username\":\"text\"},\"quay.io\":{\"username\":\"text\"}}}");
	CHECK_EQ(find("quay.io", "a"), 0);
	CHECK_STR(found.username, "u-quay.io");
	CHECK_STR(found.password, "s");
	CHECK_EQ(find("registry-1.docker.io", "a"), 0);
	CHECK_STR(found.username, "u-https://index.docker.io/v1/");
	CHECK_EQ(find("token.io", "a"), 0);
	CHECK_STR(found.identity_token, "t");
	CHECK_EQ(find("none.io", "a"), 0);
	CHECK_STR(found.username, "text");
	CHECK(find("bad.io", "a") < 0);
	CHECK(strstr(e.msg,
		     "error getting credentials - err: exit status 1, out: `the key is locked`"));
	CHECK(find("gone.io", "a") < 0);
	CHECK(strstr(e.msg,
		     "exec: \"docker-credential-gone\": executable file not found in $PATH"));
	CHECK(find("garbage.io", "a") < 0);
	CHECK(strstr(e.msg, "what docker-credential-garbage says"));
	CHECK_EQ(find("flood.io", "a"), -E2BIG);
	CHECK_EQ(find("evil.io", "a"), -EINVAL);
}

TEST(a_store_is_asked_for_every_host)
{
	begin();
	put("docker-credential-store",
	    "#!/bin/sh\nread -r host\n[ \"$host\" = \"https://quay.io\" ] || "
	    "{ echo credentials not found in native keychain; exit 1; }\n"
	    "echo '{\"Username\":\"u\",\"Secret\":\"s\"}'\n");
	put("config.json", "{\"credsStore\":\"store\",\"auths\":{\"https://quay.io\":{}}}");
	CHECK_EQ(find("quay.io", "a"), 0);
	CHECK_STR(found.username, "u");
	CHECK_EQ(find("other.io", "a"), 0);
	CHECK(!found.username);
	CHECK(strstr(told.p, "docker-credential-store has nothing for 'other.io'"));
}

TEST(a_wrong_file_is_an_error_that_names_it)
{
	begin();
	put("config.json", "{\"auths\":{\"quay.io\":{\"auth\":\"####\"}}}");
	CHECK_EQ(find("quay.io", "a"), -EBADMSG);
	CHECK(strstr(e.msg, "the entry of 'quay.io' in '") &&
	      strstr(e.msg, "config.json' is none"));
	put("config.json", "{");
	CHECK_EQ(find("quay.io", "a"), -EBADMSG);
	CHECK(strstr(e.msg, "/config.json': line 1"));
	dir_remove_at(AT_FDCWD, root);
}

TEST_MAIN()
