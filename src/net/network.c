#include "net/network.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/rand.h"
#include "base/str.h"
#include "codec/digest.h"
#include "net/subnet.h"

#define NETWORK_TEXT_MAX ((size_t)64 << 10)
#define NETWORKS_MAX 65536
#define SUFFIX ".json"

#define ROW JSON_ROW
static const struct json_field network_rows[] = {
	ROW(net_network, version, "version", JSON_STR, JSON_REQUIRED),
	ROW(net_network, name, "name", JSON_STR, JSON_REQUIRED),
	ROW(net_network, id, "id", JSON_STR, JSON_REQUIRED),
	ROW(net_network, driver, "driver", JSON_STR, JSON_REQUIRED),
	ROW(net_network, created_ns, "createdNs", JSON_I64, 0),
	ROW(net_network, bridge, "bridge", JSON_STR, JSON_REQUIRED),
	ROW(net_network, subnet, "subnet", JSON_STR, JSON_REQUIRED),
	ROW(net_network, gateway, "gateway", JSON_STR, JSON_REQUIRED),
	ROW(net_network, range, "range", JSON_STR, 0),
	ROW(net_network, subnet6, "subnet6", JSON_STR, 0),
	ROW(net_network, gateway6, "gateway6", JSON_STR, 0),
	ROW(net_network, range6, "range6", JSON_STR, 0),
	ROW(net_network, mtu, "mtu", JSON_I64, 0),
	ROW(net_network, is_internal, "internal", JSON_BOOL, 0),
	ROW(net_network, is_attachable, "attachable", JSON_BOOL, 0),
	ROW(net_network, no_masquerade, "noMasquerade", JSON_BOOL, 0),
	ROW(net_network, no_icc, "noIcc", JSON_BOOL, 0),
	ROW(net_network, host_ip, "hostIp", JSON_STR, 0),
	ROW(net_network, labels, "labels", JSON_MAP, 0),
	ROW(net_network, options, "options", JSON_MAP, 0),
};
JSON_TABLE(net_network_table, "network", net_network, network_rows);

bool net_has_names(const struct net_network *nw)
{
	return !streq(nw->name, NET_DEFAULT);
}

/* ---- the folder ---- */

static int open_below(const char *top, const char *name, struct err *e)
{
	AUTO_FREE char *path = str_printf("%s/%s", top, name);
	int r = path ? dir_make_all(path, 0700) : -ENOMEM, fd = -1;

	if (r == 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, r < 0 ? r : -errno, "open the folder '%s/%s'", top, name);
	return fd;
}

static int open_networks(const struct net *n, struct err *e)
{
	return open_below(n->root, "networks", e);
}

/* Held while a subnet, a bridge's name or a record is chosen; the kernel drops it with the process. */
static int take_lock(const struct net *n, struct err *e)
{
	AUTO_FD dir = open_below(n->state, "net", e);
	AUTO_FD fd = -EBADF;

	if (dir < 0)
		return dir;
	fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(e, -errno, "lock the networks");
	return TAKE_FD(fd);
}

static int read_network(int dir, const char *file, struct arena *a, struct net_network **ret,
			struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct net_network *nw = arena_alloc(a, sizeof(*nw));
	size_t len;
	int r = nw ? file_read_at(dir, file, NETWORK_TEXT_MAX, &text, &len) : -ENOMEM;

	if (r < 0)
		return r == -ENOENT ? r : err_sys(e, r, "read network '%s'", file);
	r = json_read(&net_network_table, text, len, NULL, a, nw, e);
	if (r == 0 && !str_skip(nw->version, "1."))
		r = err_set(e, -EPROTO, "it was written by a newer version (%s)", nw->version);
	if (r < 0)
		return err_wrap(e, r, "network '%s'", file);
	*ret = nw;
	return 0;
}

static int read_named(int dir, const char *name, struct arena *a, struct net_network **ret,
		      struct err *e)
{
	char *file = arena_printf(a, "%s" SUFFIX, name);

	return file ? read_network(dir, file, a, ret, e) : err_sys(e, -ENOMEM, "network");
}

