/* Networks as objects: made, listed, inspected, removed; containers put in and taken out while they run. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/priv.h"
#include "net/ports.h"

/* ---- who is in it: what the task folders say ---- */

static int visit_task(int tasks_fd, const char *id, const char *network_id, engine_user_fn fn,
		      void *data)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD fd = openat(tasks_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct net_sandbox *s;
	int r = fd < 0 ? fd : net_sandbox_read(fd, &a, &s, NULL);

	/* A task that ends meanwhile uses nothing. */
	if (r < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < s->endpoints.n; i++)
		if (!network_id || streq(s->endpoints.v[i].network_id, network_id))
			r = fn(data, s, &s->endpoints.v[i]);
	return r;
}

static int visit_namespace(int dir, const char *ns, const char *network_id, engine_user_fn fn,
			   void *data)
{
	int fd = openat(dir, ns, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int r = 0;

	while (r == 0 && d && (de = readdir(d)))
		if (de->d_name[0] != '.')
			r = visit_task(fd, de->d_name, network_id, fn, data);
	if (d)
		closedir(d);
	return r;
}

int engine_network_visit(struct engine *en, const char *network_id, engine_user_fn fn, void *data)
{
	int fd = openat(en->state_fd, "tasks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int r = 0;

	while (r == 0 && d && (de = readdir(d)))
		if (de->d_name[0] != '.')
			r = visit_namespace(fd, de->d_name, network_id, fn, data);
	if (d)
		closedir(d);
	return r;
}

static int count_user(void *data, const struct net_sandbox *s, const struct net_endpoint *ep)
{
	(void)s;
	(void)ep;
	++*(size_t *)data;
	return 0;
}

/* ---- making, listing ---- */

int engine_network_create(struct engine *en, const struct net_create_options *o, struct arena *a,
			  const char **ret_id, struct err *e)
{
	struct net n = engine_net(en);
	struct net_network *nw;
	int r = net_create(&n, o, a, &nw, e);

	if (r < 0)
		return r;
	*ret_id = nw->id;
	r = engine_event(en, "/networks/create", nw->id, e, "name", nw->name, NULL);
	engine_knock(en);
	return r;
}

/* What docker shows beside the bridges; their ids are the names' here, as nothing stands behind them. */
static const struct engine_network specials[] = {
	{ .id = "host", .name = "host", .driver = "host", .scope = "local" },
	{ .id = "none", .name = "none", .driver = "null", .scope = "local" },
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct engine_network *)a)->name,
		      ((const struct engine_network *)b)->name);
}

int engine_network_list(struct engine *en, struct arena *a, struct engine_network **ret,
			size_t *ret_n, struct err *e)
{
	struct net n = engine_net(en);
	struct net_network **all;
	struct engine_network *v;
	size_t all_n;
	int r = net_list(&n, a, &all, &all_n, e);

	if (r < 0)
		return r;
	v = arena_calloc(a, all_n + ARRAY_LEN(specials), sizeof(*v));
	if (!v)
		return err_sys(e, -ENOMEM, "list the networks");
	memcpy(v, specials, sizeof(specials));
	for (size_t i = 0; i < all_n; i++) {
		struct engine_network *to = &v[ARRAY_LEN(specials) + i];

		*to = (struct engine_network){
			.id = all[i]->id,
			.name = all[i]->name,
			.driver = all[i]->driver,
			.scope = "local",
			.is_ipv6 = all[i]->subnet6 != NULL,
			.is_internal = all[i]->is_internal,
			.created_ns = all[i]->created_ns,
			.labels = all[i]->labels,
		};
		(void)engine_network_visit(en, to->id, count_user, &to->users);
	}
	*ret_n = all_n + ARRAY_LEN(specials);
	qsort(v, *ret_n, sizeof(*v), by_name);
	*ret = v;
	return 0;
}

/* ---- inspect ---- */

