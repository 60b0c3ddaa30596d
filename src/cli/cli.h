#pragma once
/*
 * The command line: one file per command, option rows, docker's grammar, columns and exit codes.
 *
 * Is not: a place for rules about containers (engine has them). Every command gets its arguments with its own
 * name as argv[0], parses them with its rows, and returns the process's exit code.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "engine/engine.h"

/* Exit codes of run and exec (docker's): own failure, cannot execute, not found. */
#define EXIT_OWN_FAILURE 125
#define EXIT_CANNOT_EXECUTE 126
#define EXIT_COMMAND_NOT_FOUND 127

struct cli {
	struct engine_options options;
	struct engine *engine; /* open after cli_engine() */
	bool is_debug;
};

struct cli_command {
	const char *name;    /* as typed: "run"; of a group's own member "image tags" */
	const char *usage;   /* "[OPTIONS] IMAGE [COMMAND] [ARG...]" */
	const char *summary; /* one sentence, capital first, no dot */
	const struct opt *rows;
	unsigned int parse_flags;
	int args_min, args_max; /* positional; max -1: any number */
	bool is_hidden;
	int (*run)(struct cli *c, const struct cli_command *cmd, int argc, char **argv);
	const struct cli_member
		*members; /* of a group, the last one without a name; NULL: no group */
	const char *
		missing; /* of a group: " word word ", what people will type and is not there yet */
};

/* A word behind a group's name. Commands that stand alone too ("image pull") are the same row. */
struct cli_member {
	const char *name;
	const struct cli_command *command;
};

extern const struct cli_command
	*const cli_commands[]; /* NULL-terminated, in the order of the help */

/* The whole program. */
int cli_main(int argc, char **argv);

/* `run` of every group: its help, or the member that argv[1] names. */
int cli_group_main(struct cli *c, const struct cli_command *group, int argc, char **argv);

/* The engine, opened at its first use; NULL after an error that was told to the user. */
struct engine *cli_engine(struct cli *c);

/* "corten: words" on standard error. Returns `code`. */
int cli_fail(const struct err *e, int r, int code);
int cli_failf(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Parses the options of a command into `target` and checks the number of arguments. Returns the index of the
 * first positional one, or -1 when the command is to end with `*ret_code` (help was asked: 0, or an error).
 */
int cli_parse(const struct cli_command *cmd, int argc, char **argv, void *target, int *ret_code);

/* The exit code of run/exec for an error of a start, by docker's rules on its words. */
int cli_start_code(const struct err *e, int r);

/* ---- confirm.c ---- */
/* Prints the warning and docker's question; true for a "y" on standard input. */
bool cli_confirm(const char *warning);

/* ---- human.c ---- */
#define HUMAN_MAX 48
/* "5 minutes", "About an hour", "3 weeks", as docker's units package says it. */
const char *human_duration(int64_t ns, char buf[HUMAN_MAX]);
/* "1.23MB" (1000-based, four digits of precision), as docker shows sizes. */
const char *human_size(int64_t bytes, char buf[HUMAN_MAX]);
/* "Up 5 minutes", "Exited (0) 3 hours ago", "Created". In the arena. */
const char *human_status(const struct engine_container *c, struct arena *a);

/* ---- table.c ---- */
/* Rows of cells that are printed as docker's tables, as JSON lines, or through a template. */
struct table;
struct table_column {
	const char *key;    /* "ID", for templates and JSON */
	const char *header; /* "CONTAINER ID" */
	bool is_hidden;	    /* not in the default table */
};
int table_new(const struct table_column *columns, size_t n, struct table **ret);
void table_free(struct table *t);
/* A row of `n` cells, copied. */
int table_add(struct table *t, const char *const *cells);
/* `format`: NULL or "table" for the table, "json", "table {{.A}}\t{{.B}}", or a template. */
int table_print(const struct table *t, const char *format, struct err *e);

/* ---- template.c ---- */
/* Prints `{{.A.B}}`, `{{json .A}}`, `{{len .A}}` and text over one JSON object. -EOPNOTSUPP names what is more. */
int template_print(const char *tmpl, const char *json, size_t len, struct strbuf *out,
		   struct err *e);

/* ---- session.c: stdio of a foreground process ---- */
struct session_options {
	int task_fd;	     /* borrowed */
	const char *exec_id; /* NULL: the init */
	bool has_stdin, has_output, is_terminal, is_owner, is_sig_proxy;
	const char *detach_keys; /* NULL: "ctrl-p,ctrl-q" */
	const char *id;		 /* container, for signals */
};
struct session;
/* Attaches, before the process starts. */
int session_open(struct cli *c, const struct session_options *o, struct session **ret,
		 struct err *e);
/*
 * Carries bytes until the process ends: `*ret_status` is its exit code; or until the user detaches:
 * `*ret_detached`. The terminal is as before afterwards, whatever happens.
 */
int session_run(struct session *s, int *ret_status, bool *ret_detached, struct err *e);
void session_free(struct session *s);

/* ---- tty.c ---- */
struct termios;
/* Raw mode; the old settings go to `saved`. 0 or -errno. */
int tty_raw(int fd, struct termios *saved);
void tty_restore(int fd, const struct termios *saved);
int tty_size(int fd, uint16_t *ret_width, uint16_t *ret_height);
/* "ctrl-p,ctrl-q", "a,ctrl-@": key bytes. -EINVAL. At most 16 keys. */
struct detach_keys {
	uint8_t keys[16];
	size_t n, matched;
};
int detach_parse(const char *s, struct detach_keys *ret, struct err *e);
/*
 * Filters typed bytes: copies what belongs to the process to `out` (room for len + 16) and returns its length;
 * `*ret_detached` when the sequence was completed.
 */
size_t detach_filter(struct detach_keys *d, const uint8_t *in, size_t len, uint8_t *out,
		     bool *ret_detached);
