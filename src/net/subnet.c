#include "net/subnet.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define ROUTES_TEXT_MAX ((size_t)1 << 20)

static unsigned int width(int family)
{
	return family == AF_INET ? 32 : 128;
}

static bool bit(const uint8_t *addr, unsigned int i)
{
	return addr[i / 8] >> (7 - i % 8) & 1;
}

int subnet_parse_host(const char *text, struct subnet *ret, struct err *e)
{
	struct subnet s = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	if (inet_pton(s.family, text, s.addr) != 1)
		return err_set(e, -EINVAL, "invalid address '%s'", text);
	s.prefix = width(s.family);
	*ret = s;
	return 0;
}

int subnet_parse(const char *text, bool is_network, struct subnet *ret, struct err *e)
{
	char host[SUBNET_TEXT_MAX];
	size_t len = strcspn(text, "/");
	struct subnet s;
	uint32_t prefix;

	if (text[len] != '/' || len >= sizeof(host))
		return err_set(e, -EINVAL, "invalid subnet '%s': expected ADDRESS/BITS", text);
	memcpy(host, text, len);
	host[len] = '\0';
	if (subnet_parse_host(host, &s, NULL) < 0 || str_to_u32(text + len + 1, &prefix) < 0 ||
	    prefix > width(s.family))
		return err_set(e, -EINVAL, "invalid subnet '%s': expected ADDRESS/BITS", text);
	s.prefix = prefix;
	for (unsigned int i = s.prefix; is_network && i < width(s.family); i++)
		if (bit(s.addr, i))
			return err_set(e, -EINVAL,
				       "invalid subnet '%s': it has host bits behind its prefix",
				       text);
	*ret = s;
	return 0;
}

const char *subnet_host_text(const struct subnet *s, char buf[SUBNET_TEXT_MAX])
{
	if (!inet_ntop(s->family, s->addr, buf, SUBNET_TEXT_MAX))
		buf[0] = '\0';
	return buf;
}

const char *subnet_text(const struct subnet *s, char buf[SUBNET_TEXT_MAX])
{
	size_t len = strlen(subnet_host_text(s, buf));

	snprintf(buf + len, SUBNET_TEXT_MAX - len, "/%u", s->prefix);
	return buf;
}

bool subnet_contains(const struct subnet *s, const struct subnet *inner)
{
	if (s->family != inner->family || inner->prefix < s->prefix)
		return false;
	for (unsigned int i = 0; i < s->prefix; i++)
		if (bit(s->addr, i) != bit(inner->addr, i))
			return false;
	return true;
}

bool subnet_overlaps(const struct subnet *a, const struct subnet *b)
{
	return subnet_contains(a, b) || subnet_contains(b, a);
}

/* Adds n at the bit position `at` from the right, with carry. */
static void add_at(struct subnet *s, unsigned int at, uint64_t n)
{
	unsigned int carry = 0;

	for (int i = (int)(width(s->family) / 8) - 1 - (int)(at / 8); i >= 0; i--) {
		unsigned int low = (unsigned int)((n << at % 8) & 0xff);

		carry += s->addr[i] + low;
		s->addr[i] = (uint8_t)carry;
		carry >>= 8;
		n = at % 8 ? n >> (8 - at % 8) : n >> 8;
		at = 0;
	}
}

struct subnet subnet_nth(const struct subnet *s, uint64_t n)
{
	struct subnet r = *s;

	add_at(&r, 0, n);
	return r;
}

struct subnet subnet_last(const struct subnet *s)
{
	struct subnet r = *s;

	for (unsigned int i = s->prefix; i < width(s->family); i++)
		r.addr[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return r;
}

struct subnet subnet_cut(const struct subnet *s, unsigned int prefix, uint64_t n)
{
	struct subnet r = *s;

	r.prefix = prefix;
	add_at(&r, width(s->family) - prefix, n);
	return r;
}

int subnet_host_routes(struct subnet *ret, size_t max, size_t *ret_n, struct err *e)
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
		ret[n] = (struct subnet){ .family = AF_INET,
					  .prefix = (unsigned int)__builtin_popcount(mask) };
		memcpy(ret[n++].addr, &dst, 4);
	}
	*ret_n = n;
	return 0;
}

static const struct pool {
	bool is_default;
	const char *from;
	unsigned int prefix;
	uint64_t count;
} pools[] = {
	{ true, "172.17.0.0/16", 16, 15 },
	{ true, "10.88.0.0/16", 16, 1 },
	{ false, "10.89.0.0/16", 24, (uint64_t)(256 - 89) * 256 },
	{ false, "172.17.0.0/16", 24, 15 * 256 },
};

static bool is_free(const struct subnet *s, const struct subnet *used, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (subnet_overlaps(s, &used[i]))
			return false;
	return true;
}

int subnet_choose(bool is_default, const struct subnet *used, size_t used_n, struct subnet *ret,
		  struct err *e)
{
	for (size_t p = 0; p < ARRAY_LEN(pools); p++) {
		struct subnet pool;

		if (pools[p].is_default != is_default ||
		    subnet_parse(pools[p].from, true, &pool, NULL) < 0)
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

struct subnet subnet_unique_local(uint64_t id)
{
	struct subnet s = { .family = AF_INET6, .prefix = 64, .addr = { 0xfd } };

	for (unsigned int i = 0; i < 5; i++)
		s.addr[1 + i] = (uint8_t)(id >> (8 * i));
	return s;
}
