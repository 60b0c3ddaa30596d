#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"
#include "spec/runtime.h"

static struct arena arena;

/* Every key of the runtime-spec once, in the order of the tables, without needless spaces. */
static const char every_key[] =
	"{\"ociVersion\":\"1.3.0\",\"process\":{\"terminal\":true,\"consoleSize\":{\"height\":24,\"width\":80},"
	"\"user\":{\"uid\":1,\"gid\":2,\"umask\":0,\"additionalGids\":[10,0],\"username\":\"u\"},"
	"\"args\":[\"sh\"],\"commandLine\":\"x\",\"env\":[\"A=b\"],\"cwd\":\"/\",\"capabilities\":{"
	"\"bounding\":[\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"],\"inheritable\":[\"CAP_KILL\"],"
	"\"permitted\":[\"CAP_KILL\"],\"ambient\":[\"CAP_KILL\"]},\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\","
	"\"hard\":18446744073709551615,\"soft\":0}],\"noNewPrivileges\":true,\"apparmorProfile\":\"p\","
	"\"oomScoreAdj\":0,\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"nice\":-5,\"priority\":1,"
	"\"flags\":[\"f\"],\"runtime\":1,\"deadline\":2,\"period\":3},\"selinuxLabel\":\"l\","
	"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":4},"
	"\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"1\"}},\"root\":{\"path\":\"r\",\"readonly\":true},"
	"\"hostname\":\"h\",\"domainname\":\"d\",\"mounts\":[{\"destination\":\"/d\",\"type\":\"bind\","
	"\"source\":\"/s\",\"options\":[\"ro\"],\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":2}],"
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":2}]}],\"hooks\":{"
	"\"prestart\":[{\"path\":\"/a\",\"args\":[\"a\"],\"env\":[\"b\"],\"timeout\":0}],"
	"\"createRuntime\":[{\"path\":\"/b\"}],\"createContainer\":[{\"path\":\"/c\"}],"
	"\"startContainer\":[{\"path\":\"/d\"}],\"poststart\":[{\"path\":\"/e\"}],"
	"\"poststop\":[{\"path\":\"/f\"}]},\"annotations\":{\"b\":\"1\",\"a\":\"\"},\"linux\":{"
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":2}],"
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":2}],\"sysctl\":{\"k\":\"v\"},\"resources\":{"
	"\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":0,\"minor\":-1,\"access\":\"rwm\"}],"
	"\"memory\":{\"limit\":-1,\"reservation\":0,\"swap\":1,\"kernel\":2,\"kernelTCP\":3,\"swappiness\":0,"
	"\"disableOOMKiller\":false,\"useHierarchy\":true,\"checkBeforeUpdate\":false},\"cpu\":{\"shares\":0,"
	"\"quota\":-1,\"burst\":0,\"period\":1,\"realtimeRuntime\":0,\"realtimePeriod\":0,\"cpus\":\"0\","
	"\"mems\":\"0\",\"idle\":0},\"pids\":{\"limit\":0},\"blockIO\":{\"weight\":0,\"leafWeight\":1,"
	"\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":1,\"leafWeight\":2}],"
	"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1}],"
	"\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":2}],"
	"\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":3}],"
	"\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":4}]},"
	"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":0}],\"network\":{\"classID\":0,"
	"\"priorities\":[{\"name\":\"eth0\",\"priority\":0}]},\"rdma\":{\"mlx\":{\"hcaHandles\":0,"
	"\"hcaObjects\":1}},\"unified\":{\"memory.high\":\"1\"}},\"cgroupsPath\":\"/c\","
	"\"namespaces\":[{\"type\":\"pid\",\"path\":\"/p\"}],\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\","
	"\"major\":1,\"minor\":2,\"fileMode\":0,\"uid\":0,\"gid\":0}],\"netDevices\":{\"eth0\":{\"name\":\"n\"},"
	"\"eth1\":{}},\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":0,"
	"\"architectures\":[\"SCMP_ARCH_X86_64\"],\"flags\":[\"f\"],\"listenerPath\":\"l\","
	"\"listenerMetadata\":\"m\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\","
	"\"errnoRet\":0,\"args\":[{\"index\":0,\"value\":18446744073709551615,\"valueTwo\":1,"
	"\"op\":\"SCMP_CMP_EQ\"}]}]},\"rootfsPropagation\":\"slave\",\"maskedPaths\":[\"/m\"],"
	"\"readonlyPaths\":[\"/r\"],\"mountLabel\":\"l\",\"intelRdt\":{\"closID\":\"g\",\"schemata\":[\"s\"],"
	"\"l3CacheSchema\":\"a\",\"memBwSchema\":\"b\",\"enableCMT\":true,\"enableMBM\":true,"
	"\"enableMonitoring\":true},\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":[\"f\"]},"
	"\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"f\"]},\"timeOffsets\":{\"monotonic\":{\"secs\":-1,"
	"\"nanosecs\":2}}},\"vm\":{\"kernel\":{\"path\":\"/k\"}},\"windows\":{\"layerFolders\":[]},"
	"\"solaris\":{},\"zos\":{},\"freebsd\":{\"jail\":{}}}";

static int read_text(const char *text, struct oci_spec **ret, struct err *e)
{
	arena_done(&arena);
	return oci_spec_read(text, strlen(text), &arena, ret, e);
}

/* The same text with key number `i` made unknown, or NULL when there are not so many. */
static char *without_key(const char *text, size_t i)
{
	char *copy = strdup(text), *p = copy;

	while ((p = strstr(p, "\":"))) {
		if (i-- == 0) {
			p[-1] = '?';
			return copy;
		}
		p += 2;
	}
	free(copy);
	return NULL;
}

TEST(every_key_goes_both_ways)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	struct err e = ERR_INIT;
	struct oci_spec *s;

	CHECK_EQ(read_text(every_key, &s, &e), 0);
	json_write(&oci_spec_table, s, 0, &b);
	CHECK(streq(b.p, every_key));
	CHECK(s->process->has_oom_score_adj && s->process->oom_score_adj == 0);
	CHECK(s->linux_->resources->memory->has_limit && s->linux_->resources->memory->limit == -1);
	CHECK(s->linux_->resources->pids->has_limit);
	CHECK_STR(s->linux_->time_offsets.v[0].key, "monotonic");
	CHECK_STR(s->linux_->net_devices.v[1].key, "eth1");
}

