/*
 * shimctl: drives a shim without an engine, for tests. `shimctl COMMAND TASK_FOLDER [ARGUMENT…]`; numbers and
 * words go to standard output, errors to standard error with exit status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "shim/attach.h"
#include "shim/client.h"
#include "shim/logfile.h"

struct args {
	int dir;
	int n;
	char **v; /* behind the folder */
	struct shim *shim;
};

static const char *arg(const struct args *a, int i)
{
	return i < a->n && a->v[i][0] ? a->v[i] : NULL;
}

/* A number of the test's own command line: anything else is a mistake in the test. */
static int number(const char *text)
{
	int64_t n = 0;
	int r = str_to_i64(text ? text : "", INT32_MIN, INT32_MAX, &n);

	ASSERT(r == 0);
	return (int)n;
}

static bool has_word(const struct args *a, const char *word)
{
	for (int i = 0; i < a->n; i++)
		if (streq(a->v[i], word))
			return true;
	return false;
}

static const char *value_of(const struct args *a, const char *key)
{
	for (int i = 0; i < a->n; i++) {
		const char *v = str_skip(a->v[i], key);

		if (v)
			return v;
	}
	return NULL;
}

/* shim DIR id=ID runtime=PATH root=DIR [log=URI] [terminal] [stdin] [once] [lower=A:B upper= work=] [bind=DIR] -- exit command */
static int cmd_shim(struct args *a, struct err *e)
{
	AUTO_STRV char **mount_options = NULL;
	struct shim_mount m = { .type = "overlay", .source = "overlay" };
	struct shim_options o = {
		.ns = "default",
		.id = value_of(a, "id="),
		.runtime = value_of(a, "runtime="),
		.runtime_root = value_of(a, "root="),
		.stdio_uri = value_of(a, "log="),
		.is_terminal = has_word(a, "terminal"),
		.has_stdin = has_word(a, "stdin"),
		.is_stdin_once = has_word(a, "once"),
	};

	for (int i = 0; i < a->n; i++)
		if (streq(a->v[i], "--"))
			o.exit_command = a->v + i + 1;
	if (value_of(a, "lower="))
		strv_addf(&mount_options, "lowerdir=%s", value_of(a, "lower="));
	if (value_of(a, "upper=")) {
		strv_addf(&mount_options, "upperdir=%s", value_of(a, "upper="));
		strv_addf(&mount_options, "workdir=%s", value_of(a, "work="));
	}
	if (value_of(a, "bind=")) {
		m.type = "bind";
		m.source = value_of(a, "bind=");
	}
	m.options = mount_options;
	o.mounts = &m;
	o.mounts_len = mount_options || value_of(a, "bind=") ? 1 : 0;
	return shim_start(a->dir, &o, &a->shim, e);
}

static int cmd_adopt(struct args *a, struct err *e)
{
	return shim_adopt(a->dir, &a->shim, e);
}

static int cmd_create(struct args *a, struct err *e)
{
	pid_t pid;
	int r = shim_create(a->shim, &pid, e);

	if (r == 0)
		printf("%d\n", (int)pid);
	return r;
}

static int cmd_start(struct args *a, struct err *e)
{
	pid_t pid;
	int r = shim_start_process(a->shim, arg(a, 0), &pid, e);

	if (r == 0)
		printf("%d\n", (int)pid);
	return r;
}

static int cmd_exec(struct args *a, struct err *e)
{
	struct shim_exec_options o = {
		.exec_id = arg(a, 0),
		.process_json = arg(a, 1),
		.is_terminal = has_word(a, "terminal"),
		.has_stdin = has_word(a, "stdin"),
	};

	return shim_exec(a->shim, &o, e);
}

static int cmd_wait(struct args *a, struct err *e)
{
	struct shim_exit x;
	int r = shim_wait(a->shim, arg(a, 0), arg(a, 1) ? number(arg(a, 1)) : 30000, &x, e);

	if (r == 0)
		printf("%u\n", x.status);
	return r;
}

static int cmd_state(struct args *a, struct err *e)
{
	static const char *const names[] = { "created", "running", "paused", "stopped", "unknown" };
	struct shim_state s;
	int r = shim_get_state(a->shim, arg(a, 0), &s, e);

	if (r == 0)
		printf("%s %d %u\n", names[s.status], (int)s.pid, s.exit.status);
	return r;
}

/* kill DIR EXEC SIGNAL [all] */
static int cmd_kill(struct args *a, struct err *e)
{
	return shim_kill(a->shim, arg(a, 0), number(arg(a, 1)), has_word(a, "all"), e);
}

static int cmd_delete(struct args *a, struct err *e)
{
	struct shim_exit x;
	int r = shim_delete(a->shim, arg(a, 0), &x, e);

	if (r == 0)
		printf("%u\n", x.status);
	return r;
}

static int cmd_shutdown(struct args *a, struct err *e)
{
	return shim_shutdown(a->shim, e);
}

static int cmd_forget(struct args *a, struct err *e)
{
	(void)e;
	shim_forget(a->dir);
	return 0;
}

static int cmd_pause(struct args *a, struct err *e)
{
	return shim_pause(a->shim, e);
}

static int cmd_resume(struct args *a, struct err *e)
{
	return shim_resume(a->shim, e);
}

static int cmd_resize(struct args *a, struct err *e)
{
	return shim_resize(a->shim, arg(a, 0), (uint16_t)number(arg(a, 1)),
			   (uint16_t)number(arg(a, 2)), e);
}

static int cmd_update(struct args *a, struct err *e)
{
	return shim_update(a->shim, arg(a, 0), e);
}

