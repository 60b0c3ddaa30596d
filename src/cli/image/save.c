/* save, export: archives to a file or a pipe */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rand.h"
#include "cli/commands.h"
#include "image/forms/forms.h"

/* A file that is whole or not there: written beside its name, then renamed. Standard output is written as it is. */
struct output {
	const char *name; /* NULL: standard output */
	char *part;
	int fd;
};

static int output_open(struct output *o, const char *name, struct err *e)
{
	char hex[17];
	struct stat st;

	*o = (struct output){ .name = name, .fd = -EBADF };
	if (!name) {
		if (isatty(1))
			return err_set(
				e, -EINVAL,
				"cowardly refusing to save to a terminal. Use the -o flag or redirect");
		o->fd = dup(1);
		return o->fd < 0 ? err_sys(e, -errno, "standard output") : 0;
	}
	if (stat(name, &st) == 0 && !S_ISREG(st.st_mode)) {
		o->name = NULL;
		o->fd = open(name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return o->fd < 0 ? err_sys(e, -errno, "open %s", name) : 0;
	}
	rand_hex(hex, 16);
	o->part = str_printf("%s.%s", name, hex);
	if (!o->part)
		return err_sys(e, -ENOMEM, "%s", name);
	o->fd = open(o->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return o->fd < 0 ? err_sys(e, -errno, "create %s", name) : 0;
}

static int output_close(struct output *o, int r, struct err *e)
{
	if (r == 0 && o->part && rename(o->part, o->name) < 0)
		r = err_sys(e, -errno, "create %s", o->name);
	if (r < 0 && o->part)
		unlink(o->part);
	fd_closep(&o->fd);
	free(o->part);
	return r;
}

struct save_options {
	const char *output;
};

#define OUTPUT_ROW                                                                          \
	{                                                                                   \
		"output", 'o', OPT_STR, 0, offsetof(struct save_options, output), "string", \
			"Write to a file, instead of STDOUT", NULL                          \
	}

static const struct opt save_rows[] = {
	OUTPUT_ROW,
	{ "platform", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	OPT_END,
};
static const struct opt export_rows[] = { OUTPUT_ROW, OPT_END };

static int save_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct save_options o = { 0 };
	struct err e = ERR_INIT;
	struct output out;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = output_open(&out, o.output, &e);
	if (r == 0)
		r = image_save(engine_store(c->engine), engine_ns(c->engine), argv + first, out.fd,
			       &e);
	r = output_close(&out, r, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

static int export_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct save_options o = { 0 };
	struct err e = ERR_INIT;
	struct output out;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = output_open(&out, o.output, &e);
	if (r == 0)
		r = engine_container_export(c->engine, argv[first], out.fd, &e);
	r = output_close(&out, r, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_save = {
	.name = "save",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Save one or more images to a tar archive (streamed to STDOUT by default)",
	.rows = save_rows,
	.args_min = 1,
	.args_max = -1,
	.run = save_main,
};
const struct cli_command cli_export = {
	.name = "export",
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Export a container's filesystem as a tar archive",
	.rows = export_rows,
	.args_min = 1,
	.args_max = 1,
	.run = export_main,
};
