/* start, stop, kill, wait, rm: commands over a list of containers. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "sys/signame.h"

/* What a command does to one container; the name as given is printed on success. */
typedef int (*each_fn)(struct cli *c, const char *id, const void *options, struct err *e);

/* Runs `fn` for each; errors are told and the rest goes on. Returns 0 or 1. */
static int for_each(struct cli *c, char *const *names, each_fn fn, const void *options,
		    bool prints_name)
{
	int code = 0;

	if (!cli_engine(c))
		return 1;
	for (; *names; names++) {
		AUTO_ARENA struct arena a = { 0 };
		struct engine_container found;
		struct err e = ERR_INIT;
		int r = engine_container_find(c->engine, *names, &a, &found, &e);

		if (r == 0)
			r = fn(c, found.id, options, &e);
		if (r < 0)
			code = cli_fail(&e, r, 1);
		else if (prints_name)
			puts(*names);
	}
	return code;
}

/* ---- start ---- */
struct start_options {
	bool is_attached, is_interactive;
	const char *detach_keys;
};

static const struct opt start_rows[] = {
	{ "attach", 'a', OPT_BOOL, 0, offsetof(struct start_options, is_attached), NULL,
	  "Attach STDOUT/STDERR and forward signals", NULL },
	{ "detach-keys", 0, OPT_STR, 0, offsetof(struct start_options, detach_keys), "string",
	  "Override the key sequence for detaching a container", NULL },
	{ "interactive", 'i', OPT_BOOL, 0, offsetof(struct start_options, is_interactive), NULL,
	  "Attach container's STDIN", NULL },
	OPT_END,
};

static int start_one(struct cli *c, const char *id, const void *options, struct err *e)
{
	int r = engine_container_start(c->engine, id, e);

	(void)options;
	return r == -EALREADY ? 0 : r;
}

static int start_attached(struct cli *c, const struct start_options *o, const char *name)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD task_fd = -EBADF;
	struct engine_container found;
	struct session *s = NULL;
	struct err e = ERR_INIT;
	bool is_detached = false;
	int status = 0, r;

	if (!cli_engine(c))
		return 1;
	r = engine_container_find(c->engine, name, &a, &found, &e);
	if (r == 0)
		r = engine_task_create(c->engine, found.id, &task_fd, &e);
	if (r < 0)
		return cli_fail(&e, r, 1);
	r = session_open(c,
			 &(struct session_options){
				 .task_fd = task_fd,
				 .has_stdin = o->is_interactive && found.has_stdin,
				 .has_output = true,
				 .is_terminal = found.is_terminal,
				 .is_owner = true,
				 .is_sig_proxy = !found.is_terminal,
				 .detach_keys = o->detach_keys,
				 .id = found.id,
			 },
			 &s, &e);
	if (r == 0)
		r = engine_task_start(c->engine, found.id, &e);
	if (r == 0)
		r = session_run(s, &status, &is_detached, &e);
	/* As for run: the connection outlives the finish. */
	if (!is_detached)
		engine_task_finish(c->engine, found.id, NULL);
	session_free(s);
	return r < 0 ? cli_fail(&e, r, 1) : status;
}

static int start_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct start_options o = { 0 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (!o.is_attached && !o.is_interactive)
		return for_each(c, argv + first, start_one, &o, true);
	if (argc - first > 1)
		return cli_failf(1, "you cannot start and attach multiple containers at once");
	return start_attached(c, &o, argv[first]);
}

/* ---- stop ---- */
struct stop_options {
	const char *signal;
	int64_t timeout;
};

static const struct opt stop_rows[] = {
	{ "signal", 's', OPT_STR, 0, offsetof(struct stop_options, signal), "string",
	  "Signal to send to the container", NULL },
	{ "timeout", 't', OPT_I64, 0, offsetof(struct stop_options, timeout), "int",
	  "Seconds to wait before killing the container", NULL },
	{ "time", 0, OPT_I64, OPT_HIDDEN, offsetof(struct stop_options, timeout), "int",
	  "Seconds to wait", NULL },
	OPT_END,
};

static int stop_one(struct cli *c, const char *id, const void *options, struct err *e)
{
	const struct stop_options *o = options;

	return engine_container_stop(c->engine, id, o->signal, o->timeout, e);
}

static int stop_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct stop_options o = { .timeout = -1 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	return first < 0 ? code : for_each(c, argv + first, stop_one, &o, true);
}

