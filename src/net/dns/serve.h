#pragma once
/* What the server's files share. Inside src/net/dns only. */
#include <sys/socket.h>

#include "ev/ev.h"
#include "net/dns/book.h"
#include "net/dns/msg.h"
#include "net/dns/server.h"

struct dns_ask;
struct dns_conn;

/* A container's sockets. */
struct dns_endpoint_io {
	struct dns_endpoint_io *next;
	struct dns_srv *srv;
	char *id;
	struct ev_io udp, tcp; /* their fds are owned */
	struct dns_ask *asks;
	struct dns_conn *conns;
	unsigned int asks_n, conns_n;
};

struct dns_srv {
	struct ev_loop *loop;
	struct dns_book *book;
	struct ev_io control;
	struct dns_endpoint_io *endpoints;
	unsigned int asks_n;
	bool is_ended; /* the last container went */
	uint8_t buf[DNS_MESSAGE_MAX];
};

/* ---- server.c ---- */

/* What becomes of a question: an answer in `out` (its length), 0 for none, or -EAGAIN: others are to be asked. */
int dns_srv_answer(struct dns_endpoint_io *ep, const uint8_t *query, size_t len,
		   struct dns_query *q, uint8_t *out, size_t max);
/* The servers that the container's questions go to; at most DNS_SERVERS_MAX. */
size_t dns_srv_servers(const struct dns_endpoint_io *ep, struct dns_server *ret);

/* ---- ask.c: a question under way to another server, over UDP or TCP ---- */

/* `reply` NULL: nobody answered. The ask is gone when this returns. */
typedef void (*dns_ask_fn)(void *data, const uint8_t *reply, size_t len);

/* Copies the query. -EAGAIN: too many are under way; -ENETUNREACH: nobody to ask; -errno. `*ret` is for dns_ask_cancel. */
int dns_ask_start(struct dns_endpoint_io *ep, const uint8_t *query, size_t len,
		  const struct dns_query *q, bool is_tcp, dns_ask_fn fn, void *data,
		  struct dns_ask **ret);
/* `fn` is not called. Accepts NULL. */
void dns_ask_cancel(struct dns_ask *a);
/* All of a container: nobody answered. */
void dns_ask_drop_all(struct dns_endpoint_io *ep);

/* ---- conn.c: connections of containers ---- */

void dns_conn_accept(struct dns_endpoint_io *ep);
void dns_conn_free(struct dns_conn *c);