static int write_network(int dir, const struct net_network *nw, struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_FREE char *file = str_printf("%s" SUFFIX, nw->name);
	int r;

	json_write(&net_network_table, nw, JSON_PRETTY, &text);
	r = file && strbuf_ok(&text) == 0
		    ? file_replace_at(dir, file, text.p, text.len, 0600, FILE_SYNC | FILE_EXCL)
		    : -ENOMEM;
	if (r == -EEXIST)
		return err_set(e, r, "network with name %s already exists", nw->name);
	return r < 0 ? err_sys(e, r, "write network '%s'", nw->name) : 0;
}

struct listing {
	struct net_network **v;
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	const struct net_network *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int read_all(int dir, struct arena *a, struct listing *ret, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	AUTO_FREE struct net_network **v = NULL;
	size_t cap = 0, n = 0;
	struct dirent *de;
	int r = 0;

	if (!d)
		return err_sys(e, -errno, "list the networks");
	while (r == 0 && (de = readdir(d))) {
		if (de->d_name[0] == '.' || !str_ends(de->d_name, SUFFIX))
			continue;
		r = n < NETWORKS_MAX ? mem_grow(&v, &cap, n + 1, sizeof(*v)) : -E2BIG;
		if (r < 0)
			err_sys(e, r, "list the networks");
		else if ((r = read_network(dir, de->d_name, a, &v[n], e)) == 0)
			n++;
		else if (r == -ENOENT) /* removed meanwhile */
			r = 0;
	}
	closedir(d);
	ret->v = r == 0 ? arena_calloc(a, n + 1, sizeof(*v)) : NULL;
	if (r < 0 || !ret->v)
		return r < 0 ? r : err_sys(e, -ENOMEM, "list the networks");
	if (n) {
		memcpy(ret->v, v, n * sizeof(*v));
		qsort(ret->v, n, sizeof(*v), by_name);
	}
	ret->n = n;
	return 0;
}

/* ---- making one ---- */

/* docker's rule for names of all kinds. */
static int check_name(const char *name, struct err *e)
{
	static const char alnum[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = strlen(name);

	if (streq(name, "host") || streq(name, "none") || streq(name, "container") ||
	    streq(name, "default"))
		return err_set(e, -EEXIST, "network with name %s already exists", name);
	if (len >= 1 && len <= LIMIT_NAME - sizeof(SUFFIX) && !strchr("_.-", name[0]) &&
	    strspn(name, alnum) == len)
		return 0;
	return err_set(e, -EINVAL,
		       "invalid network name '%s': only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed",
		       name);
}

/*
 * "corten0" for the default network of the usual state folder; others carry digits of their id or of the folder, so that
 * instances beside each other do not meet.
 */
static const char *bridge_name(const struct net *n, const struct net_network *nw, struct arena *a)
{
	char digest[DIGEST_TEXT_MAX];

	if (net_has_names(nw))
		return arena_printf(a, "ct-%.12s", nw->id);
	if (streq(n->state, "/run/corten"))
		return "corten0";
	return arena_printf(a, "ct0-%.8s",
			    digest_hex(digest_of(n->state, strlen(n->state), digest)));
}

static int parse_bool(const char *v, bool *ret)
{
	*ret = streq(v, "true") || streq(v, "1");
	return *ret || streq(v, "false") || streq(v, "0") ? 0 : -EINVAL;
}

static int option_mtu(struct net_network *nw, const char *v)
{
	return str_to_i64(v, 68, 65535, &nw->mtu);
}

static int option_bridge(struct net_network *nw, const char *v)
{
	if (!*v || strlen(v) >= IFNAMSIZ || strpbrk(v, "/ :%"))
		return -EINVAL;
	nw->bridge = v;
	return 0;
}

static int option_masquerade(struct net_network *nw, const char *v)
{
	bool is_on;
	int r = parse_bool(v, &is_on);

	nw->no_masquerade = !is_on;
	return r;
}

static int option_icc(struct net_network *nw, const char *v)
{
	bool is_on;
	int r = parse_bool(v, &is_on);

	nw->no_icc = !is_on;
	return r;
}

static int option_host_ip(struct net_network *nw, const char *v)
{
	struct ip_net s;

	nw->host_ip = v;
	return subnet_parse_host(v, &s, NULL);
}

/* docker's names, and podman's short ones. */
static const struct option_row {
	const char *name;
	int (*set)(struct net_network *nw, const char *v);
} option_rows[] = {
	{ "com.docker.network.driver.mtu", option_mtu },
	{ "mtu", option_mtu },
	{ "com.docker.network.bridge.name", option_bridge },
	{ "com.docker.network.bridge.enable_ip_masquerade", option_masquerade },
	{ "com.docker.network.bridge.enable_icc", option_icc },
	{ "com.docker.network.bridge.host_binding_ipv4", option_host_ip },
};

static int apply_option(struct net_network *nw, const struct json_pair *p, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(option_rows); i++) {
		if (!streq(option_rows[i].name, p->key))
			continue;
		if (option_rows[i].set(nw, p->value) < 0)
			return err_set(e, -EINVAL, "invalid value '%s' for option '%s'", p->value,
				       p->key);
		return 0;
	}
	return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
			    "network option '%s' is not supported by the bridge driver yet",
			    p->key);
}

