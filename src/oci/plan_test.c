#include "oci/plan.h"

#include <sched.h>

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"
#include "oci/state.h"

static struct arena arena;
static struct err err;

static const struct host host = { .uid = 0, .caps.permitted = (1ull << 41) - 1 };

#define HEAD "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
#define PROCESS "\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],\"cwd\":\"/\"},"
#define NS "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"network\"}]"

static const struct host labelled = { .caps.permitted = (1ull << 41) - 1,
				      .has_apparmor = true,
				      .has_selinux = true };

static int make_on(const struct host *h, const char *text, struct plan **ret)
{
	struct oci_spec *spec;
	int r;

	arena_done(&arena);
	arena = (struct arena){ 0 };
	err = ERR_INIT;
	r = oci_spec_read(text, strlen(text), &arena, &spec, &err);
	return r < 0 ? r : plan_make(spec, h, &arena, ret, &err);
}

static int make(const char *text, struct plan **ret)
{
	return make_on(&host, text, ret);
}

static int make_linux(const char *more, struct plan **ret)
{
	AUTO_STRBUF struct strbuf b = { 0 };

	strbuf_addf(&b, HEAD PROCESS "\"linux\":{" NS "%s%s}}", *more ? "," : "", more);
	return make(b.p, ret);
}

static int make_with(const char *more, struct plan **ret)
{
	AUTO_STRBUF struct strbuf b = { 0 };

	strbuf_addf(&b, HEAD "%s,\"linux\":{" NS "}}", more);
	return make(b.p, ret);
}

TEST(a_plan_prints_its_steps_in_order)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct plan *p;

	CHECK_EQ(
		make(HEAD PROCESS
		     "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":"
		     "\"proc\"},{\"destination\":\"/d/../dev/\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":"
		     "[\"nosuid\",\"mode=755\",\"size=1k\"]}],\"linux\":{" NS
		     ",\"maskedPaths\":[\"/proc/keys\"],"
		     "\"readonlyPaths\":[\"/proc/sys\"],\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"}}}",
		     &p),
		0);
	plan_dump(p, &out);
	CHECK_STR(out.p,
		  "rootfs rootfs\nnew mount\nnew pid\nnew network\n"
		  "mount /proc proc proc\n"
		  "mount /dev tmpfs tmpfs data=mode=755,size=1k set=2 clr=0\n"
		  "device /dev/null 20666 1:3 0:0\ndevice /dev/random 20666 1:8 0:0\n"
		  "device /dev/full 20666 1:7 0:0\ndevice /dev/tty 20666 5:0 0:0\n"
		  "device /dev/zero 20666 1:5 0:0\ndevice /dev/urandom 20666 1:9 0:0\n"
		  "symlink /dev/fd -> /proc/self/fd\nsymlink /dev/stdin -> /proc/self/fd/0\n"
		  "symlink /dev/stdout -> /proc/self/fd/1\nsymlink /dev/stderr -> /proc/self/fd/2\n"
		  "symlink /dev/ptmx -> pts/ptmx\n"
		  "sysctl sys/net/ipv4/ip_forward -> 1\n"
		  "readonly /proc/sys\nmask /proc/keys\n"
		  "user 0:0\ncwd /\narg sh\n");
}

TEST(a_link_to_kcore_is_made_where_the_host_has_it)
{
	static const struct host with_kcore = { .caps.permitted = (1ull << 41) - 1,
						.has_kcore = true };
	AUTO_STRBUF struct strbuf out = { 0 }, none = { 0 };
	struct plan *p;

	CHECK_EQ(make_on(&with_kcore, HEAD PROCESS "\"linux\":{" NS "}}", &p), 0);
	plan_dump(p, &out);
	CHECK(strstr(out.p, "symlink /dev/core -> /proc/kcore\n"));
	CHECK_EQ(make(HEAD PROCESS "\"linux\":{" NS "}}", &p), 0);
	plan_dump(p, &none);
	CHECK(!strstr(none.p, "/dev/core"));
}

TEST(paths_are_cleaned_lexically)
{
	struct arena a = { 0 };

	CHECK_STR(plan_clean_path(&a, "/a/../b//./c/"), "/b/c");
	CHECK_STR(plan_clean_path(&a, "../../x"), "/x");
	CHECK_STR(plan_clean_path(&a, "/.."), "/");
	CHECK_STR(plan_clean_path(&a, ""), "/");
	arena_done(&a);
}

