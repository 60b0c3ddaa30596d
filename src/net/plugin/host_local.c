/* The IPAM plugin host-local: addresses from ranges of the configuration, kept in a folder (pool.c). */
#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/plugin/priv.h"

/* resolv.conf of a host; libc itself reads three servers and six domains. */
#define RESOLV_MAX ((size_t)64 << 10)
#define RESOLV_WORDS_MAX 256
/* Addresses that are tried before a set counts as full: a /8. */
#define TRIES_MAX ((uint32_t)1 << 24)

struct ipam {
	const char *subnet, *first, *last, *gateway; /* the old form: one range */
	const char *data_dir, *resolv_conf;
	struct json_raw ranges;
	struct {
		struct cni_route *v;
		size_t n;
	} routes;
};
static const struct json_field ipam_rows[] = {
	JSON_ROW(ipam, subnet, "subnet", JSON_STR, 0),
	JSON_ROW(ipam, first, "rangeStart", JSON_STR, 0),
	JSON_ROW(ipam, last, "rangeEnd", JSON_STR, 0),
	JSON_ROW(ipam, gateway, "gateway", JSON_STR, 0),
	JSON_ROW(ipam, data_dir, "dataDir", JSON_STR, 0),
	JSON_ROW(ipam, resolv_conf, "resolvConf", JSON_STR, 0),
	JSON_ROW(ipam, ranges, "ranges", JSON_RAW, 0),
	JSON_ROW_SUB(ipam, routes, "routes", JSON_OBJS, 0, cni_route_table),
};
static JSON_TABLE(ipam_table, "ipam", ipam, ipam_rows);

struct conf {
	struct ipam *ipam;
};
static const struct json_field conf_rows[] = {
	JSON_ROW_SUB(conf, ipam, "ipam", JSON_OBJ, 0, ipam_table),
};
static JSON_TABLE(conf_table, "configuration", conf, conf_rows);

struct request {
	struct ipam *ipam;
	struct range_set sets[POOL_OWN_MAX];
	size_t sets_n;
	struct ip_addr wanted[POOL_OWN_MAX];
	size_t wanted_n;
};

/* -- reading -- */

static int add_set(const struct cni_call *call, struct request *q, struct json_raw text,
		   struct err *e)
{
	int r;

	if (q->sets_n == POOL_OWN_MAX)
		return err_set(e, -E2BIG, "more than %d range sets", POOL_OWN_MAX);
	r = range_set_read(text, call->a, &q->sets[q->sets_n], e);
	if (r < 0)
		return err_wrap(e, r, "invalid range set %zu", q->sets_n);
	q->sets_n++;
	return 0;
}

static int add_sets(const struct cni_call *call, struct request *q, struct json_raw list,
		    struct err *e)
{
	struct json_raw *each;
	size_t n;
	int r = 0;

	if (!list.p)
		return 0;
	r = cni_split_array(list, POOL_OWN_MAX, call->a, &each, &n, e);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_set(call, q, each[i], e);
	return r;
}

/* The old form as a set of one range. */
static int add_old_set(const struct cni_call *call, struct request *q, struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct json_writer w = { .out = &text };
	const struct ipam *i = q->ipam;

	if (!i->subnet)
		return 0;
	json_begin_array(&w, NULL);
	json_begin_object(&w, NULL);
	json_put_str(&w, "subnet", i->subnet);
	json_put_str(&w, "rangeStart", i->first);
	json_put_str(&w, "rangeEnd", i->last);
	json_put_str(&w, "gateway", i->gateway);
	json_end_object(&w);
	json_end_array(&w);
	if (strbuf_ok(&text) < 0)
		return err_set(e, -ENOMEM, "no memory for a range");
	return add_set(call, q, (struct json_raw){ text.p, text.len }, e);
}

