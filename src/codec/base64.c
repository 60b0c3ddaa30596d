#include "codec/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define COMMON "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char alphabets[][65] = {
	[BASE64_STANDARD] = COMMON "+/",
	[BASE64_URL] = COMMON "-_",
};

char *base64_encode(enum base64_alphabet alphabet, const void *data, size_t len, char *buf)
{
	const char *digits = alphabets[alphabet];
	const uint8_t *p = data;
	char *out = buf;

	for (; len >= 3; p += 3, len -= 3) {
		uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = digits[v >> 6 & 63];
		*out++ = digits[v & 63];
	}
	if (len) {
		uint32_t v = (uint32_t)p[0] << 16 | (len > 1 ? (uint32_t)p[1] << 8 : 0);

		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = len > 1 ? digits[v >> 6 & 63] : '=';
		*out++ = '=';
	}
	*out = '\0';
	return buf;
}

/* The six bits of a character, or -1. */
static int value_of(enum base64_alphabet alphabet, char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == alphabets[alphabet][62])
		return 62;
	return c == alphabets[alphabet][63] ? 63 : -1;
}

/* The last two or three characters, which stand for one or two bytes. */
static int decode_tail(enum base64_alphabet alphabet, const char *s, size_t len, uint8_t *out)
{
	uint32_t v = 0;

	for (size_t i = 0; i < len; i++) {
		int bits = value_of(alphabet, s[i]);

		if (bits < 0)
			return -EBADMSG;
		v |= (uint32_t)bits << (18 - 6 * i);
	}
	if (len == 1 || v & (len == 2 ? 0xffffu : 0xffu))
		return -EBADMSG;
	out[0] = (uint8_t)(v >> 16);
	if (len == 3)
		out[1] = (uint8_t)(v >> 8);
	return (int)len - 1;
}

ssize_t base64_decode(enum base64_alphabet alphabet, const char *s, size_t len, void *ret)
{
	uint8_t *out = ret;
	size_t padding = 0;
	int n;

	while (padding < 2 && padding < len && s[len - 1 - padding] == '=')
		padding++;
	/* Padding, if any, makes the length a multiple of four; only the URL form may leave it out. */
	if (len % 4 && (padding || alphabet == BASE64_STANDARD))
		return -EBADMSG;
	len -= padding;
	for (; len >= 4; s += 4, len -= 4) {
		int a = value_of(alphabet, s[0]), b = value_of(alphabet, s[1]);
		int c = value_of(alphabet, s[2]), d = value_of(alphabet, s[3]);

		if ((a | b | c | d) < 0)
			return -EBADMSG;
		*out++ = (uint8_t)(a << 2 | b >> 4);
		*out++ = (uint8_t)(b << 4 | c >> 2);
		*out++ = (uint8_t)(c << 6 | d);
	}
	if (len) {
		n = decode_tail(alphabet, s, len, out);
		if (n < 0)
			return n;
		out += n;
	}
	return out - (uint8_t *)ret;
}