TEST(wrong_namespaces_are_refused)
{
	struct plan *p;

	CHECK_EQ(make(HEAD PROCESS "\"linux\":{\"namespaces\":[{\"type\":\"pid\"}]}}", &p),
		 -EINVAL);
	CHECK_EQ(make(HEAD PROCESS
		      "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"mount\"}]}}",
		      &p),
		 -EINVAL);
	CHECK_EQ(make(HEAD PROCESS
		      "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"foo\"}]}}",
		      &p),
		 -EINVAL);
	CHECK_EQ(make(HEAD PROCESS
		      "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"}]}}",
		      &p),
		 -EINVAL);
}

TEST(sysctls_of_the_host_are_refused_in_every_spelling)
{
	static const char *const bad[] = { "kernel.panic",	   "kernel/core_pattern",
					   "net/../kernel/panic",  "net.ipv4..x",
					   "kernel.hostname",	   "kernel.shmmax",
					   "vm.overcommit_memory", "net.//kernel/panic" };
	struct plan *p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char more[128];

		snprintf(more, sizeof(more), "\"sysctl\":{\"%s\":\"1\"}", bad[i]);
		CHECK_EQ(make_linux(more, &p), -EINVAL);
	}
	CHECK_EQ(make_linux("\"sysctl\":{\"net/ipv4/conf/eth0.1/forwarding\":\"1\"}", &p), 0);
	CHECK_STR(p->steps[p->steps_n - 1].path, "sys/net/ipv4/conf/eth0.1/forwarding");
}

TEST(what_the_host_lacks_is_named)
{
	struct plan *p;

	CHECK_EQ(make_linux("\"intelRdt\":{\"closID\":\"x\"}", &p), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "Intel RDT is not enabled"));
	CHECK_EQ(make_linux("\"mountLabel\":\"x\"", &p), -EOPNOTSUPP);
	CHECK_EQ(
		make_with(
			"\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],\"cwd\":\"/\",\"apparmorProfile\":"
			"\"strict\"}",
			&p),
		-EOPNOTSUPP);
	CHECK(strstr(err.msg, "strict"));
}

#define LABELLED                                                                       \
	"\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],\"cwd\":\"/\"," \
	"\"apparmorProfile\":\"strict\",\"selinuxLabel\":\"u:r:t:s0:c1,c2\"}"

TEST(labels_of_the_process_are_planned_where_the_host_has_them)
{
	struct plan *p;

	CHECK_EQ(make_on(&labelled, HEAD LABELLED ",\"linux\":{" NS "}}", &p), 0);
	CHECK_STR(p->process->apparmor, "strict");
	CHECK_STR(p->process->selinux, "u:r:t:s0:c1,c2");
	CHECK_EQ(make_on(&labelled, HEAD PROCESS "\"linux\":{" NS "}}", &p), 0);
	CHECK(!p->process->apparmor && !p->process->selinux && !p->mount_label);
}

TEST(labels_of_more_than_a_line_are_refused)
{
	struct plan *p;

	CHECK_EQ(make_on(&labelled,
			 HEAD "\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\",\"apparmorProfile\":"
			      "\"a\\nb\"},\"linux\":{" NS "}}",
			 &p),
		 -EINVAL);
	CHECK(strstr(err.msg, "apparmorProfile"));
	CHECK_EQ(make_on(&labelled, HEAD PROCESS "\"linux\":{" NS ",\"mountLabel\":\"a\\\"b\"}}",
			 &p),
		 -EINVAL);
	CHECK(strstr(err.msg, "mountLabel"));
}

#define USERNS                                                                                        \
	"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"}],\"uidMappings\":[{"     \
	"\"containerID\":0,\"hostID\":0,\"size\":1},{\"containerID\":1,\"hostID\":2,\"size\":1000}]," \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":500,\"size\":10}]}}"

static int make_idmap(const char *option, struct plan **ret)
{
	AUTO_STRBUF struct strbuf b = { 0 };

	strbuf_addf(&b,
		    HEAD PROCESS "\"mounts\":[{\"destination\":\"/m\",\"source\":\"/s\","
				 "\"options\":[\"bind\",\"%s\"]}]," USERNS,
		    option);
	return make(b.p, ret);
}

