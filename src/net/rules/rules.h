#pragma once
/*
 * What containers' networks need of the packet filter: published ports, masquerade, isolation. One nftables table of ours.
 *
 * The table (`inet corten`) has a fixed set of rules that look things up in maps and sets; a container is some elements of
 * those, so that adding and removing one costs the same with one container and with a thousand. Every element's comment
 * says whose it is.
 *
 * Records, one small file for each attachment and purpose, are the truth; the table follows them. Every call makes sure that
 * the table is whole, and builds it anew from the records in one transaction when somebody flushed or changed it. Calls
 * are serialised by a lock in the folder. A crash between record and table is put right by the next call that meets it.
 *
 * All works in the network namespace of the calling thread; each namespace has records of its own in the folder. Ports match
 * only where the destination is an address of the host itself. A published port is reached from outside, from the host by
 * any of its addresses and by 127.0.0.1, from other containers and from the container itself. By ::1 it is not: IPv6 has no
 * counterpart of route_localnet (README.md).
 *
 * Not here: addresses, links, which port is free (a port that a process of the host listens on is taken over), other
 * tables' rules (rules_foreign_drop tells of them). Thread-safe: yes. Needs CAP_NET_ADMIN.
 */
#include "base/ip.h"
#include "spec/cni.h"

struct err;
struct strbuf;

/* Where; everything is borrowed. */
struct rules {
	const char *dir;   /* "<state>/net/rules"; made when it is missing */
	const char *table; /* NULL: "corten" */
};

/* Below CORTEN_STATE or /run/corten. A state folder that is not the usual one has a table of its own, named after it. */
#define RULES_DIR_MAX 256
struct rules_place {
	char dir[RULES_DIR_MAX], table[32];
};
/* `state` NULL: from the environment. `*ret` borrows from `p`. -ENAMETOOLONG. */
int rules_of_state(const char *state, struct rules_place *p, struct rules *ret, struct err *e);
/* The same for a plugin: what its configuration says as "stateDir" (a key of ours), else the environment. */
int rules_of_conf(const char *conf, size_t len, struct rules_place *p, struct rules *ret,
		  struct err *e);

/* An attachment; the texts are names in CNI's sense: no '/', no '@'. */
struct rules_owner {
	const char *container_id, *network, *ifname;
};

struct rules_network {
	const char *name, *bridge;
	struct json_strs subnets; /* "10.89.0.0/24" */
	bool is_masqueraded;	  /* what leaves by another interface gets the host's address */
	bool is_isolated; /* nothing to and from other isolated bridges, but for published ports */
	bool is_closed; /* from outside by published ports only (docker's way); other closed ones get in */
	bool is_internal; /* no way out or in at all */
	bool is_apart;	  /* its containers do not reach each other either */
};
/* Replaces what the network had. */
int rules_network_add(const struct rules *r, const struct rules_network *n, struct err *e);
int rules_network_del(const struct rules *r, const char *name, struct err *e);

struct rules_ports {
	const struct cni_port *ports;
	size_t ports_n;
	struct json_strs
		addresses; /* the container's, "10.88.0.5/16": at most one of each family is used */
	bool keeps_source; /* no masquerade at all: neither 127.0.0.1 nor the own subnet can connect */
	bool masquerades_all; /* every client is seen as the host */
};
/*
 * Publishes ports; replaces what the owner had. -EADDRINUSE names the container that a port is published by. A record of
 * another container that has the same address and network is of a dead one and goes. Tracked UDP flows to the ports are
 * forgotten.
 */
int rules_ports_add(const struct rules *r, const struct rules_owner *o, const struct rules_ports *p,
		    struct err *e);
/* Idempotent. Tracked UDP flows to the container are forgotten. */
int rules_ports_del(const struct rules *r, const struct rules_owner *o, struct err *e);

/* Masquerades the container's addresses (of `result`, those with an interface in a sandbox, or all) outside their subnets. */
int rules_masquerade_add(const struct rules *r, const struct rules_owner *o,
			 const struct cni_result *result, struct err *e);
int rules_masquerade_del(const struct rules *r, const struct rules_owner *o, struct err *e);

enum rules_kind {
	RULES_PORTS = 1 << 0,
	RULES_MASQUERADE = 1 << 1,
	RULES_NETWORK = 1 << 2, /* by the network's name: container and interface do not count */
};
/* Whether the record of that kind is there, the table is whole and has all its elements. -ENOENT says what is missing. */
int rules_check(const struct rules *r, enum rules_kind kind, const struct rules_owner *o,
		struct err *e);

/*
 * Removes what belongs to attachments that are not among `valid`: records of the kinds (enum rules_kind, several), of one
 * network or of all (NULL), and elements that no record explains.
 */
int rules_gc(const struct rules *r, unsigned int kinds, const char *network,
	     const struct cni_attachment *valid, size_t valid_n, struct err *e);

/* Makes sure that the table is what the records say, as every other call does. 1: it was built anew. */
int rules_restore(const struct rules *r, struct err *e);

/*
 * Looks for chains of others that drop forwarded packets by default (docker's, ufw's, firewalld's), and appends words for
 * people to `out`: which, and what to do for `bridge`. The number of such chains.
 */
int rules_foreign_drop(const struct rules *r, const char *bridge, struct strbuf *out,
		       struct err *e);

/*
 * Has such chains accept what comes from and goes to the bridge, in the chain that they leave to administrators when there is
 * one (DOCKER-USER). Once for a bridge; what the others' owner flushes is put there again. The number of such chains.
 */
int rules_foreign_admit(const struct rules *r, const char *bridge, struct err *e);

/*
 * Takes away what the reference plugin of that kind (portmap, bridge or ptp, firewall) put up for an attachment: rules in the
 * chains of iptables-nft and in tables of its own, found by comment or address. For a DEL behind an ADD of theirs. What
 * iptables-legacy holds is out of reach. `addresses`: for RULES_NETWORK (firewall), else NULL.
 */
int rules_reference_del(enum rules_kind kind, const struct rules_owner *o,
			const struct json_strs *addresses, struct err *e);
