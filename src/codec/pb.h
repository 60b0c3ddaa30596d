#pragma once
/*
 * protobuf-c on arenas. A message is decoded into the request's arena and never freed by itself; the
 * budget bounds what hostile bytes can take (4 MiB on the wire could take 144 MiB with malloc).
 *
 * Its own meson dependency, codec_pb_dep: programs without protobuf do not link it. Safe after fork: yes,
 * while the parent had one thread.
 */
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct arena;
struct err;
struct strbuf;

/* What decoding `len` bytes may take. */
#define PB_BUDGET(len) (4 * (size_t)(len) + ((size_t)64 << 10))

/*
 * An allocator that takes from `a` (borrowed, as long as the messages live) and frees nothing. The
 * arena's own budget holds, PB_BUDGET of the message's size being the right one; beyond it protobuf-c
 * gives up.
 */
void pb_allocator_init(ProtobufCAllocator *ret, struct arena *a);

/*
 * Decodes one message; `ret` and all in it live in `a`, which may grow by PB_BUDGET(len) meanwhile.
 * -EBADMSG for wrong bytes, -ENOMEM beyond the budget.
 */
int pb_decode(const ProtobufCMessageDescriptor *type, const void *data, size_t len, struct arena *a,
	      ProtobufCMessage **ret, struct err *e);

/* Appends the message's bytes. 0 or -ENOMEM; strbuf_ok says the same later. */
int pb_encode(const ProtobufCMessage *m, struct strbuf *out);
