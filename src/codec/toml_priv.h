#pragma once
/* What the parts of the TOML reader share besides toml.h. Not for other modules. */
#include "base/mem.h"
#include "codec/toml.h"

/* By what a table or an array came to be: decides what may be added to it later. */
enum toml_how {
	TOML_PLAIN,
	TOML_DEFINED,	/* a header of its own, or the root */
	TOML_IMPLIED,	/* a longer header; its own may follow once */
	TOML_DOTTED,	/* a dotted key */
	TOML_INLINE,	/* closed */
	TOML_OF_TABLES, /* an array that headers in double brackets made */
};

struct toml_parser {
	const char *p, *end;
	uint32_t line;
	size_t nodes;
	struct toml_limits lim;
	struct arena *a;
	struct err *e;
};

/* "line N: words". Returns -EBADMSG. */
int toml_bad(struct toml_parser *ps, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void toml_skip_space(struct toml_parser *ps);
bool toml_take(struct toml_parser *ps, char c);
bool toml_take_newline(struct toml_parser *ps);
/* A comment up to its line's end, if one begins here. */
int toml_skip_comment(struct toml_parser *ps);
int toml_node(struct toml_parser *ps, enum toml_kind kind, enum toml_how how, struct toml **ret);
void toml_append(struct toml *to, struct toml *n);
int toml_check_depth(struct toml_parser *ps, size_t depth);
/* "key = value" into the table, which is `depth` deep. */
int toml_read_pair(struct toml_parser *ps, struct toml *table, size_t depth);

/* toml_value.c. The string begins with a quote and is of one line. */
int toml_read_line_string(struct toml_parser *ps, const char **ret);
int toml_read_value(struct toml_parser *ps, size_t depth, struct toml **ret);

static inline bool toml_is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}
