/* network create, ls, rm, inspect, connect, disconnect, prune */
#include <stdio.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/filter.h"
#include "net/network.h"

#define SHORT_ID 12

/* ---- create ---- */

struct create_options {
	const char *driver;
	char **subnets, **gateways, **ranges, **options, **labels;
	bool is_internal, is_ipv6, is_attachable;
};
#define AT(m) offsetof(struct create_options, m)

static const struct opt create_rows[] = {
	{ "attachable", 0, OPT_BOOL, 0, AT(is_attachable), NULL,
	  "Enable manual container attachment", NULL },
	{ "aux-address", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	{ "config-from", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	{ "config-only", 0, OPT_UNSUPPORTED, 0, 0, NULL, NULL, NULL },
	{ "driver", 'd', OPT_STR, 0, AT(driver), "string",
	  "Driver to manage the Network (default \"bridge\")", NULL },
	{ "gateway", 0, OPT_STRV, 0, AT(gateways), "strings",
	  "IPv4 or IPv6 Gateway for the master subnet", NULL },
	{ "ingress", 0, OPT_UNSUPPORTED, 0, 0, NULL, NULL, NULL },
	{ "internal", 0, OPT_BOOL, 0, AT(is_internal), NULL,
	  "Restrict external access to the network", NULL },
	{ "ip-range", 0, OPT_STRV, 0, AT(ranges), "strings",
	  "Allocate container ip from a sub-range", NULL },
	{ "ipam-driver", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	{ "ipam-opt", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	{ "ipv6", 0, OPT_BOOL, 0, AT(is_ipv6), NULL, "Enable IPv6 networking", NULL },
	{ "label", 0, OPT_STRV, 0, AT(labels), "list", "Set metadata on a network", NULL },
	{ "opt", 'o', OPT_STRV, 0, AT(options), "map", "Set driver specific options", NULL },
	{ "scope", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	{ "subnet", 0, OPT_STRV, 0, AT(subnets), "strings",
	  "Subnet in CIDR format that represents a network segment", NULL },
	OPT_END,
};
#undef AT

static int create_network(struct cli *c, const struct create_options *o, const char *name)
{
	AUTO_ARENA struct arena a = { 0 };
	struct err e = ERR_INIT;
	struct net_create_options no = {
		.name = name,
		.driver = o->driver,
		.subnets = o->subnets,
		.gateways = o->gateways,
		.ranges = o->ranges,
		.options = o->options,
		.labels = o->labels,
		.is_internal = o->is_internal,
		.is_ipv6 = o->is_ipv6,
		.is_attachable = o->is_attachable,
	};
	const char *id;
	int r = cli_engine(c) ? engine_network_create(c->engine, &no, &a, &id, &e) : 1;

	if (r < 0)
		return cli_fail(&e, r, 1);
	if (r == 0)
		puts(id);
	return r;
}

static int create_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct create_options o = { 0 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	if (first >= 0)
		code = create_network(c, &o, argv[first]);
	strv_free(o.subnets);
	strv_free(o.gateways);
	strv_free(o.ranges);
	strv_free(o.options);
	strv_free(o.labels);
	return code;
}

const struct cli_command cli_network_create = {
	"network create", "[OPTIONS] NETWORK", "Create a network", create_rows, 0, 1, 1, false,
	create_main,
};

/* ---- ls ---- */

struct ls_options {
	bool is_quiet, is_full;
	const char *format;
	char **filters;
};

static const struct opt ls_rows[] = {
	{ "filter", 'f', OPT_STRV, 0, offsetof(struct ls_options, filters), "filter",
	  "Filter output (driver, id, label, name, scope, type, dangling)", NULL },
	{ "format", 0, OPT_STR, 0, offsetof(struct ls_options, format), "string",
	  "Format output: table, json, 'table TEMPLATE' or 'TEMPLATE'", NULL },
	{ "no-trunc", 0, OPT_BOOL, 0, offsetof(struct ls_options, is_full), NULL,
	  "Do not truncate the output", NULL },
	{ "quiet", 'q', OPT_BOOL, 0, offsetof(struct ls_options, is_quiet), NULL,
	  "Only display network IDs", NULL },
	OPT_END,
};

static const struct table_column ls_columns[] = {
	{ "ID", "NETWORK ID", false },	  { "Name", "NAME", false },
	{ "Driver", "DRIVER", false },	  { "Scope", "SCOPE", false },
	{ "IPv6", "IPV6", true },	  { "Internal", "INTERNAL", true },
	{ "CreatedAt", "CREATED", true }, { "Labels", "LABELS", true },
};

static bool is_custom(const struct engine_network *n)
{
	return !streq(n->name, NET_DEFAULT) && !streq(n->name, "host") && !streq(n->name, "none");
}

static bool match_id(const void *context, const void *object, const char *v)
{
	const struct engine_network *n = object;

	return str_skip(n->id, v) != NULL;
}

static bool match_name(const void *context, const void *object, const char *v)
{
	const struct engine_network *n = object;

	return strstr(n->name, v) != NULL;
}

static bool match_driver(const void *context, const void *object, const char *v)
{
	const struct engine_network *n = object;

	return streq(n->driver, v);
}

static bool match_scope(const void *context, const void *object, const char *v)
{
	const struct engine_network *n = object;

	return streq(n->scope, v);
}

static bool match_type(const void *context, const void *object, const char *v)
{
	const struct engine_network *n = object;

	return streq(v, is_custom(n) ? "custom" : "builtin");
}

static bool match_dangling(const void *context, const void *object, const char *v)
{
	const struct engine_network *n = object;
	bool is_dangling = is_custom(n) && n->users == 0;

	return is_dangling == filter_is_true(v);
}

static bool match_label(const void *context, const void *object, const char *v)
{
	return filter_has_label(&((const struct engine_network *)object)->labels, v);
}

static const struct filter_key filters[] = {
	{ "id", false, match_id },	   { "name", false, match_name },
	{ "driver", false, match_driver }, { "scope", false, match_scope },
	{ "type", false, match_type },	   { "dangling", false, match_dangling },
	{ "label", true, match_label },
};

static bool is_shown(const struct engine_network *n, char *const *specs)
{
	return filter_fits(filters, ARRAY_LEN(filters), specs, NULL, n);
}

static int add_row(struct table *t, const struct engine_network *n, bool is_full)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf labels = { 0 };
	char created[CLOCK_TEXT_MAX];

	for (size_t i = 0; i < n->labels.n; i++)
		strbuf_addf(&labels, "%s%s=%s", i ? "," : "", n->labels.v[i].key,
			    n->labels.v[i].value);
	const char *cells[ARRAY_LEN(ls_columns)] = {
		arena_strndup(&a, n->id, is_full ? strlen(n->id) : SHORT_ID),
		n->name,
		n->driver,
		n->scope,
		n->is_ipv6 ? "true" : "false",
		n->is_internal ? "true" : "false",
		clock_rfc3339(n->created_ns, created),
		labels.p ? labels.p : "",
	};

	return table_add(t, cells);
}

static int list(struct cli *c, const struct ls_options *o, struct table *t, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct engine_network *v;
	size_t n;
	int r = filter_check(filters, ARRAY_LEN(filters), o->filters, e);

	if (r == 0)
		r = engine_network_list(c->engine, &a, &v, &n, e);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!is_shown(&v[i], o->filters))
			continue;
		if (o->is_quiet)
			printf("%.*s\n", o->is_full ? 64 : SHORT_ID, v[i].id);
		else
			r = add_row(t, &v[i], o->is_full);
	}
	return r == 0 && !o->is_quiet ? table_print(t, o->format, e) : r;
}

static int ls_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct ls_options o = { 0 };
	struct err e = ERR_INIT;
	struct table *t = NULL;
	int code, r;

	if (cli_parse(cmd, argc, argv, &o, &code) < 0) {
		strv_free(o.filters);
		return code;
	}
	r = table_new(ls_columns, ARRAY_LEN(ls_columns), &t);
	if (r == 0)
		r = cli_engine(c) ? list(c, &o, t, &e) : 1;
	table_free(t);
	strv_free(o.filters);
	return r < 0 ? cli_fail(&e, r, 1) : r;
}

const struct cli_command cli_network_ls = {
	"network ls", "[OPTIONS]", "List networks", ls_rows, 0, 0, 0, false, ls_main,
};

/* ---- rm, inspect ---- */

static int rm_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct {
		bool is_forced;
	} o = { 0 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	code = 0;
	for (int i = first; i < argc; i++) {
		AUTO_ARENA struct arena a = { 0 };
		struct err e = ERR_INIT;
		const char *name;
		int r = engine_network_remove(c->engine, argv[i], &a, &name, &e);

		if (r == 0)
			puts(name);
		else if (r != -ENOENT || !o.is_forced)
			code = cli_fail(&e, r, 1);
	}
	return code;
}

static const struct opt rm_rows[] = {
	{ "force", 'f', OPT_BOOL, 0, 0, NULL, "Do not error if the network does not exist", NULL },
	OPT_END,
};

const struct cli_command cli_network_rm = {
	"network rm",
	"NETWORK [NETWORK...]",
	"Remove one or more networks",
	rm_rows,
	0,
	1,
	-1,
	false,
	rm_main,
};

static int inspect_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct {
		const char *format;
		bool is_verbose;
	} o = { 0 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	return first < 0 ? code
			 : cli_inspect_objects(c, o.format, "network", argv + first, argc - first);
}

static const struct opt inspect_rows[] = {
	{ "format", 'f', OPT_STR, 0, 0, "string", "Format output using a template", NULL },
	{ "verbose", 'v', OPT_BOOL, 0, sizeof(char *), NULL, "Verbose output for diagnostics",
	  NULL },
	OPT_END,
};

const struct cli_command cli_network_inspect = {
	"network inspect",
	"[OPTIONS] NETWORK [NETWORK...]",
	"Display detailed information on one or more networks",
	inspect_rows,
	0,
	1,
	-1,
	false,
	inspect_main,
};

/* ---- connect, disconnect ---- */

struct connect_options {
	char **aliases;
	const char *ip, *ip6, *mac;
};

static const struct opt connect_rows[] = {
	{ "alias", 0, OPT_STRV, 0, offsetof(struct connect_options, aliases), "strings",
	  "Add network-scoped alias for the container", NULL },
	{ "driver-opt", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	{ "ip", 0, OPT_STR, 0, offsetof(struct connect_options, ip), "string",
	  "IPv4 address (e.g., \"172.30.100.104\")", NULL },
	{ "ip6", 0, OPT_STR, 0, offsetof(struct connect_options, ip6), "string",
	  "IPv6 address (e.g., \"2001:db8::33\")", NULL },
	{ "link", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	{ "link-local-ip", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	{ "mac-address", 0, OPT_STR, 0, offsetof(struct connect_options, mac), "string",
	  "MAC address (e.g., \"92:d0:c6:0a:29:33\")", NULL },
	OPT_END,
};

static int connect_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct connect_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r = 0;

	if (first >= 0 && !cli_engine(c))
		code = 1;
	else if (first >= 0) {
		struct engine_network_want w = { argv[first], o.aliases, o.ip, o.ip6, o.mac };

		r = engine_network_connect(c->engine, argv[first + 1], &w, &e);
		code = 0;
	}
	strv_free(o.aliases);
	return r < 0 ? cli_fail(&e, r, 1) : code;
}

const struct cli_command cli_network_connect = {
	"network connect",
	"[OPTIONS] NETWORK CONTAINER",
	"Connect a container to a network",
	connect_rows,
	0,
	2,
	2,
	false,
	connect_main,
};

static int disconnect_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	bool is_forced = false;
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &is_forced, &code), r;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = engine_network_disconnect(c->engine, argv[first + 1], argv[first], &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

static const struct opt disconnect_rows[] = {
	{ "force", 'f', OPT_BOOL, 0, 0, NULL, "Force the container to disconnect from a network",
	  NULL },
	OPT_END,
};

const struct cli_command cli_network_disconnect = {
	"network disconnect",
	"[OPTIONS] NETWORK CONTAINER",
	"Disconnect a container from a network",
	disconnect_rows,
	0,
	2,
	2,
	false,
	disconnect_main,
};

/* ---- prune ---- */

struct prune_options {
	bool is_forced;
	char **filters;
};

static const struct opt prune_rows[] = {
	{ "filter", 0, OPT_STRV, 0, offsetof(struct prune_options, filters), "filter",
	  "Provide filter values (label=<key>[=<value>])", NULL },
	{ "force", 'f', OPT_BOOL, 0, offsetof(struct prune_options, is_forced), NULL,
	  "Do not prompt for confirmation", NULL },
	OPT_END,
};

static int prune(struct cli *c, const struct prune_options *o, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct engine_network *v;
	size_t n, gone = 0;
	int r = filter_check(filters, ARRAY_LEN(filters), o->filters, e);

	if (r == 0)
		r = engine_network_list(c->engine, &a, &v, &n, e);
	for (size_t i = 0; r == 0 && i < n; i++) {
		const char *name;

		if (!is_custom(&v[i]) || v[i].users || !is_shown(&v[i], o->filters))
			continue;
		r = engine_network_remove(c->engine, v[i].id, &a, &name, e);
		if (r == 0)
			printf("%s%s\n", gone++ ? "" : "Deleted Networks:\n", name);
		else if (r == -EBUSY || r == -ENOENT) /* somebody was faster */
			r = 0;
	}
	if (gone)
		putchar('\n');
	return r;
}

static int prune_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct prune_options o = { 0 };
	struct err e = ERR_INIT;
	int code, r = 0;

	if (cli_parse(cmd, argc, argv, &o, &code) < 0) {
		strv_free(o.filters);
		return code;
	}
	if (!o.is_forced &&
	    !cli_confirm("WARNING! This will remove all custom networks not used by at "
			 "least one container."))
		r = err_set(&e, -ECANCELED, "network prune has been cancelled");
	if (r == 0)
		r = cli_engine(c) ? prune(c, &o, &e) : 1;
	strv_free(o.filters);
	return r < 0 ? cli_fail(&e, r, 1) : r;
}

const struct cli_command cli_network_prune = {
	"network prune", "[OPTIONS]", "Remove all unused networks", prune_rows, 0, 0, 0,
	false,		 prune_main,
};

static const struct cli_member members[] = {
	{ "connect", &cli_network_connect },
	{ "create", &cli_network_create },
	{ "disconnect", &cli_network_disconnect },
	{ "inspect", &cli_network_inspect },
	{ "ls", &cli_network_ls },
	{ "prune", &cli_network_prune },
	{ "rm", &cli_network_rm },
	{ NULL, NULL },
};

const struct cli_command cli_network = {
	.name = "network",
	.usage = "COMMAND",
	.summary = "Manage networks",
	.args_max = -1,
	.run = cli_group_main,
	.members = members,
};
