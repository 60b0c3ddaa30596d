/*
 * A container's networks: attached while its init waits, given back after its end. What
 * the attachment got lies in its task folder (net/sandbox.h), never in the database.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/priv.h"
#include "net/hostport.h"

/* ---- attaching ---- */

static int fill_endpoint(struct engine *en, const struct loaded *l, size_t i,
			 struct net_endpoint *ep, struct arena *a, struct err *e)
{
	const struct doc_network *dn = &l->doc->networks.v[i];
	struct net n = engine_net(en);
	struct net_network *nw;
	const char **aliases;
	int r = net_get(&n, dn->name, dn->id, a, &nw, e);

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

/* What other containers have published, looked up only for ports that are to be chosen. */
struct published {
	struct cni_port *v;
	size_t n, cap;
};

static int note_ports(void *data, const struct net_sandbox *s, const struct net_endpoint *ep)
{
	struct published *p = data;

	if (!ep->is_primary)
		return 0;
	for (size_t i = 0; i < s->ports.n; i++) {
		int r = mem_grow(&p->v, &p->cap, p->n + 1, sizeof(*p->v));

		if (r < 0)
			return r;
		/* Texts end with the file they stood in; protocols are known. */
		p->v[p->n] = s->ports.v[i];
		p->v[p->n].host_ip = NULL;
		p->v[p->n++].protocol = net_protocol(s->ports.v[i].protocol);
	}
	return 0;
}

static bool is_taken(void *data, const struct cni_port *port)
{
	const struct published *p = data;

	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].host_port == port->host_port && streq(p->v[i].protocol, port->protocol))
			return true;
	return false;
}

static bool is_choice(const struct net_publish *p)
{
	return p->host_first == 0 || p->host_first != p->host_last;
}

static int choose_ports(struct engine *en, const struct doc *d, struct net_sandbox *s,
			struct arena *a, struct err *e)
{
	AUTO_FREE struct cni_port *others = NULL;
	struct published taken = { 0 };
	bool has_choice = false;
	struct net n = engine_net(en);
	struct net_network *nw;
	struct net_publish *want = arena_calloc(a, d->ports.n + 1, sizeof(*want));
	int r = want ? 0 : err_sys(e, -ENOMEM, "published ports");

	if (r == 0 && d->ports.n)
		r = net_get(&n, d->networks.v[0].name, d->networks.v[0].id, a, &nw, e);
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
	for (size_t i = 0; i < d->ports.n; i++)
		has_choice |= is_choice(&want[i]);
	if (has_choice && (r = engine_network_visit(en, NULL, note_ports, &taken)) < 0)
		err_sys(e, r, "published ports");
	others = taken.v;
	if (r == 0)
		r = hostport_choose(want, d->ports.n, nw->host_ip, has_choice ? is_taken : NULL,
				    &taken, a, &s->ports.v, e);
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
	struct net n = engine_net(en);
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
	struct net n = engine_net(en);

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
	return l->doc->networks.n < ENGINE_NETWORKS_MAX
		       ? 0
		       : err_set(e, -E2BIG, "more than %d networks", ENGINE_NETWORKS_MAX);
}

static int connect_live(struct engine *en, const struct loaded *l, struct arena *a, struct err *e)
{
	CLEANUP(live_done) struct live live = { .task_fd = -EBADF, .netns = -EBADF };
	struct net n = engine_net(en);
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

/* The container by any of its names, once its lock is held. */
static int load_locked(struct engine *en, const char *what, struct arena *a, struct loaded *l,
		       struct engine_held *held, struct err *e)
{
	int r = engine_load(en, what, a, l, e);

	if (r == 0)
		r = engine_lock(en, l->row.id, e);
	if (r < 0)
		return r;
	r = engine_load(en, l->row.id, a, l, e);
	held->is_gone = r == -ENOENT;
	return r;
}

int engine_network_connect(struct engine *en, const char *what, const struct engine_network_want *w,
			   struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct doc_network dn;
	struct loaded l;
	AUTO_HELD held = { .en = en };
	int r = engine_network_plan_one(en, w, &dn, &a, e);

	if (r == 0)
		r = load_locked(en, what, &a, &l, &held, e);
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
	struct net n = engine_net(en);
	int r = open_live(en, l->row.id, a, &live, e);

	if (r < 0)
		return r == -ESRCH ? 0 : r;
	return net_sandbox_disconnect(&n, live.s, network_id, live.netns, live.path, live.task_fd,
				      e);
}

/* By name, or by the beginning of its id as people see it. */
static bool is_network(const struct doc_network *dn, const char *what)
{
	return streq(dn->name, what) || (strlen(what) >= 12 && str_skip(dn->id, what));
}

int engine_network_disconnect(struct engine *en, const char *what, const char *network,
			      struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_HELD held = { .en = en };
	struct loaded l;
	size_t i = 0;
	int r = load_locked(en, what, &a, &l, &held, e);

	if (r < 0)
		return r;
	/* Looked for in the document: the network itself may be gone. */
	while (i < l.doc->networks.n && !is_network(&l.doc->networks.v[i], network))
		i++;
	if (i == l.doc->networks.n)
		return err_set(e, -ENOENT, "container %s is not connected to network %s", l.row.id,
			       network);
	r = disconnect_live(en, &l, l.doc->networks.v[i].id, &a, e);
	if (r < 0)
		return r;
	for (l.doc->networks.n--; i < l.doc->networks.n; i++)
		l.doc->networks.v[i] = l.doc->networks.v[i + 1];
	return engine_save(en, &l, &a, e);
}
