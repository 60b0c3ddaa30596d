#pragma once
/*
 * Networks of people: records in <root>/networks/NAME.json, one bridge of the host for each.
 *
 * A network is made by name and subnet, its bridge at the first attachment (sandbox.h), from a CNI chain of built-in plugins
 * (bridge with host-local) that is derived from the record each time, and rules of its own (net/rules). The network "bridge" is there
 * from the start: it is made when it is first asked for. Networks belong to the host, not to a namespace of ours.
 *
 * Not here: which containers use one (engine). Thread-safe: yes; creation and removal hold a lock in the state folder.
 */
#include <stdbool.h>

#include "codec/json.h"

struct err;

#define NET_DEFAULT "bridge"
/* What holds for every call. Everything is borrowed. */
struct net {
	const char *root, *state;
};

struct net_network {
	const char *version; /* "1.0" */
	const char *name, *id /* 64 hex digits */;
	const char *driver; /* "bridge" */
	int64_t created_ns;
	const char *bridge; /* the link's name */
	const char *subnet, *gateway, *range /* NULL: the whole subnet */;
	const char *subnet6, *gateway6, *range6; /* NULL: no IPv6 */
	int64_t mtu;				 /* 0: the kernel's */
	bool is_internal;			 /* no way out and in */
	bool is_attachable;			 /* shown only: docker's swarm knows it */
	bool no_masquerade, no_icc;
	const char
		*host_ip; /* where ports are published when -p names no address; NULL: everywhere */
	struct json_map labels, options;
};
extern const struct json_table net_network_table;

struct net_create_options {
	const char *name;
	const char *driver; /* NULL: "bridge" */
	char *const *subnets,
		*const *gateways, *const *ranges; /* strv; may be NULL; at most one of a family */
	char *const *options;			  /* "k=v" */
	char *const *labels;			  /* "k=v" or "k" */
	bool is_internal, is_ipv6, is_attachable;
};

/* By name, id or unique prefix of an id. Errors: -ENOENT "network x not found"; -EINVAL: several fit. */
int net_find(const struct net *n, const char *what, struct arena *a, struct net_network **ret,
	     struct err *e);
/* What was found before: its file alone is read. One that was removed, or made anew since, is -ENOENT. */
int net_get(const struct net *n, const char *name, const char *id, struct arena *a,
	    struct net_network **ret, struct err *e);
/* All, the default one too, by name. */
int net_list(const struct net *n, struct arena *a, struct net_network ***ret, size_t *ret_n,
	     struct err *e);
/* -EEXIST: "network with name x already exists"; -EINVAL with docker's words for what does not fit together. */
int net_create(const struct net *n, const struct net_create_options *o, struct arena *a,
	       struct net_network **ret, struct err *e);
/* Record, addresses, rules and bridge go. That nobody uses it is the caller's to know. The default one: -EPERM. */
int net_remove(const struct net *n, const struct net_network *nw, struct err *e);
/* Whether containers find each other by name there: on all but the default one, as with docker. */
bool net_has_names(const struct net_network *nw);

/*
 * Words for people about chains of others that drop what containers of the default network forward, appended to `out`, when
 * there is a bridge already. The number of such chains.
 */
struct strbuf;
int net_foreign_drop(const struct net *n, struct strbuf *out, struct err *e);
