/* image inspect: images of the store as docker shows them, and one in a registry as skopeo does, without a pull. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/image/layers.h"
#include "codec/ref.h"
#include "image/image.h"
#include "spec/image.h"

struct inspect_options {
	const char *format, *platform;
	bool is_raw, is_config;
};

static const struct opt inspect_rows[] = {
	{ "config", 0, OPT_BOOL, 0, offsetof(struct inspect_options, is_config), NULL,
	  "Print the image's config as the registry has it", NULL },
	{ "format", 'f', OPT_STR, 0, offsetof(struct inspect_options, format), "string",
	  "Format output using a custom template: 'json' or 'TEMPLATE' (store)", NULL },
	{ "platform", 0, OPT_STR, 0, offsetof(struct inspect_options, platform), "string",
	  "Choose this platform of an index: os/arch[/variant] (registry)", NULL },
	{ "raw", 0, OPT_BOOL, 0, offsetof(struct inspect_options, is_raw), NULL,
	  "Print the manifest or index as the registry has it", NULL },
	OPT_END,
};

static void put_list(struct json_writer *w, const char *key, const struct json_strs *list)
{
	json_begin_array(w, key);
	for (size_t i = 0; i < list->n; i++)
		json_put_str(w, NULL, list->v[i]);
	json_end_array(w);
}

static void put_labels(struct json_writer *w, const struct json_map *labels)
{
	json_begin_object(w, "Labels");
	for (size_t i = 0; i < labels->n; i++)
		json_put_str(w, labels->v[i].key, labels->v[i].value);
	json_end_object(w);
}

static int print(const struct ref *ref, const struct image_remote *image,
		 const struct json_strs *tags)
{
	static const struct oci_image_settings nothing = { 0 };
	AUTO_FREE char *name = str_printf("%s/%s", ref->host, ref->path);
	AUTO_STRBUF struct strbuf out = { 0 };
	struct json_writer w = { .out = &out, .flags = JSON_PRETTY };
	const struct oci_image_config *c = image->config;
	const struct oci_image_settings *s = c->config ? c->config : &nothing;

	json_begin_object(&w, NULL);
	json_put_str(&w, "Name", name ? name : "");
	json_put_str(&w, "Digest", image->digest);
	put_list(&w, "RepoTags", tags);
	json_put_str(&w, "Created", c->created ? c->created : "");
	put_labels(&w, &s->labels);
	json_put_str(&w, "Architecture", c->architecture ? c->architecture : "");
	json_put_str(&w, "Os", c->os ? c->os : "");
	json_begin_array(&w, "Layers");
	for (size_t i = 0; i < image->manifest->layers.n; i++)
		json_put_str(&w, NULL, image->manifest->layers.v[i].digest);
	json_end_array(&w);
	put_list(&w, "Env", &s->env);
	json_end_object(&w);
	if (!name || strbuf_ok(&out) < 0)
		return -ENOMEM;
	puts(out.p);
	return 0;
}

static int inspect(const char *what, const struct inspect_options *o, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct layers_view v = { .out = stdout };
	const struct image_remote_options options = { .warned = layers_warn, .data = &v };
	struct json_strs tags = { 0 };
	struct image_remote image;
	struct ref ref;
	int r = ref_parse(what, &ref, e);

	if (r == 0)
		r = image_remote_inspect(what, o->platform, o->is_raw && !o->is_config, &options,
					 &a, &image, e);
	if (r < 0)
		return r;
	if (o->is_config || o->is_raw) {
		fwrite(o->is_config ? image.config_text : image.text, 1,
		       o->is_config ? image.config_len : image.len, stdout);
		return 0;
	}
	r = image_remote_tags(what, &options, &a, &tags, e);
	return r < 0 ? r : print(&ref, &image, &tags);
}

static int inspect_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct inspect_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), remote = 0, r;

	if (first < 0)
		return code;
	for (int i = first; i < argc; i++)
		remote += str_skip(argv[i], "docker://") != NULL;
	if (remote && argc - first > 1)
		return cli_failf(1, "an image in a registry (docker://) is inspected alone");
	if (remote && o.format)
		return cli_failf(EXIT_OWN_FAILURE, "--format is not supported for docker://");
	if (!remote && (o.is_raw || o.is_config || o.platform))
		return cli_failf(EXIT_OWN_FAILURE,
				 "--raw, --config and --platform need docker://NAME");
	if (!remote)
		return cli_inspect_objects(c, o.format, "image", argv + first, argc - first);
	r = inspect(str_skip(argv[first], "docker://"), &o, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_image_inspect = {
	"image inspect",
	"[OPTIONS] IMAGE [IMAGE...] | docker://NAME[:TAG|@DIGEST]",
	"Show images of the store, or what one in a registry is without pulling it",
	inspect_rows,
	0,
	1,
	-1,
	false,
	inspect_main,
};
