#include "cli/network/want.h"

void network_options_done(struct network_options *o)
{
	strv_free(o->networks);
	strv_free(o->aliases);
	strv_free(o->publish);
	strv_free(o->expose);
	strv_free(o->dns);
	strv_free(o->dns_search);
	strv_free(o->dns_options);
	strv_free(o->hosts);
}

struct parts {
	struct engine_network_want *w;
	const char **aliases; /* room for one per character is plenty */
	size_t aliases_n;
};

static int set_name(struct parts *p, const char *v)
{
	p->w->name = v;
	return 0;
}

static int set_alias(struct parts *p, const char *v)
{
	p->aliases[p->aliases_n++] = v;
	return 0;
}

static int set_ip(struct parts *p, const char *v)
{
	p->w->ip = v;
	return 0;
}

static int set_ip6(struct parts *p, const char *v)
{
	p->w->ip6 = v;
	return 0;
}

static int set_mac(struct parts *p, const char *v)
{
	p->w->mac = v;
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct parts *p, const char *v);
} keys[] = {
	{ "name", set_name }, { "alias", set_alias },	  { "ip", set_ip },
	{ "ip6", set_ip6 },   { "mac-address", set_mac },
};

static int apply_pair(struct parts *p, char *pair, struct err *e)
{
	char *value = strchr(pair, '=');

	if (!value)
		return err_set(e, -EINVAL, "invalid field %s: must be key=value", pair);
	*value++ = '\0';
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (streq(keys[i].key, pair))
			return keys[i].set(p, value);
	if (streq(pair, "driver-opt") || streq(pair, "link-local-ip") || streq(pair, "gw-priority"))
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "network option '%s' is not supported yet", pair);
	return err_set(e, -EINVAL, "invalid field %s", pair);
}

/* docker's long form has keys; the short one is the name alone. */
static int parse_one(const char *text, size_t more_aliases, struct arena *a,
		     struct engine_network_want *w, size_t *ret_aliases, struct err *e)
{
	char *rest = arena_strdup(a, text), *pair;
	struct parts p = { .w = w,
			   .aliases = arena_calloc(a, strlen(text) + more_aliases + 1,
						   sizeof(*p.aliases)) };
	int r = 0;

	if (!rest || !p.aliases)
		return err_sys(e, -ENOMEM, "network");
	w->aliases = (char *const *)p.aliases;
	if (!strchr(text, '=')) {
		w->name = rest;
		return 0;
	}
	while (r == 0 && (pair = strsep(&rest, ",")))
		r = apply_pair(&p, pair, e);
	if (r == 0 && !w->name)
		r = err_set(e, -EINVAL, "network name/id is not specified");
	*ret_aliases = p.aliases_n;
	return r;
}

/* --ip, --network-alias … say the same as the long form and may not say it twice. */
static int add_single_options(const struct network_options *o, struct engine_network_want *w,
			      size_t aliases_n, struct err *e)
{
	const char **aliases = (const char **)w->aliases;

	if ((o->ip && w->ip) || (o->ip6 && w->ip6) || (o->mac && w->mac))
		return err_set(e, -EINVAL,
			       "conflicting options: cannot specify both --ip, --ip6 or "
			       "--mac-address and per-network options");
	for (size_t i = 0; o->aliases && o->aliases[i]; i++)
		aliases[aliases_n++] = o->aliases[i];
	w->ip = o->ip ? o->ip : w->ip;
	w->ip6 = o->ip6 ? o->ip6 : w->ip6;
	w->mac = o->mac ? o->mac : w->mac;
	return 0;
}

static int parse_networks(const struct network_options *o, char *const *names, struct arena *a,
			  struct engine_create_options *co, struct err *e)
{
	size_t n = strv_len(names);
	struct engine_network_want *v = arena_calloc(a, n, sizeof(*v));
	int r = v ? 0 : err_sys(e, -ENOMEM, "network");

	for (size_t i = 0; r == 0 && i < n; i++) {
		size_t aliases = 0;

		r = parse_one(names[i], strv_len(o->aliases), a, &v[i], &aliases, e);
		if (r == 0 && i == 0)
			r = add_single_options(o, &v[i], aliases, e);
	}
	co->networks = v;
	co->networks_len = n;
	return r;
}

int network_options_apply(const struct network_options *o, struct arena *a,
			  struct engine_create_options *co, struct err *e)
{
	const char *env = getenv("CORTEN_NETWORK");
	char *const def[] = { (char *)(env && *env ? env : ENGINE_DEFAULT_NETWORK), NULL };
	char *const *names = strv_len(o->networks) ? o->networks : def;

	co->publish = o->publish;
	co->expose = o->expose;
	co->is_publish_all = o->is_publish_all;
	co->dns = o->dns;
	co->dns_search = o->dns_search;
	co->dns_options = o->dns_options;
	co->extra_hosts = o->hosts;
	return parse_networks(o, names, a, co, e);
}
