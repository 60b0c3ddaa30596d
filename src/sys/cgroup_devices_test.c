/* Device rules: v1's form, and v2's program run by a small interpreter against the rules themselves. */
#include "sys/cgroup_devices.h"

#include <linux/bpf.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "sys/bpf_device.h"
#include "sys/cgroup.h"

#define R CG_DEVICE_READ
#define W CG_DEVICE_WRITE
#define M CG_DEVICE_MKNOD

/* What runc and docker give. */
static const struct cg_device_rule usual[] = {
	{ false, 'a', -1, -1, R | W | M }, { true, 'c', -1, -1, M },
	{ true, 'b', -1, -1, M },	   { true, 'c', 1, 3, R | W | M },
	{ true, 'c', 136, -1, R | W | M }, { true, 'c', 5, 2, R | W },
	{ false, 'c', 5, 2, W },
};

/* The rules' own meaning: the last that names the device decides, for each bit. */
static bool by_rules(const struct cg_device_rule *v, size_t n, char type, uint32_t major,
		     uint32_t minor, unsigned int access)
{
	for (unsigned int bit = 1; bit <= 4; bit <<= 1) {
		bool is_allow = false;

		if (!(access & bit))
			continue;
		for (size_t i = 0; i < n; i++)
			if ((v[i].type == 'a' || v[i].type == type) &&
			    (v[i].major < 0 || v[i].major == major) &&
			    (v[i].minor < 0 || v[i].minor == minor) && v[i].access & bit)
				is_allow = v[i].is_allow;
		if (!is_allow)
			return false;
	}
	return true;
}

/* One step of the instructions that bpf_device uses; false: not one of them. */
static bool step(const struct bpf_insn *i, uint64_t r[11], const uint32_t *ctx, int *pc)
{
	uint32_t dst = (uint32_t)r[i->dst_reg], imm = (uint32_t)i->imm;

	switch (i->code) {
	case BPF_LDX | BPF_MEM | BPF_W:
		r[i->dst_reg] = ctx[i->off / 4];
		return true;
	case BPF_ALU64 | BPF_MOV | BPF_K:
		r[i->dst_reg] = (uint64_t)(int64_t)i->imm;
		return true;
	case BPF_ALU | BPF_MOV | BPF_X:
		r[i->dst_reg] = (uint32_t)r[i->src_reg];
		return true;
	case BPF_ALU | BPF_RSH | BPF_K:
		r[i->dst_reg] = dst >> imm;
		return true;
	case BPF_ALU | BPF_AND | BPF_K:
		r[i->dst_reg] = dst & imm;
		return true;
	case BPF_JMP32 | BPF_JNE | BPF_K:
		*pc += dst != imm ? i->off : 0;
		return true;
	case BPF_JMP32 | BPF_JEQ | BPF_K:
		*pc += dst == imm ? i->off : 0;
		return true;
	default:
		return false;
	}
}

static int run(const struct bpf_insn *v, size_t n, char type, uint32_t major, uint32_t minor,
	       unsigned int access)
{
	uint32_t ctx[3] = { access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
			    major, minor };
	uint64_t r[11] = { 0 };

	for (int pc = 0; pc >= 0 && pc < (int)n; pc++) {
		if (v[pc].code == (BPF_JMP | BPF_EXIT))
			return (int)r[0];
		CHECK(step(&v[pc], r, ctx, &pc));
	}
	CHECK(!"ran off the end");
	return -1;
}

static void compare(const struct cg_device_rule *v, size_t n)
{
	static const uint32_t numbers[] = { 0, 1, 2, 3, 5, 136, 200, 4294967295u };
	AUTO_FREE struct bpf_insn *insns = NULL;
	size_t len;

	CHECK_EQ(bpf_device_build(v, n, &insns, &len, NULL), 0);
	for (size_t a = 0; a < ARRAY_LEN(numbers); a++)
		for (size_t b = 0; b < ARRAY_LEN(numbers); b++)
			for (unsigned int access = 1; access < 8; access++)
				for (int t = 0; t < 2; t++)
					CHECK_EQ(run(insns, len, "bc"[t], numbers[a], numbers[b],
						     access),
						 by_rules(v, n, "bc"[t], numbers[a], numbers[b],
							  access));
}

