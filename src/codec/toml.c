/* The TOML reader's structure: lines, keys, tables. Values are toml_value.c's. */
#include "codec/toml.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/json_priv.h"
#include "codec/toml_priv.h"

#define BYTES_MAX ((size_t)1 << 20)
#define DEPTH_MAX 32
#define NODES_MAX 8192

/* ---- what both files use ---- */

int toml_bad(struct toml_parser *ps, const char *fmt, ...)
{
	char words[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	return err_set(ps->e, -EBADMSG, "line %u: %s", ps->line, words);
}

void toml_skip_space(struct toml_parser *ps)
{
	while (ps->p < ps->end && (*ps->p == ' ' || *ps->p == '\t'))
		ps->p++;
}

bool toml_take(struct toml_parser *ps, char c)
{
	if (ps->p >= ps->end || *ps->p != c)
		return false;
	ps->p++;
	return true;
}

bool toml_take_newline(struct toml_parser *ps)
{
	size_t n = ps->end - ps->p >= 2 && ps->p[0] == '\r' && ps->p[1] == '\n' ? 2
		   : ps->p < ps->end && *ps->p == '\n'				? 1
										: 0;

	ps->p += n;
	ps->line += n > 0;
	return n > 0;
}

int toml_skip_comment(struct toml_parser *ps)
{
	if (!toml_take(ps, '#'))
		return 0;
	while (ps->p < ps->end && *ps->p != '\n' && *ps->p != '\r') {
		if (toml_is_control(*ps->p))
			return toml_bad(ps, "control character in a comment");
		ps->p++;
	}
	return 0;
}

int toml_node(struct toml_parser *ps, enum toml_kind kind, enum toml_how how, struct toml **ret)
{
	struct toml *n;

	if (++ps->nodes > ps->lim.nodes)
		return err_set(ps->e, -E2BIG, "line %u: more than %zu values", ps->line,
			       ps->lim.nodes);
	n = arena_alloc(ps->a, sizeof(*n));
	if (!n)
		return err_set(ps->e, -ENOMEM, "out of memory");
	n->kind = (uint8_t)kind;
	n->how = (uint8_t)how;
	n->line = ps->line;
	*ret = n;
	return 0;
}

void toml_append(struct toml *to, struct toml *n)
{
	if (to->last)
		to->last->next = n;
	else
		to->first = n;
	to->last = n;
	to->n++;
}

int toml_check_depth(struct toml_parser *ps, size_t depth)
{
	return depth <= ps->lim.depth ? 0
				      : err_set(ps->e, -E2BIG, "line %u: nested more than %zu deep",
						ps->line, ps->lim.depth);
}

/* ---- keys ---- */

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static int read_part(struct toml_parser *ps, const char **ret)
{
	const char *start = ps->p;

	if (ps->p < ps->end && (*ps->p == '"' || *ps->p == '\''))
		return toml_read_line_string(ps, ret);
	while (ps->p < ps->end && is_bare(*ps->p))
		ps->p++;
	if (ps->p == start)
		return toml_bad(ps, "a key is missing");
	*ret = arena_strndup(ps->a, start, (size_t)(ps->p - start));
	return *ret ? 0 : err_set(ps->e, -ENOMEM, "out of memory");
}

static struct toml *find(const struct toml *table, const char *key)
{
	for (struct toml *n = table->first; n; n = n->next)
		if (streq(n->key, key))
			return n;
	return NULL;
}

static int add_member(struct toml_parser *ps, struct toml *table, const char *key,
		      enum toml_kind kind, enum toml_how how, struct toml **ret)
{
	int r = toml_node(ps, kind, how, ret);

	if (r < 0)
		return r;
	(*ret)->key = key;
	toml_append(table, *ret);
	return 0;
}

/* One step of a header: into a table, or into the newest element of an array of tables. */
static int step_header(struct toml_parser *ps, struct toml **at, const char *key)
{
	struct toml *n = find(*at, key);

	if (!n)
		return add_member(ps, *at, key, TOML_TABLE, TOML_IMPLIED, at);
	if (n->kind == TOML_ARRAY && n->how == TOML_OF_TABLES)
		n = n->last;
	if (n->kind != TOML_TABLE || n->how == TOML_INLINE)
		return toml_bad(ps, "'%.100s' is no table that can be added to", key);
	*at = n;
	return 0;
}

/* One step of a dotted key: only into tables that such keys made. */
static int step_dotted(struct toml_parser *ps, struct toml **at, const char *key)
{
	struct toml *n = find(*at, key);

	if (!n)
		return add_member(ps, *at, key, TOML_TABLE, TOML_DOTTED, at);
	if (n->kind != TOML_TABLE || n->how != TOML_DOTTED)
		return toml_bad(ps, "'%.100s' is no table that can be added to", key);
	*at = n;
	return 0;
}

/* All parts but the last are steps; `*depth` counts them. */
static int read_path(struct toml_parser *ps,
		     int (*step)(struct toml_parser *ps, struct toml **at, const char *key),
		     struct toml **at, size_t *depth, const char **ret_last)
{
	for (;;) {
		int r = toml_check_depth(ps, ++*depth);

		toml_skip_space(ps);
		if (r == 0)
			r = read_part(ps, ret_last);
		if (r < 0)
			return r;
		toml_skip_space(ps);
		if (!toml_take(ps, '.'))
			return 0;
		r = step(ps, at, *ret_last);
		if (r < 0)
			return r;
	}
}

int toml_read_pair(struct toml_parser *ps, struct toml *table, size_t depth)
{
	struct toml *value;
	const char *key;
	int r = read_path(ps, step_dotted, &table, &depth, &key);

	if (r < 0)
		return r;
	if (!toml_take(ps, '='))
		return toml_bad(ps, "'=' is missing behind the key '%.100s'", key);
	if (find(table, key))
		return toml_bad(ps, "the key '%.100s' stands twice", key);
	toml_skip_space(ps);
	r = toml_read_value(ps, depth, &value);
	if (r < 0)
		return r;
	value->key = key;
	toml_append(table, value);
	return 0;
}

/* ---- lines ---- */

static int define_table(struct toml_parser *ps, struct toml *at, const char *key, struct toml **ret)
{
	struct toml *n = find(at, key);

	if (!n)
		return add_member(ps, at, key, TOML_TABLE, TOML_DEFINED, ret);
	if (n->kind != TOML_TABLE || n->how != TOML_IMPLIED)
		return toml_bad(ps, "the table '%.100s' is defined twice", key);
	n->how = TOML_DEFINED;
	n->line = ps->line;
	*ret = n;
	return 0;
}

static int define_element(struct toml_parser *ps, struct toml *at, const char *key,
			  struct toml **ret)
{
	struct toml *n = find(at, key);
	int r = n ? 0 : add_member(ps, at, key, TOML_ARRAY, TOML_OF_TABLES, &n);

	if (r < 0)
		return r;
	if (n->kind != TOML_ARRAY || n->how != TOML_OF_TABLES)
		return toml_bad(ps, "'%.100s' is no array of tables", key);
	r = toml_node(ps, TOML_TABLE, TOML_DEFINED, ret);
	if (r == 0)
		toml_append(n, *ret);
	return r;
}

/* Behind the first bracket. */
static int read_header(struct toml_parser *ps, struct toml *root, struct toml **ret_current,
		       size_t *ret_depth)
{
	bool is_element = toml_take(ps, '[');
	struct toml *at = root;
	size_t depth = 0;
	const char *key;
	int r = read_path(ps, step_header, &at, &depth, &key);

	if (r < 0)
		return r;
	if (!toml_take(ps, ']') || (is_element && !toml_take(ps, ']')))
		return toml_bad(ps, "the table's header does not end");
	*ret_depth = depth;
	return is_element ? define_element(ps, at, key, ret_current)
			  : define_table(ps, at, key, ret_current);
}

static int read_lines(struct toml_parser *ps, struct toml *root)
{
	struct toml *current = root;
	size_t depth = 0;

	while (ps->p < ps->end) {
		int r = 0;

		toml_skip_space(ps);
		if (toml_take_newline(ps) || ps->p >= ps->end)
			continue;
		if (*ps->p == '#')
			r = 0;
		else if (toml_take(ps, '['))
			r = read_header(ps, root, &current, &depth);
		else
			r = toml_read_pair(ps, current, depth);
		toml_skip_space(ps);
		if (r == 0)
			r = toml_skip_comment(ps);
		if (r < 0)
			return r;
		if (ps->p < ps->end && !toml_take_newline(ps))
			return toml_bad(ps, "the line goes on behind its end");
	}
	return 0;
}

static int check_utf8(struct toml_parser *ps)
{
	const unsigned char *end = (const unsigned char *)ps->end;
	uint32_t line = 1;

	for (const unsigned char *p = (const unsigned char *)ps->p; p < end;) {
		size_t n = *p < 0x80 ? 1 : json_utf8_len(p, end);

		if (n == 0) {
			ps->line = line;
			return toml_bad(ps, "invalid UTF-8");
		}
		line += *p == '\n';
		p += n;
	}
	return 0;
}

int toml_read(const char *text, size_t len, const struct toml_limits *lim, struct arena *a,
	      struct toml **ret, struct err *e)
{
	struct toml_parser ps = { .p = text, .end = text + len, .line = 1, .a = a, .e = e };
	struct toml *root;
	int r;

	if (lim)
		ps.lim = *lim;
	ps.lim.bytes = ps.lim.bytes ? ps.lim.bytes : BYTES_MAX;
	ps.lim.depth = ps.lim.depth ? ps.lim.depth : DEPTH_MAX;
	ps.lim.nodes = ps.lim.nodes ? ps.lim.nodes : NODES_MAX;
	if (len > ps.lim.bytes)
		return err_set(e, -E2BIG, "more than %zu bytes", ps.lim.bytes);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		ps.p += 3;
	r = check_utf8(&ps);
	if (r == 0)
		r = toml_node(&ps, TOML_TABLE, TOML_DEFINED, &root);
	if (r == 0)
		r = read_lines(&ps, root);
	if (r == 0)
		*ret = root;
	return r;
}

/* ---- looking up ---- */

const struct toml *toml_get(const struct toml *table, const char *key)
{
	return table && table->kind == TOML_TABLE ? find(table, key) : NULL;
}

const struct toml *toml_at(const struct toml *table, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, table);
	while (table && (key = va_arg(ap, const char *)))
		table = toml_get(table, key);
	va_end(ap);
	return table;
}

