#include "shim/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "codec/json.h"
#include "shim/task.h"
#include "sys/calls.h"

/* Hooks run inside the runtime's time; beyond this it is stuck and killed. */
#define RUNTIME_LIMIT_MS (10 * 60 * 1000)
#define RUNTIME_LOG_MAX ((size_t)256 << 10)

struct runtime_call {
	struct runtime_call *next, **link;
	struct task *t;
	pid_t pid;
	int pidfd;
	struct ev_timer limit;
	char *log;
	char *input_file;
	const char *verb;
	struct proc *p;
	void *data;
	runtime_done_fn done;
};

struct log_line {
	const char *level, *msg;
};

static const struct json_field log_rows[] = {
	JSON_ROW(log_line, level, "level", JSON_STR, 0),
	JSON_ROW(log_line, msg, "msg", JSON_STR, 0),
};
static JSON_TABLE(log_table, "log line", log_line, log_rows);

static void call_free(struct runtime_call *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	ev_timer_stop(&c->limit);
	fd_closep(&c->pidfd);
	if (c->log)
		unlinkat(c->t->dir, c->log, 0);
	if (c->input_file)
		unlinkat(c->t->dir, c->input_file, 0);
	free(c->log);
	free(c->input_file);
	free(c);
}

struct word_row {
	const char *words;
	enum err_code code;
	int r;
};

/* Runtimes say in words only what callers need as a class. */
static const struct word_row word_rows[] = {
	{ "executable file not found", ERR_NOT_FOUND, -ENOENT },
	{ "no such file or directory", ERR_NOT_FOUND, -ENOENT },
	{ "permission denied", ERR_PERMISSION_DENIED, -EACCES },
	{ "is a directory", ERR_PERMISSION_DENIED, -EACCES },
	{ "already exists", ERR_ALREADY_EXISTS, -EEXIST },
	{ "does not exist", ERR_NOT_FOUND, -ENOENT },
};

static int set_words(const char *verb, const char *words, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(word_rows); i++)
		if (strstr(words, word_rows[i].words))
			return err_set_code(e, word_rows[i].r, word_rows[i].code,
					    "OCI runtime %s failed: %s", verb, words);
	return err_set_code(e, -EIO, ERR_UNKNOWN, "OCI runtime %s failed: %s", verb, words);
}

/* The last line that is an error, or the last one. */
static int read_error(struct runtime_call *c, int status, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FREE char *text = NULL;
	const char *words = NULL;
	char *save = NULL;
	size_t len;

	if (file_read_at(c->t->dir, c->log, RUNTIME_LOG_MAX, &text, &len) < 0)
		return err_set_code(e, -EIO, ERR_UNKNOWN, "OCI runtime %s failed with status %d",
				    c->verb, status);
	for (char *p = strtok_r(text, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
		struct log_line line;

		if (json_read(&log_table, p, strlen(p), NULL, &a, &line, NULL) < 0)
			line = (struct log_line){ "error", p };
		if (line.msg && (!words || !line.level || streq(line.level, "error") ||
				 streq(line.level, "fatal")))
			words = line.msg;
	}
	if (!words)
		return err_set_code(e, -EIO, ERR_UNKNOWN, "OCI runtime %s failed with status %d",
				    c->verb, status);
	return set_words(c->verb, words, e);
}

static void on_limit(struct ev_timer *t)
{
	struct runtime_call *c = t->data;

	proc_pidfd_kill(c->pidfd, SIGKILL);
}

static int build_argv(struct task *t, const struct runtime_args *a, const char *log, char ***ret)
{
	AUTO_STRV char **v = NULL;
	const char *const global[] = { t->o.runtime, "--root", t->o.runtime_root,
				       "--log",	     log,      "--log-format",
				       "json",	     a->verb };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(global); i++)
		r = strv_add(&v, global[i]);
	for (size_t i = 0; r == 0 && a->args[i]; i++)
		r = strv_add(&v, a->args[i]);
	if (r == 0)
		*ret = TAKE_PTR(v);
	return r;
}

