#include "codec/yaml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct line {
	int number;
	size_t indent;
	const char *text; /* without indentation, comment and spaces at its end; NUL-terminated */
};
struct reader {
	struct arena *a;
	struct err *e;
	struct line *lines;
	size_t n, at;
};

static int fail(struct reader *x, int line, const char *words)
{
	return err_set(x->e, -EBADMSG, "line %d: %s", line, words);
}

static int out_of_memory(struct reader *x)
{
	return err_set(x->e, -ENOMEM, "out of memory");
}

/* ---- lines ---- */

/* Where a comment begins, or the end: a '#' outside quotes, at the begin or behind a space. */
static size_t content_len(const char *p, size_t len)
{
	char quote = 0;
	size_t end = 0;

	for (size_t i = 0; i < len; i++) {
		if (quote) {
			i += quote == '"' && p[i] == '\\';
			quote = i < len && p[i] == quote ? 0 : quote;
		} else if (p[i] == '#' && (i == 0 || p[i - 1] == ' ' || p[i - 1] == '\t')) {
			break;
		} else if ((p[i] == '"' || p[i] == '\'') && (i == 0 || strchr(" [,\t", p[i - 1]))) {
			quote = p[i];
		}
		if (i < len && p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
			end = i + 1;
	}
	return end;
}

static int add_line(struct reader *x, const char *p, size_t len, int number)
{
	size_t indent = 0;
	struct line *l;

	while (indent < len && p[indent] == ' ')
		indent++;
	len = content_len(p + indent, len - indent);
	if (len == 0 || (indent == 0 && len == 3 && memcmp(p, "---", 3) == 0 && x->n == 0))
		return 0;
	if (p[indent] == '\t')
		return fail(x, number, "a tab does not indent");
	l = &x->lines[x->n];
	*l = (struct line){ number, indent, arena_strndup(x->a, p + indent, len) };
	if (!l->text)
		return out_of_memory(x);
	x->n++;
	return 0;
}

static int split(struct reader *x, const char *text, size_t len)
{
	size_t count = 1;
	int number = 1, r = 0;

	if (memchr(text, '\0', len))
		return err_set(x->e, -EBADMSG, "it is no text");
	for (size_t i = 0; i < len; i++)
		count += text[i] == '\n';
	if (count > YAML_LINES_MAX)
		return err_set(x->e, -E2BIG, "it has more than %d lines", YAML_LINES_MAX);
	x->lines = arena_calloc(x->a, count, sizeof(*x->lines));
	if (!x->lines)
		return out_of_memory(x);
	while (len > 0 && r == 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		r = add_line(x, text, n, number++);
		n += end != NULL;
		text += n;
		len -= n;
	}
	return r;
}

/* ---- scalars ---- */

/* From the opening quote; `*p` then stands behind the closing one. */
static int read_quoted(struct reader *x, const char **p, int line, const char **ret)
{
	const char quote = *(*p)++;
	char *out = arena_alloc(x->a, strlen(*p) + 1), *to = out;

	if (!out)
		return out_of_memory(x);
	for (; **p; (*p)++) {
		if (**p == quote && quote == '\'' && (*p)[1] == '\'') {
			(*p)++;
		} else if (**p == quote) {
			(*p)++;
			*to = '\0';
			*ret = out;
			return 0;
		} else if (**p == '\\' && quote == '"') {
			(*p)++;
			if (**p != '"' && **p != '\\' && **p != '/')
				return fail(
					x, line,
					"an escape other than \\\\, \\\" and \\/ is not supported");
		}
		*to++ = **p;
	}
	return fail(x, line, "a quote is not closed");
}

static int check_plain(struct reader *x, const char *p, int line)
{
	if (strchr("&*!|>%@`{", *p) && *p)
		return fail(
			x, line,
			"anchors, aliases, tags, block scalars and flow mappings are not supported");
	return 0;
}

static struct yaml *new_node(struct reader *x, enum yaml_kind kind, int line)
{
	struct yaml *y = arena_alloc(x->a, sizeof(*y));

	if (y)
		*y = (struct yaml){ .kind = kind, .text = "", .line = line };
	else
		out_of_memory(x);
	return y;
}

/* Up to one of `ends`, or the end of the line. */
static int read_scalar(struct reader *x, const char **p, const char *ends, int line,
		       struct yaml **ret)
{
	struct yaml *y = new_node(x, YAML_SCALAR, line);
	size_t n = strcspn(*p, ends);
	int r = y ? check_plain(x, *p, line) : -ENOMEM;

	if (r < 0)
		return r;
	*ret = y;
	if (**p == '"' || **p == '\'')
		return read_quoted(x, p, line, &y->text);
	*p += n;
	while (n > 0 && (*p)[-1] == ' ' && n--)
		(*p)--;
	y->text = arena_strndup(x->a, *p - n, n);
	*p += strspn(*p, " ");
	return y->text ? 0 : out_of_memory(x);
}

/* "[a, 'b']" */
static int read_flow(struct reader *x, const char *p, int line, struct yaml **ret)
{
	struct yaml *list = new_node(x, YAML_LIST, line);
	struct yaml **last = list ? &list->first : NULL;

	if (!list)
		return -ENOMEM;
	*ret = list;
	p += 1 + strspn(p + 1, " ");
	while (*p && *p != ']') {
		int r = read_scalar(x, &p, ",]", line, last);

		if (r < 0)
			return r;
		last = &(*last)->next;
		p += strspn(p, " ");
		if (*p != ',' && *p != ']')
			break;
		p += *p == ',';
		p += strspn(p, " ");
	}
	return *p == ']' && !p[1] ? 0 : fail(x, line, "a flow sequence is not closed on its line");
}

static int read_value(struct reader *x, const char *p, int line, struct yaml **ret)
{
	int r;

	if (*p == '[')
		return read_flow(x, p, line, ret);
	if (streq(p, "{}")) {
		*ret = new_node(x, YAML_MAP, line);
		return *ret ? 0 : -ENOMEM;
	}
	r = read_scalar(x, &p, "", line, ret);
	return r < 0 || !*p ? r : fail(x, line, "there is something behind the closing quote");
}

/* ---- blocks ---- */

static int read_block(struct reader *x, size_t indent, int depth, struct yaml **ret);

static bool is_item(const struct line *l)
{
	return l->text[0] == '-' && (!l->text[1] || l->text[1] == ' ');
}

/* What stands below a key or a dash that has nothing behind it. */
static int read_below(struct reader *x, const struct line *parent, bool is_key, int depth,
		      struct yaml **ret)
{
	const struct line *l = x->at < x->n ? &x->lines[x->at] : NULL;

	if (l &&
	    (l->indent > parent->indent || (is_key && l->indent == parent->indent && is_item(l))))
		return read_block(x, l->indent, depth + 1, ret);
	*ret = new_node(x, YAML_SCALAR, parent->number);
	return *ret ? 0 : -ENOMEM;
}

/* "key: value" or "key:"; `*p` then stands at the value. */
static int read_key(struct reader *x, const char **p, int line, const char **ret)
{
	const char *colon = *p;
	int r;

	if (**p == '"' || **p == '\'') {
		r = read_quoted(x, p, line, ret);
		colon = *p;
	} else {
		while (*colon && !(*colon == ':' && (!colon[1] || colon[1] == ' ')))
			colon++;
		r = check_plain(x, *p, line);
		*ret = arena_strndup(x->a, *p, (size_t)(colon - *p));
	}
	if (r < 0)
		return r;
	if (!*ret)
		return out_of_memory(x);
	if (*colon != ':')
		return fail(x, line, "a key and a colon are missing");
	*p = colon + 1 + strspn(colon + 1, " ");
	return 0;
}

static int read_entry(struct reader *x, bool is_map, int depth, struct yaml **ret)
{
	const struct line *l = &x->lines[x->at++];
	const char *p = l->text, *key = NULL;
	int r = 0;

	if (is_map)
		r = read_key(x, &p, l->number, &key);
	else
		p += 1 + strspn(p + 1, " ");
	if (r == 0)
		r = *p ? read_value(x, p, l->number, ret) : read_below(x, l, is_map, depth, ret);
	if (r < 0)
		return r;
	(*ret)->key = key;
	(*ret)->line = l->number;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct yaml *one = *(struct yaml *const *)a, *other = *(struct yaml *const *)b;
	int order = strcmp(one->key, other->key);

	return order ? order : one->line - other->line;
}

/* Sorted, so that many keys are no trouble. */
static int check_keys(struct reader *x, struct yaml *map, size_t n)
{
	struct yaml **v = arena_calloc(x->a, n + 1, sizeof(*v));
	size_t at = 0;

	if (!v)
		return out_of_memory(x);
	for (struct yaml *y = map->first; y; y = y->next)
		v[at++] = y;
	qsort(v, n, sizeof(*v), by_key);
	for (size_t i = 1; i < n; i++)
		if (streq(v[i - 1]->key, v[i]->key))
			return fail(x, v[i]->line, "the key is there already");
	return 0;
}

static int read_block(struct reader *x, size_t indent, int depth, struct yaml **ret)
{
	size_t count = 0;
	bool is_map = !is_item(&x->lines[x->at]);
	struct yaml *y = new_node(x, is_map ? YAML_MAP : YAML_LIST, x->lines[x->at].number);
	struct yaml **last = y ? &y->first : NULL;

	if (!y)
		return -ENOMEM;
	if (depth > YAML_DEPTH_MAX)
		return err_set(x->e, -E2BIG, "line %d: it is nested deeper than %d", y->line,
			       YAML_DEPTH_MAX);
	while (x->at < x->n && x->lines[x->at].indent >= indent) {
		const struct line *l = &x->lines[x->at];
		int r;

		if (l->indent > indent)
			return fail(x, l->number, "it is indented too far");
		/* A list may stand as deep as the key above it, which goes on with the next key. */
		if (is_item(l) == is_map && !is_map)
			break;
		if (is_item(l) == is_map)
			return fail(x, l->number, "a mapping and a sequence are mixed");
		r = read_entry(x, is_map, depth, last);
		if (r < 0)
			return r;
		last = &(*last)->next;
		count++;
	}
	*ret = y;
	return is_map ? check_keys(x, y, count) : 0;
}

int yaml_read(const char *text, size_t len, struct arena *a, struct yaml **ret, struct err *e)
{
	struct reader x = { .a = a, .e = e };
	int r = split(&x, text, len);

	if (r < 0)
		return r;
	if (x.n == 0) {
		*ret = new_node(&x, YAML_MAP, 1);
		return *ret ? 0 : -ENOMEM;
	}
	r = read_block(&x, x.lines[0].indent, 0, ret);
	return r < 0 || x.at == x.n ? r
				    : fail(&x, x.lines[x.at].number, "it belongs to nothing above");
}

const struct yaml *yaml_get(const struct yaml *map, const char *key)
{
	for (const struct yaml *y = map->kind == YAML_MAP ? map->first : NULL; y; y = y->next)
		if (streq(y->key, key))
			return y;
	return NULL;
}
