#include "ev/ev.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* Events taken from the kernel in one call; more come in the next round. */
#define EV_BATCH 64

struct ev_loop {
	int epfd;
	bool is_quitting;
	int code;
	struct epoll_event batch[EV_BATCH];
	int batch_len, batch_pos;
	struct ev_timer **heap;
	size_t heap_len, heap_cap;
	struct ev_work *work, **work_last;
	int sigfd;
	sigset_t sigmask;
	struct ev_io sig_io;
	struct {
		ev_signal_fn fn;
		void *data;
	} sig[_NSIG];
};

int ev_loop_new(struct ev_loop **ret)
{
	struct ev_loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->sigfd = -EBADF;
	l->work_last = &l->work;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0) {
		int r = -errno;

		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void ev_loop_free(struct ev_loop *l)
{
	if (!l)
		return;
	if (l->sigfd >= 0)
		close(l->sigfd);
	close(l->epfd);
	free(l->heap);
	free(l);
}

void ev_loop_quit(struct ev_loop *l, int code)
{
	l->is_quitting = true;
	l->code = code;
}

int ev_io_start(struct ev_loop *l, struct ev_io *io, int fd, uint32_t events, ev_io_fn fn,
		void *data)
{
	struct epoll_event ee = { .events = events, .data.ptr = io };

	*io = (struct ev_io){ .fd = fd, .events = events, .fn = fn, .data = data };
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ee) < 0)
		return -errno;
	io->loop = l;
	return 0;
}

int ev_io_change(struct ev_io *io, uint32_t events)
{
	struct epoll_event ee = { .events = events, .data.ptr = io };

	if (!io->loop)
		return -EBADF;
	if (events == io->events)
		return 0;
	if (epoll_ctl(io->loop->epfd, EPOLL_CTL_MOD, io->fd, &ee) < 0)
		return -errno;
	io->events = events;
	return 0;
}

void ev_io_stop(struct ev_io *io)
{
	struct ev_loop *l = io->loop;

	if (!l)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, io->fd, NULL);
	/* What this round already fetched for the source must not reach it any more. */
	for (int i = l->batch_pos; i < l->batch_len; i++)
		if (l->batch[i].data.ptr == io)
			l->batch[i].data.ptr = NULL;
	io->loop = NULL;
}

static void heap_set(struct ev_loop *l, size_t i, struct ev_timer *t)
{
	l->heap[i] = t;
	t->slot = (uint32_t)i;
}

static void heap_up(struct ev_loop *l, size_t i)
{
	struct ev_timer *t = l->heap[i];

	for (; i > 0 && l->heap[(i - 1) / 2]->due_ms > t->due_ms; i = (i - 1) / 2)
		heap_set(l, i, l->heap[(i - 1) / 2]);
	heap_set(l, i, t);
}

static void heap_down(struct ev_loop *l, size_t i)
{
	struct ev_timer *t = l->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= l->heap_len)
			break;
		if (child + 1 < l->heap_len && l->heap[child + 1]->due_ms < l->heap[child]->due_ms)
			child++;
		if (l->heap[child]->due_ms >= t->due_ms)
			break;
		heap_set(l, i, l->heap[child]);
		i = child;
	}
	heap_set(l, i, t);
}

int ev_timer_start(struct ev_loop *l, struct ev_timer *t, int64_t delay_ms, ev_timer_fn fn,
		   void *data)
{
	int r;

	ev_timer_stop(t);
	r = mem_grow(&l->heap, &l->heap_cap, l->heap_len + 1, sizeof(*l->heap));
	if (r < 0)
		return r;
	t->loop = l;
	t->due_ms = clock_mono_ms() + (delay_ms > 0 ? delay_ms : 0);
	t->fn = fn;
	t->data = data;
	l->heap[l->heap_len] = t;
	heap_up(l, l->heap_len++);
	return 0;
}

void ev_timer_stop(struct ev_timer *t)
{
	struct ev_loop *l = t->loop;
	size_t i = t->slot;

	if (!l)
		return;
	ASSERT(i < l->heap_len && l->heap[i] == t);
	t->loop = NULL;
	l->heap_len--;
	if (i == l->heap_len)
		return;
	heap_set(l, i, l->heap[l->heap_len]);
	heap_up(l, i);
	heap_down(l, l->heap[i]->slot);
}

static void run_timers(struct ev_loop *l)
{
	int64_t now = clock_mono_ms();

	while (l->heap_len > 0 && l->heap[0]->due_ms <= now) {
		struct ev_timer *t = l->heap[0];

		ev_timer_stop(t);
		t->fn(t);
	}
}

