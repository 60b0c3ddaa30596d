/* A question under way to another server: one socket each, an id of its own, the next server when one does not answer. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/rand.h"
#include "net/dns/serve.h"

struct dns_ask {
	struct dns_ask *next, **link;
	struct dns_endpoint_io *ep;
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t servers_n, server;
	unsigned int tries;
	struct ev_io io; /* the socket is owned */
	struct ev_timer timer;
	bool is_tcp;
	uint16_t id;
	struct dns_query q;
	uint8_t *query; /* with two bytes of length before it */
	size_t len;
	size_t sent;	/* TCP, of len + 2 */
	uint8_t *reply; /* TCP: length and reply */
	size_t got;
	dns_ask_fn fn;
	void *data;
};

static void close_socket(struct dns_ask *a)
{
	ev_timer_stop(&a->timer);
	ev_io_stop(&a->io);
	fd_closep(&a->io.fd);
}

void dns_ask_cancel(struct dns_ask *a)
{
	if (!a)
		return;
	close_socket(a);
	*a->link = a->next;
	if (a->next)
		a->next->link = a->link;
	a->ep->asks_n--;
	a->ep->srv->asks_n--;
	free(a->query);
	free(a->reply);
	free(a);
}

static void finish(struct dns_ask *a, uint8_t *reply, size_t len)
{
	dns_ask_fn fn = a->fn;
	void *data = a->data;

	close_socket(a);
	if (reply)
		dns_set_id(reply, a->q.id);
	fn(data, reply, len);
	dns_ask_cancel(a);
}

void dns_ask_drop_all(struct dns_endpoint_io *ep)
{
	while (ep->asks)
		finish(ep->asks, NULL, 0);
}

static socklen_t sockaddr_of(const struct dns_server *s, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	*ret = (struct sockaddr_storage){ .ss_family = s->addr.family };
	if (s->addr.family == AF_INET) {
		in->sin_port = htons(s->port);
		memcpy(&in->sin_addr, s->addr.bytes, 4);
		return sizeof(*in);
	}
	in6->sin6_port = htons(s->port);
	memcpy(&in6->sin6_addr, s->addr.bytes, 16);
	return sizeof(*in6);
}

static void try_next(struct dns_ask *a);

static void on_timer(struct ev_timer *t)
{
	try_next(t->data);
}

/* The last server's answer is taken whatever it says. */
static bool is_worth_another(const struct dns_ask *a, const uint8_t *reply)
{
	enum dns_rcode code = dns_code_of(reply);

	return (code == DNS_SERVFAIL || code == DNS_REFUSED) && a->server + 1 < a->servers_n &&
	       a->tries < DNS_TRIES;
}

static void take_reply(struct dns_ask *a, uint8_t *reply, size_t len)
{
	if (is_worth_another(a, reply))
		try_next(a);
	else
		finish(a, reply, len);
}

