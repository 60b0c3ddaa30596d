#include "oci/cmd.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "sys/mnt.h"
#include "sys/ns.h"
#include "sys/root.h"

#define ROOT_DEFAULT "/run/runc"
/* runc exec's own failure; every other command's is 1. */
#define EXIT_EXEC_FAILED 255
#define EXIT_NO_COMMAND 3
#define EXIT_FAILED 1

const struct cmd cmd_rows[] = {
	{ "checkpoint", "<container-id>", "checkpoint a running container", 1, -1, 0,
	  cmd_checkpoint },
	{ "create", "<container-id>", "create a container", 1, 1, 0, cmd_create },
	{ "delete", "<container-id>", "delete any resources held by the container", 1, 1, 0,
	  cmd_delete },
	{ "events", "<container-id>",
	  "display container events such as OOM notifications and statistics", 1, 1, 0,
	  cmd_events },
	{ "exec", "<container-id> <command> [command options]",
	  "execute new process inside the container", 1, -1, 0, cmd_exec },
	{ "features", "", "show the enabled features", 0, 0, 0, cmd_features },
	{ "kill", "<container-id> [signal]", "send a signal to the container's init process", 1, 2,
	  0, cmd_kill },
	{ "list", "", "list containers started by the runtime with the given root", 0, 0, 0,
	  cmd_list },
	{ "mounts", "add|remove <container-id> <file>",
	  "add or remove mounts of a running container", 3, 3, 0, cmd_mounts },
	{ "pause", "<container-id>", "suspend all processes inside the container", 1, 1, 0,
	  cmd_pause },
	{ "plan", "", "print the steps that a bundle means", 0, 0, CMD_HIDDEN, cmd_plan },
	{ "ps", "<container-id> [ps options]", "display the processes running inside a container",
	  1, -1, 0, cmd_ps },
	{ "restore", "<container-id>", "restore a container from a previous checkpoint", 1, -1, 0,
	  cmd_restore },
	{ "resume", "<container-id>", "resume all processes that have been paused", 1, 1, 0,
	  cmd_resume },
	{ "run", "<container-id>", "create and run a container", 1, 1, 0, cmd_run },
	{ "spec", "", "create a new specification file", 0, 0, 0, cmd_spec_file },
	{ "start", "<container-id>", "start a created container", 1, 1, 0, cmd_start },
	{ "state", "<container-id>", "output the state of a container", 1, 1, 0, cmd_state },
	{ "update", "<container-id>", "update container resource constraints", 1, 1, 0,
	  cmd_update },
	{ 0 },
};

struct globals {
	const char *root, *log, *log_format, *rootless;
	bool is_debug, is_systemd, is_version, has_old_kernel;
	int64_t error_fd;
};

#define G(name, letter, kind, flags, member, arg, help)                                      \
	{                                                                                    \
		name, letter, kind, flags, offsetof(struct globals, member), arg, help, NULL \
	}

static const struct opt global_opts[] = {
	G("debug", 0, OPT_BOOL, OPT_GO, is_debug, NULL, "Enable debug logging"),
	G("error-fd", 0, OPT_I64, OPT_HIDDEN, error_fd, "fd",
	  "Write the error as struct err there too"),
	G("log", 0, OPT_STR, OPT_GO, log, "file",
	  "Set the log file to write logs to (default: stderr)"),
	G("log-format", 0, OPT_STR, OPT_GO, log_format, "format",
	  "Set the log format: text or json (default: text)"),
	G("old-kernel", 0, OPT_BOOL, OPT_HIDDEN, has_old_kernel, NULL,
	  "Tests: do without detached mounts and openat2, as on kernels that lack them"),
	G("root", 0, OPT_STR, OPT_GO, root, "dir", "Root directory for storage of container state"),
	G("rootless", 0, OPT_STR, OPT_GO, rootless, "value",
	  "Ignore cgroup permission errors: true, false or auto"),
	G("systemd-cgroup", 0, OPT_BOOL, OPT_GO, is_systemd, NULL, "Enable systemd cgroup support"),
	G("version", 'v', OPT_BOOL, OPT_GO, is_version, NULL, "Print the version"),
	OPT_END,
};

/* Both in runc's order, on standard output in case of an error too: some look for its first lines. */
static void print_usage(void)
{
	printf("NAME:\n   %s - Open Container Initiative runtime\n\nUSAGE:\n   %s [global options] "
	       "command [command options] [arguments...]\n\nCOMMANDS:\n",
	       program_invocation_short_name, program_invocation_short_name);
	for (const struct cmd *c = cmd_rows; c->name; c++)
		if (!(c->flags & CMD_HIDDEN))
			printf("   %-12s %s\n", c->name, c->help);
	putchar('\n');
	opt_print_help(global_opts, stdout);
}

static const struct cmd *find_cmd(const char *name)
{
	for (const struct cmd *c = cmd_rows; c->name; c++)
		if (streq(c->name, name))
			return c;
	return NULL;
}

