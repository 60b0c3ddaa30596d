/* commit, import, tag */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/image/new.h"
#include "image/forms/forms.h"
#include "image/image.h"

/* "gzip", "zstd", "none"; NULL is gzip. */
int cli_compression(const char *word, struct err *e)
{
	static const struct {
		const char *word;
		int how;
	} rows[] = { { "gzip", LAYER_GZIP }, { "zstd", LAYER_ZSTD }, { "none", LAYER_PLAIN } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!word || streq(rows[i].word, word))
			return rows[i].how;
	return err_set(e, -EINVAL, "compression '%s' is none of gzip, zstd, none", word);
}

/* ---- commit ---- */
struct commit_options {
	const char *author, *message, *compression;
	char **changes;
	int is_paused;
	bool no_pause;
};

static const struct opt commit_rows[] = {
	{ "author", 'a', OPT_STR, 0, offsetof(struct commit_options, author), "string",
	  "Author, as in \"John Hannibal Smith <hannibal@a-team.com>\"", NULL },
	CHANGE_ROW(commit_options),
	COMPRESSION_ROW(commit_options),
	MESSAGE_ROW(commit_options),
	{ "no-pause", 0, OPT_BOOL, 0, offsetof(struct commit_options, no_pause), NULL,
	  "Let the container go on during commit", NULL },
	{ "pause", 'p', OPT_TRISTATE, 0, offsetof(struct commit_options, is_paused), NULL,
	  "Pause the container during commit (default true)", NULL },
	OPT_END,
};

/* Nothing of it came from outside, so it is made; whoever wants to run it here should know. */
static void warn_of_policy(struct cli *c, const char *image)
{
	AUTO_ARENA struct arena a = { 0 };
	struct store *s = engine_store(c->engine);
	const char *ns = engine_ns(c->engine), *name;
	struct image_record *rec;
	struct err why = ERR_INIT;

	if (image_find(s, ns, image, &a, &rec, &name, NULL) == 0 &&
	    image_policy_check(s, ns, name, rec, &why) == -EACCES)
		fprintf(stderr, "corten: warning: the policy will not let this image run: %s\n",
			err_text(&why, -EACCES));
}

static int commit(struct cli *c, const struct commit_options *o, const char *container,
		  const char *name, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct engine_commit_options eo = { .name = name,
					    .author = o->author,
					    .message = o->message,
					    .changes = o->changes,
					    .compression = cli_compression(o->compression, e),
					    .no_pause = o->no_pause || o->is_paused == 0 };
	const char *id;
	int r;

	if (eo.compression < 0)
		return eo.compression;
	r = engine_container_commit(c->engine, container, &eo, &a, &id, e);
	if (r < 0)
		return r;
	puts(id);
	warn_of_policy(c, name ? name : id);
	return 0;
}

static int commit_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct commit_options o = { .is_paused = -1 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r = 0;

	if (first >= 0) {
		code = 1;
		if (cli_engine(c)) {
			r = commit(c, &o, argv[first], first + 1 < argc ? argv[first + 1] : NULL,
				   &e);
			code = r < 0 ? cli_fail(&e, r, 1) : 0;
		}
	}
	strv_free(o.changes);
	return code;
}

/* ---- import ---- */
struct import_options {
	const char *message, *platform, *compression;
	char **changes;
};

static const struct opt import_rows[] = {
	CHANGE_ROW(import_options),
	COMPRESSION_ROW(import_options),
	MESSAGE_ROW(import_options),
	{ "platform", 0, OPT_STR, 0, offsetof(struct import_options, platform), "string",
	  "Set platform if server is multi-platform capable", NULL },
	OPT_END,
};

static int open_import(const char *file)
{
	if (streq(file, "-"))
		return dup(0);
	return open(file, O_RDONLY | O_CLOEXEC);
}

static int import(struct cli *c, const struct import_options *o, const char *file, const char *name,
		  struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_new_options n = { .name = name,
				       .message = o->message ? o->message : "Imported from -",
				       .changes = o->changes,
				       .platform = o->platform,
				       .compression = cli_compression(o->compression, e) };
	AUTO_FD fd = -EBADF;
	const char *id;
	int r;

	if (n.compression < 0)
		return n.compression;
	if (str_skip(file, "http://") || str_skip(file, "https://"))
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "import from a URL is not supported: fetch '%s' and pipe it in",
				    file);
	if (streq(file, "-") && isatty(0))
		return err_set(e, -EINVAL,
			       "import from stdin, but stdin is a terminal: pipe an archive in");
	fd = open_import(file);
	if (fd < 0)
		return err_sys(e, -errno, "open %s", file);
	r = image_import(engine_store(c->engine), engine_ns(c->engine), fd, &n, &a, &id, e);
	if (r == 0)
		puts(id);
	return r;
}

static int import_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct import_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;

	if (first >= 0) {
		code = 1;
		if (cli_engine(c)) {
			r = import(c, &o, argv[first], first + 1 < argc ? argv[first + 1] : NULL,
				   &e);
			code = r < 0 ? cli_fail(&e, r, 1) : 0;
		}
	}
	strv_free(o.changes);
	return code;
}

/* ---- tag ---- */
static const struct opt tag_rows[] = { OPT_END };

/* The image that comes with the program is there before a first run loads it. */
static int tag(struct cli *c, const char *what, const char *name, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct store *s = engine_store(c->engine);
	const char *ns = engine_ns(c->engine);
	int r = image_tag(s, ns, what, name, e);

	if (r != -ENOENT)
		return r;
	r = image_ensure_builtin(s, ns, what, &a, e);
	return r < 0 ? r : image_tag(s, ns, what, name, e);
}

static int tag_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, NULL, &code), r;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = tag(c, argv[first], argv[first + 1], &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_commit = {
	.name = "commit",
	.usage = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
	.summary = "Create a new image from a container's changes",
	.rows = commit_rows,
	.args_min = 1,
	.args_max = 2,
	.run = commit_main,
};
const struct cli_command cli_import = {
	.name = "import",
	.usage = "[OPTIONS] file|- [REPOSITORY[:TAG]]",
	.summary = "Import the contents from a tarball to create a filesystem image",
	.rows = import_rows,
	.args_min = 1,
	.args_max = 2,
	.run = import_main,
};
const struct cli_command cli_tag = {
	.name = "tag",
	.usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.summary = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
	.rows = tag_rows,
	.args_min = 2,
	.args_max = 2,
	.run = tag_main,
};
