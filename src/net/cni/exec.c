/* Running plugins of others: environment, input, output with limits, a deadline, and errors in libcni's words. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "net/cni/priv.h"

extern char **environ;

/* What is kept of standard error: its last lines. */
#define TAIL_MAX 300
#define READ_MAX ((size_t)64 << 10)
/* What may lie in a pipe when the program has ended; its children may go on writing. */
#define LAST_READS 16
/* A program that is being replaced cannot be executed for a moment (ETXTBSY). */
#define BUSY_TRIES 20
#define BUSY_WAIT_MS 50

static const struct {
	const char *name, *verb;
} commands[] = {
	[CNI_ADD] = { "ADD", "add" },	    [CNI_DEL] = { "DEL", "delete" },
	[CNI_CHECK] = { "CHECK", "check" }, [CNI_STATUS] = { "STATUS", "status" },
	[CNI_GC] = { "GC", "gc" },	    [CNI_VERSIONS] = { "VERSION", "version" },
};

const char *cni_command_name(enum cni_command c)
{
	return commands[c].name;
}

const char *cni_command_verb(enum cni_command c)
{
	return commands[c].verb;
}

int cni_check_type(const char *type, struct err *e)
{
	if (!type || !*type)
		return err_set(e, -EINVAL, "missing 'type' of a plugin");
	if (strchr(type, '/') || streq(type, ".") || streq(type, "..") || strlen(type) > NAME_MAX)
		return err_set(e, -EINVAL,
			       "invalid plugin name '%.100s': it is looked for in the plugins' "
			       "folders and cannot be a path",
			       type);
	return 0;
}

static int find_program(const char *type, const char *path, char **ret, struct err *e)
{
	const char *p = path ? path : "";
	int r = cni_check_type(type, e);

	if (r < 0)
		return r;
	while (*p) {
		size_t n = strcspn(p, ":");
		AUTO_FREE char *file = str_printf("%.*s/%s", (int)n, p, type);
		struct stat st;

		if (!file)
			return err_set(e, -ENOMEM, "no memory to find plugin '%s'", type);
		if (n > 0 && stat(file, &st) == 0 && S_ISREG(st.st_mode)) {
			*ret = TAKE_PTR(file);
			return 0;
		}
		p += n + (p[n] == ':');
	}
	return err_set(e, -ENOENT, "failed to find plugin \"%s\" in path [%s]", type,
		       path ? path : "");
}

/* The caller's environment, CNI's variables replaced. */
static int make_environment(const struct cni_call *call, char ***ret)
{
	AUTO_FREE char *netns = NULL;
	AUTO_STRV char **env = NULL;
	int r = 0;

	if (!call->netns_path && call->netns_fd >= 0)
		netns = str_printf("/proc/%d/fd/%d", getpid(), call->netns_fd);
	for (char **p = environ; r == 0 && p && *p; p++)
		if (!str_skip(*p, "CNI_"))
			r = strv_add(&env, *p);
	const struct {
		const char *name, *value;
	} rows[] = {
		{ "COMMAND", cni_command_name(call->command) },
		{ "CONTAINERID", call->container_id },
		{ "NETNS", netns ? netns : call->netns_path },
		{ "ARGS", call->args },
		{ "IFNAME", call->ifname },
		{ "PATH", call->path },
	};

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(rows); i++)
		r = strv_addf(&env, "CNI_%s=%s", rows[i].name, rows[i].value ? rows[i].value : "");
	if (r == 0)
		*ret = TAKE_PTR(env);
	return r;
}

/* ---- the conversation ---- */

struct talk {
	struct child child;
	int out, err;	     /* our ends, non-blocking; -EBADF: ended */
	struct strbuf *text; /* borrowed */
	char tail[TAIL_MAX + 1];
	size_t tail_len;
};

static void talk_done(struct talk *t)
{
	if (t->child.pid > 0) {
		/* Its session is its own; the id is taken as long as it is not reaped. */
		kill(-t->child.pid, SIGKILL);
		proc_kill_wait(&t->child);
	}
	fd_closep(&t->out);
	fd_closep(&t->err);
}

