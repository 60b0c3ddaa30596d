#pragma once
/*
 * Forgetting tracked connections, so that datagrams follow new rules at once.
 *
 * A UDP flow keeps the translation that its first packet met for as long as packets come: a client that spoke to a
 * published port before it was published, or to a container that is gone, would never reach the new one.
 *
 * Works in the caller's network namespace. A kernel without ctnetlink tracks nothing that could be forgotten: no error.
 * Safe after fork: yes, while the parent had one thread. Source: linux/netfilter/nfnetlink_conntrack.h.
 */
#include "base/ip.h"

struct err;

/* What of a connection's first packet has to match; what is none or 0 matches all. */
struct conntrack_filter {
	uint8_t family;	  /* AF_INET, AF_INET6 */
	uint8_t protocol; /* IPPROTO_UDP */
	uint16_t port;	  /* destination port, host order */
	struct ip_addr destination;
	struct ip_addr answers_from; /* who answers: the container behind a published port */
};

/* Entries that one call looks at. A host has some hundred thousand at most; the kernel filters before. */
#define CONNTRACK_ENTRIES_MAX 65536

/* Forgets what matches. The number of connections, or -errno. */
int conntrack_forget(const struct conntrack_filter *f, struct err *e);
