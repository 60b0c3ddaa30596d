/* images, rmi, load */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/image/filter.h"
#include "cli/image/layers.h"
#include "codec/ref.h"
#include "image/image.h"

#define SHORT_ID 12

struct images_options {
	bool is_all, is_quiet, is_full, has_digests;
	const char *format;
	char **filters;
};

static const struct opt images_rows[] = {
	{ "all", 'a', OPT_BOOL, OPT_IGNORED, offsetof(struct images_options, is_all), NULL,
	  "Show all images", NULL },
	{ "digests", 0, OPT_BOOL, 0, offsetof(struct images_options, has_digests), NULL,
	  "Show digests", NULL },
	{ "filter", 'f', OPT_STRV, 0, offsetof(struct images_options, filters), "filter",
	  "Filter output based on conditions provided", NULL },
	{ "format", 0, OPT_STR, 0, offsetof(struct images_options, format), "string",
	  "Format output: table, json, 'table TEMPLATE' or 'TEMPLATE'", NULL },
	{ "no-trunc", 0, OPT_BOOL, 0, offsetof(struct images_options, is_full), NULL,
	  "Don't truncate output", NULL },
	{ "quiet", 'q', OPT_BOOL, 0, offsetof(struct images_options, is_quiet), NULL,
	  "Only show image IDs", NULL },
	OPT_END,
};

static const struct table_column columns[] = {
	{ "Repository", "REPOSITORY", false },
	{ "Tag", "TAG", false },
	{ "ID", "IMAGE ID", false },
	{ "CreatedSince", "CREATED", false },
	{ "Size", "SIZE", false },
	{ "Digest", "DIGEST", true },
	{ "CreatedAt", "CREATED AT", true },
};

static const struct table_column columns_digests[] = {
	{ "Repository", "REPOSITORY", false }, { "Tag", "TAG", false },
	{ "Digest", "DIGEST", false },	       { "ID", "IMAGE ID", false },
	{ "CreatedSince", "CREATED", false },  { "Size", "SIZE", false },
	{ "CreatedAt", "CREATED AT", true },
};

/* "sha256:abc…" as people see it. */
static const char *short_id(const char *digest, bool is_full, struct arena *a)
{
	return is_full || !digest_is_valid(digest) ? digest
						   : arena_strndup(a, digest_hex(digest), SHORT_ID);
}

static int add_row(struct table *t, const struct image_listed *i, const struct images_options *o)
{
	AUTO_ARENA struct arena a = { 0 };
	char name[REF_TEXT_MAX] = "<none>", ago[HUMAN_MAX], size[HUMAN_MAX],
	     created[CLOCK_TEXT_MAX];
	const char *tag = "<none>", *id = short_id(i->id, o->is_full, &a), *since = "N/A";
	struct ref ref;

	if (i->name && ref_parse(i->name, &ref, NULL) == 0) {
		ref_familiar_name(&ref, name);
		if (ref.tag[0])
			tag = ref.tag;
	}
	if (i->created_ns > 0)
		since = arena_printf(&a, "%s ago",
				     human_duration(clock_wall_ns() - i->created_ns, ago));
	human_size(i->size, size);
	clock_rfc3339(i->created_ns, created);
	if (o->has_digests)
		return table_add(t, (const char *[]){ name, tag, i->digest, id, since, size,
						      created });
	return table_add(t, (const char *[]){ name, tag, id, since, size, i->digest, created });
}

static int list(struct cli *c, const struct images_options *o, const char *wanted, struct table *t,
		struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_listed *v;
	struct image_filter filter = { .store = engine_store(c->engine),
				       .ns = engine_ns(c->engine),
				       .specs = o->filters };
	struct ref want, have;
	size_t n;
	int r = wanted ? ref_parse(wanted, &want, e) : 0;

	if (r == 0)
		r = image_filter_open(&filter, e);
	if (r == 0)
		r = image_list(engine_store(c->engine), engine_ns(c->engine), &a, &v, &n, e);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (wanted && (!v[i].name || ref_parse(v[i].name, &have, NULL) < 0 ||
			       !streq(have.path, want.path) || !streq(have.host, want.host) ||
			       (strchr(wanted, ':') && !streq(have.tag, want.tag))))
			continue;
		if (!image_filter_fits(&filter, &v[i]))
			continue;
		if (o->is_quiet)
			puts(short_id(v[i].id, o->is_full, &a));
		else
			r = add_row(t, &v[i], o);
	}
	if (r == 0 && !o->is_quiet)
		r = table_print(t, o->format, e);
	return r;
}

