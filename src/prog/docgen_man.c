/* Manual pages in mdoc: read alike by groff and mandoc. */
#include <ctype.h>
#include <stdlib.h>

#include "prog/docgen.h"

/* mandoc wants source lines below 80 bytes. */
#define LINE_MAX_BYTES 76

/* One word of text, with what roff would take for its own made harmless. */
static size_t put_word(FILE *f, const char *w, size_t len, bool is_first)
{
	size_t begin = strspn(w, "(\"'"), bytes = len;

	if (is_first && (*w == '.' || *w == '\''))
		fputs("\\&", f);
	for (size_t i = 0; i < len; i++) {
		bool is_option = begin < len && w[begin] == '-' && w[i] == '-';

		if (w[i] == '\\' || is_option)
			bytes++;
		fputs(w[i] == '\\' ? "\\e" : is_option ? "\\-" : (char[]){ w[i], '\0' }, f);
	}
	return bytes;
}

static bool ends_sentence(const char *w, size_t len, const char *next)
{
	return len > 1 && w[len - 1] == '.' && w[len - 2] != '.' && isupper((unsigned char)*next);
}

/* Running text: wrapped, a new line for each sentence. */
static void put_text(FILE *f, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " ");
		const char *next = text + len + strspn(text + len, " ");

		if (column > 0 && column + len + 1 > LINE_MAX_BYTES) {
			fputc('\n', f);
			column = 0;
		} else if (column > 0) {
			fputc(' ', f);
			column++;
		}
		column += put_word(f, text, len, column == 0);
		if (ends_sentence(text, len, next) && *next) {
			fputc('\n', f);
			column = 0;
		}
		text = next;
	}
	fputc('\n', f);
}

/* A row's help or summary: capital first, a dot behind it. */
static void put_sentence(FILE *f, const char *text)
{
	AUTO_FREE char *s = str_printf("%s.", text);

	if (!s)
		return;
	s[0] = (char)toupper((unsigned char)s[0]);
	put_text(f, s);
}

/* A summary as `.Nd` and lists want it: small first letter, unless the word is all capitals. */
static char *uncapitalised(const char *s, struct arena *a)
{
	char *copy = arena_strdup(a, s);

	if (copy && isupper((unsigned char)copy[0]) && !isupper((unsigned char)copy[1]))
		copy[0] = (char)tolower((unsigned char)copy[0]);
	return copy;
}

static void put_upper(FILE *f, const char *s)
{
	for (; *s; s++)
		fputc(toupper((unsigned char)*s), f);
}

static void begin_page(FILE *f, const char *name, int section, const char *summary)
{
	AUTO_ARENA struct arena a = { 0 };

	fputs(".\\\" Made by corten-docgen from the option rows. Do not edit.\n.Dd " MANUAL_DATE
	      "\n.Dt ",
	      f);
	put_upper(f, name);
	fprintf(f, " %d\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", section, name,
		uncapitalised(summary, &a));
}

/* "[OPTIONS] IMAGE [ARG...]" as `.Op Ar` and `.Ar` lines. */
static void put_usage(FILE *f, const char *usage)
{
	for (const char *p = usage; *p;) {
		size_t len = 0;
		int depth = 0;
		bool is_optional = *p == '[';

		for (; p[len] && (depth > 0 || p[len] != ' '); len++)
			depth += (p[len] == '[' || p[len] == '<') -
				 (p[len] == ']' || p[len] == '>');
		if (is_optional || *p == '<')
			fprintf(f, ".%sAr %.*s\n", is_optional ? "Op " : "", (int)len - 2, p + 1);
		else
			fprintf(f, ".Ar %.*s\n", (int)len, p);
		p += len + strspn(p + len, " ");
	}
}

