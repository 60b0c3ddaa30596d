/*
 * Our default profile against Docker's: for every machine, capability set, call and argument of note the
 * two compiled filters must give the same answer.
 *
 * Ours follows the newest profile: that of Docker 29.6 to 29.8 (the module moby/profiles, seccomp v0.2.3).
 * No Debian package ships that file, so its decisions stand here in a second form as well: one digest per
 * machine and capability set over the rules that hold, which any machine can check. Where a profile's file
 * is installed, or named by CORTEN_SECCOMP_ORACLE (paths separated by colons), both filters run; an older
 * one may differ in the calls that its row lists, and must differ in them.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"
#include "bpf.h"
#include "codec/digest.h"
#include "engine/seccomp_default.h"
#include "space.h"
#include "spec/seccomp_blob.h"
#include "spec/seccomp_compile.h"

#define PATHS_INSTALLED                                                        \
	"/usr/share/gocode/src/github.com/moby/profiles/seccomp/default.json:" \
	"/usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json"

/* The profiles that are known, by the digest of their file, and the calls that they decide otherwise. */
static const struct known {
	const char *sha256, *label, *differs;
} known[] = {
	{ "sha256:536529b665dd0972c37bfb569f5d4ac8a53592e7b00752bc39ff063ca9864c74",
	  "Docker 29.6 to 29.8 (moby/profiles seccomp v0.2.3)", "" },
	/* Refuses AF_VSOCK only; AF_ALG came later. */
	{ "sha256:01536f1d1df938ae611eba20d6349e0de7a99b6ecdee1549427a0b01b8301e28",
	  "Docker 28 (moby/profiles seccomp v0.1.0)", "socket" },
	/*
	 * Allows io_uring and every socket family, opens bpf, perf_event_open and name_to_handle_at by
	 * CAP_SYS_ADMIN alone, asks a capability for process_vm_*, has another errno for clone3 on MIPS, and is
	 * older than the other calls.
	 */
	{ "sha256:e5e91f884647e7332b3f89280777752f563df4f1372a186f14ddb7bf2f55cf61",
	  "Docker 20.10.24 (Debian 12)",
	  "bpf cachestat clock_settime64 clone3 fchmodat2 futex_requeue futex_wait futex_wake getxattrat "
	  "io_uring_enter io_uring_register io_uring_setup listmount listxattrat lsm_get_self_attr "
	  "lsm_list_modules lsm_set_self_attr map_shadow_stack mseal name_to_handle_at perf_event_open "
	  "pkey_alloc pkey_free pkey_mprotect process_vm_readv process_vm_writev removexattrat "
	  "riscv_flush_icache riscv_hwprobe set_mempolicy_home_node setxattrat socket statmount "
	  "swapcontext uretprobe" },
};

#define DOCKERS_14                                                                             \
	"CAP_AUDIT_WRITE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_MKNOD " \
	"CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID "      \
	"CAP_SYS_CHROOT"
#define NAMED_IN_PROFILES                                                                \
	"CAP_BPF CAP_DAC_READ_SEARCH CAP_PERFMON CAP_SYSLOG CAP_SYS_ADMIN CAP_SYS_BOOT " \
	"CAP_SYS_CHROOT CAP_SYS_MODULE CAP_SYS_NICE CAP_SYS_PACCT CAP_SYS_PTRACE "       \
	"CAP_SYS_RAWIO CAP_SYS_TIME CAP_SYS_TTY_CONFIG"

