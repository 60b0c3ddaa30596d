#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"
#include "codec/base64.h"
#include "net/cni/priv.h"

static struct arena a;
static char top[] = "/tmp/cni-test.XXXXXX";

/* A fresh folder; the last case removes it. */
static const char *folder(void)
{
	static bool is_made;

	if (is_made)
		dir_remove_at(AT_FDCWD, top);
	else if (!mkdtemp(top))
		abort();
	is_made = true;
	CHECK_EQ(dir_make_all(top, 0700), 0);
	return top;
}

static void put(const char *name, const char *text)
{
	AUTO_FREE char *path = str_printf("%s/%s", top, name);
	char *slash = strrchr(path, '/');

	*slash = '\0';
	CHECK_EQ(dir_make_all(path, 0700), 0);
	*slash = '/';
	CHECK_EQ(file_replace_at(AT_FDCWD, path, text, strlen(text), 0600, 0), 0);
}

static struct cni_network *parsed(const char *text)
{
	struct cni_network *n = NULL;
	struct err e = ERR_INIT;

	if (cni_network_parse("f", text, strlen(text), &a, &n, &e) < 0)
		TEST_END(TEST_FAILED, "%.400s", e.msg);
	return n;
}

/* ---- lists ---- */

TEST(a_list_becomes_a_network)
{
	struct cni_network *n = parsed(
		"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"disableCheck\":true,\"plugins\":["
		"{\"type\":\"x\",\"capabilities\":{\"ips\":true,\"mac\":false}},{\"type\":\"y\"}]}");

	CHECK_STR(n->name, "n");
	CHECK_STR(n->version, "1.0.0");
	CHECK(n->disable_check && !n->disable_gc && !n->is_builtin);
	CHECK_EQ(n->plugins.n, 2);
	CHECK_STR(n->plugins.v[1].type, "y");
	CHECK_EQ(n->plugins.v[0].capabilities.n, 1);
	CHECK_STR(n->plugins.v[0].capabilities.v[0], "ips");
}

TEST(a_single_configuration_is_a_list_of_one)
{
	struct cni_network *n = parsed("{\"name\":\"n\",\"type\":\"x\",\"key\":1}");

	CHECK_STR(n->version, CNI_VERSION_OLDEST);
	CHECK_EQ(n->plugins.n, 1);
	CHECK_STR(n->plugins.v[0].text.p, "{\"name\":\"n\",\"type\":\"x\",\"key\":1}");
}

