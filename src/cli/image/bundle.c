/* image unpack, image repack */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/image/new.h"
#include "image/forms/forms.h"

static const struct opt unpack_rows[] = { OPT_END };

static int unpack_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, NULL, &code), r;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = engine_bundle_unpack(c->engine, argv[first], argv[first + 1], &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

struct repack_options {
	const char *author, *message, *compression;
	char **changes;
};

static const struct opt repack_rows[] = {
	{ "author", 'a', OPT_STR, 0, offsetof(struct repack_options, author), "string",
	  "Author of the new layer", NULL },
	CHANGE_ROW(repack_options),
	COMPRESSION_ROW(repack_options),
	MESSAGE_ROW(repack_options),
	OPT_END,
};

static int repack(struct cli *c, const struct repack_options *o, const char *bundle,
		  const char *name, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_new_options n = { .name = name,
				       .author = o->author,
				       .message = o->message,
				       .created_by = "corten image repack",
				       .changes = o->changes,
				       .compression = cli_compression(o->compression, e) };
	const char *id;
	int r;

	if (n.compression < 0)
		return n.compression;
	r = image_bundle_repack(engine_store(c->engine), engine_ns(c->engine), bundle, &n, &a, &id,
				e);
	if (r == 0)
		puts(id);
	return r;
}

static int repack_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct repack_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;

	if (first >= 0) {
		code = 1;
		if (cli_engine(c)) {
			r = repack(c, &o, argv[first], argv[first + 1], &e);
			code = r < 0 ? cli_fail(&e, r, 1) : 0;
		}
	}
	strv_free(o.changes);
	return code;
}

const struct cli_command cli_image_unpack = {
	.name = "image unpack",
	.usage = "IMAGE BUNDLE",
	.summary = "Unpack an image into an OCI bundle",
	.rows = unpack_rows,
	.args_min = 2,
	.args_max = 2,
	.run = unpack_main,
};
const struct cli_command cli_image_repack = {
	.name = "image repack",
	.usage = "[OPTIONS] BUNDLE IMAGE[:TAG]",
	.summary = "Make a new image of what changed in a bundle",
	.rows = repack_rows,
	.args_min = 2,
	.args_max = 2,
	.run = repack_main,
};
