#pragma once
/*
 * ttrpc: unary calls over a stream socket, as containerd's shims speak it; a server on the event loop and a
 * blocking client.
 *
 * A frame is u32 length (big endian), u32 stream (odd from clients, growing), u8 type, u8 flags, payload of
 * at most LIMIT_TTRPC_MSG. Messages are those of api/ttrpc.proto. Not here: streams of messages, and what
 * the messages mean. Messages from outside are decoded into an arena with a budget, so that 4 MiB on the
 * wire cannot become more than 16 MiB in memory. What a peer does not read is bounded too: beyond
 * TTRPC_OUT_MAX its connection is closed. Server: one thread, the loop's. Safe after fork: no.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

struct arena;
struct err;
struct ev_loop;
struct ttrpc_server;
struct ttrpc_call;
struct ttrpc_client;

#define TTRPC_HEADER 10

enum ttrpc_type { TTRPC_REQUEST = 1, TTRPC_RESPONSE = 2, TTRPC_DATA = 3 };
enum ttrpc_flags { TTRPC_REMOTE_CLOSED = 1, TTRPC_REMOTE_OPEN = 2, TTRPC_NO_DATA = 4 };

struct ttrpc_header {
	uint32_t len;
	uint32_t stream;
	uint8_t type;
	uint8_t flags;
};
void ttrpc_header_put(uint8_t buf[TTRPC_HEADER], const struct ttrpc_header *h);
void ttrpc_header_get(const uint8_t buf[TTRPC_HEADER], struct ttrpc_header *ret);

/*
 * Handles one call. `in` lives until the handler returns. Returns 0 when the call was answered or is kept
 * for a later answer; a negative errno answers it with the words of `e`.
 */
typedef int (*ttrpc_handler_fn)(struct ttrpc_call *call, void *data, const ProtobufCMessage *in,
				struct err *e);
/* The caller is gone or its deadline passed: the call is freed when this returns. */
typedef void (*ttrpc_end_fn)(struct ttrpc_call *call, void *data);

struct ttrpc_method {
	const char *name;
	const ProtobufCMessageDescriptor *in, *out;
	ttrpc_handler_fn fn;
};

struct ttrpc_service {
	const char *name; /* "containerd.task.v2.Task" */
	const struct ttrpc_method *methods;
	size_t methods_len;
};

/* `services` is borrowed until ttrpc_server_free; `data` goes to each handler. 0 or -ENOMEM. */
int ttrpc_server_new(struct ev_loop *l, const struct ttrpc_service *services, size_t services_len,
		     void *data, struct ttrpc_server **ret);
/* Serves the connections that come on a listening socket. *Takes* `fd`, also on failure. */
int ttrpc_server_listen(struct ttrpc_server *s, int fd);
/* Serves one connected socket. *Takes* `fd`, also on failure. */
int ttrpc_server_add(struct ttrpc_server *s, int fd);
/* Closes everything; calls that are kept are ended as if their peers had gone. Accepts NULL. */
void ttrpc_server_free(struct ttrpc_server *s);
/* Writes what is queued, blocking, for at most `timeout_ms`. */
void ttrpc_server_flush(struct ttrpc_server *s, int timeout_ms);
size_t ttrpc_server_conns(const struct ttrpc_server *s);

/* Answers; the call is gone afterwards. `out` is packed at once. */
void ttrpc_reply(struct ttrpc_call *call, const ProtobufCMessage *out);
/* Answers with an error: the class and words of `e`, or those of `r`. The call is gone afterwards. */
void ttrpc_fail(struct ttrpc_call *call, int r, const struct err *e);
/* For a call that is kept: what to do when it ends without an answer. Without it the answer is dropped then. */
void ttrpc_call_on_end(struct ttrpc_call *call, ttrpc_end_fn fn, void *data);

/* A client on a connected stream socket, which it *takes*, also on failure. 0 or -ENOMEM. */
int ttrpc_client_new(int fd, struct ttrpc_client **ret);
/* Accepts NULL. */
void ttrpc_client_free(struct ttrpc_client *c);
/* The socket, borrowed. */
int ttrpc_client_fd(const struct ttrpc_client *c);

struct ttrpc_pair {
	const char *key, *value;
};

struct ttrpc_request {
	const char *service, *method;
	const ProtobufCMessage *in;
	const ProtobufCMessageDescriptor *out;
	int timeout_ms; /* of the whole call, told to the server too; negative: none */
	const struct ttrpc_pair *metadata;
	size_t metadata_len;
};

/*
 * Calls and waits. The answer lives in `a`. Errors: the server's (errno by class, words as sent), -ETIMEDOUT
 * (the client stays usable), -ECONNRESET when the server is gone, -EBADMSG for a wrong frame, -E2BIG.
 */
int ttrpc_client_call(struct ttrpc_client *c, const struct ttrpc_request *q, struct arena *a,
		      ProtobufCMessage **ret, struct err *e);

/* The errno that stands for a class on this side of the wire, negative. */
int ttrpc_errno_of(int code);
