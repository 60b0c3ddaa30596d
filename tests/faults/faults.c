/*
 * faults: runs a scenario with its whole process tree traced, counts the system calls of each program,
 * and at the n-th call of one program kills it or makes the call fail.
 *
 * A call is counted, and hit, before the kernel carries it out. Order between programs that run at the
 * same time is the scheduler's, so n means the same call again only where the program itself is
 * sequential. The driver never waits for daemons: once the scenario's first process has ended, whatever
 * is left is released and runs on untraced.
 */
#include "trace.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define INJECTIONS_MAX 16
#define ONLY_MAX 64
#define TIMEOUT_DEFAULT_S 120
#define DRAIN_TIMEOUT_S 10

enum exit_status {
	EXIT_TIMED_OUT = 124,
	EXIT_DRIVER = 125,
	EXIT_NOT_FOUND = 127,
};

enum injection_kind {
	INJECT_KILL,
	INJECT_FAIL,
};

struct injection {
	enum injection_kind kind;
	char program[PROGRAM_NAME_MAX]; /* "*": any, counted together */
	uint64_t n;			/* from 1 */
	bool is_onwards;		/* this call and all later ones */
	int errnum;
	uint64_t hits;
	pid_t tid;
	long nr; /* the call that was hit first */
};

struct driver {
	struct trace trace;
	struct injection injections[INJECTIONS_MAX];
	int n_injections;
	long only[ONLY_MAX];
	int n_only;
	uint64_t total;
	pid_t main_pid;
	int main_status;
	bool has_main_ended;
	bool is_draining; /* whoever stops is released */
	bool is_waiting_for_all;
	int timeout_s;
	FILE *log;
	const char *report_path;
};

static struct driver driver;
static volatile sig_atomic_t has_timed_out;

static void on_alarm(int sig)
{
	(void)sig;
	has_timed_out = 1;
}

static void set_timeout(int seconds)
{
	/* It repeats, so that an alarm just before waitpid is not lost. */
	struct itimerval v = { .it_value.tv_sec = seconds, .it_interval.tv_usec = 100000 };
	has_timed_out = 0;
	setitimer(ITIMER_REAL, &v, NULL);
}

static void die(const char *what, const char *arg)
{
	fprintf(stderr, "faults: %s '%s'\n", what, arg);
	exit(EXIT_DRIVER);
}

/* -- options -- */

static uint64_t parse_count(const char *s, bool *ret_onwards)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(s, &end, 10);
	*ret_onwards = *end == '+';
	if (errno || end == s || n == 0 || (*end && strcmp(end, "+") != 0))
		die("not a call number of 1 or more", s);
	return n;
}

static int parse_errno(const char *s)
{
	char *end;
	long value = strtol(s, &end, 10);
	if (end != s && !*end && value > 0 && value < 4096)
		return (int)value;
	for (int i = 1; i < 134; i++) {
		const char *name = strerrorname_np(i);
		if (name && strcmp(name, s) == 0)
			return i;
	}
	die("unknown errno", s);
	return 0;
}

/* Parses PROG:N[+] or PROG:N[+]:ERRNO. */
static void add_injection(struct driver *d, enum injection_kind kind, const char *spec)
{
	char copy[256], *colon, *errno_name = NULL;
	if (d->n_injections == INJECTIONS_MAX || strlen(spec) >= sizeof(copy))
		die("too many or too long injections", spec);
	memcpy(copy, spec, strlen(spec) + 1);
	struct injection *i = &d->injections[d->n_injections++];
	i->kind = kind;
	if (kind == INJECT_FAIL) {
		errno_name = strrchr(copy, ':');
		if (!errno_name)
			die("want PROG:N:ERRNO, not", spec);
		*errno_name++ = '\0';
		i->errnum = parse_errno(errno_name);
	}
	colon = strrchr(copy, ':');
	if (!colon || colon == copy)
		die("want PROG:N, not", spec);
	*colon = '\0';
	snprintf(i->program, sizeof(i->program), "%.*s", (int)sizeof(i->program) - 1, copy);
	i->n = parse_count(colon + 1, &i->is_onwards);
}

