#pragma once
/* Host ports for what -p asks: free ones, chosen before the attachment. Inside the room and for the engine. */
#include "net/ports.h"
#include "spec/cni.h"

struct err;

/*
 * Chooses for each request one host port that nobody of the host listens on and no other container published (`taken` says so;
 * may be NULL). A fixed one that is taken is docker's error: "Bind for 0.0.0.0:80 failed: port is already allocated".
 * `*ret` lives in the arena. -EADDRINUSE; -EADDRNOTAVAIL: no such address on this host.
 */
int hostport_choose(const struct net_publish *want, size_t n, const char *default_ip,
		    bool (*taken)(void *data, const struct cni_port *p), void *data,
		    struct arena *a, struct cni_port **ret, struct err *e);

/* The protocol's name, static; "tcp" for what is none. */
const char *net_protocol(const char *name);
