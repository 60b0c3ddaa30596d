/* exec */
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/commands.h"

struct exec_options {
	bool is_detached, is_interactive, is_privileged, is_tty;
	const char *detach_keys, *user, *workdir;
	char **env;
};

static const struct opt rows[] = {
	{ "detach", 'd', OPT_BOOL, 0, offsetof(struct exec_options, is_detached), NULL,
	  "Detached mode: run command in the background", NULL },
	{ "detach-keys", 0, OPT_STR, 0, offsetof(struct exec_options, detach_keys), "string",
	  "Override the key sequence for detaching a container", NULL },
	{ "env", 'e', OPT_STRV, 0, offsetof(struct exec_options, env), "list",
	  "Set environment variables", NULL },
	{ "env-file", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	{ "interactive", 'i', OPT_BOOL, 0, offsetof(struct exec_options, is_interactive), NULL,
	  "Keep STDIN open even if not attached", NULL },
	{ "privileged", 0, OPT_BOOL, 0, offsetof(struct exec_options, is_privileged), NULL,
	  "Give extended privileges to the command", NULL },
	{ "tty", 't', OPT_BOOL, 0, offsetof(struct exec_options, is_tty), NULL,
	  "Allocate a pseudo-TTY", NULL },
	{ "user", 'u', OPT_STR, 0, offsetof(struct exec_options, user), "string",
	  "Username or UID (format: \"<name|uid>[:<group|gid>]\")", NULL },
	{ "workdir", 'w', OPT_STR, 0, offsetof(struct exec_options, workdir), "string",
	  "Working directory inside the container", NULL },
	OPT_END,
};

static int attach_and_run(struct cli *c, const struct exec_options *o, const char *id,
			  const char *exec_id, int task_fd, int *ret_code, struct err *e)
{
	struct session *s = NULL;
	bool is_detached = false;
	int r = session_open(c,
			     &(struct session_options){
				     .task_fd = task_fd,
				     .exec_id = exec_id,
				     .has_stdin = o->is_interactive,
				     .has_output = true,
				     .is_terminal = o->is_tty,
				     .detach_keys = o->detach_keys,
				     .id = id,
			     },
			     &s, e);

	if (r == 0)
		r = engine_exec_start(c->engine, task_fd, exec_id, e);
	if (r < 0)
		*ret_code = cli_start_code(e, r);
	else
		r = session_run(s, ret_code, &is_detached, e);
	session_free(s);
	if (!is_detached)
		engine_exec_delete(c->engine, task_fd, exec_id, NULL);
	return r;
}

static int exec_command(struct cli *c, const struct exec_options *o, char **args)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD task_fd = -EBADF;
	struct engine_container found;
	struct err e = ERR_INIT;
	uint16_t width = 0, height = 0;
	const char *exec_id;
	int code = 1, r;

	if (o->is_tty && o->is_interactive && !o->is_detached && !isatty(0))
		return cli_failf(1, "the input device is not a TTY");
	if (!cli_engine(c))
		return 1;
	if (o->is_tty && !o->is_detached)
		tty_size(1, &width, &height);
	r = engine_container_find(c->engine, args[0], &a, &found, &e);
	if (r == 0)
		r = engine_exec_create(c->engine, found.id,
				       &(struct engine_exec_options){
					       .command = args + 1,
					       .env = o->env,
					       .workdir = o->workdir,
					       .user = o->user,
					       .is_terminal = o->is_tty,
					       .has_stdin = o->is_interactive && !o->is_detached,
					       .is_privileged = o->is_privileged,
					       .rows = height,
					       .columns = width,
				       },
				       &a, &exec_id, &task_fd, &e);
	if (r < 0)
		return cli_fail(&e, r, 1);
	if (o->is_detached) {
		r = engine_exec_start(c->engine, task_fd, exec_id, &e);
		code = r < 0 ? cli_start_code(&e, r) : 0;
	} else {
		r = attach_and_run(c, o, found.id, exec_id, task_fd, &code, &e);
		if (r < 0 && code == 0)
			code = 1;
	}
	return r < 0 ? cli_fail(&e, r, code) : code;
}

static int exec_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct exec_options o = { 0 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	if (first >= 0)
		code = exec_command(c, &o, argv + first);
	strv_free(o.env);
	return code;
}

const struct cli_command cli_exec = {
	"exec",
	"[OPTIONS] CONTAINER COMMAND [ARG...]",
	"Execute a command in a running container",
	rows,
	OPT_STOP_AT_POSITIONAL,
	2,
	-1,
	false,
	exec_main,
};
