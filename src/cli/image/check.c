/* image check */
#include <stdio.h>

#include "cli/commands.h"
#include "image/image.h"

struct check_options {
	bool is_repair, is_quiet, is_deep;
};

static const struct opt check_rows[] = {
	{ "deep", 0, OPT_BOOL, 0, offsetof(struct check_options, is_deep), NULL,
	  "Compare the contents of layers with their blobs too, which takes as long as a load",
	  NULL },
	{ "quiet", 'q', OPT_BOOL, 0, offsetof(struct check_options, is_quiet), NULL,
	  "Print nothing; the exit code says it", NULL },
	{ "repair", 0, OPT_BOOL, 0, offsetof(struct check_options, is_repair), NULL,
	  "Drop damaged blobs, make damaged layers again, remove what belongs to nothing", NULL },
	OPT_END,
};

static void told(void *data, enum image_finding finding, const char *what, const char *words)
{
	static const char *const names[] = {
		[IMAGE_DAMAGED] = "damaged", [IMAGE_SUSPECT] = "suspect",
		[IMAGE_DROPPED] = "dropped", [IMAGE_REPAIRED] = "repaired",
		[IMAGE_LOST] = "lost",	     [IMAGE_ORPHANS] = "orphans",
	};
	const struct check_options *o = data;

	if (!o->is_quiet)
		printf("%s: %s: %s\n", names[finding], what, words);
}

static int check_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_checked done;
	struct check_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;
	bool is_bad;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = image_check(
		engine_store(c->engine), engine_ns(c->engine), first < argc ? argv[first] : NULL,
		&(struct image_check_options){
			.is_repair = o.is_repair, .is_deep = o.is_deep, .told = told, .data = &o },
		&a, &done, &e);
	if (r < 0)
		return cli_fail(&e, r, 1);
	is_bad = o.is_repair ? done.lost > 0 : done.damaged + done.lost + done.orphans > 0;
	if (!o.is_quiet)
		printf("%zu images, %zu layers, %zu blobs: %zu damaged, %zu repaired, %zu lost\n",
		       done.images, done.layers, done.blobs, done.damaged, done.repaired,
		       done.lost);
	return is_bad;
}

const struct cli_command cli_image_check = {
	.name = "image check",
	.usage = "[OPTIONS] [IMAGE]",
	.summary = "Compare images with what lies on disk, and repair",
	.rows = check_rows,
	.args_max = 1,
	.run = check_main,
};
