#pragma once
/*
 * Base64 (RFC 4648): the standard alphabet of descriptors' `data` and of docker's auth entries, and the
 * one for URLs of X-Registry-Auth. Decoding is strict: no white space, padding where it belongs, unused
 * bits zero. Safe after fork: yes.
 */
#include <stddef.h>
#include <sys/types.h>

enum base64_alphabet {
	BASE64_STANDARD, /* + and /, padded */
	BASE64_URL,	 /* - and _, padded on writing; padding may be missing on reading */
};

/* Bytes that `len` bytes become, without a NUL. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)
/* Bytes that `len` characters become at most. */
#define BASE64_RAW_MAX(len) (((len) + 3) / 4 * 3)

/* Writes BASE64_LEN(len) characters and a NUL. Returns `buf`. */
char *base64_encode(enum base64_alphabet alphabet, const void *data, size_t len, char *buf);

/*
 * Decodes `len` characters into `ret`, which has room for BASE64_RAW_MAX(len). Returns the bytes written,
 * or -EBADMSG, and what was written before the wrong character is of no use.
 */
ssize_t base64_decode(enum base64_alphabet alphabet, const char *s, size_t len, void *ret);
