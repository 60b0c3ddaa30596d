/*
 * copy: places by skopeo's transports, "docker://host/name:tag" and the like. Registries and the store are read and
 * written as they are. Layouts and archives are what load reads and save writes: their images lie in the store under a
 * name of the copy's own meanwhile. One that was killed leaves that name.
 */
#include "image/copy/copy.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"
#include "codec/ref.h"
#include "image/forms/forms.h"

enum transport {
	TRANSPORT_REGISTRY,
	TRANSPORT_STORE,
	TRANSPORT_OCI_FOLDER,
	TRANSPORT_OCI_ARCHIVE,
	TRANSPORT_DOCKER_ARCHIVE,
	TRANSPORT_OTHER,
};

static const struct {
	const char *prefix;
	enum transport what;
} transports[] = {
	{ "docker://", TRANSPORT_REGISTRY },
	{ "corten:", TRANSPORT_STORE },
	{ "oci:", TRANSPORT_OCI_FOLDER },
	{ "oci-archive:", TRANSPORT_OCI_ARCHIVE },
	{ "docker-archive:", TRANSPORT_DOCKER_ARCHIVE },
	{ "dir:", TRANSPORT_OTHER },
};

struct place {
	enum transport what;
	const char *prefix;
	const char *text;	 /* behind the prefix */
	const char *path, *name; /* of a file or folder: before and behind the first ':', or NULL */
	struct ref ref;		 /* of a registry, and of the store as a target */
};

static int parse(const char *text, struct arena *a, struct place *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(transports); i++) {
		const char *name = str_skip(text, transports[i].prefix), *colon;

		if (!name)
			continue;
		*ret = (struct place){ transports[i].what, transports[i].prefix, .text = name };
		if (ret->what == TRANSPORT_OTHER)
			return err_set(e, -EOPNOTSUPP, "transport '%s' is not supported by copy",
				       ret->prefix);
		if (ret->what == TRANSPORT_REGISTRY)
			return ref_parse(name, &ret->ref, e);
		colon = strchr(name, ':');
		ret->name = colon && colon[1] ? colon + 1 : NULL;
		ret->path = arena_strndup(a, name, colon ? (size_t)(colon - name) : strlen(name));
		return ret->path ? 0 : err_set(e, -ENOMEM, "out of memory");
	}
	return err_set(
		e, -EINVAL,
		"'%.200s' has no transport: docker://NAME is a registry, corten:NAME is here, oci:FOLDER, oci-archive:FILE and docker-archive:FILE are layouts and archives",
		text);
}

struct copying {
	struct store *s;
	const char *ns;
	const struct image_copy_options *o;
	struct arena *a;
	struct place from, to;
};

/* ---- into the store ---- */

/* A registry's, or an archive's one image, under the name. */
static int bring(struct copying *c, const char *name, bool is_unpacked, struct err *e)
{
	const struct image_copy_options *o = c->o;
	const struct image_pull_options pull = { .platform = o->platform,
						 .name = name,
						 .progress = o->progress,
						 .told = o->told,
						 .data = o->data };
	const struct image_load_options load = { .platform = o->platform,
						 .no_unpack = !is_unpacked,
						 .wanted = c->from.name,
						 .name = name,
						 .progress = o->progress,
						 .progress_data = o->data };
	struct image_pulled pulled;
	struct image_loaded loaded;
	AUTO_FD fd = -EBADF;
	int r;

	if (c->from.what == TRANSPORT_STORE)
		return image_tag(c->s, c->ns, c->from.text, name, e);
	if (c->from.what == TRANSPORT_REGISTRY)
		return image_pull(c->s, c->ns, c->from.text, &pull, c->a, &pulled, e);
	fd = open(c->from.path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, -errno, "open %s", c->from.path);
	r = image_load(c->s, c->ns, fd, &load, c->a, &loaded, e);
	return r < 0 ? err_wrap(e, r, "%s%s", c->from.prefix, c->from.path) : 0;
}

/* What the name stands for now. */
static int tell_row(struct copying *c, const char *name, struct image_copied *ret, struct err *e)
{
	struct image_row row;
	int r = store_image_get(c->s, c->ns, name, c->a, &row, e);

	if (r == 0)
		*ret = (struct image_copied){ row.digest, row.size };
	return r;
}

static int copy_to_store(struct copying *c, struct image_copied *ret, struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	int r = ref_parse(c->to.text, &c->to.ref, e);

	if (r == 0 && c->to.ref.digest[0])
		r = err_set(e, -EINVAL, "corten:%.200s: a copy needs a tag, not a digest",
			    c->to.text);
	if (r < 0)
		return r;
	ref_full(&c->to.ref, full);
	r = bring(c, full, true, e);
	return r < 0 ? r : tell_row(c, full, ret, e);
}

/* ---- to a registry ---- */

static int copy_to_registry(struct copying *c, const char *staged, struct image_copied *ret,
			    struct err *e)
{
	const struct copy_options options = { .platform = c->o->platform,
					      .is_all = c->o->is_all,
					      .tmp_dirfd = store_root_fd(c->s),
					      .told = c->o->told,
					      .progress = c->o->progress,
					      .data = c->o->data };
	const struct remote fresh = { .warned = c->o->warned, .data = c->o->data };
	struct remote *ends = arena_calloc(c->a, 2, sizeof(*ends));
	bool has_source = !staged && c->from.what == TRANSPORT_REGISTRY;
	struct copy_result done;
	struct copy_source *src;
	struct copy_sink *sink;
	int r;

