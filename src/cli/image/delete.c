/* image delete: out of a registry, after a question. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/image/access.h"
#include "cli/image/layers.h"
#include "codec/ref.h"
#include "image/image.h"

struct delete_options {
	struct access_options access;
	uint32_t retry_times;
	bool is_forced, is_blob;
};

static const struct opt delete_rows[] = {
	{ "blob", 0, OPT_BOOL, 0, offsetof(struct delete_options, is_blob), NULL,
	  "The digest is a blob's, not a manifest's", NULL },
	{ "force", 'f', OPT_BOOL, 0, offsetof(struct delete_options, is_forced), NULL,
	  "Do not ask for confirmation", NULL },
	ACCESS_RETRY_ROW(struct delete_options, retry_times),
	ACCESS_ROWS(struct delete_options, access, ""),
	OPT_END,
};

static const char *const questions[] = {
	[IMAGE_DELETE_TAG] = "This removes the tag '%s' of %s from the registry.",
	[IMAGE_DELETE_MANIFEST] =
		"This removes the manifest %s of %s from the registry, and with it every tag that names it.",
	[IMAGE_DELETE_BLOB] =
		"This removes the blob %s of %s from the registry; images that need it break.",
};

static bool is_confirmed(enum image_delete_kind kind, const struct ref *ref, const char *repository)
{
	char line[16];

	printf(questions[kind], ref->digest[0] ? ref->digest : ref->tag, repository);
	printf("\nAre you sure you want to continue? [y/N] ");
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
}

/* Registries before distribution-spec 1.1 know no deletion of a tag alone: say what would go instead. */
static int explain(const char *what, const struct image_remote_options *remote,
		   const char *repository, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	const char *digest = NULL;
	int r = -EOPNOTSUPP;

	if (image_remote_digest(what, remote, &a, &digest, NULL) < 0)
		return r;
	return err_set_code(
		e, r, ERR_UNIMPLEMENTED,
		"the registry does not delete a tag alone: 'corten image delete %s@%s' deletes the "
		"manifest with all its tags",
		repository, digest);
}

struct deleting {
	const char *what;
	enum image_delete_kind kind;
	const struct image_remote_options *remote;
};

static int attempt(void *data, struct err *e)
{
	const struct deleting *d = data;

	return image_remote_delete(d->what, d->kind, d->remote, e);
}

static int delete_one(const char *what, const struct delete_options *o, struct err *e)
{
	struct layers_view v = { .out = stdout };
	AUTO_ARENA struct arena a = { 0 };
	struct image_access access;
	const struct image_remote_options remote = { .access = &access,
						     .warned = layers_warn,
						     .data = &v };
	AUTO_FREE char *repository = NULL;
	enum image_delete_kind kind;
	struct ref ref;
	int r = ref_parse(what, &ref, e);

	if (r == 0)
		r = access_read(&o->access, NULL, &a, &access, e);
	if (r < 0)
		return r;
	if (o->is_blob && !ref.digest[0])
		return err_set(e, -EINVAL, "--blob needs a digest: NAME@DIGEST");
	kind = o->is_blob      ? IMAGE_DELETE_BLOB
	       : ref.digest[0] ? IMAGE_DELETE_MANIFEST
			       : IMAGE_DELETE_TAG;
	repository = str_printf("%s/%s", ref.host, ref.path);
	if (!repository)
		return -ENOMEM;
	if (!o->is_forced && !is_confirmed(kind, &ref, repository))
		return err_set(e, -ECANCELED, "nothing was deleted");
	r = access_try(o->retry_times, attempt, &(struct deleting){ what, kind, &remote }, e);
	if (r == -EOPNOTSUPP && kind == IMAGE_DELETE_TAG)
		r = explain(what, &remote, repository, e);
	if (r == 0)
		printf("Deleted: %s%s%s\n", repository, ref.digest[0] ? "@" : ":",
		       ref.digest[0] ? ref.digest : ref.tag);
	return r;
}

static int delete_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct delete_options o = { .access = ACCESS_NOT_SAID };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;

	(void)c;
	if (first < 0)
		return code;
	r = delete_one(access_name(argv[first]), &o, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_image_delete = {
	"image delete",
	"[OPTIONS] [docker://]NAME[:TAG|@DIGEST]",
	"Delete a tag, a manifest or a blob in its registry",
	delete_rows,
	0,
	1,
	1,
	false,
	delete_main,
};
