#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

int ip_addr_parse(const char *s, struct ip_addr *ret)
{
	struct ip_addr a = { .family = AF_INET };

	if (inet_pton(AF_INET, s, a.bytes) == 1) {
		*ret = a;
		return 0;
	}
	a.family = AF_INET6;
	if (inet_pton(AF_INET6, s, a.bytes) != 1)
		return -EINVAL;
	if (memcmp(a.bytes, mapped, sizeof(mapped)) == 0) {
		*ret = (struct ip_addr){ .family = AF_INET };
		memcpy(ret->bytes, a.bytes + sizeof(mapped), 4);
	} else {
		*ret = a;
	}
	return 0;
}

static int net_parse(const char *s, bool needs_length, struct ip_net *ret)
{
	const char *slash = strchr(s, '/');
	char text[IP_TEXT_MAX];
	struct ip_net n;
	uint32_t bits;
	size_t len = slash ? (size_t)(slash - s) : strlen(s);

	if (len >= sizeof(text) || (!slash && needs_length))
		return -EINVAL;
	memcpy(text, s, len);
	text[len] = '\0';
	if (ip_addr_parse(text, &n.addr) < 0)
		return -EINVAL;
	bits = ip_addr_bits(&n.addr);
	if (slash && (str_to_u32(slash + 1, &bits) < 0 || bits > ip_addr_bits(&n.addr)))
		return -EINVAL;
	n.prefix = (uint8_t)bits;
	*ret = n;
	return 0;
}

int ip_net_parse(const char *s, struct ip_net *ret)
{
	return net_parse(s, true, ret);
}

int ip_net_parse_loose(const char *s, struct ip_net *ret)
{
	return net_parse(s, false, ret);
}

const char *ip_addr_text(const struct ip_addr *a, char buf[IP_TEXT_MAX])
{
	if (!inet_ntop(a->family, a->bytes, buf, IP_TEXT_MAX))
		buf[0] = '\0';
	return buf;
}

const char *ip_net_text(const struct ip_net *n, char buf[IP_TEXT_MAX])
{
	size_t len = strlen(ip_addr_text(&n->addr, buf));

	if (len > 0)
		snprintf(buf + len, IP_TEXT_MAX - len, "/%u", n->prefix);
	return buf;
}

int ip_addr_compare(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return (int)ip_addr_len(a) - (int)ip_addr_len(b);
	return memcmp(a->bytes, b->bytes, ip_addr_len(a));
}

bool ip_addr_is_zero(const struct ip_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->bytes, zero, ip_addr_len(a)) == 0;
}

bool ip_addr_is_loopback(const struct ip_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (ip_is_v4(a))
		return a->bytes[0] == 127;
	return a->family == AF_INET6 && memcmp(a->bytes, one, sizeof(one)) == 0;
}

bool ip_addr_is_global(const struct ip_addr *a)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (ip_addr_is_zero(a) || ip_addr_is_loopback(a))
		return false;
	if (ip_is_v4(a))
		return (a->bytes[0] & 0xf0) != 0xe0 &&
		       !(a->bytes[0] == 169 && a->bytes[1] == 254) &&
		       memcmp(a->bytes, broadcast, sizeof(broadcast)) != 0;
	return a->bytes[0] != 0xff && !(a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80);
}

void ip_addr_next(struct ip_addr *a)
{
	size_t i = ip_addr_len(a);

	while (i > 0 && ++a->bytes[--i] == 0)
		;
}

/* The mask's byte `i` of a prefix of that many bits. */
static uint8_t mask_byte(unsigned int prefix, size_t i)
{
	unsigned int before = 8 * (unsigned int)i;

	if (prefix >= before + 8)
		return 0xff;
	return prefix <= before ? 0 : (uint8_t)(0xff << (8 - (prefix - before)));
}

struct ip_addr ip_net_first(const struct ip_net *n)
{
	struct ip_addr a = n->addr;

	for (size_t i = 0; i < ip_addr_len(&a); i++)
		a.bytes[i] &= mask_byte(n->prefix, i);
	return a;
}

struct ip_addr ip_net_last(const struct ip_net *n)
{
	struct ip_addr a = n->addr;

	for (size_t i = 0; i < ip_addr_len(&a); i++)
		a.bytes[i] |= (uint8_t)~mask_byte(n->prefix, i);
	return a;
}

bool ip_net_contains(const struct ip_net *n, const struct ip_addr *a)
{
	struct ip_net other = { *a, n->prefix };
	struct ip_addr first = ip_net_first(n), of_other;

	if (a->family != n->addr.family)
		return false;
	of_other = ip_net_first(&other);
	return ip_addr_compare(&first, &of_other) == 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int mac_parse(const char *s, uint8_t ret[MAC_LEN])
{
	uint8_t mac[MAC_LEN];

	if (strlen(s) != MAC_TEXT_MAX - 1)
		return -EINVAL;
	for (size_t i = 0; i < MAC_LEN; i++) {
		int high = hex_digit(s[3 * i]), low = hex_digit(s[3 * i + 1]);
		char end = s[3 * i + 2];

		if (high < 0 || low < 0 ||
		    (i + 1 < MAC_LEN && (end != s[2] || (end != ':' && end != '-'))))
			return -EINVAL;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret, mac, MAC_LEN);
	return 0;
}

const char *mac_text(const uint8_t mac[MAC_LEN], char buf[MAC_TEXT_MAX])
{
	snprintf(buf, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return buf;
}
