#pragma once
/*
 * Published ports as people write them: docker's -p and --expose. Pure text. Safe after fork: yes, but for memory.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct err;

/* One port of the container. In the arena that the parser was given. */
struct net_publish {
	const char *proto;   /* "tcp", "udp", "sctp" */
	const char *host_ip; /* NULL: all addresses */
	uint16_t container_port;
	uint16_t host_first, host_last; /* 0, 0: any free one; a range: one of it */
};

/* Ports of one container: ranges make many. */
#define NET_PUBLISH_MAX 16384

/*
 * "[HOST-IP:][HOST-PORT[-HOST-PORT]:]PORT[-PORT][/PROTO]", appended to a list that lives in the arena. Errors have docker's
 * words. -EINVAL, -E2BIG.
 */
struct net_publishes {
	struct net_publish *v;
	size_t n, cap;
};
int net_publish_parse(const char *text, struct arena *a, struct net_publishes *list, struct err *e);

/* "PORT[-PORT][/PROTO]" (--expose, EXPOSE): as if published at any free port. */
int net_expose_parse(const char *text, struct arena *a, struct net_publishes *list, struct err *e);
