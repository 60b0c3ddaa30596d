/* Docker's seccomp profiles: the tables of their keys, and what holds for one container. */
#include "spec/seccomp_profile.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "base/err.h"
#include "base/str.h"

/* Keys are matched without regard to case, because the program that these files are written for does. */
#define ROW(s, m, k, kind) JSON_ROW(s, m, k, kind, JSON_FOLD)

static const struct json_field arg_rows[] = {
	ROW(oci_seccomp_arg, index, "index", JSON_U32),
	ROW(oci_seccomp_arg, value, "value", JSON_U64),
	ROW(oci_seccomp_arg, value_two, "valueTwo", JSON_U64),
	ROW(oci_seccomp_arg, op, "op", JSON_STR),
};
static JSON_TABLE(arg_table, "args", oci_seccomp_arg, arg_rows);

static const struct json_field condition_rows[] = {
	ROW(seccomp_condition, caps, "caps", JSON_STRS),
	ROW(seccomp_condition, arches, "arches", JSON_STRS),
	ROW(seccomp_condition, min_kernel, "minKernel", JSON_STR),
};
static JSON_TABLE(condition_table, "condition", seccomp_condition, condition_rows);

static const struct json_field rule_rows[] = {
	ROW(seccomp_rule, names, "names", JSON_STRS),
	ROW(seccomp_rule, name, "name", JSON_STR),
	ROW(seccomp_rule, action, "action", JSON_STR),
	JSON_ROW_HAS(seccomp_rule, errno_ret, "errnoRet", JSON_U32, JSON_FOLD),
	JSON_ROW_SUB(seccomp_rule, args, "args", JSON_OBJS, JSON_FOLD, arg_table),
	JSON_ROW_SUB(seccomp_rule, includes, "includes", JSON_OBJ, JSON_FOLD, condition_table),
	JSON_ROW_SUB(seccomp_rule, excludes, "excludes", JSON_OBJ, JSON_FOLD, condition_table),
};
static JSON_TABLE(rule_table, "syscalls", seccomp_rule, rule_rows);

static const struct json_field arch_map_rows[] = {
	ROW(seccomp_arch_map, architecture, "architecture", JSON_STR),
	ROW(seccomp_arch_map, sub_architectures, "subArchitectures", JSON_STRS),
};
static JSON_TABLE(arch_map_table, "archMap", seccomp_arch_map, arch_map_rows);

static const struct json_field profile_rows[] = {
	ROW(seccomp_profile, default_action, "defaultAction", JSON_STR),
	JSON_ROW_HAS(seccomp_profile, default_errno_ret, "defaultErrnoRet", JSON_U32, JSON_FOLD),
	JSON_ROW_SUB(seccomp_profile, arch_map, "archMap", JSON_OBJS, JSON_FOLD, arch_map_table),
	ROW(seccomp_profile, architectures, "architectures", JSON_STRS),
	ROW(seccomp_profile, flags, "flags", JSON_STRS),
	ROW(seccomp_profile, listener_path, "listenerPath", JSON_STR),
	ROW(seccomp_profile, listener_metadata, "listenerMetadata", JSON_STR),
	JSON_ROW_SUB(seccomp_profile, rules, "syscalls", JSON_OBJS, JSON_FOLD, rule_table),
};
static JSON_TABLE(profile_table, "seccomp profile", seccomp_profile, profile_rows);

/* A machine as the conditions call it, and as the lists of architectures do. */
static const struct arch_row {
	char arch[12];
	char scmp[24];
} arch_table[] = {
	{ "amd64", "SCMP_ARCH_X86_64" },
	{ "arm", "SCMP_ARCH_ARM" },
	{ "arm64", "SCMP_ARCH_AARCH64" },
	{ "loongarch64", "SCMP_ARCH_LOONGARCH64" },
	{ "mips3l64n32", "SCMP_ARCH_MIPSEL64N32" },
	{ "mips64", "SCMP_ARCH_MIPS64" },
	{ "mips64n32", "SCMP_ARCH_MIPS64N32" },
	{ "mipsel", "SCMP_ARCH_MIPSEL" },
	{ "mipsel64", "SCMP_ARCH_MIPSEL64" },
	{ "ppc", "SCMP_ARCH_PPC" },
	{ "ppc64", "SCMP_ARCH_PPC64" },
	{ "ppc64le", "SCMP_ARCH_PPC64LE" },
	{ "riscv64", "SCMP_ARCH_RISCV64" },
	{ "s390", "SCMP_ARCH_S390" },
	{ "s390x", "SCMP_ARCH_S390X" },
	{ "x32", "SCMP_ARCH_X32" },
	{ "x86", "SCMP_ARCH_X86" },
};

