/*
 * The part of GVariant's text form that properties of units need: one basic value or an array of them. No
 * nesting, so no recursion. Source: GLib's "GVariant Text Format"; godbus' ParseVariant, which runc uses.
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"
#include "oci/systemd_props.h"

struct parser {
	const char *p;
	struct arena *arena;
	struct systemd_property *ret;
	size_t cap;
	char type; /* of the elements; 0: the first one tells */
	struct err *e;
};

static const struct {
	char word[8];
	char type;
	int64_t min, max;
} keywords[] = {
	{ "boolean", 'b', 0, 0 },
	{ "byte", 'y', 0, UINT8_MAX },
	{ "int16", 'n', INT16_MIN, INT16_MAX },
	{ "uint16", 'q', 0, UINT16_MAX },
	{ "int32", 'i', INT32_MIN, INT32_MAX },
	{ "uint32", 'u', 0, UINT32_MAX },
	{ "int64", 'x', INT64_MIN, INT64_MAX },
	{ "uint64", 't', 0, INT64_MAX },
	{ "double", 'd', 0, 0 },
	{ "string", 's', 0, 0 },
};

static int fail(struct parser *s, const char *why)
{
	return err_set(s->e, -EINVAL, "%s at '%.20s'", why, s->p);
}

static void skip_space(struct parser *s)
{
	s->p += strspn(s->p, " \t\n");
}

static int add(struct parser *s, const char *text, size_t len)
{
	struct json_strs *v = &s->ret->values;
	char *copy;

	if (v->n >= LIMIT_DEVICES)
		return err_set(s->e, -E2BIG, "more than %d values", LIMIT_DEVICES);
	if (v->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 4;
		const char **grown = arena_calloc(s->arena, cap, sizeof(*grown));

		if (!grown)
			return err_sys(s->e, -ENOMEM, "parse value");
		if (v->n)
			memcpy(grown, v->v, v->n * sizeof(*grown));
		v->v = grown;
		s->cap = cap;
	}
	copy = arena_strndup(s->arena, text, len);
	if (!copy)
		return err_sys(s->e, -ENOMEM, "parse value");
	v->v[v->n++] = copy;
	return 0;
}

/* The first value's type counts for all that follow without one of their own. */
static int take_type(struct parser *s, char type)
{
	if (s->type && s->type != type)
		return fail(s, "a value of another type");
	s->type = type;
	return 0;
}

static int parse_string(struct parser *s)
{
	char quote = *s->p++, *out;
	size_t n = 0;

	out = arena_alloc(s->arena, strlen(s->p) + 1);
	if (!out)
		return err_sys(s->e, -ENOMEM, "parse value");
	for (; *s->p && *s->p != quote; s->p++) {
		if (*s->p == '\\') {
			s->p++;
			if (!*s->p || !strchr("\\\"'", *s->p))
				return fail(s, "an escape that is not known");
		}
		out[n++] = *s->p;
	}
	if (!*s->p)
		return fail(s, "a string without its end");
	s->p++;
	return take_type(s, 's') < 0 ? -EINVAL : add(s, out, n);
}

static int check_number(struct parser *s, const char *text)
{
	int64_t v;
	uint64_t u;

	if (s->type == 't')
		return str_to_u64(text, UINT64_MAX, &u);
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (keywords[i].type == s->type)
			return str_to_i64(text, keywords[i].min, keywords[i].max, &v);
	return -EINVAL;
}

static int parse_number(struct parser *s)
{
	size_t len = strspn(s->p, "+-0123456789.e");
	char text[32], *end;
	int r = 0;

	if (len == 0 || len >= sizeof(text))
		return fail(s, "no value");
	snprintf(text, sizeof(text), "%.*s", (int)len, s->p);
	if (!s->type)
		s->type = strpbrk(text, ".e") ? 'd' : 'i';
	if (s->type == 'd')
		r = (strtod(text, &end), *end) ? -EINVAL : 0;
	else
		r = check_number(s, text);
	if (r < 0)
		return err_set(s->e, r, "'%s' is no number of the type '%c'", text, s->type);
	s->p += len;
	return add(s, text, len);
}

/* "uint64 5": the keyword stands before the value. */
static int parse_keyword(struct parser *s)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
		const char *word = keywords[i].word;
		size_t n = strnlen(word, sizeof(keywords[i].word));

		if (strncmp(s->p, word, n) != 0 || s->p[n] != ' ')
			continue;
		if (take_type(s, keywords[i].type) < 0)
			return -EINVAL;
		s->p += n;
		skip_space(s);
		return 0;
	}
	return 0;
}

static int parse_one(struct parser *s)
{
	const char *rest;
	int r = parse_keyword(s);

	if (r < 0)
		return r;
	if (*s->p == '\'' || *s->p == '"')
		return parse_string(s);
	rest = str_skip(s->p, "true");
	if (!rest)
		rest = str_skip(s->p, "false");
	if (!rest)
		return parse_number(s);
	r = take_type(s, 'b');
	if (r == 0)
		r = add(s, s->p, (size_t)(rest - s->p));
	s->p = rest;
	return r;
}

static int parse_array(struct parser *s)
{
	int r = 0;

	s->p++;
	skip_space(s);
	while (r == 0 && *s->p != ']') {
		r = parse_one(s);
		skip_space(s);
		if (r == 0 && *s->p != ',' && *s->p != ']')
			r = fail(s, "an array without its end");
		if (r == 0 && *s->p == ',') {
			s->p++;
			skip_space(s);
		}
	}
	if (r == 0)
		s->p++;
	return r;
}

/* "@as []": the type stands before the value, which may then be empty. */
static int parse_prefix(struct parser *s, bool *ret_is_array)
{
	const char *types;
	size_t n = strcspn(s->p, " ");
	char *sig;

	if (*s->p != '@')
		return 0;
	sig = arena_strndup(s->arena, s->p + 1, n - 1);
	if (!sig)
		return err_sys(s->e, -ENOMEM, "parse value");
	if (systemd_signature(sig, &types) != 1 || strchr(sig, '('))
		return fail(s, "a type that is not supported");
	s->type = *types;
	*ret_is_array = *sig == 'a';
	s->p += n;
	skip_space(s);
	return *ret_is_array == (*s->p == '[') ? 0 : fail(s, "a value of another type");
}

int systemd_variant_parse(const char *text, struct arena *a, struct systemd_property *ret,
			  struct err *e)
{
	struct parser s = { .p = text, .arena = a, .ret = ret, .e = e };
	bool is_array = false;
	int r;

	skip_space(&s);
	r = parse_prefix(&s, &is_array);
	if (r < 0)
		return r;
	is_array = *s.p == '[';
	r = is_array ? parse_array(&s) : parse_one(&s);
	if (r < 0)
		return r;
	skip_space(&s);
	if (*s.p)
		return fail(&s, "more than one value");
	if (!s.type)
		return fail(&s, "an empty array without its type");
	ret->signature = arena_printf(a, "%s%c", is_array ? "a" : "", s.type);
	return ret->signature ? 0 : err_sys(e, -ENOMEM, "parse value");
}
