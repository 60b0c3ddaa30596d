#include "sys/bpf_device.h"

#include <linux/bpf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"
#include "sys/cgroup.h"

/* Known by this name among a group's programs; at most 15 characters. */
#define PROG_NAME "corten_devices"
/* Programs attached to one group; the kernel's own bound is 64. */
#define PROGS_MAX 64

_Static_assert((int)CG_DEVICE_MKNOD == BPF_DEVCG_ACC_MKNOD &&
		       (int)CG_DEVICE_READ == BPF_DEVCG_ACC_READ &&
		       (int)CG_DEVICE_WRITE == BPF_DEVCG_ACC_WRITE,
	       "the kernel's access bits are ours");

/* r1: context, then scratch; r2: type; r3: what is asked and not yet granted; r4: major; r5: minor. */
enum {
	R_RESULT = BPF_REG_0,
	R_CTX = BPF_REG_1,
	R_TMP = BPF_REG_1,
	R_TYPE = BPF_REG_2,
	R_WANT = BPF_REG_3,
	R_MAJOR = BPF_REG_4,
	R_MINOR = BPF_REG_5
};

struct prog {
	struct bpf_insn *v;
	size_t n, cap;
};

static void put(struct prog *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	ASSERT(p->n < p->cap);
	p->v[p->n++] = (struct bpf_insn){
		.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm
	};
}

static void load_field(struct prog *p, uint8_t dst, size_t at)
{
	put(p, BPF_LDX | BPF_MEM | BPF_W, dst, R_CTX, (int16_t)at, 0);
}

