#include "space.h"

#include <linux/audit.h>

#include "base/mem.h"

/* libseccomp's values where the kernel's header has none. */
#define ARCH_LOONGARCH64 (258U | 0x80000000U | 0x40000000U)
#define ARCH_RISCV64 (243U | 0x80000000U | 0x40000000U)

const uint32_t space_arches[] = {
	AUDIT_ARCH_X86_64,
	AUDIT_ARCH_I386,
	AUDIT_ARCH_AARCH64,
	AUDIT_ARCH_ARM,
	AUDIT_ARCH_ARMEB,
	AUDIT_ARCH_MIPS,
	AUDIT_ARCH_MIPS64,
	AUDIT_ARCH_MIPS64N32,
	AUDIT_ARCH_MIPSEL,
	AUDIT_ARCH_MIPSEL64,
	AUDIT_ARCH_MIPSEL64N32,
	AUDIT_ARCH_PPC,
	AUDIT_ARCH_PPC64,
	AUDIT_ARCH_PPC64LE,
	AUDIT_ARCH_S390,
	AUDIT_ARCH_S390X,
	ARCH_RISCV64,
	ARCH_LOONGARCH64,
	AUDIT_ARCH_ALPHA,
	0xffffffff,
	0,
};

/* Where numbers live: the common table, x32, MIPS o32, n64 and n32, ARM's own, the edges. */
static const struct {
	uint32_t first, last;
} numbers[] = {
	{ 0, 650 },
	{ 0x40000000, 0x40000000 + 650 },
	{ 4000, 4650 },
	{ 5000, 5650 },
	{ 6000, 6650 },
	{ 0xf0000, 0xf0010 },
	{ 0x3ffffff0, 0x3fffffff },
	{ 0x7ffffff0, 0x80000010 },
	{ 0xffffff00, 0xffffffff },
};

static const uint64_t fixed_values[] = {
	0, 1, 2, 0x11, 0xff, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, UINT64_MAX,
};

static void value_add(struct space_values *values, uint64_t v)
{
	const uint64_t variants[] = { v, v | 1ULL << 32, v | 0xffffffffULL << 32, v & 0xffffffff };

	for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
		bool is_there = false;

		for (size_t j = 0; j < values->n && !is_there; j++)
			is_there = values->v[j] == variants[i];
		if (!is_there && values->n < ARRAY_LEN(values->v))
			values->v[values->n++] = variants[i];
	}
}

static void constant_add(struct space_values *values, const struct oci_seccomp_arg *a)
{
	const uint64_t constants[] = { a->value, a->value_two, ~a->value };

	for (size_t i = 0; i < ARRAY_LEN(constants); i++) {
		value_add(values, constants[i] - 1);
		value_add(values, constants[i]);
		value_add(values, constants[i] + 1);
	}
	/* Each bit of a mask alone, as CLONE_NEWUSER, and beside an exit signal. */
	for (int bit = 0; bit < 64; bit++) {
		value_add(values, 1ULL << bit);
		value_add(values, a->value_two ^ 1ULL << bit);
		value_add(values, 1ULL << bit | 0x11);
	}
}

void space_values_add(struct space_values *values, const struct oci_seccomp *s)
{
	for (size_t i = 0; i < ARRAY_LEN(fixed_values); i++)
		value_add(values, fixed_values[i]);
	for (size_t i = 0; i < s->syscalls.n; i++)
		for (size_t j = 0; j < s->syscalls.v[i].args.n; j++)
			constant_add(values, &s->syscalls.v[i].args.v[j]);
}

struct walk {
	const struct bpf_program *one, *other;
	const struct space_values *values;
	space_differ_fn *differ;
	void *arg;
	size_t asked;
	bool is_over;
};

static unsigned int ask(struct walk *w, const struct seccomp_data *d)
{
	unsigned int touched_one, touched_other;
	uint32_t one = bpf_run(w->one, d, &touched_one);
	uint32_t other = bpf_run(w->other, d, &touched_other);

	w->asked++;
	if (one != other)
		w->is_over = !w->differ || !w->differ(w->arg, d, one, other);
	return touched_one | touched_other;
}

static uint64_t next_random(void)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* All values in one argument, the others zero; then random ones of them in all that matter. */
static void ask_arguments(struct walk *w, struct seccomp_data *d, unsigned int touched)
{
	for (int i = 0; i < 6 && !w->is_over; i++) {
		for (size_t j = 0; touched >> i & 1 && j < w->values->n && !w->is_over; j++) {
			d->args[i] = w->values->v[j];
			touched |= ask(w, d);
		}
		d->args[i] = 0;
	}
	for (int n = 0; n < 200 && !w->is_over; n++) {
		for (int i = 0; i < 6; i++)
			d->args[i] = touched >> i & 1 && n & 1
					     ? w->values->v[next_random() % w->values->n]
					     : next_random() >> next_random() % 64;
		ask(w, d);
	}
}

static void ask_number(struct walk *w, uint32_t arch, uint32_t number)
{
	struct seccomp_data d = { .nr = (int)number, .arch = arch };
	unsigned int touched = ask(w, &d);

	if (touched && !w->is_over)
		ask_arguments(w, &d, touched);
}

size_t space_compare(const struct bpf_program *one, const struct bpf_program *other,
		     const struct space_values *values, space_differ_fn *differ, void *arg)
{
	struct walk w = { one, other, values, differ, arg };

	for (size_t i = 0; space_arches[i]; i++)
		for (size_t j = 0; j < ARRAY_LEN(numbers); j++)
			for (uint64_t n = numbers[j].first; n <= numbers[j].last && !w.is_over; n++)
				ask_number(&w, space_arches[i], (uint32_t)n);
	return w.asked;
}
