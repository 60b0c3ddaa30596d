#pragma once
/*
 * The fetch role's inside: registries over HTTP (distribution-spec 1.1), one request at a time. A program of its own,
 * corten-fetch, because libcurl and OpenSSL cost every start some milliseconds.
 *
 * What it writes is not trusted by anybody: digests are computed by those that have no network. Safe after fork: no.
 */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "spec/fetch_setup.h"
#include "worker/challenge.h"

struct err;

#define FETCH_TOKEN_MAX ((size_t)64 << 10)
#define FETCH_URL_MAX 8192
/* Answers that are read into memory: tokens, and the words of errors. */
#define FETCH_BODY_MAX ((size_t)128 << 10)

struct fetch {
	CURL *curl;
	struct arena a;
	struct fetch_setup setup;
	char *ca; /* the system's authorities and the setup's */
	size_t ca_len;
	char *token;   /* bearer, or NULL */
	bool is_basic; /* the registry asked for it */
	bool has_answered;
	int64_t told_ms;
};

/* One HTTP exchange: what is asked, and what came. */
struct exchange {
	/* asked */
	const char *url, *accept, *authorization, *userpwd, *form;
	int fd; /* where a 200 or 206 goes; -EBADF: into `text` */
	int64_t offset, size_max;
	bool is_stream; /* fd is written to in order, never sought */
	bool is_part;	/* the range ends at size_max; what the server sends beyond is not wanted */
	/* came */
	struct fetch *f;
	long status;
	int64_t at;    /* the file's size so far, of a stream where in the blob it is */
	int64_t skip;  /* bytes of an answer that ignored the range, still to be passed over */
	bool is_whole; /* it did ignore it */
	bool is_cut;   /* all that was wanted came, the rest was cut off */
	int64_t range_start, retry_after_s;
	bool has_range_start, is_begun;
	int failure; /* -errno of the sink */
	struct challenge challenge;
	char media_type[256], digest[256];
	char *location; /* arena-less: malloc'ed, or NULL */
	char *text;	/* malloc'ed, or NULL */
	size_t text_len;
};
void exchange_done(struct exchange *x);

/* fetch_http.c: one exchange. 0 when an answer came, else -errno; `*ret_retry` tells whether trying again has a sense. */
int fetch_exchange(struct fetch *f, struct exchange *x, bool *ret_retry, struct err *e);
void fetch_tell_progress(struct fetch *f, int64_t done);

/* fetch_token.c: after a 401. 0 when another try has a sense. */
int fetch_authorise(struct fetch *f, const struct challenge *c, struct err *e);
/* The error of an answer that is none we want; the registry's own words behind the status. */
int fetch_status_error(const struct exchange *x, struct err *e);
