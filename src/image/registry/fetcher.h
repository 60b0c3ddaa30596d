#pragma once
/*
 * The fetch role as its parent sees it: started with what it may reach, asked for bytes, and what it answers. What the
 * answers hold is checked by whoever asked. Is not: who fetches what when (feed.c, remote.c, ask.c). Safe after fork: no.
 */
#include "image/priv.h"

struct fetch_setup;

/* What registries say to the user (`Warning: 299`, distribution-spec 1.1), each text once for an operation. */
#define WARNER_TEXTS_MAX 8
#define WARNER_TEXT_MAX 512
struct warner {
	void (*warned)(void *data, const char *words); /* NULL: nobody listens */
	void *data;
	char texts[WARNER_TEXTS_MAX][WARNER_TEXT_MAX + 1];
	size_t n;
};
/* Safe for a terminal, cut to WARNER_TEXT_MAX bytes; beyond WARNER_TEXTS_MAX texts nothing is told. */
void warner_tell(struct warner *w, const char *words);

/* Starts corten-fetch when `w` does not run (control -EBADF). */
int fetcher_start(const struct fetch_setup *setup, struct worker *w, struct err *e);
/* Asks for what lies below the repository at `path`; `begin`, `end` and where it goes (`fd`) as in WORKER_GET. */
int fetcher_get(struct worker *w, const char *path, uint64_t begin, uint64_t end, int fd,
		struct err *e);
/*
 * The next message: 1 with an answer (of WORKER_GOT the payload is media type, NUL, digest), 0 when it goes on:
 * with WORKER_PROGRESS, or with a warning, which `warner` (may be NULL) got.
 */
int fetcher_recv(struct worker *w, struct warner *warner, struct worker_msg *ret,
		 char **ret_payload, struct err *e);
/* Waits for WORKER_GOT. `*ret_type` is its payload, malloc'ed. */
int fetcher_wait_got(struct worker *w, struct warner *warner, char **ret_type, struct err *e);
