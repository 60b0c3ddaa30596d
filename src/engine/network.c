/*
 * A container's networks: planned with its document, attached while its init waits, given back after its end. What
 * the attachment got lies in its task folder (net/sandbox.h), never in the database.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/priv.h"
#include "net/hostport.h"
#include "net/ports.h"
#include "net/subnet.h"

#define NETWORKS_MAX 64

static struct net net_of(const struct engine *en)
{
	return (struct net){ en->root, en->state };
}

const char *engine_network_peer(const struct doc *d)
{
	return d->network ? str_skip(d->network, "container:") : NULL;
}

/* ---- the plan ---- */

static bool is_special(const char *name)
{
	return streq(name, "none") || streq(name, "host") || str_skip(name, "container:");
}

static bool has_address(const struct engine_network_want *w)
{
	return w->ip || w->ip6 || w->mac || strv_len(w->aliases);
}

static int check_address(const char *text, int family, const struct net_network *nw, struct err *e)
{
	const char *subnet = family == AF_INET ? nw->subnet : nw->subnet6;
	struct ip_net s, whole;
	int r = text ? subnet_parse_host(text, &s, e) : 0;

	if (r < 0 || !text)
		return r;
	if (s.addr.family != family)
		return err_set(e, -EINVAL, "invalid %s address: %s",
			       family == AF_INET ? "IPv4" : "IPv6", text);
	if (!subnet || subnet_parse(subnet, &whole, NULL) < 0 || !subnet_contains(&whole, &s))
		return err_set(
			e, -EINVAL,
			"invalid endpoint settings: no configured subnet contains IP address %s",
			text);
	return 0;
}

static int check_mac(const char *mac, struct err *e)
{
	uint8_t bytes[MAC_LEN];

	if (mac && mac_parse(mac, bytes) < 0)
		return err_set(e, -EINVAL, "%s is not a valid mac address", mac);
	return 0;
}

/* docker's rule: a static address needs a network whose subnet the user chose; ours only that it fits. */
static int plan_one(struct engine *en, const struct engine_network_want *w, struct doc_network *dn,
		    struct arena *a, struct err *e)
{
	struct net n = net_of(en);
	struct net_network *nw;
	int r = net_find(&n, w->name, a, &nw, e);

	if (r < 0)
		return r;
	if (!net_has_names(nw) && strv_len(w->aliases))
		return err_set(e, -EINVAL,
			       "network-scoped alias is supported only for containers in user "
			       "defined networks");
	*dn = (struct doc_network){ .name = nw->name,
				    .id = nw->id,
				    .aliases = { (const char **)w->aliases, strv_len(w->aliases) },
				    .ip = w->ip,
				    .ip6 = w->ip6,
				    .mac = w->mac };
	r = check_address(w->ip, AF_INET, nw, e);
	if (r == 0)
		r = check_address(w->ip6, AF_INET6, nw, e);
	return r < 0 ? r : check_mac(w->mac, e);
}

static int plan_peer(struct engine *en, const char *peer, struct doc *d, struct arena *a,
		     struct err *e)
{
	struct loaded l;
	int r = *peer ? engine_load(en, peer, a, &l, e)
		      : err_set(e, -EINVAL, "invalid container format container:<name|id>");

	if (r < 0)
		return r;
	d->network = arena_printf(a, "container:%s", l.row.id);
	return d->network ? 0 : err_sys(e, -ENOMEM, "network");
}

static int plan_special(struct engine *en, const struct engine_network_want *w, size_t n,
			struct doc *d, struct arena *a, struct err *e)
{
	const char *peer = str_skip(w->name, "container:");

	if (n > 1)
		return err_set(e, -EINVAL,
			       "conflicting options: cannot attach both user-defined and "
			       "non-user-defined network-modes");
	if (has_address(w))
		return err_set(e, -EINVAL,
			       "conflicting options: addresses and aliases need a network of "
			       "the container's own, not '%s'",
			       w->name);
	d->network = w->name;
	return peer ? plan_peer(en, peer, d, a, e) : 0;
}