/* "k=v" lines as a map in the arena. */
static int pairs(char *const *v, struct arena *a, struct json_map *ret, struct err *e)
{
	size_t n = strv_len(v);

	ret->v = arena_calloc(a, n + 1, sizeof(*ret->v));
	if (!ret->v)
		return err_sys(e, -ENOMEM, "network");
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(v[i], "=");
		struct json_pair p = { arena_strndup(a, v[i], len),
				       v[i][len] ? arena_strdup(a, v[i] + len + 1) : "" };

		if (!p.key || !p.value)
			return err_sys(e, -ENOMEM, "network");
		ret->v[ret->n++] = p;
	}
	return 0;
}

/* The subnets, ranges and gateways of one family, parsed. */
struct plan {
	struct ip_net subnet, range, gateway;
};

static int place_subnets(char *const *v, struct plan plans[2], struct err *e)
{
	for (size_t i = 0; v && v[i]; i++) {
		struct ip_net s, *to;
		int r = subnet_parse(v[i], &s, e);

		if (r < 0)
			return r;
		to = &plans[s.addr.family == AF_INET6].subnet;
		if (to->addr.family)
			return err_set(
				e, -EINVAL,
				"bridge driver doesn't support multiple subnets of one family: '%s'",
				v[i]);
		*to = s;
	}
	return 0;
}

static int place_inside(char *const *v, bool is_range, struct plan plans[2], struct err *e)
{
	for (size_t i = 0; v && v[i]; i++) {
		struct ip_net s;
		struct plan *p;
		int r = is_range ? subnet_parse(v[i], &s, e) : subnet_parse_host(v[i], &s, e);

		if (r < 0)
			return r;
		p = &plans[s.addr.family == AF_INET6];
		if (!p->subnet.addr.family || !subnet_contains(&p->subnet, &s))
			return err_set(e, -EINVAL, "no matching subnet for %s %s",
				       is_range ? "ip-range" : "gateway", v[i]);
		*(is_range ? &p->range : &p->gateway) = s;
	}
	return 0;
}

/* What other networks and the host have; an own choice may not meet a network of ours either. */
static int taken_subnets(const struct listing *others, bool with_host, struct arena *a,
			 struct ip_net **ret, size_t *ret_n, struct err *e)
{
	struct ip_net *v = arena_calloc(a, 2 * others->n + SUBNET_ROUTES_MAX, sizeof(*v));
	size_t n = 0, host = 0;
	int r = v ? 0 : err_sys(e, -ENOMEM, "networks");

	for (size_t i = 0; r == 0 && i < others->n; i++) {
		const struct net_network *o = others->v[i];

		n += subnet_parse(o->subnet, &v[n], NULL) == 0;
		n += o->subnet6 && subnet_parse(o->subnet6, &v[n], NULL) == 0;
	}
	if (r == 0 && with_host)
		r = subnet_host_routes(v + n, SUBNET_ROUTES_MAX, &host, e);
	*ret = v;
	*ret_n = n + host;
	return r;
}

static int choose_subnets(const struct net_create_options *o, const struct listing *others,
			  struct plan plans[2], struct arena *a, struct err *e)
{
	char text[IP_TEXT_MAX];
	struct ip_net *used;
	size_t used_n;
	int r = taken_subnets(others, !plans[0].subnet.addr.family, a, &used, &used_n, e);

