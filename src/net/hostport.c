#include "net/hostport.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"

/* docker's: what /proc/sys/net/ipv4/ip_local_port_range usually is. */
#define EPHEMERAL_FIRST 32768
#define EPHEMERAL_LAST 60999

static const struct proto_row {
	const char *name;
	int type, protocol;
} protos[] = {
	{ "tcp", SOCK_STREAM, IPPROTO_TCP },
	{ "udp", SOCK_DGRAM, IPPROTO_UDP },
	{ "sctp", SOCK_STREAM, IPPROTO_SCTP },
};

static const struct proto_row *find_proto(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		if (streq(protos[i].name, name))
			return &protos[i];
	return &protos[0];
}

const char *net_protocol(const char *name)
{
	return find_proto(name)->name;
}

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t len;
};

static struct address address_of(const char *ip, uint16_t port)
{
	struct address s = { .v4 = { .sin_family = AF_INET, .sin_port = htons(port) },
			     .len = sizeof(s.v4) };

	if (!ip || inet_pton(AF_INET, ip, &s.v4.sin_addr) == 1)
		return s;
	s = (struct address){ .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) },
			      .len = sizeof(s.v6) };
	(void)inet_pton(AF_INET6, ip, &s.v6.sin6_addr);
	return s;
}

/*
 * Whether the host itself could listen there. The socket is closed again: our rules answer before the host's sockets do, so
 * nothing has to be held. A protocol that the kernel does not have (sctp is a module) has no listeners either.
 */
static int can_bind(const struct cni_port *p)
{
	const struct proto_row *proto = find_proto(p->protocol);
	struct address s = address_of(p->host_ip, (uint16_t)p->host_port);
	AUTO_FD fd = socket(s.any.sa_family, proto->type | SOCK_CLOEXEC, proto->protocol);
	int one = 1;

	if (fd < 0)
		return errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT ? 0 : -errno;
	/* Connections that just ended do not count; listeners do, because this one listens too. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (s.any.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (proto->type == SOCK_DGRAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 0 }, sizeof(int));
	if (bind(fd, &s.any, s.len) < 0)
		return -errno;
	return proto->type == SOCK_STREAM && listen(fd, 1) < 0 ? -errno : 0;
}

struct chooser {
	bool (*taken)(void *data, const struct cni_port *p);
	void *data;
	const struct cni_port *chosen; /* earlier ones of the same container */
	size_t n;
};

static bool is_any(const char *ip)
{
	return !ip || streq(ip, "0.0.0.0") || streq(ip, "::");
}

static bool is_same(const struct cni_port *a, const struct cni_port *b)
{
	return a->host_port == b->host_port && streq(a->protocol, b->protocol) &&
	       (is_any(a->host_ip) || is_any(b->host_ip) || streq(a->host_ip, b->host_ip));
}

static int try_port(const struct chooser *c, struct cni_port *p, uint16_t port)
{
	p->host_port = port;
	for (size_t i = 0; i < c->n; i++)
		if (is_same(p, &c->chosen[i]))
			return -EADDRINUSE;
	if (c->taken && c->taken(c->data, p))
		return -EADDRINUSE;
	return can_bind(p);
}

static int no_port(const struct net_publish *w, const struct cni_port *p, int r, struct err *e)
{
	const char *ip = p->host_ip ? p->host_ip : "0.0.0.0";
	bool is_v6 = strchr(ip, ':') != NULL;

	if (r == -EADDRINUSE && w->host_first && w->host_first == w->host_last)
		return err_set_code(e, r, ERR_FAILED_PRECONDITION,
				    "Bind for %s%s%s:%u failed: port is already allocated",
				    is_v6 ? "[" : "", ip, is_v6 ? "]" : "", w->host_first);
	if (r == -EADDRINUSE)
		return err_set_code(e, r, ERR_FAILED_PRECONDITION,
				    "all ports are allocated: none of %u-%u is free for port %u/%s",
				    w->host_first ? w->host_first : EPHEMERAL_FIRST,
				    w->host_first ? w->host_last : EPHEMERAL_LAST,
				    w->container_port, w->proto);
	return err_sys(e, r, "publish port %u/%s at %s", w->container_port, w->proto, ip);
}

static int choose_one(const struct chooser *c, const struct net_publish *w, struct cni_port *p,
		      struct err *e)
{
	unsigned int first = w->host_first ? w->host_first : EPHEMERAL_FIRST;
	unsigned int count = (w->host_first ? w->host_last : EPHEMERAL_LAST) - first + 1;
	/* Any free one begins anywhere, so that a port that was given back is not given out at once. */
	unsigned int offset = w->host_first ? 0 : (unsigned int)(rand_u64() % count);
	int r = -EADDRINUSE;

	for (unsigned int i = 0; r == -EADDRINUSE && i < count; i++)
		r = try_port(c, p, (uint16_t)(first + (offset + i) % count));
	return r < 0 ? no_port(w, p, r, e) : 0;
}

int hostport_choose(const struct net_publish *want, size_t n, const char *default_ip,
		    bool (*taken)(void *data, const struct cni_port *p), void *data,
		    struct arena *a, struct cni_port **ret, struct err *e)
{
	struct cni_port *v = arena_calloc(a, n + 1, sizeof(*v));
	struct chooser c = { .taken = taken, .data = data, .chosen = v };

	if (!v)
		return err_sys(e, -ENOMEM, "published ports");
	for (; c.n < n; c.n++) {
		struct cni_port *p = &v[c.n];
		int r;

		*p = (struct cni_port){
			.container_port = want[c.n].container_port,
			.protocol = want[c.n].proto,
			.host_ip = want[c.n].host_ip ? want[c.n].host_ip : default_ip,
		};
		r = choose_one(&c, &want[c.n], p, e);
		if (r < 0)
			return r;
	}
	*ret = v;
	return 0;
}