/* ---- kill ---- */
struct kill_options {
	const char *signal;
};

static const struct opt kill_rows[] = {
	{ "signal", 's', OPT_STR, 0, offsetof(struct kill_options, signal), "string",
	  "Signal to send to the container", NULL },
	OPT_END,
};

static int kill_one(struct cli *c, const char *id, const void *options, struct err *e)
{
	const struct kill_options *o = options;
	int sig = o->signal ? signame_parse(o->signal) : SIGKILL;
	int r;

	if (sig <= 0)
		return err_set(e, -EINVAL, "Invalid signal: %s", o->signal);
	r = engine_container_kill(c->engine, id, sig, e);
	return r < 0 ? err_wrap(e, r, "cannot kill container: %s", id) : 0;
}

static int kill_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct kill_options o = { 0 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	return first < 0 ? code : for_each(c, argv + first, kill_one, &o, true);
}

/* ---- wait ---- */
static int wait_one(struct cli *c, const char *id, const void *options, struct err *e)
{
	int64_t status;
	int r = engine_container_wait(c->engine, id, &status, e);

	(void)options;
	if (r < 0)
		return r;
	/* Told when it ends, not when the last one does. */
	printf("%lld\n", (long long)status);
	return fflush(stdout) ? err_sys(e, -errno, "write to standard output") : 0;
}

static int wait_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	int code, first = cli_parse(cmd, argc, argv, NULL, &code);

	return first < 0 ? code : for_each(c, argv + first, wait_one, NULL, false);
}

/* ---- rm ---- */
struct rm_options {
	bool is_forced, with_volumes;
};

static const struct opt rm_rows[] = {
	{ "force", 'f', OPT_BOOL, 0, offsetof(struct rm_options, is_forced), NULL,
	  "Force the removal of a running container (uses SIGKILL)", NULL },
	{ "link", 'l', OPT_UNSUPPORTED, 0, 0, NULL, NULL, NULL },
	{ "volumes", 'v', OPT_BOOL, OPT_IGNORED, offsetof(struct rm_options, with_volumes), NULL,
	  "Remove anonymous volumes associated with the container (there are none yet)", NULL },
	OPT_END,
};

static int rm_one(struct cli *c, const char *id, const void *options, struct err *e)
{
	const struct rm_options *o = options;

	return engine_container_remove(c->engine, id, o->is_forced, e);
}

/* As docker: with --force a container that is not there is told, and the exit code stays 0. */
static int rm_forced(struct cli *c, const struct rm_options *o, char *const *names)
{
	int code = 0;

	if (!cli_engine(c))
		return 1;
	for (; *names; names++) {
		AUTO_ARENA struct arena a = { 0 };
		struct engine_container found;
		struct err e = ERR_INIT;
		int r = engine_container_find(c->engine, *names, &a, &found, &e);

		if (r == -ENOENT) {
			cli_fail(&e, r, 0);
			continue;
		}
		if (r == 0)
			r = rm_one(c, found.id, o, &e);
		if (r < 0 && r != -ENOENT)
			code = cli_fail(&e, r, 1);
		else
			puts(*names);
	}
	return code;
}

static int rm_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct rm_options o = { 0 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	if (first < 0)
		return code;
	return o.is_forced ? rm_forced(c, &o, argv + first)
			   : for_each(c, argv + first, rm_one, &o, true);
}

#define EACH_USAGE "[OPTIONS] CONTAINER [CONTAINER...]"

const struct cli_command cli_start = {
	"start", EACH_USAGE, "Start one or more stopped containers", start_rows, 0, 1, -1,
	false,	 start_main,
};
const struct cli_command cli_stop = {
	"stop", EACH_USAGE, "Stop one or more running containers", stop_rows, 0, 1, -1,
	false,	stop_main,
};
const struct cli_command cli_kill = {
	"kill", EACH_USAGE, "Kill one or more running containers", kill_rows, 0, 1, -1,
	false,	kill_main,
};
const struct cli_command cli_wait = {
	"wait",
	"CONTAINER [CONTAINER...]",
	"Block until one or more containers stop, then print their exit codes",
	NULL,
	0,
	1,
	-1,
	false,
	wait_main,
};
const struct cli_command cli_rm = {
	"rm", EACH_USAGE, "Remove one or more containers", rm_rows, 0, 1, -1, false, rm_main,
};