static void print_cmd_usage(const struct cmd *c, const struct opt *rows)
{
	printf("NAME:\n   %s %s - %s\n\nUSAGE:\n   %s %s [command options] %s\n\n",
	       program_invocation_short_name, c->name, c->help, program_invocation_short_name,
	       c->name, c->args);
	opt_print_help(rows, stdout);
}

/* Go's words for options, because callers probe by them; `e` has those of the docker command line. */
static void go_words(struct err *e, int r)
{
	const char *flag = str_skip(e->msg, "unknown flag: --"), *quote;
	char copy[128];

	if (!flag) {
		quote = str_skip(e->msg, "unknown shorthand flag: '");
		if (quote)
			flag = strstr(quote, "' in -");
		flag = flag ? flag + strlen("' in -") : NULL;
	}
	if (!flag)
		return;
	snprintf(copy, sizeof(copy), "%s", flag);
	err_set(e, r, "flag provided but not defined: -%s", copy);
}

static int wrong_count(const struct cmd *c, int n, struct err *e)
{
	bool is_exact = c->args_min == c->args_max, is_few = n < c->args_min;

	return err_set(e, -EINVAL, "%s: \"%s\" requires %s %d argument(s)", program_invocation_name,
		       c->name,
		       is_exact ? "exactly"
		       : is_few ? "a minimum of"
				: "a maximum of",
		       is_few || is_exact ? c->args_min : c->args_max);
}

int cmd_parse(const char *name, const struct opt *rows, unsigned int flags, int argc, char **argv,
	      void *target, struct err *e)
{
	const struct cmd *c = find_cmd(name);
	bool is_help = false;
	int first, r = opt_parse(rows, flags | OPT_ALL_GO, argc, argv, target, &first, &is_help, e);

	if (r < 0) {
		go_words(e, r);
		printf("Incorrect Usage: %s\n\n", err_text(e, r));
		print_cmd_usage(c, rows);
		return r;
	}
	if (is_help) {
		print_cmd_usage(c, rows);
		return -ECANCELED;
	}
	if (argc - first < c->args_min || (c->args_max >= 0 && argc - first > c->args_max)) {
		puts("Incorrect Usage.\n");
		print_cmd_usage(c, rows);
		return wrong_count(c, argc - first, e);
	}
	return first;
}

/* As runc: root of a user namespace that a user made (podman) is that user, unless $USER says root. */
static bool is_user(void)
{
	const char *user = getenv("USER");

	return geteuid() != 0 || (ns_in_user() && (!user || !streq(user, "root")));
}

/* runc's default roots: /run/runc for root, $XDG_RUNTIME_DIR/runc for others. */
static const char *default_root(char *buf, size_t size)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (!xdg || *xdg != '/' || !is_user())
		return ROOT_DEFAULT;
	snprintf(buf, size, "%s/runc", xdg);
	return buf;
}

/* Absolute, because `run` changes to the bundle before it makes the folder. */
static int find_root(const char *given, char *buf, size_t size, const char **ret, struct err *e)
{
	char here[PATH_MAX];

	*ret = given && *given ? given : default_root(buf, size);
	if (**ret == '/')
		return 0;
	if (!getcwd(here, sizeof(here)))
		return err_sys(e, -errno, "getcwd");
	if ((size_t)snprintf(buf, size, "%s/%s", here, *ret) >= size)
		return err_set(e, -ENAMETOOLONG, "state root '%s'", *ret);
	*ret = buf;
	return 0;
}

/* As runc: "auto" is true for everybody but root of the first user namespace. */
static int find_rootless(const char *given, bool *ret, struct err *e)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False" };

	for (size_t i = 0; given && i < ARRAY_LEN(yes); i++) {
		*ret = streq(given, yes[i]);
		if (*ret || streq(given, no[i]))
			return 0;
	}
	if (given && *given && !streq(given, "auto"))
		return err_set(e, -EINVAL, "invalid value for --rootless: \"%s\"", given);
	*ret = geteuid() != 0 || ns_in_user();
	return 0;
}

