/* ps */
#include <stdio.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/filter.h"

#define SHORT_ID 12
#define COMMAND_MAX 20

struct ps_options {
	bool is_all, is_quiet, is_full, is_latest;
	int64_t last;
	const char *format;
	char **filters;
};

static const struct opt rows[] = {
	{ "all", 'a', OPT_BOOL, 0, offsetof(struct ps_options, is_all), NULL,
	  "Show all containers (default shows just running)", NULL },
	{ "filter", 'f', OPT_STRV, 0, offsetof(struct ps_options, filters), "filter",
	  "Filter output (id, name, status, exited, ancestor, label)", NULL },
	{ "format", 0, OPT_STR, 0, offsetof(struct ps_options, format), "string",
	  "Format output: table, json, 'table TEMPLATE' or 'TEMPLATE'", NULL },
	{ "last", 'n', OPT_I64, 0, offsetof(struct ps_options, last), "int",
	  "Show n last created containers", NULL },
	{ "latest", 'l', OPT_BOOL, 0, offsetof(struct ps_options, is_latest), NULL,
	  "Show the latest created container", NULL },
	{ "no-trunc", 0, OPT_BOOL, 0, offsetof(struct ps_options, is_full), NULL,
	  "Don't truncate output", NULL },
	{ "quiet", 'q', OPT_BOOL, 0, offsetof(struct ps_options, is_quiet), NULL,
	  "Only display container IDs", NULL },
	{ "size", 's', OPT_UNSUPPORTED, 0, 0, NULL, NULL, NULL },
	OPT_END,
};

static const struct table_column columns[] = {
	{ "ID", "CONTAINER ID", false },     { "Image", "IMAGE", false },
	{ "Command", "COMMAND", false },     { "RunningFor", "CREATED", false },
	{ "Status", "STATUS", false },	     { "Ports", "PORTS", false },
	{ "Names", "NAMES", false },	     { "State", "STATE", true },
	{ "CreatedAt", "CREATED AT", true }, { "Labels", "LABELS", true },
};

static bool match_id(const void *context, const void *object, const char *v)
{
	const struct engine_container *c = object;

	return strncmp(c->id, v, strlen(v)) == 0;
}

static bool match_name(const void *context, const void *object, const char *v)
{
	const struct engine_container *c = object;

	/* docker takes an expression; the usual ones are a part of the name, and ^/?name$ */
	size_t len;

	if (*v != '^')
		return strstr(c->name, v) != NULL;
	v += 1 + (v[1] == '/');
	len = strlen(v);
	if (len && v[len - 1] == '$')
		return strlen(c->name) == len - 1 && strncmp(c->name, v, len - 1) == 0;
	return strncmp(c->name, v, len) == 0;
}

static bool match_status(const void *context, const void *object, const char *v)
{
	const struct engine_container *c = object;

	return streq(engine_status_name(c->status), v);
}

static bool match_exited(const void *context, const void *object, const char *v)
{
	const struct engine_container *c = object;
	int64_t code;

	return c->status == ENGINE_EXITED && str_to_i64(v, 0, 255, &code) == 0 &&
	       code == c->exit_code;
}

static bool match_ancestor(const void *context, const void *object, const char *v)
{
	const struct engine_container *c = object;
	size_t n = strlen(v);

	return streq(c->image, v) || (strncmp(c->image, v, n) == 0 && c->image[n] == ':') ||
	       streq(c->image_id, v);
}

static bool match_label(const void *context, const void *object, const char *v)
{
	return filter_has_label(&((const struct engine_container *)object)->labels, v);
}

static const struct filter_key filters[] = {
	{ "id", false, match_id },
	{ "name", false, match_name },
	{ "status", false, match_status },
	{ "exited", false, match_exited },
	{ "ancestor", false, match_ancestor },
	{ "label", true, match_label },
};

/* Who asks for those that ended sees them without -a. */
static bool needs_all(const char *spec)
{
	return str_skip(spec, "status=") || str_skip(spec, "exited=");
}

