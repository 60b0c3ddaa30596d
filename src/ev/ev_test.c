#include "ev/ev.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/proc.h"
#include "base/test.h"

static int calls;
static char order[16];

static void note(char c)
{
	order[calls++] = c;
	order[calls] = '\0';
}

static struct ev_loop *fresh(void)
{
	struct ev_loop *l;

	calls = 0;
	CHECK_EQ(ev_loop_new(&l), 0);
	return l;
}

static void on_timer(struct ev_timer *t)
{
	note(*(char *)t->data);
	if (*(char *)t->data == 'c')
		ev_loop_quit(t->loop, 0);
}

static struct ev_loop *current;

static void on_last(struct ev_timer *t)
{
	note(*(char *)t->data);
	ev_loop_quit(current, 3);
}

TEST(timers_fire_in_the_order_of_their_times)
{
	struct ev_timer a = { 0 }, b = { 0 }, c = { 0 }, never = { 0 };

	current = fresh();
	CHECK_EQ(ev_timer_start(current, &c, 12, on_last, (void *)"z"), 0);
	CHECK_EQ(ev_timer_start(current, &a, 2, on_timer, (void *)"a"), 0);
	CHECK_EQ(ev_timer_start(current, &never, 4, on_timer, (void *)"n"), 0);
	CHECK_EQ(ev_timer_start(current, &b, 6, on_timer, (void *)"b"), 0);
	ev_timer_stop(&never);
	CHECK_EQ(ev_loop_run(current), 3);
	CHECK_STR(order, "abz");
	ev_loop_free(current);
}

static struct ev_io io_a, io_b;

static void on_io(struct ev_io *io, uint32_t events)
{
	(void)events;
	note('i');
	/* Each stops the other: only the first of a round may run. */
	ev_io_stop(io == &io_a ? &io_b : &io_a);
}

TEST(a_source_stopped_in_a_round_is_not_called_any_more)
{
	struct ev_loop *l = fresh();
	int p[2], q[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(q, O_CLOEXEC), 0);
	CHECK_EQ(write(p[1], "x", 1) + write(q[1], "x", 1), 2);
	CHECK_EQ(ev_io_start(l, &io_a, p[0], EPOLLIN, on_io, NULL), 0);
	CHECK_EQ(ev_io_start(l, &io_b, q[0], EPOLLIN, on_io, NULL), 0);
	CHECK_EQ(ev_loop_once(l, 0), 0);
	CHECK_EQ(calls, 1);
	ev_io_stop(&io_a);
	ev_io_stop(&io_b);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(q[i]);
	}
	ev_loop_free(l);
}

static int child_status;

static void on_child(struct ev_child *c, int status)
{
	(void)c;
	child_status = status;
	ev_loop_quit(current, 0);
}

TEST(a_child_is_reaped_with_its_code)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 9", NULL };
	struct ev_child source;
	struct child c;

	current = fresh();
	CHECK_EQ(proc_spawn(&(struct spawn_options){ .path = "/bin/sh", .argv = argv }, &c, NULL),
		 0);
	CHECK_EQ(ev_child_start(current, &source, c.pid, c.pidfd, on_child, NULL), 0);
	CHECK_EQ(ev_loop_run(current), 0);
	CHECK_EQ(child_status, 9);
	CHECK_EQ(kill(c.pid, 0), -1);
	ev_loop_free(current);
}

static void on_signal(void *data, int sig)
{
	note((char)('0' + sig % 10));
	ev_loop_quit(data, 0);
}

TEST(a_signal_is_delivered_to_the_loop)
{
	struct ev_loop *l = fresh();

	CHECK_EQ(ev_signal_start(l, SIGUSR1, on_signal, l), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(ev_loop_run(l), 0);
	CHECK_EQ(calls, 1);
	ev_loop_free(l);
}

static struct ev_work work_a, work_b;

static void on_work(struct ev_work *w)
{
	note(w == &work_a ? 'a' : 'b');
	if (w == &work_a && calls < 3)
		ev_work_queue(current, &work_a, on_work, NULL);
}

TEST(deferred_work_runs_once_per_queueing_and_in_order)
{
	current = fresh();
	ev_work_queue(current, &work_a, on_work, NULL);
	ev_work_queue(current, &work_a, on_work, NULL);
	ev_work_queue(current, &work_b, on_work, NULL);
	CHECK_EQ(ev_loop_once(current, 0), 0);
	CHECK_STR(order, "aba");
	ev_work_queue(current, &work_b, on_work, NULL);
	ev_work_cancel(&work_b);
	CHECK_EQ(ev_loop_once(current, 0), 0);
	CHECK_EQ(calls, 3);
	ev_loop_free(current);
}

TEST_MAIN()
