/* image inspect: images of the store as docker shows them, and one in any other place as skopeo does. */
#include <stdio.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/image/access.h"
#include "cli/image/layers.h"
#include "codec/ref.h"
#include "image/image.h"
#include "spec/image.h"

struct inspect_options {
	struct access_options access;
	const char *format, *platform;
	uint32_t retry_times;
	bool is_raw, is_config, has_no_tags;
};

static const struct opt inspect_rows[] = {
	{ "config", 0, OPT_BOOL, 0, offsetof(struct inspect_options, is_config), NULL,
	  "Print the image's config as it is", NULL },
	{ "format", 'f', OPT_STR, 0, offsetof(struct inspect_options, format), "string",
	  "Format output using a custom template: 'json' or 'TEMPLATE'", NULL },
	{ "no-tags", 'n', OPT_BOOL, 0, offsetof(struct inspect_options, has_no_tags), NULL,
	  "Do not list the tags of the repository", NULL },
	{ "platform", 0, OPT_STR, 0, offsetof(struct inspect_options, platform), "string",
	  "Choose this platform of an index: os/arch[/variant]", NULL },
	{ "raw", 0, OPT_BOOL, 0, offsetof(struct inspect_options, is_raw), NULL,
	  "Print the manifest or index as it is", NULL },
	ACCESS_RETRY_ROW(struct inspect_options, retry_times),
	ACCESS_ROWS(struct inspect_options, access, ""),
	OPT_END,
};

struct inspecting {
	struct cli *c;
	const char *place;
	const struct inspect_options *o;
	struct image_remote_options remote;
	struct arena *a;
	struct image_remote image;
	struct json_strs tags;
};

/* ---- as skopeo prints it ---- */

static void put_list(struct json_writer *w, const char *key, const struct json_strs *list)
{
	json_begin_array(w, key);
	for (size_t i = 0; i < list->n; i++)
		json_put_str(w, NULL, list->v[i]);
	json_end_array(w);
}

static void put_labels(struct json_writer *w, const struct json_map *labels)
{
	if (labels->n == 0) {
		json_put_null(w, "Labels");
		return;
	}
	json_begin_object(w, "Labels");
	for (size_t i = 0; i < labels->n; i++)
		json_put_str(w, labels->v[i].key, labels->v[i].value);
	json_end_object(w);
}

static void put_image(struct json_writer *w, const char *name, const struct inspecting *x)
{
	static const struct oci_image_settings nothing = { 0 };
	const struct oci_image_config *c = x->image.config;
	const struct oci_image_settings *s = c->config ? c->config : &nothing;

	json_begin_object(w, NULL);
	if (name)
		json_put_str(w, "Name", name);
	json_put_str(w, "Digest", x->image.digest);
	put_list(w, "RepoTags", &x->tags);
	json_put_str(w, "Created", c->created);
	put_labels(w, &s->labels);
	json_put_str(w, "Architecture", c->architecture ? c->architecture : "");
	if (c->variant && *c->variant)
		json_put_str(w, "Variant", c->variant);
	json_put_str(w, "Os", c->os ? c->os : "");
	json_begin_array(w, "Layers");
	for (size_t i = 0; i < x->image.manifest->layers.n; i++)
		json_put_str(w, NULL, x->image.manifest->layers.v[i].digest);
	json_end_array(w);
	if (s->env.n)
		put_list(w, "Env", &s->env);
	else
		json_put_null(w, "Env");
	json_end_object(w);
}