/* Keeps the end of what was there and came. */
static void tail_add(struct talk *t, const char *p, size_t n)
{
	size_t keep;

	if (n > TAIL_MAX) {
		p += n - TAIL_MAX;
		n = TAIL_MAX;
	}
	keep = MIN(t->tail_len, TAIL_MAX - n);
	memmove(t->tail, t->tail + t->tail_len - keep, keep);
	memcpy(t->tail + keep, p, n);
	t->tail_len = keep + n;
	t->tail[t->tail_len] = '\0';
}

/* One read of what is there: its bytes, 0 for none. */
static size_t read_some(int *fd, char *buf)
{
	ssize_t n = *fd < 0 ? -1 : read(*fd, buf, READ_MAX);

	if (n == 0 || (n < 0 && *fd >= 0 && errno != EAGAIN && errno != EINTR))
		fd_closep(fd);
	return n > 0 ? (size_t)n : 0;
}

/* Reads both, `reads` times at most. */
static int read_both(struct talk *t, char *buf, int reads)
{
	for (size_t got = 1; got && reads > 0; reads--) {
		size_t n = read_some(&t->err, buf);

		tail_add(t, buf, n);
		got = n;
		n = read_some(&t->out, buf);
		if (n > CNI_TEXT_MAX - t->text->len)
			return -EFBIG;
		strbuf_add(t->text, buf, n);
		got += n;
	}
	return strbuf_ok(t->text);
}

/* Until the program ends; children that hold its output open do not count. */
static int talk(struct talk *t, int64_t deadline_ms, int *ret_status)
{
	AUTO_FREE char *buf = malloc(READ_MAX);
	int64_t end = clock_mono_ms() + deadline_ms;
	bool has_ended = false;

	if (!buf)
		return -ENOMEM;
	while (!has_ended) {
		struct pollfd p[] = { { .fd = t->out, .events = POLLIN },
				      { .fd = t->err, .events = POLLIN },
				      { .fd = t->child.pidfd, .events = POLLIN } };
		int64_t left = end - clock_mono_ms();
		int r;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(p, ARRAY_LEN(p), (int)MIN(left, INT_MAX)) < 0 && errno != EINTR)
			return -errno;
		has_ended = p[2].revents;
		r = read_both(t, buf, has_ended ? LAST_READS : 1);
		if (r < 0)
			return r;
	}
	return proc_wait(&t->child, 0, ret_status);
}

/* ---- starting ---- */

