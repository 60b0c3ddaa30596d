/* push */
#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/image/layers.h"
#include "codec/ref.h"
#include "image/image.h"

struct push_options {
	bool is_all_tags, is_quiet;
};

static const struct opt push_rows[] = {
	{ "all-tags", 'a', OPT_BOOL, 0, offsetof(struct push_options, is_all_tags), NULL,
	  "Push all tags of an image to the repository", NULL },
	{ "disable-content-trust", 0, OPT_BOOL, OPT_IGNORED, 0, NULL, "Skip image signing", NULL },
	{ "platform", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	{ "quiet", 'q', OPT_BOOL, 0, offsetof(struct push_options, is_quiet), NULL,
	  "Suppress verbose output", NULL },
	OPT_END,
};

static void begun(void *data, const char *repository)
{
	struct layers_view *v = data;

	if (!v->is_quiet)
		printf("The push refers to repository [%s]\n", repository);
	fflush(stdout);
}

static void pushed(void *data, const char *tag, const char *digest, int64_t size, const char *index)
{
	struct layers_view *v = data;

	layers_clear(v);
	if (!v->is_quiet)
		printf("%s: digest: %s size: %lld\n", tag, digest, (long long)size);
	if (index && !v->is_quiet)
		printf("Info: Not all multiplatform-content is present and only the available single-platform "
		       "image was pushed\n%s -> %s\n",
		       index, digest);
	fflush(stdout);
}

static int push_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct push_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;
	struct layers_view v = { .out = stdout, .is_quiet = o.is_quiet };
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	struct ref ref;

	if (first < 0)
		return code;
	r = ref_parse(argv[first], &ref, &e);
	if (r < 0)
		return cli_fail(&e, r, 1);
	if (o.is_all_tags && cli_has_tag(argv[first]))
		return cli_failf(1, "tag can't be used with --all-tags/-a");
	if (!cli_engine(c))
		return 1;
	if (!o.is_all_tags && !o.is_quiet && !cli_has_tag(argv[first]))
		printf("Using default tag: %s\n", ref.tag);
	v.is_terminal = isatty(1);
	r = image_push(engine_store(c->engine), engine_ns(c->engine), argv[first],
		       &(struct image_push_options){
			       .is_all_tags = o.is_all_tags,
			       .begun = begun,
			       .told = layers_tell,
			       .pushed = pushed,
			       .warned = layers_warn,
			       .progress = layers_show,
			       .data = &v,
		       },
		       &e);
	layers_clear(&v);
	if (r < 0)
		return cli_fail(&e, r, 1);
	if (o.is_quiet)
		puts(ref_full(&ref, full));
	return 0;
}

const struct cli_command cli_push = {
	"push",
	"[OPTIONS] NAME[:TAG]",
	"Upload an image to a registry",
	push_rows,
	0,
	1,
	1,
	false,
	push_main,
};