static int print(const struct inspecting *x, struct err *e)
{
	const char *what = str_skip(x->place, "docker://");
	AUTO_STRBUF struct strbuf out = { 0 };
	AUTO_FREE char *name = NULL;
	struct json_writer w = { .out = &out, .flags = x->o->format ? 0 : JSON_PRETTY };
	struct ref ref;

	if (what && ref_parse(what, &ref, e) == 0) {
		name = str_printf("%s/%s", ref.host, ref.path);
		if (!name)
			return err_set(e, -ENOMEM, "out of memory");
	}
	put_image(&w, name, x);
	if (strbuf_ok(&out) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (x->o->format)
		return cli_print_formatted(x->o->format, &out, e);
	puts(out.p);
	return 0;
}

/* ---- what is asked ---- */

static int attempt(void *data, struct err *e)
{
	struct inspecting *x = data;
	const struct inspect_options *o = x->o;
	const char *what = str_skip(x->place, "docker://");
	int r = image_inspect(x->c->engine ? engine_store(x->c->engine) : NULL,
			      x->c->engine ? engine_ns(x->c->engine) : NULL, x->place, o->platform,
			      o->is_raw && !o->is_config, &x->remote, x->a, &x->image, e);

	if (r < 0 || !what || o->is_raw || o->is_config || o->has_no_tags)
		return r;
	return image_remote_tags(what, &x->remote, x->a, &x->tags, e);
}

static int show(struct inspecting *x, struct err *e)
{
	const struct image_remote *image = &x->image;

	if (x->o->is_config && !image->config_text)
		return err_set(e, -ENOENT, "%.19s has no config", image->digest);
	if (x->o->is_config) {
		fwrite(image->config_text, 1, image->config_len, stdout);
		return 0;
	}
	if (x->o->is_raw) {
		fwrite(image->text, 1, image->len, stdout);
		return 0;
	}
	if (!image->config)
		return err_set(
			e, -EOPNOTSUPP,
			"it is an artifact of type '%.120s', not an image: --raw prints its manifest",
			image->artifact_type ? image->artifact_type : "");
	return print(x, e);
}

static int inspect(struct cli *c, const char *place, const struct inspect_options *o, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct layers_view v = { .out = stdout };
	struct image_access access;
	struct inspecting x = {
		.c = c,
		.place = place,
		.o = o,
		.remote = { .access = &access, .warned = layers_warn, .data = &v },
		.a = &a,
	};
	int r = access_read(&o->access, NULL, &a, &access, e);

	if (r == 0)
		r = access_try(o->retry_times, attempt, &x, e);
	return r < 0 ? r : show(&x, e);
}

/* "oci:latest" may be an image's name: a folder's is one that is there. */
static bool is_place(const char *what)
{
	static const char *const sure[] = { "docker://",
					    "corten:", "oci-archive:", "docker-archive:" };
	const char *folder = str_skip(what, "oci:");
	AUTO_FREE char *path = NULL;
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(sure); i++)
		if (str_skip(what, sure[i]))
			return true;
	path = folder ? strndup(folder, strcspn(folder, ":")) : NULL;
	folder = path ? path : str_skip(what, "dir:");
	return folder && (strchr(folder, '/') || (stat(folder, &st) == 0 && S_ISDIR(st.st_mode)));
}

static int inspect_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct inspect_options o = { .access = ACCESS_NOT_SAID };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), places = 0, r;

	if (first < 0)
		return code;
	for (int i = first; i < argc; i++)
		places += is_place(argv[i]);
	if (places && argc - first > 1)
		return cli_failf(
			1, "an image in a place of its own (docker://, oci:) is inspected alone");
	if (!places && (o.is_raw || o.is_config || o.platform))
		return cli_failf(
			EXIT_OWN_FAILURE,
			"--raw, --config and --platform need a place: corten:NAME, docker://NAME, oci:FOLDER");
	if (!places)
		return cli_inspect_objects(c, o.format, "image", argv + first, argc - first);
	if (image_place_is_local(argv[first]) && !cli_engine(c))
		return 1;
	r = inspect(c, argv[first], &o, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_image_inspect = {
	"image inspect",
	"[OPTIONS] IMAGE [IMAGE...] | TRANSPORT:PLACE",
	"Show images of the store, or what one in a registry (docker://), a folder (oci:, dir:) or an archive (oci-archive:, docker-archive:) is",
	inspect_rows,
	0,
	1,
	-1,
	false,
	inspect_main,
};
