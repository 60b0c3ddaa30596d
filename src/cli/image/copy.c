/* image copy: from one place to another, without an image here in between. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/image/access.h"
#include "cli/image/layers.h"

struct copy_options {
	struct access_options from, to, both;
	const char *platform, *multi_arch, *format, *digest_file;
	uint32_t retry_times;
	bool is_all, is_quiet;
};

#define ROW(kind, field, name, letter, arg, help)                                            \
	{                                                                                    \
		name, letter, kind, 0, offsetof(struct copy_options, field), arg, help, NULL \
	}
#define IGNORED(name, help)                                         \
	{                                                           \
		name, 0, OPT_BOOL, OPT_IGNORED, 0, NULL, help, NULL \
	}
#define UNSUPPORTED(kind, name)                       \
	{                                             \
		name, 0, kind, 0, 0, NULL, NULL, NULL \
	}

static const struct opt copy_rows[] = {
	ROW(OPT_BOOL, is_all, "all", 'a', NULL, "Copy an index with all its images"),
	ROW(OPT_STR, digest_file, "digestfile", 0, "path",
	    "Write the digest of what was copied to this file"),
	ROW(OPT_STR, format, "format", 'f', "oci|v2s2",
	    "Refuse manifests of another kind: nothing is converted"),
	ROW(OPT_STR, multi_arch, "multi-arch", 0, "system|all|index-only",
	    "Of an index: the image for the platform, all, or the index alone"),
	ROW(OPT_STR, platform, "platform", 0, "string",
	    "Choose this platform of an index: os/arch[/variant]"),
	ROW(OPT_BOOL, is_quiet, "quiet", 'q', NULL, "Suppress verbose output"),
	ACCESS_RETRY_ROW(struct copy_options, retry_times),
	ACCESS_AUTHFILE_ROW(struct copy_options, both, ""),
	ACCESS_TLS_ROW(struct copy_options, both, ""),
	ACCESS_ROWS(struct copy_options, from, "src-"),
	ACCESS_ROWS(struct copy_options, to, "dest-"),
	IGNORED("dest-oci-accept-uncompressed-layers", "Copy layers as they are"),
	IGNORED("dest-precompute-digests", "Send no layer that the registry has"),
	IGNORED("preserve-digests", "Copy manifests as they are"),
	IGNORED("remove-signatures", "Copy no signatures in skopeo's files"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "additional-tag"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "decryption-key"),
	UNSUPPORTED(OPT_UNSUPPORTED, "dest-compress"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "dest-compress-format"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "dest-compress-level"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "dest-daemon-host"),
	UNSUPPORTED(OPT_UNSUPPORTED, "dest-decompress"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "dest-shared-blob-dir"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "encrypt-layer"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "encryption-key"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "sign-by"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "sign-by-sigstore-private-key"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "sign-identity"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "sign-passphrase-file"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "src-daemon-host"),
	UNSUPPORTED(OPT_UNSUPPORTED_ARG, "src-shared-blob-dir"),
	OPT_END,
};

struct copying {
	struct cli *c;
	const char *from, *to;
	struct image_copy_options o;
	struct arena *a;
	struct image_copied done;
};

static int attempt(void *data, struct err *e)
{
	struct copying *x = data;

	return image_copy(engine_store(x->c->engine), engine_ns(x->c->engine), x->from, x->to,
			  &x->o, x->a, &x->done, e);
}

/* skopeo's word for how much of an index. */
static int read_extent(const struct copy_options *o, struct image_copy_options *ret, struct err *e)
{
	ret->is_all = o->is_all;
	if (!o->multi_arch)
		return 0;
	if (o->is_all)
		return err_set(e, -EINVAL, "--all and --multi-arch are given at the same time");
	ret->is_all = streq(o->multi_arch, "all");
	ret->is_index_only = streq(o->multi_arch, "index-only");
	return ret->is_all || ret->is_index_only || streq(o->multi_arch, "system")
		       ? 0
		       : err_set(e, -EINVAL, "--multi-arch '%s': it is system, all or index-only",
				 o->multi_arch);
}

int cli_copy_kind(const char *format, enum image_manifest_kind *ret, struct err *e)
{
	*ret = IMAGE_MANIFEST_ANY;
	if (!format)
		return 0;
	*ret = streq(format, "oci") ? IMAGE_MANIFEST_OCI : IMAGE_MANIFEST_DOCKER;
	return streq(format, "oci") || streq(format, "v2s2")
		       ? 0
		       : err_set(e, -EINVAL, "--format '%s': it is oci or v2s2", format);
}

static int read_options(const struct copy_options *o, struct arena *a,
			struct image_copy_options *ret, struct err *e)
{
	struct image_access *access = arena_calloc(a, 2, sizeof(*access));
	int r = access ? read_extent(o, ret, e) : err_set(e, -ENOMEM, "out of memory");

	if (r == 0)
		r = cli_copy_kind(o->format, &ret->kind, e);
	if (r == 0)
		r = access_read(&o->from, &o->both, a, &access[0], e);
	if (r == 0)
		r = access_read(&o->to, &o->both, a, &access[1], e);
	ret->from = access;
	ret->to = access + 1;
	ret->platform = o->platform;
	return r;
}

static int write_digest(const char *path, const char *digest, struct err *e)
{
	int r = file_replace_at(AT_FDCWD, path, digest, strlen(digest), 0644, 0);

	return r < 0 ? err_sys(e, r, "write '%s'", path) : 0;
}

static int copy_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	AUTO_ARENA struct arena a = { 0 };
	struct copy_options o = { .from = ACCESS_NOT_SAID,
				  .to = ACCESS_NOT_SAID,
				  .both = ACCESS_NOT_SAID };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;
	struct layers_view v = { .is_quiet = o.is_quiet };
	struct copying x = { .c = c,
			     .o = { .told = layers_tell,
				    .warned = layers_warn,
				    .progress = layers_show,
				    .data = &v },
			     .a = &a };

	if (first < 0)
		return code;
	r = read_options(&o, &a, &x.o, &e);
	if (r < 0)
		return cli_fail(&e, r, EXIT_OWN_FAILURE);
	if (!cli_engine(c))
		return 1;
	x.from = argv[first];
	x.to = argv[first + 1];
	/* An archive that goes to standard output is alone there. */
	v.out = str_ends(x.to, ":/dev/stdout") ? stderr : stdout;
	v.is_terminal = isatty(fileno(v.out));
	r = access_try(o.retry_times, attempt, &x, &e);
	layers_clear(&v);
	if (r == 0 && o.digest_file)
		r = write_digest(o.digest_file, x.done.digest, &e);
	if (r < 0)
		return cli_fail(&e, r, 1);
	fprintf(v.out, "%s\n", x.done.digest);
	return 0;
}

const struct cli_command cli_image_copy = {
	"image copy",
	"[OPTIONS] SOURCE DESTINATION",
	"Copy an image between registries (docker://), the store (corten:), folders (oci:, dir:) and archives (oci-archive:, docker-archive:)",
	copy_rows,
	0,
	2,
	2,
	false,
	copy_main,
};
