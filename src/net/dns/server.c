#include "net/dns/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/sock.h"
#include "base/str.h"
#include "net/dns/serve.h"

/* Datagrams taken in one go, before others have their turn. */
#define BURST 32
/* Addresses of one name: what fits a message over UDP, and some. */
#define ADDRESSES_MAX 64

/* ---- what is known ---- */

/* NULL: the container has no entry (any more). */
static const struct dns_entry *entry_of(const struct dns_endpoint_io *ep)
{
	/* Memory that is out now may be there for the next question; what is known counts till then. */
	(void)dns_book_refresh(ep->srv->book);
	return dns_book_entry(ep->srv->book, ep->id);
}

size_t dns_srv_servers(const struct dns_endpoint_io *ep, struct dns_server *ret)
{
	const struct dns_entry *entry = dns_book_entry(ep->srv->book, ep->id);

	if (!entry || entry->is_internal)
		return 0;
	memcpy(ret, entry->servers, entry->servers_n * sizeof(*ret));
	return entry->servers_n;
}

static int answer_addresses(const struct dns_srv *srv, const struct dns_entry *entry,
			    const uint8_t *query, const struct dns_query *q, uint8_t *out,
			    size_t max)
{
	struct dns_record records[ADDRESSES_MAX];
	struct ip_addr v[ADDRESSES_MAX];
	int n = dns_book_addresses(srv->book, entry, q->name,
				   q->type == DNS_A	 ? AF_INET
				   : q->type == DNS_AAAA ? AF_INET6
							 : AF_UNSPEC,
				   v, ADDRESSES_MAX);
	uint64_t first = n > 1 ? rand_u64() % (uint64_t)n : 0;

	if (n < 0)
		return n;
	/* A name that is there without such an address has no data; "no such name" would end the asker's search. */
	for (int i = 0; i < n; i++)
		records[i] = (struct dns_record){ .type = q->type,
						  .ttl = DNS_TTL,
						  .addr = v[(first + (uint64_t)i) % (uint64_t)n] };
	return (int)dns_answer(query, q, DNS_OK, records, (size_t)n, out, max);
}

static int answer_pointer(const struct dns_srv *srv, const struct dns_entry *entry,
			  const uint8_t *query, const struct dns_query *q, uint8_t *out, size_t max)
{
	struct dns_record record = { .type = DNS_PTR, .ttl = DNS_TTL };
	struct ip_addr addr;

	if (!dns_reverse_name(q->name, &addr))
		return -ENOENT;
	record.name = dns_book_name(srv->book, entry, &addr);
	if (!record.name)
		return -ENOENT;
	return (int)dns_answer(query, q, DNS_OK, &record, 1, out, max);
}

int dns_srv_answer(struct dns_endpoint_io *ep, const uint8_t *query, size_t len,
		   struct dns_query *q, uint8_t *out, size_t max)
{
	const struct dns_entry *entry = entry_of(ep);
	enum dns_rcode code = DNS_SERVFAIL;
	int r = dns_query_read(query, len, q);

	if (r < 0)
		return 0;
	if (r > 0)
		return (int)dns_answer(query, q, (enum dns_rcode)r, NULL, 0, out, max);
	r = -ENOENT;
	if (entry && q->qclass == DNS_IN && q->type == DNS_PTR)
		r = answer_pointer(ep->srv, entry, query, q, out, max);
	else if (entry && q->qclass == DNS_IN && q->name[0])
		r = answer_addresses(ep->srv, entry, query, q, out, max);
	if (r != -ENOENT)
		return r;
	if (entry && !entry->is_internal && entry->servers_n)
		return -EAGAIN;
	if (entry && entry->is_internal)
		code = DNS_NXDOMAIN;
	return (int)dns_answer(query, q, code, NULL, 0, out, max);
}

/* ---- datagrams ---- */

/* A forwarded question of a datagram. */
struct datagram {
	struct dns_endpoint_io *ep;
	struct sockaddr_in from;
	struct dns_query q;
	uint8_t question[DNS_HEADER + DNS_QUESTION_MAX];
};

