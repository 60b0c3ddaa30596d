#pragma once
/*
 * Links, addresses, routes and queues by rtnetlink: one function a request, put into a batch (sys/netlink.h).
 *
 * Which namespace is said by the socket. Indexes are of that namespace; names in arguments are for words of errors where an
 * index is given, and are borrowed until the batch is sent. Nothing is allocated. Safe after fork: yes.
 * Source: rtnetlink(7), linux/if_link.h, linux/pkt_sched.h; iproute2 shows what was asked for in tests/net.
 */
#include <net/if.h>

#include "base/ip.h"
#include "sys/netlink.h"

/* What is read of a link. */
struct rtnl_link {
	int index;
	char name[IFNAMSIZ];
	char kind[16]; /* "bridge", "veth"; "" for hardware and the loopback */
	uint8_t mac[MAC_LEN];
	uint32_t mtu, flags; /* IFF_ */
	int master;	     /* index of the bridge, 0 */
	int parent; /* index of a veth's peer or a macvlan's master, in their namespace; 0 */
	uint32_t tx_queue_len, promiscuity;
	uint32_t macvlan_mode;	/* MACVLAN_MODE_ */
	uint16_t default_vlan;	/* a bridge's, 0: none */
	bool is_vlan_filtering; /* a bridge's */
};

/* By name or, when it is NULL, by index. -ENODEV: there is none. */
int rtnl_link_get(struct netlink *n, const char *name, int index, struct rtnl_link *ret,
		  struct err *e);

/* One end of a new link. */
struct rtnl_end {
	const char *name;
	const uint8_t *mac; /* NULL: the kernel's choice */
	uint32_t mtu;	    /* 0: the kernel's choice */
	int netns_fd;	    /* above 0: it is made there */
	int master; /* above 0: index of the bridge that it becomes a port of; not for a peer */
	bool is_up;
};

/* -EEXIST: the name is taken; -EOPNOTSUPP: the kernel lacks it (VLAN filtering, or the kind). */
void rtnl_add_bridge(struct netlink_batch *b, const char *name, uint32_t mtu, bool has_vlans);
/* Both ends at once. -EXFULL: the bridge has 1,023 ports. -EEXIST: one of the names is taken. */
void rtnl_add_veth(struct netlink_batch *b, const struct rtnl_end *end,
		   const struct rtnl_end *peer);
/* On top of the link `parent`. `mode` is MACVLAN_MODE_; `queue_len` of broadcasts, 0: the kernel's. */
void rtnl_add_macvlan(struct netlink_batch *b, const struct rtnl_end *end, int parent,
		      uint32_t mode, uint32_t queue_len);
void rtnl_add_ifb(struct netlink_batch *b, const struct rtnl_end *end);

/* What is to change; zero values leave things as they are. */
struct rtnl_change {
	uint32_t flags, change; /* IFF_ bits, and which of them count */
	uint32_t mtu;
	const uint8_t *mac;
	int master; /* index; negative: leave it */
	int netns_fd;
	const char *new_name; /* -EBUSY while it is up, before 6.2 */
	bool has_tx_queue_len;
	uint32_t tx_queue_len;
};
void rtnl_change(struct netlink_batch *b, int index, const char *name, const struct rtnl_change *c);
/* Sets it up; what everybody does last. */
void rtnl_up(struct netlink_batch *b, int index, const char *name);
/* A veth takes its peer along. The kernel waits for its readers: 8 to 24 ms. */
void rtnl_delete(struct netlink_batch *b, int index, const char *name);

/* A bridge's port: frames may go back where they came from; isolated ports do not see each other. */
void rtnl_port(struct netlink_batch *b, int index, const char *name, bool is_hairpin,
	       bool is_isolated);
enum rtnl_vlan_flags {
	RTNL_VLAN_PVID = 1 << 0,     /* what comes untagged belongs to it */
	RTNL_VLAN_UNTAGGED = 1 << 1, /* and goes untagged */
	RTNL_VLAN_SELF = 1 << 2,     /* the bridge itself, not a port */
	RTNL_VLAN_DELETE = 1 << 3,
};
/* `vid` from 1 to 4094. */
void rtnl_port_vlan(struct netlink_batch *b, int index, const char *name, uint16_t vid,
		    unsigned int flags);

enum rtnl_verb { RTNL_ADD, RTNL_REPLACE, RTNL_DELETE };

/* -EEXIST, -EADDRNOTAVAIL. `is_checked`: duplicate address detection, IPv6 only. */
void rtnl_addr(struct netlink_batch *b, enum rtnl_verb verb, int index, const char *name,
	       const struct ip_net *net, bool is_checked);

struct rtnl_addr {
	struct ip_net net;
	int index;
	uint32_t flags; /* IFA_F_ */
	uint8_t scope;	/* RT_SCOPE_ */
};
/* Addresses of a link that one container may have; the kernel has no limit. */
#define RTNL_ADDRS_MAX 4096
/* Calls `each` for every address of the link. Its negative return is returned. */
int rtnl_addr_list(struct netlink *n, int index, int (*each)(void *data, const struct rtnl_addr *a),
		   void *data, struct err *e);

struct rtnl_route {
	struct ip_net dst;	     /* family and prefix count for the default route too */
	struct ip_addr gateway, src; /* AF_UNSPEC: none */
	int index;
	uint8_t scope;			/* RT_SCOPE_; RT_SCOPE_NOWHERE matches any when deleting */
	uint32_t table;			/* 0: main */
	uint32_t priority, mtu, advmss; /* 0: the kernel's */
};
/* RTNL_ADD with `is_multipath` appends a next hop to a route that is there. -EEXIST, -ESRCH, -ENETUNREACH. */
void rtnl_route(struct netlink_batch *b, enum rtnl_verb verb, const struct rtnl_route *r,
		bool is_multipath);
/* A router with full tables is no place for containers' networks to be looked up in. */
#define RTNL_ROUTES_MAX 65536
/* Every route of all tables but local ones, once per next hop; family AF_UNSPEC is both. */
int rtnl_route_list(struct netlink *n, int family,
		    int (*each)(void *data, const struct rtnl_route *r), void *data, struct err *e);

/* A token bucket as the link's root queue: bytes a second, bytes. */
struct rtnl_tbf {
	uint64_t rate;
	uint32_t burst; /* bytes that may go at once */
	uint32_t limit; /* bytes that may wait */
};
void rtnl_tbf(struct netlink_batch *b, int index, const char *name, const struct rtnl_tbf *t);
/* All that comes in on the link goes out of another first: where it can be queued. */
void rtnl_redirect(struct netlink_batch *b, int index, const char *name, int to);
/* The root token bucket of a link. -ENOENT: it has none. */
int rtnl_tbf_get(struct netlink *n, int index, struct rtnl_tbf *ret, struct err *e);
