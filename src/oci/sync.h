#pragma once
/*
 * What runtime and init say to each other while a container is made: fixed messages over one socket pair
 * of packets. A side that is gone is seen as the end of the stream, so neither outlives the other before
 * the container stands. Safe after fork: yes (no allocation).
 */
#include <stdint.h>

#include "base/err.h"

enum sync_kind {
	SYNC_NONE,
	SYNC_GO,       /* runtime → init: what you wait for is done */
	SYNC_FAILED,   /* init → runtime: the error; init exits */
	SYNC_INIT,     /* from between runtime and init: the init's pidfd comes along */
	SYNC_HOOKS,    /* init → runtime: mounts stand, run prestart and createRuntime */
	SYNC_MASTER,   /* init → runtime: a terminal's master comes along */
	SYNC_LISTENER, /* init → runtime: the seccomp listener comes along */
	SYNC_READY,    /* init → runtime: all is done but the exec */
};

struct sync_msg {
	uint32_t kind;
	int32_t r; /* -errno with SYNC_FAILED */
	struct err e;
};

#define SYNC_FD_NONE (-1)

/* Two connected ends, both O_CLOEXEC. */
int sync_pair(int fds[2]);
/* `fd` SYNC_FD_NONE: none goes along. 0 or -errno (-EPIPE: the other side is gone). */
int sync_send(int sock, enum sync_kind kind, int fd);
int sync_send_error(int sock, int r, const struct err *e);
/*
 * Waits for one message. `*ret_fd` (may be NULL) gets a descriptor that came along, else -1. Returns the
 * kind, SYNC_NONE when the other side is gone, or -errno.
 */
int sync_recv(int sock, struct sync_msg *ret, int *ret_fd);
/* Waits for SYNC_GO; -ECONNRESET when the other side is gone. */
int sync_wait_go(int sock);
