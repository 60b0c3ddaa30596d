#include "worker/answer_headers.h"

#include <errno.h>

#include "base/mem.h"
#include "base/test.h"

TEST(a_range_says_where_it_begins)
{
	int64_t at = -1;

	CHECK(header_range_start("bytes 786432-3145727/3145728", &at) == 0 && at == 786432);
	CHECK(header_range_start("bytes 0-1/*", &at) == 0 && at == 0);
}

TEST(what_does_not_say_is_no_range)
{
	static const char *const bad[] = { "",
					   "bytes",
					   "bytes ",
					   "bytes */5",
					   "bytes -5/10",
					   "5-10/20",
					   "bytes 99999999999999999999-1/2",
					   "bytes 9223372036854775808-1/2",
					   "bytes 5",
					   "bytes 5/10" };
	int64_t at = 7;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(header_range_start(bad[i], &at) == -EBADMSG);
	CHECK(at == 7);
}

TEST(retry_after_in_seconds_or_soon)
{
	CHECK(header_retry_after_s("120") == 120);
	CHECK(header_retry_after_s("0") == 0);
	CHECK(header_retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 1);
	CHECK(header_retry_after_s("-1") == 1);
	CHECK(header_retry_after_s("99999999999999999999") == 1);
}

TEST_MAIN()
