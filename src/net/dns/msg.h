#pragma once
/*
 * DNS messages: what is asked, an answer of our own, whether a reply is to a question. No I/O, no memory but the caller's.
 *
 * A query has one question; what else it carries but EDNS is not looked at. Safe after fork: yes.
 * Source: RFC 1035 (4.1), RFC 6891 (EDNS), RFC 3596 (AAAA, ip6.arpa), RFC 2308 (no data).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

#define DNS_PORT 53
#define DNS_HEADER 12
/* What goes over UDP without EDNS, and what we answer with it: no fragments on any path. */
#define DNS_UDP_MAX 512
#define DNS_EDNS_MAX 1232
#define DNS_MESSAGE_MAX 65535
/* A name as text, with the NUL. */
#define DNS_NAME_MAX 256
/* The shortest name of a question is one byte, the type and the class four. */
#define DNS_QUESTION_MAX (255 + 4)

enum dns_type {
	DNS_A = 1,
	DNS_PTR = 12,
	DNS_AAAA = 28,
	DNS_OPT = 41,
	DNS_ANY = 255,
};
#define DNS_IN 1

enum dns_rcode {
	DNS_OK = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
};

struct dns_query {
	uint16_t id, flags;
	/* Lower case, without the last dot. "": the root, or a name with bytes that no container has. */
	char name[DNS_NAME_MAX];
	uint16_t type, qclass;
	size_t question_len; /* bytes of the question behind the header */
	bool has_edns;
	uint16_t udp_size; /* what the asker takes over UDP, at least DNS_UDP_MAX */
};

/*
 * 0; the code of the error that is answered (of the query, only the header and perhaps the question count then); or -EBADMSG
 * for what gets no answer: it is too short, or no query.
 */
int dns_query_read(const uint8_t *p, size_t len, struct dns_query *ret);

struct dns_record {
	enum dns_type type; /* A, AAAA, PTR */
	uint32_t ttl;	    /* seconds */
	struct ip_addr addr;
	const char *name; /* PTR */
};
/*
 * Writes an answer to `query` of at most `max` bytes (at least DNS_HEADER + DNS_QUESTION_MAX + 11); what does not fit is left
 * out, and the answer says so. Returns its length.
 */
size_t dns_answer(const uint8_t *query, const struct dns_query *q, enum dns_rcode code,
		  const struct dns_record *v, size_t n, uint8_t *out, size_t max);

/* Whether it is a reply to the query with that id: same question, letter case apart. */
bool dns_is_reply(const uint8_t *query, const struct dns_query *q, uint16_t id,
		  const uint8_t *reply, size_t len);
static inline enum dns_rcode dns_code_of(const uint8_t *reply)
{
	return (enum dns_rcode)(reply[3] & 15);
}
static inline void dns_set_id(uint8_t *p, uint16_t id)
{
	p[0] = (uint8_t)(id >> 8);
	p[1] = (uint8_t)id;
}

/* "5.0.1.10.in-addr.arpa" and the nibbles of ip6.arpa; false: neither. */
bool dns_reverse_name(const char *name, struct ip_addr *ret);
