#include "spec/cni.h"

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"

static struct arena a;

static struct cni_result *result_of(const char *text, const char *fallback)
{
	struct cni_result *res = NULL;
	struct err e = ERR_INIT;

	if (cni_result_read(text, strlen(text), fallback, &a, &res, &e) < 0)
		TEST_END(TEST_FAILED, "%.400s", e.msg);
	return res;
}

/* The words of the failure. */
static const char *refused(const char *text, int want)
{
	static struct err e;
	struct cni_result *res;

	e = ERR_INIT;
	CHECK_EQ(cni_result_read(text, strlen(text), NULL, &a, &res, &e), want);
	return e.msg;
}

#define NEW_RESULT                                                                                   \
	"{\"cniVersion\":\"1.1.0\",\"interfaces\":[{\"name\":\"cni0\",\"mac\":\"\"},{"               \
	"\"name\":\"eth0\",\"sandbox\":\"/n\",\"mtu\":1400}],\"ips\":[{\"interface\":1,"             \
	"\"address\":\"10.1.0.5/16\",\"gateway\":\"10.1.0.1\"},{\"interface\":1,\"address\":"        \
	"\"fd00::5/64\"}],\"routes\":[{\"dst\":\"0.0.0.0/0\"},{\"dst\":\"::/0\",\"gw\":\"fd00::1\"," \
	"\"priority\":0}],\"dns\":{\"search\":[\"a&b\"]}}"

TEST(a_result_of_1_1_is_read)
{
	struct cni_result *res = result_of(NEW_RESULT, NULL);

	CHECK_STR(res->version, "1.1.0");
	CHECK_EQ(res->interfaces.n, 2);
	CHECK(!res->interfaces.v[0].mac && !res->interfaces.v[0].sandbox);
	CHECK_EQ(res->interfaces.v[1].mtu, 1400);
	CHECK_EQ(res->ips.n, 2);
	CHECK(res->ips.v[0].has_interface && res->ips.v[0].interface == 1);
	CHECK_STR(res->ips.v[0].version, "4");
	CHECK_STR(res->ips.v[1].version, "6");
	CHECK(!res->ips.v[1].gateway && !res->routes.v[0].gw);
	CHECK(!res->routes.v[0].has_priority && res->routes.v[1].has_priority);
	CHECK_STR(res->dns->search.v[0], "a&b");
}

TEST(a_result_is_written_as_the_reference_plugins_write_it)
{
	AUTO_STRBUF struct strbuf out = { 0 };

	CHECK_EQ(cni_result_write(result_of(NEW_RESULT, NULL), "1.0.0", &out, NULL), 0);
	CHECK_STR(out.p, "{\n"
			 "    \"cniVersion\": \"1.0.0\",\n"
			 "    \"interfaces\": [\n"
			 "        {\n"
			 "            \"name\": \"cni0\"\n"
			 "        },\n"
			 "        {\n"
			 "            \"name\": \"eth0\",\n"
			 "            \"mtu\": 1400,\n"
			 "            \"sandbox\": \"/n\"\n"
			 "        }\n"
			 "    ],\n"
			 "    \"ips\": [\n"
			 "        {\n"
			 "            \"interface\": 1,\n"
			 "            \"address\": \"10.1.0.5/16\",\n"
			 "            \"gateway\": \"10.1.0.1\"\n"
			 "        },\n"
			 "        {\n"
			 "            \"interface\": 1,\n"
			 "            \"address\": \"fd00::5/64\"\n"
			 "        }\n"
			 "    ],\n"
			 "    \"routes\": [\n"
			 "        {\n"
			 "            \"dst\": \"0.0.0.0/0\"\n"
			 "        },\n"
			 "        {\n"
			 "            \"dst\": \"::/0\",\n"
			 "            \"gw\": \"fd00::1\",\n"
			 "            \"priority\": 0\n"
			 "        }\n"
			 "    ],\n"
			 "    \"dns\": {\n"
			 "        \"search\": [\n"
			 "            \"a\\u0026b\"\n"
			 "        ]\n"
			 "    }\n"
			 "}");
}

TEST(an_empty_result_has_version_and_dns)
{
	AUTO_STRBUF struct strbuf out = { 0 };

	CHECK_EQ(cni_result_write(&(struct cni_result){ 0 }, "1.1.0", &out, NULL), 0);
	CHECK_STR(out.p, "{\n    \"cniVersion\": \"1.1.0\",\n    \"dns\": {}\n}");
}

TEST(addresses_of_0_4_carry_their_version)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct cni_result *res = result_of(NEW_RESULT, NULL);

	CHECK_EQ(cni_result_write(res, "0.4.0", &out, NULL), 0);
	CHECK(strstr(out.p, "\"version\": \"4\",\n            \"interface\": 1"));
	CHECK(strstr(out.p, "\"version\": \"6\""));
	CHECK(!strstr(out.p, "mtu"));
}