/* As the reference: of each family one set only before 0.3. */
static int check_sets(const struct cni_call *call, const struct request *q, struct err *e)
{
	size_t v4 = 0;
	int order = 0;

	if (q->sets_n == 0)
		return err_set(e, -EINVAL, "no IP ranges specified");
	for (size_t i = 0; i < q->sets_n; i++) {
		v4 += ip_is_v4(&q->sets[i].v[0].first);
		for (size_t k = 0; k < i; k++)
			if (range_sets_overlap(&q->sets[k], &q->sets[i]))
				return err_set(e, -EINVAL, "range set %zu overlaps with %zu", k, i);
	}
	(void)cni_version_compare(call->c->version, "0.3.0", &order, NULL);
	if (order < 0 && (v4 > 1 || q->sets_n - v4 > 1))
		return err_set(e, -EINVAL,
			       "CNI version %s does not support more than 1 address per family",
			       call->c->version ? call->c->version : CNI_VERSION_OLDEST);
	return 0;
}

static int want(struct request *q, const char *text, struct err *e)
{
	struct ip_net net;

	if (ip_net_parse_loose(text, &net) < 0)
		return err_set(e, -EINVAL, "invalid IP address %.60s", text);
	for (size_t i = 0; i < q->wanted_n; i++)
		if (ip_addr_compare(&q->wanted[i], &net.addr) == 0)
			return 0;
	if (q->wanted_n == POOL_OWN_MAX)
		return err_set(e, -E2BIG, "more than %d addresses are asked for", POOL_OWN_MAX);
	q->wanted[q->wanted_n++] = net.addr;
	return 0;
}

static int want_all(struct request *q, const struct json_strs *ips, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < ips->n && r == 0; i++)
		r = want(q, ips->v[i], e);
	return r;
}

static int read_request(const struct cni_call *call, struct request *q, struct err *e)
{
	struct conf conf;
	struct json_strs ips = { 0 };
	struct cni_runtime_config runtime;
	const char *ip = NULL;
	struct conf_arg row = { "IP", &ip };
	int r = conf_read(call, &conf_table, &conf, e);

	if (r == 0 && !conf.ipam)
		return err_set(e, -EINVAL, "IPAM config missing 'ipam' key");
	r = r < 0 ? r : conf_args(call, &row, 1, e);
	r = r < 0 ? r : conf_cni_ips(call, &ips, e);
	r = r < 0 ? r : conf_runtime(call, &runtime, e);
	if (r < 0)
		return r;
	q->ipam = conf.ipam;
	if (ip && *ip)
		r = want(q, ip, e);
	r = r < 0 ? r : want_all(q, &ips, e);
	r = r < 0 ? r : want_all(q, &runtime.ips, e);
	r = r < 0 ? r : add_sets(call, q, runtime.ip_ranges, e);
	r = r < 0 ? r : add_old_set(call, q, e);
	r = r < 0 ? r : add_sets(call, q, conf.ipam->ranges, e);
	return r < 0 ? r : check_sets(call, q, e);
}

/* -- resolv.conf -- */

static void add_word(const struct cni_call *call, struct json_strs *list, const char *word)
{
	if (!list->v)
		list->v = arena_calloc(call->a, RESOLV_WORDS_MAX, sizeof(list->v[0]));
	if (list->v && list->n < RESOLV_WORDS_MAX)
		list->v[list->n++] = word;
}

static void take_line(const struct cni_call *call, char *line, struct cni_dns *dns)
{
	static const char space[] = " \t\r\f\v";
	char *rest = NULL, *key = strtok_r(line, space, &rest),
	     *word = strtok_r(NULL, space, &rest);
	const struct {
		const char *key;
		struct json_strs *list;
		bool takes_all;
	} rows[] = { { "nameserver", &dns->nameservers, false },
		     { "search", &dns->search, true },
		     { "options", &dns->options, true } };

	if (!key || !word || *key == '#' || *key == ';')
		return;
	if (streq(key, "domain"))
		dns->domain = word;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (char *w = streq(key, rows[i].key) ? word : NULL; w;
		     w = rows[i].takes_all ? strtok_r(NULL, space, &rest) : NULL)
			add_word(call, rows[i].list, w);
}