/* Capability sets, and the digest of the newest Docker's rules for amd64 with them. */
static const struct set {
	const char *caps, *digest;
} sets[] = {
	{ "", "228297bc1a963aa9" },
	{ DOCKERS_14, "043f45db7d3187ab" },
	{ DOCKERS_14 " " NAMED_IN_PROFILES, "0c6259c79ad206c0" },
	{ "CAP_BPF", "d5c643f2c5ffb784" },
	{ "CAP_DAC_READ_SEARCH", "72d907ace732e438" },
	{ "CAP_PERFMON", "862c3d22419485c5" },
	{ "CAP_SYSLOG", "f99b7fb435f48c1a" },
	{ "CAP_SYS_ADMIN", "6d94dd940a943516" },
	{ "CAP_SYS_BOOT", "e28b71465cec18e5" },
	{ "CAP_SYS_CHROOT", "043f45db7d3187ab" },
	{ "CAP_SYS_MODULE", "7ca04fbae32060e9" },
	{ "CAP_SYS_NICE", "c1a67563e6d35af9" },
	{ "CAP_SYS_PACCT", "2cb1075c590ea471" },
	{ "CAP_SYS_PTRACE", "986ea2f7c617e028" },
	{ "CAP_SYS_RAWIO", "7c6517f110115aa2" },
	{ "CAP_SYS_TIME", "cc43332484c5e977" },
	{ "CAP_SYS_TTY_CONFIG", "9d39e68206d62c63" },
};

/*
 * Other machines, with the first three sets. Their kinds as profiles and as libseccomp call them; NULL where
 * the byte order is another than the test's, since a filter is made in the order of its machine.
 */
static const struct machine {
	const char *arch, *scmp;
	uint32_t kernel, revision;
	const char *digests[3];
} machines[] = {
	{ "amd64",
	  "SCMP_ARCH_X86_64",
	  4,
	  7,
	  { "ced61c1e01b76cab", "97d4db882bc476cc", "0c6259c79ad206c0" } },
	{ "arm64",
	  "SCMP_ARCH_AARCH64",
	  6,
	  12,
	  { "f5e047e12ed9fc14", "7bf9a69ee577e359", "dd75386d8130ba2d" } },
	{ "arm",
	  "SCMP_ARCH_ARM",
	  6,
	  12,
	  { "982158be04ea40b4", "f0b203aa95ced455", "70a4b67b6ef7b12d" } },
	{ "x86",
	  "SCMP_ARCH_X86",
	  6,
	  12,
	  { "30da8eaab89b67d9", "033a021fedb85947", "9048f7092a58b9d2" } },
	{ "riscv64",
	  "SCMP_ARCH_RISCV64",
	  6,
	  12,
	  { "69cc78f9685f7eb6", "57701bde70ccb791", "c1ea6bddc27946ef" } },
	{ "ppc64le",
	  "SCMP_ARCH_PPC64LE",
	  6,
	  12,
	  { "27bf414c99b43046", "3606113b30ac654c", "a98bbf567266c796" } },
	{ "s390x", NULL, 6, 12, { "5f81f6dc36fff26a", "4ad0cacd8e01eb85", "7c0110911e1da089" } },
	{ "mipsel64",
	  "SCMP_ARCH_MIPSEL64",
	  6,
	  12,
	  { "b956be44b1ece53d", "0739749b33b574ee", "cee0a075598aee94" } },
};

struct subject {
	struct seccomp_subject s;
	const char *scmp;
	const char *caps[64];
	char text[1024];
};