static void put_pool(struct json_writer *w, const char *subnet, const char *range,
		     const char *gateway)
{
	if (!subnet)
		return;
	json_begin_object(w, NULL);
	json_put_str(w, "Subnet", subnet);
	if (range)
		json_put_str(w, "IPRange", range);
	json_put_str(w, "Gateway", gateway);
	json_end_object(w);
}

static void put_map(struct json_writer *w, const char *key, const struct json_map *m)
{
	json_begin_object(w, key);
	for (size_t i = 0; m && i < m->n; i++)
		json_put_str(w, m->v[i].key, m->v[i].value);
	json_end_object(w);
}

static int put_user(void *data, const struct net_sandbox *s, const struct net_endpoint *ep)
{
	struct json_writer *w = data;

	json_begin_object(w, s->container_id);
	json_put_str(w, "Name", s->name ? s->name : "");
	json_put_str(w, "MacAddress", ep->mac ? ep->mac : "");
	json_put_str(w, "IPv4Address", ep->address ? ep->address : "");
	json_put_str(w, "IPv6Address", ep->address6 ? ep->address6 : "");
	json_end_object(w);
	return 0;
}

static void put_head(struct json_writer *w, const char *name, const char *id, const char *driver,
		     int64_t created_ns)
{
	char created[CLOCK_TEXT_MAX];

	json_put_str(w, "Name", name);
	json_put_str(w, "Id", id);
	json_put_str(w, "Created",
		     created_ns ? clock_rfc3339(created_ns, created) : "0001-01-01T00:00:00Z");
	json_put_str(w, "Scope", "local");
	json_put_str(w, "Driver", driver);
}

static void put_network(struct engine *en, struct json_writer *w, const struct net_network *nw)
{
	json_begin_object(w, NULL);
	put_head(w, nw->name, nw->id, nw->driver, nw->created_ns);
	json_put_bool(w, "EnableIPv4", true);
	json_put_bool(w, "EnableIPv6", nw->subnet6 != NULL);
	json_begin_object(w, "IPAM");
	json_put_str(w, "Driver", "default");
	put_map(w, "Options", NULL);
	json_begin_array(w, "Config");
	put_pool(w, nw->subnet, nw->range, nw->gateway);
	put_pool(w, nw->subnet6, nw->range6, nw->gateway6);
	json_end_array(w);
	json_end_object(w);
	json_put_bool(w, "Internal", nw->is_internal);
	json_put_bool(w, "Attachable", nw->is_attachable);
	json_put_bool(w, "Ingress", false);
	json_begin_object(w, "ConfigFrom");
	json_put_str(w, "Network", "");
	json_end_object(w);
	json_put_bool(w, "ConfigOnly", false);
	json_begin_object(w, "Containers");
	(void)engine_network_visit(en, nw->id, put_user, w);
	json_end_object(w);
	put_map(w, "Options", &nw->options);
	put_map(w, "Labels", &nw->labels);
	json_end_object(w);
}

static void put_special(struct json_writer *w, const struct engine_network *n)
{
	json_begin_object(w, NULL);
	put_head(w, n->name, n->id, n->driver, 0);
	json_put_bool(w, "EnableIPv6", false);
	json_begin_object(w, "IPAM");
	json_put_str(w, "Driver", "default");
	json_put_null(w, "Options");
	json_put_null(w, "Config");
	json_end_object(w);
	json_put_bool(w, "Internal", false);
	put_map(w, "Containers", NULL);
	put_map(w, "Options", NULL);
	put_map(w, "Labels", NULL);
	json_end_object(w);
}

int engine_network_inspect(struct engine *en, const char *what, struct strbuf *out, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_writer w = { .out = out };
	struct net n = engine_net(en);
	struct net_network *nw;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(specials); i++)
		if (streq(what, specials[i].name)) {
			put_special(&w, &specials[i]);
			return strbuf_ok(out) < 0 ? err_sys(e, -ENOMEM, "inspect") : 0;
		}
	r = net_find(&n, what, &a, &nw, e);
	if (r < 0)
		return r;
	put_network(en, &w, nw);
	return strbuf_ok(out) < 0 ? err_sys(e, -ENOMEM, "inspect") : 0;
}

