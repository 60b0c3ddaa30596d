#pragma once
/*
 * Addresses of IPv4, IPv6 and Ethernet as values: parsed strictly, printed as Go prints them, counted, compared.
 *
 * An IPv4 address mapped into IPv6 ("::ffff:10.0.0.1") is the IPv4 address. No zones, no names. Safe after fork: yes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* `family` is AF_INET (the first four bytes count), AF_INET6, or AF_UNSPEC: none. */
struct ip_addr {
	uint8_t family;
	uint8_t bytes[16];
};
/* An address with its prefix's length: "10.1.0.5/16" keeps the host's bits. */
struct ip_net {
	struct ip_addr addr;
	uint8_t prefix;
};

/* With "/128" and the NUL */
#define IP_TEXT_MAX 52
#define MAC_LEN 6
#define MAC_TEXT_MAX 18

/* 0 or -EINVAL. */
int ip_addr_parse(const char *s, struct ip_addr *ret);
/* "10.1.0.5/16"; 0 or -EINVAL. */
int ip_net_parse(const char *s, struct ip_net *ret);
/* Both forms; one without a length gets that of its family (32, 128). */
int ip_net_parse_loose(const char *s, struct ip_net *ret);
/* The text in the caller's buffer; "" for none. */
const char *ip_addr_text(const struct ip_addr *a, char buf[IP_TEXT_MAX]);
const char *ip_net_text(const struct ip_net *n, char buf[IP_TEXT_MAX]);

static inline bool ip_is_v4(const struct ip_addr *a)
{
	return a->family == AF_INET;
}
/* Bytes of an address: 4 or 16, 0 for none. */
static inline size_t ip_addr_len(const struct ip_addr *a)
{
	return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}
/* Bits of an address: 32 or 128. */
static inline uint8_t ip_addr_bits(const struct ip_addr *a)
{
	return (uint8_t)(8 * ip_addr_len(a));
}

/* Negative, 0, positive; IPv4 is before IPv6. */
int ip_addr_compare(const struct ip_addr *a, const struct ip_addr *b);
/* 0.0.0.0, :: or none. */
bool ip_addr_is_zero(const struct ip_addr *a);
bool ip_addr_is_loopback(const struct ip_addr *a);
/* Neither zero, loopback, multicast, link-local nor 255.255.255.255: Go's IsGlobalUnicast. */
bool ip_addr_is_global(const struct ip_addr *a);
/* The next address; the last one is followed by zero. */
void ip_addr_next(struct ip_addr *a);
/* The network's own address (host bits 0) and its last one (host bits 1). */
struct ip_addr ip_net_first(const struct ip_net *n);
struct ip_addr ip_net_last(const struct ip_net *n);
/* Whether the address is in the network; one of another family never is. */
bool ip_net_contains(const struct ip_net *n, const struct ip_addr *a);

/* "02:42:ac:11:00:02", also with '-'; 0 or -EINVAL. */
int mac_parse(const char *s, uint8_t ret[MAC_LEN]);
const char *mac_text(const uint8_t mac[MAC_LEN], char buf[MAC_TEXT_MAX]);
