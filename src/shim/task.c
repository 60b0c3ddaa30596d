#include "shim/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "shim/logfile.h"
#include "shim/ops.h"
#include "shim/runtime.h"
#include "wire/ttrpc.h"

/* Execs of a container at a time, with those that ended and were not forgotten yet. */
#define EXECS_MAX 1024
#define EXECS_MIN 16
/* What an exec holds at most (pidfd, three ends of stdio), and what is left for everything else. */
#define EXEC_FDS 4
#define OTHER_FDS 256
/* A client that got its exec's end sends Delete within milliseconds; later it is answered from the journal. */
#define FORGET_MS 1000
/* Between Exec and Start: far more than any client of ours takes. */
#define FORGET_UNSTARTED_MS (5 * 60 * 1000)
/* Between Delete of the init and Shutdown, which the same client sends at once. */
#define SHUTDOWN_WAIT_MS 2000

static int proc_new(struct task *t, const char *id, struct proc **ret)
{
	struct proc *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->t = t;
	p->pidfd = p->console_fd = -EBADF;
	p->id = strdup(id);
	p->prefix = id[0] ? str_printf("exec-%s", id) : strdup("init");
	if (!p->id || !p->prefix) {
		free(p->id);
		free(p->prefix);
		free(p);
		return -ENOMEM;
	}
	stdio_init(&p->io, &t->pool, p);
	*ret = p;
	return 0;
}

static void proc_free(struct proc *p)
{
	ev_io_stop(&p->pid_watch);
	ev_timer_stop(&p->fifo_limit);
	ev_timer_stop(&p->forget);
	if (p->fifo.loop) {
		ev_io_stop(&p->fifo);
		close(p->fifo.fd);
	}
	fd_closep(&p->pidfd);
	fd_closep(&p->console_fd);
	free(p->waiters);
	free(p->spec);
	free(p->id);
	free(p->prefix);
	free(p);
}

char *proc_file(const struct proc *p, const char *ending)
{
	return str_printf("%s.%s", p->prefix, ending);
}

static struct stdio *find_stdio(void *data, const char *exec_id)
{
	struct proc *p = task_find(data, exec_id);

	return p ? &p->io : NULL;
}

static void on_owner_gone(void *data)
{
	task_maybe_run_command(data);
}

static void on_process_left(void *data, struct stdio *io)
{
	struct proc *p = io->owner;

	(void)data;
	/* An exec has one client: its input ends with it, also when it never sent any. */
	if (p->id[0] && p->state == PROC_RUNNING && io->is_stdin_once)
		stdio_close_input(io);
	proc_forget_later(p);
}

/* Execs must not use up the descriptors: a shim that cannot accept a connection is lost to everybody. */
static size_t max_execs(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return EXECS_MIN;
	if (l.rlim_cur >= OTHER_FDS + EXECS_MAX * EXEC_FDS)
		return EXECS_MAX;
	if (l.rlim_cur <= OTHER_FDS + EXECS_MIN * EXEC_FDS)
		return EXECS_MIN;
	return (l.rlim_cur - OTHER_FDS) / EXEC_FDS;
}

static int open_log(struct task *t, struct err *e)
{
	AUTO_FREE char *dir = NULL;
	struct logfile_options lo;
	int r;

	if (!t->o.stdio_uri || streq(t->o.stdio_uri, "null:"))
		return 0;
	r = logfile_parse_uri(t->o.stdio_uri, &dir, &lo, e);
	if (r == 0)
		r = logfile_open(dir, &lo, &t->pool.log, e);
	return r;
}

int task_init(struct task *t, struct ev_loop *l, const struct shim_options *o, int dir,
	      struct err *e)
{
	const char *base = strrchr(o->runtime, '/');
	int r;

	t->loop = l;
	t->dir = dir;
	t->o = *o;
	t->is_own_runtime = streq(base ? base + 1 : o->runtime, "corten-runtime");
	t->group.oom = CG_OOM_INIT;
	t->pool.loop = l;
	t->pool.dir = dir;
	t->attach.data = t;
	t->attach.find = find_stdio;
	t->attach.owner_gone = on_owner_gone;
	t->attach.process_left = on_process_left;
	t->execs_max = max_execs();
	r = journal_open(dir, &t->journal);
	if (r < 0)
		return err_sys(e, r, "open the exit journal");
	r = proc_new(t, "", &t->init);
	if (r < 0)
		return err_set(e, r, "out of memory");
	t->procs = t->init;
	t->procs_len = 1;
	t->init->io.is_terminal = o->is_terminal;
	t->init->io.has_stdin = o->has_stdin;
	t->init->io.is_stdin_once = o->is_stdin_once;
	t->init->io.is_logged = true;
	return open_log(t, e);
}

void task_done(struct task *t)
{
	ev_timer_stop(&t->command_due);
	attach_server_stop(&t->attach);
	runtime_done(t);
	stdio_pool_done(&t->pool);
	group_close(&t->group);
	journal_close(&t->journal);
}