static int plan_networks(struct engine *en, const struct engine_network_want *v, size_t n,
			 struct doc *d, struct arena *a, struct err *e)
{
	d->networks.v = arena_calloc(a, n, sizeof(*d->networks.v));
	if (!d->networks.v)
		return err_sys(e, -ENOMEM, "network");
	if (n > NETWORKS_MAX)
		return err_set(e, -E2BIG, "more than %d networks", NETWORKS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct doc_network *dn = &d->networks.v[d->networks.n];
		int r;

		if (is_special(v[i].name))
			return plan_special(en, &v[i], n, d, a, e);
		r = plan_one(en, &v[i], dn, a, e);
		if (r < 0)
			return r;
		for (size_t j = 0; j < d->networks.n; j++)
			if (streq(d->networks.v[j].id, dn->id))
				return err_set(e, -EINVAL, "network %s is specified more than once",
					       dn->name);
		d->networks.n++;
	}
	d->network = d->networks.v[0].name;
	return 0;
}

static int add_ports(const struct net_publishes *list, struct doc *d, struct arena *a,
		     struct err *e)
{
	struct doc_port *v = arena_calloc(a, d->ports.n + list->n + 1, sizeof(*v));

	if (!v)
		return err_sys(e, -ENOMEM, "published ports");
	if (d->ports.n)
		memcpy(v, d->ports.v, d->ports.n * sizeof(*v));
	for (size_t i = 0; i < list->n; i++)
		v[d->ports.n++] = (struct doc_port){
			.proto = list->v[i].proto,
			.host_ip = list->v[i].host_ip,
			.container_port = list->v[i].container_port,
			.host_first = list->v[i].host_first,
			.host_last = list->v[i].host_last,
		};
	d->ports.v = v;
	return 0;
}

static bool is_published(const struct net_publishes *list, const struct net_publish *p)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].container_port == p->container_port &&
		    streq(list->v[i].proto, p->proto))
			return true;
	return false;
}

/* What -p, --expose and the image name; with -P all of it is published. */
static int plan_ports(const struct engine_create_options *o, const struct image_record *img,
		      struct doc *d, struct arena *a, struct err *e)
{
	struct net_publishes published = { 0 }, exposed = { 0 }, rest = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && o->publish && o->publish[i]; i++)
		r = net_publish_parse(o->publish[i], a, &published, e);
	for (size_t i = 0; r == 0 && o->expose && o->expose[i]; i++)
		r = net_expose_parse(o->expose[i], a, &exposed, e);
	for (size_t i = 0; r == 0 && i < img->exposed_ports.n; i++)
		r = net_expose_parse(img->exposed_ports.v[i], a, &exposed, e);
	d->exposed.v = r == 0 ? arena_calloc(a, exposed.n + published.n + 1, sizeof(*d->exposed.v))
			      : NULL;
	if (r < 0 || !d->exposed.v)
		return r < 0 ? r : err_sys(e, -ENOMEM, "exposed ports");
	rest.v = exposed.v;
	for (size_t i = 0; i < exposed.n; i++) {
		const struct net_publish p = exposed.v[i];

		d->exposed.v[d->exposed.n++] = arena_printf(a, "%u/%s", p.container_port, p.proto);
		if (!is_published(&published, &p) && !is_published(&rest, &p))
			rest.v[rest.n++] = p;
	}
	r = add_ports(&published, d, a, e);
	return r == 0 && o->is_publish_all ? add_ports(&rest, d, a, e) : r;
}

static struct json_strs strs(char *const *v)
{
	return (struct json_strs){ (const char **)v, strv_len(v) };
}

static int check_dns(const struct engine_create_options *o, struct err *e)
{
	struct ip_addr addr;

	for (size_t i = 0; o->dns && o->dns[i]; i++)
		if (ip_addr_parse(o->dns[i], &addr) < 0)
			return err_set(e, -EINVAL, "%s is not an ip address", o->dns[i]);
	for (size_t i = 0; o->extra_hosts && o->extra_hosts[i]; i++) {
		const char *h = o->extra_hosts[i], *sep = h + strcspn(h, ":=");

		if (sep == h || !*sep ||
		    (!streq(sep + 1, "host-gateway") && ip_addr_parse(sep + 1, &addr) < 0))
			return err_set(e, -EINVAL, "bad format for add-host: \"%s\"", h);
	}
	return 0;
}

