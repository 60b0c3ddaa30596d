/*
 * Every key of the runtime-spec that a Linux config can have is in the plan, or refused by its name, or has its test
 * elsewhere. A row that is added to spec/runtime.c without one here fails.
 */
#include <sched.h>

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"
#include "oci/plan.h"

enum how {
	PLANNED, /* `words` are in the plan's text */
	REFUSED, /* `words` are in the error's */
	BELOW,	 /* its keys are rows of their own here */
	OUTSIDE, /* not the plan's work; `words` say whose test */
};

static const struct field {
	const char *path;
	enum how how;
	const char *json; /* of the innermost object that is named in the path's first part */
	const char *words;
} fields[] = {
	{ "ociVersion", REFUSED, "\"ociVersion\":\"2.0.0\"", "ociVersion \"2.0.0\"" },
	{ "process", BELOW, NULL, NULL },
	{ "root", BELOW, NULL, NULL },
	{ "hostname", PLANNED, "\"hostname\":\"h\"", "\nhostname h\n" },
	{ "domainname", PLANNED, "\"domainname\":\"d\"", "\ndomainname d\n" },
	{ "mounts", BELOW, NULL, NULL },
	{ "hooks", OUTSIDE, NULL, "tests/oci/hooks" },
	{ "annotations", PLANNED, "\"annotations\":{\"run.oci.keep_original_groups\":\"1\"}", "" },
	{ "linux", BELOW, NULL, NULL },
	{ "vm", REFUSED, "\"vm\":{\"kernel\":{\"path\":\"/k\"}}", "\"vm\"" },
	{ "windows", REFUSED, "\"windows\":{}", "\"windows\"" },
	{ "solaris", REFUSED, "\"solaris\":{}", "\"solaris\"" },
	{ "zos", REFUSED, "\"zos\":{}", "\"zos\"" },
	{ "freebsd", REFUSED, "\"freebsd\":{}", "\"freebsd\"" },

	{ "process.terminal", PLANNED, "\"terminal\":true", "\nterminal 0x0\n" },
	{ "process.consoleSize", PLANNED,
	  "\"terminal\":true,\"consoleSize\":{\"height\":5,\"width\":7}", "\nterminal 7x5\n" },
	{ "process.user", PLANNED,
	  "\"user\":{\"uid\":1,\"gid\":2,\"additionalGids\":[3],\"umask\":63}", "\nuser 1:2 3\n" },
	{ "process.args", PLANNED, "", "\narg sh\n" },
	{ "process.commandLine", OUTSIDE, NULL, "Windows only: args are required here" },
	{ "process.env", PLANNED, "\"env\":[\"A=b\"]", "\nenv A=b\n" },
	{ "process.cwd", PLANNED, "", "\ncwd /\n" },
	{ "process.capabilities", PLANNED,
	  "\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],"
	  "\"inheritable\":[\"CAP_KILL\"],\"ambient\":[\"CAP_KILL\"]}",
	  "\ncaps b=20 p=20 e=0 i=20 a=20\n" },
	{ "process.rlimits", PLANNED,
	  "\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":1,\"hard\":2}]",
	  "\nrlimit RLIMIT_CORE 1 2\n" },
	{ "process.noNewPrivileges", PLANNED, "\"noNewPrivileges\":true", "\nno_new_privs\n" },
	{ "process.apparmorProfile", REFUSED, "\"apparmorProfile\":\"p\"", "apparmorProfile 'p'" },
	{ "process.oomScoreAdj", PLANNED, "\"oomScoreAdj\":-5", "\noom_score -5\n" },
	{ "process.scheduler", PLANNED,
	  "\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"nice\":1,\"priority\":2,"
	  "\"flags\":[\"SCHED_FLAG_RECLAIM\"],\"runtime\":3,\"deadline\":4,\"period\":5}",
	  "\nsched 6 flags=2 nice=1 priority=2 deadline=3/4/5\n" },
	{ "process.selinuxLabel", REFUSED, "\"selinuxLabel\":\"l\"", "selinuxLabel 'l'" },
	{ "process.ioPriority", PLANNED,
	  "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\",\"priority\":7}", "\nioprio 3 7\n" },
	{ "process.execCPUAffinity", PLANNED,
	  "\"execCPUAffinity\":{\"initial\":\"0-3\",\"final\":\"4\"}",
	  "\ncpus initial f\ncpus final 10\n" },

	{ "root.path", PLANNED, "", "rootfs r\n" },
	{ "root.readonly", PLANNED, "\"readonly\":true", "rootfs r ro\n" },

	{ "mounts.destination", PLANNED, "", "\nmount /m bind /s\n" },
	{ "mounts.type", PLANNED, "", "bind" },
	{ "mounts.source", PLANNED, "", "/s" },
	{ "mounts.options", PLANNED, "\"options\":[\"ro\"]", "\nmount /m bind /s set=1 clr=0\n" },
	{ "mounts.uidMappings", PLANNED,
	  "\"uidMappings\":[{\"containerID\":1,\"hostID\":2,\"size\":3}],"
	  "\"gidMappings\":[{\"containerID\":1,\"hostID\":2,\"size\":3}]",
	  " idmap=1:2:3" },
	{ "mounts.gidMappings", REFUSED,
	  "\"gidMappings\":[{\"containerID\":1,\"hostID\":2,\"size\":3}]", "come together" },

	{ "linux.uidMappings", PLANNED, "\"uidMappings\":[],\"gidMappings\":[]", "" },
	{ "linux.gidMappings", REFUSED,
	  "\"gidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]", "user namespaces" },
	{ "linux.sysctl", PLANNED, "\"sysctl\":{\"net.a\":\"1\"}", "\nsysctl sys/net/a -> 1\n" },
	{ "linux.resources", OUTSIDE, NULL, "resources_test, tests/vm" },
	{ "linux.cgroupsPath", PLANNED, "\"cgroupsPath\":\"/c\"", "\ncgroup /c\n" },
	{ "linux.namespaces", PLANNED, "", "\nnew network\n" },
	{ "linux.devices", PLANNED,
	  "\"devices\":[{\"path\":\"/dev/x\",\"type\":\"b\",\"major\":8,\"minor\":1,\"fileMode\":384,"
	  "\"uid\":5,\"gid\":6}]",
	  "\ndevice /dev/x 60600 8:1 5:6\n" },
	{ "linux.netDevices", PLANNED, "\"netDevices\":{\"a\":{\"name\":\"b\"}}",
	  "\nnetdev a b\n" },
	{ "linux.seccomp", OUTSIDE, NULL, "tests/oci/seccomp, tests/seccomp" },
	{ "linux.rootfsPropagation", PLANNED, "\"rootfsPropagation\":\"rshared\"",
	  "\npropagation 100000 rec\n" },
	{ "linux.maskedPaths", PLANNED, "\"maskedPaths\":[\"/x\"]", "\nmask /x\n" },
	{ "linux.readonlyPaths", PLANNED, "\"readonlyPaths\":[\"/x\"]", "\nreadonly /x\n" },
	{ "linux.mountLabel", REFUSED, "\"mountLabel\":\"l\"", "linux.mountLabel" },
	{ "linux.intelRdt", REFUSED, "\"intelRdt\":{}", "Intel RDT is not enabled" },
	{ "linux.memoryPolicy", PLANNED,
	  "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":"
	  "[\"MPOL_F_STATIC_NODES\"]}",
	  "\nmempolicy 8002 nodes=1\n" },
	{ "linux.personality", PLANNED, "\"personality\":{\"domain\":\"LINUX32\"}",
	  "\npersonality 8\n" },
	{ "linux.timeOffsets", PLANNED,
	  "\"timeOffsets\":{\"boottime\":{\"secs\":-1,\"nanosecs\":2}}", "\ntime boottime -1 2\n" },
};