static int read_resolv_conf(const struct cni_call *call, const char *path, struct cni_dns **ret,
			    struct err *e)
{
	struct cni_dns *dns = arena_alloc(call->a, sizeof(*dns));
	AUTO_FREE char *text = NULL;
	char *copy, *rest = NULL;
	int r = file_read_at(AT_FDCWD, path, RESOLV_MAX, &text, NULL);

	if (r < 0)
		return err_sys(e, r, "read resolvConf '%s'", path);
	copy = arena_strdup(call->a, text);
	if (!dns || !copy)
		return err_set(e, -ENOMEM, "no memory for resolvConf");
	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		take_line(call, line, dns);
	*ret = dns;
	return 0;
}

/* -- giving out -- */

/* The wanted address that the set can give; taken off the list. */
static bool take_wanted(struct request *q, const struct range_set *s, struct ip_addr *ret)
{
	for (size_t i = 0; i < q->wanted_n; i++)
		if (range_for(s, &q->wanted[i])) {
			*ret = q->wanted[i];
			q->wanted[i] = q->wanted[--q->wanted_n];
			return true;
		}
	return false;
}

static int reserve_wanted(struct pool *st, const struct range_set *s, const struct ip_addr *a,
			  const struct range **ret, struct err *e)
{
	char text[IP_TEXT_MAX], set[256];
	int r;

	*ret = range_for(s, a);
	if (ip_addr_compare(a, &(*ret)->gateway) == 0)
		return err_set(e, -EADDRINUSE, "requested ip %s is subnet's gateway",
			       ip_addr_text(a, text));
	r = pool_reserve(st, a, e);
	if (r == 0)
		return err_set(e, -EADDRINUSE,
			       "requested IP address %s is not available in range set %s",
			       ip_addr_text(a, text), range_set_text(s, set, sizeof(set)));
	return r;
}

static int reserve_next(struct pool *st, const struct range_set *s, size_t index,
			struct ip_addr *ret_addr, const struct range **ret, struct err *e)
{
	struct ip_addr last = pool_last(st, index);
	struct range_walk walk;
	char set[256];

	range_walk_begin(&walk, s, &last);
	for (uint32_t i = 0; i < TRIES_MAX && (*ret = range_walk_next(&walk, ret_addr)); i++) {
		int r = pool_reserve(st, ret_addr, e);

		if (r != 0)
			return r;
	}
	return err_set(e, -ENOSPC, "no IP addresses available in range set: %s",
		       range_set_text(s, set, sizeof(set)));
}

/* The specification wants one ADD for each DEL. */
static int refuse_second(const struct pool *st, const struct range_set *s,
			 const struct ip_addr *own, size_t own_n, struct err *e)
{
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < own_n; i++)
		if (range_for(s, &own[i]))
			return err_set(e, -EEXIST,
				       "%s has been allocated to %s, duplicate allocation is not "
				       "allowed",
				       ip_addr_text(&own[i], text), st->container_id);
	return 0;
}

struct given {
	struct ip_addr v[POOL_OWN_MAX];
	size_t n;
};

static int give_from(const struct cni_call *call, struct request *q, size_t index, struct pool *st,
		     const struct given *own, struct given *given, struct cni_result *res,
		     struct err *e)
{
	const struct range_set *s = &q->sets[index];
	const struct range *range = NULL;
	struct ip_net net = { 0 };
	int r;

	if (take_wanted(q, s, &net.addr)) {
		r = reserve_wanted(st, s, &net.addr, &range, e);
	} else {
		r = refuse_second(st, s, own->v, own->n, e);
		r = r < 0 ? r : reserve_next(st, s, index, &net.addr, &range, e);
	}
	if (r < 0)
		return err_wrap(e, r, "failed to allocate for range %zu", index);
	given->v[given->n++] = net.addr;
	net.prefix = range->subnet.prefix;
	r = pool_set_last(st, index, &net.addr, e);
	return r < 0 ? r : result_add_ip(call, res, &net, &range->gateway, e);
}

static int give_all(const struct cni_call *call, struct request *q, struct pool *st,
		    struct cni_result *res, struct err *e)
{
	struct given own = { .n = 0 }, given = { .n = 0 };
	char text[IP_TEXT_MAX];
	int r = call->is_new ? 0 : pool_own(st, own.v, &own.n, e);

