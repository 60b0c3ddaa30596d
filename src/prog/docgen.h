#pragma once
/*
 * corten-docgen's parts: manual pages (mdoc) and completions (bash, zsh, fish) from the option rows.
 *
 * Runs at build time only and is not installed. Output depends on the rows and texts alone, so that two
 * builds are the same.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/manual.h"

/*
 * A command, a group, or a member of a group ("image pull"), which comes right behind its group. A member that stands alone too
 * (`page` is then another's) has completions of its own and shares the page.
 */
struct doc_command {
	const char *name, *usage, *summary;
	const char *page; /* "image-unpack": of corten-image-unpack(1) */
	size_t members;	  /* of a group: how many follow */
	bool is_member;
	const struct opt *rows; /* ends with OPT_END; never NULL */
	unsigned int parse_flags;
	const struct manual *manual; /* NULL: none */
};

struct doc_program {
	const char *name, *summary;
	int section;
	const struct opt *rows;
	const struct manual *manual;
	struct doc_command *commands; /* groups and their members too */
	size_t commands_n;
};

/* ---- docgen_collect.c ---- */
/* What the programs are, in the arena. `corten` from its tables, its global options and the runtime from their help. */
int doc_collect_corten(struct arena *a, struct doc_program *ret, struct err *e);
int doc_collect_runtime(struct arena *a, struct doc_program *ret, struct err *e);

/* Whether the command has a page of its own. */
bool doc_has_page(const struct doc_command *c);
/* The last word of its name. */
const char *doc_last_word(const struct doc_command *c);

/* True for rows that a reader sees: not hidden, not unsupported. */
bool doc_is_shown(const struct opt *o);
bool doc_is_missing(const struct opt *o);
bool doc_takes_value(const struct opt *o);
static inline bool doc_is_last(const struct opt *o)
{
	return !o->name && !o->letter;
}

/* ---- docgen_man.c ---- */
/* corten.1, corten-<command>.1 */
void man_program(FILE *f, const struct doc_program *p);
void man_command(FILE *f, const struct doc_program *p, const struct doc_command *c);
/* One page for a program with all its commands. */
void man_whole(FILE *f, const struct doc_program *p);

/* ---- docgen_complete.c ---- */
enum doc_value {
	DOC_VALUE_ANY,
	DOC_VALUE_FILE,
	DOC_VALUE_DIR,
	DOC_VALUE_WORDS,
};
/* What the value of an option may be; `*ret_words` for DOC_VALUE_WORDS, parted by spaces. */
enum doc_value doc_value_kind(const struct opt *o, const char **ret_words);

enum doc_operand {
	DOC_OPERAND_NONE,
	DOC_OPERAND_CONTAINER,
	DOC_OPERAND_RUNNING,
	DOC_OPERAND_IMAGE,
	DOC_OPERAND_BOTH,
};
/* What the positional arguments of a command are; `*ret_many` when all are, not only the first. */
enum doc_operand doc_operand_kind(const struct doc_command *c, bool *ret_many);

void complete_bash(FILE *f, const struct doc_program *p);
void complete_zsh(FILE *f, const struct doc_program *p);
void complete_fish(FILE *f, const struct doc_program *p);
