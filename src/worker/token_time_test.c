#include "worker/token_time.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/test.h"

TEST(a_token_lives_from_its_issue_and_clocks_that_differ_do_not_matter)
{
	static const struct {
		int64_t expires_in;
		const char *issued_at;
		int64_t lifetime;
	} rows[] = {
		{ 0, NULL, 54 },
		{ 300, NULL, 290 },
		{ 5, NULL, 54 },
		{ -7, NULL, 54 },
		{ INT64_MAX, NULL, 86390 },
		{ 300, "2026-11-29T02:00:00Z", 290 },
		{ 300, "2026-11-29T01:59:00Z", 230 },
		{ 300, "2026-11-29T01:55:01Z", 1 },
		{ 300, "2026-11-29T01:55:00Z", 290 }, /* past its end */
		{ 300, "2026-11-29T05:00:00Z", 290 }, /* from the future */
		{ 300, "2026-11-29T04:59:00+03:00", 230 },
		{ 300, "0001-01-01T00:00:00Z", 290 },
		{ 300, "yesterday", 290 },
	};
	int64_t now = 0;

	CHECK_EQ(clock_parse_rfc3339("2026-11-29T02:00:00Z", &now), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ(token_lifetime_s(rows[i].expires_in, rows[i].issued_at, now),
			 rows[i].lifetime);
}

TEST_MAIN()
