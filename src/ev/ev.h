#pragma once
/*
 * The event loop: descriptors, timers, children by pidfd, signals, deferred work; one thread, epoll.
 *
 * Sources are embedded in their owners' structs and stay the owner's memory; ev_x_stop may be called at
 * any time, from any callback, for any source, and no callback of it runs afterwards. The loop never
 * blocks but in epoll_wait. Not thread-safe. Not safe after fork.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

struct ev_loop;
struct ev_io;
struct ev_timer;
struct ev_child;
struct ev_work;

typedef void (*ev_io_fn)(struct ev_io *io, uint32_t events);
typedef void (*ev_timer_fn)(struct ev_timer *t);
/* `status`: the exit code, or 128 + signal. */
typedef void (*ev_child_fn)(struct ev_child *c, int status);
typedef void (*ev_signal_fn)(void *data, int sig);
typedef void (*ev_work_fn)(struct ev_work *w);

struct ev_io {
	struct ev_loop *loop; /* NULL while stopped */
	int fd;		      /* borrowed */
	uint32_t events;
	ev_io_fn fn;
	void *data;
};

struct ev_timer {
	struct ev_loop *loop;
	int64_t due_ms; /* monotonic */
	uint32_t slot;	/* place in the heap */
	ev_timer_fn fn;
	void *data;
};

struct ev_child {
	struct ev_io io; /* the pidfd, which the child source owns */
	pid_t pid;
	ev_child_fn fn;
	void *data;
};

struct ev_work {
	struct ev_work *next;
	struct ev_loop *loop; /* NULL while not queued */
	ev_work_fn fn;
	void *data;
};

int ev_loop_new(struct ev_loop **ret);
/* All sources must have been stopped or never be used again. Accepts NULL. */
void ev_loop_free(struct ev_loop *l);
/* Runs until ev_loop_quit. Returns the quit code, or -errno when epoll fails. */
int ev_loop_run(struct ev_loop *l);
/* One round: waits at most `timeout_ms` (negative: until something happens). 0 or -errno. */
int ev_loop_once(struct ev_loop *l, int timeout_ms);
void ev_loop_quit(struct ev_loop *l, int code);

/* Watches `fd` for EPOLLIN, EPOLLOUT… (level triggered). 0 or -errno (-EPERM for regular files). */
int ev_io_start(struct ev_loop *l, struct ev_io *io, int fd, uint32_t events, ev_io_fn fn,
		void *data);
int ev_io_change(struct ev_io *io, uint32_t events);
void ev_io_stop(struct ev_io *io);

/* Fires once, `delay_ms` from now. Starting a running timer moves it. 0 or -ENOMEM. */
int ev_timer_start(struct ev_loop *l, struct ev_timer *t, int64_t delay_ms, ev_timer_fn fn,
		   void *data);
void ev_timer_stop(struct ev_timer *t);

/* Waits for `pid`, a child of this process, and reaps it; *takes* `pidfd` (made here when negative). */
int ev_child_start(struct ev_loop *l, struct ev_child *c, pid_t pid, int pidfd, ev_child_fn fn,
		   void *data);
void ev_child_stop(struct ev_child *c);

/* Blocks `sig` and delivers it here. One function for a signal. 0 or -errno. */
int ev_signal_start(struct ev_loop *l, int sig, ev_signal_fn fn, void *data);

/* Runs `fn` once at the end of this round. Queuing a queued work is fine and changes nothing. */
void ev_work_queue(struct ev_loop *l, struct ev_work *w, ev_work_fn fn, void *data);
void ev_work_cancel(struct ev_work *w);
