#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"
#include "net/plugin/priv.h"

static char dir[64];
static struct err e;
static struct arena a;
static struct cni_result *res;

static void begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/corten-host-local-XXXXXX");
	CHECK(mkdtemp(dir));
	e = ERR_INIT;
}

static void end(void)
{
	CHECK_EQ(dir_remove_at(AT_FDCWD, dir), 0);
	arena_done(&a);
}

/* `ipam` are keys of the ipam object, `more` keys of the configuration ("" or ",…"). */
static int run(enum cni_command command, const char *id, const char *ipam, const char *more)
{
	struct cni_call call = { .command = command,
				 .container_id = id,
				 .ifname = "eth0",
				 .netns_fd = -EBADF,
				 .a = &a };
	char conf[2048];

	call.conf_len = (size_t)snprintf(
		conf, sizeof(conf),
		"{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"type\":\"x\",\"ipam\":{\"type\":"
		"\"host-local\",\"dataDir\":\"%s\",%s}%s}",
		dir, ipam, more);
	call.conf = conf;
	return cni_plugin_run(cni_plugin_find("host-local"), &call, &res, &e);
}

static const char *added(const char *id, const char *ipam)
{
	if (run(CNI_ADD, id, ipam, "") < 0)
		return e.msg;
	return res->ips.v[0].address;
}

static const char *content(const char *name)
{
	static char text[256];
	AUTO_FREE char *path = str_printf("%s/n/%s", dir, name), *got = NULL;

	if (file_read_at(AT_FDCWD, path, sizeof(text) - 1, &got, NULL) < 0)
		return "missing";
	snprintf(text, sizeof(text), "%s", got);
	return text;
}

static void put(const char *name, const char *text)
{
	AUTO_FREE char *path = str_printf("%s/n/%s", dir, name);

	CHECK_EQ(file_replace_at(AT_FDCWD, path, text, strlen(text), 0644, 0), 0);
}

#define SMALL "\"subnet\":\"10.0.0.0/29\""

TEST(addresses_go_round_and_skip_the_gateway)
{
	begin();
	CHECK_STR(added("a", SMALL), "10.0.0.2/29");
	CHECK_STR(res->ips.v[0].gateway, "10.0.0.1");
	CHECK_STR(added("b", SMALL), "10.0.0.3/29");
	CHECK_EQ(run(CNI_DEL, "a", SMALL, ""), 0);
	CHECK_STR(added("c", SMALL), "10.0.0.4/29");
	CHECK_STR(added("d", SMALL), "10.0.0.5/29");
	CHECK_STR(added("e", SMALL), "10.0.0.6/29");
	CHECK_STR(added("f", SMALL), "10.0.0.2/29");
	CHECK_STR(added("g", SMALL),
		  "failed to allocate for range 0: no IP addresses available in range set: "
		  "10.0.0.1-10.0.0.6");
	end();
}

TEST(the_store_is_the_references)
{
	begin();
	CHECK_STR(added("cid", SMALL), "10.0.0.2/29");
	CHECK_STR(content("10.0.0.2"), "cid\r\neth0");
	CHECK_STR(content("last_reserved_ip.0"), "10.0.0.2");
	CHECK_STR(content("lock"), "");
	CHECK_STR(content(".new"), "missing");
	CHECK_EQ(run(CNI_CHECK, "cid", SMALL, ""), 0);
	CHECK_EQ(run(CNI_DEL, "cid", SMALL, ""), 0);
	CHECK_STR(content("10.0.0.2"), "missing");
	CHECK_EQ(run(CNI_DEL, "cid", SMALL, ""), 0);
	CHECK(run(CNI_CHECK, "cid", SMALL, "") < 0);
	end();
}

TEST(a_second_add_is_refused)
{
	begin();
	CHECK_STR(added("a", SMALL), "10.0.0.2/29");
	CHECK_STR(added("a", SMALL),
		  "failed to allocate for range 0: 10.0.0.2 has been allocated to a, duplicate "
		  "allocation is not allowed");
	end();
}

TEST(files_of_older_plugins_count_for_the_container)
{
	begin();
	CHECK_STR(added("a", SMALL), "10.0.0.2/29");
	put("10.0.0.5", "old\n");
	CHECK_EQ(run(CNI_CHECK, "old", SMALL, ""), 0);
	CHECK_EQ(run(CNI_DEL, "old", SMALL, ""), 0);
	CHECK_STR(content("10.0.0.5"), "missing");
	CHECK_STR(content("10.0.0.2"), "a\r\neth0");
	end();
}

TEST(wanted_addresses_are_given_or_refused)
{
	begin();
	CHECK_EQ(run(CNI_ADD, "a", SMALL, ",\"runtimeConfig\":{\"ips\":[\"10.0.0.5/29\"]}"), 0);
	CHECK_STR(res->ips.v[0].address, "10.0.0.5/29");
	CHECK(run(CNI_ADD, "b", SMALL, ",\"args\":{\"cni\":{\"ips\":[\"10.0.0.5\"]}}") < 0);
	CHECK_STR(e.msg, "failed to allocate for range 0: requested IP address 10.0.0.5 is not "
			 "available in range set 10.0.0.1-10.0.0.6");
	CHECK(run(CNI_ADD, "b", SMALL, ",\"runtimeConfig\":{\"ips\":[\"10.0.0.1\"]}") < 0);
	CHECK_STR(e.msg,
		  "failed to allocate for range 0: requested ip 10.0.0.1 is subnet's gateway");
	CHECK(run(CNI_ADD, "b", SMALL, ",\"runtimeConfig\":{\"ips\":[\"10.9.0.1\"]}") < 0);
	CHECK_STR(e.msg, "failed to allocate all requested IPs: 10.9.0.1");
	CHECK_EQ(run(CNI_CHECK, "b", SMALL, "") < 0, true);
	end();
}