void ev_work_queue(struct ev_loop *l, struct ev_work *w, ev_work_fn fn, void *data)
{
	if (w->loop)
		return;
	*w = (struct ev_work){ .loop = l, .fn = fn, .data = data };
	*l->work_last = w;
	l->work_last = &w->next;
}

void ev_work_cancel(struct ev_work *w)
{
	if (!w->loop)
		return;
	for (struct ev_work **p = &w->loop->work; *p; p = &(*p)->next) {
		if (*p != w)
			continue;
		*p = w->next;
		if (!*p)
			w->loop->work_last = p;
		break;
	}
	w->loop = NULL;
}

static void run_work(struct ev_loop *l)
{
	while (l->work) {
		struct ev_work *w = l->work;

		l->work = w->next;
		if (!l->work)
			l->work_last = &l->work;
		w->loop = NULL;
		w->fn(w);
	}
}

static int next_timeout(const struct ev_loop *l, int timeout_ms)
{
	int64_t wait;

	if (l->work)
		return 0;
	if (l->heap_len == 0)
		return timeout_ms;
	wait = l->heap[0]->due_ms - clock_mono_ms();
	wait = wait < 0 ? 0 : MIN(wait, 1 << 30);
	return timeout_ms >= 0 && timeout_ms < wait ? timeout_ms : (int)wait;
}

int ev_loop_once(struct ev_loop *l, int timeout_ms)
{
	int n = epoll_wait(l->epfd, l->batch, EV_BATCH, next_timeout(l, timeout_ms));

	if (n < 0 && errno != EINTR)
		return -errno;
	l->batch_len = n < 0 ? 0 : n;
	for (l->batch_pos = 0; l->batch_pos < l->batch_len && !l->is_quitting;) {
		struct epoll_event *ee = &l->batch[l->batch_pos++];
		struct ev_io *io = ee->data.ptr;

		if (io)
			io->fn(io, ee->events);
	}
	l->batch_len = l->batch_pos = 0;
	run_timers(l);
	run_work(l);
	return 0;
}

int ev_loop_run(struct ev_loop *l)
{
	while (!l->is_quitting) {
		int r = ev_loop_once(l, -1);

		if (r < 0)
			return r;
	}
	l->is_quitting = false;
	return l->code;
}

static void on_pidfd(struct ev_io *io, uint32_t events)
{
	struct ev_child *c = io->data;
	siginfo_t si = { 0 };
	int status;

	(void)events;
	if (waitid((idtype_t)P_PIDFD, (id_t)io->fd, &si, WEXITED | WNOHANG) < 0)
		status = errno == ECHILD ? 255 : -1;
	else if (si.si_pid == 0)
		status = -1;
	else
		status = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
	if (status < 0)
		return;
	ev_child_stop(c);
	c->fn(c, status);
}

int ev_child_start(struct ev_loop *l, struct ev_child *c, pid_t pid, int pidfd, ev_child_fn fn,
		   void *data)
{
	int r;

	if (pidfd < 0)
		pidfd = proc_pidfd_open(pid);
	if (pidfd < 0)
		return pidfd;
	c->pid = pid;
	c->fn = fn;
	c->data = data;
	r = ev_io_start(l, &c->io, pidfd, EPOLLIN, on_pidfd, c);
	if (r < 0)
		close(pidfd);
	return r;
}

void ev_child_stop(struct ev_child *c)
{
	if (!c->io.loop)
		return;
	ev_io_stop(&c->io);
	close(c->io.fd);
	c->io.fd = -EBADF;
}

static void on_sigfd(struct ev_io *io, uint32_t events)
{
	struct ev_loop *l = io->data;
	struct signalfd_siginfo si;

	(void)events;
	while (read(l->sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		if (si.ssi_signo < _NSIG && l->sig[si.ssi_signo].fn)
			l->sig[si.ssi_signo].fn(l->sig[si.ssi_signo].data, (int)si.ssi_signo);
}

int ev_signal_start(struct ev_loop *l, int sig, ev_signal_fn fn, void *data)
{
	int fd;

	if (sig < 1 || sig >= _NSIG)
		return -EINVAL;
	sigaddset(&l->sigmask, sig);
	if (sigprocmask(SIG_BLOCK, &l->sigmask, NULL) < 0)
		return -errno;
	fd = signalfd(l->sigfd >= 0 ? l->sigfd : -1, &l->sigmask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	l->sig[sig].fn = fn;
	l->sig[sig].data = data;
	if (l->sigfd >= 0)
		return 0;
	l->sigfd = fd;
	return ev_io_start(l, &l->sig_io, fd, EPOLLIN, on_sigfd, l);
}