int engine_network_plan(struct engine *en, const struct engine_create_options *o,
			const struct image_record *img, struct doc *d, struct arena *a,
			struct err *e)
{
	const struct engine_network_want def = { .name = ENGINE_DEFAULT_NETWORK };
	int r = check_dns(o, e);

	if (r == 0)
		r = plan_networks(en, o->networks_len ? o->networks : &def,
				  MAX(o->networks_len, (size_t)1), d, a, e);
	if (r == 0)
		r = plan_ports(o, img, d, a, e);
	if (r < 0)
		return r;
	d->dns = strs(o->dns);
	d->dns_search = strs(o->dns_search);
	d->dns_options = strs(o->dns_options);
	d->extra_hosts = strs(o->extra_hosts);
	if (engine_network_peer(d) && d->ports.n)
		return err_set(e, -EINVAL,
			       "conflicting options: port publishing and the container type "
			       "network mode");
	return 0;
}

/* ---- attaching ---- */

static int fill_endpoint(struct engine *en, const struct loaded *l, size_t i,
			 struct net_endpoint *ep, struct arena *a, struct err *e)
{
	const struct doc_network *dn = &l->doc->networks.v[i];
	struct net n = net_of(en);
	struct net_network *nw;
	const char **aliases;
	int r = net_find(&n, dn->id, a, &nw, e);

	if (r < 0)
		return r;
	*ep = (struct net_endpoint){
		.network = nw->name,
		.network_id = nw->id,
		.bridge = nw->bridge,
		.ifname = arena_printf(a, "eth%zu", i),
		.is_primary = i == 0,
		.is_internal = nw->is_internal,
		.has_names = net_has_names(nw),
		.want_ip = dn->ip,
		.want_ip6 = dn->ip6,
		.want_mac = dn->mac,
	};
	/* The short id is an alias everywhere, as with docker. */
	aliases = arena_calloc(a, dn->aliases.n + 1, sizeof(*aliases));
	if (!aliases || !ep->ifname)
		return err_sys(e, -ENOMEM, "network");
	if (dn->aliases.n)
		memcpy(aliases, dn->aliases.v, dn->aliases.n * sizeof(*aliases));
	aliases[dn->aliases.n] = arena_strndup(a, l->row.id, 12);
	ep->aliases = (struct json_strs){ aliases, dn->aliases.n + 1 };
	return aliases[dn->aliases.n] ? 0 : err_sys(e, -ENOMEM, "network");
}

static int choose_ports(struct engine *en, const struct doc *d, struct net_sandbox *s,
			struct arena *a, struct err *e)
{
	struct net n = net_of(en);
	struct net_network *nw;
	struct net_publish *want = arena_calloc(a, d->ports.n + 1, sizeof(*want));
	int r = want ? 0 : err_sys(e, -ENOMEM, "published ports");

	if (r == 0 && d->ports.n)
		r = net_find(&n, d->networks.v[0].id, a, &nw, e);
	if (r < 0 || d->ports.n == 0)
		return r;
	for (size_t i = 0; i < d->ports.n; i++)
		want[i] = (struct net_publish){
			.proto = d->ports.v[i].proto,
			.host_ip = d->ports.v[i].host_ip,
			.container_port = (uint16_t)d->ports.v[i].container_port,
			.host_first = (uint16_t)d->ports.v[i].host_first,
			.host_last = (uint16_t)d->ports.v[i].host_last,
		};
	r = hostport_choose(want, d->ports.n, nw->host_ip, NULL, NULL, a, &s->ports.v, e);
	if (r == 0)
		s->ports.n = d->ports.n;
	return r;
}

static int build_sandbox(struct engine *en, const struct loaded *l, struct net_sandbox *s,
			 struct arena *a, struct err *e)
{
	int r = 0;

