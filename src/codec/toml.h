#pragma once
/*
 * TOML 1.0 for configuration files (containerd's hosts.toml and config.toml): a text becomes a tree.
 *
 * The reader is strict: duplicate keys, a table defined twice, control characters, invalid UTF-8 and numbers out of
 * range are errors that name the line. Bytes, depth and nodes are limited; memory comes from the caller's arena, and
 * nothing points into the text afterwards. Stricter than TOML in two things: NUL in a string is refused, and a table
 * that only a longer header implies cannot be added to by dotted keys.
 *
 * Is not: a writer, a table reader (shapes of TOML files differ by version; callers look up what they know). Dates and
 * times are kept as text, checked in shape alone. Safe after fork: yes, while the parent had one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct json_strs;

enum toml_kind {
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOLEAN,
	TOML_TIME, /* any of TOML's four, as written */
	TOML_ARRAY,
	TOML_TABLE,
};

struct toml {
	const char *key;   /* of a table's member, else NULL */
	struct toml *next; /* the next member or element, in the order of the text */
	uint8_t kind;	   /* enum toml_kind */
	uint8_t how;	   /* the reader's own: by what a table or array came to be */
	uint32_t line;	   /* where it begins, from 1 */
	union {
		const char *s; /* TOML_STRING, TOML_TIME */
		int64_t i;
		double f;
		bool b;
		struct {
			struct toml *first, *last;
			size_t n;
		}; /* TOML_ARRAY, TOML_TABLE */
	};
};

struct toml_limits {
	size_t bytes; /* 0: 1 MiB */
	size_t depth; /* 0: 32 */
	size_t nodes; /* 0: 8192; keys of one table are looked up one by one */
};

/* Reads a whole text into a table. `lim` may be NULL. -EBADMSG ("line 3: …"), -E2BIG, -ENOMEM. */
int toml_read(const char *text, size_t len, const struct toml_limits *lim, struct arena *a,
	      struct toml **ret, struct err *e);

/* The member `key`; NULL when there is none, or when `table` is NULL or no table. */
const struct toml *toml_get(const struct toml *table, const char *key);
/* The member of a member…: keys up to a NULL. */
const struct toml *toml_at(const struct toml *table, ...) __attribute__((sentinel));

/*
 * The member's value into `*ret`, which stays as it is when there is none. -EBADMSG when it is of another kind: "line 3:
 * 'key' is no string". toml_get_strs takes one string as a list of one.
 */
int toml_get_str(const struct toml *table, const char *key, const char **ret, struct err *e);
int toml_get_bool(const struct toml *table, const char *key, bool *ret, struct err *e);
int toml_get_int(const struct toml *table, const char *key, int64_t *ret, struct err *e);
int toml_get_strs(const struct toml *table, const char *key, struct arena *a, struct json_strs *ret,
		  struct err *e);
