/* image tags: what tags a repository has. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/image/access.h"
#include "cli/image/layers.h"
#include "codec/ref.h"
#include "image/image.h"

struct tags_options {
	struct access_options access;
	uint32_t retry_times;
	const char *format;
};

static const struct opt tags_rows[] = {
	{ "format", 0, OPT_STR, 0, offsetof(struct tags_options, format), "string",
	  "Format output: 'json', or one tag in a line", NULL },
	ACCESS_RETRY_ROW(struct tags_options, retry_times),
	ACCESS_ROWS(struct tags_options, access, ""),
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

struct listing {
	const char *what;
	struct image_remote_options o;
	struct arena *a;
	struct json_strs tags;
};

static int attempt(void *data, struct err *e)
{
	struct listing *l = data;

	return image_remote_tags(l->what, &l->o, l->a, &l->tags, e);
}

static int list(const char *what, const struct tags_options *o, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct layers_view v = { .out = stdout };
	struct image_access access;
	struct listing l = {
		.what = what,
		.o = { .access = &access, .warned = layers_warn, .data = &v },
		.a = &a,
	};
	struct ref ref;
	int r = ref_parse(what, &ref, e);

	if (r == 0)
		r = access_read(&o->access, NULL, &a, &access, e);
	if (r == 0)
		r = access_try(o->retry_times, attempt, &l, e);
	if (r == 0 && o->format) {
		AUTO_FREE char *repository = str_printf("%s/%s", ref.host, ref.path);

		return repository ? print_json(repository, &l.tags) : -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < l.tags.n; i++)
		puts(l.tags.v[i]);
	return r;
}

static int tags_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct tags_options o = { .access = ACCESS_NOT_SAID };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;

	(void)c;
	if (first < 0)
		return code;
	if (o.format && !streq(o.format, "json"))
		return cli_failf(1, "--format '%s': only 'json' is known", o.format);
	r = list(access_name(argv[first]), &o, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_image_tags = {
	"image tags",
	"[OPTIONS] [docker://]REPOSITORY",
	"List the tags of a repository in its registry",
	tags_rows,
	0,
	1,
	1,
	false,
	tags_main,
};