static void put_option(FILE *f, const struct opt *o)
{
	fputs(".It", f);
	if (o->letter)
		fprintf(f, " Fl %c", o->letter);
	if (o->letter && o->name)
		fputs(" ,", f);
	if (o->name)
		fprintf(f, " Fl -%s", o->name);
	if (doc_takes_value(o))
		fprintf(f, " Ar %s", o->arg ? o->arg : "value");
	fputc('\n', f);
	if (o->help && *o->help)
		put_sentence(f, o->help);
	if (o->flags & OPT_IGNORED)
		fputs("Accepted without effect.\n", f);
	if (o->env)
		fprintf(f, "The default comes from\n.Ev %s .\n", o->env);
}

static void put_options(FILE *f, const struct opt *rows)
{
	static const struct opt help = {
		"help", 0, OPT_BOOL, 0, 0, NULL, "Print the options and quit", NULL
	};

	fputs(".Bl -tag -width Ds\n", f);
	for (const struct opt *o = rows; !doc_is_last(o); o++)
		if (doc_is_shown(o))
			put_option(f, o);
	put_option(f, &help);
	fputs(".El\n", f);
}

static void put_missing(FILE *f, const struct opt *rows)
{
	AUTO_STRBUF struct strbuf names = { 0 };

	for (const struct opt *o = rows; !doc_is_last(o); o++)
		if (doc_is_missing(o) && o->name)
			strbuf_addf(&names, "%s--%s", names.len ? ", " : "", o->name);
	if (!names.len)
		return;
	fputs(".Pp\nThese options of docker are known and refused with an error that names them:\n",
	      f);
	strbuf_addc(&names, '.');
	put_text(f, strbuf_ok(&names) == 0 ? names.p : "");
}

static void put_paragraphs(FILE *f, const struct manual *m)
{
	for (size_t i = 0; m && m->paragraphs && m->paragraphs[i]; i++) {
		if (i)
			fputs(".Pp\n", f);
		put_text(f, m->paragraphs[i]);
	}
}

static void put_items(FILE *f, const char *macro, const struct manual_item *items)
{
	fputs(".Bl -tag -width Ds\n", f);
	for (; items->term; items++) {
		fprintf(f, ".It%s%s %s\n", *macro ? " " : "", macro, items->term);
		put_text(f, items->text);
	}
	fputs(".El\n", f);
}

static void put_exits(FILE *f, const struct manual *m)
{
	if (!m || !m->exits)
		return;
	fputs(".Sh EXIT STATUS\n", f);
	put_items(f, "", m->exits);
}

/* A command line in a literal display. */
static void put_code(FILE *f, const char *line)
{
	fputs(".Bd -literal -offset indent\n", f);
	if (*line == '.' || *line == '\'')
		fputs("\\&", f);
	for (; *line; line++)
		fputs(*line == '\\'   ? "\\e"
		      : *line == '-'  ? "\\-"
		      : *line == '\'' ? "\\(aq"
				      : (char[]){ *line, '\0' },
		      f);
	fputs("\n.Ed\n", f);
}

static void put_examples(FILE *f, const struct manual *m)
{
	if (!m || !m->examples)
		return;
	fputs(".Sh EXAMPLES\n", f);
	for (const struct manual_item *i = m->examples; i->term; i++) {
		AUTO_FREE char *title = str_printf("%s:", i->text);

		if (i != m->examples)
			fputs(".Pp\n", f);
		put_text(f, title ? title : i->text);
		put_code(f, i->term);
	}
}

/* corten(1) and the related commands. */
static void put_related(FILE *f, const struct doc_program *p, const struct manual *m)
{
	const char *rest = m && m->related ? m->related : "";

	fprintf(f, ".Sh SEE ALSO\n.Xr %s %d", p->name, p->section);
	while (*rest) {
		size_t len = strcspn(rest, " ");

		fprintf(f, " ,\n.Xr %s-%.*s %d", p->name, (int)len, rest, p->section);
		rest += len + strspn(rest + len, " ");
	}
	fputc('\n', f);
}

