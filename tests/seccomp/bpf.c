#include "bpf.h"

#include <string.h>

#include "base/mem.h"

size_t bpf_steps;

/* Every instruction that seccomp allows; the kernel's own checker has the same list. */
static const uint16_t codes[] = {
	BPF_LD | BPF_W | BPF_ABS,
	BPF_LD | BPF_W | BPF_LEN,
	BPF_LDX | BPF_W | BPF_LEN,
	BPF_RET | BPF_K,
	BPF_RET | BPF_A,
	BPF_ALU | BPF_ADD | BPF_K,
	BPF_ALU | BPF_ADD | BPF_X,
	BPF_ALU | BPF_SUB | BPF_K,
	BPF_ALU | BPF_SUB | BPF_X,
	BPF_ALU | BPF_MUL | BPF_K,
	BPF_ALU | BPF_MUL | BPF_X,
	BPF_ALU | BPF_DIV | BPF_K,
	BPF_ALU | BPF_DIV | BPF_X,
	BPF_ALU | BPF_AND | BPF_K,
	BPF_ALU | BPF_AND | BPF_X,
	BPF_ALU | BPF_OR | BPF_K,
	BPF_ALU | BPF_OR | BPF_X,
	BPF_ALU | BPF_XOR | BPF_K,
	BPF_ALU | BPF_XOR | BPF_X,
	BPF_ALU | BPF_LSH | BPF_K,
	BPF_ALU | BPF_LSH | BPF_X,
	BPF_ALU | BPF_RSH | BPF_K,
	BPF_ALU | BPF_RSH | BPF_X,
	BPF_ALU | BPF_NEG,
	BPF_LD | BPF_IMM,
	BPF_LDX | BPF_IMM,
	BPF_MISC | BPF_TAX,
	BPF_MISC | BPF_TXA,
	BPF_LD | BPF_MEM,
	BPF_LDX | BPF_MEM,
	BPF_ST,
	BPF_STX,
	BPF_JMP | BPF_JA,
	BPF_JMP | BPF_JEQ | BPF_K,
	BPF_JMP | BPF_JEQ | BPF_X,
	BPF_JMP | BPF_JGE | BPF_K,
	BPF_JMP | BPF_JGE | BPF_X,
	BPF_JMP | BPF_JGT | BPF_K,
	BPF_JMP | BPF_JGT | BPF_X,
	BPF_JMP | BPF_JSET | BPF_K,
	BPF_JMP | BPF_JSET | BPF_X,
};

static bool code_is_known(uint16_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i] == code)
			return true;
	return false;
}

static bool insn_check(const struct sock_filter *i, size_t left)
{
	if (!code_is_known(i->code))
		return false;
	switch (BPF_CLASS(i->code)) {
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(i->code) == BPF_ABS)
			return i->k < sizeof(struct seccomp_data) && i->k % 4 == 0;
		return BPF_MODE(i->code) != BPF_MEM || i->k < BPF_MEMWORDS;
	case BPF_ST:
	case BPF_STX:
		return i->k < BPF_MEMWORDS;
	case BPF_ALU:
		if (i->code == (BPF_ALU | BPF_DIV | BPF_K))
			return i->k != 0;
		return (i->code != (BPF_ALU | BPF_LSH | BPF_K) &&
			i->code != (BPF_ALU | BPF_RSH | BPF_K)) ||
		       i->k < 32;
	case BPF_JMP:
		if (BPF_OP(i->code) == BPF_JA)
			return i->k < left;
		return i->jt < left && i->jf < left;
	default:
		return true;
	}
}

bool bpf_check(const struct bpf_program *p)
{
	if (!p->n || p->n > BPF_MAXINSNS)
		return false;
	for (size_t i = 0; i < p->n; i++)
		if (!insn_check(&p->v[i], p->n - i - 1))
			return false;
	return BPF_CLASS(p->v[p->n - 1].code) == BPF_RET;
}

static uint32_t alu(uint16_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return b ? a / b : 0;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return b < 32 ? a << b : 0;
	case BPF_RSH:
		return b < 32 ? a >> b : 0;
	default:
		return -a;
	}
}

static bool jump(uint16_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	default:
		return (a & b) != 0;
	}
}

struct machine {
	const struct seccomp_data *data;
	uint32_t a, x, mem[BPF_MEMWORDS];
	unsigned int touched;
};

static uint32_t load(struct machine *m, const struct sock_filter *i)
{
	size_t args = offsetof(struct seccomp_data, args);
	uint32_t word;

	switch (BPF_MODE(i->code)) {
	case BPF_ABS:
		memcpy(&word, (const char *)m->data + i->k, sizeof(word));
		if (i->k >= args)
			m->touched |= 1U << ((i->k - args) / 8);
		return word;
	case BPF_LEN:
		return sizeof(*m->data);
	case BPF_MEM:
		return m->mem[i->k];
	default:
		return i->k;
	}
}

/* One instruction that is neither a jump nor the end. */
static void step(struct machine *m, const struct sock_filter *i)
{
	switch (BPF_CLASS(i->code)) {
	case BPF_LD:
		m->a = load(m, i);
		break;
	case BPF_LDX:
		m->x = load(m, i);
		break;
	case BPF_ST:
		m->mem[i->k] = m->a;
		break;
	case BPF_STX:
		m->mem[i->k] = m->x;
		break;
	case BPF_ALU:
		m->a = alu(BPF_OP(i->code), m->a, BPF_SRC(i->code) == BPF_X ? m->x : i->k);
		break;
	default:
		if (BPF_MISCOP(i->code) == BPF_TAX)
			m->x = m->a;
		else
			m->a = m->x;
	}
}

uint32_t bpf_run(const struct bpf_program *p, const struct seccomp_data *d,
		 unsigned int *ret_touched)
{
	struct machine m = { .data = d };
	size_t pc = 0;

	for (bpf_steps = 1; BPF_CLASS(p->v[pc].code) != BPF_RET; bpf_steps++) {
		const struct sock_filter *i = &p->v[pc++];

		if (BPF_CLASS(i->code) != BPF_JMP)
			step(&m, i);
		else if (BPF_OP(i->code) == BPF_JA)
			pc += i->k;
		else
			pc += jump(BPF_OP(i->code), m.a, BPF_SRC(i->code) == BPF_X ? m.x : i->k)
				      ? i->jt
				      : i->jf;
		ASSERT(pc < p->n);
	}
	if (ret_touched)
		*ret_touched = m.touched;
	return BPF_RVAL(p->v[pc].code) == BPF_A ? m.a : p->v[pc].k;
}
