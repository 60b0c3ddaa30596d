#pragma once
/* The attach protocol's header, for both ends (attach.h says what the frames are). Safe after fork: yes. */
#include <stddef.h>
#include <stdint.h>

#include "shim/attach.h"

#define ATTACH_VERSION 1

static inline void attach_header_put(struct attach_header *h, enum attach_type type, size_t len)
{
	*h = (struct attach_header){
		.type = (uint8_t)type,
		.len_be = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
			    (uint8_t)len },
	};
}

static inline size_t attach_header_len(const struct attach_header *h)
{
	return (size_t)h->len_be[0] << 24 | (size_t)h->len_be[1] << 16 | (size_t)h->len_be[2] << 8 |
	       h->len_be[3];
}
