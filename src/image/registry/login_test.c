#include "image/registry/login.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"

static char root[64];
static struct arena a;
static struct err e;

static void begin(void)
{
	AUTO_FREE char *path = NULL;

	if (*root)
		dir_remove_at(AT_FDCWD, root);
	snprintf(root, sizeof(root), "/tmp/login-test.XXXXXX");
	CHECK(mkdtemp(root));
	path = str_printf("%s/deep/er", root);
	setenv("DOCKER_CONFIG", path, 1);
	e = ERR_INIT;
}

static void put(const char *text)
{
	AUTO_FREE char *dir = str_printf("%s/deep/er", root);
	AUTO_FREE char *path = str_printf("%s/config.json", dir);
	FILE *f;

	CHECK_EQ(dir_make_all(dir, 0755), 0);
	f = fopen(path, "we");
	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static const char *text(void)
{
	static char *t;
	AUTO_FREE char *path = str_printf("%s/deep/er/config.json", root);
	struct stat st;
	size_t len;

	free(t);
	t = NULL;
	CHECK_EQ(file_read_at(AT_FDCWD, path, 1 << 20, &t, &len), 0);
	CHECK(stat(path, &st) == 0);
	CHECK_EQ(st.st_mode & 07777, 0600);
	return t;
}

static int keep(const char *host)
{
	const char *path = NULL;
	int r = registry_login_keep(host, "user", "p:w", &a, &path, &e);

	CHECK(r < 0 || (path && str_ends(path, "/deep/er/config.json")));
	return r;
}

TEST(servers_are_named_in_many_ways)
{
	static const struct {
		const char *server, *host;
	} rows[] = {
		{ NULL, "docker.io" },
		{ "", "docker.io" },
		{ "https://index.docker.io/v1/", "docker.io" },
		{ "registry-1.docker.io", "docker.io" },
		{ "quay.io", "quay.io" },
		{ "https://quay.io:5000/v2/", "quay.io:5000" },
		{ "http://localhost", "localhost" },
		{ "registry", "registry" },
		{ "[::1]:5000", "[::1]:5000" },
	};
	const char *host;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ(registry_server_host(rows[i].server, &a, &host, &e), 0);
		CHECK_STR(host, rows[i].host);
	}
	CHECK_EQ(registry_server_host("https://u@quay.io", &a, &host, &e), -EINVAL);
	CHECK_EQ(registry_server_host("qu ay", &a, &host, &e), -EINVAL);
	CHECK_EQ(registry_server_host("/etc", &a, &host, &e), -EINVAL);
}

TEST(a_file_is_made_with_what_docker_would_write)
{
	begin();
	CHECK_EQ(keep("quay.io:5000"), 0);
	CHECK_STR(text(),
		  "{\n\t\"auths\": {\n\t\t\"quay.io:5000\": {\n\t\t\t\"auth\": \"dXNlcjpwOnc=\"\n"
		  "\t\t}\n\t}\n}\n");
	CHECK_EQ(keep("docker.io"), 0);
	CHECK(strstr(text(),
		     "\"https://index.docker.io/v1/\": {\n\t\t\t\"auth\": \"dXNlcjpwOnc=\""));
}

TEST(what_is_not_ours_stays_to_the_byte)
{
	static const char before[] =
		"{\n\t\"HttpHeaders\": {\"User-Agent\":  \"x\\u00e9\"},\n"
		"\t\"auths\": {\n"
		"\t\t\"https://quay.io/v1/\": {\"auth\": \"b2xkOm9sZA==\"},\n"
		"\t\t\"quay.io/team\": {\"auth\": \"dGVhbTp0\", \"x\": 1.50},\n"
		"\t\t\"other.io\": {}\n\t},\n"
		"\t\"detachKeys\": \"ctrl-e\", \"big\": 12345678901234567890.10\n}";
	bool was;

	begin();
	put(before);
	CHECK_EQ(keep("quay.io"), 0);
	CHECK(strstr(text(), "\"HttpHeaders\": {\"User-Agent\":  \"x\\u00e9\"}"));
	CHECK(strstr(text(), "\"quay.io/team\": {\"auth\": \"dGVhbTp0\", \"x\": 1.50}"));
	CHECK(strstr(text(), "\"other.io\": {}"));
	CHECK(strstr(text(), "\"big\": 12345678901234567890.10"));
	CHECK(!strstr(text(), "b2xkOm9sZA=="));
	CHECK(strstr(text(), "\"quay.io\": {\n\t\t\t\"auth\": \"dXNlcjpwOnc=\""));
	CHECK_EQ(registry_logout("quay.io", &was, &e), 0);
	CHECK(was);
	CHECK(!strstr(text(), "dXNlcjpwOnc=") && strstr(text(), "\"quay.io/team\""));
	CHECK_EQ(registry_logout("quay.io", &was, &e), 0);
	CHECK(!was);
}

TEST(a_link_leads_to_the_file_that_is_replaced)
{
	AUTO_FREE char *real = NULL;
	AUTO_FREE char *link = NULL;
	const char *path = NULL;
	struct stat st;

	begin();
	put("{\"a\":1}");
	link = str_printf("%s/deep/er/config.json", root);
	real = str_printf("%s/real.json", root);
	CHECK_EQ(rename(link, real), 0);
	CHECK_EQ(symlink(real, link), 0);
	CHECK_EQ(registry_login_keep("quay.io", "u", "p", &a, &path, &e), 0);
	CHECK_STR(path, real);
	CHECK(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
	CHECK(strstr(text(), "\"a\": 1") && strstr(text(), "quay.io"));
}

TEST(a_wrong_file_is_left_alone)
{
	const char *path;

	begin();
	put("{\"auths\": [}");
	CHECK_EQ(keep("quay.io"), -EBADMSG);
	CHECK(strstr(e.msg, "config.json': line 1"));
	put("{}");
	CHECK_EQ(registry_login_keep("quay.io", "a:b", "p", &a, &path, &e), -EINVAL);
	dir_remove_at(AT_FDCWD, root);
}

TEST_MAIN()