/* More than once: what the row above does not show. */
static const struct field more[] = {
	{ "process.user", PLANNED, "\"user\":{\"umask\":63}", "\numask 77\n" },
	{ "linux.personality", REFUSED, "\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"f\"]}",
	  "linux.personality.flags" },
	{ "linux.memoryPolicy", REFUSED, "\"memoryPolicy\":{\"mode\":\"MPOL_X\",\"nodes\":\"0\"}",
	  "\"MPOL_X\"" },
	{ "linux.namespaces", REFUSED, "\"timeOffsets\":{},\"rootfsPropagation\":\"x\"",
	  "rootfsPropagation=x" },
	{ "process.scheduler", REFUSED, "\"scheduler\":{\"policy\":\"SCHED_X\"}", "SCHED_X" },
	{ "process.ioPriority", REFUSED, "\"ioPriority\":{\"class\":\"X\",\"priority\":1}",
	  "class: X" },
	{ "process.execCPUAffinity", REFUSED, "\"execCPUAffinity\":{\"final\":\"0-\"}", "\"0-\"" },
};

static struct arena arena;
static struct err err;

/* The config whose object of that name has `json` besides what it needs. */
static void write_config(const struct field *f, struct strbuf *b)
{
	static const struct {
		const char *name, *begin, *needs, *end;
	} parts[] = {
		{ "process", ",\"process\":{", "\"args\":[\"sh\"],\"cwd\":\"/\"", "}" },
		{ "root", ",\"root\":{", "\"path\":\"r\"", "}" },
		{ "mounts", ",\"mounts\":[{",
		  "\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"/s\"", "}]" },
		{ "linux", ",\"linux\":{",
		  "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"},{\"type\":\"time\"},{\"type\":\"uts\"}]",
		  "}" },
	};
	bool is_top = !strchr(f->path, '.');

	strbuf_addf(b, "{%s", is_top ? f->json : "");
	if (!is_top || !str_skip(f->path, "ociVersion"))
		strbuf_addf(b, "%s\"ociVersion\":\"1.3.0\"", is_top ? "," : "");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const char *rest = str_skip(f->path, parts[i].name);
		const char *json = rest && *rest == '.' ? f->json : "";

		strbuf_addf(b, "%s%s%s%s%s", parts[i].begin, parts[i].needs, *json ? "," : "", json,
			    parts[i].end);
	}
	strbuf_addc(b, '}');
}

