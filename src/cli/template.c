/*
 * The part of Go's templates that people's scripts use with --format: `{{.A.B}}`, `{{json .A}}`, `{{len .A}}`,
 * `{{index .A "k"}}`, and text with \t and \n. Anything more is an error that shows it.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "codec/json.h"

#define PATH_DEPTH_MAX 16
#define EXPR_MAX 256

/* The member `key` of an object, or element of an array; -ENOENT when it is not there. */
static int member(struct json_raw v, const char *key, size_t key_len, struct arena *a,
		  struct json_raw *ret)
{
	struct json_reader rd;
	enum json_token t;

	json_reader_init(&rd, v.p, v.len, NULL, a, NULL);
	if (json_next(&rd) != JSON_T_OBJECT)
		return -ENOENT;
	while ((t = json_next(&rd)) == JSON_T_KEY) {
		bool is_it = rd.len == key_len && memcmp(rd.text, key, key_len) == 0;
		int r = json_skip(&rd, ret);

		if (r < 0 || is_it)
			return r;
	}
	return t == JSON_T_ERROR ? rd.r : -ENOENT;
}

/* Walks ".A.B"; "." is the whole. */
static int walk(struct json_raw v, const char *path, struct arena *a, struct json_raw *ret,
		struct err *e)
{
	const char *p = path;

	if (*p != '.')
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "template expression '%s' is not supported", path);
	for (int depth = 0; *p == '.' && p[1]; depth++) {
		size_t len = strcspn(p + 1, ".");
		int r = depth < PATH_DEPTH_MAX ? member(v, p + 1, len, a, &v) : -E2BIG;

		if (r == -ENOENT)
			return err_set(e, -EINVAL, "template: no entry for key \"%.*s\"", (int)len,
				       p + 1);
		if (r < 0)
			return err_sys(e, r, "template '%s'", path);
		p += 1 + len;
	}
	*ret = v;
	return 0;
}

/* A value as Go prints it: strings bare, the rest as its text; lists as [a b]. */
static int put_value(struct json_raw v, struct arena *a, struct strbuf *out)
{
	struct json_reader rd;
	enum json_token t;
	bool is_first = true;

	json_reader_init(&rd, v.p, v.len, NULL, a, NULL);
	t = json_next(&rd);
	if (t == JSON_T_STRING) {
		strbuf_add(out, rd.text, rd.len);
		return 0;
	}
	if (t == JSON_T_NULL) {
		strbuf_adds(out, "<nil>");
		return 0;
	}
	if (t != JSON_T_ARRAY) {
		strbuf_add(out, v.p, v.len);
		return 0;
	}
	strbuf_addc(out, '[');
	while ((t = json_next(&rd)) == JSON_T_STRING || t == JSON_T_NUMBER || t == JSON_T_TRUE ||
	       t == JSON_T_FALSE) {
		strbuf_addf(out, "%s%.*s", is_first ? "" : " ", (int)rd.len,
			    rd.text ? rd.text : "");
		is_first = false;
	}
	strbuf_addc(out, ']');
	return 0;
}

static int put_len(struct json_raw v, struct arena *a, struct strbuf *out)
{
	struct json_reader rd;
	enum json_token t;
	size_t n = 0;

	json_reader_init(&rd, v.p, v.len, NULL, a, NULL);
	t = json_next(&rd);
	if (t == JSON_T_STRING) {
		n = rd.len;
	} else if (t == JSON_T_OBJECT) {
		for (; json_next(&rd) == JSON_T_KEY; n++)
			if (json_skip(&rd, NULL) < 0)
				break;
	} else if (t == JSON_T_ARRAY) {
		while (json_skip(&rd, NULL) == 0)
			n++;
	}
	strbuf_addf(out, "%zu", n);
	return 0;
}

/* `index .A "key"` */
static int put_index(struct json_raw whole, const char *args, struct arena *a, struct strbuf *out,
		     struct err *e)
{
	size_t path_len = strcspn(args, " ");
	const char *key = strchr(args, '"');
	const char *end = key ? strchr(key + 1, '"') : NULL;
	char *path = arena_strndup(a, args, path_len);
	struct json_raw v;
	int r;

	if (!path || !end || end[1])
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "template expression 'index %s' is not supported", args);
	r = walk(whole, path, a, &v, e);
	if (r < 0)
		return r;
	r = member(v, key + 1, (size_t)(end - key - 1), a, &v);
	return r == -ENOENT ? 0 : r < 0 ? r : put_value(v, a, out);
}

static int put_expression(struct json_raw whole, const char *expr, struct arena *a,
			  struct strbuf *out, struct err *e)
{
	const char *path = expr;
	struct json_raw v;
	int r;

	if ((path = str_skip(expr, "index ")))
		return put_index(whole, path, a, out, e);
	if ((path = str_skip(expr, "json "))) {
		r = walk(whole, path, a, &v, e);
		if (r == 0)
			strbuf_add(out, v.p, v.len);
		return r;
	}
	if ((path = str_skip(expr, "len "))) {
		r = walk(whole, path, a, &v, e);
		return r < 0 ? r : put_len(v, a, out);
	}
	r = walk(whole, expr, a, &v, e);
	return r < 0 ? r : put_value(v, a, out);
}

/* Cuts "  .A  " (with Go's trim marks) to ".A". */
static int cut_expression(const char *from, const char *to, char buf[EXPR_MAX])
{
	while (from < to && (*from == ' ' || *from == '-'))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '-'))
		to--;
	if (to - from >= EXPR_MAX)
		return -E2BIG;
	memcpy(buf, from, (size_t)(to - from));
	buf[to - from] = '\0';
	return 0;
}

static void put_text(const char *p, size_t len, struct strbuf *out)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\\' && i + 1 < len && (p[i + 1] == 't' || p[i + 1] == 'n'))
			strbuf_addc(out, p[++i] == 't' ? '\t' : '\n');
		else
			strbuf_addc(out, p[i]);
	}
}

int template_print(const char *tmpl, const char *json, size_t len, struct strbuf *out,
		   struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_raw whole = { json, len };
	char expr[EXPR_MAX];

	while (*tmpl) {
		const char *open = strstr(tmpl, "{{"), *close;
		int r;

		if (!open) {
			put_text(tmpl, strlen(tmpl), out);
			break;
		}
		put_text(tmpl, (size_t)(open - tmpl), out);
		close = strstr(open, "}}");
		if (!close)
			return err_set(e, -EINVAL,
				       "template parsing error: unclosed action in '%s'", tmpl);
		r = cut_expression(open + 2, close, expr);
		if (r == 0)
			r = put_expression(whole, expr, &a, out, e);
		if (r < 0)
			return r;
		tmpl = close + 2;
	}
	return strbuf_ok(out);
}
