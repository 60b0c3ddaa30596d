#include "base/test.h"

#include <string.h>

#include "base/mem.h"
#include "shim/backlog.h"

static void add(struct backlog *b, int stream, int64_t time_ns, const char *text)
{
	size_t len = strlen(text);
	char *room;

	CHECK(backlog_room(b, stream, time_ns, &room) >= len);
	memcpy(room, text, len);
	backlog_commit(b, len, (int64_t)(2 * len));
}

static void expect(struct backlog *b, int stream, const char *text)
{
	struct backlog_block *f = backlog_first(b);

	CHECK(f);
	CHECK_EQ(f->stream, stream);
	CHECK_EQ(f->len, strlen(text));
	CHECK(memcmp(f->data, text, f->len) == 0);
	backlog_shift(b);
}

TEST(blocks_come_back_in_order_and_streams_do_not_mix)
{
	struct backlog b = { 0 };

	add(&b, 1, 0, "one");
	add(&b, 1, 10, "two");
	add(&b, 2, 10, "three");
	add(&b, 1, 10, "four");
	CHECK_EQ(b.blocks, 3);
	CHECK_EQ(b.cost, 2 * 15);
	expect(&b, 1, "onetwo");
	expect(&b, 2, "three");
	CHECK_EQ(b.cost, 2 * 4);
	expect(&b, 1, "four");
	CHECK(!backlog_first(&b));
	CHECK_EQ(b.cost, 0);
	backlog_done(&b);
}

TEST(later_bytes_have_their_own_time)
{
	struct backlog b = { 0 };

	add(&b, 1, 0, "one");
	add(&b, 1, 5000000, "two");
	expect(&b, 1, "one");
	CHECK_EQ(backlog_first(&b)->time_ns, 5000000);
	expect(&b, 1, "two");
	backlog_done(&b);
}

TEST(an_emptied_queue_is_used_again_without_new_memory)
{
	struct backlog b = { 0 };
	struct backlog_block *f;

	add(&b, 1, 0, "one");
	f = backlog_first(&b);
	backlog_shift(&b);
	add(&b, 2, 0, "two");
	CHECK(backlog_first(&b) == f);
	expect(&b, 2, "two");
	backlog_trim(&b);
	add(&b, 1, 0, "three");
	backlog_done(&b);
	CHECK(!b.first && !b.spare);
}

TEST_MAIN()
