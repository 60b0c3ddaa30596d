#pragma once
/*
 * Who is called what: one entry for each container, a file of <state>/dns/names written by the client and read by
 * corten-dns; and the book of all of them, which answers what a container may see.
 *
 * An entry is lines of a word and its value; "address" and "name" belong to the network above them:
 *
 *	corten-dns 1
 *	netns DEVICE INODE PATH
 *	server 10.0.0.2#53
 *	internal
 *	network web
 *	address 10.1.0.5
 *	name db
 *
 * Names have no case. Files are compared by inode and time at each look-up, read when they changed. Not thread-safe.
 */
#include <stdbool.h>

#include "base/ip.h"
#include "base/mem.h"

struct err;
struct strbuf;

/* An entry, and how many of each it may have. */
#define DNS_ENTRY_MAX ((size_t)256 << 10)
#define DNS_NETWORKS_MAX 128
#define DNS_ADDRESSES_MAX 16
#define DNS_NAMES_MAX 256
#define DNS_SERVERS_MAX 8
#define DNS_CONTAINERS_MAX 16384

struct dns_server {
	struct ip_addr addr;
	uint16_t port;
};
struct dns_entry_network {
	const char *name;
	const struct ip_addr *addrs;
	size_t addrs_n;
	const char **names; /* lower case */
	size_t names_n;
};
struct dns_entry {
	uint64_t netns_dev, netns_ino;
	const char *netns; /* path; NULL: none is told */
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t servers_n;
	bool is_internal; /* nothing is asked elsewhere */
	struct dns_entry_network *networks;
	size_t networks_n;
};

/* "10.0.0.2", "10.0.0.2#5353", "::1#53". -EINVAL. */
int dns_server_parse(const char *text, struct dns_server *ret);
/* Whether it can be a name: what a question can ask for, one or more labels. */
bool dns_is_name(const char *name);
/* Reads an entry; it lives in the arena. -EBADMSG with the line, -E2BIG. */
int dns_entry_read(const char *text, size_t len, struct arena *a, struct dns_entry *ret,
		   struct err *e);
void dns_entry_write(const struct dns_entry *entry, struct strbuf *out);

struct dns_book;
/* `dirfd` is the folder of entries; borrowed until dns_book_free. 0 or -ENOMEM. */
int dns_book_new(int dirfd, struct dns_book **ret);
void dns_book_free(struct dns_book *b);
/* Looks whether files changed. What cannot be read is as if it were not there. 0 or -errno. */
int dns_book_refresh(struct dns_book *b);
/* NULL: not known. Borrowed until the next refresh, as everything below. */
const struct dns_entry *dns_book_entry(const struct dns_book *b, const char *container_id);

/*
 * Addresses of a family (AF_INET, AF_INET6) that `asker` sees under `name`, or under "name.network": of containers on a network
 * that it is on, too. At most `max`. Returns how many, or -ENOENT: nobody has that name.
 */
int dns_book_addresses(const struct dns_book *b, const struct dns_entry *asker, const char *name,
		       int family, struct ip_addr *ret, size_t max);
/* The first name of whoever has the address on one of the asker's networks; NULL: nobody. */
const char *dns_book_name(const struct dns_book *b, const struct dns_entry *asker,
			  const struct ip_addr *addr);
