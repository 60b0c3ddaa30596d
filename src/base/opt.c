#include "base/opt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

static bool is_last(const struct opt *o)
{
	return !o->name && !o->letter;
}

static bool takes_value(const struct opt *o)
{
	return o->kind != OPT_BOOL && o->kind != OPT_TRISTATE && o->kind != OPT_UNSUPPORTED;
}

/* "-m, --memory", as docker's errors name an option. */
static const char *label(const struct opt *o, char buf[128])
{
	if (o->name && o->letter)
		snprintf(buf, 128, "-%c, --%s", o->letter, o->name);
	else if (o->name)
		snprintf(buf, 128, "--%s", o->name);
	else
		snprintf(buf, 128, "-%c", o->letter);
	return buf;
}

static int parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (streq(s, yes[i]))
			return *ret = true, 0;
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (streq(s, no[i]))
			return *ret = false, 0;
	return -EINVAL;
}

/* "1.5" to 1500000000. */
static int parse_cpus(const char *s, int64_t *ret)
{
	int64_t whole = 0, frac = 0, unit = 100000000;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		whole = whole * 10 + (*p - '0');
		if (whole > 1000000)
			return -ERANGE;
	}
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
			frac += unit * (*p - '0');
	if (p == s || *p)
		return -EINVAL;
	*ret = whole * 1000000000 + frac;
	return 0;
}

static int store_switch(const struct opt *o, void *at, const char *value)
{
	bool is_on = true;
	int r = value ? parse_bool(value, &is_on) : 0;

	if (r < 0)
		return r;
	if (o->kind == OPT_TRISTATE)
		*(int *)at = is_on;
	else
		*(bool *)at = is_on;
	return 0;
}

static int store(const struct opt *o, void *target, const char *value, struct err *e)
{
	void *at = (char *)target + o->offset;
	char buf[128];
	int r = 0;

	switch ((enum opt_kind)o->kind) {
	case OPT_BOOL:
	case OPT_TRISTATE:
		r = store_switch(o, at, value);
		break;
	case OPT_STR:
		*(const char **)at = value;
		break;
	case OPT_STRV:
		r = strv_add(at, value);
		break;
	case OPT_I64:
		r = str_to_i64(value, INT64_MIN, INT64_MAX, at);
		break;
	case OPT_U32:
		r = str_to_u32(value, at);
		break;
	case OPT_BYTES:
		r = streq(value, "-1") ? (*(int64_t *)at = -1, 0) : str_to_bytes(value, at);
		break;
	case OPT_DURATION:
		r = clock_parse_duration(value, at);
		break;
	case OPT_CPUS:
		r = parse_cpus(value, at);
		break;
	case OPT_UNSUPPORTED:
	case OPT_UNSUPPORTED_ARG:
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "option '%s' is not supported yet", label(o, buf));
	}
	if (r < 0)
		return err_set(e, r == -ENOMEM ? r : -EINVAL,
			       "invalid argument \"%s\" for \"%s\" flag: %s", value ? value : "",
			       label(o, buf),
			       r == -ERANGE ? "value out of range" : "invalid syntax");
	return 0;
}

static const struct opt *find_long(const struct opt *rows, const char *name, size_t len)
{
	for (; !is_last(rows); rows++)
		if (rows->name && strlen(rows->name) == len && memcmp(rows->name, name, len) == 0)
			return rows;
	return NULL;
}

static const struct opt *find_letter(const struct opt *rows, char c)
{
	for (; !is_last(rows); rows++)
		if (rows->letter == c)
			return rows;
	return NULL;
}

struct parser {
	const struct opt *rows;
	unsigned int flags;
	int argc, i;
	char **argv;
	void *target;
	bool is_help;
	struct err *e;
};

/* `name` is behind the dashes. */
static int parse_long(struct parser *p, const char *name)
{
	const char *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	const struct opt *o = find_long(p->rows, name, len);

	if (!o && len == 4 && memcmp(name, "help", 4) == 0) {
		p->is_help = true;
		return 0;
	}
	if (!o)
		return err_set(p->e, -EINVAL, "unknown flag: --%.*s", (int)len, name);
	if (eq)
		return store(o, p->target, eq + 1, p->e);
	if (!takes_value(o))
		return store(o, p->target, NULL, p->e);
	if (p->i + 1 >= p->argc)
		return err_set(p->e, -EINVAL, "flag needs an argument: --%s", o->name);
	return store(o, p->target, p->argv[++p->i], p->e);
}

