#include "worker/changes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "spec/image.h"

/* Of one list; a longer one is not for people. */
#define LIST_MAX 4096
#define PORT_RANGE_MAX 1000
#define BLANK " \t"

static int out_of_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

static const char *skip_blank(const char *s)
{
	return s + strspn(s, BLANK);
}

/* ---- lists ---- */

static int list_add(struct changes *c, struct json_strs *list, const char *text, struct err *e)
{
	const char **v;

	if (list->n >= LIST_MAX)
		return err_set(e, -E2BIG, "too many words");
	v = arena_calloc(c->a, list->n + 1, sizeof(*v));
	if (!v || !text)
		return out_of_memory(e);
	if (list->n)
		memcpy(v, list->v, list->n * sizeof(*v));
	v[list->n] = text;
	list->v = v;
	list->n++;
	return 0;
}

/* Once only: ports and volumes are sets. */
static int set_add(struct changes *c, struct json_strs *set, const char *text, struct err *e)
{
	for (size_t i = 0; i < set->n; i++)
		if (streq(set->v[i], text))
			return 0;
	return list_add(c, set, text, e);
}

/* ["a", "b"]; 0 when the text is no such thing. */
static int read_json_list(struct changes *c, const char *text, struct json_strs *ret, struct err *e)
{
	struct {
		struct json_strs v;
	} whole = { 0 };
	AUTO_FREE char *object = NULL;
	static const struct json_field rows[] = { { "v", JSON_STRS, 0, 0, 0, NULL } };
	const struct json_table table = { "list", sizeof(whole), rows, 1 };

	if (*text != '[' || json_check(text, strlen(text), NULL, NULL) < 0)
		return 0;
	object = str_printf("{\"v\":%s}", text);
	if (!object)
		return out_of_memory(e);
	if (json_read(&table, object, strlen(object), NULL, c->a, &whole, NULL) < 0)
		return 0;
	*ret = whole.v;
	return 1;
}

/* ---- words ---- */

static const char *env_value(const struct changes *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->s->env.n; i++)
		if (strncmp(c->s->env.v[i], name, len) == 0 && c->s->env.v[i][len] == '=')
			return c->s->env.v[i] + len + 1;
	return "";
}

static size_t name_len(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

/* What stands behind "$"; `*p` is moved over it. */
static int add_variable(struct changes *c, const char **p, struct strbuf *out, struct err *e)
{
	bool is_braced = **p == '{';
	const char *name = *p + is_braced;
	size_t n = name_len(name);

	if (n == 0 && !is_braced) {
		strbuf_addc(out, '$');
		return 0;
	}
	if (is_braced && (n == 0 || name[n] != '}'))
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "of variables only $NAME and ${NAME} are supported: '$%.60s'",
				    *p);
	strbuf_adds(out, env_value(c, name, n));
	*p = name + n + is_braced;
	return 0;
}

/* Quotes and backslashes go, variables are filled in; up to the first blank outside of quotes. */
static int read_word(struct changes *c, const char **text, bool is_whole, const char **ret,
		     struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	const char *p = *text;
	char quote = '\0';
	int r = 0;

	while (*p && r == 0 && (quote || is_whole || !strchr(BLANK, *p))) {
		char ch = *p++;

		if (quote ? ch == quote : ch == '"' || ch == '\'')
			quote = quote ? '\0' : ch;
		else if (ch == '\\' && quote != '\'' && *p &&
			 (quote == '\0' || strchr("\"$\\", *p)))
			strbuf_addc(&out, *p++);
		else if (ch == '$' && quote != '\'')
			r = add_variable(c, &p, &out, e);
		else
			strbuf_addc(&out, ch);
	}
	if (r == 0 && quote)
		r = err_set(e, -EINVAL, "unexpected end of statement while looking for matching %s",
			    quote == '"' ? "double-quote" : "single-quote");
	if (r < 0)
		return r;
	if (strbuf_ok(&out) < 0)
		return out_of_memory(e);
	*text = p;
	*ret = arena_strndup(c->a, out.p ? out.p : "", out.len);
	return *ret ? 0 : out_of_memory(e);
}