static void on_udp(struct ev_io *io, uint32_t events)
{
	struct dns_ask *a = io->data;
	uint8_t *buf = a->ep->srv->buf;
	ssize_t n = recv(io->fd, buf, DNS_MESSAGE_MAX, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		try_next(a);
	else if (dns_is_reply(a->query + 2, &a->q, a->id, buf, (size_t)n))
		take_reply(a, buf, (size_t)n);
	/* What is no reply to it may be anybody's: the timer goes on. */
}

/* 1: all is written; 0: later; -errno. */
static int tcp_write(struct dns_ask *a)
{
	while (a->sent < a->len + 2) {
		ssize_t n = send(a->io.fd, a->query + a->sent, a->len + 2 - a->sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		a->sent += (size_t)n;
	}
	return 1;
}

/* The reply's length when it is whole; 0: later; -errno. */
static int tcp_read(struct dns_ask *a)
{
	for (;;) {
		size_t want = a->got < 2 ? 2 : 2 + ((size_t)a->reply[0] << 8 | a->reply[1]);
		ssize_t n;

		if (a->got == want && want > 2)
			return (int)want - 2;
		n = recv(a->io.fd, a->reply + a->got, want - a->got, MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (n == 0)
			return -ECONNRESET;
		a->got += (size_t)n;
	}
}

static void on_tcp(struct ev_io *io, uint32_t events)
{
	struct dns_ask *a = io->data;
	int r = tcp_write(a);

	if (r == 1 && !a->reply) {
		a->reply = malloc(DNS_MESSAGE_MAX + 2);
		r = a->reply ? ev_io_change(io, EPOLLIN) : -ENOMEM;
	} else if (r == 1) {
		r = tcp_read(a);
	}
	if (r < 0 || (r > 1 && !dns_is_reply(a->query + 2, &a->q, a->id, a->reply + 2, (size_t)r)))
		try_next(a);
	else if (r > 1)
		take_reply(a, a->reply + 2, (size_t)r);
}

static int open_socket(struct dns_ask *a)
{
	const struct dns_server *s = &a->servers[a->server];
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_of(s, &sa);
	struct ev_loop *loop = a->ep->srv->loop;
	int type = (a->is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
	AUTO_FD fd = socket(sa.ss_family, type, 0);

	/* A port of its own: the kernel chooses it at random, and takes only what comes from the server. */
	if (fd < 0 || (connect(fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS))
		return -errno;
	a->id = (uint16_t)rand_u64();
	dns_set_id(a->query + 2, a->id);
	if (!a->is_tcp && send(fd, a->query + 2, a->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	if (ev_io_start(loop, &a->io, fd, a->is_tcp ? EPOLLOUT : EPOLLIN,
			a->is_tcp ? on_tcp : on_udp, a) < 0) {
		a->io.fd = -EBADF;
		return -ENOMEM;
	}
	(void)TAKE_FD(fd);
	return ev_timer_start(loop, &a->timer, DNS_TRY_MS, on_timer, a);
}

/* Until one could be asked; then the loop goes on, or it was the end. */
static void try_next(struct dns_ask *a)
{
	while (a->tries < DNS_TRIES) {
		close_socket(a);
		free(a->reply);
		a->reply = NULL;
		a->sent = a->got = 0;
		a->server = a->tries++ % a->servers_n;
		if (open_socket(a) == 0)
			return;
	}
	finish(a, NULL, 0);
}

/* The first one goes at the end of this round: `fn` is never called before dns_ask_start has returned. */
static void on_start(struct ev_timer *t)
{
	try_next(t->data);
}

int dns_ask_start(struct dns_endpoint_io *ep, const uint8_t *query, size_t len,
		  const struct dns_query *q, bool is_tcp, dns_ask_fn fn, void *data,
		  struct dns_ask **ret)
{
	struct dns_ask *a;

	if (ep->asks_n >= DNS_OUTSTANDING || ep->srv->asks_n >= DNS_OUTSTANDING_ALL)
		return -EAGAIN;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	*a = (struct dns_ask){
		.ep = ep, .is_tcp = is_tcp, .q = *q, .len = len, .fn = fn, .data = data
	};
	a->io.fd = -EBADF;
	a->servers_n = dns_srv_servers(ep, a->servers);
	a->query = malloc(len + 2);
	if (!a->query || !a->servers_n ||
	    ev_timer_start(ep->srv->loop, &a->timer, 0, on_start, a) < 0) {
		int r = a->query ? -ENETUNREACH : -ENOMEM;

		free(a->query);
		free(a);
		return r;
	}
	a->query[0] = (uint8_t)(len >> 8);
	a->query[1] = (uint8_t)len;
	memcpy(a->query + 2, query, len);
	a->next = ep->asks;
	a->link = &ep->asks;
	if (a->next)
		a->next->link = &a->next;
	ep->asks = a;
	ep->asks_n++;
	ep->srv->asks_n++;
	*ret = a;
	return 0;
}