static void send_to(const struct dns_endpoint_io *ep, const struct sockaddr_in *to,
		    const uint8_t *p, size_t len)
{
	/* A datagram that cannot go is one that got lost. */
	(void)sendto(ep->udp.fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to,
		     sizeof(*to));
}

static void fail_to(const struct dns_endpoint_io *ep, const struct sockaddr_in *to,
		    const uint8_t *query, const struct dns_query *q)
{
	uint8_t out[DNS_UDP_MAX];

	send_to(ep, to, out, dns_answer(query, q, DNS_SERVFAIL, NULL, 0, out, sizeof(out)));
}

static void on_reply(void *data, const uint8_t *reply, size_t len)
{
	struct datagram *d = data;

	if (reply)
		send_to(d->ep, &d->from, reply, len);
	else
		fail_to(d->ep, &d->from, d->question, &d->q);
	free(d);
}

static void forward(struct dns_endpoint_io *ep, const struct sockaddr_in *from,
		    const uint8_t *query, size_t len, const struct dns_query *q)
{
	struct datagram *d = malloc(sizeof(*d));
	struct dns_ask *ask;

	if (d) {
		*d = (struct datagram){ .ep = ep, .from = *from, .q = *q };
		memcpy(d->question, query, DNS_HEADER + q->question_len);
		if (dns_ask_start(ep, query, len, q, false, on_reply, d, &ask) == 0)
			return;
		free(d);
	}
	fail_to(ep, from, query, q);
}

static void on_datagram(struct ev_io *io, uint32_t events)
{
	struct dns_endpoint_io *ep = io->data;
	uint8_t *query = ep->srv->buf, out[DNS_EDNS_MAX];

	for (int i = 0; i < BURST; i++) {
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		struct dns_query q;
		ssize_t n = recvfrom(io->fd, query, DNS_MESSAGE_MAX, MSG_DONTWAIT,
				     (struct sockaddr *)&from, &from_len);
		int r;

		if (n < 0)
			return;
		r = dns_query_read(query, (size_t)n, &q);
		r = dns_srv_answer(ep, query, (size_t)n, &q, out,
				   r == 0 ? MIN(q.udp_size, DNS_EDNS_MAX) : DNS_UDP_MAX);
		if (r > 0)
			send_to(ep, &from, out, (size_t)r);
		else if (r == -EAGAIN)
			forward(ep, &from, query, (size_t)n, &q);
	}
}

static void on_connection(struct ev_io *io, uint32_t events)
{
	dns_conn_accept(io->data);
}

/* ---- containers ---- */

static void endpoint_free(struct dns_endpoint_io *ep)
{
	if (!ep)
		return;
	while (ep->conns)
		dns_conn_free(ep->conns);
	dns_ask_drop_all(ep);
	ev_io_stop(&ep->udp);
	ev_io_stop(&ep->tcp);
	fd_closep(&ep->udp.fd);
	fd_closep(&ep->tcp.fd);
	free(ep->id);
	free(ep);
}

static bool has(const struct dns_srv *srv, const char *id)
{
	for (const struct dns_endpoint_io *ep = srv->endpoints; ep; ep = ep->next)
		if (streq(ep->id, id))
			return true;
	return false;
}

static bool detach(struct dns_srv *srv, const char *id)
{
	for (struct dns_endpoint_io **p = &srv->endpoints; *p; p = &(*p)->next) {
		struct dns_endpoint_io *ep = *p;

		if (!streq(ep->id, id))
			continue;
		*p = ep->next;
		endpoint_free(ep);
		return true;
	}
	return false;
}