/* A group's commands, each with the page that it has. */
static void put_members(FILE *f, const struct doc_program *p, const struct doc_command *c)
{
	if (c->members == 0)
		return;
	fputs(".Ss Commands\n.Bl -tag -width Ds\n", f);
	for (size_t i = 1; i <= c->members; i++) {
		fprintf(f, ".It Cm %s\n", doc_last_word(&c[i]));
		put_sentence(f, c[i].summary);
		fprintf(f, "See\n.Xr %s-%s %d .\n", p->name, c[i].page, p->section);
	}
	fputs(".El\n", f);
}

void man_command(FILE *f, const struct doc_program *p, const struct doc_command *c)
{
	AUTO_FREE char *name = str_printf("%s-%s", p->name, c->page);

	begin_page(f, name ? name : c->name, p->section, c->summary);
	fprintf(f, ".Sh SYNOPSIS\n.Nm \"%s %s\"\n", p->name, c->name);
	put_usage(f, c->usage);
	fputs(".Sh DESCRIPTION\n", f);
	if (c->manual)
		put_paragraphs(f, c->manual);
	else
		put_sentence(f, c->summary);
	put_members(f, p, c);
	fputs(".Sh OPTIONS\n", f);
	put_options(f, c->rows);
	put_missing(f, c->rows);
	fputs(".Sh ENVIRONMENT\n", f);
	put_items(f, "Ev", manual_environment);
	put_exits(f, c->manual);
	put_examples(f, c->manual);
	put_related(f, p, c->manual);
}

void man_program(FILE *f, const struct doc_program *p)
{
	begin_page(f, p->name, p->section, p->summary);
	fprintf(f, ".Sh SYNOPSIS\n.Nm %s\n", p->name);
	put_usage(f, "[OPTIONS] COMMAND [ARG...]");
	fputs(".Sh DESCRIPTION\n", f);
	put_paragraphs(f, p->manual);
	fputs(".Ss Commands\n.Bl -tag -width Ds\n", f);
	for (size_t i = 0; i < p->commands_n; i++) {
		if (!doc_has_page(&p->commands[i]))
			continue;
		fprintf(f, ".It Xr %s-%s %d\n", p->name, p->commands[i].page, p->section);
		put_text(f, p->commands[i].summary);
	}
	fputs(".El\n.Sh OPTIONS\n", f);
	put_options(f, p->rows);
	fputs(".Sh ENVIRONMENT\n", f);
	put_items(f, "Ev", manual_environment);
	fputs(".Sh FILES\n", f);
	put_items(f, "Pa", manual_files);
	put_exits(f, p->manual);
	fputs(".Sh SEE ALSO\n", f);
	/* mandoc wants them by section, then by name; the commands stand above. */
	fprintf(f, ".Xr %s-run %d ,\n.Xr corten-runtime 8\n", p->name, p->section);
}

void man_whole(FILE *f, const struct doc_program *p)
{
	begin_page(f, p->name, p->section, p->summary);
	fprintf(f, ".Sh SYNOPSIS\n.Nm %s\n", p->name);
	put_usage(f, "[OPTIONS] COMMAND [ARG...]");
	fputs(".Sh DESCRIPTION\n", f);
	put_paragraphs(f, p->manual);
	fputs(".Sh OPTIONS\n", f);
	put_options(f, p->rows);
	fputs(".Sh COMMANDS\n", f);
	for (size_t i = 0; i < p->commands_n; i++) {
		const struct doc_command *c = &p->commands[i];

		fprintf(f, ".Ss %s\n.Nm \"%s %s\"\n.Op Ar options\n", c->name, p->name, c->name);
		put_usage(f, c->usage);
		fputs(".Pp\n", f);
		put_sentence(f, c->summary);
		if (!doc_is_last(c->rows))
			put_options(f, c->rows);
	}
	put_exits(f, p->manual);
	put_examples(f, p->manual);
	fputs(".Sh SEE ALSO\n.Xr corten 1\n", f);
}