TEST(each_key_counts)
{
	size_t n = 0;
	char *text;

	for (; (text = without_key(every_key, n)); n++) {
		AUTO_STRBUF struct strbuf b = { 0 };
		struct oci_spec *s;

		if (read_text(text, &s, NULL) == 0) {
			json_write(&oci_spec_table, s, 0, &b);
			/* Keys of maps are data; keys of tables are lost when nobody knows them. */
			if (streq(b.p, every_key))
				TEST_END(TEST_FAILED, "key %zu is not read", n);
		}
		free(text);
	}
	CHECK(n > 200);
}

TEST(what_runc_spec_writes_is_written_the_same)
{
	static const char text[] =
		"{\n\t\"ociVersion\": \"1.0.2-dev\",\n\t\"process\": {\n\t\t\"terminal\": true,\n\t\t\"user\": {\n"
		"\t\t\t\"uid\": 0,\n\t\t\t\"gid\": 0\n\t\t},\n\t\t\"args\": [\n\t\t\t\"sh\"\n\t\t],\n\t\t\"cwd\": \"/\",\n"
		"\t\t\"rlimits\": [\n\t\t\t{\n\t\t\t\t\"type\": \"RLIMIT_NOFILE\",\n\t\t\t\t\"hard\": 1024,\n"
		"\t\t\t\t\"soft\": 1024\n\t\t\t}\n\t\t],\n\t\t\"noNewPrivileges\": true\n\t},\n\t\"root\": {\n"
		"\t\t\"path\": \"rootfs\",\n\t\t\"readonly\": true\n\t},\n\t\"hostname\": \"runc\"\n}";
	AUTO_STRBUF struct strbuf b = { 0 };
	struct err e = ERR_INIT;
	struct oci_spec *s;

	CHECK_EQ(read_text(text, &s, &e), 0);
	json_write(&oci_spec_table, s, JSON_PRETTY | JSON_TABS, &b);
	CHECK_STR(b.p, text);
}

