#pragma once
/*
 * A compiled seccomp filter as bytes: what corten-seccomp writes and the runtime loads.
 *
 * The file is one struct seccomp_blob followed by `insns` times 8 bytes (struct sock_filter of
 * <linux/filter.h>), in the machine's own byte order: it is a cache, valid on the machine that made it,
 * and keyed by the profile's hash together with SECCOMP_BLOB_MAGIC and `corten-seccomp version`. A reader
 * checks it with seccomp_blob_check before it trusts a member. Safe after fork: yes.
 *
 * Source: runtime-spec 1.3 config-linux.md#seccomp; seccomp(2).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SECCOMP_BLOB_MAGIC "CRTNSEC1" /* 8 bytes, no NUL; the last one is the layout's version */
#define SECCOMP_BLOB_INSNS_MAX 4096   /* BPF_MAXINSNS: the kernel takes no more */
#define SECCOMP_BLOB_INSN_SIZE 8      /* sizeof(struct sock_filter) */
#define SECCOMP_BLOB_BYTES_MAX \
	(sizeof(struct seccomp_blob) + (size_t)SECCOMP_BLOB_INSNS_MAX * SECCOMP_BLOB_INSN_SIZE)

struct seccomp_blob {
	char magic[8];
	/*
	 * SECCOMP_FILTER_FLAG_* for seccomp(2): those the profile names, or SPEC_ALLOW when it has no list
	 * of flags (as runc 1.3). NEW_LISTENER when has_listener is; then TSYNC comes with TSYNC_ESRCH, and
	 * WAIT_KILLABLE_RECV, which means nothing without a listener, is there when asked for.
	 */
	uint32_t flags;
	uint32_t insns; /* 1 to SECCOMP_BLOB_INSNS_MAX */
	uint32_t
		has_listener; /* 1: some rule is SCMP_ACT_NOTIFY, the loader must hand on the listener fd */
	uint32_t
		default_ret; /* the default action as SECCOMP_RET_* with its data (errno in the low half) */
	uint32_t default_errno; /* the errno of default_ret, 0 when the action is not ERRNO */
	uint32_t native_arch;	/* AUDIT_ARCH_* of the machine that compiled it */
	uint64_t reserved;	/* 0 */
};

_Static_assert(sizeof(struct seccomp_blob) == 40, "the layout has no holes");

/* True when `p` holds a whole blob: magic, a fitting count and exactly that many bytes. */
static inline bool seccomp_blob_check(const void *p, size_t len)
{
	struct seccomp_blob b;

	if (len < sizeof(b))
		return false;
	memcpy(&b, p, sizeof(b));
	return memcmp(b.magic, SECCOMP_BLOB_MAGIC, sizeof(b.magic)) == 0 && b.reserved == 0 &&
	       b.insns >= 1 && b.insns <= SECCOMP_BLOB_INSNS_MAX &&
	       len == sizeof(b) + (size_t)b.insns * SECCOMP_BLOB_INSN_SIZE;
}
