/* Global options, the list of commands, help, errors. */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "cli/cli.h"

struct globals {
	const char *root, *state, *ns, *host, *log_level, *snapshotter;
	bool is_debug, is_version;
};

static const struct opt global_rows[] = {
	{ "debug", 'D', OPT_BOOL, 0, offsetof(struct globals, is_debug), NULL,
	  "Print what is done to standard error", NULL },
	{ "host", 'H', OPT_UNSUPPORTED_ARG, 0, 0, "string", "Daemon to talk to", NULL },
	{ "log-level", 'l', OPT_STR, 0, offsetof(struct globals, log_level), "string",
	  "Least important messages to print (\"debug\", \"info\", \"warn\", \"error\")", NULL },
	{ "namespace", 'n', OPT_STR, 0, offsetof(struct globals, ns), "string",
	  "Namespace of containers and images", "CORTEN_NAMESPACE" },
	{ "root", 0, OPT_STR, 0, offsetof(struct globals, root), "dir",
	  "Folder of images and containers", "CORTEN_ROOT" },
	{ "state", 0, OPT_STR, 0, offsetof(struct globals, state), "dir", "Folder of running tasks",
	  "CORTEN_STATE" },
	{ "storage-driver", 's', OPT_STR, 0, offsetof(struct globals, snapshotter), "string",
	  "Snapshotter of a new root folder: overlayfs, or native where overlays are refused",
	  "CORTEN_SNAPSHOTTER" },
	{ "version", 'v', OPT_BOOL, 0, offsetof(struct globals, is_version), NULL,
	  "Print the version and quit", NULL },
	OPT_END,
};

int cli_fail(const struct err *e, int r, int code)
{
	fprintf(stderr, "corten: %s\n", err_text(e, r));
	return code;
}

int cli_failf(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("corten: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

static void print_command_help(const struct cli_command *cmd)
{
	printf("Usage:  corten %s %s\n\n%s\n", cmd->name, cmd->usage, cmd->summary);
	if (cmd->rows && (cmd->rows->name || cmd->rows->letter)) {
		putchar('\n');
		opt_print_help(cmd->rows, stdout);
	}
}

/* docker's words for a wrong number of arguments. */
static int wrong_count(const struct cli_command *cmd, int own_failure)
{
	const char *plural = cmd->args_min == 1 ? "" : "s";

	if (cmd->args_max == 0)
		fprintf(stderr, "corten: 'corten %s' accepts no arguments\n", cmd->name);
	else if (cmd->args_min == cmd->args_max)
		fprintf(stderr, "corten: 'corten %s' requires %d argument%s\n", cmd->name,
			cmd->args_min, plural);
	else
		fprintf(stderr, "corten: 'corten %s' requires at least %d argument%s\n", cmd->name,
			cmd->args_min, plural);
	fprintf(stderr, "\nUsage:  corten %s %s\n\nRun 'corten %s --help' for more information\n",
		cmd->name, cmd->usage, cmd->name);
	return own_failure;
}

/* run and create have 125 for their own mistakes, the others 1 or, for unknown flags, 125 as docker. */
static int failure_code(const struct cli_command *cmd)
{
	return streq(cmd->name, "run") || streq(cmd->name, "create") ? EXIT_OWN_FAILURE : 1;
}

int cli_parse(const struct cli_command *cmd, int argc, char **argv, void *target, int *ret_code)
{
	static const struct opt none[] = { OPT_END };
	struct err e = ERR_INIT;
	bool is_help = false;
	int first = 0, n, r;

	r = opt_parse(cmd->rows ? cmd->rows : none, cmd->parse_flags, argc, argv, target, &first,
		      &is_help, &e);
	if (is_help) {
		print_command_help(cmd);
		*ret_code = 0;
		return -1;
	}
	if (r < 0) {
		fprintf(stderr,
			"corten: %s\n\nUsage:  corten %s %s\n\nRun 'corten %s --help' for more information\n",
			err_text(&e, r), cmd->name, cmd->usage, cmd->name);
		*ret_code = EXIT_OWN_FAILURE;
		return -1;
	}
	n = argc - first;
	if (n < cmd->args_min || (cmd->args_max >= 0 && n > cmd->args_max)) {
		*ret_code = wrong_count(cmd, failure_code(cmd));
		return -1;
	}
	return first;
}

int cli_start_code(const struct err *e, int r)
{
	static const struct {
		const char *words;
		int code;
	} rules[] = {
		{ "executable file not found", EXIT_COMMAND_NOT_FOUND },
		{ "no such file or directory", EXIT_COMMAND_NOT_FOUND },
		{ "permission denied", EXIT_CANNOT_EXECUTE },
		{ "is a directory", EXIT_CANNOT_EXECUTE },
		{ "exec format error", EXIT_CANNOT_EXECUTE },
	};
	const char *text = err_text(e, r);

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (strcasestr(text, rules[i].words))
			return rules[i].code;
	return EXIT_OWN_FAILURE;
}

struct engine *cli_engine(struct cli *c)
{
	struct err e = ERR_INIT;
	int r;

	if (c->engine)
		return c->engine;
	r = engine_open(&c->options, &c->engine, &e);
	if (r < 0) {
		cli_fail(&e, r, 1);
		return NULL;
	}
	return c->engine;
}

static void print_help(void)
{
	puts("Usage:  corten [OPTIONS] COMMAND\n\nContainers without a daemon\n\nCommands:");
	for (size_t i = 0; cli_commands[i]; i++)
		if (!cli_commands[i]->is_hidden)
			printf("  %-10s  %s\n", cli_commands[i]->name, cli_commands[i]->summary);
	fputs("\nGlobal ", stdout);
	fflush(stdout);
	opt_print_help(global_rows, stdout);
	puts("\nRun 'corten COMMAND --help' for more information on a command.");
}

/* What people will type because docker has it, and we do not yet. */
static const char *const known_missing[] = {
	"attach", "build",   "builder",	 "buildx",  "compose", "container", "context",
	"cp",	  "events",  "manifest", "network", "pause",   "plugin",    "port",
	"pull",	  "push",    "rename",	 "restart", "search",  "stats",	    "swarm",
	"top",	  "unpause", "update",	 "volume",  "ctr",
};

static int no_such_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(known_missing); i++)
		if (streq(known_missing[i], name))
			return cli_failf(1, "command '%s' is not supported yet", name);
	return cli_failf(
		1, "unknown command: corten %s\n\nRun 'corten --help' for more information", name);
}

