#pragma once
/* What the files of rules share: the table's sets, records, the opened folder. */
#include "net/rules/rules.h"
#include "sys/nft.h"

/* Order and names of the table's sets; those of IPv6 are one behind those of IPv4. */
enum rules_set {
	SET_PORTS4,
	SET_PORTS6,
	SET_ADDR_PORTS4,
	SET_ADDR_PORTS6,
	SET_SNAT4,
	SET_SNAT6,
	SET_SNAT_ALL4,
	SET_SNAT_ALL6,
	SET_MASQ4,
	SET_MASQ6,
	SET_OWN4,
	SET_OWN6,
	SET_MASQ_BRIDGES,
	SET_SAME,
	SET_ISOLATED,
	SET_CLOSED,
	SET_INTERNAL,
	SET_LOCALNET,
	SETS_N,
};
extern const struct nft_set rules_sets[SETS_N];

/* The whole table, empty; what was there before is gone with the same commit. */
void rules_table_build(struct nft_batch *b);
/* Whether table, chains and rules are as built. `*ret_genid` is the generation in which that holds. */
int rules_table_is_whole(int nft, const struct nft_table *t, uint32_t *ret_genid, struct err *e);

/* One file. Which members count is said by the kind. */
struct rules_record {
	int64_t version;
	const char *kind; /* "ports", "masquerade", "network" */
	const char *container_id, *network, *ifname;
	const char *bridge;	    /* a network's, or where a container's address is reached */
	struct json_strs addresses; /* of a container, or subnets of a network */
	struct cni_runtime_config *ports; /* only .ports of it */
	bool keeps_source, masquerades_all;
	bool is_masqueraded, is_isolated, is_closed, is_internal, is_apart;
};

#define RULES_NAME_MAX 256
/* A record's file name, the owner behind the first '@': "ports@ID@NETWORK@IFNAME". -EINVAL, -ENAMETOOLONG. */
int rules_record_name(const struct rules_record *rec, char buf[RULES_NAME_MAX], struct err *e);
enum rules_kind rules_record_kind(const struct rules_record *rec);

/* The folder of this network namespace, locked. */
struct rules_store {
	int dir, lock, nft;
	struct nft_table table;
};
#define RULES_STORE_NONE ((struct rules_store){ -EBADF, -EBADF, -EBADF, { 0 } })
int rules_store_open(const struct rules *r, struct rules_store *ret, struct err *e);
void rules_store_close(struct rules_store *s);
#define AUTO_RULES_STORE CLEANUP(rules_store_close) struct rules_store

/* A call writes its record here before it changes the table; found under the lock, its writer is dead. */
#define RULES_NEW ".new"

/* `*ret_text` is the file's text; both live in the arena. -ENOENT. */
int rules_record_read(const struct rules_store *s, const char *name, struct arena *a,
		      struct rules_record **ret, const char **ret_text, struct err *e);
/* The record as a text. */
void rules_record_write(const struct rules_record *rec, struct strbuf *out);
/* All records, in no order. */
int rules_records_read(const struct rules_store *s, struct arena *a, struct rules_record ***ret,
		       size_t *ret_n, struct err *e);

/*
 * Calls `f` for every element that a record is in the table. A shared one may be another record's too. -EINVAL for
 * addresses and ports that are none.
 */
typedef int (*rules_element)(void *data, enum rules_set set, const struct nft_elem *el,
			     bool is_shared);
int rules_elements(const struct rules_record *rec, rules_element f, void *data, struct err *e);
/* The network of a shared element of SET_OWN4 or SET_OWN6, without host bits. */
struct ip_net rules_own_net(enum rules_set set, const struct nft_elem *el);
/* An element in words, for errors: "port 8080/tcp", "address 10.1.0.5". */
void rules_element_text(enum rules_set set, const struct nft_elem *el, char *buf, size_t size);
/* IPPROTO_TCP, _UDP, _SCTP or -EINVAL. */
int rules_protocol(const struct cni_port *p, struct err *e);

/* The interface that the address is reached by, "" when by none. */
int rules_route_interface(const struct ip_addr *a, char ifname[16], struct err *e);
/* Lets packets of 127.0.0.0/8 through to that interface. */
int rules_allow_localnet(const char *ifname, struct err *e);
/* Forgets UDP flows: to the record's published ports, or to its container. */
int rules_forget_flows(const struct rules_record *rec, bool to_container, struct err *e);

/* Changes: both under the store's lock (change.c). */

/* Puts right what a call that died left behind. */
int rules_settle(struct rules_store *s, struct err *e);
/* Makes `rec`, whose name is `name`, a record and part of the table; replaces one of that name. */
int rules_record_add(struct rules_store *s, const struct rules_record *rec, const char *name,
		     struct err *e);
/* Takes it out of both; fine when there is none. `*ret_old`, in the arena, is what there was, or NULL. */
int rules_record_del(struct rules_store *s, const char *name, struct arena *a,
		     struct rules_record **ret_old, struct err *e);
/* The table anew from all records but the one named `skip` (NULL: none), with `added` (NULL: nothing). */
int rules_rebuild(struct rules_store *s, const struct rules_record *added, const char *skip,
		  struct err *e);