	if (r == 0 && !plans[0].subnet.addr.family)
		r = subnet_choose(streq(o->name, NET_DEFAULT), used, used_n, &plans[0].subnet, e);
	if (r < 0)
		return r;
	if (o->is_ipv6 && !plans[1].subnet.addr.family)
		plans[1].subnet = subnet_unique_local(rand_u64());
	for (size_t p = 0; p < 2; p++)
		for (size_t i = 0; plans[p].subnet.addr.family && i < used_n; i++)
			if (subnet_overlaps(&plans[p].subnet, &used[i]))
				return err_set_code(
					e, -EADDRINUSE, ERR_FAILED_PRECONDITION,
					"invalid pool request: Pool overlaps with other one on this "
					"address space: %s",
					ip_net_text(&plans[p].subnet, text));
	return 0;
}

static const char *keep(const struct ip_net *s, bool is_host, struct arena *a)
{
	char text[IP_TEXT_MAX];

	return arena_strdup(a, is_host ? ip_addr_text(&s->addr, text) : ip_net_text(s, text));
}

static int record_subnets(struct net_network *nw, struct plan plans[2], struct arena *a,
			  struct err *e)
{
	for (size_t i = 0; i < 2; i++)
		if (plans[i].subnet.addr.family && !plans[i].gateway.addr.family)
			plans[i].gateway = subnet_nth(&plans[i].subnet, 1);
	if (plans[0].subnet.prefix > 30)
		return err_set(e, -EINVAL, "subnet '%s' has no room for a gateway and a container",
			       keep(&plans[0].subnet, false, a));
	nw->subnet = keep(&plans[0].subnet, false, a);
	nw->gateway = keep(&plans[0].gateway, true, a);
	if (plans[0].range.addr.family)
		nw->range = keep(&plans[0].range, false, a);
	if (plans[1].subnet.addr.family) {
		nw->subnet6 = keep(&plans[1].subnet, false, a);
		nw->gateway6 = keep(&plans[1].gateway, true, a);
		if (plans[1].range.addr.family)
			nw->range6 = keep(&plans[1].range, false, a);
	}
	return nw->subnet && nw->gateway ? 0 : err_sys(e, -ENOMEM, "network");
}

static int fill(const struct net *n, const struct net_create_options *o,
		const struct listing *others, struct arena *a, struct net_network *nw,
		struct err *e)
{
	struct plan plans[2] = { 0 };
	char id[65];
	int r;

	rand_hex(id, 64);
	*nw = (struct net_network){
		.version = "1.0",
		.name = o->name,
		.id = arena_strdup(a, id),
		.driver = "bridge",
		.created_ns = clock_wall_ns(),
		.is_internal = o->is_internal,
		.is_attachable = o->is_attachable,
	};
	if (!nw->id)
		return err_sys(e, -ENOMEM, "network");
	nw->bridge = bridge_name(n, nw, a);
	r = pairs(o->labels, a, &nw->labels, e);
	if (r == 0)
		r = pairs(o->options, a, &nw->options, e);
	for (size_t i = 0; r == 0 && i < nw->options.n; i++)
		r = apply_option(nw, &nw->options.v[i], e);
	if (r == 0)
		r = place_subnets(o->subnets, plans, e);
	if (r == 0)
		r = place_inside(o->ranges, true, plans, e);
	if (r == 0)
		r = place_inside(o->gateways, false, plans, e);
	if (r == 0)
		r = choose_subnets(o, others, plans, a, e);
	return r < 0 ? r : record_subnets(nw, plans, a, e);
}

static int check_bridge(const struct net_network *nw, const struct listing *others, struct err *e)
{
	for (size_t i = 0; i < others->n; i++)
		if (streq(others->v[i]->bridge, nw->bridge))
			return err_set(e, -EEXIST,
				       "networks have same bridge name: '%s' belongs to '%s'",
				       nw->bridge, others->v[i]->name);
	return 0;
}

