#pragma once
/*
 * The shim's end of attach.sock: clients, their queues, and what happens to those that are behind.
 * The protocol is attach.h's. One thread. Safe after fork: no.
 */
#include <stddef.h>
#include <stdint.h>

#include "ev/ev.h"
#include "shim/attach.h"

struct attach_client;
struct stdio;

struct attach_server {
	struct ev_loop *loop;
	struct ev_io listener;
	void *data;
	/* The stdio of a process, or NULL. */
	struct stdio *(*find)(void *data, const char *exec_id);
	/* Called when a client that said ATTACH_OWNER for the init is gone. */
	void (*owner_gone)(void *data);
	/* Called when the last client of a process left it; may be NULL. It must not free the process at once. */
	void (*process_left)(void *data, struct stdio *io);
	unsigned int owners;
	struct attach_client *all;
	size_t len;
};

/* Serves the listening socket `fd`, which it *takes*. */
int attach_server_start(struct attach_server *s, struct ev_loop *l, int fd);
void attach_server_stop(struct attach_server *s);
/* Writes what is queued for everybody, blocking, for at most `timeout_ms`. */
void attach_server_flush(struct attach_server *s, int timeout_ms);

/* For stdio: `c` is the list of one process's clients. */
void attach_output(struct attach_client *c, enum attach_type type, const char *data, size_t len);
/* Stdin has room again: clients that were held back are read. */
void attach_resume_input(struct attach_client *c);
/* The last frame for each client; connections close once it is out. */
void attach_exit(struct attach_client *c, const struct attach_exit *x);
void attach_drop_all(struct attach_client *c);