static void subject_make(struct subject *s, const char *caps, const char *arch, const char *scmp,
			 uint32_t kernel, uint32_t revision)
{
	size_t n = 0;

	snprintf(s->text, sizeof(s->text), "%s", caps);
	for (char *save, *w = strtok_r(s->text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		s->caps[n++] = w;
	s->s = (struct seccomp_subject){ { s->caps, n }, arch, kernel, revision };
	s->scmp = scmp;
}

/* All subjects of the test one after the other; false at the end. `*ret_digest` is the newest Docker's. */
static bool subject_at(size_t i, struct subject *s, const char **ret_digest)
{
	const struct machine *m;

	if (i < ARRAY_LEN(sets)) {
		subject_make(s, sets[i].caps, "amd64", "SCMP_ARCH_X86_64", 6, 12);
		*ret_digest = sets[i].digest;
		return true;
	}
	i -= ARRAY_LEN(sets);
	if (i >= ARRAY_LEN(machines) * 3)
		return false;
	m = &machines[i / 3];
	subject_make(s, sets[i % 3].caps, m->arch, m->scmp, m->kernel, m->revision);
	*ret_digest = m->digests[i % 3];
	return true;
}

/* The digest of the rules that hold: every rule of every name as a line, sorted, each once. */

static int line_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *line_of(struct arena *a, const struct oci_syscall *c, const char *name)
{
	char *line = arena_printf(a, "%s %s %d", name, c->action,
				  c->has_errno_ret ? (int)c->errno_ret : -1);

	for (size_t i = 0; i < c->args.n; i++)
		line = arena_printf(a, "%s %u %s %llu %llu", line, c->args.v[i].index,
				    c->args.v[i].op, (unsigned long long)c->args.v[i].value,
				    (unsigned long long)c->args.v[i].value_two);
	return line;
}

static const char *rules_digest(const struct oci_seccomp *s, struct arena *a,
				char buf[DIGEST_TEXT_MAX])
{
	AUTO_STRBUF struct strbuf text = { 0 };
	static char *lines[LIMIT_SECCOMP_RULES];
	size_t n = 0;

	for (size_t i = 0; i < s->syscalls.n; i++)
		for (size_t j = 0; j < s->syscalls.v[i].names.n; j++)
			lines[n++] = line_of(a, &s->syscalls.v[i], s->syscalls.v[i].names.v[j]);
	qsort(lines, n, sizeof(*lines), line_compare);
	strbuf_addf(&text, "%s %u\n", s->default_action, s->default_errno_ret);
	for (size_t i = 0; i < s->architectures.n; i++)
		strbuf_addf(&text, "%s\n", s->architectures.v[i]);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !streq(lines[i], lines[i - 1]))
			strbuf_addf(&text, "%s\n", lines[i]);
	CHECK_EQ(strbuf_ok(&text), 0);
	digest_of(text.p, text.len, buf);
	buf[strlen("sha256:") + 16] = '\0';
	return buf + strlen("sha256:");
}

TEST(the_rules_are_those_of_docker_29)
{
	struct subject s;
	const char *wanted;

	for (size_t i = 0; subject_at(i, &s, &wanted); i++) {
		AUTO_ARENA struct arena a = { 0 };
		char buf[DIGEST_TEXT_MAX];
		struct oci_seccomp *ours;

		CHECK_EQ(seccomp_default_resolve(&s.s, &a, &ours, NULL), 0);
		CHECK_STR(rules_digest(ours, &a, buf), wanted);
	}
}

/* Both filters in the interpreter. */

struct filter {
	void *blob;
	struct bpf_program program;
};

static int filter_make(const struct oci_seccomp *s, const char *native, struct filter *ret)
{
	struct err e = ERR_INIT;
	struct seccomp_blob head;
	size_t len;
	int r = seccomp_compile(s, &(struct seccomp_compile_options){ .native = native },
				&ret->blob, &len, &e);

	if (r < 0) {
		printf("# %s: %s\n", native, err_text(&e, r));
		return r;
	}
	memcpy(&head, ret->blob, sizeof(head));
	ret->program.v = (struct sock_filter *)((char *)ret->blob + sizeof(head));
	ret->program.n = head.insns;
	CHECK(bpf_check(&ret->program));
	return 0;
}

struct oracle {
	const struct known *known;
	char *text;
	size_t len;
	bool met[64]; /* of the words of known->differs */
	size_t asked, filters;
	char first[256]; /* the first difference that is not listed */
};

/* The place of a name among the words, or -1. */
static int word_at(const char *words, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; *words; i++) {
		size_t n = strcspn(words, " ");

		if (n == len && memcmp(words, name, n) == 0)
			return i;
		words += n + (words[n] == ' ');
	}
	return -1;
}