static int read_words(struct changes *c, const char *text, struct json_strs *ret, struct err *e)
{
	const char *word;
	int r = 0;

	for (text = skip_blank(text); *text && r == 0; text = skip_blank(text)) {
		r = read_word(c, &text, false, &word, e);
		if (r == 0)
			r = list_add(c, ret, word, e);
	}
	return r;
}

/* "k=v k2=v2", or docker's old form "k v and more". `put` gets each. */
static int read_pairs(struct changes *c, const char *text, const char *what,
		      int (*put)(struct changes *c, const char *key, const char *value,
				 struct err *e),
		      struct err *e)
{
	size_t first = strcspn(text, BLANK);
	const char *equals = memchr(text, '=', first), *word, *key;
	int r = 0;

	if (!equals) {
		const char *value = skip_blank(text + first);

		if (!*value)
			return err_set(e, -EINVAL, "%s must have two arguments", what);
		key = arena_strndup(c->a, text, first);
		r = read_word(c, &value, true, &word, e);
		return r < 0 ? r : key ? put(c, key, word, e) : out_of_memory(e);
	}
	while (*text && r == 0) {
		r = read_word(c, &text, false, &word, e);
		if (r < 0)
			break;
		equals = strchr(word, '=');
		if (!equals || equals == word)
			return err_set(
				e, -EINVAL,
				"Syntax error - can't find = in \"%.100s\". Must be of the form: name=value",
				word);
		key = arena_strndup(c->a, word, (size_t)(equals - word));
		r = key ? put(c, key, equals + 1, e) : out_of_memory(e);
		text = skip_blank(text);
	}
	return r;
}

/* ---- instructions ---- */

static int put_env(struct changes *c, const char *key, const char *value, struct err *e)
{
	const char *text = arena_printf(c->a, "%s=%s", key, value);
	size_t n = strlen(key), i;
	const char **v;

	if (!text)
		return out_of_memory(e);
	for (i = 0; i < c->s->env.n; i++)
		if (strncmp(c->s->env.v[i], key, n) == 0 && c->s->env.v[i][n] == '=')
			break;
	if (i == c->s->env.n)
		return list_add(c, &c->s->env, text, e);
	v = arena_calloc(c->a, c->s->env.n, sizeof(*v));
	if (!v)
		return out_of_memory(e);
	memcpy(v, c->s->env.v, c->s->env.n * sizeof(*v));
	v[i] = text;
	c->s->env.v = v;
	return 0;
}

static int put_label(struct changes *c, const char *key, const char *value, struct err *e)
{
	struct json_map *m = &c->s->labels;
	struct json_pair *v = arena_calloc(c->a, m->n + 1, sizeof(*v));
	size_t i = 0;

	if (!v)
		return out_of_memory(e);
	if (m->n)
		memcpy(v, m->v, m->n * sizeof(*v));
	while (i < m->n && !streq(v[i].key, key))
		i++;
	v[i] = (struct json_pair){ key, value };
	m->v = v;
	m->n = MAX(m->n, i + 1);
	return 0;
}

static int do_env(struct changes *c, const char *text, struct err *e)
{
	return read_pairs(c, text, "ENV", put_env, e);
}

static int do_label(struct changes *c, const char *text, struct err *e)
{
	return read_pairs(c, text, "LABEL", put_label, e);
}

/* The exec form, or the shell form behind the image's shell. */
static int read_command(struct changes *c, const char *text, struct json_strs *ret, struct err *e)
{
	static const char *const shell[] = { "/bin/sh", "-c" };
	struct json_strs out = { 0 };
	int r = read_json_list(c, text, ret, e);

	if (r != 0)
		return MIN(r, 0);
	for (size_t i = 0; i < (c->s->shell.n ? c->s->shell.n : ARRAY_LEN(shell)) && r == 0; i++)
		r = list_add(c, &out, c->s->shell.n ? c->s->shell.v[i] : shell[i], e);
	if (r == 0)
		r = list_add(c, &out, arena_strdup(c->a, text), e);
	if (r == 0)
		*ret = out;
	return r;
}

static int do_cmd(struct changes *c, const char *text, struct err *e)
{
	c->has_cmd = true;
	return read_command(c, text, &c->s->cmd, e);
}

/* A command that the base named was an argument of another entrypoint. */
static int do_entrypoint(struct changes *c, const char *text, struct err *e)
{
	if (!c->has_cmd)
		c->s->cmd = (struct json_strs){ 0 };
	return read_command(c, text, &c->s->entrypoint, e);
}

