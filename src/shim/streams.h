#pragma once
/*
 * Standard input and output of one process: the FIFOs or the pty, the log, and the attached clients.
 *
 * FIFOs lie in the task folder ("<prefix>-stdout"). The container's side of an output is open for reading
 * and writing, so that a shim's death causes no EPIPE and a successor can open the FIFO again. Output is
 * always drained: into the log, to each client that wants it, or nowhere; it stops only while a foreground
 * client is behind. After the process ended what the FIFO holds at that moment is drained and then the
 * outputs end, whoever of its children still holds them.
 * One thread. Safe after fork: no.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ev/ev.h"

struct attach_client;
struct err;
struct logfile;
struct stdio;

/*
 * The read buffer that all processes of the shim share; given back when it was idle for a while. While it is there
 * a tick flushes the log; what is no flood is flushed at once too.
 */
struct stdio_pool {
	struct ev_loop *loop;
	int dir; /* the task folder */
	char *buf;
	struct ev_timer tick;
	struct logfile *log; /* of the init; NULL: dropped */
	size_t logged;	     /* bytes since the tick */
	bool was_used;
};

struct stdio_stream {
	struct stdio *io;
	struct ev_io watch;
	int fd;	  /* our end, non-blocking; -EBADF: never opened, or ended */
	int type; /* ATTACH_STDOUT, ATTACH_STDERR */
	int left; /* after the end of the process: bytes that still belong to it */
	unsigned int full_reads;
};

typedef void (*stdio_drained_fn)(struct stdio *io);

struct stdio {
	struct stdio_pool *pool;
	void *owner;
	bool is_terminal, has_stdin, is_logged, is_stdin_once;
	struct stdio_stream out[2];
	int in; /* our end of stdin, or the pty's master (then out[0].fd too) */
	struct ev_io in_watch;
	char *in_buf;
	size_t in_len, in_pos, in_cap;
	bool is_in_ending, is_in_ended;
	struct attach_client *clients, *stdin_client;
	unsigned int blockers; /* foreground clients that are behind */
	bool is_ending, is_drained;
	stdio_drained_fn drained;
	struct ev_timer tty_end;
	uint16_t width, height; /* asked for before the pty was there */
};

void stdio_init(struct stdio *s, struct stdio_pool *pool, void *owner);
/* Makes the FIFOs `<prefix>-stdin…`; puts the container's three ends (owned by the caller) into `ret_fds`. */
int stdio_make(struct stdio *s, const char *prefix, int ret_fds[3], struct err *e);
/* As stdio_make without the container's ends: for a successor. */
int stdio_reopen(struct stdio *s, const char *prefix, struct err *e);
/* Gives a terminal's master, which it *takes*. */
int stdio_set_console(struct stdio *s, int master);
/* Begins to read the outputs: only after the runtime succeeded, so that its own words are not taken for output. */
void stdio_start(struct stdio *s);
/* The process ended: drains, then calls `fn` once. */
void stdio_end(struct stdio *s, stdio_drained_fn fn);
/* The process did not come to life: as before stdio_make, with the same clients. */
void stdio_fail(struct stdio *s, const char *prefix);
/* Closes and removes the FIFOs; what they still hold goes to the log; clients are ended without a word. */
void stdio_done(struct stdio *s, const char *prefix);

/* Input from a client; bounded by the client's own pace (stdio_is_in_full). Dropped when there is no stdin. */
void stdio_input(struct stdio *s, const char *data, size_t len);
bool stdio_is_in_full(const struct stdio *s);
/* Closes stdin once all before is written. Nothing for a terminal. */
void stdio_close_input(struct stdio *s);
int stdio_resize(struct stdio *s, uint16_t width, uint16_t height);
/* A foreground client fell behind (+1) or caught up (-1). */
void stdio_block(struct stdio *s, int change);
void stdio_pool_done(struct stdio_pool *p);
