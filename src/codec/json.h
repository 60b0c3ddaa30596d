#pragma once
/*
 * JSON by tables: one row per key, and the reader, the writer and the lists of known keys come from it.
 *
 * The reader is a pull reader over bytes in memory; it is strict (RFC 8259): duplicate keys, NUL or
 * invalid UTF-8 in strings, lone surrogates, trailing bytes, numbers with a fraction where an integer is
 * asked, and integers out of range are errors. Depth, nodes and bytes are limited; memory comes from the
 * caller's arena and is bounded by its budget. Unknown keys are skipped (but checked). `null` is the same
 * as an absent key. Integers are exact over the whole of int64 and uint64.
 *
 * Not a DOM. Safe after fork: yes, while the parent had one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/mem.h"

struct err;
struct strbuf;
struct json_table;

/*
 * What a row's member is. `n` counts elements everywhere. After reading, `v` is NULL when the key was
 * absent, and not NULL for a list that was there and empty (docker tells "Entrypoint": [] from null).
 */
struct json_strs {
	const char **v;
	size_t n;
};
struct json_pair {
	const char *key, *value;
};
/* {"k": "v"}, in the order of the text */
struct json_map {
	struct json_pair *v;
	size_t n;
};
/* Any value, its own text; p NULL: absent. */
struct json_raw {
	const char *p;
	size_t len;
};
struct json_i64s {
	int64_t *v;
	size_t n;
};
struct json_u32s {
	uint32_t *v;
	size_t n;
};
/* The generic view of struct { T *v; size_t n; }. */
struct json_objs {
	void *v;
	size_t n;
};

enum json_kind {
	JSON_BOOL,     /* bool */
	JSON_I32,      /* int32_t */
	JSON_U32,      /* uint32_t */
	JSON_I64,      /* int64_t */
	JSON_U64,      /* uint64_t */
	JSON_F64,      /* double */
	JSON_STR,      /* const char *; NULL: absent */
	JSON_RAW,      /* struct json_raw; on writing inserted as it is */
	JSON_STRS,     /* struct json_strs */
	JSON_I64S,     /* struct json_i64s */
	JSON_U32S,     /* struct json_u32s */
	JSON_MAP,      /* struct json_map */
	JSON_OBJ,      /* T *; NULL: absent */
	JSON_OBJS,     /* struct { T *v; size_t n; }: array of objects */
	JSON_MAP_OBJS, /* the same struct for {"key": {…}}: T's first member is `const char *key` */
	JSON_SET,      /* struct json_strs for {"key": {}}: Go's map[string]struct{} (Volumes) */
};

enum json_field_flags {
	JSON_REQUIRED = 1 << 0, /* reading without the key is an error */
	JSON_ALWAYS = 1 << 1,	/* written even when absent, as "", 0, false, [], {} or null */
	JSON_FOLD = 1 << 2,	/* the key is matched without regard to case, as Go does */
	JSON_HAS = 1 << 3,	/* `has` counts; JSON_ROW_HAS sets it */
};

struct json_field {
	const char *key;
	uint8_t kind;
	uint8_t flags;
	uint16_t offset;
	/* With JSON_HAS: offset of the bool that says "was there", for scalars whose 0 has a meaning. */
	uint16_t has;
	const struct json_table *sub; /* JSON_OBJ, JSON_OBJS, JSON_MAP_OBJS */
};

/* At most JSON_FIELDS_MAX rows; a key stands in one row only. */
#define JSON_FIELDS_MAX 256

struct json_table {
	const char *name; /* for errors: "process" */
	size_t size;	  /* sizeof the struct */
	const struct json_field *fields;
	size_t n;
};