static int input_of(const struct cni_call *call)
{
	AUTO_FD fd = memfd_create("cni-input", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_full(fd, call->conf, call->conf_len);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

static int spawn(const struct spawn_options *o, struct child *ret, struct err *e)
{
	const struct timespec wait = { 0, BUSY_WAIT_MS * NSEC_PER_MSEC };
	int r = -ETXTBSY;

	for (int i = 0; r == -ETXTBSY && i < BUSY_TRIES; i++) {
		if (i)
			nanosleep(&wait, NULL);
		r = proc_spawn(o, ret, e);
	}
	return r;
}

static int start(struct talk *t, const char *program, const struct cni_call *call, struct err *e)
{
	AUTO_FD in = input_of(call);
	AUTO_STRV char **env = NULL;
	char *argv[] = { (char *)program, NULL };
	int out[2], err[2], r = in;

	if (r < 0 || (r = make_environment(call, &env)) < 0)
		return err_sys(e, r, "start '%s'", program);
	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "start '%s'", program);
	t->out = out[0];
	AUTO_FD out_end = out[1];

	if (pipe2(err, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "start '%s'", program);
	t->err = err[0];
	AUTO_FD err_end = err[1];
	const struct spawn_fd fds[] = { { in, 0 }, { out_end, 1 }, { err_end, 2 } };
	const struct spawn_options o = { .path = program,
					 .argv = argv,
					 .envp = env,
					 .fds = fds,
					 .fds_len = ARRAY_LEN(fds),
					 .is_session_leader = true,
					 .dies_with_parent = true };

	fd_set_nonblock(t->out, true);
	fd_set_nonblock(t->err, true);
	return spawn(&o, &t->child, e);
}

/* ---- what came of it ---- */

/* The last lines, in one line, without what a terminal would obey. */
static const char *tail_words(struct talk *t)
{
	char *p = t->tail, *newline = t->tail_len == TAIL_MAX ? memchr(p, '\n', TAIL_MAX) : NULL;

	while (t->tail_len && (unsigned char)p[t->tail_len - 1] <= ' ')
		t->tail_len--;
	for (size_t i = 0; i < t->tail_len; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			p[i] = ' ';
	p[t->tail_len] = '\0';
	return newline && newline < p + t->tail_len ? newline + 1 : p;
}

static int fail(const char *type, const struct cni_call *call, struct talk *t, int r,
		const char *words, struct err *e)
{
	const char *tail = tail_words(t);

	return err_set(e, r, "plugin type=\"%s\" failed (%s): %s%s%s%s", type,
		       cni_command_verb(call->command), words, *tail ? ": \"" : "", tail,
		       *tail ? "\"" : "");
}

/* It ended with a status: by an error document, or without. */
static int failed_itself(const char *type, const struct cni_call *call, struct talk *t, int status,
			 struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = 4 * CNI_TEXT_MAX };
	struct cni_error ce;
	struct err why = ERR_INIT;
	char words[160];

	if (t->text->len) {
		if (json_read(&cni_error_table, t->text->p, t->text->len, NULL, &a, &ce, &why) == 0)
			return cni_error_take(&ce, type, cni_command_verb(call->command), e);
		snprintf(words, sizeof(words),
			 "netplugin failed but its diagnostic message cannot be read (%.80s)",
			 why.msg);
	} else if (status > 128) {
		snprintf(words, sizeof(words), "netplugin failed: signal %d", status - 128);
	} else {
		snprintf(words, sizeof(words), "netplugin failed: exit status %d", status);
	}
	return fail(type, call, t, -EREMOTEIO, words, e);
}

static int failed_talk(const char *type, const struct cni_call *call, struct talk *t, int r,
		       int64_t deadline_ms, struct err *e)
{
	char words[160];

	if (r == -ETIMEDOUT)
		snprintf(words, sizeof(words), "it did not end within %lld ms and was killed",
			 (long long)deadline_ms);
	else if (r == -EFBIG)
		snprintf(words, sizeof(words), "it printed more than %zu bytes and was killed",
			 CNI_TEXT_MAX);
	else
		snprintf(words, sizeof(words), "its output cannot be read: %s", strerror(-r));
	return fail(type, call, t, r, words, e);
}

int cni_exec_text(const char *type, const struct cni_call *call, int64_t deadline_ms,
		  struct strbuf *out, struct err *e)
{
	CLEANUP(talk_done)
	struct talk t = { .out = -EBADF, .err = -EBADF, .text = out };
	AUTO_FREE char *program = NULL;
	int status = 0, r = find_program(type, call->path, &program, e);

	if (deadline_ms <= 0)
		deadline_ms = CNI_DEADLINE_MS;
	r = r < 0 ? r : start(&t, program, call, e);
	if (r < 0)
		return err_wrap(e, r, "plugin type=\"%s\" failed (%s)", type,
				cni_command_verb(call->command));
	r = talk(&t, deadline_ms, &status);
	if (r < 0)
		return failed_talk(type, call, &t, r, deadline_ms, e);
	if (status)
		return failed_itself(type, call, &t, status, e);
	if (t.tail_len)
		log_debug("plugin %s: %s", type, tail_words(&t));
	return 0;
}

int cni_exec(const char *type, const struct cni_call *call, int64_t deadline_ms,
	     struct cni_result **ret, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	int r = cni_exec_text(type, call, deadline_ms, &out, e);

	if (call->command != CNI_ADD) {
		*ret = NULL;
		return r;
	}
	if (r == 0)
		r = cni_result_read(out.p ? out.p : "", out.len, call->c ? call->c->version : NULL,
				    call->a, ret, e);
	else
		return r;
	if (r < 0)
		return err_wrap(e, r,
				"plugin type=\"%s\" failed (add): what it printed is no result",
				type);
	return 0;
}