static int set_up_log(const struct globals *g, struct err *e)
{
	struct log_options lo = { .level = g->is_debug ? LOG_DEBUG : LOG_INFO,
				  .fd = -1,
				  .format = LOG_FORMAT_TEXT,
				  .has_whole_seconds = true };

	if (g->log_format && streq(g->log_format, "json"))
		lo.format = LOG_FORMAT_JSON;
	else if (g->log_format && *g->log_format && !streq(g->log_format, "text"))
		return err_set(e, -EINVAL, "invalid log-format: %s", g->log_format);
	if (g->log && *g->log) {
		lo.fd = open(g->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
		if (lo.fd < 0)
			return err_set(e, -errno, "open %s: %s", g->log, err_words(errno));
		/* Out of the way of descriptors that the container keeps. */
		if (lo.fd < 100) {
			int high = fcntl(lo.fd, F_DUPFD_CLOEXEC, 100);

			if (high >= 0) {
				close(lo.fd);
				lo.fd = high;
			}
		}
	}
	log_setup(&lo);
	return 0;
}

static void report(const struct globals *g, int r, const struct err *e)
{
	/* As runc: into the log, and to standard error for people when the log is a file. */
	log_error("%s", err_text(e, r));
	if (g->log && *g->log)
		fprintf(stderr, "%s\n", err_text(e, r));
	if (g->error_fd > 2)
		fd_write_full((int)g->error_fd, e, sizeof(*e));
}

static int fail(const struct globals *g, int r, const struct err *e, int code)
{
	report(g, r, e);
	return code;
}

int cmd_main(int argc, char **argv)
{
	struct globals g = { .error_fd = -1 };
	struct err e = ERR_INIT;
	struct runtime rt;
	char root[PATH_MAX];
	bool is_help = false;
	int first = argc, r;
	const struct cmd *c;

	/* A hook that does not read its state, or a caller that is gone, is an error like any other. */
	signal(SIGPIPE, SIG_IGN);
	log_setup(&(struct log_options){ .level = LOG_INFO,
					 .fd = -1,
					 .format = LOG_FORMAT_TEXT,
					 .has_whole_seconds = true });
	r = opt_parse(global_opts, OPT_STOP_AT_POSITIONAL | OPT_ALL_GO, argc, argv, &g, &first,
		      &is_help, &e);
	if (r < 0) {
		go_words(&e, r);
		printf("Incorrect Usage. %s\n\n", err_text(&e, r));
		print_usage();
		return fail(&g, r, &e, EXIT_FAILED);
	}
	if (g.is_version) {
		printf("%s version " CORTEN_VERSION "\ncommit: v" CORTEN_VERSION
		       "\nspec: " RUNTIME_SPEC "\n",
		       program_invocation_short_name);
		return 0;
	}
	if (is_help || first == argc || streq(argv[first], "help")) {
		print_usage();
		return 0;
	}
	r = set_up_log(&g, &e);
	if (r < 0) {
		/* There is only standard error then. */
		g.log = NULL;
		return fail(&g, r, &e, EXIT_FAILED);
	}
	c = find_cmd(argv[first]);
	if (!c) {
		err_set(&e, -EINVAL, "No help topic for '%s'", argv[first]);
		return fail(&g, -EINVAL, &e, EXIT_NO_COMMAND);
	}
	rt = (struct runtime){ .is_debug = g.is_debug,
			       .is_systemd = g.is_systemd,
			       .is_root_given = g.root && *g.root };
	r = find_root(g.root, root, sizeof(root), &rt.root, &e);
	if (r == 0)
		r = find_rootless(g.rootless, &rt.is_rootless, &e);
	if (r < 0)
		return fail(&g, r, &e, EXIT_FAILED);
	if (g.has_old_kernel) {
		mnt_force_legacy(true);
		root_force_walk(true);
	}
	r = c->run(&rt, argc - first, argv + first, &e);
	if (r == -ECANCELED && !e.errnum)
		return 0;
	return r < 0 ? fail(&g, r, &e, c->run == cmd_exec ? EXIT_EXEC_FAILED : EXIT_FAILED) : r;
}

int cmd_open(const struct runtime *rt, const char *id, struct cmd_container *c, struct err *e)
{
	int r;

	*c = (struct cmd_container){ .root = -EBADF, .dir = -EBADF };
	r = state_check_id(id, e);
	if (r < 0)
		return r;
	c->root = state_root_open(rt->root, false, NULL);
	c->dir = state_open(c->root, id, e);
	if (c->dir < 0)
		return c->dir;
	r = state_read(c->dir, &c->arena, &c->state, e);
	if (r == -ENOENT) {
		*e = ERR_INIT;
		r = 0;
	}
	return r;
}

int cmd_cgroup(struct cmd_container *c, struct err *e)
{
	int r = cg_host_probe(&c->host, e);

	return r < 0 || !c->state ? r : state_cgroup(&c->host, c->state, &c->cg, e);
}

void cmd_done(struct cmd_container *c)
{
	fd_closep(&c->dir);
	fd_closep(&c->root);
	if (c->cg.host)
		cg_done(&c->cg);
	cg_host_done(&c->host);
	arena_done(&c->arena);
}

int cmd_spec(struct cmd_container *c, struct oci_spec **ret, struct err *e)
{
	const char *bundle = c->state ? state_label(c->state, "bundle") : NULL;
	char path[PATH_MAX];

	if (!bundle ||
	    (size_t)snprintf(path, sizeof(path), "%s/config.json", bundle) >= sizeof(path))
		return err_set(e, -ENOENT, "the container's bundle is not known");
	return run_read_spec(path, &c->arena, ret, e);
}
