#include "worker/pace.h"

#include "base/test.h"

TEST(a_wait_for_the_first_byte_is_not_slow)
{
	struct pace p = { 0 };

	CHECK(!pace_is_slow(&p, 1, 0));
	CHECK(!pace_is_slow(&p, 1000000, 0));
	CHECK(!pace_is_slow(&p, 1000001, 1));
}

TEST(each_window_needs_its_bytes)
{
	struct pace p = { 0 };
	int64_t at = 5;

	CHECK(!pace_is_slow(&p, at, 1));
	CHECK(!pace_is_slow(&p, at + PACE_WINDOW_MS - 1, 1));
	CHECK(!pace_is_slow(&p, at + PACE_WINDOW_MS, 1 + PACE_BYTES_MIN));
	at += PACE_WINDOW_MS;
	CHECK(!pace_is_slow(&p, at + PACE_WINDOW_MS / 2, PACE_BYTES_MIN * 100));
	CHECK(!pace_is_slow(&p, at + PACE_WINDOW_MS, PACE_BYTES_MIN * 100));
	at += PACE_WINDOW_MS;
	CHECK(pace_is_slow(&p, at + PACE_WINDOW_MS, PACE_BYTES_MIN * 101 - 1));
}

TEST(time_that_our_own_side_took_does_not_count)
{
	struct pace p = { 0 };

	CHECK(!pace_is_slow(&p, 5, 1));
	pace_hold(&p, 3 * PACE_WINDOW_MS);
	CHECK(!pace_is_slow(&p, 5 + 3 * PACE_WINDOW_MS, 1));
	CHECK(pace_is_slow(&p, 5 + 4 * PACE_WINDOW_MS, 1));
}

TEST_MAIN()
