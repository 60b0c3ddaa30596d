#include "base/clock.h"

#include <errno.h>

#include "base/test.h"

TEST(a_timestamp_is_written_with_nanoseconds_in_utc)
{
	char buf[CLOCK_TEXT_MAX];

	CHECK_STR(clock_rfc3339(0, buf), "1970-01-01T00:00:00.000000000Z");
	CHECK_STR(clock_rfc3339(1795331760123456789LL, buf), "2026-11-22T07:16:00.123456789Z");
	CHECK_STR(clock_rfc3339(951782399000000001LL, buf), "2000-02-28T23:59:59.000000001Z");
	CHECK_STR(clock_rfc3339(-1, buf), "1969-12-31T23:59:59.999999999Z");
}

TEST(what_is_written_is_read_back)
{
	static const int64_t times[] = { 0, 1, 951868800000000000LL, 1795331760123456789LL,
					 4102444799999999999LL };

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		char buf[CLOCK_TEXT_MAX];
		int64_t t;

		CHECK_EQ(clock_parse_rfc3339(clock_rfc3339(times[i], buf), &t), 0);
		CHECK_EQ(t, times[i]);
	}
}

TEST(offsets_and_fractions_are_understood)
{
	int64_t t;

	CHECK_EQ(clock_parse_rfc3339("1970-01-01T02:00:00+02:00", &t), 0);
	CHECK_EQ(t, 0);
	CHECK_EQ(clock_parse_rfc3339("1969-12-31T19:00:00.5-05:00", &t), 0);
	CHECK_EQ(t, 500000000);
}

TEST(wrong_timestamps_are_refused)
{
	static const char *const bad[] = { "",
					   "2020",
					   "2020-13-01T00:00:00Z",
					   "2020-01-01T00:00:00",
					   "2020-01-01T00:00:00Zx",
					   "2020-01-01T25:00:00Z",
					   "9999999-01-01T00:00:00Z" };
	int64_t t;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(clock_parse_rfc3339(bad[i], &t), -EINVAL);
}

TEST(durations_have_gos_form)
{
	int64_t d;

	CHECK_EQ(clock_parse_duration("1h30m", &d), 0);
	CHECK_EQ(d, 5400 * NSEC_PER_SEC);
	CHECK_EQ(clock_parse_duration("1.5s", &d), 0);
	CHECK_EQ(d, 1500000000);
	CHECK_EQ(clock_parse_duration("-250ms", &d), 0);
	CHECK_EQ(d, -250000000);
	CHECK_EQ(clock_parse_duration("0", &d), 0);
	CHECK_EQ(clock_parse_duration("5", &d), -EINVAL);
	CHECK_EQ(clock_parse_duration("1x", &d), -EINVAL);
	CHECK_EQ(clock_parse_duration("", &d), -EINVAL);
	CHECK_EQ(clock_parse_duration("9999999999h", &d), -ERANGE);
}

TEST_MAIN()
