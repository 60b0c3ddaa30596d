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
#define WORKER_BLOB_FD 4 /* unpack, copy: the blob, read from its begin */
#define WORKER_ROOT_FD 5 /* unpack: the folder it becomes */

/* Of pack: the archive that is written, the folder it is made of, the folder below or its listing, a listing to write. */
#define WORKER_ARCHIVE_FD 4
#define WORKER_FOLDER_FD 5
#define WORKER_BASE_FD 6
#define WORKER_LIST_FD 7

/* The largest payload is an image's record: a config of 4 MiB, some of it escaped. */
#define WORKER_PAYLOAD_MAX ((size_t)8 << 20)

enum worker_msg_type {
	/* to the worker */
	WORKER_START =
		1, /* parse, manifest: payload platform "os/arch[/variant]", for parse perhaps NUL and
		      the one image that is wanted; unpack, copy: a = WORKER_HAS_…, WORKER_APPLY;
		      fetch: fetch_setup_table's JSON; signatures: a = WORKER_IS_REFERRERS or 0; verify: verify_setup_table's
		      JSON; pack, compose: theirs; import: a = compression */
	WORKER_FD, /* parse: a: index; a writable file goes with it. unpack, copy: the piece that was asked for, to be
		      read to its end; without a descriptor the blob is whole */
	WORKER_GET, /* fetch: a: where to begin; b: where to end, with flags WORKER_GET_…; payload: path below the
			    repository; where the bytes go goes with it: a file, or a stream (WORKER_GET_STREAM) */
	WORKER_CALL, /* fetch: payload: registry_call_table's JSON; the body of an upload goes with it */
	WORKER_DOCUMENT, /* manifest, describe, signatures, verify: payload: digest NUL media type NUL text */
	/* from the worker */
	WORKER_NEED_FD, /* parse: a: index; unpack, copy: a: bytes of the blob so far; the answer is WORKER_FD */
	WORKER_ENTRY,	 /* a: index, b: size, payload: digest; the file is complete */
	WORKER_PROGRESS, /* a: bytes of input done */
	WORKER_IMAGE,	 /* payload: image_offer_table's JSON */
	WORKER_IMPLIED,	 /* payload: path of a folder that no entry of the layer describes */
	WORKER_OPAQUE,	 /* payload: path of a folder that hides those below it */
	WORKER_XATTR,	 /* payload: path NUL name NUL value */
	WORKER_UNPACKED, /* a: compressed size, payload: digest NUL diff id; of copy without the diff id */
	WORKER_GOT, /* a: the end that was reached, b: WORKER_GOT_WHOLE or 0; payload: media type NUL digest by the registry's own words, both may be empty */
	WORKER_DESCRIBED, /* manifest, describe: payload: image_described_table's JSON */
	WORKER_CALLED,	  /* fetch: payload: registry_answer_table's JSON */
	WORKER_WARNED,	  /* fetch: payload: what the registry says to the user */
	WORKER_WANT, /* a: size, payload: digest NUL media type; the answer is WORKER_DOCUMENT */
	WORKER_SIGNATURE, /* signatures: payload: signature_candidate_table's JSON */
	WORKER_VERIFIED,  /* verify: payload: verify_result_table's JSON */
	WORKER_CHANGE,	  /* payload: for each change its kind (A, C or D), an absolute path, NUL */
	WORKER_PACKED, /* a: size of the archive, b: that of its content; payload: digest NUL diff id */
	WORKER_DONE,
	WORKER_ERROR, /* a: errno, b: enum err_code, payload: words */
	WORKER_MSG_TYPES,
};

/* Layers below lie beside this one: whiteouts become an overlay's marks. */
#define WORKER_HAS_LOWER 1
/* The folder is a copy of the layers below: whiteouts remove. */
#define WORKER_APPLY 4
/* The document is the list of an image's referrers, else the manifest of cosign's tag. */
#define WORKER_IS_REFERRERS 1
/*
 * The blob is not whole: what WORKER_BLOB_FD lacks comes in pieces, in order, and is added to it (O_RDWR). So the
 * blob is written by a role without a network.
 */
#define WORKER_HAS_FEED 2
/* In WORKER_GET's b: the end is not known but bounded. */
#define WORKER_GET_BOUNDED (1ull << 63)
/* The bytes from a to b are written one behind the other to a descriptor that may be a pipe. */
#define WORKER_GET_STREAM (1ull << 62)
/* The blob goes on behind the end, which is asked for by range. */
#define WORKER_GET_PART (1ull << 61)
#define WORKER_GET_FLAGS (WORKER_GET_BOUNDED | WORKER_GET_STREAM | WORKER_GET_PART)
/* The registry ignored the range: asking for more parts would fetch the blob once for each. */
#define WORKER_GOT_WHOLE 1

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
