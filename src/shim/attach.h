#pragma once
/*
 * Attach: many clients on one container's stdio, over attach.sock in the task folder.
 *
 * A stream of frames in both directions: u8 type, u8 zero[3], u32 length (big endian), payload. The header of
 * ATTACH_STDOUT and ATTACH_STDERR is docker's multiplexed stream header on purpose. The first frame of a
 * client is ATTACH_HELLO; the shim answers ATTACH_READY (or ATTACH_ERROR and closes), and only then are
 * process outputs sent. ATTACH_EXIT is the last frame, after all output. Frames are at most
 * LIMIT_ATTACH_FRAME. A client that is not in the foreground and lags more than LIMIT_ATTACH_LAG behind is
 * cut off with ATTACH_ERROR; a foreground client slows the container instead. Safe after fork: yes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum attach_type {
	ATTACH_STDIN = 0,  /* client → shim: input bytes */
	ATTACH_STDOUT = 1, /* shim → client; a terminal's output too */
	ATTACH_STDERR = 2,
	ATTACH_HELLO = 16, /* struct attach_hello */
	ATTACH_READY = 17,
	ATTACH_STDIN_END = 18, /* client → shim: close stdin once all before is written */
	ATTACH_RESIZE = 19,    /* struct attach_resize */
	ATTACH_EXIT = 20,      /* struct attach_exit */
	ATTACH_ERROR = 21,     /* words, not terminated */
};

enum attach_flags {
	ATTACH_WANTS_OUTPUT = 1 << 0,
	ATTACH_FOREGROUND = 1 << 1, /* back-pressure: the container waits for this client */
	ATTACH_OWNER =
		1 << 2, /* the client does what the exit command would do; the shim runs the exit
				       command only when this client's connection ends before shim_shutdown */
};

struct attach_hello {
	uint32_t version; /* 1, little endian as all numbers but the frame's length */
	uint32_t flags;
	char exec_id[128]; /* "" for the init */
};

struct attach_resize {
	uint16_t width, height;
};

struct attach_exit {
	uint32_t status;
	uint32_t is_oom;
	int64_t exited_at_ns;
};

struct attach_header {
	uint8_t type;
	uint8_t zero[3];
	uint8_t len_be[4];
};

/*
 * Connects, says hello, waits for ATTACH_READY. With `size` the terminal has it when this returns: a process that is
 * started afterwards never sees another one. Returns the socket (blocking) or -errno.
 */
int attach_open(int task_fd, const char *exec_id, unsigned int flags,
		const struct attach_resize *size, struct err *e);
/* Sends one frame whole (at most LIMIT_ATTACH_FRAME bytes). 0 or -errno. */
int attach_send(int fd, enum attach_type type, const void *data, size_t len);
/*
 * Reads one frame; waits for it. `buf` has LIMIT_ATTACH_FRAME bytes. Returns the payload's length; 0 with
 * `*ret_type` set for empty frames; -ECONNRESET when the shim is gone; -EBADMSG for a wrong frame.
 */
ssize_t attach_recv(int fd, enum attach_type *ret_type, void *buf);