static int images_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct images_options o = { 0 };
	struct err e = ERR_INIT;
	struct table *t = NULL;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r = 0;

	if (first >= 0) {
		code = 1;
		if (cli_engine(c)) {
			r = o.has_digests
				    ? table_new(columns_digests, ARRAY_LEN(columns_digests), &t)
				    : table_new(columns, ARRAY_LEN(columns), &t);
			if (r == 0)
				r = list(c, &o, first < argc ? argv[first] : NULL, t, &e);
			code = r < 0 ? cli_fail(&e, r, 1) : 0;
		}
	}
	table_free(t);
	strv_free(o.filters);
	return code;
}

/* ---- rmi ---- */
struct rmi_options {
	bool is_forced, is_unpruned;
};

static const struct opt rmi_rows[] = {
	{ "force", 'f', OPT_BOOL, 0, offsetof(struct rmi_options, is_forced), NULL,
	  "Force removal of the image", NULL },
	{ "no-prune", 0, OPT_BOOL, OPT_IGNORED, offsetof(struct rmi_options, is_unpruned), NULL,
	  "Do not delete untagged parents", NULL },
	OPT_END,
};

static int rmi_one(struct cli *c, const char *name, bool is_forced, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_removed removed = { 0 };
	int r = image_remove(engine_store(c->engine), engine_ns(c->engine), name, is_forced, &a,
			     &removed, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < removed.untagged.n; i++)
		printf("Untagged: %s\n", removed.untagged.v[i]);
	for (size_t i = 0; i < removed.deleted.n; i++)
		printf("Deleted: %s\n", removed.deleted.v[i]);
	return 0;
}

static int rmi_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct rmi_options o = { 0 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	code = 0;
	for (int i = first; i < argc; i++) {
		struct err e = ERR_INIT;
		int r = rmi_one(c, argv[i], o.is_forced, &e);

		if (r < 0)
			code = cli_fail(&e, r, o.is_forced && r == -ENOENT ? code : 1);
	}
	/* Who removes images wants the room now; what cannot go yet goes with the next removal. */
	(void)store_empty_trash(engine_store(c->engine), NULL);
	return code;
}

/* ---- load ---- */
struct load_options {
	const char *input, *platform;
	bool is_quiet;
};

static const struct opt load_rows[] = {
	{ "input", 'i', OPT_STR, 0, offsetof(struct load_options, input), "string",
	  "Read from tar archive file or OCI layout folder, instead of STDIN", NULL },
	{ "platform", 0, OPT_STR, 0, offsetof(struct load_options, platform), "string",
	  "Load only the given platform: os/arch[/variant]", NULL },
	{ "quiet", 'q', OPT_BOOL, 0, offsetof(struct load_options, is_quiet), NULL,
	  "Suppress the load output", NULL },
	OPT_END,
};

static int load(struct cli *c, const struct load_options *o, int fd, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	/* Elsewhere than on a terminal silence, as docker load. */
	struct layers_view v = { .out = stderr, .is_quiet = o->is_quiet, .is_terminal = isatty(2) };
	struct image_loaded loaded = { 0 };
	int r = image_load(engine_store(c->engine), engine_ns(c->engine), fd,
			   &(struct image_load_options){
				   .platform = o->platform,
				   .progress = layers_show,
				   .progress_data = &v,
			   },
			   &a, &loaded, e);

	layers_clear(&v);
	if (r < 0)
		return r;
	for (size_t i = 0; i < loaded.names.n; i++) {
		char name[REF_TEXT_MAX];
		struct ref ref;

		if (ref_parse(loaded.names.v[i], &ref, NULL) < 0)
			continue;
		ref_familiar_name(&ref, name);
		printf("Loaded image: %s:%s\n", name, ref.tag);
	}
	if (loaded.names.n == 0)
		for (size_t i = 0; i < loaded.ids.n; i++)
			printf("Loaded image ID: %s\n", loaded.ids.v[i]);
	return 0;
}

static int load_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct load_options o = { 0 };
	struct err e = ERR_INIT;
	AUTO_FD fd = -EBADF;
	int code, r;

	if (cli_parse(cmd, argc, argv, &o, &code) < 0)
		return code;
	if (o.input && !streq(o.input, "-")) {
		fd = open(o.input, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return cli_failf(1, "open %s: %s", o.input, err_words(errno));
	} else if (isatty(0)) {
		return cli_failf(
			1, "requested load from stdin, but stdin is empty: give a file with -i");
	} else {
		fd = dup(0);
	}
	if (!cli_engine(c))
		return 1;
	r = load(c, &o, fd, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_images = {
	"images",    "[OPTIONS] [REPOSITORY[:TAG]]", "List images", images_rows, 0, 0, 1, false,
	images_main,
};
const struct cli_command cli_rmi = {
	"rmi",
	"[OPTIONS] IMAGE [IMAGE...]",
	"Remove one or more images",
	rmi_rows,
	0,
	1,
	-1,
	false,
	rmi_main,
};
const struct cli_command cli_load = {
	"load", "[OPTIONS]", "Load an image from a tar archive or STDIN", load_rows, 0, 0, 0,
	false,	load_main,
};
