/* From linux.seccomp to BPF: rules go to libseccomp, the ENOSYS part in front is our own. */
#include "spec/seccomp_compile.h"

#include <ctype.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "spec/seccomp_blob.h"
#include "spec/seccomp_names.h"

/* Flags that older headers lack. */
#define FLAG_TSYNC_ESRCH (1U << 4)
#define FLAG_WAIT_KILLABLE_RECV (1U << 5)

#define X32_BIT 0x40000000U
/* libseccomp takes no errno from here on. */
#define ERRNO_END 4095
#define TRACE_END 65536
/* Fewer rules are not worth a tree, and libseccomp up to 2.5.4 fails on a tree of none. */
#define RULES_FOR_TREE 32
/* libseccomp knows fewer; and `linux.seccomp` names three. */
#define ARCHES_MAX 24
/* The ENOSYS part: one load, and at most this many instructions for each architecture. */
#define STUB_INSNS_EACH 8
#define STUB_INSNS_MAX (1 + ARCHES_MAX * STUB_INSNS_EACH)
/* Before the filter is refused for its size by us; libseccomp could make any. */
#define EXPORT_BYTES_MAX ((size_t)64 * SECCOMP_BLOB_INSNS_MAX)

enum data_kind { DATA_NONE, DATA_ERRNO, DATA_TRACE };

static const struct action_row {
	char name[28];
	uint32_t action;
	uint8_t data;
} actions[] = {
#define ACTION(name, action, data) { #name, action, data },
	SECCOMP_ACTIONS(ACTION)
};

static const struct operator_row {
	char name[20];
	enum scmp_compare op;
} operators[] = {
#define OPERATOR(name) { #name, name },
	SECCOMP_OPERATORS(OPERATOR)
};

static const struct flag_row {
	char name[40];
	uint32_t flag;
} flags[] = {
#define FLAG(name, value) { #name, value },
	SECCOMP_FLAGS(FLAG)
};

/* One architecture of the filter. Its libseccomp token is its AUDIT_ARCH value, but for x32. */
struct arch {
	uint32_t token;
	uint32_t audit;
	int last; /* the highest number that the profile names; 0: none */
};

struct compiler {
	const struct oci_seccomp *spec;
	const struct seccomp_compile_options *options;
	scmp_filter_ctx ctx;
	uint32_t default_action;
	uint32_t flags;
	bool has_listener;
	size_t rules;
	struct arch arches[ARCHES_MAX];
	size_t arches_len;
	struct err *e;
};

static int action_of(struct compiler *c, const char *name, bool has_data, uint32_t data,
		     uint32_t *ret)
{
	const struct action_row *row = NULL;

	for (size_t i = 0; i < ARRAY_LEN(actions) && name; i++)
		if (streq(actions[i].name, name))
			row = &actions[i];
	if (!row)
		return err_set(c->e, -EINVAL, "'%s' is not a seccomp action", name ? name : "");
	*ret = row->action;
	if (row->data == DATA_NONE)
		return 0;
	if (!has_data)
		data = EPERM;
	if (data >= (row->data == DATA_ERRNO ? ERRNO_END : TRACE_END))
		return err_set(c->e, -EINVAL, "errnoRet %u of %s is out of range", data, name);
	*ret |= data;
	return 0;
}

static int operator_of(struct compiler *c, const char *name, enum scmp_compare *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(operators) && name; i++) {
		if (streq(operators[i].name, name)) {
			*ret = operators[i].op;
			return 0;
		}
	}
	return err_set(c->e, -EINVAL, "'%s' is not a seccomp operator", name ? name : "");
}

static int flags_read(struct compiler *c)
{
	const struct json_strs *list = &c->spec->flags;

	/* An empty list that was written down asks for nothing; no list leaves it to us. */
	if (!list->n && !list->v)
		c->flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	for (size_t i = 0; i < list->n; i++) {
		uint32_t flag = 0;

		for (size_t j = 0; j < ARRAY_LEN(flags); j++)
			if (streq(flags[j].name, list->v[i]))
				flag = flags[j].flag;
		if (!flag)
			return err_set(c->e, -EINVAL, "seccomp flag '%s' is not known", list->v[i]);
		c->flags |= flag;
	}
	return 0;
}

/* "SCMP_ARCH_X86_64" is "x86_64" with libseccomp. 0 for a name it does not know. */
static uint32_t arch_token(const char *name)
{
	const char *rest = str_skip(name, "SCMP_ARCH_");
	char lower[24] = "";

	if (!rest || strlen(rest) >= sizeof(lower))
		return 0;
	for (size_t i = 0; rest[i]; i++)
		lower[i] = (char)tolower((unsigned char)rest[i]);
	return seccomp_arch_resolve_name(lower);
}

