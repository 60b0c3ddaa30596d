#pragma once
/*
 * A blob as the unpack and copy roles get it: what is there of it in WORKER_BLOB_FD, and the rest in pieces that are
 * asked for on the control channel (WORKER_HAS_FEED). Tells the parent how far it is. Safe after fork: no.
 */
#include <pthread.h>
#include <stdint.h>

#include "worker/inflate.h"

struct err;

struct blob_source {
	struct inflate *in;   /* owned */
	pthread_mutex_t lock; /* of what follows, and of messages to the parent */
	int64_t told_ms;
	uint64_t in_total;
};

/* `window_log_max` as in inflate_options. Both digests are computed. */
int blob_source_open(struct blob_source *b, bool has_feed, int window_log_max, struct err *e);
void blob_source_done(struct blob_source *b);
/* At most every 100 ms: a sign of life while nothing is read. */
void blob_source_beat(struct blob_source *b);
/* WORKER_UNPACKED, with the diff id unless it was not unpacked. */
int blob_source_report(struct blob_source *b, bool has_diff_id, struct err *e);