const char *seccomp_machine_name(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__i386__)
	return "x86";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__arm__)
	return "arm";
#elif defined(__riscv) && __riscv_xlen == 64
	return "riscv64";
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return "ppc64le";
#elif defined(__s390x__)
	return "s390x";
#elif defined(__loongarch64)
	return "loongarch64";
#else
	return "";
#endif
}

const char *seccomp_arch_name(size_t i)
{
	return i < ARRAY_LEN(arch_table) ? arch_table[i].scmp : NULL;
}

const char *seccomp_machine_scmp(const char *arch)
{
	for (size_t i = 0; i < ARRAY_LEN(arch_table); i++)
		if (streq(arch_table[i].arch, arch))
			return arch_table[i].scmp;
	return NULL;
}

int seccomp_subject_init(const struct json_strs *caps, struct seccomp_subject *ret, struct err *e)
{
	struct utsname u;
	unsigned int kernel, revision;

	if (uname(&u) < 0)
		return err_sys(e, -errno, "uname");
	if (sscanf(u.release, "%u.%u", &kernel, &revision) != 2)
		return err_set(e, -EINVAL, "cannot read the kernel release '%s'", u.release);
	*ret = (struct seccomp_subject){
		.caps = *caps,
		.arch = seccomp_machine_name(),
		.kernel = kernel,
		.revision = revision,
	};
	return 0;
}

int seccomp_profile_read(const char *text, size_t len, struct arena *a,
			 struct seccomp_profile **ret, struct err *e)
{
	struct seccomp_profile *p = arena_alloc(a, sizeof(*p));
	int r;

	if (!p)
		return err_set(e, -ENOMEM, "no memory for the seccomp profile");
	r = json_read(&profile_table, text, len, NULL, a, p, e);
	if (r < 0)
		return r;
	*ret = p;
	return 0;
}

static bool strs_have(const struct json_strs *list, const char *s)
{
	for (size_t i = 0; i < list->n; i++)
		if (streq(list->v[i], s))
			return true;
	return false;
}

static size_t strs_count(const struct json_strs *list, const struct json_strs *among)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += strs_have(among, list->v[i]);
	return n;
}

/* "4.8": two numbers of at most 255 each, not both zero. */
static int kernel_parse(const char *s, uint64_t *kernel, uint64_t *revision)
{
	const char *dot = strchr(s, '.');
	char first[4] = "";

	if (!dot || dot == s || (size_t)(dot - s) >= sizeof(first))
		return -EINVAL;
	memcpy(first, s, (size_t)(dot - s));
	if (str_to_u64(first, 255, kernel) < 0 || str_to_u64(dot + 1, 255, revision) < 0)
		return -EINVAL;
	return *kernel || *revision ? 0 : -EINVAL;
}

/* 1 when the host's kernel is `min` or newer, 0 when it is older. NULL and "" ask for nothing: `absent`. */
static int kernel_reaches(const char *min, const struct seccomp_subject *s, int absent,
			  struct err *e)
{
	uint64_t kernel, revision;

	if (!min || !*min)
		return absent;
	if (kernel_parse(min, &kernel, &revision) < 0)
		return err_set(e, -EINVAL,
			       "invalid kernel version '%s' in a seccomp profile, want "
			       "\"<kernel>.<major>\"",
			       min);
	return s->kernel > kernel || (s->kernel == kernel && s->revision >= revision);
}

/* 1 when the rule holds for the subject, 0 when not, -EINVAL. */
static int rule_holds(const struct seccomp_rule *rule, const struct seccomp_subject *s,
		      struct err *e)
{
	static const struct seccomp_condition none;
	const struct seccomp_condition *in = rule->includes ? rule->includes : &none;
	const struct seccomp_condition *ex = rule->excludes ? rule->excludes : &none;
	int is_new_enough = kernel_reaches(in->min_kernel, s, 1, e);
	int is_too_new = kernel_reaches(ex->min_kernel, s, 0, e);

	if (is_new_enough < 0 || is_too_new < 0)
		return -EINVAL;
	if (is_too_new || strs_have(&ex->arches, s->arch) || strs_count(&ex->caps, &s->caps) > 0)
		return 0;
	if (in->arches.n && !strs_have(&in->arches, s->arch))
		return 0;
	return is_new_enough && strs_count(&in->caps, &s->caps) == in->caps.n;
}

