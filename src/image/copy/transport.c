/*
 * Places by skopeo's transports, "docker://host/name:tag" and the like, and copy between any two of them. An archive is read into
 * content that a lease holds and nothing names: one that was killed leaves what the next command removes.
 */
#include "image/copy/copy.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "image/forms/forms.h"

struct copy_transport {
	const char *prefix;
	int (*parse)(struct copy_place *p, struct arena *a, struct err *e);
	int (*source)(const struct copy_room *room, struct copy_place *p, struct err *e);
	int (*sink)(const struct copy_room *room, struct copy_place *p, struct err *e);
	const char *instead; /* of one that is not ours: what does */
};

/* ---- registries ---- */

static int parse_ref(struct copy_place *p, struct arena *a, struct err *e)
{
	(void)a;
	return ref_parse(p->text, &p->ref, e);
}

static int open_remote(const struct copy_room *room, const struct image_access *access,
		       struct copy_place *p, struct err *e)
{
	p->remote = (struct remote){ .access = access,
				     .warner = { .warned = room->warned, .data = room->data } };
	return remote_init(&p->remote, &p->ref, room->a, e);
}

static int registry_source(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	int r = open_remote(room, room->from, p, e);

	return r < 0 ? r : copy_source_remote(&p->remote, &p->ref, room->a, &p->src, e);
}

static int registry_sink(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	int r = open_remote(room, room->to, p, e);

	return r < 0 ? r : copy_sink_remote(&p->remote, &p->ref, room->a, &p->sink, e);
}

/* ---- the store ---- */

static int parse_name(struct copy_place *p, struct arena *a, struct err *e)
{
	(void)a;
	return *p->text ? 0 : err_set(e, -EINVAL, "corten: needs the name of an image");
}

static int store_source(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	return copy_source_store(room->s, room->ns, p->text, room->a, &p->src, e);
}

/* ---- files and folders ---- */

static int parse_path(struct copy_place *p, struct arena *a, struct err *e)
{
	const char *colon = strchr(p->text, ':');

	p->name = colon && colon[1] ? colon + 1 : NULL;
	p->path = arena_strndup(a, p->text, colon ? (size_t)(colon - p->text) : strlen(p->text));
	if (!p->path)
		return err_set(e, -ENOMEM, "out of memory");
	return *p->path ? 0 : err_set(e, -EINVAL, "%s needs a path", p->transport->prefix);
}

/* docker's archives have names, layouts have tags. */
static int parse_docker_path(struct copy_place *p, struct arena *a, struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	int r = parse_path(p, a, e);

	if (r < 0 || !p->name)
		return r;
	r = ref_parse(p->name, &p->ref, e);
	if (r < 0)
		return err_wrap(e, r, "%s%s", p->transport->prefix, p->path);
	p->name = arena_strdup(a, ref_full(&p->ref, full));
	return p->name ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* skopeo's have no name: a colon is the path's. */
static int parse_whole_path(struct copy_place *p, struct arena *a, struct err *e)
{
	(void)a;
	p->path = p->text;
	return *p->path ? 0 : err_set(e, -EINVAL, "%s needs a path", p->transport->prefix);
}

static int layout_source(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	return copy_source_layout(p->path, p->name, room->a, &p->src, e);
}

static int layout_sink(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	return copy_sink_layout(p->path, p->name, room->a, &p->sink, e);
}

static int dir_source(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	return copy_source_dir(p->path, room->a, &p->src, e);
}

static int dir_sink(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	return copy_sink_dir(p->path, room->a, &p->sink, e);
}

static int open_archive(const struct copy_place *p, struct err *e)
{
	int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? err_sys(e, -errno, "open %s", p->path) : fd;
}

static int archive_source(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	const struct image_load_options o = { .platform = room->platform,
					      .wanted = p->name,
					      .progress = room->progress,
					      .progress_data = room->data };
	AUTO_FD fd = open_archive(p, e);
	const char *digest;
	int r = fd < 0 ? fd : store_namespace_ensure(room->s, room->ns, e);

	p->work = (struct image_work){ .s = room->s, .ns = room->ns };
	if (r == 0)
		r = image_work_begin(&p->work, e);
	if (r < 0)
		return r;
	p->is_staged = true;
	r = image_load_stage(&p->work, fd, &o, room->a, &digest, e);
	if (r < 0)
		return err_wrap(e, r, "%s%s", p->transport->prefix, p->path);
	return copy_source_content(room->s, room->ns, digest, room->a, &p->src, e);
}

static int oci_archive_sink(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	return copy_sink_archive(p->path, p->name, NULL, false, room->a, &p->sink, e);
}

static int docker_archive_sink(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	return copy_sink_archive(p->path, NULL, p->name, true, room->a, &p->sink, e);
}

/* ---- by name ---- */

enum { REGISTRY, STORE, LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE };
static const struct copy_transport transports[] = {
	[REGISTRY] = { "docker://", parse_ref, registry_source, registry_sink, NULL },
	[STORE] = { "corten:", parse_name, store_source, NULL, NULL },
	[LAYOUT] = { "oci:", parse_path, layout_source, layout_sink, NULL },
	[OCI_ARCHIVE] = { "oci-archive:", parse_path, archive_source, oci_archive_sink, NULL },
	[DOCKER_ARCHIVE] = { "docker-archive:", parse_docker_path, archive_source,
			     docker_archive_sink, NULL },
	{ "dir:", parse_whole_path, dir_source, dir_sink, NULL },
	{ "docker-daemon:", NULL, NULL, NULL,
	  "'docker save' writes what docker-archive:FILE reads" },
	{ "containers-storage:", NULL, NULL, NULL,
	  "'podman save' writes what oci-archive:FILE reads" },
	{ "tarball:", NULL, NULL, NULL, "'corten import' makes an image of a tar file" },
	{ "ostree:", NULL, NULL, NULL, "skopeo copies it to oci:FOLDER" },
	{ "sif:", NULL, NULL, NULL, "skopeo copies it to oci:FOLDER" },
};

int copy_place_parse(const char *text, struct arena *a, struct copy_place *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(transports); i++) {
		const struct copy_transport *t = &transports[i];
		const char *rest = str_skip(text, t->prefix);

		if (!rest)
			continue;
		*ret = (struct copy_place){ .transport = t, .text = rest };
		return t->parse ? t->parse(ret, a, e)
				: err_set(e, -EOPNOTSUPP, "transport '%s' is not supported: %s",
					  t->prefix, t->instead);
	}
	return err_set(
		e, -EINVAL,
		"'%.200s' has no transport: docker://NAME is a registry, corten:NAME is here, oci:FOLDER, dir:FOLDER, oci-archive:FILE and docker-archive:FILE are folders and archives",
		text);
}

