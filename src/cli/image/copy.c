/* image copy: from one place to another, without an image here in between. */
#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/image/layers.h"
#include "image/image.h"

struct copy_options {
	const char *platform;
	bool is_all, is_quiet;
};

static const struct opt copy_rows[] = {
	{ "all", 'a', OPT_BOOL, 0, offsetof(struct copy_options, is_all), NULL,
	  "Copy an index with all its images", NULL },
	{ "platform", 0, OPT_STR, 0, offsetof(struct copy_options, platform), "string",
	  "Choose this platform of an index: os/arch[/variant]", NULL },
	{ "quiet", 'q', OPT_BOOL, 0, offsetof(struct copy_options, is_quiet), NULL,
	  "Suppress verbose output", NULL },
	OPT_END,
};

static int copy_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	AUTO_ARENA struct arena a = { 0 };
	struct copy_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;
	struct layers_view v = { .is_quiet = o.is_quiet };
	struct image_copied done;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	/* An archive that goes to standard output is alone there. */
	v.out = str_ends(argv[first + 1], ":/dev/stdout") ? stderr : stdout;
	v.is_terminal = isatty(fileno(v.out));
	r = image_copy(engine_store(c->engine), engine_ns(c->engine), argv[first], argv[first + 1],
		       &(struct image_copy_options){
			       .platform = o.platform,
			       .is_all = o.is_all,
			       .told = layers_tell,
			       .warned = layers_warn,
			       .progress = layers_show,
			       .data = &v,
		       },
		       &a, &done, &e);
	layers_clear(&v);
	if (r < 0)
		return cli_fail(&e, r, 1);
	fprintf(v.out, "%s\n", done.digest);
	return 0;
}

const struct cli_command cli_image_copy = {
	"image copy",
	"[OPTIONS] SOURCE DESTINATION",
	"Copy an image between registries (docker://), the store (corten:), folders (oci:, dir:) and archives (oci-archive:, docker-archive:)",
	copy_rows,
	0,
	2,
	2,
	false,
	copy_main,
};