/* Whether a member's type is the one its kind says; a wrong row does not compile. */
#define JSON_IS(type, member) __builtin_types_compatible_p(type, __typeof__(member))
#define JSON_FITS(kind_, member)                                    \
	((kind_) == JSON_BOOL	? JSON_IS(bool, member)             \
	 : (kind_) == JSON_I32	? JSON_IS(int32_t, member)          \
	 : (kind_) == JSON_U32	? JSON_IS(uint32_t, member)         \
	 : (kind_) == JSON_I64	? JSON_IS(int64_t, member)          \
	 : (kind_) == JSON_U64	? JSON_IS(uint64_t, member)         \
	 : (kind_) == JSON_F64	? JSON_IS(double, member)           \
	 : (kind_) == JSON_STR	? JSON_IS(const char *, member)     \
	 : (kind_) == JSON_RAW	? JSON_IS(struct json_raw, member)  \
	 : (kind_) == JSON_STRS ? JSON_IS(struct json_strs, member) \
	 : (kind_) == JSON_SET	? JSON_IS(struct json_strs, member) \
	 : (kind_) == JSON_I64S ? JSON_IS(struct json_i64s, member) \
	 : (kind_) == JSON_U32S ? JSON_IS(struct json_u32s, member) \
	 : (kind_) == JSON_MAP	? JSON_IS(struct json_map, member)  \
	 : (kind_) == JSON_OBJ	? sizeof(member) == sizeof(void *)  \
				: sizeof(member) == sizeof(struct json_objs))
#define JSON_OFFSET(s, m, kind_) \
	(offsetof(struct s, m) + 0 * sizeof(char[JSON_FITS(kind_, ((struct s *)0)->m) ? 1 : -1]))

#define JSON_ROW(s, m, k, kind_, flags_)                            \
	{                                                           \
		k, kind_, flags_, JSON_OFFSET(s, m, kind_), 0, NULL \
	}
#define JSON_ROW_HAS(s, m, k, kind_, flags_)                             \
	{                                                                \
		k, kind_, (flags_) | JSON_HAS, JSON_OFFSET(s, m, kind_), \
			offsetof(struct s, has_##m), NULL                \
	}
#define JSON_ROW_SUB(s, m, k, kind_, flags_, table)                     \
	{                                                               \
		k, kind_, flags_, JSON_OFFSET(s, m, kind_), 0, &(table) \
	}
#define JSON_TABLE(var, name_, s, rows)                                \
	const struct json_table var = { name_, sizeof(struct s), rows, \
					sizeof(rows) / sizeof((rows)[0]) }

struct json_limits {
	size_t bytes; /* 0: LIMIT_SPEC_BYTES */
	size_t depth; /* 0: LIMIT_JSON_DEPTH */
	size_t nodes; /* 0: LIMIT_JSON_NODES */
};

/*
 * Reads one object into `*ret` (table->size bytes, zeroed first). Strings and arrays live in `a`; nothing
 * points into `text` afterwards. `lim` may be NULL. Errors: -EBADMSG for wrong JSON ("line 3: …" with the
 * path of the key: "process.rlimits[2].soft: …"), -E2BIG beyond a limit, -ENOMEM beyond the arena's budget.
 */
int json_read(const struct json_table *t, const char *text, size_t len,
	      const struct json_limits *lim, struct arena *a, void *ret, struct err *e);

/* As json_read for a text that is an array of objects. */
int json_read_array(const struct json_table *t, const char *text, size_t len,
		    const struct json_limits *lim, struct arena *a, struct json_objs *ret,
		    struct err *e);

/* As json_read for a text {"key": "value", …}. */
int json_read_map(const char *text, size_t len, const struct json_limits *lim, struct arena *a,
		  struct json_map *ret, struct err *e);

/* Checks one whole JSON text of any kind without storing anything. */
int json_check(const char *text, size_t len, const struct json_limits *lim, struct err *e);

enum json_write_flags {
	JSON_PRETTY = 1 << 0,	   /* one value per line, indented by four spaces */
	JSON_TABS = 1 << 1,	   /* with JSON_PRETTY: tabs instead of four spaces */
	JSON_ESCAPE_HTML = 1 << 2, /* <, >, & as \u003c…, as Go's encoder does */
};

/*
 * Appends the object. Absent members (NULL, n == 0, has false, zero without `has`) are left out unless
 * JSON_ALWAYS.
 */
void json_write(const struct json_table *t, const void *obj, unsigned int flags,
		struct strbuf *out);

/*
 * A writer for texts that no table describes. Calls nest; commas, quoting and indentation are its work.
 * `key` is NULL inside arrays and at the top.
 */
struct json_writer {
	struct strbuf *out; /* borrowed */
	unsigned int flags;
	unsigned int depth;
	bool needs_comma;
};
void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);
void json_put_str(struct json_writer *w, const char *key, const char *value); /* NULL writes null */
void json_put_strn(struct json_writer *w, const char *key, const char *value, size_t len);
void json_put_i64(struct json_writer *w, const char *key, int64_t value);
void json_put_u64(struct json_writer *w, const char *key, uint64_t value);
void json_put_f64(struct json_writer *w, const char *key, double value);
void json_put_bool(struct json_writer *w, const char *key, bool value);
void json_put_null(struct json_writer *w, const char *key);
void json_put_raw(struct json_writer *w, const char *key, const char *text, size_t len);
void json_put_obj(struct json_writer *w, const char *key, const struct json_table *t,
		  const void *obj);

