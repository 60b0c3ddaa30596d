/* pull, and what run does about a missing image. */
#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/image/layers.h"
#include "codec/ref.h"
#include "image/image.h"

struct pull_options {
	const char *platform;
	bool is_all_tags, is_quiet;
};

static const struct opt pull_rows[] = {
	{ "all-tags", 'a', OPT_BOOL, 0, offsetof(struct pull_options, is_all_tags), NULL,
	  "Download all tagged images in the repository", NULL },
	{ "platform", 0, OPT_STR, 0, offsetof(struct pull_options, platform), "string",
	  "Pull only the given platform: os/arch[/variant]", NULL },
	{ "quiet", 'q', OPT_BOOL, 0, offsetof(struct pull_options, is_quiet), NULL,
	  "Suppress verbose output", NULL },
	OPT_END,
};

/* As people write it: "busybox:latest", "host/a@sha256:…". */
static const char *familiar(const struct ref *ref, struct arena *a)
{
	char name[REF_TEXT_MAX];

	ref_familiar_name(ref, name);
	return ref->digest[0] ? arena_printf(a, "%s@%s", name, ref->digest)
			      : arena_printf(a, "%s:%s", name, ref->tag);
}

bool cli_has_tag(const char *what)
{
	const char *slash = strrchr(what, '/');

	return strchr(slash ? slash : what, ':');
}

static int pull(struct cli *c, const char *what, const char *platform, struct layers_view *v,
		struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_pulled pulled;
	struct ref ref;
	const char *name;
	int r = ref_parse(what, &ref, e);

	if (r < 0)
		return r;
	name = familiar(&ref, &a);
	v->is_terminal = isatty(fileno(v->out));
	if (!v->is_quiet) {
		if (!ref.digest[0] && !cli_has_tag(what))
			fprintf(v->out, "Using default tag: %s\n", ref.tag);
		fprintf(v->out, "%s: Pulling from %s\n", ref.digest[0] ? name : ref.tag, ref.path);
		fflush(v->out);
	}
	r = image_pull(engine_store(c->engine), engine_ns(c->engine), what,
		       &(struct image_pull_options){ .platform = platform,
						     .progress = layers_show,
						     .told = layers_tell,
						     .warned = layers_warn,
						     .data = v },
		       &a, &pulled, e);
	layers_clear(v);
	if (r < 0)
		return r;
	if (!v->is_quiet && pulled.artifact_type)
		fprintf(v->out, "It is an artifact of type '%s': kept as it is, not unpacked\n",
			pulled.artifact_type);
	if (!v->is_quiet)
		fprintf(v->out, "Digest: %s\nStatus: %s for %s\n", pulled.digest,
			pulled.is_new ? "Downloaded newer image" : "Image is up to date", name);
	fprintf(v->out, "%s\n", pulled.name);
	return 0;
}

/* One after the other, until one fails; what came before it stays. */
static int pull_all_tags(struct cli *c, const char *what, const char *platform,
			 struct layers_view *v, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_strs tags;
	int r;

	if (strchr(what, '@') || cli_has_tag(what))
		return err_set(e, -EINVAL, "tag can't be used with --all-tags/-a");
	r = image_remote_tags(what,
			      &(struct image_remote_options){ .warned = layers_warn, .data = v },
			      &a, &tags, e);
	for (size_t i = 0; r == 0 && i < tags.n; i++) {
		AUTO_FREE char *name = str_printf("%s:%s", what, tags.v[i]);

		r = name ? pull(c, name, platform, v, e) : err_set(e, -ENOMEM, "out of memory");
	}
	return r;
}

int cli_pull_missing(struct cli *c, const char *what, bool is_quiet, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct layers_view v = { .out = stderr, .is_quiet = is_quiet };
	struct ref ref;
	int r = ref_parse(what, &ref, e);

	if (r < 0)
		return r;
	fprintf(stderr, "Unable to find image '%s' locally\n", familiar(&ref, &a));
	return pull(c, what, NULL, &v, e);
}

static int pull_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct pull_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;
	struct layers_view v = { .out = stdout, .is_quiet = o.is_quiet };

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = (o.is_all_tags ? pull_all_tags : pull)(c, argv[first], o.platform, &v, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_pull = {
	"pull",
	"[OPTIONS] NAME[:TAG|@DIGEST]",
	"Download an image from a registry",
	pull_rows,
	0,
	1,
	1,
	false,
	pull_main,
};
