/* Completions for zsh and fish. */
#include "prog/docgen.h"

/* ---- zsh: one _arguments call a command ---- */

/* Text inside single quotes and, in a spec, inside brackets. */
static void zsh_text(FILE *f, const char *s)
{
	for (; s && *s; s++)
		fputs(*s == '\''   ? "'\\''"
		      : *s == '['  ? "\\["
		      : *s == ']'  ? "\\]"
		      : *s == ':'  ? "\\:"
		      : *s == '\\' ? "\\\\"
				   : (char[]){ *s, '\0' },
		      f);
}

static void zsh_value(FILE *f, const struct opt *o)
{
	const char *words = NULL;
	enum doc_value kind = doc_value_kind(o, &words);

	fputc(':', f);
	zsh_text(f, o->arg ? o->arg : "value");
	if (kind == DOC_VALUE_WORDS)
		fprintf(f, ":(%s)", words);
	else
		fputs(kind == DOC_VALUE_FILE  ? ":_files"
		      : kind == DOC_VALUE_DIR ? ":_files -/"
					      : ": ",
		      f);
}

static void zsh_option(FILE *f, const struct opt *o)
{
	bool has_value = doc_takes_value(o), is_list = o->kind == OPT_STRV;

	fputs("\t\t", f);
	if (is_list)
		fputs("'*'", f);
	if (o->letter && o->name) {
		if (!is_list)
			fprintf(f, "'(-%c --%s)'", o->letter, o->name);
		fprintf(f, "{-%c%s,--%s%s}'", o->letter, has_value ? "+" : "", o->name,
			has_value ? "=" : "");
	} else if (o->name) {
		fprintf(f, "'--%s%s", o->name, has_value ? "=" : "");
	} else {
		fprintf(f, "'-%c%s", o->letter, has_value ? "+" : "");
	}
	fputc('[', f);
	zsh_text(f, o->help);
	fputc(']', f);
	if (has_value)
		zsh_value(f, o);
	fputs("' \\\n", f);
}

static void zsh_options(FILE *f, const struct opt *rows)
{
	for (const struct opt *o = rows; !doc_is_last(o); o++)
		if (doc_is_shown(o))
			zsh_option(f, o);
	fputs("\t\t'--help[Print the options and quit]' \\\n", f);
}

static void zsh_command(FILE *f, const struct doc_command *c)
{
	static const char *const lists[] = {
		[DOC_OPERAND_CONTAINER] = "container:_corten_containers -a",
		[DOC_OPERAND_RUNNING] = "container:_corten_containers",
		[DOC_OPERAND_IMAGE] = "image:_corten_images",
		[DOC_OPERAND_BOTH] = "name:_corten_any",
	};
	bool is_many, stops = c->parse_flags & OPT_STOP_AT_POSITIONAL;
	enum doc_operand kind = doc_operand_kind(c, &is_many);

	fprintf(f, "\t%s)\n\t\t_arguments -s -S%s \\\n", doc_last_word(c), stops ? " -A '-*'" : "");
	zsh_options(f, c->rows);
	if (kind != DOC_OPERAND_NONE)
		fprintf(f, "\t\t'%s:%s' \\\n", is_many ? "*" : "1", lists[kind]);
	if (stops)
		fputs("\t\t'*::: :_default' \\\n", f);
	fputs("\t\t&& ret=0 ;;\n", f);
}

/* The word behind the group's name is a command, what follows is its. */
static void zsh_group(FILE *f, const struct doc_command *c)
{
	fprintf(f,
		"\t%s)\n\t\t_arguments -C -A '-*' '1: :->member' '*:: :->args' && ret=0\n\t\tif [[ $state == member ]]; "
		"then\n\t\t\tlocal -a members=(\n",
		c->name);
	for (size_t i = 1; i <= c->members; i++) {
		fprintf(f, "\t\t\t\t'%s:", doc_last_word(&c[i]));
		zsh_text(f, c[i].summary);
		fputs("'\n", f);
	}
	fputs("\t\t\t)\n\t\t\t_describe command members && ret=0\n\t\t\treturn ret\n\t\tfi\n"
	      "\t\tcase $words[1] in\n",
	      f);
	for (size_t i = 1; i <= c->members; i++)
		zsh_command(f, &c[i]);
	fputs("\t\tesac ;;\n", f);
}

static const char zsh_head[] =
	"#compdef corten\n"
	"# zsh completion for corten. Made by corten-docgen from the option rows; do not edit.\n"
	"\n"
	"_corten_containers() {\n"
	"\tlocal -a names opts\n"
	"\t[[ $1 == -a ]] && opts=(-a) && shift\n"
	"\tnames=(${(f)\"$(corten ps $opts --format '{{.Names}}' 2>/dev/null)\"})\n"
	"\tcompadd \"$@\" -a names\n"
	"}\n"
	"\n"
	"_corten_images() {\n"
	"\tlocal -a names\n"
	"\tnames=(${(f)\"$(corten images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)\"})\n"
	"\tnames=(${names:#*<none>*})\n"
	"\tcompadd \"$@\" -a names\n"
	"}\n"
	"\n"
	"_corten_any() {\n"
	"\t_corten_containers -a \"$@\"\n"
	"\t_corten_images \"$@\"\n"
	"}\n"
	"\n";

