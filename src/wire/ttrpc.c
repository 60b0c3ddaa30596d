#include "wire/ttrpc.h"

#include <errno.h>

#include "base/err.h"
#include "base/mem.h"

static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void ttrpc_header_put(uint8_t buf[TTRPC_HEADER], const struct ttrpc_header *h)
{
	put_be32(buf, h->len);
	put_be32(buf + 4, h->stream);
	buf[8] = h->type;
	buf[9] = h->flags;
}

void ttrpc_header_get(const uint8_t buf[TTRPC_HEADER], struct ttrpc_header *ret)
{
	*ret = (struct ttrpc_header){
		.len = get_be32(buf),
		.stream = get_be32(buf + 4),
		.type = buf[8],
		.flags = buf[9],
	};
}

int ttrpc_errno_of(int code)
{
	static const int numbers[] = {
		[ERR_OK] = EBADMSG,
		[ERR_CANCELLED] = ECANCELED,
		[ERR_UNKNOWN] = EIO,
		[ERR_INVALID_ARGUMENT] = EINVAL,
		[ERR_DEADLINE_EXCEEDED] = ETIMEDOUT,
		[ERR_NOT_FOUND] = ENOENT,
		[ERR_ALREADY_EXISTS] = EEXIST,
		[ERR_PERMISSION_DENIED] = EPERM,
		[ERR_RESOURCE_EXHAUSTED] = ENOSPC,
		[ERR_FAILED_PRECONDITION] = EBUSY,
		[ERR_ABORTED] = EAGAIN,
		[ERR_OUT_OF_RANGE] = ERANGE,
		[ERR_UNIMPLEMENTED] = EOPNOTSUPP,
		[ERR_INTERNAL] = EIO,
		[ERR_UNAVAILABLE] = ECONNREFUSED,
		[ERR_DATA_LOSS] = EIO,
		[ERR_UNAUTHENTICATED] = EACCES,
	};

	if (code < 0 || (size_t)code >= ARRAY_LEN(numbers))
		return -EIO;
	return -numbers[code];
}