int copy_place_open_source(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	return p->transport->source(room, p, e);
}

int copy_place_open_sink(const struct copy_room *room, struct copy_place *p, struct err *e)
{
	return p->transport->sink(room, p, e);
}

void copy_place_close(struct copy_place *p)
{
	if (p->src)
		p->src->done(p->src);
	if (p->sink)
		p->sink->done(p->sink);
	if (p->remote.setup.host)
		remote_done(&p->remote);
	if (p->is_staged)
		image_work_abandon(&p->work);
	p->src = NULL;
	p->sink = NULL;
	p->remote.setup.host = NULL;
	p->is_staged = false;
}

/* ---- copy ---- */

struct copying {
	struct copy_room room;
	const struct image_copy_options *o;
	struct copy_place from, to;
};

static bool is_transport(const struct copy_place *p, size_t what)
{
	return p->transport == &transports[what];
}

static bool is_archive(const struct copy_place *p)
{
	return is_transport(p, OCI_ARCHIVE) || is_transport(p, DOCKER_ARCHIVE);
}

static int bring_from_folder(struct copying *c, const char *name, struct err *e);

/* What a place has, under the name. */
static int bring(struct copying *c, const char *name, struct err *e)
{
	const struct image_copy_options *o = c->o;
	const struct copy_room *m = &c->room;
	const struct image_pull_options pull = { .access = o->from,
						 .platform = o->platform,
						 .name = name,
						 .progress = o->progress,
						 .told = o->told,
						 .warned = o->warned,
						 .data = o->data };
	const struct image_load_options load = { .platform = o->platform,
						 .wanted = c->from.name,
						 .name = name,
						 .progress = o->progress,
						 .progress_data = o->data };
	struct image_pulled pulled;
	struct image_loaded loaded;
	AUTO_FD fd = -EBADF;
	int r;

	if (is_transport(&c->from, STORE))
		return image_tag(m->s, m->ns, c->from.text, name, e);
	if (is_transport(&c->from, REGISTRY))
		return image_pull(m->s, m->ns, c->from.text, &pull, m->a, &pulled, e);
	if (!is_archive(&c->from))
		return bring_from_folder(c, name, e);
	fd = open_archive(&c->from, e);
	if (fd < 0)
		return fd;
	r = image_load(m->s, m->ns, fd, &load, m->a, &loaded, e);
	return r < 0 ? err_wrap(e, r, "%s%s", c->from.transport->prefix, c->from.path) : 0;
}

/* An artifact has nothing that the store would prepare. 1: it is one. */
static int is_artifact(struct copying *c, struct err *e)
{
	char platform[PLATFORM_TEXT_MAX];
	struct copy_reader x = { .src = c->from.src,
				 .describer = { .control = -EBADF },
				 .platform = image_host_platform(platform),
				 .a = c->room.a };
	struct copy_manifest top = { 0 };
	int r = x.src->top(x.src, &x, &top, e);

	if (r == 0)
		r = copy_describe(&x, &top, e);
	worker_stop(&x.describer);
	return r < 0 ? r : !top.d->is_index && copy_is_artifact(top.d->manifest);
}