/*
 * The pull reader itself, for texts whose shape a table cannot say. Opaque but for its place on the
 * caller's stack; json_next gives one token at a time, json_skip jumps over the value that comes.
 */
enum json_token {
	JSON_T_ERROR = -1,
	JSON_T_END,
	JSON_T_OBJECT,
	JSON_T_OBJECT_END,
	JSON_T_ARRAY,
	JSON_T_ARRAY_END,
	JSON_T_KEY,    /* text, len */
	JSON_T_STRING, /* text, len */
	JSON_T_NUMBER, /* text, len: as written */
	JSON_T_TRUE,
	JSON_T_FALSE,
	JSON_T_NULL,
};

/* A key of an object that is still open. */
struct json_key {
	const char *p;
	uint32_t len, hash, slot;
};

#define JSON_KEYS_INLINE 32

struct json_reader {
	const char *start, *p, *end;
	struct arena *arena; /* borrowed: decoded strings */
	struct json_limits lim;
	size_t depth, nodes;
	const char *text; /* last key or string, with a NUL in the arena; last number, without */
	size_t len;
	int r;		/* -errno after JSON_T_ERROR */
	struct err *e;	/* borrowed */
	const char *at; /* where the last token begins in the text */
	/* The rest is the reader's own. */
	unsigned char state;
	bool is_escaped; /* the last string has escapes */
	bool is_array[LIMIT_JSON_DEPTH];
	uint32_t level[LIMIT_JSON_DEPTH]; /* elements begun, or an object's first key in `keys` */
	/* Keys of all open objects, and a hash table of places + 1 in it; both grow in the arena. */
	struct json_key *keys;
	uint32_t *slots;
	uint32_t keys_len, keys_cap, slots_cap;
	uint64_t seed;
	struct json_key keys_inline[JSON_KEYS_INLINE];
	uint32_t slots_inline[2 * JSON_KEYS_INLINE];
};
/* `lim` may be NULL. The reader must not be moved afterwards; there is nothing to free but the arena. */
void json_reader_init(struct json_reader *rd, const char *text, size_t len,
		      const struct json_limits *lim, struct arena *a, struct err *e);
/* The next token; JSON_T_END and JSON_T_ERROR repeat. */
enum json_token json_next(struct json_reader *rd);
/*
 * Makes an error of the caller's own with line and key path; the reader gives JSON_T_ERROR from then on.
 * Returns `r`.
 */
int json_fail(struct json_reader *rd, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * Skips the next value whole, or a key and its value; the value's own text goes to `*ret` when not NULL
 * and points into the text that is read. 0 or -errno.
 */
int json_skip(struct json_reader *rd, struct json_raw *ret);
/*
 * Behind an object's begin, goes to its end: a key that has no row is -EBADMSG, and so it is in objects of rows that are
 * JSON_OBJ or JSON_OBJS. For texts where a misspelt key must not be passed over.
 */
int json_check_keys(struct json_reader *rd, const struct json_table *t);
