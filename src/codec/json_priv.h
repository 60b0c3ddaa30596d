#pragma once
/* What the parts of the JSON module share besides json.h. Not for other modules; toml alone takes json_utf8_len. */
#include "codec/json.h"

/* As json_next, but keys and strings stay raw: `text` points into what is read, `is_escaped` says how. */
enum json_token json_pull(struct json_reader *rd);
/* The raw string or key of the last token, decoded into the arena; NULL after json_fail. */
const char *json_store(struct json_reader *rd);
/* Syntax errors: -EBADMSG at the place `at`. Returns JSON_T_ERROR. */
__attribute__((format(printf, 3, 4), cold)) enum json_token json_bad(struct json_reader *rd,
								     const char *at,
								     const char *fmt, ...);
/* The error for an arena that gave nothing. Returns -ENOMEM. */
int json_no_memory(struct json_reader *rd);
/*
 * Validates the string at rd->p (a quote) and goes behind it; `text` and `len` are what stands between
 * the quotes. False after json_bad.
 */
bool json_scan_string(struct json_reader *rd);
/* The length of the valid UTF-8 character at `p`; 0 for none (overlong, surrogate, too large, cut). */
size_t json_utf8_len(const unsigned char *p, const unsigned char *end);

static inline uint64_t json_load8(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Reads on until the array or object that json_pull just opened is closed. 0 or -errno. */
int json_skip_rest(struct json_reader *rd);