/* A folder's image goes through a file without a name, in the form that load reads. */
static int bring_folder(struct copying *c, const char *name, struct err *e)
{
	const struct copy_options options = { .platform = c->o->platform,
					      .tmp_dirfd = store_root_fd(c->room.s),
					      .told = c->o->told,
					      .progress = c->o->progress,
					      .data = c->o->data };
	const struct image_load_options load = { .platform = c->o->platform, .name = name };
	AUTO_FD fd = openat(options.tmp_dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int to = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct image_loaded loaded;
	struct copy_result done;
	int r;

	if (to < 0)
		return err_sys(e, -errno, "make a file in the store");
	r = copy_sink_archive_fd(to, NULL, c->room.a, &c->to.sink, e);
	if (r == 0)
		r = image_copy_run(c->from.src, c->to.sink, &options, c->room.a, &done, e);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = err_sys(e, -errno, "read a file in the store");
	return r < 0 ? r : image_load(c->room.s, c->room.ns, fd, &load, c->room.a, &loaded, e);
}

static int bring_artifact(struct copying *c, const char *name, struct err *e)
{
	const struct copy_options options = { .tmp_dirfd = store_root_fd(c->room.s),
					      .told = c->o->told,
					      .progress = c->o->progress,
					      .data = c->o->data };
	struct copy_result done;
	int r = copy_sink_artifact(c->room.s, c->room.ns, name, c->room.a, &c->to.sink, e);

	return r < 0 ? r : image_copy_run(c->from.src, c->to.sink, &options, c->room.a, &done, e);
}

static int bring_from_folder(struct copying *c, const char *name, struct err *e)
{
	int r = copy_place_open_source(&c->room, &c->from, e);

	if (r == 0)
		r = is_artifact(c, e);
	if (r >= 0)
		r = r > 0 ? bring_artifact(c, name, e) : bring_folder(c, name, e);
	copy_place_close(&c->to);
	copy_place_close(&c->from);
	return r;
}

static int copy_to_store(struct copying *c, struct image_copied *ret, struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	struct copy_room *m = &c->room;
	struct image_row row;
	int r = ref_parse(c->to.text, &c->to.ref, e);

	if (r == 0 && c->to.ref.digest[0])
		r = err_set(e, -EINVAL, "corten:%.200s: a copy needs a tag, not a digest",
			    c->to.text);
	if (r == 0)
		r = bring(c, ref_full(&c->to.ref, full), e);
	if (r == 0)
		r = store_image_get(m->s, m->ns, full, m->a, &row, e);
	if (r == 0)
		*ret = (struct image_copied){ row.digest, row.size };
	return r;
}

static int copy_between(struct copying *c, struct image_copied *ret, struct err *e)
{
	const struct copy_options options = { .platform = c->o->platform,
					      .is_all = c->o->is_all,
					      .is_index_only = c->o->is_index_only,
					      .kind = c->o->kind,
					      .tmp_dirfd = store_root_fd(c->room.s),
					      .told = c->o->told,
					      .progress = c->o->progress,
					      .data = c->o->data };
	struct copy_result done;
	int r = copy_place_open_source(&c->room, &c->from, e);

	if (r == 0)
		r = copy_place_open_sink(&c->room, &c->to, e);
	if (r == 0)
		r = image_copy_run(c->from.src, c->to.sink, &options, c->room.a, &done, e);
	copy_place_close(&c->to);
	copy_place_close(&c->from);
	if (r == 0)
		*ret = (struct image_copied){ done.digest, done.size };
	return r;
}

static int check(const struct copying *c, struct err *e)
{
	const char *from = c->from.transport->prefix, *to = c->to.transport->prefix;

	if (!c->o->is_all && !c->o->is_index_only)
		return 0;
	if (is_archive(&c->from) || is_transport(&c->to, DOCKER_ARCHIVE) ||
	    is_transport(&c->to, STORE))
		return err_set(e, -EOPNOTSUPP,
			       "copy from '%s' to '%s' takes one platform: --all is not supported",
			       from, to);
	return 0;
}

int image_copy(struct store *s, const char *ns, const char *from, const char *to,
	       const struct image_copy_options *o, struct arena *a, struct image_copied *ret,
	       struct err *e)
{
	struct copying *c = arena_alloc(a, sizeof(*c));
	int r;

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	*c = (struct copying){ .room = { .s = s,
					 .ns = ns,
					 .a = a,
					 .from = o->from,
					 .to = o->to,
					 .platform = o->platform,
					 .warned = o->warned,
					 .progress = o->progress,
					 .data = o->data },
			       .o = o };
	r = copy_place_parse(to, a, &c->to, e);
	if (r == 0)
		r = copy_place_parse(from, a, &c->from, e);
	if (r == 0)
		r = check(c, e);
	if (r < 0)
		return r;
	return is_transport(&c->to, STORE) ? copy_to_store(c, ret, e) : copy_between(c, ret, e);
}