static int cmd_pids(struct args *a, struct err *e)
{
	AUTO_FREE pid_t *pids = NULL;
	size_t n;
	int r = shim_pids(a->shim, &pids, &n, e);

	for (size_t i = 0; r == 0 && i < n; i++)
		printf("%d\n", (int)pids[i]);
	return r;
}

static int cmd_exit(struct args *a, struct err *e)
{
	struct shim_exit x;
	int r = shim_read_exit(a->dir, arg(a, 0), &x);

	if (r < 0)
		return err_sys(e, r, "no exit record");
	printf("%u %s\n", x.status, x.is_oom ? "oom" : "-");
	return 0;
}

/* Copies standard input and the process's output; the end is the process's exit status. */
static int relay(int fd, bool has_stdin, struct err *e)
{
	AUTO_FREE char *buf = malloc(LIMIT_ATTACH_FRAME);
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
			       { .fd = has_stdin ? 0 : -1, .events = POLLIN } };

	for (;;) {
		enum attach_type type;
		struct attach_exit x;
		ssize_t n;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents) {
			n = read(0, buf, LIMIT_ATTACH_FRAME);
			if (n <= 0)
				p[1].fd = -1;
			attach_send(fd, n > 0 ? ATTACH_STDIN : ATTACH_STDIN_END, buf,
				    n > 0 ? (size_t)n : 0);
		}
		if (!p[0].revents)
			continue;
		n = attach_recv(fd, &type, buf);
		if (n < 0)
			return err_sys(e, (int)n, "attach");
		if (type == ATTACH_STDOUT || type == ATTACH_STDERR)
			fd_write_full(type == ATTACH_STDOUT ? 1 : 2, buf, (size_t)n);
		if (type == ATTACH_ERROR)
			return err_set(e, -EIO, "%.*s", (int)MIN(n, 400), buf);
		if (type == ATTACH_EXIT) {
			memcpy(&x, buf, sizeof(x));
			return (int)x.status;
		}
	}
}

/*
 * attach DIR EXEC [stdin] [owner] [background] [go] [hold]: "go" starts the process once attached, "hold" keeps the
 * connection after the end until standard input ends.
 */
static int cmd_attach(struct args *a, struct err *e)
{
	unsigned int flags = ATTACH_WANTS_OUTPUT;
	AUTO_FD fd = -EBADF;
	int r = 0;

	flags |= has_word(a, "background") ? 0 : ATTACH_FOREGROUND;
	flags |= has_word(a, "owner") ? ATTACH_OWNER : 0;
	fd = attach_open(a->dir, arg(a, 0), flags, NULL, e);
	if (fd < 0)
		return fd;
	if (has_word(a, "go"))
		r = shim_start_process(a->shim, arg(a, 0), NULL, e);
	if (r == 0)
		r = relay(fd, has_word(a, "stdin"), e);
	while (r >= 0 && has_word(a, "hold") && read(0, (char[64]){ 0 }, 64) > 0)
		;
	return r;
}

/* logs LOG_FOLDER TAIL [follow] */
static int cmd_logs(struct args *a, struct err *e)
{
	struct logreader_options o = { .tail = arg(a, 1) ? number(arg(a, 1)) : -1 };
	struct logreader *l;
	struct log_entry entry;
	int r = logreader_open(arg(a, 0), &o, &l, e);

	if (r < 0)
		return r;
	for (;;) {
		r = logreader_next(l, &entry);
		if (r > 0)
			fwrite(entry.text, 1, entry.len,
			       entry.stream == LOG_STDERR ? stderr : stdout);
		if (r < 0 || (r == 0 && !has_word(a, "follow")))
			break;
		if (r == 0) {
			fflush(stdout);
			poll(&(struct pollfd){ .fd = logreader_fd(l), .events = POLLIN }, 1, -1);
			(void)!read(logreader_fd(l), (char[4096]){ 0 }, 4096);
		}
	}
	logreader_close(l);
	return r;
}

static const struct command {
	const char *name;
	int (*run)(struct args *a, struct err *e);
	bool is_offline;
} commands[] = {
	{ "shim", cmd_shim, true },	 { "adopt", cmd_adopt, true },
	{ "create", cmd_create, false }, { "start", cmd_start, false },
	{ "exec", cmd_exec, false },	 { "wait", cmd_wait, false },
	{ "state", cmd_state, false },	 { "kill", cmd_kill, false },
	{ "delete", cmd_delete, false }, { "pause", cmd_pause, false },
	{ "resume", cmd_resume, false }, { "shutdown", cmd_shutdown, false },
	{ "resize", cmd_resize, false }, { "update", cmd_update, false },
	{ "pids", cmd_pids, false },	 { "exit", cmd_exit, true },
	{ "attach", cmd_attach, false }, { "logs", cmd_logs, true },
	{ "forget", cmd_forget, true },
};

static int run(const struct command *c, struct args *a, struct err *e)
{
	int r = c->is_offline ? 0 : shim_connect(a->dir, &a->shim, e);

	if (r == 0)
		r = c->run(a, e);
	shim_close(a->shim);
	return r;
}

int main(int argc, char **argv)
{
	struct args a = { 0 };
	struct err e = ERR_INIT;
	int r = -EINVAL;

	if (argc < 3)
		return 2;
	a.dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	a.n = argc - 3;
	a.v = argv + 3;
	if (a.dir < 0) {
		perror(argv[2]);
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (streq(argv[1], commands[i].name))
			r = run(&commands[i], &a, &e);
	if (r >= 0)
		return r;
	fprintf(stderr, "shimctl: %s (%s)\n", err_text(&e, r),
		err_code_name((enum err_code)e.code));
	return 1;
}
