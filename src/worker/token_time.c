#include "worker/token_time.h"

#include "base/clock.h"
#include "base/mem.h"

#define LIFETIME_MIN_S 60
#define LIFETIME_MAX_S 86400
#define MARGIN_MAX_S 10

int64_t token_lifetime_s(int64_t expires_in, const char *issued_at, int64_t now_ns)
{
	int64_t life = MIN(MAX(expires_in, LIFETIME_MIN_S), LIFETIME_MAX_S), issued_ns, age_s;

	if (issued_at && clock_parse_rfc3339(issued_at, &issued_ns) == 0) {
		/* Seconds first: the difference of two hostile times may not fit nanoseconds. */
		age_s = now_ns / NSEC_PER_SEC - issued_ns / NSEC_PER_SEC;
		if (age_s > 0 && age_s < life)
			life -= age_s;
	}
	return life - MIN(life / 10, MARGIN_MAX_S);
}
