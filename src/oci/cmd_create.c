#include "oci/cmd.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "oci/hooks.h"

/* The init opens the fifo as soon as we do; only a stuck or frozen one takes longer. */
#define START_TIMEOUT_MS 30000

struct args {
	struct create_options o;
	int64_t rootfs_fd;
	uint32_t preserve_fds;
};

#define A(name, letter, kind, flags, member, arg, help)                                   \
	{                                                                                 \
		name, letter, kind, flags, offsetof(struct args, member), arg, help, NULL \
	}
#define CREATE_OPTS                                                                        \
	A("bundle", 'b', OPT_STR, 0, o.bundle, "dir",                                      \
	  "Path to the bundle (default: the current directory)"),                          \
		A("config", 'f', OPT_STR, 0, o.config, "file",                             \
		  "The file to read instead of config.json"),                              \
		A("console-socket", 0, OPT_STR, 0, o.console_socket, "path",               \
		  "Unix socket that gets the master end of the console's pseudoterminal"), \
		A("pidfd-socket", 0, OPT_STR, 0, o.pidfd_socket, "path",                   \
		  "Unix socket that gets a pidfd of the init"),                            \
		A("pid-file", 0, OPT_STR, 0, o.pid_file, "file",                           \
		  "The file to write the process id to"),                                  \
		A("no-pivot", 0, OPT_BOOL, 0, o.no_pivot, NULL,                            \
		  "Do not use pivot_root (rootfs on a ramdisk)"),                          \
		A("no-new-keyring", 0, OPT_BOOL, 0, o.no_keyring, NULL,                    \
		  "Do not create a new session keyring"),                                  \
		A("preserve-fds", 0, OPT_U32, 0, preserve_fds, "n",                        \
		  "Pass N additional descriptors to the container"),                       \
		A("no-subreaper", 0, OPT_BOOL, 0, o.no_subreaper, NULL,                    \
		  "Do not reap reparented processes"),                                     \
		A("rootfs-fd", 0, OPT_I64, OPT_HIDDEN, rootfs_fd, "fd",                    \
		  "A detached mount that becomes the root")

static const struct opt create_opts[] = { CREATE_OPTS, OPT_END };
static const struct opt run_opts[] = {
	CREATE_OPTS,
	A("detach", 'd', OPT_BOOL, 0, o.is_detached, NULL, "Detach from the container's process"),
	A("keep", 0, OPT_BOOL, 0, o.keeps, NULL, "Do not delete the container after it exits"),
	OPT_END,
};

static int start_args(const char *name, const struct opt *rows, int argc, char **argv,
		      struct args *a, struct err *e)
{
	int first = cmd_parse(name, rows, 0, argc, argv, a, e);

	if (first < 0)
		return first;
	if (a->preserve_fds > 1024)
		return err_set(e, -EINVAL, "--preserve-fds is above 1024");
	a->o.id = argv[first];
	a->o.preserve_fds = a->preserve_fds;
	a->o.rootfs_fd = (int)a->rootfs_fd;
	for (unsigned int i = 0; i < run_listen_fds() + a->preserve_fds; i++)
		if (fcntl((int)i + 3, F_GETFD) < 0)
			return err_set(e, -EBADF,
				       "unable to preserve descriptor %u: it is not open", i + 3);
	return 0;
}

int cmd_create(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	struct args a = { .rootfs_fd = -1 };
	int r = start_args("create", create_opts, argc, argv, &a, e);

	if (r == 0)
		r = run_create(rt, &a.o, e);
	return r < 0 && r != -ECANCELED ? err_wrap(e, r, "runc create failed") : r;
}

int cmd_run(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	struct args a = { .rootfs_fd = -1 };
	int r;

	a.o.is_run = true;
	r = start_args("run", run_opts, argc, argv, &a, e);
	if (r == 0)
		r = run_create(rt, &a.o, e);
	return r < 0 && r != -ECANCELED ? err_wrap(e, r, "runc run failed") : r;
}

/* The init's "0", or its death, whichever comes first. */
static int read_fifo(int dir, int pidfd, struct err *e)
{
	AUTO_FD fifo = openat(dir, STATE_FIFO, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct pollfd p[] = { { .fd = fifo, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
	char c;
	int n;

	if (fifo < 0)
		return err_sys(e, -errno, "open exec fifo");
	n = poll(p, 2, START_TIMEOUT_MS);
	if (n == 0)
		return err_set(e, -ETIMEDOUT,
			       "the container's init does not answer (is it frozen?)");
	if (n < 0)
		return err_sys(e, -errno, "wait for init");
	if (p[0].revents & POLLIN && read(fifo, &c, 1) == 1)
		return 0;
	return err_set(e, -ESRCH, "container process is already dead");
}

static int poststart(struct cmd_container *c, struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	CLEANUP(hooks_output_done) struct hooks_output o = HOOKS_OUTPUT_NONE;
	struct oci_spec *spec;
	int r = cmd_spec(c, &spec, NULL);

	if (r < 0 || !spec->hooks || !spec->hooks->poststart.n)
		return 0;
	state_hook_json(spec, c->state->id, state_label(c->state, "bundle"), c->state->pid,
			"running", &text);
	r = hooks_output_open(spec, &o, e);
	if (r == 0)
		r = hooks_run(spec->hooks->poststart.v, spec->hooks->poststart.n, "poststart",
			      text.p, state_label(c->state, "bundle"), &o, e);
	return r;
}

int cmd_start(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	static const struct opt none[] = { OPT_END };
	AUTO_CONTAINER c = { 0 };
	AUTO_FD pidfd = -EBADF;
	int first = cmd_parse("start", none, 0, argc, argv, NULL, e), r;
	enum state_status st;

	if (first < 0)
		return first;
	r = cmd_open(rt, argv[first], &c, e);
	if (r < 0)
		return r;
	st = state_status(c.dir, c.state);
	if (st == STATE_STOPPED)
		return err_set_code(e, -ESRCH, ERR_FAILED_PRECONDITION,
				    "cannot start a container that has stopped");
	if (st == STATE_RUNNING)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				    "cannot start an already running container");
	if (st != STATE_CREATED)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				    "cannot start a container in the %s state",
				    state_status_name(st));
	pidfd = state_pidfd(c.state);
	if (pidfd < 0)
		return err_set(e, pidfd, "cannot start a container that has stopped");
	r = read_fifo(c.dir, pidfd, e);
	if (r < 0)
		return r;
	if (unlinkat(c.dir, STATE_FIFO, 0) < 0)
		return err_sys(e, -errno, "remove exec fifo");
	r = poststart(&c, e);
	if (r < 0) {
		/* runtime-spec 1.3: a poststart hook that fails is an error; the container ends. */
		proc_pidfd_kill(pidfd, SIGKILL);
		run_destroy(c.root, argv[first], c.state, NULL);
	}
	return r;
}