TEST(an_idmap_with_mappings_is_read_as_by_crun)
{
	const struct step *s;
	struct plan *p;

	/* The example of crun's manual page: 3 is 4 on the host. */
	CHECK_EQ(make_idmap("idmap=uids=@1-3-10;gids=0-100-10#10-@", &p), -EINVAL);
	CHECK_EQ(make_idmap("ridmap=uids=@1-3-10#11-70000-2;gids=0-100-10", &p), 0);
	s = &p->steps[0];
	CHECK(s->mount.is_idmap_rec);
	CHECK_EQ(s->idmap_uids_n, 2);
	CHECK_EQ(s->idmap_uids[0].inside, 1);
	CHECK_EQ(s->idmap_uids[0].outside, 4);
	CHECK_EQ(s->idmap_uids[0].count, 10);
	CHECK_EQ(s->idmap_uids[1].outside, 70000);
	CHECK_EQ(s->idmap_gids_n, 1);
	CHECK_EQ(s->idmap_gids[0].outside, 100);
}

TEST(a_bind_mount_has_no_data)
{
	struct plan *p;

	CHECK_EQ(make_idmap("mode=700", &p), -EINVAL);
	CHECK(strstr(err.msg, "filesystem-specific options applied: mode=700"));
	CHECK_EQ(make_idmap("nosuid", &p), 0);
}

TEST(an_idmap_that_is_wrong_is_refused_not_ignored)
{
	static const char *const bad[] = {
		"idmap=",
		"idmap=uids=0-1-1",
		"idmap=uids=0-1-1;gids=0-1",
		"idmap=uids=0-1-1;gids=0-1-1x",
		"idmap=uids=0-1-1;uids=0-1-1;gids=0-1-1",
		"idmap=uids=0-1-4294967296;gids=0-1-1",
		"idmap=uids=@0-1001-1;gids=0-1-1",
		"idmap=uids=0-1-1;gids=@0-5-6",
		"idmap=0-1-1",
	};
	struct plan *p;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_EQ(make_idmap(bad[i], &p), -EINVAL);
		CHECK(strstr(err.msg, bad[i]));
	}
}

static const struct host locked = { .caps.permitted = (1ull << 41) - 1, .landlock_abi = 4 };

/* `rules` has \' for quotes, as the annotation is a string in JSON. */
static int make_landlock(const struct host *h, const char *rules, struct plan **ret)
{
	AUTO_STRBUF struct strbuf b = { 0 };

	strbuf_adds(&b, HEAD PROCESS "\"annotations\":{\"org.corten.landlock\":\"");
	for (; *rules; rules++)
		strbuf_adds(&b, *rules == '\'' ? "\\\"" : (char[]){ *rules, 0 });
	strbuf_adds(&b, "\"},\"linux\":{" NS "}}");
	return make_on(h, b.p, ret);
}

TEST(landlock_rules_become_bits)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct plan *p;

	CHECK_EQ(make_landlock(&locked,
			       "{'ruleset':{'handledAccessFS':['write_file','read_file'],"
			       "'handledAccessNet':['bind_tcp']},'rules':{'pathBeneath':[{"
			       "'allowedAccess':['read_file'],'paths':['/','/b']}],'netPort':[{"
			       "'allowedAccess':['bind_tcp'],'ports':[80]}]},"
			       "'disableBestEffort':true}",
			       &p),
		 0);
	plan_dump(p, &out);
	CHECK(strstr(out.p, "landlock fs=6 net=1 scope=0 flags=0\nlandlock path / 4\n"
			    "landlock path /b 4\nlandlock port 80 1\n"));
}

