#pragma once
/*
 * The commands of corten-runtime: runc's grammar, words and exit codes, one row of a table per command.
 * runc 1.5 and crun 1.28 man pages; facts of the compatibility contract are in docs/.
 */
#include "base/opt.h"
#include "oci/run.h"

struct err;

struct cmd {
	const char *name;
	const char *args; /* as usage shows them: "<container-id>" */
	const char *help;
	int args_min, args_max; /* positional; max -1: any number */
	uint8_t flags;
	int (*run)(const struct runtime *rt, int argc, char **argv,
		   struct err *e); /* exit code or -errno */
};

enum cmd_flags {
	CMD_HIDDEN = 1 << 0,
};

extern const struct cmd cmd_rows[];

/* The whole program behind its main: parses, runs, reports. Returns the exit code. */
int cmd_main(int argc, char **argv);

/*
 * Parses a command's own options. Returns the index of the first positional argument, or -errno with
 * runc's words (-ECANCELED when help was asked for and given).
 */
int cmd_parse(const char *name, const struct opt *rows, unsigned int flags, int argc, char **argv,
	      void *target, struct err *e);

/* An existing container, opened for a command. */
struct cmd_container {
	struct arena arena;
	int root, dir;
	struct state *state; /* NULL: no state.json (a runtime was killed while creating) */
	struct cg_host host;
	struct cgroup cg; /* after cmd_cgroup */
};
int cmd_open(const struct runtime *rt, const char *id, struct cmd_container *c, struct err *e);
int cmd_cgroup(struct cmd_container *c, struct err *e);
void cmd_done(struct cmd_container *c);
#define AUTO_CONTAINER CLEANUP(cmd_done) struct cmd_container
/* The bundle's config of a container, or an error. */
int cmd_spec(struct cmd_container *c, struct oci_spec **ret, struct err *e);

#define CMD_DECLARE(n) int cmd_##n(const struct runtime *rt, int argc, char **argv, struct err *e)
CMD_DECLARE(checkpoint);
CMD_DECLARE(create);
CMD_DECLARE(delete);
CMD_DECLARE(events);
CMD_DECLARE(exec);
CMD_DECLARE(features);
CMD_DECLARE(kill);
CMD_DECLARE(list);
CMD_DECLARE(mounts);
CMD_DECLARE(pause);
CMD_DECLARE(plan);
CMD_DECLARE(ps);
CMD_DECLARE(restore);
CMD_DECLARE(resume);
CMD_DECLARE(run);
CMD_DECLARE(spec_file);
CMD_DECLARE(start);
CMD_DECLARE(state);
CMD_DECLARE(update);