TEST(a_result_of_0_2_has_one_address_of_each_family_with_its_routes)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct cni_result *res = result_of(NEW_RESULT, NULL), *again;

	CHECK_EQ(cni_result_write(res, "0.2.0", &out, NULL), 0);
	CHECK(strstr(out.p, "\"ip4\": {\n        \"ip\": \"10.1.0.5/16\",\n"
			    "        \"gateway\": \"10.1.0.1\",\n        \"routes\": ["));
	again = result_of(out.p, NULL);
	CHECK_EQ(again->interfaces.n, 0);
	CHECK_EQ(again->ips.n, 2);
	CHECK_STR(again->ips.v[1].address, "fd00::5/64");
	CHECK(!again->ips.v[0].has_interface);
	CHECK_EQ(again->routes.n, 2);
	CHECK_STR(again->routes.v[1].gw, "fd00::1");
	CHECK_EQ(cni_result_write(&(struct cni_result){ 0 }, NULL, &out, NULL), -EINVAL);
}

TEST(a_result_without_version_is_of_the_configurations)
{
	CHECK_STR(result_of("{\"ips\":[{\"address\":\"10.1.0.5/16\"}]}", "0.4.0")->version,
		  "0.4.0");
	CHECK_STR(result_of("{\"ip4\":{\"ip\":\"10.1.0.5/16\"}}", NULL)->version, "0.1.0");
	CHECK_STR(result_of("{\"cniVersion\":\"\"}", "1.0.0")->version, "1.0.0");
}

TEST(a_result_with_something_wrong_is_refused_and_says_what)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "", "line 1" },
		{ "hello", "line 1" },
		{ "{\"cniVersion\":\"1.1.0\",\"ips\":[{}]}", "address" },
		{ "{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"10.1.0.5\"}]}", "'10.1.0.5'" },
		{ "{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"10.1.0.5/33\"}]}", "/33'" },
		{ "{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"10.1.0.5/8\",\"interface\":0}]}",
		  "interface 0, there are 0" },
		{ "{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"::1/128\",\"gateway\":\"x\"}]}",
		  "gateway 'x'" },
		{ "{\"cniVersion\":\"1.1.0\",\"routes\":[{\"dst\":\"::/129\"}]}", "dst '::/129'" },
		{ "{\"cniVersion\":\"1.1.0\",\"routes\":[{\"dst\":\"::/0\",\"gw\":\"1.1.1\"}]}",
		  "gw '1.1.1'" },
		{ "{\"cniVersion\":\"1.1.0\",\"interfaces\":[{}]}", "has no name" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *words = refused(rows[i].text, -EBADMSG);

		if (!strstr(words, rows[i].words))
			TEST_END(TEST_FAILED, "%.200s: %.400s", rows[i].text, words);
	}
	CHECK(strstr(refused("{\"cniVersion\":\"1.2.0\"}", -EPROTONOSUPPORT), "'1.2.0'"));
}

TEST(versions_are_compared_by_number)
{
	static const struct {
		const char *a, *b;
		int want;
	} rows[] = {
		{ "1.1.0", "1.1.0", 0 }, { "0.10.0", "0.9.0", 1 }, { "0.3.1", "0.4.0", -1 },
		{ NULL, "", 0 },	 { "", "0.1.0", -1 },	   { "1", "1.0.0", 0 },
		{ "1.1", "1.0.9", 1 },
	};
	static const char *const wrong[] = { "1.", ".", "a", "1.0.0.0", "-1", "1.0.0-rc1", " 1" };
	int got;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ(cni_version_compare(rows[i].a, rows[i].b, &got, NULL), 0);
		CHECK_EQ(got, rows[i].want);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		CHECK_EQ(cni_version_compare(wrong[i], "1.0.0", &got, NULL), -EINVAL);
	CHECK(cni_version_is_known("0.3.1") && !cni_version_is_known("0.3.2"));
	CHECK(!cni_version_is_known(NULL));
}

TEST(names_are_what_libcni_takes)
{
	static const char *const wrong[] = { "-a", ".", "a/b", "..", "a b", "a\nb", "\xc3\xa4" };

	CHECK_EQ(cni_check_network("my_net-1.x", NULL), 0);
	CHECK_EQ(cni_check_network("", NULL), -EINVAL);
	CHECK_EQ(cni_check_container(NULL, NULL), -ENXIO);
	CHECK_EQ(cni_check_ifname("eth0.5", NULL), 0);
	CHECK_EQ(cni_check_ifname("sixteen_letters_", NULL), -EBADR);
	CHECK_EQ(cni_check_ifname("a b", NULL), -EBADR);
	CHECK_EQ(cni_check_ifname("..", NULL), -EBADR);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		CHECK_EQ(cni_check_network(wrong[i], NULL), -EINVAL);
		CHECK_EQ(cni_check_container(wrong[i], NULL), -EBADR);
	}
}

