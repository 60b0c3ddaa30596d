/* A container's TCP connection: one question after the other, each with its length before it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/sock.h"
#include "net/dns/serve.h"

struct dns_conn {
	struct dns_conn *next, **link;
	struct dns_endpoint_io *ep;
	struct ev_io io; /* the socket is owned */
	struct ev_timer timer;
	struct dns_ask *ask;
	uint8_t *in, *out; /* a message with its length each */
	size_t got;
	size_t len, sent; /* of `out`; len 0: nothing is to be sent */
};

void dns_conn_free(struct dns_conn *c)
{
	if (!c)
		return;
	dns_ask_cancel(c->ask);
	ev_timer_stop(&c->timer);
	ev_io_stop(&c->io);
	fd_closep(&c->io.fd);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->ep->conns_n--;
	free(c->in);
	free(c->out);
	free(c);
}

static void on_idle(struct ev_timer *t)
{
	dns_conn_free(t->data);
}

/* What it waits for now; the time starts anew. False: the connection is gone. */
static bool wait_for(struct dns_conn *c, uint32_t events)
{
	if (ev_io_change(&c->io, events) == 0 &&
	    ev_timer_start(c->ep->srv->loop, &c->timer, DNS_IDLE_MS, on_idle, c) == 0)
		return true;
	dns_conn_free(c);
	return false;
}

static void send_out(struct dns_conn *c)
{
	while (c->sent < c->len) {
		ssize_t n = send(c->io.fd, c->out + c->sent, c->len - c->sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			(void)wait_for(c, EPOLLOUT);
			return;
		}
		if (n < 0) {
			dns_conn_free(c);
			return;
		}
		c->sent += (size_t)n;
	}
	c->got = c->len = c->sent = 0;
	(void)wait_for(c, EPOLLIN);
}

static void put_out(struct dns_conn *c, size_t len)
{
	c->out[0] = (uint8_t)(len >> 8);
	c->out[1] = (uint8_t)len;
	c->len = len + 2;
	send_out(c);
}

static void on_reply(void *data, const uint8_t *reply, size_t len)
{
	struct dns_conn *c = data;
	struct dns_query q;

	c->ask = NULL;
	if (reply) {
		memcpy(c->out + 2, reply, len);
	} else {
		(void)dns_query_read(c->in + 2, c->got - 2, &q);
		len = dns_answer(c->in + 2, &q, DNS_SERVFAIL, NULL, 0, c->out + 2, DNS_MESSAGE_MAX);
	}
	put_out(c, len);
}

static void take_query(struct dns_conn *c)
{
	struct dns_query q;
	int n = dns_srv_answer(c->ep, c->in + 2, c->got - 2, &q, c->out + 2, DNS_MESSAGE_MAX);

	if (n == -EAGAIN) {
		if (dns_ask_start(c->ep, c->in + 2, c->got - 2, &q, true, on_reply, c, &c->ask) ==
		    0)
			/* Its own time ends it; a peer that leaves is seen when it is answered. */
			(void)wait_for(c, 0);
		else
			on_reply(c, NULL, 0);
	} else if (n > 0) {
		put_out(c, (size_t)n);
	} else {
		dns_conn_free(c);
	}
}

static void on_io(struct ev_io *io, uint32_t events)
{
	struct dns_conn *c = io->data;
	size_t want = c->got < 2 ? 2 : 2 + ((size_t)c->in[0] << 8 | c->in[1]);
	ssize_t n;

	if (c->len) {
		send_out(c);
		return;
	}
	if (c->ask) {
		if (events & (EPOLLHUP | EPOLLERR))
			dns_conn_free(c);
		return;
	}
	n = recv(io->fd, c->in + c->got, want - c->got, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		dns_conn_free(c);
		return;
	}
	c->got += (size_t)n;
	want = c->got < 2 ? 2 : 2 + ((size_t)c->in[0] << 8 | c->in[1]);
	if (c->got >= 2 && c->got == want)
		take_query(c);
}

void dns_conn_accept(struct dns_endpoint_io *ep)
{
	AUTO_FD fd = sock_accept(ep->tcp.fd, true);
	struct dns_conn *c;

	if (fd < 0 || ep->conns_n >= DNS_CONNECTIONS)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	*c = (struct dns_conn){ .ep = ep, .next = ep->conns, .link = &ep->conns };
	c->io.fd = -EBADF;
	c->in = malloc(DNS_MESSAGE_MAX + 2);
	c->out = malloc(DNS_MESSAGE_MAX + 2);
	if (c->next)
		c->next->link = &c->next;
	ep->conns = c;
	ep->conns_n++;
	if (!c->in || !c->out || ev_io_start(ep->srv->loop, &c->io, fd, EPOLLIN, on_io, c) < 0) {
		c->io.fd = -EBADF;
		dns_conn_free(c);
		return;
	}
	(void)TAKE_FD(fd);
	(void)wait_for(c, EPOLLIN);
}
