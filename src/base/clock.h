#pragma once
/*
 * Time: monotonic for deadlines, wall clock for what people and records see.
 * Timestamps are nanoseconds since 1970 in UTC, as int64_t. Safe after fork: yes.
 */
#include <stdint.h>

#define NSEC_PER_SEC 1000000000LL
#define NSEC_PER_MSEC 1000000LL

int64_t clock_mono_ns(void);
int64_t clock_mono_ms(void);
int64_t clock_wall_ns(void);

#define CLOCK_TEXT_MAX 40
/* RFC 3339 with nanoseconds, UTC: 2026-11-22T07:16:00.123456789Z. Trailing zeros stay. Returns `buf`. */
const char *clock_rfc3339(int64_t wall_ns, char buf[CLOCK_TEXT_MAX]);
/* Parses RFC 3339 with or without fraction and with any offset. 0 or -EINVAL. */
int clock_parse_rfc3339(const char *s, int64_t *ret_wall_ns);
/* Go's duration form: "10s", "1h30m", "1.5h", "200ms", "-5m". 0, -EINVAL or -ERANGE. */
int clock_parse_duration(const char *s, int64_t *ret_ns);