struct proc *task_find(struct task *t, const char *exec_id)
{
	for (struct proc *p = t->procs; p; p = p->next)
		if (streq(p->id, exec_id ? exec_id : ""))
			return p;
	return NULL;
}

/* An exec's id becomes part of file names. */
static bool is_id_valid(const char *id)
{
	size_t n = strlen(id);

	if (n == 0 || n >= JOURNAL_ID_MAX || id[0] == '.')
		return false;
	return strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == n;
}

int task_add_exec(struct task *t, const char *exec_id, struct proc **ret, struct err *e)
{
	struct proc *p;
	int r;

	if (!is_id_valid(exec_id))
		return err_set(e, -EINVAL, "exec id '%.60s' is not valid", exec_id);
	if (task_find(t, exec_id))
		return err_set(e, -EEXIST, "id %s already exists", exec_id);
	/* The init is none. */
	if (t->procs_len > t->execs_max)
		return err_set_code(
			e, -ENOSPC, ERR_RESOURCE_EXHAUSTED,
			"container '%s' has %zu execs already, its limit: wait until some end",
			t->o.id, t->execs_max);
	r = proc_new(t, exec_id, &p);
	if (r < 0)
		return err_set(e, r, "out of memory");
	p->next = t->init->next;
	t->init->next = p;
	t->procs_len++;
	*ret = p;
	return 0;
}

void task_remove_exec(struct proc *p)
{
	/* The pid comes last: by it a successor finds what is left of an exec. */
	static const char *const endings[] = { "json", "start", "pid" };
	struct task *t = p->t;

	ASSERT(p != t->init);
	for (struct proc **link = &t->procs; *link; link = &(*link)->next) {
		if (*link != p)
			continue;
		*link = p->next;
		break;
	}
	t->procs_len--;
	stdio_done(&p->io, p->prefix);
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		AUTO_FREE char *name = proc_file(p, endings[i]);

		if (name)
			unlinkat(t->dir, name, 0);
	}
	proc_free(p);
}

static bool is_forgettable(const struct proc *p)
{
	if (!p->is_ours || p->io.clients || p->waiters_len > 0)
		return false;
	return p->state == PROC_NEW || (p->state == PROC_STOPPED && p->io.is_drained);
}

static void on_forget(struct ev_timer *t)
{
	struct proc *p = t->data;

	if (is_forgettable(p))
		task_remove_exec(p);
}

void proc_forget_later(struct proc *p)
{
	bool is_unstarted = p->state == PROC_NEW && !p->was_refused;

	/* Whatever stands against it now calls again when it goes. */
	if (!is_forgettable(p))
		return;
	if (ev_timer_start(p->t->loop, &p->forget, is_unstarted ? FORGET_UNSTARTED_MS : FORGET_MS,
			   on_forget, p) < 0)
		log_warn("'%s' stays until the container ends: out of memory", p->prefix);
}

static void on_wait_end(struct ttrpc_call *call, void *data)
{
	struct proc *p = data;

	for (size_t i = 0; i < p->waiters_len; i++)
		if (p->waiters[i] == call)
			p->waiters[i--] = p->waiters[--p->waiters_len];
	proc_forget_later(p);
}

int proc_add_waiter(struct proc *p, struct ttrpc_call *call)
{
	int r = mem_grow(&p->waiters, &p->waiters_cap, p->waiters_len + 1, sizeof(*p->waiters));

	if (r < 0)
		return r;
	p->waiters[p->waiters_len++] = call;
	ttrpc_call_on_end(call, on_wait_end, p);
	return 0;
}

static void run_command(struct task *t)
{
	struct spawn_options so = { .path = t->o.exit_command[0],
				    .argv = t->o.exit_command,
				    .cwd = "/" };
	struct journal_record note = { .flags = JOURNAL_COMMAND, .exited_at_ns = clock_wall_ns() };
	struct err e = ERR_INIT;
	struct child c;
	int r;

	t->is_command_run = true;
	ev_timer_stop(&t->command_due);
	journal_append(&t->journal, &note);
	r = proc_spawn(&so, &c, &e);
	if (r < 0) {
		log_error("exit command: %s", err_text(&e, r));
		return;
	}
	t->command_pid = c.pid;
	close(c.pidfd);
}

void task_maybe_run_command(struct task *t)
{
	bool is_ended = t->init->state == PROC_STOPPED || t->init->state == PROC_DELETED;

	if (!is_ended || !t->o.exit_command || t->is_command_run || t->attach.owners > 0)
		return;
	run_command(t);
}

static void on_command_due(struct ev_timer *timer)
{
	task_maybe_run_command(timer->data);
}

void task_expect_shutdown(struct task *t)
{
	/* An owner that is there has promised it, and is heard when it goes. */
	if (t->o.exit_command && !t->is_command_run)
		ev_timer_start(t->loop, &t->command_due, SHUTDOWN_WAIT_MS, on_command_due, t);
}

