/* Docker's seccomp profiles: anything may be read, and what was read resolves for every subject. */
#include "spec/seccomp_profile.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *caps[] = { "CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_SYS_PTRACE" };

static void check(const struct seccomp_profile *p, const struct oci_seccomp *s)
{
	ASSERT(s->syscalls.n <= p->rules.n);
	for (size_t i = 0; i < s->syscalls.n; i++) {
		const struct oci_syscall *c = &s->syscalls.v[i];

		ASSERT(c->names.n == 0 || c->names.v);
		ASSERT(c->args.n == 0 || c->args.v);
	}
	ASSERT(s->architectures.n == 0 || s->architectures.v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const arches[] = { "amd64", "s390x", "" };

	AUTO_ARENA struct arena a = { 0 };
	struct seccomp_profile *p;

	if (seccomp_profile_read((const char *)data, len, &a, &p, NULL) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(arches); i++) {
		struct seccomp_subject subject = { { caps, i }, arches[i], 4 + (uint32_t)i, 8 };
		struct oci_seccomp *s;
		struct err e = ERR_INIT;
		int r = seccomp_profile_resolve(p, &subject, &a, &s, &e);

		if (r < 0)
			ASSERT(e.errnum && e.msg[0]);
		else if (s)
			check(p, s);
	}
	return 0;
}