TEST(errors_name_the_key)
{
	static const char *const rows[][2] = {
		{ "{}", "line 1: config.json: key 'ociVersion' is missing" },
		{ "{\"ociVersion\":1}", "line 1: ociVersion: a string expected, a number found" },
		{ "{\"ociVersion\":\"1\",\"process\":{\"rlimits\":[{},{}]}}",
		  "line 1: process.rlimits[0]: key 'type' is missing" },
		{ "{\"ociVersion\":\"1\",\"process\":{\"rlimits\":[{\"type\":\"a\",\"hard\":1,\n\"soft\":-1}]}}",
		  "line 2: process.rlimits[0].soft: number -1 is out of range" },
		{ "{\"ociVersion\":\"1\",\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"path\":\"/x\"}]}}",
		  "line 1: linux.namespaces[1]: key 'type' is missing" },
		{ "{\"ociVersion\":\"1\",\"process\":{\"args\":[\"a\\u0000b\"]}}",
		  "line 1: process.args[0]: a string contains a NUL character" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct oci_spec *s;

		CHECK_EQ(read_text(rows[i][0], &s, &e), -EBADMSG);
		CHECK_STR(e.msg, rows[i][1]);
	}
}

static void repeat(struct strbuf *b, const char *before, const char *what, size_t n,
		   const char *after)
{
	strbuf_reset(b);
	strbuf_adds(b, before);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(b, "%s%s", i ? "," : "", what);
	strbuf_adds(b, after);
}

TEST(counts_have_limits)
{
	static const struct {
		const char *before, *what, *after;
		size_t max;
		const char *words;
	} rows[] = {
		{ "{\"ociVersion\":\"1\",\"mounts\":[", "{\"destination\":\"/\"}", "]}",
		  LIMIT_MOUNTS, "mounts: 4097 elements, the limit is 4096" },
		{ "{\"ociVersion\":\"1\",\"hooks\":{\"poststop\":[", "{\"path\":\"/\"}", "]}}",
		  LIMIT_HOOKS, "hooks: 257 elements, the limit is 256" },
		{ "{\"ociVersion\":\"1\",\"linux\":{\"devices\":[",
		  "{\"path\":\"/\",\"type\":\"c\"}", "]}}", LIMIT_DEVICES,
		  "linux.devices: 1025 elements, the limit is 1024" },
		{ "{\"ociVersion\":\"1\",\"linux\":{\"seccomp\":{\"defaultAction\":\"\",\"syscalls\":[",
		  "{\"names\":[],\"action\":\"\"}", "]}}}", LIMIT_SECCOMP_RULES,
		  "linux.seccomp.syscalls: 4097 elements, the limit is 4096" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRBUF struct strbuf b = { 0 };
		struct err e = ERR_INIT;
		struct oci_spec *s;

		repeat(&b, rows[i].before, rows[i].what, rows[i].max, rows[i].after);
		CHECK_EQ(read_text(b.p, &s, &e), 0);
		repeat(&b, rows[i].before, rows[i].what, rows[i].max + 1, rows[i].after);
		CHECK_EQ(read_text(b.p, &s, &e), -E2BIG);
		CHECK_STR(e.msg, rows[i].words);
	}
}

TEST(arguments_and_environment_have_a_limit_together)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	struct err e = ERR_INIT;
	struct oci_process *p;

	strbuf_adds(&b, "{\"cwd\":\"/\",\"args\":[\"");
	for (size_t i = 0; i < LIMIT_ARGS_BYTES / 2; i++)
		strbuf_addc(&b, 'a');
	strbuf_adds(&b, "\"],\"env\":[\"");
	for (size_t i = 0; i < LIMIT_ARGS_BYTES / 2; i++)
		strbuf_addc(&b, 'b');
	strbuf_adds(&b, "\"]}");
	CHECK_EQ(oci_process_read(b.p, b.len, &arena, &p, &e), -E2BIG);
	CHECK(str_skip(e.msg, "args and env: "));
	arena_done(&arena);
}

TEST(a_state_is_written_in_runc_s_order)
{
	const struct oci_state s = {
		.oci_version = "1.3.0", .id = "c", .status = "stopped", .bundle = "/b", .owner = ""
	};
	AUTO_STRBUF struct strbuf b = { 0 };

	json_write(&oci_state_table, &s, 0, &b);
	CHECK_STR(b.p, "{\"ociVersion\":\"1.3.0\",\"id\":\"c\",\"pid\":0,\"status\":\"stopped\","
		       "\"bundle\":\"/b\",\"owner\":\"\"}");
}

TEST_MAIN()