static void put_exit(struct prog *p, int result)
{
	put(p, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, 0, 0, result);
	put(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void put_head(struct prog *p)
{
	load_field(p, R_TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	load_field(p, R_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	load_field(p, R_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	/* access_type is (access << 16) | type */
	put(p, BPF_ALU | BPF_MOV | BPF_X, R_WANT, R_TYPE, 0, 0);
	put(p, BPF_ALU | BPF_RSH | BPF_K, R_WANT, 0, 0, 16);
	put(p, BPF_ALU | BPF_AND | BPF_K, R_TYPE, 0, 0, 0xffff);
}

/*
 * One rule, read from the last to the first: a refused bit that is still wanted ends in refusal, a
 * granted bit is wanted no more, and when nothing is wanted any more all is granted.
 */
static void put_rule(struct prog *p, const struct cg_device_rule *r)
{
	size_t jumps[3], n = 0;

	if (r->type != 'a') {
		jumps[n++] = p->n;
		put(p, BPF_JMP32 | BPF_JNE | BPF_K, R_TYPE, 0, 0,
		    r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	}
	if (r->major >= 0) {
		jumps[n++] = p->n;
		put(p, BPF_JMP32 | BPF_JNE | BPF_K, R_MAJOR, 0, 0, (int32_t)(uint32_t)r->major);
	}
	if (r->minor >= 0) {
		jumps[n++] = p->n;
		put(p, BPF_JMP32 | BPF_JNE | BPF_K, R_MINOR, 0, 0, (int32_t)(uint32_t)r->minor);
	}
	if (r->is_allow) {
		put(p, BPF_ALU | BPF_AND | BPF_K, R_WANT, 0, 0, ~(int32_t)r->access);
		put(p, BPF_JMP32 | BPF_JNE | BPF_K, R_WANT, 0, 2, 0);
		put_exit(p, 1);
	} else {
		put(p, BPF_ALU | BPF_MOV | BPF_X, R_TMP, R_WANT, 0, 0);
		put(p, BPF_ALU | BPF_AND | BPF_K, R_TMP, 0, 0, (int32_t)r->access);
		put(p, BPF_JMP32 | BPF_JEQ | BPF_K, R_TMP, 0, 2, 0);
		put_exit(p, 0);
	}
	while (n > 0) {
		n--;
		p->v[jumps[n]].off = (int16_t)(p->n - jumps[n] - 1);
	}
}

static int check_rule(const struct cg_device_rule *r, struct err *e)
{
	if (r->type != 'a' && r->type != 'b' && r->type != 'c')
		return err_set(e, -EINVAL, "device rule of unknown type '%c'", r->type);
	if (r->major > UINT32_MAX || r->minor > UINT32_MAX)
		return err_set(e, -ERANGE, "device rule %lld:%lld is out of range",
			       (long long)r->major, (long long)r->minor);
	return 0;
}

int bpf_device_build(const struct cg_device_rule *rules, size_t n, struct bpf_insn **ret,
		     size_t *ret_n, struct err *e)
{
	struct prog p = { .cap = 8 + n * BPF_DEVICE_RULE_INSNS };

	if (n > LIMIT_DEVICES)
		return err_set(e, -E2BIG, "%zu device rules, at most %d", n, LIMIT_DEVICES);
	for (size_t i = 0; i < n; i++) {
		int r = check_rule(&rules[i], e);

		if (r < 0)
			return r;
	}
	p.v = calloc(p.cap, sizeof(*p.v));
	if (!p.v)
		return err_set(e, -ENOMEM, "no memory for the device program");
	put_head(&p);
	for (size_t i = n; i > 0; i--) {
		put_rule(&p, &rules[i - 1]);
		/* Behind a rule for everything the kernel would find dead code, and refuse it. */
		if (rules[i - 1].type == 'a' && rules[i - 1].major < 0 && rules[i - 1].minor < 0 &&
		    (rules[i - 1].access & 7) == 7)
			break;
	}
	put_exit(&p, 0);
	*ret = p.v;
	*ret_n = p.n;
	return 0;
}

static int bpf(int cmd, union bpf_attr *a)
{
	int r = (int)syscall(SYS_bpf, cmd, a, sizeof(*a));

	return r < 0 ? -errno : r;
}

static int load(const struct bpf_insn *v, size_t n, struct err *e)
{
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
			     .insn_cnt = (uint32_t)n,
			     .insns = (uintptr_t)v,
			     .license = (uintptr_t) "Apache-2.0",
			     .prog_name = PROG_NAME };
	int fd = bpf(BPF_PROG_LOAD, &a);

	return fd < 0 ? err_sys(e, fd, "load the device program of %zu instructions", n) : fd;
}

/* Our program among those of the group: its fd, -ENOENT, or -errno. */
static int find_ours(int cgroup_fd)
{
	uint32_t ids[PROGS_MAX] = { 0 };
	union bpf_attr a = { .query = { .target_fd = (uint32_t)cgroup_fd,
					.attach_type = BPF_CGROUP_DEVICE,
					.prog_ids = (uintptr_t)ids,
					.prog_cnt = PROGS_MAX } };
	int r = bpf(BPF_PROG_QUERY, &a);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < a.query.prog_cnt && i < PROGS_MAX; i++) {
		struct bpf_prog_info info = { 0 };
		union bpf_attr get = { .prog_id = ids[i] };
		union bpf_attr ask = { .info = { .info_len = sizeof(info),
						 .info = (uintptr_t)&info } };
		AUTO_FD fd = bpf(BPF_PROG_GET_FD_BY_ID, &get);

		if (fd < 0)
			continue;
		ask.info.bpf_fd = (uint32_t)fd;
		if (bpf(BPF_OBJ_GET_INFO_BY_FD, &ask) == 0 && strcmp(info.name, PROG_NAME) == 0)
			return TAKE_FD(fd);
	}
	return -ENOENT;
}

int bpf_device_set(int cgroup_fd, const struct cg_device_rule *rules, size_t n, struct err *e)
{
	AUTO_FREE struct bpf_insn *insns = NULL;
	AUTO_FD fd = -EBADF, old = -EBADF;
	union bpf_attr a = { .target_fd = (uint32_t)cgroup_fd,
			     .attach_type = BPF_CGROUP_DEVICE,
			     .attach_flags = BPF_F_ALLOW_MULTI };
	size_t len;
	int r = bpf_device_build(rules, n, &insns, &len, e);

	if (r < 0)
		return r;
	fd = load(insns, len, e);
	if (fd < 0)
		return fd;
	old = find_ours(cgroup_fd);
	a.attach_bpf_fd = (uint32_t)fd;
	if (old >= 0) {
		a.attach_flags |= BPF_F_REPLACE; /* 5.6 */
		a.replace_bpf_fd = (uint32_t)old;
	}
	r = bpf(BPF_PROG_ATTACH, &a);
	return r < 0 ? err_sys(e, r, "attach the device program to the cgroup") : 0;
}