static bool differ(void *arg, const struct seccomp_data *d, uint32_t ours, uint32_t theirs)
{
	bool is_x32 = d->arch == SCMP_ARCH_X86_64 && (uint32_t)d->nr & 0x40000000;
	struct oracle *o = arg;
	char *name = seccomp_syscall_resolve_num_arch(is_x32 ? SCMP_ARCH_X32 : d->arch, d->nr);
	int i = o->known && name ? word_at(o->known->differs, name) : -1;

	if (i >= 0)
		o->met[i] = true;
	else if (!o->first[0])
		snprintf(o->first, sizeof(o->first),
			 "%s (%#x of %#x) with %#llx, %#llx: ours %#x, Docker's %#x",
			 name ? name : "?", d->nr, d->arch, d->args[0], d->args[1], ours, theirs);
	free(name);
	return true;
}

/* `digest`: what the newest profile must have, so that the digests above are seen to be Docker's. */
static void compare_subject(struct oracle *o, struct subject *s, const char *digest)
{
	AUTO_ARENA struct arena a = { 0 };
	struct space_values values = { 0 };
	struct oci_seccomp *ours, *theirs;
	struct filter one = { 0 }, other = { 0 };
	struct seccomp_profile *p;
	char buf[DIGEST_TEXT_MAX];

	CHECK_EQ(seccomp_profile_read(o->text, o->len, &a, &p, NULL), 0);
	CHECK_EQ(seccomp_profile_resolve(p, &s->s, &a, &theirs, NULL), 0);
	CHECK_EQ(seccomp_default_resolve(&s->s, &a, &ours, NULL), 0);
	if (o->known && !*o->known->differs)
		CHECK_STR(rules_digest(theirs, &a, buf), digest);
	space_values_add(&values, ours);
	space_values_add(&values, theirs);
	/* Kinds that this libseccomp does not know are seen by their digests alone. */
	if (s->scmp && filter_make(ours, s->scmp, &one) == 0 &&
	    filter_make(theirs, s->scmp, &other) == 0) {
		o->asked += space_compare(&one.program, &other.program, &values, differ, o);
		o->filters++;
	}
	free(one.blob);
	free(other.blob);
}

/* A listed difference that this libseccomp cannot see is no proof against the list. */
static void check_list(const struct oracle *o)
{
	const char *words = o->known ? o->known->differs : "";

	for (int i = 0; *words; i++) {
		size_t n = strcspn(words, " ");
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)n, words);
		if (!o->met[i] && seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR)
			TEST_END(TEST_FAILED, "%s is listed as a difference, and there is none",
				 name);
		words += n + (words[n] == ' ');
	}
}

static void compare_file(struct oracle *o, const char *path)
{
	char digest[DIGEST_TEXT_MAX];
	const char *wanted;
	struct subject s;

	digest_of(o->text, o->len, digest);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (streq(known[i].sha256, digest))
			o->known = &known[i];
	for (size_t i = 0; subject_at(i, &s, &wanted); i++)
		compare_subject(o, &s, wanted);
	printf("# %s, %s: %zu filters, %zu calls, libseccomp %u.%u.%u\n", path,
	       o->known ? o->known->label : "unknown version", o->filters, o->asked,
	       seccomp_version()->major, seccomp_version()->minor, seccomp_version()->micro);
	if (o->first[0])
		TEST_END(TEST_FAILED, "%s", o->first);
	check_list(o);
}

TEST(the_filters_decide_as_dockers)
{
	const char *extra = getenv("CORTEN_SECCOMP_ORACLE");
	char *paths = str_printf("%s:%s", extra ? extra : "", PATHS_INSTALLED);
	size_t found = 0;

	for (char *save, *p = strtok_r(paths, ":", &save); p; p = strtok_r(NULL, ":", &save)) {
		struct oracle o = { 0 };

		if (file_read_at(AT_FDCWD, p, LIMIT_SPEC_BYTES, &o.text, &o.len) < 0)
			continue;
		found++;
		compare_file(&o, p);
		free(o.text);
	}
	free(paths);
	if (!found)
		TEST_SKIP(
			"no profile of Docker's is installed (package golang-github-docker-docker-dev)");
}

TEST_MAIN()