TEST(landlock_rules_that_cannot_be_kept_whole_are_refused)
{
	static const struct {
		const char *rules, *words;
		int r;
	} cases[] = {
		{ "{}", "ruleset", -EBADMSG },
		{ "[]", "object", -EBADMSG },
		{ "{'ruleset':{}}", "handles nothing", -EINVAL },
		{ "{'ruleset':{'handledAccessFs':['execute']}}", "unknown key", -EBADMSG },
		{ "{'ruleset':{'handledAccessFS':['execute']},'rules':{'pathBeneath':[{'path':"
		  "['/']}]}}",
		  "unknown key", -EBADMSG },
		{ "{'ruleset':{'handledAccessFS':['exec']}}", "\"exec\"", -EINVAL },
		{ "{'ruleset':{'handledAccessFS':['ioctl_dev']}}", "ABI 5", -EOPNOTSUPP },
		{ "{'ruleset':{'handledAccessFS':['execute']},'flags':['log_new_exec_on']}",
		  "ABI 7", -EOPNOTSUPP },
		{ "{'ruleset':{'handledAccessFS':['execute']},'disableBestEffort':false}",
		  "best effort", -EOPNOTSUPP },
		{ "{'ruleset':{'handledAccessFS':['execute']},'rules':{'pathBeneath':[{"
		  "'allowedAccess':['read_file'],'paths':['/']}]}}",
		  "not in handledAccessFS", -EINVAL },
		{ "{'ruleset':{'handledAccessFS':['execute']},'rules':{'pathBeneath':[{"
		  "'allowedAccess':['execute'],'paths':['bin']}]}}",
		  "not absolute", -EINVAL },
		{ "{'ruleset':{'handledAccessNet':['bind_tcp']},'rules':{'netPort':[{"
		  "'allowedAccess':['bind_tcp'],'ports':[65536]}]}}",
		  "65536", -EINVAL },
		{ "{'ruleset':{'handledAccessNet':['bind_tcp']},'rules':{'netPort':[{"
		  "'allowedAccess':[],'ports':[1]}]}}",
		  "without allowedAccess", -EINVAL },
	};
	struct plan *p;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_EQ(make_landlock(&locked, cases[i].rules, &p), cases[i].r);
		CHECK(strstr(err.msg, cases[i].words));
		CHECK(strstr(err.msg, "org.corten.landlock"));
	}
	CHECK_EQ(make_landlock(&host, "{'ruleset':{'scoped':['signal']}}", &p), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "no Landlock"));
}

TEST(annotations_ask_for_what_there_is_or_are_refused)
{
	struct plan *p;

	CHECK_EQ(make_with(PROCESS "\"annotations\":{\"run.oci.handler\":\"krun\"}", &p),
		 -EOPNOTSUPP);
	CHECK(strstr(err.msg, "run.oci.handler=krun"));
	CHECK_EQ(make_with(PROCESS "\"annotations\":{\"run.oci.handler\":\"\"}", &p), 0);
	CHECK_EQ(make_with(PROCESS "\"annotations\":{\"run.oci.mount_context_type\":\"x\"}", &p),
		 -EINVAL);
	CHECK_EQ(make_on(&labelled,
			 HEAD PROCESS
			 "\"annotations\":{\"run.oci.mount_context_type\":\"rootcontext\"},"
			 "\"mounts\":[{\"destination\":\"/t\",\"type\":\"tmpfs\"}],"
			 "\"linux\":{" NS ",\"mountLabel\":\"u:r:t:s0\"}}",
			 &p),
		 0);
	CHECK_STR(p->steps[0].mount.context_type, "rootcontext");
}

TEST(network_devices_need_a_network_and_names)
{
	static const char *const bad[] = {
		"{\"a\":{\"name\":\"b/c\"}}",
		"{\"a\":{\"name\":\"b c\"}}",
		"{\"..\":{}}",
		"{\"a\":{\"name\":\"sixteen-letters-\"}}",
		"{\"a\":{\"name\":\"x\"},\"x\":{}}",
	};
	struct plan *p;
	char more[128];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(more, sizeof(more), "\"netDevices\":%s", bad[i]);
		CHECK_EQ(make_linux(more, &p), -EINVAL);
		CHECK(strstr(err.msg, "netDevices"));
	}
	CHECK_EQ(make_linux("\"netDevices\":{\"a\":{\"name\":\"b\"},\"b\":{\"name\":\"a\"}}", &p),
		 0);
	CHECK_EQ(make(HEAD PROCESS "\"linux\":{\"namespaces\":[{\"type\":\"mount\"}],"
				   "\"netDevices\":{\"a\":{}}}}",
		      &p),
		 -EINVAL);
	CHECK(strstr(err.msg, "private NET namespace"));
}

TEST(an_rdt_class_needs_a_name_and_the_resource)
{
	static const struct host caches = { .caps.permitted = (1ull << 41) - 1,
					    .has_intel_rdt = true,
					    .has_rdt_l3 = true };
	static const struct {
		const char *rdt, *words;
		int r;
	} cases[] = {
		{ "{\"closID\":\"a\",\"l3CacheSchema\":\"L3:0=f\"}", "", 0 },
		{ "{\"closID\":\"/\"}", "", 0 },
		{ "{\"closID\":\"a/b\"}", "invalid intelRdt.ClosID", -EINVAL },
		{ "{\"closID\":\"..\"}", "invalid intelRdt.ClosID", -EINVAL },
		{ "{\"memBwSchema\":\"MB:0=20\"}", "Intel RDT/MBA is not enabled", -EOPNOTSUPP },
	};
	struct plan *p;
	char text[512];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text), HEAD PROCESS "\"linux\":{" NS ",\"intelRdt\":%s}}",
			 cases[i].rdt);
		CHECK_EQ(make_on(&caches, text, &p), cases[i].r);
		CHECK(strstr(err.msg, cases[i].words));
	}
}

