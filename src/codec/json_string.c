/* JSON strings: validated where they lie, decoded into the arena when somebody wants them. */
#include "codec/json_priv.h"

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* Whether one of eight bytes is a quote, a backslash, a control character or not ASCII. */
static inline bool has_special(uint64_t v)
{
	uint64_t quote = v ^ (ONES * '"'), back = v ^ (ONES * '\\');

	return ((v | (v - ONES * 0x20) | (quote - ONES) | (back - ONES)) & HIGHS) != 0;
}

size_t json_utf8_len(const unsigned char *p, const unsigned char *end)
{
	size_t left = (size_t)(end - p);
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	lo = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	hi = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9'			? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

/* The code unit of the four hex digits at `p`, or -1. */
static int hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int d = hex_value(p[i]);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* Checks the escape at `p` (a backslash). The place behind it, or NULL after json_bad(). */
static const char *scan_escape(struct json_reader *rd, const char *p)
{
	int unit;

	if (rd->end - p < 2) {
		json_bad(rd, p, "the text ends inside a string");
		return NULL;
	}
	if (p[1] != 'u') {
		if (p[1] && strchr("\"\\/bfnrt", p[1]))
			return p + 2;
		json_bad(rd, p, "wrong escape in a string");
		return NULL;
	}
	unit = hex4(p + 2, rd->end);
	if (unit < 0) {
		json_bad(rd, p, "\\u needs four hex digits");
		return NULL;
	}
	if (unit == 0) {
		json_bad(rd, p, "a string contains a NUL character");
		return NULL;
	}
	if (unit < 0xd800 || unit > 0xdfff)
		return p + 6;
	if (unit < 0xdc00 && rd->end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
		int low = hex4(p + 8, rd->end);

		if (low >= 0xdc00 && low <= 0xdfff)
			return p + 12;
	}
	json_bad(rd, p, "a string contains half of a surrogate pair");
	return NULL;
}

bool json_scan_string(struct json_reader *rd)
{
	const char *p = rd->p + 1, *end = rd->end;

	rd->at = rd->p;
	rd->text = p;
	rd->is_escaped = false;
	for (;;) {
		while (end - p >= 8 && !has_special(json_load8(p)))
			p += 8;
		if (p >= end)
			return json_bad(rd, p, "the text ends inside a string"), false;
		if (*p == '"')
			break;
		if (*p == '\\') {
			rd->is_escaped = true;
			p = scan_escape(rd, p);
			if (!p)
				return false;
		} else if ((unsigned char)*p < 0x20) {
			return json_bad(rd, p,
					*p ? "a string contains a control character"
					   : "a string contains a NUL character"),
			       false;
		} else {
			size_t n = json_utf8_len((const unsigned char *)p,
						 (const unsigned char *)end);

			if (!n)
				return json_bad(rd, p, "a string is not valid UTF-8"), false;
			p += n;
		}
	}
	rd->len = (size_t)(p - rd->text);
	rd->p = p + 1;
	return true;
}

static char *put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* Decodes a validated escape at `*p`, which moves behind it. */
static char *put_escape(char *out, const char **p, const char *end)
{
	static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
	char c = (*p)[1];
	uint32_t unit;

	if (c != 'u') {
		const char *found = strchr(names, c);

		*out++ = found ? values[found - names] : c;
		*p += 2;
		return out;
	}
	unit = (uint32_t)hex4(*p + 2, end);
	*p += 6;
	if (unit >= 0xd800 && unit <= 0xdfff) {
		unit = 0x10000 + ((unit - 0xd800) << 10) + ((uint32_t)hex4(*p + 2, end) - 0xdc00);
		*p += 6;
	}
	return put_utf8(out, unit);
}

const char *json_store(struct json_reader *rd)
{
	const char *p = rd->text, *end = p + rd->len;
	char *buf, *out;

	if (!rd->is_escaped) {
		/* A key or string that is decoded already stays as it is. */
		if (rd->text < rd->start || rd->text >= rd->end)
			return rd->text;
		buf = arena_strndup(rd->arena, rd->text, rd->len);
		if (!buf)
			json_no_memory(rd);
		return rd->text = buf;
	}
	/* No escape is shorter than what it stands for. */
	buf = out = arena_alloc(rd->arena, rd->len + 1);
	if (!buf) {
		json_no_memory(rd);
		return NULL;
	}
	while (p < end) {
		const char *next = memchr(p, '\\', (size_t)(end - p));
		size_t n = (size_t)((next ? next : end) - p);

		memcpy(out, p, n);
		out += n;
		p += n;
		if (next)
			out = put_escape(out, &p, end);
	}
	*out = '\0';
	rd->text = buf;
	rd->len = (size_t)(out - buf);
	rd->is_escaped = false;
	return buf;
}