	if (!ends)
		return err_set(e, -ENOMEM, "out of memory");
	ends[0] = ends[1] = fresh;
	r = remote_init(&ends[0], &c->to.ref, c->a, e);
	if (r == 0)
		r = copy_sink_remote(&ends[0], &c->to.ref, c->a, &sink, e);
	if (r == 0 && has_source)
		r = remote_init(&ends[1], &c->from.ref, c->a, e);
	if (r == 0)
		r = has_source ? copy_source_remote(&ends[1], &c->from.ref, c->a, &src, e)
			       : copy_source_store(c->s, c->ns, staged ? staged : c->from.text,
						   c->a, &src, e);
	if (r == 0)
		r = image_copy_run(src, sink, &options, c->a, &done, e);
	for (size_t i = 0; i < 2; i++)
		if (ends[i].setup.host)
			remote_done(&ends[i]);
	if (r == 0)
		*ret = (struct image_copied){ done.digest, done.size };
	return r;
}

/* ---- to an archive ---- */

static int save_to(struct copying *c, const char *image, int fd, struct err *e)
{
	struct image_save_name as = { .tag = c->to.name };
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];

	if (c->to.what == TRANSPORT_DOCKER_ARCHIVE && c->to.name) {
		int r = ref_parse(c->to.name, &c->to.ref, e);

		if (r < 0)
			return r;
		as = (struct image_save_name){ .name = ref_full(&c->to.ref, full) };
	}
	return image_save_as(c->s, c->ns, image, &as, fd, e);
}

static int copy_to_archive(struct copying *c, const char *staged, struct image_copied *ret,
			   struct err *e)
{
	const char *image = staged ? staged : c->from.text, *name;
	AUTO_FD fd = -EBADF;
	struct image_record *rec;
	int r = image_find(c->s, c->ns, image, c->a, &rec, &name, e);

	if (r < 0)
		return r;
	fd = open(c->to.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, -errno, "create %s", c->to.path);
	r = save_to(c, image, fd, e);
	if (r < 0)
		unlink(c->to.path);
	else
		*ret = (struct image_copied){ rec->manifest_digest, rec->size };
	return r;
}

/* ---- all ---- */

static bool is_archive(const struct place *p)
{
	return p->what == TRANSPORT_OCI_ARCHIVE || p->what == TRANSPORT_DOCKER_ARCHIVE;
}

static int check(const struct copying *c, struct err *e)
{
	bool is_remote = c->from.what == TRANSPORT_REGISTRY && c->to.what == TRANSPORT_REGISTRY;

	if (c->to.what == TRANSPORT_OCI_FOLDER)
		return err_set(
			e, -EOPNOTSUPP,
			"copy to 'oci:' is not supported: copy to oci-archive:FILE and unpack that");
	if (c->o->is_all && !is_remote &&
	    (c->from.what != TRANSPORT_STORE || c->to.what != TRANSPORT_REGISTRY))
		return err_set(e, -EOPNOTSUPP,
			       "copy from '%s' to '%s' takes one platform: --all is not supported",
			       c->from.prefix, c->to.prefix);
	return 0;
}

static int copy_to(struct copying *c, const char *staged, struct image_copied *ret, struct err *e)
{
	return is_archive(&c->to) ? copy_to_archive(c, staged, ret, e)
				  : copy_to_registry(c, staged, ret, e);
}

/* Archives go by the store, under a name that nobody else has. */
static int copy_staged(struct copying *c, struct image_copied *ret, struct err *e)
{
	struct image_removed removed;
	struct err why = ERR_INIT;
	char hex[17], name[64];
	int r, q;

	rand_hex(hex, 16);
	snprintf(name, sizeof(name), "localhost/corten-copy/%s:latest", hex);
	r = bring(c, name, false, e);
	if (r < 0)
		return r;
	r = copy_to(c, name, ret, e);
	q = image_remove(c->s, c->ns, name, false, c->a, &removed, &why);
	if (r == 0 && q < 0 && e)
		*e = why;
	return r < 0 ? r : q;
}

int image_copy(struct store *s, const char *ns, const char *from, const char *to,
	       const struct image_copy_options *o, struct arena *a, struct image_copied *ret,
	       struct err *e)
{
	struct copying *c = arena_alloc(a, sizeof(*c));
	int r;

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	*c = (struct copying){ .s = s, .ns = ns, .o = o, .a = a };
	r = parse(to, a, &c->to, e);
	if (r == 0)
		r = parse(from, a, &c->from, e);
	if (r == 0)
		r = check(c, e);
	if (r < 0)
		return r;
	if (c->to.what == TRANSPORT_STORE)
		return copy_to_store(c, ret, e);
	if (c->from.what == TRANSPORT_STORE ||
	    (c->from.what == TRANSPORT_REGISTRY && c->to.what == TRANSPORT_REGISTRY))
		return copy_to(c, NULL, ret, e);
	return copy_staged(c, ret, e);
}
