#include "net/dns/msg.h"

#include <errno.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"

/* A query for `name` of a type, with EDNS of that size when it is not 0. */
static size_t query_for(const char *name, uint16_t type, uint16_t edns, uint8_t *out)
{
	size_t at = DNS_HEADER;

	memset(out, 0, DNS_UDP_MAX);
	out[0] = 0x12, out[1] = 0x34, out[2] = 1, out[5] = 1;
	for (const char *p = name; *p;) {
		size_t n = strcspn(p, ".");

		out[at++] = (uint8_t)n;
		memcpy(out + at, p, n);
		at += n;
		p += n + (p[n] == '.');
	}
	out[at++] = 0;
	out[at++] = (uint8_t)(type >> 8), out[at++] = (uint8_t)type, out[at++] = 0, out[at++] = 1;
	if (edns) {
		out[11] = 1;
		out[at + 2] = DNS_OPT, out[at + 3] = (uint8_t)(edns >> 8);
		out[at + 4] = (uint8_t)edns;
		at += 11;
	}
	return at;
}

TEST(a_query_is_read)
{
	uint8_t p[DNS_UDP_MAX];
	struct dns_query q;
	size_t n = query_for("DB.My-Net", DNS_AAAA, 4096, p);

	CHECK_EQ(dns_query_read(p, n, &q), 0);
	CHECK_STR(q.name, "db.my-net");
	CHECK_EQ(q.id, 0x1234);
	CHECK_EQ(q.type, DNS_AAAA);
	CHECK_EQ(q.qclass, DNS_IN);
	CHECK_EQ(q.question_len, 11 + 4);
	CHECK(q.has_edns);
	CHECK_EQ(q.udp_size, 4096);
	CHECK_EQ(dns_query_read(p, query_for("db", DNS_A, 0, p), &q), 0);
	CHECK(!q.has_edns);
	CHECK_EQ(q.udp_size, DNS_UDP_MAX);
	CHECK_EQ(dns_query_read(p, query_for("db", DNS_A, 100, p), &q), 0);
	CHECK_EQ(q.udp_size, DNS_UDP_MAX);
}

TEST(a_name_that_no_container_has_is_empty)
{
	static const char *const names[] = { "", "a b", "a\\b", "\xff", "a\001" };
	uint8_t p[DNS_UDP_MAX];
	struct dns_query q;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CHECK_EQ(dns_query_read(p, query_for(names[i], DNS_A, 0, p), &q), 0);
		CHECK_STR(q.name, "");
	}
	/* A dot inside a label */
	query_for("a-b", DNS_A, 0, p);
	p[DNS_HEADER + 2] = '.';
	CHECK_EQ(dns_query_read(p, DNS_HEADER + 9, &q), 0);
	CHECK_STR(q.name, "");
}

TEST(what_is_no_query_is_told_apart_from_a_wrong_one)
{
	uint8_t p[DNS_UDP_MAX];
	struct dns_query q;
	size_t n = query_for("db", DNS_A, 1232, p);

	for (size_t i = 0; i < n; i++)
		CHECK_EQ(dns_query_read(p, i, &q), i < DNS_HEADER ? -EBADMSG : DNS_FORMERR);
	p[2] |= 0x80;
	CHECK_EQ(dns_query_read(p, n, &q), -EBADMSG);
	p[2] = 0x28;
	CHECK_EQ(dns_query_read(p, n, &q), DNS_NOTIMP);
	p[2] = 1;
	p[5] = 2;
	CHECK_EQ(dns_query_read(p, n, &q), DNS_FORMERR);
	p[5] = 1;
	p[7] = 1;
	CHECK_EQ(dns_query_read(p, n, &q), DNS_FORMERR);
	p[7] = 0;
	p[DNS_HEADER] = 0xc0;
	CHECK_EQ(dns_query_read(p, n, &q), DNS_FORMERR);
}

static struct dns_record record_of(const char *address)
{
	struct dns_record rec = { .ttl = 5 };

	CHECK_EQ(ip_addr_parse(address, &rec.addr), 0);
	rec.type = ip_is_v4(&rec.addr) ? DNS_A : DNS_AAAA;
	return rec;
}