TEST(a_set_that_is_full_gives_the_others_back)
{
	static const char two[] = "\"ranges\":[[{\"subnet\":\"10.0.0.0/24\"}],[{\"subnet\":"
				  "\"10.1.0.0/30\"}]]";

	begin();
	CHECK_STR(added("a", two), "10.0.0.2/24");
	CHECK_EQ(res->ips.n, 2);
	CHECK_STR(res->ips.v[1].address, "10.1.0.2/30");
	CHECK(run(CNI_ADD, "b", two, "") < 0);
	CHECK_STR(content("10.0.0.3"), "missing");
	end();
}

TEST(ranges_of_a_set_are_used_one_after_the_other)
{
	static const char two[] =
		"\"ranges\":[[{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.0.9\",\"rangeEnd\":"
		"\"10.0.0.9\"},{\"subnet\":\"10.0.1.0/24\",\"gateway\":\"10.0.1.1\"}]]";

	begin();
	CHECK_STR(added("a", two), "10.0.0.9/24");
	CHECK_STR(added("b", two), "10.0.1.2/24");
	CHECK_STR(res->ips.v[0].gateway, "10.0.1.1");
	end();
}

TEST(wrong_ranges_are_refused)
{
	static const struct {
		const char *ipam, *words;
	} rows[] = {
		{ "\"x\":1", "no IP ranges specified" },
		{ "\"subnet\":\"10.0.0.0/31\"",
		  "invalid range set 0: Network 10.0.0.0/31 too small to allocate from" },
		{ "\"subnet\":\"10.0.0.1/24\"",
		  "invalid range set 0: Network has host bits set. For a subnet mask of length 24 the "
		  "network address is 10.0.0.0" },
		{ "\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.1.1\"",
		  "invalid range set 0: RangeStart 10.0.1.1 not in network 10.0.0.0/24" },
		{ "\"subnet\":\"10.0.0.0/24\",\"rangeEnd\":\"x\"",
		  "invalid range set 0: RangeEnd 'x' is no address" },
		{ "\"ranges\":[[]]", "invalid range set 0: empty range set" },
		{ "\"ranges\":[[{\"subnet\":\"10.0.0.0/24\"},{\"subnet\":\"fd00::/64\"}]]",
		  "invalid range set 0: mixed address families" },
		{ "\"ranges\":[[{\"subnet\":\"10.0.0.0/16\"}],[{\"subnet\":\"10.0.7.0/24\"}]]",
		  "range set 0 overlaps with 1" },
	};

	begin();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(added("a", rows[i].ipam), rows[i].words);
	end();
}

TEST(gc_gives_back_what_no_valid_attachment_has)
{
	begin();
	CHECK_STR(added("a", SMALL), "10.0.0.2/29");
	CHECK_STR(added("b", SMALL), "10.0.0.3/29");
	put("10.0.0.4", "ab\r\neth0");
	put("10.0.0.5", "");
	CHECK_EQ(run(CNI_GC, "", SMALL,
		     ",\"cni.dev/valid-attachments\":[{\"containerID\":\"a\",\"ifname\":\"eth0\"},"
		     "{\"containerID\":\"b\",\"ifname\":\"eth1\"}]"),
		 0);
	CHECK_STR(content("10.0.0.2"), "a\r\neth0");
	CHECK_STR(content("10.0.0.3"), "missing");
	CHECK_STR(content("10.0.0.4"), "missing");
	CHECK_STR(content("10.0.0.5"), "missing");
	end();
}

TEST(a_link_in_the_store_is_not_followed)
{
	AUTO_FREE char *name = NULL, *victim = NULL;

	begin();
	CHECK_STR(added("a", SMALL), "10.0.0.2/29");
	name = str_printf("%s/n/.new", dir);
	victim = str_printf("%s/victim", dir);
	CHECK_EQ(symlink(victim, name), 0);
	CHECK_STR(added("b", SMALL), "10.0.0.3/29");
	CHECK(access(victim, F_OK) < 0);
	end();
}

TEST(resolv_conf_becomes_dns)
{
	AUTO_FREE char *path = NULL, *ipam = NULL;
	static const char text[] = "# c\nnameserver 10.0.0.9\n nameserver fd00::9 x\nsearch a b\n"
				   "options ndots:2 edns0\ndomain d\nsortlist\n";

	begin();
	path = str_printf("%s/resolv.conf", dir);
	ipam = str_printf(SMALL ",\"resolvConf\":\"%s\"", path);
	CHECK_EQ(file_replace_at(AT_FDCWD, path, text, strlen(text), 0644, 0), 0);
	CHECK_STR(added("a", ipam), "10.0.0.2/29");
	CHECK_EQ(res->dns->nameservers.n, 2);
	CHECK_STR(res->dns->nameservers.v[1], "fd00::9");
	CHECK_EQ(res->dns->search.n, 2);
	CHECK_STR(res->dns->options.v[1], "edns0");
	CHECK_STR(res->dns->domain, "d");
	end();
}

TEST_MAIN()
