#pragma once
/*
 * Command line options as rows: the parser, `--help`, the manual pages and the completions come from them.
 *
 * A row says where the value goes (offset into the command's own struct). Forms: `--name v`, `--name=v`,
 * `-n v`, `-nv`, `-n=v`, grouped one-letter switches (`-it`), `--switch=false`; `--` ends the options.
 * A row of kind OPT_UNSUPPORTED is known and named in a clear error. Safe after fork: yes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;

enum opt_kind {
	OPT_BOOL,	     /* bool */
	OPT_STR,	     /* const char *, borrowed from argv; the last one wins */
	OPT_STRV,	     /* char **, grows (strv); owned by the target struct */
	OPT_I64,	     /* int64_t */
	OPT_U32,	     /* uint32_t */
	OPT_BYTES,	     /* int64_t, with unit */
	OPT_DURATION,	     /* int64_t ns, Go's form */
	OPT_CPUS,	     /* int64_t, billionths of a CPU: "1.5" */
	OPT_TRISTATE,	     /* int: -1 must be preset; 0 or 1 after the option */
	OPT_UNSUPPORTED,     /* takes no value: error "option '--x' is not supported yet" */
	OPT_UNSUPPORTED_ARG, /* as above for an option that has a value */
};

enum opt_row_flags {
	OPT_HIDDEN = 1 << 0, /* not in help */
	OPT_GO = 1 << 1, /* the long name is taken with one dash too, as Go's flag package does */
	OPT_IGNORED =
		1
		<< 2, /* accepted without effect, because its effect is always there; help says so */
};

struct opt {
	const char *name; /* long name without dashes; NULL: only the letter */
	char letter;	  /* 0: none */
	uint8_t kind;
	uint8_t flags;
	uint16_t offset;
	const char *arg;  /* the value's name in help: "string", "bytes"; NULL for switches */
	const char *help; /* one sentence, capital first, no dot */
	const char *env;  /* an environment variable that gives the default, or NULL */
};

#define OPT_END                                    \
	{                                          \
		NULL, 0, 0, 0, 0, NULL, NULL, NULL \
	}

enum opt_parse_flags {
	OPT_STOP_AT_POSITIONAL = 1 << 0, /* `run IMAGE cmd -x`: -x is the command's */
	OPT_ALL_GO = 1 << 1,		 /* every long name is taken with one dash too */
};

/*
 * Parses argv[1..]; values go to `target`. Positional arguments are moved behind the options, and
 * `*ret_first` is the index of the first of them. `*ret_help` is set when `--help` or, where no row takes
 * the letter, `-h` stands there. Errors (-EINVAL) have docker's words: "unknown flag: --x", "unknown
 * shorthand flag: 'x' in -xy", "flag needs an argument: --x", "invalid argument \"v\" for \"-m, --memory\" flag: …".
 */
int opt_parse(const struct opt *rows, unsigned int flags, int argc, char **argv, void *target,
	      int *ret_first, bool *ret_help, struct err *e);

/* Sets values from the rows' environment variables; call before opt_parse. */
int opt_from_env(const struct opt *rows, void *target, struct err *e);

/* The "Options:" part of a help text, in docker's layout, sorted by name. */
void opt_print_help(const struct opt *rows, FILE *f);
