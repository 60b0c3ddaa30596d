#pragma once
/*
 * Addresses with a prefix, as text and as bits: what networks are cut from. Both families. Safe after fork: yes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct subnet {
	int family; /* AF_INET, AF_INET6; 0: none */
	uint8_t addr[16];
	unsigned int prefix; /* bits */
};
#define SUBNET_TEXT_MAX 50

/* "10.1.0.0/16", "fd00::/64". `is_network`: bits behind the prefix must be zero. -EINVAL. */
int subnet_parse(const char *text, bool is_network, struct subnet *ret, struct err *e);
/* "10.1.0.5" without a prefix: that of a single host. -EINVAL. */
int subnet_parse_host(const char *text, struct subnet *ret, struct err *e);
/* "10.1.0.0/16". Returns `buf`. */
const char *subnet_text(const struct subnet *s, char buf[SUBNET_TEXT_MAX]);
/* "10.1.0.0": without the prefix. Returns `buf`. */
const char *subnet_host_text(const struct subnet *s, char buf[SUBNET_TEXT_MAX]);

bool subnet_contains(const struct subnet *s, const struct subnet *inner);
bool subnet_overlaps(const struct subnet *a, const struct subnet *b);
/* The n-th address in it, with its prefix. */
struct subnet subnet_nth(const struct subnet *s, uint64_t n);
/* The last address in it: all bits behind the prefix are set. */
struct subnet subnet_last(const struct subnet *s);
/* The n-th subnet of `prefix` bits in it. */
struct subnet subnet_cut(const struct subnet *s, unsigned int prefix, uint64_t n);

/* What of the host's routes (IPv4, from /proc/net/route) must not be overlapped; default routes are left out. */
#define SUBNET_ROUTES_MAX 1024
int subnet_host_routes(struct subnet *ret, size_t max, size_t *ret_n, struct err *e);

/*
 * The first free one of the pools: /16 for the default network (172.17 to 172.31, then 10.88), else /24 (10.89.0 to
 * 10.255.255, some 42,000). `used` are those of other networks and the host's routes. -ENOSPC: all are taken.
 */
int subnet_choose(bool is_default, const struct subnet *used, size_t used_n, struct subnet *ret,
		  struct err *e);
/* A unique local /64 (RFC 4193) made from 40 bits of the id. */
struct subnet subnet_unique_local(uint64_t id);
