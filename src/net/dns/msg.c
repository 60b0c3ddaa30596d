#include "net/dns/msg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define FLAG_RESPONSE 0x8000u
#define FLAG_TRUNCATED 0x0200u
#define FLAG_RECURSION 0x0100u
#define FLAG_AVAILABLE 0x0080u
#define OPCODE_MASK 0x7800u
#define LABEL_MAX 63
#define OPT_LEN 11
/* Records behind the question; a resolver sends one (EDNS), at most two (TSIG). */
#define EXTRA_MAX 8

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool is_plain(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '.' && c != '\\';
}

/* Copies a label as text in lower case; false when it holds what no name of ours has. */
static bool put_label(const uint8_t *label, size_t n, char *name, size_t *at)
{
	bool is_ok = true;

	if (*at)
		name[(*at)++] = '.';
	for (size_t i = 0; i < n; i++) {
		uint8_t c = label[i];

		is_ok = is_ok && is_plain(c);
		name[(*at)++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	return is_ok;
}

/* The question's name, which is never compressed. Its bytes, or 0 for a wrong one. */
static size_t read_name(const uint8_t *p, size_t len, char name[DNS_NAME_MAX])
{
	size_t i = 0, at = 0;
	bool is_ok = true;

	for (; i < len && p[i]; i += 1 + (size_t)p[i]) {
		if (p[i] > LABEL_MAX || i + 1 + p[i] >= len || i + 1 + p[i] >= 255)
			return 0;
		is_ok = put_label(p + i + 1, p[i], name, &at) && is_ok;
	}
	if (i >= len)
		return 0;
	name[is_ok ? at : 0] = '\0';
	return i + 1;
}

/* Passes a name that may be compressed. Its bytes, or 0. */
static size_t skip_name(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i += 1 + (size_t)p[i]) {
		if (!p[i])
			return i + 1;
		if ((p[i] & 0xc0) == 0xc0)
			return i + 2 <= len ? i + 2 : 0;
		if (p[i] > LABEL_MAX)
			return 0;
	}
	return 0;
}

/* Finds EDNS among the `count` records at `p`. */
static int read_extra(const uint8_t *p, size_t len, unsigned int count, struct dns_query *q)
{
	size_t at = 0;

	if (count > EXTRA_MAX)
		return DNS_FORMERR;
	for (unsigned int i = 0; i < count; i++) {
		size_t n = skip_name(p + at, len - at);
		uint16_t size;

		if (!n || len - at - n < 10)
			return DNS_FORMERR;
		size = get16(p + at + n + 8);
		if (len - at - n - 10 < size)
			return DNS_FORMERR;
		if (n == 1 && get16(p + at + 1) == DNS_OPT) {
			if (q->has_edns)
				return DNS_FORMERR;
			q->has_edns = true;
			q->udp_size = MAX(q->udp_size, get16(p + at + n + 2));
		}
		at += n + 10 + size;
	}
	return DNS_OK;
}

int dns_query_read(const uint8_t *p, size_t len, struct dns_query *ret)
{
	struct dns_query *q = ret;
	size_t n;

	*q = (struct dns_query){ .udp_size = DNS_UDP_MAX };
	if (len < DNS_HEADER)
		return -EBADMSG;
	q->id = get16(p);
	q->flags = get16(p + 2);
	if (q->flags & FLAG_RESPONSE)
		return -EBADMSG;
	if (q->flags & OPCODE_MASK)
		return DNS_NOTIMP;
	if (get16(p + 4) != 1)
		return DNS_FORMERR;
	n = read_name(p + DNS_HEADER, len - DNS_HEADER, q->name);
	if (!n || len - DNS_HEADER - n < 4)
		return DNS_FORMERR;
	q->type = get16(p + DNS_HEADER + n);
	q->qclass = get16(p + DNS_HEADER + n + 2);
	q->question_len = n + 4;
	/* Records of answer and authority have no place in a query. */
	if (get16(p + 6) || get16(p + 8))
		return DNS_FORMERR;
	n = DNS_HEADER + q->question_len;
	return read_extra(p + n, len - n, get16(p + 10), q);
}

/* ---- answers ---- */

/* A name as labels; 0 when it is none. */
static size_t write_name(const char *name, uint8_t *out, size_t max)
{
	size_t at = 0;

	while (*name) {
		size_t n = strcspn(name, ".");

		if (!n || n > LABEL_MAX || at + n + 2 > max)
			return 0;
		out[at++] = (uint8_t)n;
		memcpy(out + at, name, n);
		at += n;
		name += n + (name[n] == '.');
	}
	if (at >= max)
		return 0;
	out[at++] = 0;
	return at;
}

/* One record, whose name is the question's. Its bytes, or 0 when it does not fit. */
static size_t write_record(const struct dns_record *rec, uint8_t *out, size_t max)
{
	uint8_t data[DNS_NAME_MAX];
	size_t n = ip_addr_len(&rec->addr);

	if (rec->type == DNS_PTR)
		n = write_name(rec->name, data, sizeof(data));
	else
		memcpy(data, rec->addr.bytes, n);
	if (!n || 12 + n > max)
		return 0;
	put16(out, 0xc000 | DNS_HEADER);
	put16(out + 2, (uint16_t)rec->type);
	put16(out + 4, DNS_IN);
	put16(out + 6, (uint16_t)(rec->ttl >> 16));
	put16(out + 8, (uint16_t)rec->ttl);
	put16(out + 10, (uint16_t)n);
	memcpy(out + 12, data, n);
	return 12 + n;
}

size_t dns_answer(const uint8_t *query, const struct dns_query *q, enum dns_rcode code,
		  const struct dns_record *v, size_t n, uint8_t *out, size_t max)
{
	size_t at = DNS_HEADER + q->question_len, end = max - (q->has_edns ? OPT_LEN : 0);
	uint16_t flags = (uint16_t)(FLAG_RESPONSE | FLAG_AVAILABLE | code |
				    (q->flags & (OPCODE_MASK | FLAG_RECURSION)));
	uint16_t count = 0;

	ASSERT(max >= DNS_HEADER + DNS_QUESTION_MAX + OPT_LEN);
	memset(out, 0, DNS_HEADER);
	if (q->question_len)
		memcpy(out + DNS_HEADER, query + DNS_HEADER, q->question_len);
	for (size_t i = 0; i < n; i++) {
		size_t len = write_record(&v[i], out + at, end - at);

		if (!len) {
			flags |= FLAG_TRUNCATED;
			break;
		}
		at += len;
		count++;
	}
	put16(out, q->id);
	put16(out + 2, flags);
	put16(out + 4, q->question_len ? 1 : 0);
	put16(out + 6, count);
	put16(out + 10, q->has_edns);
	if (q->has_edns) {
		memset(out + at, 0, OPT_LEN);
		put16(out + at + 1, DNS_OPT);
		put16(out + at + 3, DNS_EDNS_MAX);
		at += OPT_LEN;
	}
	return at;
}

/* ---- replies ---- */

static bool is_same(uint8_t a, uint8_t b)
{
	return a == b || ((a ^ b) == 0x20 && (a | 0x20) >= 'a' && (a | 0x20) <= 'z');
}

bool dns_is_reply(const uint8_t *query, const struct dns_query *q, uint16_t id,
		  const uint8_t *reply, size_t len)
{
	if (len < DNS_HEADER + q->question_len || get16(reply) != id ||
	    !(get16(reply + 2) & FLAG_RESPONSE) || get16(reply + 4) != 1)
		return false;
	for (size_t i = 0; i < q->question_len; i++)
		if (!is_same(query[DNS_HEADER + i], reply[DNS_HEADER + i]))
			return false;
	return true;
}

/* ---- reverse names ---- */

static bool reverse4(const char *name, size_t len, struct ip_addr *ret)
{
	char text[16];
	unsigned int b[4];
	int end = 0;

	if (len >= sizeof(text))
		return false;
	memcpy(text, name, len);
	text[len] = '\0';
	if (sscanf(text, "%3u.%3u.%3u.%3u%n", &b[3], &b[2], &b[1], &b[0], &end) != 4 ||
	    (size_t)end != len)
		return false;
	snprintf(text, sizeof(text), "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	return ip_addr_parse(text, ret) == 0;
}

static bool reverse6(const char *name, size_t len, struct ip_addr *ret)
{
	static const char hex[] = "0123456789abcdef";

	/* Thirty-two nibbles, the last one first. */
	if (len != 63)
		return false;
	*ret = (struct ip_addr){ .family = AF_INET6 };
	for (size_t i = 0; i < 32; i++) {
		const char *digit = strchr(hex, name[2 * i]);

		if (!digit || !*digit || (i < 31 && name[2 * i + 1] != '.'))
			return false;
		ret->bytes[15 - i / 2] |= (uint8_t)((digit - hex) << (i % 2 ? 4 : 0));
	}
	return true;
}

bool dns_reverse_name(const char *name, struct ip_addr *ret)
{
	size_t len = strlen(name);

	if (str_ends(name, ".in-addr.arpa"))
		return reverse4(name, len - strlen(".in-addr.arpa"), ret);
	if (str_ends(name, ".ip6.arpa"))
		return reverse6(name, len - strlen(".ip6.arpa"), ret);
	return false;
}
