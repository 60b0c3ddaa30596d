/* Tables as docker prints them: cells at least ten wide, three spaces between. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "codec/json.h"

#define CELL_MIN 10
#define CELL_GAP 3

struct table {
	const struct table_column *columns;
	size_t n;
	char **cells; /* rows * n */
	size_t rows, cap;
};

int table_new(const struct table_column *columns, size_t n, struct table **ret)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->columns = columns;
	t->n = n;
	*ret = t;
	return 0;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->rows * t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

int table_add(struct table *t, const char *const *cells)
{
	int r = mem_grow(&t->cells, &t->cap, (t->rows + 1) * t->n, sizeof(*t->cells));

	if (r < 0)
		return r;
	for (size_t i = 0; i < t->n; i++) {
		char *copy = strdup(cells[i] ? cells[i] : "");

		if (!copy) {
			while (i > 0)
				free(t->cells[t->rows * t->n + --i]);
			return -ENOMEM;
		}
		t->cells[t->rows * t->n + i] = copy;
	}
	t->rows++;
	return 0;
}

/* Columns of UTF-8 text: continuation bytes take none. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* Prints lines of tab-separated cells as columns. */
static int print_aligned(const struct strbuf *text)
{
	size_t widths[32] = { 0 };
	AUTO_FREE char *copy = strdup(text->p ? text->p : "");
	char *line, *rest = copy;

	if (!copy)
		return -ENOMEM;
	for (int pass = 0; pass < 2; pass++) {
		memcpy(copy, text->p ? text->p : "", text->len + 1);
		rest = copy;
		while ((line = strsep(&rest, "\n")) && (rest || *line)) {
			char *cell;

			for (size_t i = 0; (cell = strsep(&line, "\t")) && i < ARRAY_LEN(widths);
			     i++) {
				size_t w = width_of(cell);

				if (pass == 0 && line)
					widths[i] = MAX(widths[i],
							MAX(w + CELL_GAP, (size_t)CELL_MIN));
				if (pass == 1)
					printf("%s%*s", cell, line ? (int)(widths[i] - w) : 0, "");
			}
			if (pass == 1)
				putchar('\n');
		}
	}
	return 0;
}

static int print_default(const struct table *t)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	const char *sep = "";

	for (size_t i = 0; i < t->n; i++) {
		if (t->columns[i].is_hidden)
			continue;
		strbuf_addf(&b, "%s%s", sep, t->columns[i].header);
		sep = "\t";
	}
	for (size_t row = 0; row < t->rows; row++) {
		sep = "\n";
		for (size_t i = 0; i < t->n; i++) {
			if (t->columns[i].is_hidden)
				continue;
			strbuf_addf(&b, "%s%s", sep, t->cells[row * t->n + i]);
			sep = "\t";
		}
	}
	strbuf_addc(&b, '\n');
	return strbuf_ok(&b) < 0 ? -ENOMEM : print_aligned(&b);
}

static void row_json(const struct table *t, size_t row, bool is_header, struct strbuf *out)
{
	struct json_writer w = { .out = out };

	json_begin_object(&w, NULL);
	for (size_t i = 0; i < t->n; i++)
		json_put_str(&w, t->columns[i].key,
			     is_header ? t->columns[i].header : t->cells[row * t->n + i]);
	json_end_object(&w);
}

static int print_json(const struct table *t)
{
	for (size_t row = 0; row < t->rows; row++) {
		AUTO_STRBUF struct strbuf b = { 0 };

		row_json(t, row, false, &b);
		if (strbuf_ok(&b) < 0)
			return -ENOMEM;
		puts(b.p);
	}
	return 0;
}

static int expand(const struct table *t, const char *tmpl, bool has_header, struct strbuf *out,
		  struct err *e)
{
	for (size_t row = has_header ? 0 : 1; row <= t->rows; row++) {
		AUTO_STRBUF struct strbuf json = { 0 };
		int r;

		row_json(t, row ? row - 1 : 0, row == 0, &json);
		r = strbuf_ok(&json);
		if (r == 0)
			r = template_print(tmpl, json.p, json.len, out, e);
		if (r < 0)
			return r;
		strbuf_addc(out, '\n');
	}
	return strbuf_ok(out);
}

int table_print(const struct table *t, const char *format, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	const char *columns;
	int r;

	if (!format || streq(format, "table"))
		return print_default(t);
	if (streq(format, "json"))
		return print_json(t);
	columns = str_skip(format, "table ");
	r = expand(t, columns ? columns : format, columns != NULL, &out, e);
	if (r < 0)
		return r;
	if (columns)
		return print_aligned(&out);
	fputs(out.p ? out.p : "", stdout);
	return 0;
}
