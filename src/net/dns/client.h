#pragma once
/*
 * The client's side of names: entries of containers, their sockets, and the server that answers on them (corten-dns).
 *
 *	<state>/dns/names/ID	what a container is called and where (book.h)
 *	<state>/dns/control	the server's socket
 *	<state>/dns/lock	held by each call here
 *
 * The server is started by the first container and ends with the last one. If it was killed, the next call starts it and makes
 * the sockets of all containers anew; entries whose network namespace is gone are dropped then.
 *
 * Thread-safe: yes; a call enters network namespaces with its own thread and comes back.
 */
#include <stdbool.h>
#include <stddef.h>

struct err;

/* One network of a container. Addresses may have a prefix's length, which does not count; NULL ones are passed over. */
struct dns_network {
	const char *
		name; /* containers see each other on networks of the same name: the id does, too */
	const char *const *addresses;
	size_t addresses_n;
	const char *const
		*names; /* name, short id, hostname, aliases; what can be no name is left out */
	size_t names_n;
};
struct dns_endpoint {
	const char *container_id;
	const char *
		netns_path; /* by which the namespace is found when the server was killed; NULL: it is not */
	int netns_fd;
	const struct dns_network *networks;
	size_t networks_n;
	const char *const *servers; /* "10.0.0.2", "10.0.0.2#53"; none: those of /etc/resolv.conf */
	size_t servers_n;
	bool is_internal; /* what is not known is not asked elsewhere */
};

/*
 * Writes the entry and puts a server behind 127.0.0.11:53 of the container's namespace; again after each change of names or
 * networks, where that is all it costs. -EADDRINUSE: the container has a server there.
 */
int dns_attach(const char *state, const struct dns_endpoint *ep, struct err *e);
/* The entry alone: networks or names of a container that is attached changed. */
int dns_update(const char *state, const struct dns_endpoint *ep, struct err *e);
/* Fine when it is not attached. */
int dns_detach(const char *state, const char *container_id, struct err *e);
/* Starts the server again if it was killed and containers are attached; cheap when not. */
int dns_ensure(const char *state, struct err *e);