TEST(an_answer_repeats_the_question_and_has_records)
{
	static const uint8_t want[] = {
		0x12, 0x34, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0, /* head */
		2,    'D',  'b',  0,	0, 1, 0, 1,		/* question */
		0xc0, 12,   0,	  1,	0, 1, 0, 0, 0, 5, 0, 4, 10, 1, 0, 2,
		0xc0, 12,   0,	  1,	0, 1, 0, 0, 0, 5, 0, 4, 10, 1, 0, 3
	};
	struct dns_record v[] = { record_of("10.1.0.2"), record_of("10.1.0.3") };
	uint8_t p[DNS_UDP_MAX], out[DNS_UDP_MAX];
	struct dns_query q;

	CHECK_EQ(dns_query_read(p, query_for("Db", DNS_A, 0, p), &q), 0);
	CHECK_EQ(dns_answer(p, &q, DNS_OK, v, 2, out, sizeof(out)), sizeof(want));
	CHECK(memcmp(out, want, sizeof(want)) == 0);
	CHECK(dns_is_reply(p, &q, 0x1234, out, sizeof(want)));
	CHECK(!dns_is_reply(p, &q, 0x1235, out, sizeof(want)));
	CHECK(!dns_is_reply(p, &q, 0x1234, p, sizeof(want)));
	out[13] = 'd';
	CHECK(dns_is_reply(p, &q, 0x1234, out, sizeof(want)));
	out[13] = 'e';
	CHECK(!dns_is_reply(p, &q, 0x1234, out, sizeof(want)));
	CHECK(!dns_is_reply(p, &q, 0x1234, out, 19));
}

TEST(an_answer_that_does_not_fit_says_so)
{
	struct dns_record v[64];
	uint8_t p[DNS_UDP_MAX], out[DNS_UDP_MAX];
	struct dns_query q;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		v[i] = record_of("fd00::1");
	CHECK_EQ(dns_query_read(p, query_for("db", DNS_AAAA, 1232, p), &q), 0);
	n = dns_answer(p, &q, DNS_OK, v, ARRAY_LEN(v), out, sizeof(out));
	CHECK(n <= sizeof(out) && n > sizeof(out) - 28);
	CHECK(out[2] & 2);
	CHECK_EQ(out[7], 17);
	/* EDNS is answered by EDNS, at the end. */
	CHECK_EQ(out[11], 1);
	CHECK_EQ(out[n - 9], DNS_OPT);
	n = dns_answer(p, &q, DNS_NXDOMAIN, NULL, 0, out, sizeof(out));
	CHECK_EQ(dns_code_of(out), DNS_NXDOMAIN);
	CHECK(!(out[2] & 2));
}

TEST(a_pointer_is_written_as_a_name)
{
	struct dns_record rec = { .type = DNS_PTR, .name = "db.x" };
	uint8_t p[DNS_UDP_MAX], out[DNS_UDP_MAX];
	struct dns_query q;
	size_t n;

	CHECK_EQ(dns_query_read(p, query_for("2.0.1.10.in-addr.arpa", DNS_PTR, 0, p), &q), 0);
	n = dns_answer(p, &q, DNS_OK, &rec, 1, out, sizeof(out));
	CHECK(memcmp(out + n - 6, "\2db\1x", 6) == 0);
	rec.name = "wrong..name";
	n = dns_answer(p, &q, DNS_OK, &rec, 1, out, sizeof(out));
	CHECK_EQ(out[7], 0);
}

TEST(reverse_names_are_addresses)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "5.0.1.10.in-addr.arpa", "10.1.0.5" },
		{ "255.255.255.255.in-addr.arpa", "255.255.255.255" },
		{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
		  "fd00::1" },
		{ "256.0.1.10.in-addr.arpa", NULL },
		{ "0.1.10.in-addr.arpa", NULL },
		{ "1.5.0.1.10.in-addr.arpa", NULL },
		{ "x.0.1.10.in-addr.arpa", NULL },
		{ ".in-addr.arpa", NULL },
		{ "1.0.ip6.arpa", NULL },
		{ "g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
		  NULL },
		{ "db", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[IP_TEXT_MAX];
		struct ip_addr addr;

		if (dns_reverse_name(rows[i].name, &addr) != !!rows[i].want)
			TEST_END(TEST_FAILED, "%s", rows[i].name);
		if (rows[i].want)
			CHECK_STR(ip_addr_text(&addr, text), rows[i].want);
	}
}

TEST_MAIN()
