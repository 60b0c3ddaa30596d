#include "engine/seccomp_default.h"

#include <errno.h>

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"

static const char *admin[] = { "CAP_SYS_ADMIN" };
static struct arena a;

static const struct oci_seccomp *resolve(size_t caps, const char *arch)
{
	struct seccomp_subject s = { { admin, caps }, arch, 6, 1 };
	struct oci_seccomp *spec = NULL;

	arena_done(&a);
	a = (struct arena){ 0 };
	return seccomp_default_resolve(&s, &a, &spec, NULL) < 0 ? NULL : spec;
}

static const struct oci_syscall *rule_of(const struct oci_seccomp *spec, const char *name)
{
	for (size_t i = 0; i < spec->syscalls.n; i++)
		for (size_t j = 0; j < spec->syscalls.v[i].names.n; j++)
			if (streq(spec->syscalls.v[i].names.v[j], name))
				return &spec->syscalls.v[i];
	return NULL;
}

TEST(what_no_row_names_gets_eperm)
{
	const struct oci_seccomp *spec = resolve(0, "amd64");

	CHECK_STR(spec->default_action, "SCMP_ACT_ERRNO");
	CHECK_EQ(spec->default_errno_ret, EPERM);
	CHECK(!rule_of(spec, "mount"));
	CHECK(!rule_of(spec, "io_uring_setup"));
	CHECK(!rule_of(spec, "keyctl"));
	CHECK(rule_of(spec, "read"));
}

TEST(a_capability_opens_its_calls)
{
	const struct oci_seccomp *spec = resolve(1, "amd64");

	CHECK(rule_of(spec, "mount"));
	CHECK_STR(rule_of(spec, "clone3")->action, "SCMP_ACT_ALLOW");
	CHECK_EQ(rule_of(spec, "clone")->args.n, 0);
}

TEST(without_it_clone_makes_no_namespace_and_clone3_is_unknown)
{
	const struct oci_seccomp *spec = resolve(0, "amd64");
	const struct oci_seccomp_arg *arg = rule_of(spec, "clone")->args.v;

	CHECK_EQ(arg->index, 0);
	CHECK_EQ(arg->value, 0x7e020000);
	CHECK_EQ(rule_of(spec, "clone3")->errno_ret, ENOSYS);
	CHECK_EQ(rule_of(resolve(0, "s390x"), "clone")->args.v->index, 1);
}

TEST(machines_have_their_families)
{
	CHECK_EQ(resolve(0, "amd64")->architectures.n, 3);
	CHECK_EQ(resolve(0, "arm64")->architectures.n, 2);
	CHECK_EQ(resolve(0, "riscv64")->architectures.n, 1);
	CHECK_EQ(resolve(0, "ppc64le")->architectures.n, 0);
	CHECK_STR(resolve(0, "amd64")->architectures.v[2], "SCMP_ARCH_X32");
}

TEST(no_name_stands_twice_in_the_unconditional_rows)
{
	struct seccomp_profile *p;
	size_t n = 0;

	CHECK_EQ(seccomp_default_profile(&a, &p, NULL), 0);
	for (size_t i = 0; i < p->rules.n; i++) {
		const struct seccomp_rule *r = &p->rules.v[i];

		if (r->includes || r->excludes || r->args.n)
			continue;
		n += r->names.n;
		for (size_t k = 0; k < r->names.n; k++)
			for (size_t j = 0; j < i * 99; j++) {
				size_t row = j / 99, at = j % 99;

				if (at < p->rules.v[row].names.n)
					CHECK(!streq(p->rules.v[row].names.v[at], r->names.v[k]));
			}
	}
	CHECK_EQ(n, 361);
}

TEST_MAIN()