TEST(the_program_decides_like_the_usual_rules)
{
	compare(usual, ARRAY_LEN(usual));
}

TEST(the_program_decides_like_random_rules)
{
	static const int64_t numbers[] = { -1, 1, 3, 5, 4294967295 };
	struct cg_device_rule v[12];

	srand(7);
	for (int round = 0; round < 200; round++) {
		size_t n = (size_t)(rand() % 12);

		for (size_t i = 0; i < n; i++)
			v[i] = (struct cg_device_rule){ rand() % 2, "abc"[rand() % 3],
							numbers[rand() % 5], numbers[rand() % 5],
							(unsigned int)rand() % 8 };
		compare(v, n);
	}
}

TEST(wrong_rules_are_refused)
{
	const struct cg_device_rule type = { true, 'x', 1, 1, R },
				    big = { true, 'c', 1LL << 32, 1, R };
	struct cg_device_set s = { .is_allow = true };
	struct bpf_insn *insns;
	size_t n;

	CHECK_EQ(bpf_device_build(&type, 1, &insns, &n, NULL), -EINVAL);
	CHECK_EQ(bpf_device_build(&big, 1, &insns, &n, NULL), -ERANGE);
	CHECK_EQ(cg_device_play(&s, &type, 1, NULL), -EINVAL);
	CHECK_EQ(cg_device_play(&s, &big, 1, NULL), -ERANGE);
}

TEST(v1_form_of_the_usual_rules_is_deny_with_exceptions)
{
	struct cg_device_set s = { .is_allow = true };

	CHECK_EQ(cg_device_play(&s, usual, ARRAY_LEN(usual), NULL), 0);
	CHECK(!s.is_allow);
	CHECK_EQ(s.n, 5);
	CHECK_EQ(s.v[4].access, R); /* 5:2 lost its write */
	cg_device_set_done(&s);
}

TEST(v1_cannot_take_a_part_out_of_a_wildcard)
{
	const struct cg_device_rule rules[] = { { false, 'a', -1, -1, R | W | M },
						{ true, 'c', -1, -1, R | W },
						{ false, 'c', 1, 5, W } };
	struct cg_device_set s = { .is_allow = true };
	struct err e = ERR_INIT;

	CHECK_EQ(cg_device_play(&s, rules, 3, &e), -EINVAL);
	CHECK(strstr(e.msg, "deny c 1:5 w"));
	CHECK(strstr(e.msg, "allow c *:* rw"));
	cg_device_set_done(&s);
}

TEST(an_a_rule_with_numbers_stands_for_both_types)
{
	const struct cg_device_rule rule = { false, 'a', 7, -1, R };
	struct cg_device_set s = { .is_allow = true };

	CHECK_EQ(cg_device_play(&s, &rule, 1, NULL), 0);
	CHECK(s.is_allow);
	CHECK_EQ(s.n, 2);
	cg_device_set_done(&s);
}

TEST(devices_list_is_read_back)
{
	struct cg_device_set s;

	CHECK_EQ(cg_device_parse("c 1:3 rwm\nb *:* m\nc 136:* rw\n", &s, NULL), 0);
	CHECK(!s.is_allow);
	CHECK_EQ(s.n, 3);
	CHECK_EQ(s.v[1].major, -1);
	CHECK_EQ(s.v[2].access, R | W);
	cg_device_set_done(&s);
	CHECK_EQ(cg_device_parse("a *:* rwm\n", &s, NULL), 0);
	CHECK(s.is_allow);
	cg_device_set_done(&s);
	CHECK_EQ(cg_device_parse("c 1:x rwm\n", &s, NULL), -EINVAL);
	CHECK_EQ(cg_device_parse("nonsense", &s, NULL), -EINVAL);
}

TEST_MAIN()