	for (size_t i = 0; i < q->sets_n && r == 0; i++)
		r = give_from(call, q, i, st, &own, &given, res, e);
	if (r == 0 && q->wanted_n > 0)
		r = err_set(e, -EADDRNOTAVAIL, "failed to allocate all requested IPs: %s",
			    ip_addr_text(&q->wanted[0], text));
	for (size_t i = 0; i < given.n && r < 0; i++)
		(void)pool_release(st, &given.v[i], NULL);
	return r;
}

static int host_local_add(const struct cni_call *call, struct cni_result **ret, struct err *e)
{
	struct request *q = arena_alloc(call->a, sizeof(*q));
	struct cni_result *res = result_new(call, e);
	AUTO_POOL struct pool st = POOL_NONE;
	int r;

	if (!q || !res)
		return err_set(e, -ENOMEM, "no memory for a result");
	r = read_request(call, q, e);
	for (size_t i = 0; r == 0 && i < q->ipam->routes.n; i++)
		r = result_add_checked_route(call, res, &q->ipam->routes.v[i], e);
	if (r == 0 && q->ipam->resolv_conf && *q->ipam->resolv_conf)
		r = read_resolv_conf(call, q->ipam->resolv_conf, &res->dns, e);
	r = r < 0 ? r : pool_open(q->ipam->data_dir, call, &st, e);
	r = r < 0 ? r : give_all(call, q, &st, res, e);
	if (r == 0)
		*ret = res;
	return r;
}

/* What DEL, CHECK and GC need: the folder. Wrong ranges must not keep an address. */
static int open_store(const struct cni_call *call, struct pool *ret, struct err *e)
{
	struct conf conf;
	int r = conf_read(call, &conf_table, &conf, e);

	if (r < 0)
		return r;
	if (!conf.ipam)
		return err_set(e, -EINVAL, "IPAM config missing 'ipam' key");
	return pool_open(conf.ipam->data_dir, call, ret, e);
}

/* What the ADD gave, when all of it is still the container's: only else is the whole store searched. */
static bool take_known(const struct cni_call *call, struct pool *st, struct given *own)
{
	own->n = 0;
	for (size_t i = 0; call->prev && i < call->prev->ips.n && own->n < POOL_OWN_MAX; i++) {
		own->v[own->n] = result_net(call->prev->ips.v[i].address).addr;
		if (!pool_is_own(st, &own->v[own->n]))
			return false;
		own->n++;
	}
	return own->n > 0;
}

static int host_local_del(const struct cni_call *call, struct err *e)
{
	AUTO_POOL struct pool st = POOL_NONE;
	struct given own = { .n = 0 };
	int r = open_store(call, &st, e);

	if (r == 0 && !take_known(call, &st, &own))
		r = pool_own(&st, own.v, &own.n, e);
	for (size_t i = 0; i < own.n && r == 0; i++)
		r = pool_release(&st, &own.v[i], e);
	return r;
}

static int host_local_check(const struct cni_call *call, struct err *e)
{
	AUTO_POOL struct pool st = POOL_NONE;
	struct given own = { .n = 0 };
	int r = open_store(call, &st, e);

	r = r < 0 ? r : pool_own(&st, own.v, &own.n, e);
	if (r == 0 && own.n == 0)
		r = err_set(e, -ENOENT, "host-local: Failed to find address added by container %s",
			    call->container_id);
	return r;
}

static int host_local_gc(const struct cni_call *call, struct err *e)
{
	AUTO_POOL struct pool st = POOL_NONE;
	int r = open_store(call, &st, e);

	return r < 0 ? r
		     : pool_gc(&st, call->c->valid_attachments.v, call->c->valid_attachments.n, e);
}

const struct cni_plugin cni_plugin_host_local = {
	.type = "host-local",
	.is_ipam = true,
	.add = host_local_add,
	.del = host_local_del,
	.check = host_local_check,
	.gc = host_local_gc,
};
