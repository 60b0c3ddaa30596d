#pragma once
/*
 * What the manual pages say beyond the option rows: descriptions, examples, exit codes.
 *
 * Is: text, linked by corten-docgen only. Is not: a second place for options; those come from the rows.
 * Paragraphs are plain words: a sentence ends in a dot and a space, words that begin with a dash are options.
 */
#include <stddef.h>

/* The date that the pages bear: of the last change to their text, so that builds are the same. */
#define MANUAL_DATE "November 22, 2026"

/* A term and what it means: an exit code, a file, an environment variable, an example's command. */
struct manual_item {
	const char *term, *text;
};

struct manual {
	const char *command;		    /* "" is the program's own page */
	const char *const *paragraphs;	    /* NULL-terminated */
	const struct manual_item *exits;    /* rows end with a NULL term, here and below */
	const struct manual_item *examples; /* term: the command, text: what it does */
	const char *related;		    /* commands, parted by spaces, in alphabetical order */
};

/* The texts of a command, or NULL. */
const struct manual *manual_find(const char *command);

extern const struct manual_item manual_environment[], manual_files[];

/* The texts of corten-runtime's page. */
extern const struct manual manual_runtime;