static int rule_resolve(const struct seccomp_rule *rule, struct arena *a, struct oci_syscall *ret,
			struct err *e)
{
	*ret = (struct oci_syscall){
		.names = rule->names,
		.action = rule->action,
		.has_errno_ret = rule->has_errno_ret,
		.errno_ret = rule->errno_ret,
	};
	ret->args.v = rule->args.v;
	ret->args.n = rule->args.n;
	if (!rule->name || !*rule->name)
		return 0;
	if (rule->names.n)
		return err_set(e, -EINVAL,
			       "a rule of the seccomp profile has both 'name' (\"%s\") and "
			       "'names', use one of them",
			       rule->name);
	ret->names.v = arena_alloc(a, sizeof(*ret->names.v));
	if (!ret->names.v)
		return err_set(e, -ENOMEM, "no memory for the seccomp profile");
	ret->names.v[0] = rule->name;
	ret->names.n = 1;
	return 0;
}

/* The architecture list: as it stands, or the machine's row of the map. */
static int arches_resolve(const struct seccomp_profile *p, const struct seccomp_subject *s,
			  struct arena *a, struct json_strs *ret, struct err *e)
{
	const char *native = seccomp_machine_scmp(s->arch);
	const struct seccomp_arch_map *m = NULL;

	*ret = p->architectures;
	for (size_t i = 0; i < p->arch_map.n && native && !m; i++)
		if (streq_null(p->arch_map.v[i].architecture, native))
			m = &p->arch_map.v[i];
	if (!m)
		return 0;
	ret->v = arena_calloc(a, m->sub_architectures.n + 1, sizeof(*ret->v));
	if (!ret->v)
		return err_set(e, -ENOMEM, "no memory for the seccomp profile");
	ret->n = 0;
	ret->v[ret->n++] = m->architecture;
	for (size_t i = 0; i < m->sub_architectures.n; i++)
		ret->v[ret->n++] = m->sub_architectures.v[i];
	return 0;
}

static int rules_resolve(const struct seccomp_profile *p, const struct seccomp_subject *s,
			 struct arena *a, struct oci_seccomp *out, struct err *e)
{
	size_t names = 0;

	out->syscalls.v = arena_calloc(a, p->rules.n + 1, sizeof(*out->syscalls.v));
	if (!out->syscalls.v)
		return err_set(e, -ENOMEM, "no memory for the seccomp profile");
	for (size_t i = 0; i < p->rules.n; i++) {
		struct oci_syscall *call = &out->syscalls.v[out->syscalls.n];
		int r = rule_holds(&p->rules.v[i], s, e);

		if (r > 0)
			r = rule_resolve(&p->rules.v[i], a, call, e);
		else if (r == 0)
			continue;
		if (r < 0)
			return r;
		out->syscalls.n++;
		names += call->names.n;
		if (names > LIMIT_SECCOMP_RULES)
			return err_set(e, -E2BIG, "the seccomp profile has more than %d names",
				       LIMIT_SECCOMP_RULES);
	}
	return 0;
}

int seccomp_profile_resolve(const struct seccomp_profile *p, const struct seccomp_subject *s,
			    struct arena *a, struct oci_seccomp **ret, struct err *e)
{
	struct oci_seccomp *out;
	int r;

	if (!p->rules.n && (!p->default_action || !*p->default_action)) {
		*ret = NULL;
		return 0;
	}
	if (p->architectures.n && p->arch_map.n)
		return err_set(e, -EINVAL,
			       "the seccomp profile has both 'architectures' and 'archMap', "
			       "use one of them");
	out = arena_alloc(a, sizeof(*out));
	if (!out)
		return err_set(e, -ENOMEM, "no memory for the seccomp profile");
	*out = (struct oci_seccomp){
		.default_action = p->default_action,
		.has_default_errno_ret = p->has_default_errno_ret,
		.default_errno_ret = p->default_errno_ret,
		.flags = p->flags,
		.listener_path = p->listener_path,
		.listener_metadata = p->listener_metadata,
	};
	r = arches_resolve(p, s, a, &out->architectures, e);
	if (r == 0)
		r = rules_resolve(p, s, a, out, e);
	if (r < 0)
		return r;
	*ret = out;
	return 0;
}
