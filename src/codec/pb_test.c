#include "codec/pb.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"

/* message Parts { repeated bytes v = 1; } written by hand, as protoc-c would. */
struct parts {
	ProtobufCMessage base;
	size_t n_v;
	ProtobufCBinaryData *v;
};

static void parts_init(ProtobufCMessage *m);

static const ProtobufCFieldDescriptor parts_fields[] = {
	{ .name = "v",
	  .id = 1,
	  .label = PROTOBUF_C_LABEL_REPEATED,
	  .type = PROTOBUF_C_TYPE_BYTES,
	  .quantifier_offset = offsetof(struct parts, n_v),
	  .offset = offsetof(struct parts, v) },
};
static const unsigned int parts_by_name[] = { 0 };
static const ProtobufCIntRange parts_ranges[] = { { 1, 0 }, { 0, 1 } };
static const ProtobufCMessageDescriptor parts_type = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "Parts",
	.short_name = "Parts",
	.c_name = "Parts",
	.sizeof_message = sizeof(struct parts),
	.n_fields = 1,
	.fields = parts_fields,
	.fields_sorted_by_name = parts_by_name,
	.n_field_ranges = 1,
	.field_ranges = parts_ranges,
	.message_init = parts_init,
};

static void parts_init(ProtobufCMessage *m)
{
	*(struct parts *)m = (struct parts){ .base = PROTOBUF_C_MESSAGE_INIT(&parts_type) };
}

TEST(a_message_goes_both_ways)
{
	ProtobufCBinaryData v[] = { { 2, (uint8_t *)(uintptr_t) "ab" }, { 0, NULL } };
	struct parts m = { .base = PROTOBUF_C_MESSAGE_INIT(&parts_type), .n_v = 2, .v = v }, *back;
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf b = { 0 };
	struct err e = ERR_INIT;
	ProtobufCMessage *ret;

	CHECK_EQ(pb_encode(&m.base, &b), 0);
	CHECK(b.len == 6 && memcmp(b.p,
				   "\x0a\x02"
				   "ab\x0a\x00",
				   6) == 0);
	CHECK_EQ(pb_decode(&parts_type, b.p, b.len, &a, &ret, &e), 0);
	back = (struct parts *)ret;
	CHECK(back->n_v == 2 && back->v[0].len == 2 && memcmp(back->v[0].data, "ab", 2) == 0);
	CHECK_EQ(a.budget, 0);
}

TEST(wrong_bytes_are_ebadmsg)
{
	AUTO_ARENA struct arena a = { 0 };
	struct err e = ERR_INIT;
	ProtobufCMessage *ret;

	CHECK_EQ(pb_decode(&parts_type, "\x0a\x7f", 2, &a, &ret, &e), -EBADMSG);
	CHECK_STR(e.msg, "Parts: wrong message");
}

TEST(a_message_of_many_empty_parts_stays_within_its_budget)
{
	static uint8_t wire[4 << 20];
	AUTO_ARENA struct arena a = { 0 };
	struct err e = ERR_INIT;
	ProtobufCMessage *ret;

	for (size_t i = 0; i < sizeof(wire); i += 2)
		wire[i] = 0x0a;
	CHECK_EQ(pb_decode(&parts_type, wire, sizeof(wire), &a, &ret, &e), -ENOMEM);
	CHECK(a.used <= PB_BUDGET(sizeof(wire)));
	CHECK_EQ(a.budget, 0);
}

TEST(an_allocator_keeps_the_arena_s_own_budget)
{
	AUTO_ARENA struct arena a = { .budget = 100 };
	ProtobufCAllocator allocator;

	pb_allocator_init(&allocator, &a);
	CHECK(allocator.alloc(allocator.allocator_data, 50));
	CHECK(!allocator.alloc(allocator.allocator_data, 100));
	allocator.free(allocator.allocator_data, NULL);
}

TEST_MAIN()
