/* image sync: many images from one place to another, with skopeo's grammar. */
#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/image/access.h"
#include "cli/image/layers.h"
#include "image/image.h"

struct sync_options {
	struct access_options from, to, both;
	const char *source, *target, *format, *platform;
	uint32_t retry_times;
	bool is_all, is_scoped, is_dry_run, keeps_going, is_quiet;
};

#define ROW(kind, field, name, letter, arg, help)                                            \
	{                                                                                    \
		name, letter, kind, 0, offsetof(struct sync_options, field), arg, help, NULL \
	}
#define OTHER(kind, flags, name, help)                    \
	{                                                 \
		name, 0, kind, flags, 0, NULL, help, NULL \
	}

static const struct opt sync_rows[] = {
	ROW(OPT_BOOL, is_all, "all", 'a', NULL, "Copy an index with all its images"),
	ROW(OPT_STR, target, "dest", 'd', "docker|dir", "What the destination is"),
	ROW(OPT_BOOL, is_dry_run, "dry-run", 0, NULL, "Say what would be copied, and copy nothing"),
	ROW(OPT_STR, format, "format", 'f', "oci|v2s2",
	    "Refuse manifests of another kind: nothing is converted"),
	ROW(OPT_BOOL, keeps_going, "keep-going", 0, NULL,
	    "Go on with the next image when one fails"),
	ROW(OPT_STR, platform, "platform", 0, "string",
	    "Choose this platform of an index: os/arch[/variant]"),
	ROW(OPT_BOOL, is_quiet, "quiet", 'q', NULL, "Suppress verbose output"),
	ROW(OPT_BOOL, is_scoped, "scoped", 0, NULL,
	    "Keep the source's whole path below the destination, not its last part alone"),
	ROW(OPT_STR, source, "src", 's', "docker|dir|yaml", "What the source is"),
	ACCESS_RETRY_ROW(struct sync_options, retry_times),
	ACCESS_AUTHFILE_ROW(struct sync_options, both, ""),
	ACCESS_TLS_ROW(struct sync_options, both, ""),
	ACCESS_ROWS(struct sync_options, from, "src-"),
	ACCESS_ROWS(struct sync_options, to, "dest-"),
	OTHER(OPT_BOOL, OPT_IGNORED, "preserve-digests", "Copy manifests as they are"),
	OTHER(OPT_BOOL, OPT_IGNORED, "remove-signatures", "Copy no signatures in skopeo's files"),
	OTHER(OPT_UNSUPPORTED_ARG, 0, "append-suffix", NULL),
	OTHER(OPT_UNSUPPORTED_ARG, 0, "sign-by", NULL),
	OTHER(OPT_UNSUPPORTED_ARG, 0, "sign-by-sigstore-private-key", NULL),
	OTHER(OPT_UNSUPPORTED_ARG, 0, "sign-passphrase-file", NULL),
	OPT_END,
};

struct syncing {
	struct cli *c;
	const struct sync_options *o;
	enum image_sync_kind source, target;
	const char *source_place, *target_place;
	struct image_access from, to;
	struct image_copy_options copy;
	struct layers_view view;
	struct arena *a;
	struct image_sync_item *items;
	size_t n, copied, failed;
};

/* ---- one image ---- */

struct step {
	struct syncing *x;
	const char *from, *to;
	struct image_copy_options o;
};

static int attempt(void *data, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct step *s = data;
	struct cli *c = s->x->c;
	struct image_copied done;
	int r = image_copy(engine_store(c->engine), engine_ns(c->engine), s->from, s->to, &s->o, &a,
			   &done, e);

	layers_clear(&s->x->view);
	return r;
}

static int sync_one(struct syncing *x, size_t i, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	const struct image_sync_item *item = &x->items[i];
	struct step s = { x, item->from, NULL, x->copy };
	int r = image_sync_target(x->target, x->target_place, x->o->is_scoped, item, &a, &s.to, e);

	if (r < 0)
		return r;
	if (item->access)
		s.o.from = item->access;
	if (!x->o->is_quiet || x->o->is_dry_run)
		printf("%s %s to %s (%zu/%zu)\n", x->o->is_dry_run ? "Would copy" : "Copying",
		       s.from, s.to, i + 1, x->n);
	fflush(stdout);
	return x->o->is_dry_run ? 0 : access_try(x->o->retry_times, attempt, &s, e);
}