/* Takes both descriptors, and on failure none. */
static int attach(struct dns_srv *srv, const char *id, int udp, int tcp)
{
	struct dns_endpoint_io *ep = calloc(1, sizeof(*ep));
	int r = ep ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	*ep = (struct dns_endpoint_io){ .srv = srv, .id = strdup(id) };
	r = ep->id ? ev_io_start(srv->loop, &ep->udp, udp, EPOLLIN, on_datagram, ep) : -ENOMEM;
	r = r < 0 ? r : ev_io_start(srv->loop, &ep->tcp, tcp, EPOLLIN, on_connection, ep);
	if (r < 0) {
		ep->udp.fd = ep->tcp.fd = -EBADF;
		ev_io_stop(&ep->udp);
		endpoint_free(ep);
		return r;
	}
	(void)detach(srv, id);
	ep->next = srv->endpoints;
	srv->endpoints = ep;
	return 0;
}

/* ---- control ---- */

/* A client's connection; its descriptor is owned. */
struct client {
	struct ev_io io;
	struct dns_srv *srv;
};

static void client_free(struct client *c)
{
	ev_io_stop(&c->io);
	fd_closep(&c->io.fd);
	free(c);
}

static int command(struct dns_srv *srv, char *text, int *fds, size_t fds_n)
{
	const char *id = strchr(text, ' ');
	size_t n = id ? (size_t)(id++ - text) : strlen(text);
	int r;

	if (n == 4 && memcmp(text, "ping", n) == 0)
		return 0;
	if (!id || !*id || strchr(id, '/'))
		return -EINVAL;
	if (n == 3 && memcmp(text, "has", n) == 0)
		return has(srv, id) ? 0 : -ENOENT;
	if (n == 6 && memcmp(text, "attach", n) == 0 && fds_n == 2) {
		r = attach(srv, id, fds[0], fds[1]);
		if (r == 0)
			fds[0] = fds[1] = -EBADF;
		return r;
	}
	if (n != 6 || memcmp(text, "detach", n) != 0)
		return -EINVAL;
	(void)detach(srv, id);
	if (!srv->endpoints) {
		/* Before the answer: whoever comes after it finds nobody, and starts a new one. */
		ev_io_stop(&srv->control);
		close(srv->control.fd);
		srv->is_ended = true;
	}
	return 0;
}

static void on_command(struct ev_io *io, uint32_t events)
{
	struct client *c = io->data;
	struct dns_srv *srv = c->srv;
	char text[DNS_CONTROL_MAX + 1];
	int fds[2] = { -EBADF, -EBADF }, r;
	size_t fds_n = 0;
	ssize_t n = sock_recv_fds(io->fd, text, DNS_CONTROL_MAX, fds, ARRAY_LEN(fds), &fds_n);

	if (n <= 0) {
		client_free(c);
		return;
	}
	text[n] = '\0';
	r = command(srv, text, fds, fds_n);
	for (size_t i = 0; i < fds_n; i++)
		fd_closep(&fds[i]);
	n = snprintf(text, sizeof(text), "%s", r < 0 ? strerror(-r) : "ok");
	if (send(io->fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		client_free(c);
	if (srv->is_ended)
		ev_loop_quit(srv->loop, 0);
}

static void on_client(struct ev_io *io, uint32_t events)
{
	struct dns_srv *srv = io->data;
	AUTO_FD fd = sock_accept(io->fd, true);
	struct client *c = fd < 0 ? NULL : calloc(1, sizeof(*c));

	if (!c)
		return;
	c->srv = srv;
	if (ev_io_start(srv->loop, &c->io, fd, EPOLLIN, on_command, c) < 0)
		free(c);
	else
		(void)TAKE_FD(fd);
}

int dns_serve(int control, int names, struct err *e)
{
	struct dns_srv *srv = calloc(1, sizeof(*srv));
	int r = srv ? ev_loop_new(&srv->loop) : -ENOMEM;

	if (r == 0)
		r = dns_book_new(names, &srv->book);
	if (r == 0)
		r = ev_io_start(srv->loop, &srv->control, control, EPOLLIN, on_client, srv);
	if (r == 0)
		r = ev_loop_run(srv->loop);
	return r < 0 ? err_sys(e, r, "corten-dns") : 0;
}