TEST(the_newest_version_that_is_spoken_is_chosen)
{
	static const struct {
		const char *keys, *want;
	} rows[] = {
		{ "\"cniVersions\":[\"0.4.0\",\"1.1.0\",\"9.0.0\"],\"cniVersion\":\"1.0.0\"",
		  "1.1.0" },
		{ "\"cniVersions\":[\"0.3.1\",\"0.4.0\"]", "0.4.0" },
		{ "\"cniVersions\":[\"0.3.1\"],\"cniVersion\":\"0.4.0\"", "0.4.0" },
		{ "\"cniVersions\":[],\"cniVersion\":\"0.2.0\"", "0.2.0" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(parsed(arena_printf(&a,
					      "{%s,\"name\":\"n\",\"plugins\":[{\"type\":\"x\"}]}",
					      rows[i].keys))
				  ->version,
			  rows[i].want);
}

TEST(a_list_with_something_wrong_says_file_and_what)
{
	static const struct {
		const char *text;
		int want;
		const char *words;
	} rows[] = {
		{ "", -EBADMSG, "'f'" },
		{ "{\"plugins\":[{\"type\":\"x\"}]}", -EINVAL, "missing network name" },
		{ "{\"name\":\"../n\",\"plugins\":[{\"type\":\"x\"}]}", -EINVAL, "'../n'" },
		{ "{\"name\":\"n\",\"plugins\":[]}", -EINVAL, "no plugins" },
		{ "{\"name\":\"n\"}", -EINVAL, "no plugin configs" },
		{ "{\"name\":\"n\",\"loadOnlyInlinedPlugins\":true}", -EINVAL, "no 'plugins' key" },
		{ "{\"name\":\"n\",\"plugins\":{}}", -EBADMSG, "array" },
		{ "{\"name\":\"n\",\"plugins\":[1]}", -EBADMSG, "plugin 1" },
		{ "{\"name\":\"n\",\"plugins\":[{\"type\":\"x\"},{}]}", -EINVAL,
		  "plugin 2: missing" },
		{ "{\"name\":\"n\",\"plugins\":[{\"type\":\"../sh\"}]}", -EINVAL, "'../sh'" },
		{ "{\"name\":\"n\",\"plugins\":[{\"type\":\"..\"}]}", -EINVAL, "'..'" },
		{ "{\"name\":\"n\",\"plugins\":[{\"type\":\"x\",\"capabilities\":{\"a\":1}}]}",
		  -EBADMSG, "'a' is no boolean" },
		{ "{\"name\":\"n\",\"cniVersion\":\"1.2.0\",\"plugins\":[{\"type\":\"x\"}]}",
		  -EPROTONOSUPPORT, "'1.2.0'" },
		{ "{\"name\":\"n\",\"cniVersions\":[\"x\"],\"plugins\":[{\"type\":\"x\"}]}",
		  -EINVAL, "'x' is no CNI version" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct cni_network *n;
		int r = cni_network_parse("f", rows[i].text, strlen(rows[i].text), &a, &n, &e);

		if (r != rows[i].want || !strstr(e.msg, rows[i].words))
			TEST_END(TEST_FAILED, "%.200s: %d %.400s", rows[i].text, r, e.msg);
	}
}

static int warnings;
static char warned[600];

static void warn(void *data, const char *text)
{
	warnings++;
	snprintf(warned, sizeof(warned), "%s", text);
}

TEST(a_folder_is_read_by_name_and_what_is_wrong_is_left_out)
{
	struct cni_network *v;
	size_t n;

	folder();
	put("20-b.conf", "{\"cniVersion\":\"0.4.0\",\"name\":\"b\",\"type\":\"x\"}");
	put("10-a.conflist", "{\"name\":\"a\",\"plugins\":[{\"type\":\"x\"}]}");
	put("30-wrong.json", "{");
	put("05-not-one.txt", "{");
	put("15-folder.conf/x", "");
	warnings = 0;
	CHECK_EQ(cni_networks_load(top, warn, NULL, &a, &v, &n, NULL), 0);
	CHECK_EQ(n, 2);
	CHECK_STR(v[0].name, "a");
	CHECK_STR(v[1].name, "b");
	CHECK_EQ(warnings, 1);
	CHECK(strstr(warned, "30-wrong.json"));
	put("40-again.conf", "{\"name\":\"a\",\"type\":\"y\"}");
	CHECK_EQ(cni_networks_load(top, warn, NULL, &a, &v, &n, NULL), 0);
	CHECK_EQ(n, 2);
	CHECK(strstr(warned, "'a' is a network already"));
	CHECK_EQ(cni_networks_load("/nowhere/at/all", warn, NULL, &a, &v, &n, NULL), 0);
	CHECK_EQ(n, 0);
}

TEST(plugins_of_a_folder_are_appended_unless_forbidden)
{
	struct cni_network *v;
	size_t n;

	folder();
	put("10-a.conflist", "{\"name\":\"a\",\"plugins\":[{\"type\":\"x\"}]}");
	put("20-b.conflist", "{\"name\":\"b\",\"loadOnlyInlinedPlugins\":true,\"plugins\":[{"
			     "\"type\":\"x\"}]}");
	put("30-c.conflist", "{\"name\":\"c\"}");
	put("a/2.conf", "{\"type\":\"z\"}");
	put("a/1.conf", "{\"type\":\"y\"}");
	put("a/3.conflist", "{");
	put("b/1.conf", "{");
	put("c/1.conf", "{\"type\":\"y\"}");
	warnings = 0;
	CHECK_EQ(cni_networks_load(top, warn, NULL, &a, &v, &n, NULL), 0);
	CHECK_EQ(warnings, 0);
	CHECK_EQ(n, 3);
	CHECK_EQ(v[0].plugins.n, 3);
	CHECK_STR(v[0].plugins.v[1].type, "y");
	CHECK_STR(v[0].plugins.v[2].type, "z");
	CHECK_EQ(v[1].plugins.n, 1);
	CHECK_EQ(v[2].plugins.n, 1);
}

/* ---- texts ---- */

static const char *injected(const char *plugin, const struct cni_inject *in)
{
	static struct strbuf out;
	struct err e = ERR_INIT;

	strbuf_reset(&out);
	if (cni_inject((struct json_raw){ plugin, strlen(plugin) }, in, &out, &e) < 0)
		TEST_END(TEST_FAILED, "%.400s", e.msg);
	return out.p;
}

TEST(a_plugin_gets_name_version_and_the_arguments_that_it_announces)
{
	static const char args[] = "{\"ips\":[\"10.1.0.5\"],\"mac\":\"02:00:00:00:00:01\"}";
	struct json_strs announced = { (const char *[]){ "ips", "bandwidth" }, 2 };
	struct cni_inject in = { .name = "n", .version = "1.0.0", .announced = &announced };
	const char *plugin = "{\"type\":\"x\",\"name\":\"other\",\"k\":{\"a\":[1, 2]}}";

	CHECK_STR(injected(plugin, &in), "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"x\","
					 "\"k\":{\"a\":[1, 2]}}");
	in.capability_args = (struct json_raw){ args, strlen(args) };
	CHECK_STR(injected(plugin, &in), "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"x\","
					 "\"k\":{\"a\":[1, 2]},\"runtimeConfig\":{\"ips\":[\"10.1."
					 "0.5\"]}}");
	announced.n = 0;
	CHECK(!strstr(injected(plugin, &in), "runtimeConfig"));
	CHECK(strstr(injected("{\"runtimeConfig\":{\"x\":1}}", &in), "{\"x\":1}"));
}

TEST(a_plugin_gets_the_previous_result_in_the_lists_version)
{
	struct cni_ip ip = { .address = "10.1.0.5/16" };
	struct cni_result prev = { .ips = { &ip, 1 } };
	struct cni_inject in = { .name = "n", .version = "0.4.0", .prev = &prev };
	struct cni_result *again;
	struct cni_conf c;
	const char *text = injected("{\"prevResult\":1}", &in);

	CHECK_EQ(json_read(&cni_conf_table, text, strlen(text), NULL, &a, &c, NULL), 0);
	CHECK_EQ(cni_result_read(c.prev_result.p, c.prev_result.len, NULL, &a, &again, NULL), 0);
	CHECK_STR(again->version, "0.4.0");
	CHECK_STR(again->ips.v[0].address, "10.1.0.5/16");
}

TEST(gc_is_told_that_there_are_no_attachments)
{
	struct cni_inject in = { .name = "n", .version = "1.1.0", .is_gc = true };
	struct cni_conf c;
	const char *text = injected("{}", &in);

	CHECK_EQ(json_read(&cni_conf_table, text, strlen(text), NULL, &a, &c, NULL), 0);
	CHECK(c.valid_attachments.v && !c.valid_attachments.n);
}

/* ---- cache ---- */

static struct cni_runtime rt = { .cache_dir = top };
static const struct cni_attach at = {
	.container_id = "c",
	.ifname = "eth0",
	.netns_path = "/n",
	.args = "IgnoreUnknown=1;K8S_POD_NAME=a=b;X",
	.capability_args = { "{\"mac\":\"m\"}", 11 },
};

TEST(an_attachment_is_kept_and_read_back)
{
	struct cni_network *n = parsed(
		"{\"name\":\"n\",\"cniVersion\":\"1.0.0\",\"plugins\":[{\"type\""
		":\"x\"}]}");
	struct cni_result result = { 0 };
	struct cni_attachment *v;
	struct cni_cached c;
	struct stat st;
	size_t count;

	folder();
	CHECK_EQ(cni_cache_read(&rt, "n", "c", "eth0", &a, &c, NULL), 0);
	CHECK_EQ(cni_cache_write(&rt, n, &at, NULL, NULL), 0);
	CHECK_EQ(cni_cache_read(&rt, "n", "c", "eth0", &a, &c, NULL), 1);
	CHECK(!c.result.p);
	CHECK_EQ(cni_cache_write(&rt, n, &at, &result, NULL), 0);
	CHECK_EQ(cni_cache_read(&rt, "n", "c", "eth0", &a, &c, NULL), 1);
	CHECK(c.result.p);
	CHECK_STR(c.netns, "/n");
	CHECK_STR(c.args, "IgnoreUnknown=1;K8S_POD_NAME=a=b;X=");
	CHECK_STR(parsed(c.config.p)->plugins.v[0].type, "x");
	CHECK(memcmp(c.capability_args.p, "{\"mac\":\"m\"}", c.capability_args.len) == 0);
	CHECK_EQ(stat(arena_printf(&a, "%s/results/n-c-eth0", top), &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK_EQ(cni_cached(&rt, "n", &a, &v, &count, NULL), 0);
	CHECK_EQ(count, 1);
	CHECK_STR(v[0].container_id, "c");
	CHECK_EQ(cni_cached(&rt, "m", &a, &v, &count, NULL), 0);
	CHECK_EQ(count, 0);
	CHECK_EQ(cni_cache_remove(&rt, "n", "c", "eth0", NULL), 0);
	CHECK_EQ(cni_cache_remove(&rt, "n", "c", "eth0", NULL), 0);
	CHECK_EQ(cni_cache_read(&rt, "n", "c", "eth0", &a, &c, NULL), 0);
}

/* As go-cni 1.1 wrote it (containerd 1.6), shortened. */
#define GO_ENTRY                                                                                      \
	"{\"kind\":\"cniCacheV1\",\"containerId\":\"c\",\"config\":\"eyJuYW1lIjoibiIsInR5cGUiOiJ4In0" \
	"=\",\"ifName\":\"eth0\",\"networkName\":\"n\",\"cniArgs\":[[\"K8S_POD_NAME\",\"p\"],[\"I\"," \
	"\"1\"]],\"capabilityArgs\":{\"portMappings\":[]},\"result\":{\"cniVersion\":\"1.0.0\","      \
	"\"dns\":{}}}"

TEST(an_entry_of_libcni_is_read)
{
	struct cni_cached c;

	folder();
	put("results/n-c-eth0", GO_ENTRY);
	CHECK_EQ(cni_cache_read(&rt, "n", "c", "eth0", &a, &c, NULL), 1);
	CHECK_STR(c.args, "K8S_POD_NAME=p;I=1");
	CHECK_STR(c.config.p, "{\"name\":\"n\",\"type\":\"x\"}");
	CHECK(!c.netns && c.result.p);
}

TEST(entries_of_other_forms_are_told_apart)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{ "{\"cniVersion\":\"0.4.0\",\"dns\":{}}", 1 }, /* libcni before 0.8 */
		{ "", -EBADMSG },
		{ "{\"kind\":\"cniCacheV2\"}", -EBADMSG },
		{ "{\"kind\":\"cniCacheV1\",\"config\":\"!\"}", -EBADMSG },
		{ "{\"kind\":\"cniCacheV1\",\"networkName\":\"other\"}", 0 },
		{ "{\"kind\":\"cniCacheV1\",\"cniArgs\":[1],\"result\":null}", 1 },
	};
	struct cni_attachment *v;
	struct cni_cached c;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		folder();
		put("results/n-c-eth0", rows[i].text);
		if (cni_cache_read(&rt, "n", "c", "eth0", &a, &c, NULL) != rows[i].want)
			TEST_END(TEST_FAILED, "%s", rows[i].text);
		CHECK_EQ(cni_cached(&rt, NULL, &a, &v, &n, NULL), 0);
		CHECK_EQ(n, 0);
	}
}

TEST(a_network_is_locked_against_its_attachments_only)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	AUTO_FD one = -EBADF, other = -EBADF, probe = -EBADF;

	folder();
	one = cni_lock(&rt, "n", "c", "eth0", NULL);
	other = cni_lock(&rt, "n", "c", "eth1", NULL);
	CHECK(one >= 0 && other >= 0);
	fd_closep(&one);
	fd_closep(&other);
	one = cni_lock(&rt, "n", NULL, NULL, NULL);
	other = cni_lock(&rt, "m", "c", "eth0", NULL);
	CHECK(one >= 0 && other >= 0);
	probe = open(arena_printf(&a, "%s/corten.lock", top), O_RDWR | O_CLOEXEC);
	CHECK_EQ(fcntl(probe, F_OFD_SETLK, &all), -1);
	fd_closep(&one);
	fd_closep(&other);
	CHECK_EQ(fcntl(probe, F_OFD_SETLK, &all), 0);
	dir_remove_at(AT_FDCWD, top);
}

TEST_MAIN()