/* A detached clone of the runtime's file that cannot be written to, whoever opens it by which name. */
static int clone_file(const char *path)
{
	struct k_mount_attr ro = { .set = K_ATTR_RDONLY };
	AUTO_FD file = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FD tree = -EBADF;
	char magic[4];
	int r;

	if (file < 0)
		return -errno;
	/* A script's interpreter needs a name to open. */
	if (pread(file, magic, sizeof(magic), 0) != sizeof(magic) || memcmp(magic, "\177ELF", 4))
		return -ENOEXEC;
	tree = k_open_tree(file, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return tree;
	r = k_mount_setattr(tree, "", AT_EMPTY_PATH, &ro);
	return r < 0 ? r : TAKE_FD(tree);
}

/* Once for the shim's life: the runtime that made a container is the one that deletes it. */
static void clone_runtime(struct task *t)
{
	AUTO_FREE char *path = realpath(t->o.runtime, NULL);
	int r;

	if (t->runtime_fd > 0 || t->is_runtime_plain)
		return;
	r = path ? clone_file(path) : -errno;
	if (r >= 0) {
		t->runtime_fd = r;
		*strrchr(path, '/') = '\0';
		if (setenv(PROC_LIBEXEC_ENV, path, 1) == 0)
			return;
		r = -errno;
		fd_closep(&t->runtime_fd);
	}
	t->is_runtime_plain = true;
	log_debug("runtime '%s' is executed in place: %s", t->o.runtime, err_text(NULL, r));
}

void runtime_done(struct task *t)
{
	if (t->runtime_fd > 0)
		fd_closep(&t->runtime_fd);
}

static int spawn(struct task *t, const struct runtime_args *a, const char *log, struct child *ret,
		 struct err *e)
{
	AUTO_STRV char **argv = NULL;
	struct spawn_fd fds[4];
	struct spawn_options so = { .path = t->o.runtime, .fds = fds };

	if (build_argv(t, a, log, &argv) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	so.argv = argv;
	clone_runtime(t);
	so.exec_fd = t->runtime_fd;
	for (int i = 0; a->stdio && i < 3; i++)
		fds[so.fds_len++] = (struct spawn_fd){ a->stdio[i], i };
	if (a->root_fd > 0)
		fds[so.fds_len++] = (struct spawn_fd){ a->root_fd, 3 };
	return proc_spawn(&so, ret, e);
}

int runtime_start(struct task *t, const struct runtime_args *a, struct err *e)
{
	struct runtime_call *c = calloc(1, sizeof(*c));
	struct child child;
	int r;

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	c->t = t;
	c->pidfd = -EBADF;
	c->next = t->runtime_calls;
	c->link = &t->runtime_calls;
	if (c->next)
		c->next->link = &c->next;
	t->runtime_calls = c;
	c->log = str_printf("runtime-%llu.log", (unsigned long long)t->next_file++);
	c->input_file = a->input_file ? strdup(a->input_file) : NULL;
	c->verb = a->verb;
	c->p = a->p;
	c->data = a->data;
	c->done = a->done;
	r = c->log ? spawn(t, a, c->log, &child, e) : err_set(e, -ENOMEM, "out of memory");
	if (r < 0) {
		call_free(c);
		return r;
	}
	c->pid = child.pid;
	c->pidfd = child.pidfd;
	ev_timer_start(t->loop, &c->limit, RUNTIME_LIMIT_MS, on_limit, c);
	return 0;
}

int runtime_reaped(struct task *t, pid_t pid, int status)
{
	for (struct runtime_call *c = t->runtime_calls; c; c = c->next) {
		struct err e = ERR_INIT;
		struct runtime_call done = *c;
		int r;

		if (c->pid != pid)
			continue;
		r = status ? read_error(c, status, &e) : 0;
		call_free(c);
		done.done(t, done.p, done.data, r, &e);
		if (!t->runtime_calls)
			t->orphans_len = 0;
		return true;
	}
	return false;
}