/* ---- removing ---- */

static int refuse_used(struct engine *en, const struct net_network *nw, struct err *e)
{
	size_t users = 0;

	(void)engine_network_visit(en, nw->id, count_user, &users);
	if (users)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				    "error while removing network: network %s id %.12s has active "
				    "endpoints (%zu containers run in it)",
				    nw->name, nw->id, users);
	return 0;
}

int engine_network_remove(struct engine *en, const char *what, struct arena *a,
			  const char **ret_name, struct err *e)
{
	struct net n = engine_net(en);
	struct net_network *nw;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(specials); i++)
		if (streq(what, specials[i].name))
			return err_set(e, -EPERM,
				       "%s is a pre-defined network and cannot be removed", what);
	r = net_find(&n, what, a, &nw, e);
	if (r == 0)
		r = refuse_used(en, nw, e);
	if (r == 0)
		r = net_remove(&n, nw, e);
	if (r < 0)
		return r;
	*ret_name = nw->name;
	r = engine_event(en, "/networks/delete", nw->id, e, "name", nw->name, NULL);
	engine_knock(en);
	return r;
}

/* ---- ports ---- */

static const char *shown_ip(const char *ip)
{
	return ip && *ip ? ip : "0.0.0.0";
}

static int published(int task_fd, struct arena *a, struct engine_port **ret, size_t *ret_n,
		     size_t more, struct err *e)
{
	struct net_sandbox *s = NULL;
	int r = task_fd < 0 ? -ENOENT : net_sandbox_read(task_fd, a, &s, e);

	if (r < 0 && r != -ENOENT)
		return r;
	*ret_n = s ? s->ports.n : 0;
	*ret = arena_calloc(a, *ret_n + more + 1, sizeof(**ret));
	if (!*ret)
		return err_sys(e, -ENOMEM, "ports");
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = (struct engine_port){
			.proto = s->ports.v[i].protocol,
			.host_ip = shown_ip(s->ports.v[i].host_ip),
			.container_port = (uint16_t)s->ports.v[i].container_port,
			.host_port = (uint16_t)s->ports.v[i].host_port,
		};
	return 0;
}

static bool is_listed(const struct engine_port *v, size_t n, const struct engine_port *p)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].container_port == p->container_port && streq(v[i].proto, p->proto))
			return true;
	return false;
}

static int by_port(const void *a, const void *b)
{
	const struct engine_port *x = a, *y = b;

	if (x->container_port != y->container_port)
		return x->container_port < y->container_port ? -1 : 1;
	return strcmp(x->proto, y->proto);
}

int engine_container_ports(struct engine *en, const char *id, struct arena *a,
			   struct engine_port **ret, size_t *ret_n, struct err *e)
{
	AUTO_FD task_fd = -EBADF;
	struct net_publishes exposed = { 0 };
	struct loaded l;
	int r = engine_load(en, id, a, &l, e);

	if (r < 0)
		return r;
	task_fd = engine_task_open(en, l.row.id, NULL);
	r = published(task_fd, a, ret, ret_n, l.doc->exposed.n, e);
	for (size_t i = 0; r == 0 && task_fd >= 0 && i < l.doc->exposed.n; i++)
		r = net_expose_parse(l.doc->exposed.v[i], a, &exposed, e);
	for (size_t i = 0; r == 0 && i < exposed.n; i++) {
		struct engine_port p = { .container_port = exposed.v[i].container_port,
					 .proto = exposed.v[i].proto };

		if (!is_listed(*ret, *ret_n, &p))
			(*ret)[(*ret_n)++] = p;
	}
	if (r == 0)
		qsort(*ret, *ret_n, sizeof(**ret), by_port);
	return r;
}
