#include "codec/pb.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

static void *arena_take(void *data, size_t size)
{
	return arena_alloc(data, size);
}

static void leave_it(void *data, void *p)
{
}

void pb_allocator_init(ProtobufCAllocator *ret, struct arena *a)
{
	*ret = (ProtobufCAllocator){ .alloc = arena_take, .free = leave_it, .allocator_data = a };
}

/* protobuf-c answers NULL to wrong bytes and to missing memory alike; this one remembers which. */
struct noting {
	struct arena *arena;
	bool is_out;
};

static void *noting_take(void *data, size_t size)
{
	struct noting *n = data;
	void *p = arena_alloc(n->arena, size);

	n->is_out |= !p;
	return p;
}

int pb_decode(const ProtobufCMessageDescriptor *type, const void *data, size_t len, struct arena *a,
	      ProtobufCMessage **ret, struct err *e)
{
	struct noting n = { .arena = a };
	ProtobufCAllocator allocator = { .alloc = noting_take,
					 .free = leave_it,
					 .allocator_data = &n };
	size_t budget = a->budget, wanted = a->used + PB_BUDGET(len);
	ProtobufCMessage *m;

	/* For this message alone, and never above what the caller allows for all. */
	a->budget = MIN(budget ? budget : ARENA_BUDGET_DEFAULT, wanted);
	m = protobuf_c_message_unpack(type, &allocator, len, data);
	a->budget = budget;
	if (!m && n.is_out)
		return err_set(e, -ENOMEM, "%s of %zu bytes needs more memory than is allowed",
			       type->short_name, len);
	if (!m)
		return err_set(e, -EBADMSG, "%s: wrong message", type->short_name);
	*ret = m;
	return 0;
}

int pb_encode(const ProtobufCMessage *m, struct strbuf *out)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	char *buf = malloc(len ? len : 1);

	if (!buf) {
		out->is_out = true;
		return -ENOMEM;
	}
	protobuf_c_message_pack(m, (uint8_t *)buf);
	strbuf_add(out, buf, len);
	free(buf);
	return strbuf_ok(out);
}