/* "0.0.0.0:8080->80/tcp, 443/tcp" */
static void put_ports(struct engine *en, const char *id, struct arena *a, struct strbuf *out)
{
	struct engine_port *v;
	size_t n;

	if (engine_container_ports(en, id, a, &v, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		bool is_v6 = v[i].host_port && strchr(v[i].host_ip, ':');

		strbuf_adds(out, i ? ", " : "");
		if (v[i].host_port)
			strbuf_addf(out, "%s%s%s:%u->", is_v6 ? "[" : "", v[i].host_ip,
				    is_v6 ? "]" : "", v[i].host_port);
		strbuf_addf(out, "%u/%s", v[i].container_port, v[i].proto);
	}
}

static int add_row(struct engine *en, struct table *t, const struct engine_container *c,
		   const struct ps_options *o)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf labels = { 0 }, ports = { 0 };
	char ago[HUMAN_MAX], created[CLOCK_TEXT_MAX];
	bool is_cut = !o->is_full && strlen(c->command) > COMMAND_MAX;

	for (size_t i = 0; i < c->labels.n; i++)
		strbuf_addf(&labels, "%s%s=%s", i ? "," : "", c->labels.v[i].key,
			    c->labels.v[i].value);
	if (c->status == ENGINE_RUNNING || c->status == ENGINE_PAUSED)
		put_ports(en, c->id, &a, &ports);
	const char *cells[ARRAY_LEN(columns)] = {
		arena_strndup(&a, c->id, o->is_full ? strlen(c->id) : SHORT_ID),
		c->image,
		is_cut ? arena_printf(&a, "\"%.*s\xe2\x80\xa6\"", COMMAND_MAX - 1, c->command)
		       : arena_printf(&a, "\"%s\"", c->command),
		arena_printf(&a, "%s ago", human_duration(clock_wall_ns() - c->created_ns, ago)),
		human_status(c, &a),
		ports.p ? ports.p : "",
		c->name,
		engine_status_name(c->status),
		clock_rfc3339(c->created_ns, created),
		labels.p ? labels.p : "",
	};

	return table_add(t, cells);
}

static int check_filters(struct ps_options *o, struct err *e)
{
	for (size_t i = 0; o->filters && o->filters[i]; i++)
		o->is_all |= needs_all(o->filters[i]);
	return filter_check(filters, ARRAY_LEN(filters), o->filters, e);
}

static int list(struct cli *c, struct ps_options *o, struct table *t, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct engine_container *v;
	int64_t left = o->is_latest ? 1 : o->last;
	size_t n;
	int r = engine_container_list(c->engine, o->is_all || left > 0, &a, &v, &n, e);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!filter_fits(filters, ARRAY_LEN(filters), o->filters, NULL, &v[i]))
			continue;
		if (o->is_quiet)
			printf("%.*s\n", o->is_full ? 64 : SHORT_ID, v[i].id);
		else
			r = add_row(c->engine, t, &v[i], o);
		if (left > 0 && --left == 0)
			break;
	}
	if (r == 0 && !o->is_quiet)
		r = table_print(t, o->format, e);
	return r;
}

static int ps_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct ps_options o = { 0 };
	struct err e = ERR_INIT;
	struct table *t = NULL;
	int code, r;

	if (cli_parse(cmd, argc, argv, &o, &code) < 0) {
		strv_free(o.filters);
		return code;
	}
	r = check_filters(&o, &e);
	if (r == 0)
		r = table_new(columns, ARRAY_LEN(columns), &t);
	if (r == 0 && !cli_engine(c))
		r = 1;
	if (r == 0)
		r = list(c, &o, t, &e);
	table_free(t);
	strv_free(o.filters);
	return r < 0 ? cli_fail(&e, r, 1) : r;
}

const struct cli_command cli_ps = {
	"ps", "[OPTIONS]", "List containers", rows, 0, 0, 0, false, ps_main,
};
