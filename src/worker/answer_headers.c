#include "worker/answer_headers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

int header_range_start(const char *value, int64_t *ret)
{
	const char *p = str_skip(value, "bytes ");
	char number[24];
	size_t n = p ? strspn(p, "0123456789") : 0;

	if (n == 0 || n >= sizeof(number) || p[n] != '-')
		return -EBADMSG;
	memcpy(number, p, n);
	number[n] = '\0';
	return str_to_i64(number, 0, INT64_MAX, ret) < 0 ? -EBADMSG : 0;
}

int64_t header_retry_after_s(const char *value)
{
	int64_t s;

	return str_to_i64(value, 0, INT32_MAX, &s) < 0 ? 1 : s;
}
