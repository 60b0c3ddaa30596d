#pragma once
/*
 * What a worker and the process that started it say to each other over a stream socket: a fixed header, a
 * payload, and at most one descriptor. Both run on one machine and come from one build.
 *
 * The parent believes nothing: each side gives up on a message that is too long or of an unknown type, and
 * what is in it is checked by whoever uses it. Safe after fork: yes.
 */
#include <stddef.h>
#include <stdint.h>

struct err;

/* Descriptors of a worker besides its standard streams. */
#define WORKER_CONTROL_FD 3
#define WORKER_BLOB_FD 4 /* unpack: the layer, read from its begin */
#define WORKER_ROOT_FD 5 /* unpack: the folder it becomes */

/* The largest payload is an image's record: a config of 4 MiB, some of it escaped. */
#define WORKER_PAYLOAD_MAX ((size_t)8 << 20)

enum worker_msg_type {
	/* to the worker */
	WORKER_START =
		1, /* parse, manifest: payload platform "os/arch[/variant]"; unpack: a = WORKER_HAS_LOWER or 0;
		      fetch: fetch_setup_table's JSON */
	WORKER_FD, /* a: index; a writable file goes with it */
	WORKER_GET, /* fetch: a: bytes that the file has already; b: size, with WORKER_SIZE_MAX the largest;
			    payload: path below the repository; the writable file goes with it */
	WORKER_DOCUMENT, /* manifest: payload: digest NUL media type NUL text */
	/* from the worker */
	WORKER_NEED_FD,	 /* a: index; the answer is WORKER_FD */
	WORKER_ENTRY,	 /* a: index, b: size, payload: digest; the file is complete */
	WORKER_PROGRESS, /* a: bytes of input done */
	WORKER_IMAGE,	 /* payload: image_offer_table's JSON */
	WORKER_IMPLIED,	 /* payload: path of a folder that no entry of the layer describes */
	WORKER_OPAQUE,	 /* payload: path of a folder that hides those below it */
	WORKER_XATTR,	 /* payload: path NUL name NUL value */
	WORKER_UNPACKED, /* a: compressed size, payload: digest NUL diff id */
	WORKER_GOT, /* a: size; payload: media type NUL digest by the registry's own words, both may be empty */
	WORKER_WANT, /* a: size, payload: digest NUL media type; the answer is WORKER_DOCUMENT */
	WORKER_DONE,
	WORKER_ERROR, /* a: errno, b: enum err_code, payload: words */
	WORKER_MSG_TYPES,
};

#define WORKER_HAS_LOWER 1
/* Set in WORKER_GET's b when the size is not known but bounded. */
#define WORKER_SIZE_MAX (1ull << 63)

struct worker_msg {
	uint32_t type, len;
	uint64_t a, b;
};

/* Sends one message, and `fd` with it unless it is negative. 0 or -errno. */
int worker_msg_send(int sock, enum worker_msg_type type, uint64_t a, uint64_t b,
		    const void *payload, size_t len, int fd);
/* Sends WORKER_ERROR. */
int worker_msg_send_error(int sock, int r, const struct err *e);
/*
 * Receives one message. `*ret_payload` is malloc'ed with a NUL behind; `*ret_fd` a descriptor (O_CLOEXEC) or
 * -EBADF. 1, 0 at the end of the stream, -EBADMSG for what is no message, -errno (-EAGAIN: SO_RCVTIMEO passed).
 */
int worker_msg_recv(int sock, struct worker_msg *ret, char **ret_payload, int *ret_fd);