TEST(a_mount_label_goes_to_the_mounts_that_take_one)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct plan *p;
	char *end;

	CHECK_EQ(make_on(&labelled,
			 HEAD "\"mounts\":["
			      "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			      "{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
			      "{\"destination\":\"/q\",\"type\":\"mqueue\",\"source\":\"mqueue\"},"
			      "{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/b\"},"
			      "{\"destination\":\"/s\",\"type\":\"sysfs\",\"source\":\"sysfs\"}],"
			      "\"linux\":{" NS ",\"mountLabel\":\"u:r:t:s0:c1,c2\"}}",
			 &p),
		 0);
	plan_dump(p, &out);
	end = strstr(out.p, "device ");
	CHECK(end);
	*end = '\0';
	CHECK_STR(strstr(out.p, "mount /proc"),
		  "mount /proc proc proc\nmount /t tmpfs tmpfs context=u:r:t:s0:c1,c2\n"
		  "mount /q mqueue mqueue label=u:r:t:s0:c1,c2\nmount /b bind /b\n"
		  "mount /s sysfs sysfs\n");
}

TEST(capabilities_are_clamped_to_what_is_there)
{
	struct plan *p;

	CHECK_EQ(
		make_with(
			"\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],\"cwd\":\"/\",\"capabilities\":{"
			"\"bounding\":[\"CAP_KILL\",\"CAP_FUTURE\"],\"permitted\":[\"CAP_KILL\"],\"effective\":"
			"[\"CAP_KILL\",\"CAP_CHOWN\"],\"ambient\":[\"CAP_KILL\"]}}",
			&p),
		0);
	CHECK_EQ(p->process->caps.bounding, 0x20);
	CHECK_EQ(p->process->caps.effective, 0x20);
	CHECK_EQ(p->process->caps.ambient, 0);
}

TEST(a_process_needs_arguments_and_an_absolute_folder)
{
	struct plan *p;

	CHECK_EQ(make_with("\"process\":{\"args\":[],\"cwd\":\"/\"}", &p), -EINVAL);
	CHECK_EQ(make_with("\"process\":{\"args\":[\"a\"],\"cwd\":\"x\"}", &p), -EINVAL);
	CHECK_EQ(
		make_with(
			"\"process\":{\"args\":[\"a\"],\"cwd\":\"/\",\"env\":[\"A=1\",\"B=2\",\"A=3\"]}",
			&p),
		0);
	CHECK_STR(p->process->env[0], "A=3");
	CHECK_STR(p->process->env[1], "B=2");
	CHECK(!p->process->env[2]);
	CHECK_EQ(make_with("\"process\":{\"args\":[\"a\"],\"cwd\":\"/\",\"env\":[\"A\"]}", &p),
		 -EINVAL);
	CHECK_EQ(
		make_with(
			"\"process\":{\"args\":[\"a\"],\"cwd\":\"/\",\"rlimits\":[{\"type\":\"RLIMIT_X\",\"soft\":1,"
			"\"hard\":1}]}",
			&p),
		-EINVAL);
}

TEST(a_bind_mount_on_dev_leaves_devices_out)
{
	struct plan *p;

	CHECK_EQ(
		make_with(
			PROCESS
			"\"mounts\":[{\"destination\":\"/dev\",\"type\":\"bind\",\"source\":\"/dev\",\"options\":"
			"[\"rbind\"]}]",
			&p),
		0);
	CHECK_EQ(p->steps_n, 1);
	CHECK(!p->has_dev);
}

TEST(ids_are_runcs)
{
	CHECK(state_id_is_valid("a_b+c.d-1"));
	CHECK(!state_id_is_valid(""));
	CHECK(!state_id_is_valid("."));
	CHECK(!state_id_is_valid(".."));
	CHECK(!state_id_is_valid("a/b"));
	CHECK(!state_id_is_valid("a b"));
}

TEST_MAIN()