TEST(a_list_is_read_with_switches_of_either_kind)
{
	static const char text[] =
		"{\"cniVersion\":\"1.1.0\",\"cniVersions\":[\"1.0.0\"],\"name\":\"n\","
		"\"disableCheck\":\"true\",\"disableGC\":false,\"loadOnlyInlinedPlugins\":true,"
		"\"plugins\":[ {\"type\":\"a\",\"x\":[{}]} ,{\"type\":\"b\"}]}";
	struct cni_list list;
	struct json_raw *v;
	size_t n;

	CHECK_EQ(cni_list_read(text, strlen(text), &a, &list, NULL), 0);
	CHECK(list.disable_check && !list.disable_gc && list.load_only_inlined);
	CHECK_STR(list.versions.v[0], "1.0.0");
	CHECK_EQ(cni_split_array(list.plugins, 2, &a, &v, &n, NULL), 0);
	CHECK_EQ(n, 2);
	CHECK_EQ(v[0].len, strlen("{\"type\":\"a\",\"x\":[{}]}"));
	CHECK(memcmp(v[1].p, "{\"type\":\"b\"}", v[1].len) == 0);
	CHECK_EQ(cni_split_array(list.plugins, 1, &a, &v, &n, NULL), -E2BIG);
	CHECK_EQ(cni_split_array((struct json_raw){ "{}", 2 }, 1, &a, &v, &n, NULL), -EBADMSG);
	CHECK_EQ(cni_split_array((struct json_raw){ "[]", 2 }, 1, &a, &v, &n, NULL), 0);
	CHECK_EQ(n, 0);
}

TEST(a_switch_that_is_neither_is_refused)
{
	static const char text[] = "{\"name\":\"n\",\"disableGC\":1}";
	struct err e = ERR_INIT;
	struct cni_list list;

	CHECK_EQ(cni_list_read(text, strlen(text), &a, &list, &e), -EBADMSG);
	CHECK_STR(e.msg, "disableGC: '1' is neither true nor false");
}

TEST(the_attachments_of_a_gc_tell_none_from_not_given)
{
	static const char text[] = "{\"cni.dev/valid-attachments\":[]}";
	struct cni_conf c;

	CHECK_EQ(json_read(&cni_conf_table, text, strlen(text), NULL, &a, &c, NULL), 0);
	CHECK(c.valid_attachments.v && c.valid_attachments.n == 0);
	CHECK_EQ(json_read(&cni_conf_table, "{}", 2, NULL, &a, &c, NULL), 0);
	CHECK(!c.valid_attachments.v);
}

TEST(capability_arguments_are_read)
{
	static const char text[] =
		"{\"portMappings\":[{\"hostPort\":8080,\"containerPort\":80}],\"bandwidth\":"
		"{\"ingressRate\":18446744073709551615},\"dns\":{\"servers\":[\"1.1.1.1\"],"
		"\"searches\":[\"x\"]},\"ips\":[\"10.1.0.5\"]}";
	struct cni_runtime_config rc;

	CHECK_EQ(json_read(&cni_runtime_config_table, text, strlen(text), NULL, &a, &rc, NULL), 0);
	CHECK_EQ(rc.ports.v[0].host_port, 8080);
	CHECK(!rc.ports.v[0].protocol);
	CHECK(rc.bandwidth->ingress_rate == UINT64_MAX);
	CHECK_STR(rc.dns->nameservers.v[0], "1.1.1.1");
	CHECK_STR(rc.dns->search.v[0], "x");
}

TEST(errors_go_to_codes_and_back)
{
	static const char text[] =
		"{\"code\":11,\"msg\":\"no\\u001b[31m address\",\"details\":\"range\"}";
	struct cni_error ce;
	struct err e = ERR_INIT;

	CHECK_EQ(json_read(&cni_error_table, text, strlen(text), NULL, &a, &ce, NULL), 0);
	CHECK_EQ(cni_error_take(&ce, "host-local", "add", &e), -EAGAIN);
	CHECK_STR(e.msg, "plugin type=\"host-local\" failed (add): no [31m address; range");
	CHECK_EQ(cni_code_of(&e, -EAGAIN), CNI_TRY_AGAIN);
	ce = (struct cni_error){ .code = 123 };
	CHECK_EQ(cni_error_take(&ce, "x", "del", &e), -EREMOTEIO);
	CHECK_STR(e.msg, "plugin type=\"x\" failed (del): no message");
	CHECK_EQ(cni_code_of(&e, -EREMOTEIO), CNI_INTERNAL);
	CHECK_EQ(cni_code_of(NULL, -EPROTONOSUPPORT), CNI_INCOMPATIBLE_VERSION);
	CHECK_EQ(cni_code_of(NULL, -EHOSTDOWN), CNI_NOT_AVAILABLE);
}

TEST_MAIN()
