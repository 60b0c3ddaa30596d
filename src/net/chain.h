#pragma once
/* The CNI chain of one of people's networks, and what it is asked for, as texts. Inside the room only. */
#include "net/sandbox.h"

struct strbuf;

/* Appends the configuration list: bridge with host-local. Ports, masquerade and isolation are no plugins' work
 * here: net/rules has them for whole networks. `state` is where addresses are kept. */
void chain_put_list(const struct net_network *nw, const struct net_endpoint *ep, const char *state,
		    struct strbuf *out);
/* Appends the capability arguments of one attachment: ips, mac. */
void chain_put_args(const struct net_endpoint *ep, struct strbuf *out);
