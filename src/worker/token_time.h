#pragma once
/* How long a bearer token is good (distribution's token specification). Pure arithmetic. Safe after fork: yes. */
#include <stdint.h>

/*
 * Seconds from `now_ns` (wall clock) on: `expires_in` from `issued_at` (RFC 3339, may be NULL), less a tenth, at most
 * 10 s, for the way. Without a number it is 60, fewer than that are taken as 60 (docker's rule for old servers), more
 * than a day as a day. A token that would be from the future, or past its end as soon as it comes, says that the clocks
 * differ: then it counts from now.
 */
int64_t token_lifetime_s(int64_t expires_in, const char *issued_at, int64_t now_ns);