static int sync_all(struct syncing *x, struct err *e)
{
	for (size_t i = 0; i < x->n; i++) {
		struct err why = ERR_INIT;
		int r = sync_one(x, i, &why);

		x->copied += r == 0;
		x->failed += r < 0;
		if (r < 0 && !x->o->keeps_going) {
			*e = why;
			return err_wrap(e, r, "%s", x->items[i].from);
		}
		if (r < 0)
			fprintf(stderr, "corten: %s: %s\n", x->items[i].from, err_text(&why, r));
	}
	return x->failed ? err_set(e, -EIO, "%zu of %zu images were not copied", x->failed, x->n)
			 : 0;
}

/* ---- all ---- */

static int read_kind(const char *option, const char *word, bool is_source,
		     enum image_sync_kind *ret, struct err *e)
{
	static const char *const words[] = { [IMAGE_SYNC_REGISTRY] = "docker",
					     [IMAGE_SYNC_FOLDER] = "dir",
					     [IMAGE_SYNC_FILE] = "yaml" };

	for (size_t i = 0; word && i < ARRAY_LEN(words); i++) {
		if (!streq(words[i], word) || (i == IMAGE_SYNC_FILE && !is_source))
			continue;
		*ret = (enum image_sync_kind)i;
		return 0;
	}
	return err_set(e, -EINVAL, "--%s %s%s%s: it is docker%s", option, word ? "'" : "is needed",
		       word ? word : "", word ? "'" : "", is_source ? ", dir or yaml" : " or dir");
}

static int read_options(struct syncing *x, struct err *e)
{
	const struct sync_options *o = x->o;
	int r = read_kind("src", o->source, true, &x->source, e);

	if (r == 0)
		r = read_kind("dest", o->target, false, &x->target, e);
	if (r == 0 && x->source == IMAGE_SYNC_FOLDER && x->target == IMAGE_SYNC_FOLDER)
		r = err_set(e, -EOPNOTSUPP, "sync from 'dir' to 'dir' is not supported: use rsync");
	if (r == 0)
		r = cli_copy_kind(o->format, &x->copy.kind, e);
	if (r == 0)
		r = access_read(&o->from, &o->both, x->a, &x->from, e);
	if (r == 0)
		r = access_read(&o->to, &o->both, x->a, &x->to, e);
	x->view.is_quiet = o->is_quiet;
	x->copy.from = &x->from;
	x->copy.to = &x->to;
	x->copy.is_all = o->is_all;
	x->copy.platform = o->platform;
	return r;
}

static int list(void *data, struct err *e)
{
	struct syncing *x = data;
	const struct image_remote_options remote = { .access = &x->from,
						     .warned = layers_warn,
						     .data = &x->view };

	return image_sync_list(x->source, x->source_place, &remote, x->a, &x->items, &x->n, e);
}

static int sync_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	AUTO_ARENA struct arena a = { 0 };
	struct sync_options o = { .from = ACCESS_NOT_SAID,
				  .to = ACCESS_NOT_SAID,
				  .both = ACCESS_NOT_SAID };
	struct syncing x = { .c = c,
			     .o = &o,
			     .view = { .out = stdout, .is_terminal = isatty(1) },
			     .copy = { .told = layers_tell,
				       .warned = layers_warn,
				       .progress = layers_show,
				       .data = &x.view },
			     .a = &a };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;

	if (first < 0)
		return code;
	r = read_options(&x, &e);
	if (r < 0)
		return cli_fail(&e, r, EXIT_OWN_FAILURE);
	if (!cli_engine(c))
		return 1;
	x.source_place = access_name(argv[first]);
	x.target_place = access_name(argv[first + 1]);
	r = access_try(o.retry_times, list, &x, &e);
	if (r == 0)
		r = sync_all(&x, &e);
	if (!o.is_quiet && !o.is_dry_run)
		printf("Synced %zu images\n", x.copied);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_image_sync = {
	"image sync",
	"[OPTIONS] --src docker|dir|yaml --dest docker|dir SOURCE DESTINATION",
	"Copy all images of a repository, a folder or a list to a registry or a folder",
	sync_rows,
	0,
	2,
	2,
	false,
	sync_main,
};