	*s = (struct net_sandbox){
		.version = "1.0",
		.container_id = l->row.id,
		.name = l->row.name,
		.hostname = l->doc->hostname,
		.dns = l->doc->dns,
	};
	s->endpoints.v = arena_calloc(a, l->doc->networks.n, sizeof(*s->endpoints.v));
	if (!s->endpoints.v)
		return err_sys(e, -ENOMEM, "network");
	for (; r == 0 && s->endpoints.n < l->doc->networks.n; s->endpoints.n++)
		r = fill_endpoint(en, l, s->endpoints.n, &s->endpoints.v[s->endpoints.n], a, e);
	return r < 0 ? r : choose_ports(en, l->doc, s, a, e);
}

/* The namespace of the init, which waits: its number is not used again meanwhile. */
static int open_netns(pid_t pid, struct arena *a, const char **ret_path, struct err *e)
{
	char *path = arena_printf(a, "/proc/%d/ns/net", pid);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return err_sys(e, path ? -errno : -ENOMEM,
			       "open the network namespace of process %d", pid);
	*ret_path = path;
	return fd;
}

/* The container has the file mounted already: it is written to, never replaced. */
static int add_own_hosts(const struct net_sandbox *s, int task_fd, struct err *e)
{
	AUTO_STRBUF struct strbuf lines = { 0 };
	AUTO_FD fd = openat(task_fd, "hosts", O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return err_sys(e, -errno, "write /etc/hosts");
	net_sandbox_hosts(s, &lines);
	r = strbuf_ok(&lines);
	if (r == 0)
		r = fd_write_full(fd, lines.p ? lines.p : "", lines.len);
	return r < 0 ? err_sys(e, r, "write /etc/hosts") : 0;
}

int engine_network_attach(struct engine *en, const struct loaded *l, int task_fd, pid_t pid,
			  struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD netns = -EBADF;
	struct net n = net_of(en);
	struct net_sandbox s;
	const char *path = NULL;
	int r;

	if (l->doc->networks.n == 0)
		return 0;
	r = build_sandbox(en, l, &s, &a, e);
	if (r == 0)
		r = netns = open_netns(pid, &a, &path, e);
	if (r >= 0)
		r = net_sandbox_attach(&n, &s, netns, path, task_fd, &a, e);
	return r < 0 ? r : add_own_hosts(&s, task_fd, e);
}

int engine_network_detach(struct engine *en, int task_fd, struct err *e)
{
	struct net n = net_of(en);

	return net_sandbox_detach(&n, task_fd, -EBADF, e);
}

/* ---- while it runs ---- */

/* The next ethN that no endpoint has. */
static const char *free_ifname(const struct net_sandbox *s, struct arena *a)
{
	for (size_t n = 0;; n++) {
		const char *name = arena_printf(a, "eth%zu", n);
		bool is_taken = false;

		for (size_t i = 0; name && i < s->endpoints.n; i++)
			is_taken |= streq(s->endpoints.v[i].ifname, name);
		if (!is_taken)
			return name;
	}
}

struct live {
	struct net_sandbox *s;
	int task_fd, netns;
	const char *path;
};

static void live_done(struct live *v)
{
	fd_closep(&v->task_fd);
	fd_closep(&v->netns);
}

/* What runs of the container; -ESRCH: nothing does. */
static int open_live(struct engine *en, const char *id, struct arena *a, struct live *ret,
		     struct err *e)
{
	struct task_view v;
	int r = engine_task_view(en, id, &v, e);

	if (r < 0)
		return r;
	if (!v.is_running && !v.is_paused)
		return -ESRCH;
	r = ret->task_fd = engine_task_open(en, id, e);
	if (r >= 0)
		r = ret->netns = open_netns(v.pid, a, &ret->path, e);
	if (r >= 0)
		r = net_sandbox_read(ret->task_fd, a, &ret->s, e);
	return r == -ENOENT ? err_set(e, -EINVAL, "container %s has no networks of its own", id)
			    : r;
}

static int add_document(struct loaded *l, const struct doc_network *dn, struct arena *a,
			struct err *e)
{
	struct doc *d = l->doc;
	struct doc_network *v = arena_calloc(a, d->networks.n + 1, sizeof(*v));

	if (!v)
		return err_sys(e, -ENOMEM, "network");
	if (d->networks.n)
		memcpy(v, d->networks.v, d->networks.n * sizeof(*v));
	v[d->networks.n] = *dn;
	d->networks.v = v;
	d->networks.n++;
	return 0;
}

static int check_connect(const struct loaded *l, const struct doc_network *dn, struct err *e)
{
	if (l->doc->networks.n == 0)
		return err_set_code(e, -EINVAL, ERR_FAILED_PRECONDITION,
				    "container sharing network namespace with another container or "
				    "host cannot be connected to any other network");
	for (size_t i = 0; i < l->doc->networks.n; i++)
		if (streq(l->doc->networks.v[i].id, dn->id))
			return err_set(e, -EEXIST,
				       "endpoint with name %s already exists in network %s",
				       l->row.name, dn->name);
	return l->doc->networks.n < NETWORKS_MAX
		       ? 0
		       : err_set(e, -E2BIG, "more than %d networks", NETWORKS_MAX);
}

static int connect_live(struct engine *en, const struct loaded *l, struct arena *a, struct err *e)
{
	CLEANUP(live_done) struct live live = { .task_fd = -EBADF, .netns = -EBADF };
	struct net n = net_of(en);
	struct net_endpoint ep;
	int r = open_live(en, l->row.id, a, &live, e);

	if (r < 0)
		return r == -ESRCH ? 0 : r;
	r = fill_endpoint(en, l, l->doc->networks.n - 1, &ep, a, e);
	if (r < 0)
		return r;
	ep.is_primary = live.s->endpoints.n == 0;
	ep.ifname = free_ifname(live.s, a);
	return net_sandbox_connect(&n, live.s, &ep, live.netns, live.path, live.task_fd, a, e);
}

int engine_network_connect(struct engine *en, const char *what, const struct engine_network_want *w,
			   struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct doc_network dn;
	struct loaded l;
	int r = plan_one(en, w, &dn, &a, e);

	if (r == 0)
		r = engine_load(en, what, &a, &l, e);
	if (r == 0)
		r = engine_lock(en, l.row.id, e);
	if (r < 0)
		return r;
	AUTO_HELD held = { .en = en };
	r = engine_load(en, l.row.id, &a, &l, e);
	held.is_gone = r == -ENOENT;
	if (r == 0)
		r = check_connect(&l, &dn, e);
	if (r == 0)
		r = add_document(&l, &dn, &a, e);
	if (r == 0)
		r = connect_live(en, &l, &a, e);
	return r < 0 ? r : engine_save(en, &l, &a, e);
}

static int disconnect_live(struct engine *en, const struct loaded *l, const char *network_id,
			   struct arena *a, struct err *e)
{
	CLEANUP(live_done) struct live live = { .task_fd = -EBADF, .netns = -EBADF };
	struct net n = net_of(en);
	int r = open_live(en, l->row.id, a, &live, e);

	if (r < 0)
		return r == -ESRCH ? 0 : r;
	return net_sandbox_disconnect(&n, live.s, network_id, live.netns, live.path, live.task_fd,
				      e);
}

int engine_network_disconnect(struct engine *en, const char *what, const char *network,
			      struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct net n = net_of(en);
	struct net_network *nw;
	struct loaded l;
	size_t i = 0;
	int r = net_find(&n, network, &a, &nw, e);

	if (r == 0)
		r = engine_load(en, what, &a, &l, e);
	if (r == 0)
		r = engine_lock(en, l.row.id, e);
	if (r < 0)
		return r;
	AUTO_HELD held = { .en = en };
	r = engine_load(en, l.row.id, &a, &l, e);
	held.is_gone = r == -ENOENT;
	if (r < 0)
		return r;
	while (i < l.doc->networks.n && !streq(l.doc->networks.v[i].id, nw->id))
		i++;
	if (i == l.doc->networks.n)
		return err_set(e, -ENOENT, "container %s is not connected to network %s", l.row.id,
			       nw->name);
	r = disconnect_live(en, &l, nw->id, &a, e);
	if (r < 0)
		return r;
	for (l.doc->networks.n--; i < l.doc->networks.n; i++)
		l.doc->networks.v[i] = l.doc->networks.v[i + 1];
	return engine_save(en, &l, &a, e);
}
