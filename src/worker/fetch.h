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

#include "codec/digest.h"
#include "spec/fetch_setup.h"
#include "worker/challenge.h"
#include "worker/pace.h"

struct err;

#define FETCH_TOKEN_MAX ((size_t)64 << 10)
#define FETCH_URL_MAX 8192
/* Endpoints times pull and push, with room to spare; the oldest goes. */
#define FETCH_TOKENS_MAX 16
/* Answers that are read into memory: tokens, and the words of errors. */
#define FETCH_BODY_MAX ((size_t)128 << 10)

/* What is learned of an endpoint. */
struct fetch_place {
	bool is_basic; /* it asked for that */
	bool has_answered;
	bool is_gone; /* it never did, and was tried */
	char *ca;     /* the system's authorities and its own; NULL: the system's */
	size_t ca_len;
};

/* A bearer token for some actions on the repository. */
struct fetch_token {
	const struct fetch_endpoint *at; /* NULL: free */
	char *actions, *header;
	int64_t until_ms; /* clock_mono_ms */
};

/* Tries without a byte more than before. One that got on begins the count anew. */
#define FETCH_TRIES_MAX 5
#define FETCH_WAIT_FIRST_MS 100
#define FETCH_WAIT_MAX_MS 30000

struct fetch {
	CURL *curl;
	struct arena a;
	struct fetch_setup setup;
	const struct fetch_endpoint *at; /* that requests go to now */
	struct fetch_place *place;	 /* of `at` */
	struct fetch_place *places;
	bool is_last; /* no other endpoint is left to be tried */
	char *ca;     /* the system's authorities */
	size_t ca_len;
	struct fetch_token tokens[FETCH_TOKENS_MAX];
	int64_t told_ms;
	bool is_deserted;    /* the parent does not listen any more */
	const char *actions; /* on the repository, that the call in hand needs */
	/* Of an upload that was begun: where it goes on, malloc'ed, and of which blob; see fetch_push.c. */
	char *upload_url, upload_digest[DIGEST_TEXT_MAX];
};

/* One HTTP exchange: what is asked, and what came. */
struct exchange {
	/* asked */
	const char *url, *accept, *authorization, *userpwd, *form;
	int fd; /* where a 200 or 206 goes; -EBADF: into `text` */
	int64_t offset, size_max;
	bool is_stream; /* fd is written to in order, never sought */
	bool is_part;	/* the range ends at size_max; what the server sends beyond is not wanted */
	const char *method, *content_type, *content_range; /* method NULL: GET, or POST of `form` */
	bool has_body;					   /* `body`, or what is in body_fd */
	const char *body;
	int body_fd;
	int64_t body_at, body_len;
	size_t text_max; /* 0: FETCH_BODY_MAX */
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
	struct pace pace;
	bool is_slow; /* it stalled or trickled, and was given up for that */
	size_t headers_len;
	size_t warnings_n;
	struct challenge challenge;
	char media_type[256], digest[256];
	int64_t body_sent, content_length, range_end, chunk_min;
	bool has_range_end;
	char subject[256], filters[256];
	char *placed;	/* Location as it was sent; malloc'ed, or NULL */
	char *next;	/* Link's rel="next"; malloc'ed, or NULL */
	char *location; /* arena-less: malloc'ed, or NULL */
	char *text;	/* malloc'ed, or NULL */
	size_t text_len;
};
void exchange_done(struct exchange *x);

/* fetch_http.c: one exchange. 0 when an answer came, else -errno; `*ret_retry` tells whether trying again has a sense. */
int fetch_exchange(struct fetch *f, struct exchange *x, bool *ret_retry, struct err *e);
void fetch_tell_progress(struct fetch *f, int64_t done);

/* fetch_token.c: after a 401. 0 when another try has a sense. `actions` on the repository: "pull", "pull,push". */
int fetch_authorise(struct fetch *f, const struct challenge *c, const char *actions, struct err *e);
/* The header of a token for these actions at this endpoint that is still good, or NULL. */
const char *fetch_token_header(struct fetch *f, const char *actions);
/* The error of an answer that is none we want; the registry's own words behind the status. */
int fetch_status_error(const struct exchange *x, struct err *e);

/* ---- fetch.c: what GET and the other verbs have in common ---- */

bool fetch_is_busy(long status);
/* Sleeps, and keeps the parent informed. */
void fetch_wait_ms(struct fetch *f, int64_t ms, int64_t done);

/* ---- fetch_hosts.c: endpoints ---- */

enum fetch_need { FETCH_RESOLVE, FETCH_PULL, FETCH_PUSH };

/* After the setup was read. */
int fetch_hosts_start(struct fetch *f, struct err *e);
/*
 * Calls `one` with one endpoint after the other that may do what is needed, until one succeeds: the next after an answer
 * or a failure that another endpoint may not have; a push goes to the first alone. `is_mendable`: bytes that turned out
 * wrong can be asked for again. The error says what each endpoint answered; its class is the last one's.
 */
int fetch_from_hosts(struct fetch *f, enum fetch_need need, bool is_mendable,
		     int (*one)(struct fetch *f, void *data, struct err *e), void *data,
		     struct err *e);
/* The URL of a path below the repository at the endpoint, malloc'ed, or NULL: out of memory. */
char *fetch_url(struct fetch *f, const char *path);
/* Whether a URL has the endpoint's scheme, host and port: credentials, certificates and headers stay there. */
bool fetch_is_home(const struct fetch *f, const char *url);