static void add_only(struct driver *d, char *list)
{
	char *save = NULL;
	for (char *s = strtok_r(list, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
		long nr = syscall_number(s);
		if (nr < 0)
			die("unknown system call", s);
		if (d->n_only == ONLY_MAX)
			die("too many calls in --only at", s);
		d->only[d->n_only++] = nr;
	}
}

static FILE *open_output(const char *path)
{
	FILE *f = fopen(path, "we");
	if (!f)
		die("cannot write", path);
	return f;
}

static const char usage[] =
	"Usage: faults [OPTION...] [--] COMMAND [ARG...]\n"
	"\n"
	"  --kill PROG:N         kill PROG with SIGKILL instead of its N-th system call\n"
	"  --fail PROG:N:ERRNO   the N-th call of PROG does nothing and fails with ERRNO\n"
	"                        (N+ instead of N: that one and every later one)\n"
	"  --only CALL,...       count these system calls only\n"
	"  --report FILE         write counts and hits to FILE instead of standard error\n"
	"  --log FILE            write each counted call: program, number, thread, name\n"
	"  --wait-all            wait for daemons of the scenario too\n"
	"  --timeout SECONDS     kill everything after this time (default 120), exit 124\n"
	"\n"
	"PROG is the basename of an executable; '*' stands for all together.\n"
	"The exit status is the command's, or 128 + signal; 125: the driver failed.\n";

static void parse_options(struct driver *d, int argc, char **argv)
{
	static const struct option options[] = {
		{ "kill", required_argument, NULL, 'k' },
		{ "fail", required_argument, NULL, 'f' },
		{ "only", required_argument, NULL, 'o' },
		{ "report", required_argument, NULL, 'r' },
		{ "log", required_argument, NULL, 'l' },
		{ "wait-all", no_argument, NULL, 'w' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool unused;
	for (int c; (c = getopt_long(argc, argv, "+h", options, NULL)) >= 0;) {
		switch (c) {
		case 'k':
			add_injection(d, INJECT_KILL, optarg);
			break;
		case 'f':
			add_injection(d, INJECT_FAIL, optarg);
			break;
		case 'o':
			add_only(d, optarg);
			break;
		case 'r':
			d->report_path = optarg;
			break;
		case 'l':
			d->log = open_output(optarg);
			break;
		case 'w':
			d->is_waiting_for_all = true;
			break;
		case 't':
			d->timeout_s = (int)(parse_count(optarg, &unused) % 86400);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(EXIT_DRIVER);
		}
	}
	if (optind == argc) {
		fputs(usage, stderr);
		exit(EXIT_DRIVER);
	}
}

/* -- tracing -- */

static bool is_counted(const struct driver *d, long nr)
{
	if (d->n_only == 0)
		return true;
	for (int i = 0; i < d->n_only; i++)
		if (d->only[i] == nr)
			return true;
	return false;
}

/* Calls without a result: a failure would mean nothing to the program. */
static bool can_fail(long nr)
{
	return nr != SYS_exit && nr != SYS_exit_group && nr != SYS_rt_sigreturn;
}

/* With every injection spent there is nothing left to see of system calls. */
static bool wants_calls(const struct driver *d)
{
	for (int i = 0; i < d->n_injections; i++)
		if (d->injections[i].is_onwards || !d->injections[i].hits)
			return true;
	return d->n_injections == 0 || d->log;
}

/*
 * Lets `k` run on, or lets go of it while draining; `k` is then dropped. A task that is gone meanwhile
 * (ESRCH) reports its end by itself, so results are not looked at.
 */
static void resume(struct driver *d, struct task *k, int sig)
{
	int request = PTRACE_SYSCALL;
	if (k->fail_errno == 0) {
		if (d->is_draining)
			request = PTRACE_DETACH;
		else if (!wants_calls(d))
			request = PTRACE_CONT;
	}
	ptrace(request, k->tid, NULL, (long)sig);
	if (request == PTRACE_DETACH)
		trace_drop(&d->trace, k->tid);
}

/* Returns true when `i` is to be carried out at the call numbered `own` of program `name`. */
static bool is_due(const struct driver *d, const struct injection *i, const char *name,
		   uint64_t own)
{
	bool is_any = strcmp(i->program, "*") == 0;
	uint64_t n = is_any ? d->total : own;
	if (!is_any && strcmp(i->program, name) != 0)
		return false;
	return i->is_onwards ? n >= i->n : n == i->n;
}

/* Carries out what is due at this call. Returns true when the task was killed. */
static bool inject(struct driver *d, struct task *k, long nr, uint64_t own)
{
	const char *name = d->trace.programs[k->program].name;
	for (int j = 0; j < d->n_injections; j++) {
		struct injection *i = &d->injections[j];
		if (!is_due(d, i, name, own))
			continue;
		if (i->kind == INJECT_FAIL && !can_fail(nr))
			continue;
		if (i->hits++ == 0) {
			i->tid = k->tid;
			i->nr = nr;
		}
		regs_skip_call(k->tid);
		if (i->kind == INJECT_KILL) {
			kill(k->tid, SIGKILL);
			return true;
		}
		k->fail_errno = i->errnum;
	}
	return false;
}

static void on_call(struct driver *d, struct task *k)
{
	struct __ptrace_syscall_info info;
	long r = ptrace(PTRACE_GET_SYSCALL_INFO, k->tid, sizeof(info), &info);
	if (r > 0 && info.op == PTRACE_SYSCALL_INFO_EXIT && k->fail_errno) {
		regs_set_error(k->tid, k->fail_errno);
		k->fail_errno = 0;
	}
	if (r > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY && !d->is_draining) {
		long nr = (long)info.entry.nr;
		if (is_counted(d, nr)) {
			struct program *p = &d->trace.programs[k->program];
			uint64_t own = ++p->calls;
			d->total++;
			if (d->log)
				fprintf(d->log, "%s %llu %d %s\n", p->name, (unsigned long long)own,
					k->tid, syscall_name(nr));
			if (inject(d, k, nr, own))
				return;
		}
	}
	resume(d, k, 0);
}

static void on_exec(struct driver *d, struct task *k)
{
	unsigned long former = 0;
	ptrace(PTRACE_GETEVENTMSG, k->tid, NULL, &former);
	/* A thread that is not the leader takes the leader's id over; its own is gone. */
	if (former && (pid_t)former != k->tid)
		trace_drop(&d->trace, (pid_t)former);
	trace_executed(&d->trace, k);
	resume(d, k, 0);
}

static bool is_stop_signal(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

static void on_stop(struct driver *d, pid_t tid, int status)
{
	struct task *k = trace_see(&d->trace, tid);
	int sig = WSTOPSIG(status), event = status >> 16;
	if (sig == (SIGTRAP | 0x80)) {
		on_call(d, k);
	} else if (event == PTRACE_EVENT_EXEC) {
		on_exec(d, k);
	} else if (event == PTRACE_EVENT_STOP && is_stop_signal(sig) && !d->is_draining) {
		ptrace(PTRACE_LISTEN, tid, NULL, NULL);
	} else {
		resume(d, k, event ? 0 : sig);
	}
}

static void interrupt_task(struct task *k, void *arg)
{
	(void)arg;
	ptrace(PTRACE_INTERRUPT, k->tid, NULL, NULL);
}

static void kill_task(struct task *k, void *arg)
{
	(void)arg;
	kill(k->tid, SIGKILL);
}

static void start_draining(struct driver *d)
{
	d->is_draining = true;
	set_timeout(DRAIN_TIMEOUT_S);
	trace_each(&d->trace, interrupt_task, NULL);
}

/* The kernel, not the table, knows when the last tracee is gone: waitpid then says ECHILD. */
static int follow(struct driver *d)
{
	bool is_killed = false;
	set_timeout(d->timeout_s);
	for (;;) {
		int status;
		pid_t tid = waitpid(-1, &status, __WALL);
		if (tid < 0 && errno == ECHILD)
			return is_killed ? EXIT_TIMED_OUT : 0;
		if (has_timed_out) {
			fprintf(stderr, "faults: timed out, killing the scenario\n");
			is_killed = true;
			trace_each(&d->trace, kill_task, NULL);
			set_timeout(DRAIN_TIMEOUT_S);
		}
		if (tid < 0)
			continue;
		if (WIFSTOPPED(status)) {
			on_stop(d, tid, status);
			continue;
		}
		trace_drop(&d->trace, tid);
		if (tid != d->main_pid)
			continue;
		d->main_status = status;
		d->has_main_ended = true;
		if (!d->is_waiting_for_all && !is_killed)
			start_draining(d);
	}
}

static pid_t start_scenario(char **argv)
{
	int go[2];
	if (pipe2(go, 0) < 0)
		die("cannot make a pipe:", strerror(errno));
	pid_t pid = fork();
	if (pid < 0)
		die("cannot fork:", strerror(errno));
	if (pid == 0) {
		char c;
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(EXIT_DRIVER);
		close(go[0]);
		execvp(argv[0], argv);
		fprintf(stderr, "faults: cannot run '%s': %s\n", argv[0], strerror(errno));
		_exit(EXIT_NOT_FOUND);
	}
	close(go[0]);
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
		       PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	if (ptrace(PTRACE_SEIZE, pid, NULL, options) < 0)
		die("cannot trace:", strerror(errno));
	if (write(go[1], "g", 1) != 1)
		die("cannot start the scenario:", strerror(errno));
	close(go[1]);
	return pid;
}

/* -- report -- */

static int by_calls(const void *a, const void *b)
{
	const struct program *p = a, *q = b;
	if (p->calls != q->calls)
		return p->calls < q->calls ? 1 : -1;
	return strcmp(p->name, q->name);
}

static void report(struct driver *d)
{
	FILE *f = d->report_path ? open_output(d->report_path) : stderr;
	struct trace *t = &d->trace;
	qsort(t->programs, (size_t)t->n_programs, sizeof(t->programs[0]), by_calls);
	/* Once the injections are spent calls are no longer seen, so counts would mislead. */
	for (int i = 0; wants_calls(d) && i < t->n_programs; i++)
		fprintf(f, "calls\t%s\t%llu\t%llu\n", t->programs[i].name,
			(unsigned long long)t->programs[i].calls,
			(unsigned long long)t->programs[i].processes);
	for (int j = 0; j < d->n_injections; j++) {
		const struct injection *i = &d->injections[j];
		fprintf(f, "%s\t%s\t%llu\t%s\t%d\t%llu\n", i->kind == INJECT_KILL ? "kill" : "fail",
			i->program, (unsigned long long)i->n,
			i->hits ? syscall_name(i->nr) : "never", i->tid,
			(unsigned long long)i->hits);
	}
	if (f != stderr)
		fclose(f);
}

int main(int argc, char **argv)
{
	struct driver *d = &driver;
	struct sigaction sa = { .sa_handler = on_alarm };
	d->timeout_s = TIMEOUT_DEFAULT_S;
	parse_options(d, argc, argv);
	sigaction(SIGALRM, &sa, NULL);
	d->main_pid = start_scenario(argv + optind);
	int r = follow(d);
	report(d);
	if (d->log)
		fclose(d->log);
	if (r)
		return r;
	return WIFEXITED(d->main_status) ? WEXITSTATUS(d->main_status)
					 : 128 + WTERMSIG(d->main_status);
}
