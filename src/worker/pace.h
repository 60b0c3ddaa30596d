#pragma once
/*
 * The least that a body must come with: a server that trickles is as good as one that stalls, and gets its next try,
 * from where it was. Time in which our own side did not take the bytes does not count. Is not: the wait for an
 * answer, which libcurl bounds. Safe after fork: yes.
 */
#include <stdbool.h>
#include <stdint.h>

/* 1 KiB a second on the average of ten: below what any link is that somebody pulls images over. */
#define PACE_WINDOW_MS 10000
#define PACE_BYTES_MIN 10240

/* All zero: nothing has come yet. */
struct pace {
	int64_t since_ms, bytes, held_ms;
};

/* Our side took `ms` to put away what came. */
void pace_hold(struct pace *p, int64_t ms);
/* Whether a window has passed with less than the least; `bytes` is all of the body so far. */
bool pace_is_slow(struct pace *p, int64_t now_ms, int64_t bytes);