static int arch_add(struct compiler *c, uint32_t token, const char *name)
{
	int r;

	for (size_t i = 0; i < c->arches_len; i++)
		if (c->arches[i].token == token)
			return 0;
	if (c->arches_len == ARCHES_MAX)
		return err_set(c->e, -E2BIG, "more than %d seccomp architectures", ARCHES_MAX);
	r = seccomp_arch_add(c->ctx, token);
	if (r == -EDOM)
		return err_set(c->e, -EINVAL, "seccomp architecture '%s' has another byte order",
			       name);
	if (r < 0 && r != -EEXIST)
		return err_set(c->e, r, "cannot add the seccomp architecture '%s'", name);
	c->arches[c->arches_len++] = (struct arch){
		.token = token,
		.audit = token == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : token,
	};
	return 0;
}

/* The machine itself is always part of the filter; a test may put another in its place. */
static int arches_add(struct compiler *c)
{
	uint32_t native = seccomp_arch_native(), token = native;
	int r;

	if (c->options->native) {
		token = arch_token(c->options->native);
		if (!token)
			return err_set(c->e, -EINVAL, "seccomp architecture '%s' is not known",
				       c->options->native);
	}
	if (token != native && seccomp_arch_remove(c->ctx, native) < 0)
		return err_set(c->e, -EINVAL, "cannot leave the machine's own architecture out");
	r = arch_add(c, token, c->options->native);
	for (size_t i = 0; r == 0 && i < c->spec->architectures.n; i++) {
		const char *name = c->spec->architectures.v[i];

		token = arch_token(name);
		if (!token)
			return err_set(c->e, -EINVAL, "seccomp architecture '%s' is not known",
				       name);
		r = arch_add(c, token, name);
	}
	return r;
}

static int rule_add(struct compiler *c, const char *name, int number, uint32_t action,
		    const struct scmp_arg_cmp *args, unsigned int n)
{
	int r = seccomp_rule_add_array(c->ctx, action, number, n, args);

	c->rules++;
	if (r == -EEXIST)
		return err_set(c->e, -EINVAL, "the seccomp rule for '%s' contradicts another",
			       name);
	if (r < 0)
		return err_set(c->e, r, "cannot add the seccomp rule for '%s': %s", name,
			       err_words(-r));
	return 0;
}

/* Reads a rule's conditions; `*ret_is_split` when two are about the same argument. */
static int args_read(struct compiler *c, const struct oci_syscall *call, struct scmp_arg_cmp *ret,
		     bool *ret_is_split)
{
	unsigned int seen = 0;

	*ret_is_split = false;
	for (size_t i = 0; i < call->args.n; i++) {
		const struct oci_seccomp_arg *arg = &call->args.v[i];
		int r;

		if (arg->index > 5)
			return err_set(c->e, -EINVAL, "seccomp argument index %u is above 5",
				       arg->index);
		ret[i] = (struct scmp_arg_cmp){
			.arg = arg->index,
			.datum_a = arg->value,
			.datum_b = arg->value_two,
		};
		r = operator_of(c, arg->op, &ret[i].op);
		if (r < 0)
			return r;
		*ret_is_split |= (seen >> arg->index) & 1;
		seen |= 1U << arg->index;
	}
	return 0;
}