/* The member if it is of this kind. 1, 0 when there is none, -EBADMSG. */
static int get(const struct toml *table, const char *key, enum toml_kind kind,
	       const struct toml **ret, struct err *e)
{
	static const char *const names[] = { "string", "integer", "float", "boolean",
					     "time",   "array",	  "table" };

	*ret = toml_get(table, key);
	if (!*ret)
		return 0;
	return (*ret)->kind == kind ? 1
				    : err_set(e, -EBADMSG, "line %u: '%s' is no %s", (*ret)->line,
					      key, names[kind]);
}

int toml_get_str(const struct toml *table, const char *key, const char **ret, struct err *e)
{
	const struct toml *n;
	int r = get(table, key, TOML_STRING, &n, e);

	if (r > 0)
		*ret = n->s;
	return MIN(r, 0);
}

int toml_get_bool(const struct toml *table, const char *key, bool *ret, struct err *e)
{
	const struct toml *n;
	int r = get(table, key, TOML_BOOLEAN, &n, e);

	if (r > 0)
		*ret = n->b;
	return MIN(r, 0);
}

int toml_get_int(const struct toml *table, const char *key, int64_t *ret, struct err *e)
{
	const struct toml *n;
	int r = get(table, key, TOML_INTEGER, &n, e);

	if (r > 0)
		*ret = n->i;
	return MIN(r, 0);
}

int toml_get_strs(const struct toml *table, const char *key, struct arena *a, struct json_strs *ret,
		  struct err *e)
{
	const struct toml *n = toml_get(table, key), *item;
	struct json_strs list = { 0 };

	if (!n)
		return 0;
	if (n->kind != TOML_STRING && n->kind != TOML_ARRAY)
		return err_set(e, -EBADMSG, "line %u: '%s' is no string and no list of them",
			       n->line, key);
	list.v = arena_calloc(a, n->kind == TOML_ARRAY ? n->n + 1 : 1, sizeof(*list.v));
	if (!list.v)
		return err_set(e, -ENOMEM, "out of memory");
	if (n->kind == TOML_STRING)
		list.v[list.n++] = n->s;
	for (item = n->kind == TOML_ARRAY ? n->first : NULL; item; item = item->next) {
		if (item->kind != TOML_STRING)
			return err_set(e, -EBADMSG,
				       "line %u: '%s' has an element that is no string", item->line,
				       key);
		list.v[list.n++] = item->s;
	}
	*ret = list;
	return 0;
}
