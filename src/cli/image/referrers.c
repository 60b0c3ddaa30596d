/* image referrers: what has a manifest of a registry as its subject. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/image/layers.h"
#include "image/image.h"

struct referrers_options {
	const char *artifact_type, *format;
};

static const struct opt referrers_rows[] = {
	{ "artifact-type", 0, OPT_STR, 0, offsetof(struct referrers_options, artifact_type),
	  "string", "Only those of this artifact type", NULL },
	{ "format", 0, OPT_STR, 0, offsetof(struct referrers_options, format), "string",
	  "Format output: table, json, 'table TEMPLATE' or 'TEMPLATE'", NULL },
	OPT_END,
};

static const struct table_column columns[] = {
	{ "Digest", "DIGEST", false },
	{ "ArtifactType", "ARTIFACT TYPE", false },
	{ "Size", "SIZE", false },
	{ "MediaType", "MEDIA TYPE", true },
};

static int list(const char *what, const struct referrers_options *o, struct table *t, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct layers_view view = { .out = stdout };
	struct image_referrer *v;
	size_t n = 0;
	int r = image_remote_referrers(what, o->artifact_type,
				       &(struct image_remote_options){ .warned = layers_warn,
								       .data = &view },
				       &a, &v, &n, e);

	for (size_t i = 0; r == 0 && i < n; i++) {
		AUTO_FREE char *size = str_printf("%lld", (long long)v[i].size);

		if (!size)
			return -ENOMEM;
		r = table_add(t, (const char *[]){ v[i].digest, v[i].artifact_type, size,
						   v[i].media_type });
	}
	return r < 0 ? r : table_print(t, o->format, e);
}

static int referrers_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct referrers_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;
	struct table *t = NULL;

	(void)c;
	if (first < 0)
		return code;
	r = table_new(columns, ARRAY_LEN(columns), &t);
	if (r == 0)
		r = list(argv[first], &o, t, &e);
	table_free(t);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_image_referrers = {
	"image referrers",
	"[OPTIONS] NAME[:TAG|@DIGEST]",
	"List what refers to an image in its registry: signatures, attestations and the like",
	referrers_rows,
	0,
	1,
	1,
	false,
	referrers_main,
};