static int add_ports(struct changes *c, const char *word, struct err *e)
{
	unsigned int from, to;
	char protocol[16] = "tcp";
	int end = 0, n;

	n = sscanf(word, "%5u-%5u%n", &from, &to, &end);
	if (n < 2) {
		n = sscanf(word, "%5u%n", &from, &end);
		to = from;
	}
	if (n >= 1 && word[end] == '/')
		n = snprintf(protocol, sizeof(protocol), "%s", word + end + 1) < 16 ? 1 : 0;
	else if (n >= 1 && word[end])
		n = 0;
	for (char *p = protocol; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (n < 1 || from > 65535 || to > 65535 || from > to ||
	    (!streq(protocol, "tcp") && !streq(protocol, "udp") && !streq(protocol, "sctp")))
		return err_set(e, -EINVAL, "invalid containerPort: %.100s", word);
	if (to - from >= PORT_RANGE_MAX)
		return err_set(e, -E2BIG, "%.40s: more than %d ports", word, PORT_RANGE_MAX);
	for (unsigned int i = from; i <= to; i++) {
		const char *text = arena_printf(c->a, "%u/%s", i, protocol);
		int r = text ? set_add(c, &c->s->exposed_ports, text, e) : out_of_memory(e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int do_expose(struct changes *c, const char *text, struct err *e)
{
	struct json_strs words = { 0 };
	int r = read_words(c, text, &words, e);

	for (size_t i = 0; i < words.n && r == 0; i++)
		r = add_ports(c, words.v[i], e);
	return r;
}

static int do_volume(struct changes *c, const char *text, struct err *e)
{
	struct json_strs words = { 0 };
	int r = read_json_list(c, text, &words, e);

	if (r == 0)
		r = read_words(c, text, &words, e);
	for (size_t i = 0; i < words.n && r >= 0; i++)
		r = *words.v[i]
			    ? set_add(c, &c->s->volumes, words.v[i], e)
			    : err_set(e, -EINVAL, "VOLUME specified can not be an empty string");
	return MIN(r, 0);
}

static int one_text(struct changes *c, const char *text, const char **ret, struct err *e)
{
	return read_word(c, &text, true, ret, e);
}

static int do_user(struct changes *c, const char *text, struct err *e)
{
	return one_text(c, text, &c->s->user, e);
}

static int do_stopsignal(struct changes *c, const char *text, struct err *e)
{
	return one_text(c, text, &c->s->stop_signal, e);
}

/* Relative to what was there, cleaned. */
static int do_workdir(struct changes *c, const char *text, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	const char *old = c->s->working_dir ? c->s->working_dir : "", *path;
	AUTO_FREE char *all = NULL;
	char *rest, *part;
	int r = one_text(c, text, &path, e);

	if (r < 0)
		return r;
	all = str_printf("%s/%s", *path == '/' ? "" : old, path);
	if (!all)
		return out_of_memory(e);
	for (rest = all; (part = strsep(&rest, "/"));) {
		if (streq(part, "..") && out.len > 0) {
			out.len = (size_t)(strrchr(out.p, '/') - out.p);
			out.p[out.len] = '\0';
		} else if (*part && !streq(part, ".") && !streq(part, "..")) {
			strbuf_addf(&out, "/%s", part);
			if (strbuf_ok(&out) < 0)
				return out_of_memory(e);
		}
	}
	c->s->working_dir = arena_strdup(c->a, out.len ? out.p : "/");
	return c->s->working_dir ? 0 : out_of_memory(e);
}

static int do_onbuild(struct changes *c, const char *text, struct err *e)
{
	static const char *const forbidden[] = { "ONBUILD", "FROM", "MAINTAINER" };
	size_t n = strcspn(text, BLANK);

	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
		if (n == strlen(forbidden[i]) && strncasecmp(text, forbidden[i], n) == 0)
			return err_set(e, -EINVAL, "%s isn't allowed as an ONBUILD trigger",
				       forbidden[i]);
	return list_add(c, &c->s->on_build, arena_strdup(c->a, text), e);
}

/* ---- HEALTHCHECK ---- */

static const struct {
	const char *flag;
	size_t offset;
} health_flags[] = {
	{ "--interval=", offsetof(struct oci_healthcheck, interval) },
	{ "--timeout=", offsetof(struct oci_healthcheck, timeout) },
	{ "--start-period=", offsetof(struct oci_healthcheck, start_period) },
	{ "--start-interval=", offsetof(struct oci_healthcheck, start_interval) },
};

static int health_flag(struct oci_healthcheck *h, const char *word, struct err *e)
{
	const char *value = str_skip(word, "--retries=");

	if (value)
		return str_to_i64(value, 1, INT32_MAX, &h->retries) < 0
			       ? err_set(e, -EINVAL, "--retries must be at least 1 (not %.40s)",
					 value)
			       : 0;
	for (size_t i = 0; i < ARRAY_LEN(health_flags); i++) {
		int64_t *to = (int64_t *)((char *)h + health_flags[i].offset);

		value = str_skip(word, health_flags[i].flag);
		if (!value)
			continue;
		if (clock_parse_duration(value, to) < 0 || *to < NSEC_PER_MSEC)
			return err_set(e, -EINVAL, "invalid duration in '%.100s'", word);
		return 0;
	}
	return err_set(e, -EINVAL, "unknown flag: %.100s", word);
}

static int health_test(struct changes *c, struct oci_healthcheck *h, const char *text,
		       struct err *e)
{
	struct json_strs words = { 0 };
	int r = read_json_list(c, text, &words, e);
	bool is_list = r > 0;

	if (r < 0)
		return r;
	if (!*text)
		return err_set(e, -EINVAL, "Missing command after HEALTHCHECK CMD");
	if (!is_list)
		r = list_add(c, &words, arena_strdup(c->a, text), e);
	if (r >= 0)
		r = list_add(c, &h->test, is_list ? "CMD" : "CMD-SHELL", e);
	for (size_t i = 0; i < words.n && r >= 0; i++)
		r = list_add(c, &h->test, words.v[i], e);
	return MIN(r, 0);
}

static int do_healthcheck(struct changes *c, const char *text, struct err *e)
{
	struct oci_healthcheck *h = arena_alloc(c->a, sizeof(*h));
	int r = h ? 0 : out_of_memory(e);

	while (r == 0 && str_skip(text, "--")) {
		const char *word;

		r = read_word(c, &text, false, &word, e);
		if (r == 0)
			r = health_flag(h, word, e);
		text = skip_blank(text);
	}
	if (r < 0)
		return r;
	if (strcasecmp(text, "NONE") == 0)
		r = list_add(c, &h->test, "NONE", e);
	else if (strncasecmp(text, "CMD", 3) == 0 && (!text[3] || strchr(BLANK, text[3])))
		r = health_test(c, h, skip_blank(text + 3), e);
	else
		r = err_set(e, -EINVAL, "Unknown type \"%.40s\" in HEALTHCHECK (try CMD)", text);
	if (r == 0)
		c->s->healthcheck = h;
	return r;
}

/* ---- all ---- */

static const struct {
	const char *name;
	int (*apply)(struct changes *c, const char *text, struct err *e);
} instructions[] = {
	{ "CMD", do_cmd },	   { "ENTRYPOINT", do_entrypoint },   { "ENV", do_env },
	{ "EXPOSE", do_expose },   { "HEALTHCHECK", do_healthcheck }, { "LABEL", do_label },
	{ "ONBUILD", do_onbuild }, { "STOPSIGNAL", do_stopsignal },   { "USER", do_user },
	{ "VOLUME", do_volume },   { "WORKDIR", do_workdir },
};

int changes_apply(struct changes *c, const char *line, struct err *e)
{
	const char *name = skip_blank(line), *text;
	size_t n = strcspn(name, BLANK);

	text = skip_blank(name + n);
	for (size_t i = 0; i < ARRAY_LEN(instructions); i++) {
		int r;

		if (strlen(instructions[i].name) != n ||
		    strncasecmp(instructions[i].name, name, n) != 0)
			continue;
		if (!*text)
			return err_set(e, -EINVAL, "%s requires at least one argument",
				       instructions[i].name);
		r = instructions[i].apply(c, text, e);
		return r < 0 ? err_wrap(e, r, "%s", instructions[i].name) : 0;
	}
	return err_set(e, -EINVAL, "%.*s is not a valid change command", (int)MIN(n, 60), name);
}