static int name_add(struct compiler *c, const char *name, uint32_t action,
		    const struct scmp_arg_cmp *args, size_t n, bool is_split)
{
	int number, r = 0;

	if (!*name)
		return err_set(c->e, -EINVAL, "empty string is not a valid syscall");
	if (action == SCMP_ACT_NOTIFY && streq(name, "write"))
		return err_set(c->e, -EINVAL,
			       "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	number = seccomp_syscall_resolve_name(name);
	if (number == __NR_SCMP_ERROR && c->options->fails_unknown)
		return err_set(c->e, -EINVAL, "unknown syscall '%s'", name);
	if (number == __NR_SCMP_ERROR || action == c->default_action)
		return 0;
	if (!is_split)
		return rule_add(c, name, number, action, args, (unsigned int)n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = rule_add(c, name, number, action, &args[i], 1);
	return r;
}

static int call_add(struct compiler *c, const struct oci_syscall *call)
{
	AUTO_FREE struct scmp_arg_cmp *args = NULL;
	uint32_t action;
	bool is_split;
	int r = action_of(c, call->action, call->has_errno_ret, call->errno_ret, &action);

	if (r < 0)
		return r;
	args = calloc(call->args.n + 1, sizeof(*args));
	if (!args)
		return err_set(c->e, -ENOMEM, "no memory for the seccomp rules");
	r = args_read(c, call, args, &is_split);
	c->has_listener |= action == SCMP_ACT_NOTIFY;
	for (size_t i = 0; r == 0 && i < call->names.n; i++)
		r = name_add(c, call->names.v[i], action, args, call->args.n, is_split);
	return r;
}

/* Rules beyond the limit would take libseccomp minutes. */
static int calls_check(struct compiler *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->spec->syscalls.n; i++) {
		const struct oci_syscall *call = &c->spec->syscalls.v[i];
		size_t each = MAX(call->args.n, (size_t)1);

		if (call->args.n > LIMIT_SECCOMP_RULES || call->names.n > LIMIT_SECCOMP_RULES)
			n = LIMIT_SECCOMP_RULES + 1;
		else
			n += each * call->names.n;
		if (n > LIMIT_SECCOMP_RULES)
			return err_set(c->e, -E2BIG, "more than %d seccomp rules",
				       LIMIT_SECCOMP_RULES);
	}
	return 0;
}

static int rules_add(struct compiler *c)
{
	unsigned int optimize = c->options->optimize;
	int r = calls_check(c);

	for (size_t i = 0; r == 0 && i < c->spec->syscalls.n; i++)
		r = call_add(c, &c->spec->syscalls.v[i]);
	if (r < 0)
		return r;
	if (!optimize)
		optimize = c->rules > RULES_FOR_TREE ? 2 : 1;
	/* An older libseccomp has no tree: the filter is slower then and decides the same. */
	(void)seccomp_attr_set(c->ctx, SCMP_FLTATR_CTL_OPTIMIZE, optimize);
	return 0;
}

/* ENOSYS for what is newer than the profile. */

static void last_find(struct compiler *c, struct arch *arch)
{
	for (size_t i = 0; i < c->spec->syscalls.n; i++) {
		const struct json_strs *names = &c->spec->syscalls.v[i].names;

		for (size_t j = 0; j < names->n; j++)
			arch->last = MAX(arch->last, seccomp_syscall_resolve_name_arch(
							     arch->token, names->v[j]));
	}
}

static bool wants_enosys(const struct compiler *c)
{
	switch (c->default_action & SECCOMP_RET_ACTION_FULL) {
	case SCMP_ACT_ALLOW:
	case SCMP_ACT_LOG:
	case SCMP_ACT_TRACE(0): /* a tracer answers for new calls itself */
		return false;
	default:
		return c->default_action != SCMP_ACT_ERRNO(ENOSYS) && !c->options->has_no_enosys;
	}
}

/*
 * The part of one audit architecture, entered and left with the architecture in the accumulator. A jump to
 * the filter behind the whole stub has k 0 here and is set by stub_make. x32 shares x86_64's audit value
 * and has a bit in its numbers. On s390 unknown calls arrive as number 0.
 */
static size_t stub_section(uint32_t audit, int last, int last_x32, struct sock_filter *out)
{
	bool is_s390 = audit == AUDIT_ARCH_S390 || audit == AUDIT_ARCH_S390X;
	bool has_x32_bit = audit == AUDIT_ARCH_X86_64;
	size_t n = 1;

	out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						offsetof(struct seccomp_data, nr));
	if (has_x32_bit)
		out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 1, 0);
	if (is_s390)
		out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	/* Nothing is above the largest number: an ABI that the profile knows no name of is left alone. */
	out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K,
						last ? (uint32_t)last : UINT32_MAX,
						has_x32_bit ? 1 : 0, has_x32_bit ? 2 : 1);
	if (has_x32_bit)
		out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K,
							last_x32 ? (uint32_t)last_x32 : UINT32_MAX,
							0, 1);
	out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	out[n++] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0);
	out[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, audit, 0,
					      (uint8_t)(n - 1));
	ASSERT(n <= STUB_INSNS_EACH);
	return n;
}

static size_t stub_make(struct compiler *c, struct sock_filter *out)
{
	int last_x32 = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->arches_len; i++) {
		last_find(c, &c->arches[i]);
		if (c->arches[i].token == SCMP_ARCH_X32)
			last_x32 = c->arches[i].last;
	}
	out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < c->arches_len; i++) {
		const struct arch *arch = &c->arches[i];

		if (arch->last && arch->token != SCMP_ARCH_X32)
			n += stub_section(arch->audit, arch->last, last_x32, out + n);
	}
	for (size_t i = 0; i < n; i++)
		if (out[i].code == (BPF_JMP | BPF_JA))
			out[i].k = (uint32_t)(n - i - 1);
	return n > 1 ? n : 0;
}

