/* What containers ask and other servers reply; and entries, which are only root's to write. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "net/dns/book.h"
#include "net/dns/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_ARENA struct arena a = { .budget = (size_t)16 << 20 };
	const struct dns_record v[] = {
		{ .type = DNS_A, .ttl = 5, .addr = { .family = AF_INET } },
		{ .type = DNS_AAAA, .ttl = 5, .addr = { .family = AF_INET6 } },
		{ .type = DNS_PTR, .ttl = 5, .name = "a.b" },
	};
	uint8_t out[DNS_UDP_MAX];
	struct dns_entry entry;
	struct ip_addr addr;
	struct dns_query q;
	size_t n;
	int r;

	(void)dns_entry_read((const char *)data, len, &a, &entry, NULL);
	r = dns_query_read(data, len, &q);
	if (r < 0)
		return 0;
	n = dns_answer(data, &q, (enum dns_rcode)r, v, ARRAY_LEN(v), out, sizeof(out));
	ASSERT(n <= sizeof(out) && (r || dns_is_reply(data, &q, q.id, out, n)));
	(void)dns_reverse_name(q.name, &addr);
	return 0;
}