/* `group` is behind the dash: "it", "e=x", "m512m". */
static int parse_letters(struct parser *p, const char *group)
{
	for (const char *c = group; *c; c++) {
		const struct opt *o = find_letter(p->rows, *c);
		const char *value = c[1] == '=' ? c + 2 : c + 1;
		int r;

		if (!o && *c == 'h') {
			p->is_help = true;
			return 0;
		}
		if (!o)
			return err_set(p->e, -EINVAL, "unknown shorthand flag: '%c' in -%s", *c,
				       group);
		if (!takes_value(o) && c[1] == '=')
			return store(o, p->target, value, p->e);
		if (!takes_value(o)) {
			r = store(o, p->target, NULL, p->e);
			if (r < 0)
				return r;
			continue;
		}
		if (c[1])
			return store(o, p->target, value, p->e);
		if (p->i + 1 >= p->argc)
			return err_set(p->e, -EINVAL, "flag needs an argument: '%c' in -%s", *c,
				       group);
		return store(o, p->target, p->argv[++p->i], p->e);
	}
	return 0;
}

/* Go's flag package takes `-name`; true when the word is one of those. */
static bool is_go_long(const struct parser *p, const char *name)
{
	const char *eq = strchr(name, '=');
	const struct opt *o = find_long(p->rows, name, eq ? (size_t)(eq - name) : strlen(name));

	return o && name[1] && name[1] != '=' && ((p->flags & OPT_ALL_GO) || (o->flags & OPT_GO));
}

static int parse_word(struct parser *p, const char *word)
{
	if (word[1] == '-')
		return parse_long(p, word + 2);
	return is_go_long(p, word + 1) ? parse_long(p, word + 1) : parse_letters(p, word + 1);
}

int opt_parse(const struct opt *rows, unsigned int flags, int argc, char **argv, void *target,
	      int *ret_first, bool *ret_help, struct err *e)
{
	struct parser p = {
		.rows = rows, .flags = flags, .argc = argc, .argv = argv, .target = target, .e = e
	};
	char **rest = calloc((size_t)argc + 1, sizeof(*rest));
	int n = 0, r = 0;

	if (!rest)
		return err_sys(e, -ENOMEM, "parse options");
	for (p.i = 1; p.i < argc && r == 0; p.i++) {
		char *word = argv[p.i];

		if (streq(word, "--")) {
			p.i++;
			break;
		}
		if (word[0] == '-' && word[1]) {
			r = parse_word(&p, word);
			continue;
		}
		if (flags & OPT_STOP_AT_POSITIONAL)
			break;
		rest[n++] = word;
	}
	for (; p.i < argc; p.i++)
		rest[n++] = argv[p.i];
	for (int i = 0; i < n; i++)
		argv[argc - n + i] = rest[i];
	free(rest);
	*ret_first = argc - n;
	*ret_help = p.is_help;
	return r;
}

int opt_from_env(const struct opt *rows, void *target, struct err *e)
{
	for (; !is_last(rows); rows++) {
		const char *v = rows->env ? getenv(rows->env) : NULL;
		int r = v && *v ? store(rows, target, v, e) : 0;

		if (r < 0)
			return err_wrap(e, r, "environment variable '%s'", rows->env);
	}
	return 0;
}

static void left_column(const struct opt *o, char *buf, size_t size)
{
	char dashes[8] = "    ";

	if (o->letter)
		snprintf(dashes, sizeof(dashes), "-%c%s", o->letter, o->name ? ", " : "  ");
	snprintf(buf, size, "  %s%s%s%s%s", dashes, o->name ? "--" : "", o->name ? o->name : "",
		 o->arg ? " " : "", o->arg ? o->arg : "");
}

static bool is_shown(const struct opt *o)
{
	return !(o->flags & OPT_HIDDEN) && o->kind < OPT_UNSUPPORTED;
}

static const char *sort_key(const struct opt *o)
{
	return o->name ? o->name : "";
}

/* The shown row whose name comes next behind `last`, or NULL. */
static const struct opt *next_by_name(const struct opt *rows, const char *last)
{
	const struct opt *best = NULL;

	for (const struct opt *o = rows; !is_last(o); o++)
		if (is_shown(o) && (!last || strcmp(sort_key(o), last) > 0) &&
		    (!best || strcmp(sort_key(o), sort_key(best)) < 0))
			best = o;
	return best;
}

void opt_print_help(const struct opt *rows, FILE *f)
{
	const struct opt *o = NULL;
	char left[160];
	size_t width = 0;

	for (o = rows; !is_last(o); o++) {
		if (!is_shown(o))
			continue;
		left_column(o, left, sizeof(left));
		width = MAX(width, strlen(left));
	}
	fputs("Options:\n", f);
	for (o = NULL; (o = next_by_name(rows, o ? sort_key(o) : NULL));) {
		left_column(o, left, sizeof(left));
		fprintf(f, "%-*s   %s\n", (int)width, left, o->help);
	}
}