static void check_field(const struct field *f)
{
	static const struct host host = { .caps.permitted = (1ull << 41) - 1 };
	AUTO_STRBUF struct strbuf text = { 0 }, out = { 0 };
	struct oci_spec *spec;
	struct plan *p;
	int r;

	if (f->how == BELOW || f->how == OUTSIDE)
		return;
	arena_done(&arena);
	arena = (struct arena){ 0 };
	err = ERR_INIT;
	write_config(f, &text);
	r = oci_spec_read(text.p, text.len, &arena, &spec, &err);
	if (r == 0)
		r = plan_make(spec, &host, &arena, &p, &err);
	if (r == 0)
		plan_dump(p, &out);
	if ((r == 0) != (f->how == PLANNED) || !strstr(r < 0 ? err.msg : out.p, f->words))
		TEST_END(TEST_FAILED, "%s: wanted '%s', got '%.700s'", f->path, f->words,
			 r < 0 ? err.msg : out.p);
}

TEST(every_key_is_planned_or_refused_by_name)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		check_field(&fields[i]);
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		check_field(&more[i]);
}

static const struct field *find_field(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (streq(fields[i].path, path))
			return &fields[i];
	return NULL;
}

/* The rows of the tables, and of those of them that have rows of their own above. */
static size_t walk(const struct json_table *t, const char *prefix)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct json_field *row = &t->fields[i];
		const struct field *f;
		char path[128];

		snprintf(path, sizeof(path), "%s%s", prefix, row->key);
		f = find_field(path);
		if (!f)
			TEST_END(TEST_FAILED, "'%s' has no row in this test", path);
		n++;
		snprintf(path, sizeof(path), "%s%s.", prefix, row->key);
		if (f->how == BELOW)
			n += walk(row->sub, path);
	}
	return n;
}

TEST(every_key_of_the_tables_has_a_row_here)
{
	CHECK_EQ(walk(&oci_spec_table, ""), ARRAY_LEN(fields));
}

TEST_MAIN()