static void print_group_help(const struct cli_command *group)
{
	printf("Usage:  corten %s COMMAND\n\n%s\n\nCommands:\n", group->name, group->summary);
	for (const struct cli_member *m = group->members; m->name; m++)
		if (!m->command->is_hidden)
			printf("  %-10s  %s\n", m->name, m->command->summary);
	printf("\nRun 'corten %s COMMAND --help' for more information on a command.\n",
	       group->name);
}

static bool has_word(const char *words, const char *word)
{
	const char *at = *word ? strstr(words, word) : NULL;

	return at && at > words && at[-1] == ' ' && at[strlen(word)] == ' ';
}

int cli_group_main(struct cli *c, const struct cli_command *group, int argc, char **argv)
{
	if (argc < 2 || streq(argv[1], "--help") || streq(argv[1], "-h") ||
	    streq(argv[1], "help")) {
		print_group_help(group);
		return 0;
	}
	for (const struct cli_member *m = group->members; m->name; m++)
		if (streq(m->name, argv[1]))
			return m->command->run(c, m->command, argc - 1, argv + 1);
	if (group->missing && has_word(group->missing, argv[1]))
		return cli_failf(1, "command '%s %s' is not supported yet", group->name, argv[1]);
	return cli_failf(
		1, "unknown command: corten %s %s\n\nRun 'corten %s --help' for more information",
		group->name, argv[1], group->name);
}

static int dispatch(struct cli *c, int argc, char **argv)
{
	for (size_t i = 0; cli_commands[i]; i++)
		if (streq(cli_commands[i]->name, argv[0]))
			return cli_commands[i]->run(c, cli_commands[i], argc, argv);
	return no_such_command(argv[0]);
}

static int set_log(const struct globals *g)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	struct log_options o = { .level = LOG_WARN, .fd = -1, .prog = "corten" };

	if (g->log_level) {
		size_t i = 0;

		while (i < ARRAY_LEN(names) && !streq(names[i], g->log_level))
			i++;
		if (i == ARRAY_LEN(names))
			return cli_failf(1, "unable to parse logging level: %s", g->log_level);
		o.level = (enum log_level)i;
	}
	if (g->is_debug)
		o.level = LOG_DEBUG;
	log_setup(&o);
	return 0;
}

/*
 * A standard descriptor that the caller closed must not become the database's. What stands in for it fails as a
 * closed one does: it cannot be read as input nor written as output.
 */
static void fill_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
			return;
}

static int flush_output(int code)
{
	if (fflush(stdout) != 0 && code == 0)
		return cli_failf(1, "write to standard output: %s", err_words(errno));
	return code;
}

int cli_main(int argc, char **argv)
{
	struct globals g = { 0 };
	struct cli c = { 0 };
	struct err e = ERR_INIT;
	bool is_help = false;
	int first = argc, code, r;

	fill_standard_fds();
	/* A reader that goes away is an error of write, told like any other. */
	signal(SIGPIPE, SIG_IGN);
	r = opt_from_env(global_rows, &g, &e);
	if (r == 0)
		r = opt_parse(global_rows, OPT_STOP_AT_POSITIONAL, argc, argv, &g, &first, &is_help,
			      &e);
	if (r < 0)
		return cli_fail(&e, r, EXIT_OWN_FAILURE);
	if (g.is_version) {
		puts("corten version " CORTEN_VERSION);
		return flush_output(0);
	}
	if (is_help || first >= argc || streq(argv[first], "help")) {
		print_help();
		return flush_output(0);
	}
	code = set_log(&g);
	if (code)
		return code;
	c.options = (struct engine_options){
		.root = g.root, .state = g.state, .ns = g.ns, .snapshotter = g.snapshotter
	};
	c.is_debug = g.is_debug;
	code = dispatch(&c, argc - first, argv + first);
	engine_close(c.engine);
	return flush_output(code);
}