void complete_zsh(FILE *f, const struct doc_program *p)
{
	fputs(zsh_head, f);
	fputs("_corten_commands() {\n\tlocal -a commands=(\n", f);
	for (size_t i = 0; i < p->commands_n; i++) {
		if (p->commands[i].is_member)
			continue;
		fprintf(f, "\t\t'%s:", p->commands[i].name);
		zsh_text(f, p->commands[i].summary);
		fputs("'\n", f);
	}
	fputs("\t)\n\t_describe command commands\n}\n\n_corten() {\n"
	      "\tlocal curcontext=$curcontext state line ret=1\n\ttypeset -A opt_args\n\n"
	      "\t_arguments -s -C -A '-*' \\\n",
	      f);
	zsh_options(f, p->rows);
	fputs("\t\t'1: :_corten_commands' \\\n\t\t'*:: :->args' && ret=0\n"
	      "\t[[ $state == args ]] || return ret\n\tcase $words[1] in\n",
	      f);
	for (size_t i = 0; i < p->commands_n; i++) {
		if (p->commands[i].members > 0)
			zsh_group(f, &p->commands[i]);
		else if (!p->commands[i].is_member)
			zsh_command(f, &p->commands[i]);
	}
	fputs("\tesac\n\treturn ret\n}\n\n_corten \"$@\"\n", f);
}

/* ---- fish ---- */

static void fish_text(FILE *f, const char *s)
{
	for (; s && *s; s++)
		fputs(*s == '\'' ? "\\'" : *s == '\\' ? "\\\\" : (char[]){ *s, '\0' }, f);
}

static void fish_options(FILE *f, const char *condition, const struct opt *rows)
{
	for (const struct opt *o = rows; !doc_is_last(o); o++) {
		const char *words = NULL;

		if (!doc_is_shown(o))
			continue;
		fprintf(f, "complete -c corten -n '%s'", condition);
		if (o->letter)
			fprintf(f, " -s %c", o->letter);
		if (o->name)
			fprintf(f, " -l %s", o->name);
		if (doc_takes_value(o)) {
			enum doc_value kind = doc_value_kind(o, &words);

			fputs(kind == DOC_VALUE_FILE || kind == DOC_VALUE_DIR ? " -r -F" : " -x",
			      f);
			if (kind == DOC_VALUE_WORDS)
				fprintf(f, " -a '%s'", words);
		}
		fputs(" -d '", f);
		fish_text(f, o->help);
		fputs("'\n", f);
	}
}

static const char fish_head[] =
	"# fish completion for corten. Made by corten-docgen from the option rows; do not edit.\n"
	"\n"
	"function __corten_containers\n"
	"    corten ps $argv --format '{{.Names}}' 2>/dev/null\n"
	"end\n"
	"\n"
	"function __corten_images\n"
	"    corten images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | string match -v '*<none>*'\n"
	"end\n"
	"\n"
	"# Whether the command line's command is one of the arguments; without arguments, whether there is none yet.\n"
	"function __corten_is\n"
	"    set -l words (commandline -opc)\n"
	"    set -e words[1]\n"
	"    while set -q words[1]; and string match -q -- '-*' $words[1]\n"
	"        contains -- $words[1] $__corten_with_value; and set -e words[1]\n"
	"        set -e words[1]\n"
	"    end\n"
	"    if not set -q argv[1]\n"
	"        not set -q words[1]\n"
	"    else\n"
	"        set -q words[1]; and contains -- $words[1] $argv\n"
	"    end\n"
	"end\n"
	"\n"
	"# Whether the line's command is the group $argv[1], and the word behind it one of the rest; alone: whether there is none yet.\n"
	"function __corten_in\n"
	"    set -l words (commandline -opc)\n"
	"    set -e words[1]\n"
	"    while set -q words[1]; and string match -q -- '-*' $words[1]\n"
	"        contains -- $words[1] $__corten_with_value; and set -e words[1]\n"
	"        set -e words[1]\n"
	"    end\n"
	"    set -q words[1]; and test $words[1] = $argv[1]; or return 1\n"
	"    if not set -q argv[2]\n"
	"        not set -q words[2]\n"
	"    else\n"
	"        set -q words[2]; and contains -- $words[2] $argv[2..-1]\n"
	"    end\n"
	"end\n"
	"\n"
	"complete -c corten -f\n";

void complete_fish(FILE *f, const struct doc_program *p)
{
	static const char *const lists[] = {
		[DOC_OPERAND_CONTAINER] = "(__corten_containers -a)",
		[DOC_OPERAND_RUNNING] = "(__corten_containers)",
		[DOC_OPERAND_IMAGE] = "(__corten_images)",
		[DOC_OPERAND_BOTH] = "(__corten_containers -a; __corten_images)",
	};

	fputs(fish_head, f);
	fputs("set -g __corten_with_value", f);
	for (const struct opt *o = p->rows; !doc_is_last(o); o++) {
		if (!doc_takes_value(o))
			continue;
		if (o->letter)
			fprintf(f, " -%c", o->letter);
		if (o->name)
			fprintf(f, " --%s", o->name);
	}
	fputs("\n", f);
	fish_options(f, "__corten_is", p->rows);
	for (size_t i = 0; i < p->commands_n; i++) {
		const struct doc_command *c = &p->commands[i];
		bool is_many;
		enum doc_operand kind = doc_operand_kind(c, &is_many);
		const char *is_behind = c->is_member ? "__corten_in" : "__corten_is";
		char condition[64];

		if (c->is_member)
			fprintf(f, "complete -c corten -n '__corten_in %.*s' -a %s -d '",
				(int)strcspn(c->name, " "), c->name, doc_last_word(c));
		else
			fprintf(f, "complete -c corten -n __corten_is -a %s -d '", c->name);
		fish_text(f, c->summary);
		fputs("'\n", f);
		snprintf(condition, sizeof(condition), "%s %s", is_behind, c->name);
		if (kind != DOC_OPERAND_NONE)
			fprintf(f, "complete -c corten -n '%s' -a '%s'\n", condition, lists[kind]);
		fish_options(f, condition, c->rows);
	}
}
