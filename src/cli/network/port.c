/* port: which address of the host leads to which port of a container */
#include <stdio.h>

#include "cli/commands.h"

struct wanted {
	int64_t port; /* 0: all */
	const char *proto;
};

static int parse_wanted(const char *text, struct arena *a, struct wanted *ret, struct err *e)
{
	char *copy = arena_strdup(a, text), *slash = copy ? strchr(copy, '/') : NULL;

	if (slash)
		*slash++ = '\0';
	ret->proto = slash ? slash : "tcp";
	if (!copy || str_to_i64(copy, 1, UINT16_MAX, &ret->port) < 0)
		return err_set(e, -EINVAL, "Invalid port: '%s'", text);
	return 0;
}

static void print_host(const struct engine_port *p)
{
	bool is_v6 = strchr(p->host_ip, ':') != NULL;

	printf("%s%s%s:%u\n", is_v6 ? "[" : "", p->host_ip, is_v6 ? "]" : "", p->host_port);
}

static int print_ports(struct cli *c, const char *id, const struct wanted *w, const char *text,
		       struct arena *a, struct err *e)
{
	struct engine_port *v;
	size_t n, shown = 0;
	int r = engine_container_ports(c->engine, id, a, &v, &n, e);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!v[i].host_port ||
		    (w->port && (w->port != v[i].container_port || !streq(w->proto, v[i].proto))))
			continue;
		if (!w->port)
			printf("%u/%s -> ", v[i].container_port, v[i].proto);
		print_host(&v[i]);
		shown++;
	}
	if (r == 0 && w->port && !shown)
		r = err_set(e, -ENOENT, "No public port '%s' published for %s", text, id);
	return r;
}

static int port_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	AUTO_ARENA struct arena a = { 0 };
	struct err e = ERR_INIT;
	struct wanted w = { 0 };
	int code, first = cli_parse(cmd, argc, argv, NULL, &code), r = 0;
	const char *port;

	if (first < 0)
		return code;
	port = first + 1 < argc ? argv[first + 1] : NULL;
	if (port)
		r = parse_wanted(port, &a, &w, &e);
	if (r == 0 && !cli_engine(c))
		return 1;
	if (r == 0)
		r = print_ports(c, argv[first], &w, port, &a, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_port = {
	"port",
	"CONTAINER [PRIVATE_PORT[/PROTO]]",
	"List port mappings or a specific mapping for the container",
	NULL,
	0,
	1,
	2,
	false,
	port_main,
};
