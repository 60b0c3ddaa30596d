/* image tags: what tags a repository has. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/image/layers.h"
#include "codec/ref.h"
#include "image/image.h"

struct tags_options {
	const char *format;
};

static const struct opt tags_rows[] = {
	{ "format", 0, OPT_STR, 0, offsetof(struct tags_options, format), "string",
	  "Format output: 'json', or one tag in a line", NULL },
	OPT_END,
};

/* As skopeo list-tags. */
static int print_json(const char *repository, const struct json_strs *tags)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct json_writer w = { .out = &out, .flags = JSON_PRETTY };

	json_begin_object(&w, NULL);
	json_put_str(&w, "Repository", repository);
	json_begin_array(&w, "Tags");
	for (size_t i = 0; i < tags->n; i++)
		json_put_str(&w, NULL, tags->v[i]);
	json_end_array(&w);
	json_end_object(&w);
	if (strbuf_ok(&out) < 0)
		return -ENOMEM;
	puts(out.p);
	return 0;
}

static int tags_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	AUTO_ARENA struct arena a = { 0 };
	struct tags_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;
	struct layers_view v = { .out = stdout };
	struct json_strs tags;
	struct ref ref;

	(void)c;
	if (first < 0)
		return code;
	if (o.format && !streq(o.format, "json"))
		return cli_failf(1, "--format '%s': only 'json' is known", o.format);
	r = ref_parse(argv[first], &ref, &e);
	if (r == 0)
		r = image_remote_tags(argv[first],
				      &(struct image_remote_options){ layers_warn, &v }, &a, &tags,
				      &e);
	if (r == 0 && o.format) {
		AUTO_FREE char *repository = str_printf("%s/%s", ref.host, ref.path);

		r = repository ? print_json(repository, &tags) : -ENOMEM;
	} else if (r == 0) {
		for (size_t i = 0; i < tags.n; i++)
			puts(tags.v[i]);
	}
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_image_tags = {
	"image tags",
	"[OPTIONS] REPOSITORY",
	"List the tags of a repository in its registry",
	tags_rows,
	0,
	1,
	1,
	false,
	tags_main,
};
