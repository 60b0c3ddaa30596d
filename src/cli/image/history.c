/* history */
#include <stdio.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "image/forms/forms.h"

#define SHORT_ID 12
/* docker's widths. */
#define CREATED_BY_MAX 45

struct history_options {
	bool is_full, is_quiet;
	int is_human;
	const char *format;
};

static const struct opt history_rows[] = {
	{ "format", 0, OPT_STR, 0, offsetof(struct history_options, format), "string",
	  "Format output: table, json, 'table TEMPLATE' or 'TEMPLATE'", NULL },
	{ "human", 'H', OPT_TRISTATE, 0, offsetof(struct history_options, is_human), NULL,
	  "Print sizes and dates in human readable format (default true)", NULL },
	{ "no-trunc", 0, OPT_BOOL, 0, offsetof(struct history_options, is_full), NULL,
	  "Don't truncate output", NULL },
	{ "platform", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	{ "quiet", 'q', OPT_BOOL, 0, offsetof(struct history_options, is_quiet), NULL,
	  "Only show image IDs", NULL },
	OPT_END,
};

static const struct table_column columns[] = {
	{ "ID", "IMAGE", false },
	{ "CreatedSince", "CREATED", false },
	{ "CreatedBy", "CREATED BY", false },
	{ "Size", "SIZE", false },
	{ "Comment", "COMMENT", false },
	{ "CreatedAt", "CREATED AT", true },
};
/* With --human=false the second column is a date. */
static const struct table_column columns_exact[] = {
	{ "ID", "IMAGE", false },
	{ "CreatedAt", "CREATED AT", false },
	{ "CreatedBy", "CREATED BY", false },
	{ "Size", "SIZE", false },
	{ "Comment", "COMMENT", false },
	{ "CreatedSince", "CREATED", true },
};

/* One line that a terminal takes as text, cut as docker cuts it. */
static const char *shown(const char *s, bool is_full, struct arena *a)
{
	char *text = arena_strdup(a, s);

	for (char *p = text; p && *p; p++)
		if (*p == '\t' || (unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	if (!text || is_full || strlen(text) <= CREATED_BY_MAX)
		return text;
	return arena_printf(a, "%.*s…", CREATED_BY_MAX - 1, text);
}

static int add_row(struct table *t, const struct image_history *h, const struct history_options *o)
{
	AUTO_ARENA struct arena a = { 0 };
	char ago[HUMAN_MAX], size[HUMAN_MAX], at[CLOCK_TEXT_MAX];
	const char *id = "<missing>", *since = "N/A", *bytes, *created = "N/A";
	const char *by = shown(h->created_by, o->is_full, &a),
		   *comment = shown(h->comment, true, &a);

	if (h->id)
		id = o->is_full ? h->id : arena_strndup(&a, digest_hex(h->id), SHORT_ID);
	if (h->created_ns > 0) {
		since = arena_printf(&a, "%s ago",
				     human_duration(clock_wall_ns() - h->created_ns, ago));
		created = arena_strndup(&a, clock_rfc3339(h->created_ns, at), 19);
		created = created ? arena_printf(&a, "%sZ", created) : NULL;
	}
	bytes = o->is_human ? human_size(h->size, size)
			    : arena_printf(&a, "%lld", (long long)h->size);
	if (!id || !since || !bytes || !created || !by || !comment)
		return -ENOMEM;
	return table_add(t, (const char *[]){ id, o->is_human ? since : created, by, bytes, comment,
					      o->is_human ? created : since });
}

static int show(struct cli *c, const struct history_options *o, const char *what, struct table *t,
		struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_history *v;
	size_t n;
	int r = image_history(engine_store(c->engine), engine_ns(c->engine), what, &a, &v, &n, e);

	for (size_t i = 0; i < n && r == 0; i++) {
		if (!o->is_quiet)
			r = add_row(t, &v[i], o);
		else if (!v[i].id)
			puts("<missing>");
		else if (o->is_full)
			puts(v[i].id);
		else
			printf("%.*s\n", SHORT_ID, digest_hex(v[i].id));
	}
	return r < 0 || o->is_quiet ? r : table_print(t, o->format, e);
}

static int history_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct history_options o = { .is_human = 1 };
	struct err e = ERR_INIT;
	struct table *t = NULL;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = o.is_human ? table_new(columns, ARRAY_LEN(columns), &t)
		       : table_new(columns_exact, ARRAY_LEN(columns_exact), &t);
	if (r == 0)
		r = show(c, &o, argv[first], t, &e);
	table_free(t);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_history = {
	.name = "history",
	.usage = "[OPTIONS] IMAGE",
	.summary = "Show the history of an image",
	.rows = history_rows,
	.args_min = 1,
	.args_max = 1,
	.run = history_main,
};
