#include "base/rand.h"

#include <sys/random.h>

#include "base/mem.h"

static void rand_bytes(void *p, size_t len)
{
	/* Up to 256 bytes getrandom neither fails nor is cut once the pool is ready. */
	ASSERT(len <= 256 && getrandom(p, len, 0) == (ssize_t)len);
}

uint64_t rand_u64(void)
{
	uint64_t v;

	rand_bytes(&v, sizeof(v));
	return v;
}

void rand_hex(char *buf, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[64];

	ASSERT(len % 2 == 0 && len / 2 <= sizeof(raw));
	rand_bytes(raw, len / 2);
	for (size_t i = 0; i < len; i++)
		buf[i] = digits[(raw[i / 2] >> (i % 2 ? 0 : 4)) & 15];
	buf[len] = '\0';
}