/* libseccomp up to 2.5 exports to a descriptor only. */
static int filter_export(struct compiler *c, char **ret, size_t *ret_len)
{
	AUTO_FD fd = memfd_create("seccomp", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(c->e, -errno, "memfd_create");
	r = seccomp_export_bpf(c->ctx, fd);
	if (r < 0)
		return err_sys(c->e, r, "cannot compile the seccomp profile");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(c->e, -errno, "lseek");
	r = fd_read_all(fd, EXPORT_BYTES_MAX, ret, ret_len);
	if (r == -EFBIG)
		return err_set(c->e, -E2BIG, "the seccomp profile makes too large a filter");
	return r < 0 ? err_sys(c->e, r, "cannot read the compiled filter") : 0;
}

static uint32_t blob_flags(const struct compiler *c)
{
	uint32_t f = c->flags;

	if (!c->has_listener)
		return f & ~FLAG_WAIT_KILLABLE_RECV;
	/* The kernel takes both only when a thread in the way is reported by errno. */
	if (f & SECCOMP_FILTER_FLAG_TSYNC)
		f |= FLAG_TSYNC_ESRCH;
	return f | SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

static int blob_make(struct compiler *c, void **ret, size_t *ret_len)
{
	AUTO_FREE char *program = NULL;
	struct sock_filter stub[STUB_INSNS_MAX];
	size_t len, stub_len, insns;
	struct seccomp_blob head = { .magic = SECCOMP_BLOB_MAGIC };
	char *blob;
	int r = filter_export(c, &program, &len);

	if (r < 0)
		return r;
	stub_len = wants_enosys(c) ? stub_make(c, stub) : 0;
	insns = stub_len + len / sizeof(*stub);
	if (insns > SECCOMP_BLOB_INSNS_MAX)
		return err_set(c->e, -E2BIG,
			       "the seccomp filter has %zu instructions, the kernel takes %d",
			       insns, SECCOMP_BLOB_INSNS_MAX);
	head.flags = blob_flags(c);
	head.insns = (uint32_t)insns;
	head.has_listener = c->has_listener;
	head.default_ret = c->default_action;
	if ((c->default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
		head.default_errno = c->default_action & SECCOMP_RET_DATA;
	head.native_arch = c->arches[0].audit;
	*ret_len = sizeof(head) + insns * sizeof(*stub);
	blob = malloc(*ret_len);
	if (!blob)
		return err_set(c->e, -ENOMEM, "no memory for the seccomp filter");
	memcpy(blob, &head, sizeof(head));
	memcpy(blob + sizeof(head), stub, stub_len * sizeof(*stub));
	memcpy(blob + sizeof(head) + stub_len * sizeof(*stub), program,
	       insns * sizeof(*stub) - stub_len * sizeof(*stub));
	*ret = blob;
	return 0;
}

static int compile(struct compiler *c, void **ret, size_t *ret_len)
{
	int r = action_of(c, c->spec->default_action, c->spec->has_default_errno_ret,
			  c->spec->default_errno_ret, &c->default_action);

	if (r < 0)
		return err_wrap(c->e, r, "defaultAction");
	if (c->default_action == SCMP_ACT_NOTIFY)
		return err_set(c->e, -EINVAL, "SCMP_ACT_NOTIFY cannot be used as default action");
	/* Without this libseccomp asks the running kernel, and refuses what that does not have. */
	(void)seccomp_api_set(6);
	c->ctx = seccomp_init(c->default_action);
	if (!c->ctx)
		return err_set(c->e, -ENOMEM, "libseccomp gives no filter");
	r = flags_read(c);
	if (r == 0)
		r = arches_add(c);
	if (r == 0)
		r = rules_add(c);
	return r < 0 ? r : blob_make(c, ret, ret_len);
}

int seccomp_compile(const struct oci_seccomp *s, const struct seccomp_compile_options *o,
		    void **ret, size_t *ret_len, struct err *e)
{
	static const struct seccomp_compile_options none;
	struct compiler c = { .spec = s, .options = o ? o : &none, .e = e };
	int r = compile(&c, ret, ret_len);

	seccomp_release(c.ctx);
	return r;
}
