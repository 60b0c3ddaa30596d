/*
 * What the documents are made of. Tables that a room keeps to itself (the global options, those of the
 * runtime's commands) are read back from the help that opt_print_help makes of them.
 */
#include <errno.h>
#include <stdio.h>

#include "oci/cmd.h"
#include "prog/docgen.h"

#define OPTIONS_MAX 64

bool doc_is_missing(const struct opt *o)
{
	return o->kind == OPT_UNSUPPORTED || o->kind == OPT_UNSUPPORTED_ARG;
}

bool doc_is_shown(const struct opt *o)
{
	return !(o->flags & OPT_HIDDEN) && !doc_is_missing(o);
}

bool doc_takes_value(const struct opt *o)
{
	return o->kind != OPT_BOOL && o->kind != OPT_TRISTATE && o->kind != OPT_UNSUPPORTED;
}

/* What `main_fn` prints for the arguments, in the arena; NULL when it fails. */
static char *help_of(int (*main_fn)(int, char **), int argc, char **argv, struct arena *a)
{
	FILE *out = stdout, *err = stderr, *memory;
	char *text = NULL, *copy;
	size_t len;
	int code;

	memory = open_memstream(&text, &len);
	if (!memory)
		return NULL;
	stdout = stderr = memory;
	code = main_fn(argc, argv);
	stdout = out;
	stderr = err;
	fclose(memory);
	copy = code == 0 ? arena_strdup(a, text) : NULL;
	free(text);
	return copy;
}

/* "  -b, --bundle dir   Path" to a row. Returns false for a line that is none. */
static bool parse_row(char *line, struct opt *ret)
{
	char *p = line + strspn(line, " "), *help = strstr(p, "   "), *arg;

	if (p == line || *p != '-' || !help)
		return false;
	*help = '\0';
	help += 3 + strspn(help + 3, " ");
	*ret = (struct opt){ .kind = OPT_BOOL, .help = help };
	if (p[1] != '-') {
		ret->letter = p[1];
		p += p[2] == ',' ? 4 : 2;
	}
	arg = strchr(p, ' ');
	if (arg) {
		*arg = '\0';
		ret->arg = arg + 1;
		ret->kind = OPT_STR;
	}
	if (p[0] == '-' && p[1] == '-')
		ret->name = p + 2;
	return true;
}

/* The rows behind "Options:" in a help text. */
static const struct opt *parse_help(char *text, struct arena *a)
{
	struct opt *rows = arena_calloc(a, OPTIONS_MAX, sizeof(*rows));
	char *line, *rest = text ? strstr(text, "Options:") : NULL;
	size_t n = 0;

	while (rows && rest && (line = strsep(&rest, "\n")) && n < OPTIONS_MAX - 1)
		n += parse_row(line, &rows[n]);
	return n ? rows : NULL;
}

static struct opt none[] = { OPT_END };

/* Which environment variable stands for a global option is no part of its help. */
static const struct opt *global_options(struct arena *a)
{
	char *argv[] = { (char *)"corten", (char *)"--help", NULL };
	char *text = help_of(cli_main, 2, argv, a), *p;

	/* The headline is "Global Options:". */
	p = text ? strstr(text, "Global Options:") : NULL;
	return parse_help(p, a);
}

bool doc_has_page(const struct doc_command *c)
{
	size_t i = 0;

	if (!c->is_member)
		return true;
	/* "image unpack" of "image-unpack", not "image pull" of "pull". */
	while (c->name[i] && (c->name[i] == c->page[i] || (c->name[i] == ' ' && c->page[i] == '-')))
		i++;
	return !c->name[i] && !c->page[i];
}

const char *doc_last_word(const struct doc_command *c)
{
	const char *space = strrchr(c->name, ' ');

	return space ? space + 1 : c->name;
}

/* The page's name: blanks are dashes there. */
static const char *page_of(const char *name, struct arena *a)
{
	char *page = arena_strdup(a, name);

	for (char *p = page; p && *p; p++)
		*p = *p == ' ' ? '-' : *p;
	return page ? page : name;
}

static struct doc_command *add_command(struct doc_program *p, const struct cli_command *c,
				       const char *name, struct arena *a)
{
	struct doc_command *d = &p->commands[p->commands_n++];

	*d = (struct doc_command){
		.name = name,
		.usage = c->usage,
		.summary = c->summary,
		.page = page_of(c->name, a),
		.rows = c->rows ? c->rows : none,
		.parse_flags = c->parse_flags,
		.manual = manual_find(c->name),
	};
	return d;
}

static size_t count_members(const struct cli_command *c)
{
	size_t n = 0;

	while (c->members && c->members[n].name)
		n++;
	return n;
}

static int add_group(struct doc_program *p, const struct cli_command *c, struct arena *a)
{
	struct doc_command *group = add_command(p, c, c->name, a);

	for (size_t i = 0; i < count_members(c); i++) {
		const struct cli_member *m = &c->members[i];
		const char *name = arena_printf(a, "%s %s", c->name, m->name);

		if (!name)
			return -ENOMEM;
		if (m->command->is_hidden)
			continue;
		add_command(p, m->command, name, a)->is_member = true;
		group->members++;
	}
	return 0;
}

int doc_collect_corten(struct arena *a, struct doc_program *ret, struct err *e)
{
	size_t n = 0, all = 0;
	int r = 0;

	while (cli_commands[n])
		all += 1 + count_members(cli_commands[n++]);
	*ret = (struct doc_program){
		.name = "corten",
		.summary = "containers without a daemon",
		.section = 1,
		.rows = global_options(a),
		.manual = manual_find(""),
		.commands = arena_calloc(a, all, sizeof(*ret->commands)),
	};
	if (!ret->rows || !ret->commands)
		return err_set(e, -EINVAL, "the help of corten shows no global options");
	for (size_t i = 0; i < n && r == 0; i++)
		if (!cli_commands[i]->is_hidden)
			r = add_group(ret, cli_commands[i], a);
	return r < 0 ? err_set(e, r, "out of memory") : 0;
}

int doc_collect_runtime(struct arena *a, struct doc_program *ret, struct err *e)
{
	/* A command that is not there fails even when asked for help, and logs why. */
	char *argv[] = { (char *)"corten-runtime",
			 (char *)"--log",
			 (char *)"/dev/null",
			 (char *)"--help",
			 NULL,
			 NULL };
	size_t n = 0;

	while (cmd_rows[n].name)
		n++;
	*ret = (struct doc_program){
		.name = "corten-runtime",
		.summary = "OCI runtime with the command line of runc",
		.section = 8,
		.rows = parse_help(help_of(cmd_main, 4, argv, a), a),
		.manual = &manual_runtime,
		.commands = arena_calloc(a, n, sizeof(*ret->commands)),
	};
	if (!ret->rows || !ret->commands)
		return err_set(e, -EINVAL, "the help of corten-runtime shows no options");
	argv[4] = argv[3];
	for (size_t i = 0; i < n; i++) {
		const struct cmd *c = &cmd_rows[i];
		const struct opt *rows;
		char *help;

		if (c->flags & CMD_HIDDEN)
			continue;
		argv[3] = (char *)(uintptr_t)c->name;
		help = help_of(cmd_main, 5, argv, a);
		rows = parse_help(help, a);
		ret->commands[ret->commands_n++] = (struct doc_command){
			.name = c->name,
			.page = c->name,
			.usage = c->args,
			.summary = help ? c->help
					: arena_printf(a, "%s (not supported yet)", c->help),
			.rows = rows ? rows : none,
		};
	}
	return 0;
}
