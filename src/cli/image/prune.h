#pragma once
/* What image prune and system prune have in common. */
#include <stdint.h>

#include "base/opt.h"

struct cli;
struct cli_command;
struct err;
struct image_prune_options;

/* The option rows of both; ended by OPT_END. */
extern const struct opt prune_rows[];

struct prune_kind {
	/* What is asked before, without and with --all. */
	const char *warning, *warning_all;
	/* With the engine open. 0 or -errno. */
	int (*run)(struct cli *c, const struct image_prune_options *o, struct err *e);
};

/* Options, filters, the question, then kind->run. The command's exit code. */
int prune_command(struct cli *c, const struct cli_command *cmd, int argc, char **argv,
		  const struct prune_kind *kind);
/* Removes images and says so, and how much came free: `reclaimed` bytes before, and now. 0 or -errno. */
int prune_images(struct cli *c, const struct image_prune_options *o, int64_t reclaimed,
		 struct err *e);