static void on_drained(struct stdio *io)
{
	struct proc *p = io->owner;
	struct attach_exit x = {
		.status = p->exit.status,
		.is_oom = !!(p->exit.flags & JOURNAL_OOM),
		.exited_at_ns = p->exit.exited_at_ns,
	};

	attach_exit(io->clients, &x);
	proc_forget_later(p);
}

void proc_restored(struct proc *p)
{
	p->io.drained = on_drained;
}

static void check_oom(struct task *t)
{
	if (t->group.is_open && t->group.oom.fd >= 0 && cg_oom_read(&t->group.oom) > 0)
		t->is_oom = true;
}

static void answer_waiters(struct proc *p)
{
	while (p->waiters_len > 0)
		service_answer_exit(p->waiters[--p->waiters_len], &p->exit);
}

void proc_ended(struct proc *p, uint32_t status, int64_t at_ns, bool is_guessed)
{
	struct task *t = p->t;
	bool is_init = p == t->init;
	struct err e = ERR_INIT;
	int r;

	check_oom(t);
	p->exit = (struct journal_record){
		.flags = (is_init && t->is_oom ? JOURNAL_OOM : 0) |
			 (is_guessed ? JOURNAL_GUESSED : 0),
		.exited_at_ns = at_ns,
		.pid = p->pid,
		.status = status,
	};
	snprintf(p->exit.exec_id, sizeof(p->exit.exec_id), "%s", p->id);
	r = journal_append(&t->journal, &p->exit);
	if (r < 0)
		log_error("exit of '%s' not recorded: %s", p->prefix, err_text(NULL, r));
	r = proc_move(is_init, &p->state, PROC_STOPPED, "end", &e);
	ASSERT(r == 0);
	ops_ended(p);
	fd_closep(&p->pidfd);
	stdio_end(&p->io, on_drained);
	answer_waiters(p);
	proc_forget_later(p);
	if (is_init)
		task_maybe_run_command(t);
}

static bool is_live(const struct proc *p)
{
	return p->pid > 0 && (p->state == PROC_CREATED || p->state == PROC_STARTING ||
			      p->state == PROC_RUNNING || p->state == PROC_PAUSED);
}

void task_reaped(struct task *t, pid_t pid, int status, int64_t at_ns)
{
	if (runtime_reaped(t, pid, status))
		return;
	for (struct proc *p = t->procs; p; p = p->next) {
		if (p->pid != pid || !is_live(p))
			continue;
		proc_ended(p, (uint32_t)status, at_ns, false);
		return;
	}
	if (t->runtime_calls && pid != t->command_pid && t->orphans_len < ORPHANS_MAX)
		t->orphans[t->orphans_len++] = (struct orphan){ pid, status, at_ns };
}

static int read_pid(struct proc *p, pid_t *ret, struct err *e)
{
	AUTO_FREE char *name = proc_file(p, "pid");
	AUTO_FREE char *text = NULL;
	int64_t n;
	int r = name ? file_read_at(p->t->dir, name, 32, &text, NULL) : -ENOMEM;

	if (r == 0) {
		text[strcspn(text, "\n")] = '\0';
		r = str_to_i64(text, 1, INT32_MAX, &n);
	}
	if (r < 0)
		return err_sys(e, r, "read the pid that the runtime wrote");
	*ret = (pid_t)n;
	return 0;
}

int proc_take_pid(struct proc *p, struct err *e)
{
	struct task *t = p->t;
	int r = read_pid(p, &p->pid, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < t->orphans_len; i++) {
		if (t->orphans[i].pid != p->pid)
			continue;
		proc_ended(p, (uint32_t)t->orphans[i].status, t->orphans[i].at_ns, false);
		return 0;
	}
	p->pidfd = proc_pidfd_open(p->pid);
	if (p->pidfd < 0)
		return err_sys(e, p->pidfd, "open process %d", (int)p->pid);
	proc_note_start(p);
	return 0;
}

static void on_oom(struct ev_io *io, uint32_t events)
{
	struct task *t = io->data;
	int64_t n = cg_oom_read(&t->group.oom);

	(void)events;
	if (n > 0)
		t->is_oom = true;
	if (n < 0) {
		ev_io_stop(io);
		cg_oom_done(&t->group.oom);
	}
}

void task_open_group(struct task *t)
{
	struct err e = ERR_INIT;

	if (t->group.is_open || group_open(&t->group, t->init->pid, &e) < 0) {
		log_debug("cgroup: %s", err_text(&e, 0));
		return;
	}
	if (cg_oom_open(&t->group.cg, &t->group.oom, &e) < 0) {
		log_debug("oom watch: %s", err_text(&e, 0));
		return;
	}
	ev_io_start(t->loop, &t->oom_watch, t->group.oom.fd, (uint32_t)t->group.oom.events, on_oom,
		    t);
}