static int create_locked(const struct net *n, int dir, const struct net_create_options *o,
			 struct arena *a, struct net_network **ret, struct err *e)
{
	struct net_network *nw = arena_alloc(a, sizeof(*nw));
	struct listing others;
	int r = nw ? read_all(dir, a, &others, e) : err_sys(e, -ENOMEM, "network");

	if (r == 0)
		r = fill(n, o, &others, a, nw, e);
	if (r == 0)
		r = check_bridge(nw, &others, e);
	if (r == 0)
		r = write_network(dir, nw, e);
	if (r == 0)
		*ret = nw;
	return r;
}

static int create(const struct net *n, const struct net_create_options *o, struct arena *a,
		  struct net_network **ret, struct err *e)
{
	AUTO_FD lock = take_lock(n, e);
	AUTO_FD dir = lock < 0 ? lock : open_networks(n, e);
	int r;

	if (dir < 0)
		return dir;
	r = read_named(dir, o->name, a, ret, e);
	if (r == 0)
		return err_set(e, -EEXIST, "network with name %s already exists", o->name);
	return r == -ENOENT ? create_locked(n, dir, o, a, ret, e) : r;
}

int net_create(const struct net *n, const struct net_create_options *o, struct arena *a,
	       struct net_network **ret, struct err *e)
{
	int r = check_name(o->name, e);

	if (r == 0 && streq(o->name, NET_DEFAULT))
		r = err_set(e, -EEXIST, "network with name %s already exists", o->name);
	if (r == 0 && o->driver && !streq(o->driver, "bridge"))
		r = err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				 "network driver '%s' is not supported yet: use bridge", o->driver);
	return r < 0 ? r : create(n, o, a, ret, e);
}

/* ---- finding ---- */

static int find_default(const struct net *n, int dir, struct arena *a, struct net_network **ret,
			struct err *e)
{
	struct net_create_options o = { .name = NET_DEFAULT };
	int r = read_named(dir, NET_DEFAULT, a, ret, e);

	if (r == -ENOENT) {
		r = create(n, &o, a, ret, e);
		/* Another process was first. */
		if (r == -EEXIST)
			r = read_named(dir, NET_DEFAULT, a, ret, e);
	}
	return r;
}

static int find_by_id(int dir, const char *what, struct arena *a, struct net_network **ret,
		      struct err *e)
{
	struct listing all;
	size_t len = strlen(what);
	int r = read_all(dir, a, &all, e);

	if (r < 0)
		return r;
	*ret = NULL;
	for (size_t i = 0; len && i < all.n; i++) {
		if (strncmp(all.v[i]->id, what, len) != 0)
			continue;
		if (*ret)
			return err_set(e, -EINVAL, "network %s is ambiguous (several ids fit)",
				       what);
		*ret = all.v[i];
	}
	return *ret ? 0 : err_set(e, -ENOENT, "network %s not found", what);
}

int net_find(const struct net *n, const char *what, struct arena *a, struct net_network **ret,
	     struct err *e)
{
	AUTO_FD dir = open_networks(n, e);
	int r;

	if (dir < 0)
		return dir;
	if (streq(what, NET_DEFAULT) || streq(what, "default"))
		return find_default(n, dir, a, ret, e);
	r = check_name(what, NULL) < 0 ? -ENOENT : read_named(dir, what, a, ret, e);
	return r == -ENOENT ? find_by_id(dir, what, a, ret, e) : r;
}

int net_get(const struct net *n, const char *name, const char *id, struct arena *a,
	    struct net_network **ret, struct err *e)
{
	AUTO_FD dir = open_networks(n, e);
	int r = dir < 0 ? dir : read_named(dir, name, a, ret, e);

	if (r == -ENOENT || (r == 0 && !streq((*ret)->id, id)))
		return err_set(e, -ENOENT, "network %s not found", name);
	return r;
}

int net_list(const struct net *n, struct arena *a, struct net_network ***ret, size_t *ret_n,
	     struct err *e)
{
	AUTO_FD dir = open_networks(n, e);
	struct net_network *def;
	struct listing all;
	int r = dir < 0 ? dir : find_default(n, dir, a, &def, e);

	if (r == 0)
		r = read_all(dir, a, &all, e);
	if (r < 0)
		return r;
	*ret = all.v;
	*ret_n = all.n;
	return 0;
}
