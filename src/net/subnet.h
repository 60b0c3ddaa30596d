#pragma once
/*
 * Subnets: what networks are cut from. Both families (base/ip.h has the values). Safe after fork: yes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

struct err;

/* "10.1.0.0/16", "fd00::/64". Bits behind the prefix must be zero. -EINVAL. */
int subnet_parse(const char *text, struct ip_net *ret, struct err *e);
/* "10.1.0.5" without a prefix: that of a single host. -EINVAL. */
int subnet_parse_host(const char *text, struct ip_net *ret, struct err *e);
bool subnet_contains(const struct ip_net *s, const struct ip_net *inner);
bool subnet_overlaps(const struct ip_net *a, const struct ip_net *b);
/* The n-th address in it, with its prefix. */
struct ip_net subnet_nth(const struct ip_net *s, uint64_t n);
/* The n-th subnet of `prefix` bits in it. */
struct ip_net subnet_cut(const struct ip_net *s, uint8_t prefix, uint64_t n);

/* What of the host's routes (IPv4, from /proc/net/route) must not be overlapped; default routes are left out. */
#define SUBNET_ROUTES_MAX 1024
int subnet_host_routes(struct ip_net *ret, size_t max, size_t *ret_n, struct err *e);

/*
 * The first free one of the pools: /16 for the default network (172.17 to 172.31, then 10.88), else /24 (10.89.0 to
 * 10.255.255, some 42,000). `used` are those of other networks and the host's routes. -ENOSPC: all are taken.
 */
int subnet_choose(bool is_default, const struct ip_net *used, size_t used_n, struct ip_net *ret,
		  struct err *e);
/* A unique local /64 (RFC 4193) made from 40 bits of the id. */
struct ip_net subnet_unique_local(uint64_t id);
