#include "worker/pace.h"

void pace_hold(struct pace *p, int64_t ms)
{
	p->held_ms += ms;
}

bool pace_is_slow(struct pace *p, int64_t now_ms, int64_t bytes)
{
	bool is_slow = bytes - p->bytes < PACE_BYTES_MIN;

	if (bytes == 0)
		return false;
	if (p->since_ms != 0 && now_ms - p->since_ms - p->held_ms < PACE_WINDOW_MS)
		return false;
	if (p->since_ms == 0)
		is_slow = false;
	*p = (struct pace){ .since_ms = now_ms, .bytes = bytes };
	return is_slow;
}
