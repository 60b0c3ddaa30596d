#include "net/subnet.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define ROUTES_TEXT_MAX ((size_t)1 << 20)

int subnet_parse_host(const char *text, struct ip_net *ret, struct err *e)
{
	struct ip_net s;

	if (ip_addr_parse(text, &s.addr) < 0)
		return err_set(e, -EINVAL, "invalid address '%s'", text);
	s.prefix = ip_addr_bits(&s.addr);
	*ret = s;
	return 0;
}

int subnet_parse(const char *text, struct ip_net *ret, struct err *e)
{
	struct ip_net s;
	struct ip_addr first;

	if (ip_net_parse(text, &s) < 0)
		return err_set(e, -EINVAL, "invalid subnet '%s': expected ADDRESS/BITS", text);
	first = ip_net_first(&s);
	if (ip_addr_compare(&first, &s.addr) != 0)
		return err_set(e, -EINVAL,
			       "invalid subnet '%s': it has host bits behind its prefix", text);
	*ret = s;
	return 0;
}

bool subnet_contains(const struct ip_net *s, const struct ip_net *inner)
{
	return inner->prefix >= s->prefix && ip_net_contains(s, &inner->addr);
}

bool subnet_overlaps(const struct ip_net *a, const struct ip_net *b)
{
	return subnet_contains(a, b) || subnet_contains(b, a);
}

/* Adds n at the bit position `at` from the right, with carry. */
static void add_at(struct ip_addr *a, unsigned int at, uint64_t n)
{
	unsigned int carry = 0;

	for (int i = (int)ip_addr_len(a) - 1 - (int)(at / 8); i >= 0; i--) {
		carry += a->bytes[i] + (unsigned int)((n << at % 8) & 0xff);
		a->bytes[i] = (uint8_t)carry;
		carry >>= 8;
		n >>= 8 - at % 8;
		at = 0;
	}
}

struct ip_net subnet_nth(const struct ip_net *s, uint64_t n)
{
	struct ip_net r = *s;

	add_at(&r.addr, 0, n);
	return r;
}

struct ip_net subnet_cut(const struct ip_net *s, uint8_t prefix, uint64_t n)
{
	struct ip_net r = *s;

	r.prefix = prefix;
	add_at(&r.addr, ip_addr_bits(&s->addr) - (unsigned int)prefix, n);
	return r;
}

int subnet_host_routes(struct ip_net *ret, size_t max, size_t *ret_n, struct err *e)
{
	AUTO_FREE char *text = NULL;
	char *rest, *line;
	size_t n = 0;
	/* Of the calling thread: it may be in another namespace than the process. */
	int r = file_read_at(AT_FDCWD, "/proc/thread-self/net/route", ROUTES_TEXT_MAX, &text, NULL);

	if (r < 0)
		return err_sys(e, r, "read the host's routes");
	rest = text;
	while ((line = strsep(&rest, "\n")) && n < max) {
		unsigned int dst, mask;

		/* Hexadecimal, in the byte order of the wire. */
		if (sscanf(line, "%*s %8x %*x %*x %*d %*d %*d %8x", &dst, &mask) != 2 || mask == 0)
			continue;
		ret[n] = (struct ip_net){ .addr.family = AF_INET,
					  .prefix = (uint8_t)__builtin_popcount(mask) };
		memcpy(ret[n++].addr.bytes, &dst, 4);
	}
	*ret_n = n;
	return 0;
}

static const struct pool {
	bool is_default;
	const char *from;
	uint8_t prefix;
	uint64_t count;
} pools[] = {
	{ true, "172.17.0.0/16", 16, 15 },
	{ true, "10.88.0.0/16", 16, 1 },
	{ false, "10.89.0.0/16", 24, (uint64_t)(256 - 89) * 256 },
	{ false, "172.17.0.0/16", 24, 15 * 256 },
};

static bool is_free(const struct ip_net *s, const struct ip_net *used, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (subnet_overlaps(s, &used[i]))
			return false;
	return true;
}

int subnet_choose(bool is_default, const struct ip_net *used, size_t used_n, struct ip_net *ret,
		  struct err *e)
{
	for (size_t p = 0; p < ARRAY_LEN(pools); p++) {
		struct ip_net pool;

		if (pools[p].is_default != is_default ||
		    subnet_parse(pools[p].from, &pool, NULL) < 0)
			continue;
		for (uint64_t i = 0; i < pools[p].count; i++) {
			*ret = subnet_cut(&pool, pools[p].prefix, i);
			if (is_free(ret, used, used_n))
				return 0;
		}
	}
	return err_set_code(
		e, -ENOSPC, ERR_RESOURCE_EXHAUSTED,
		"all predefined address pools have been fully subnetted: give --subnet, or "
		"remove unused networks with 'network prune'");
}

struct ip_net subnet_unique_local(uint64_t id)
{
	struct ip_net s = { .addr = { .family = AF_INET6, .bytes = { 0xfd } }, .prefix = 64 };

	for (unsigned int i = 0; i < 5; i++)
		s.addr.bytes[1 + i] = (uint8_t)(id >> (8 * i));
	return s;
}
