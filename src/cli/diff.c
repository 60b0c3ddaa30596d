/* diff */
#include <stdio.h>

#include "cli/commands.h"

static const struct opt diff_rows[] = { OPT_END };

static int print_change(void *data, char kind, const char *path)
{
	(void)data;
	printf("%c %s\n", kind, path);
	return 0;
}

static int diff_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, NULL, &code), r;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = engine_container_diff(c->engine, argv[first], print_change, NULL, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_diff = {
	.name = "diff",
	.usage = "CONTAINER",
	.summary = "Inspect changes to files or directories on a container's filesystem",
	.rows = diff_rows,
	.args_min = 1,
	.args_max = 1,
	.run = diff_main,
};
