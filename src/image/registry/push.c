/* push: an image of the store to the registry that its name says. */
#include "image/copy/copy.h"

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

static int push_one(struct store *s, const char *ns, struct remote *g, const struct ref *ref,
		    const struct image_push_options *o, struct err *e)
{
	const struct copy_options options = { .is_whole_or_one = true,
					      .tmp_dirfd = store_root_fd(s),
					      .told = o->told,
					      .progress = o->progress,
					      .data = o->data };
	AUTO_ARENA struct arena a = { 0 };
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	struct copy_source *src;
	struct copy_sink *sink;
	struct copy_result done;
	int r = copy_source_store(s, ns, ref_full(ref, full), &a, &src, e);

	if (r == 0)
		r = copy_sink_remote(g, ref, &a, &sink, e);
	if (r == 0)
		r = image_copy_run(src, sink, &options, &a, &done, e);
	if (r == 0 && o->pushed)
		o->pushed(o->data, sink->tag, done.digest, done.size, done.index);
	return r;
}

static int push_all_tags(struct store *s, const char *ns, struct remote *g, const struct ref *ref,
			 const struct image_push_options *o, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_row *rows;
	size_t n, pushed = 0;
	int r = store_image_list(s, ns, &a, &rows, &n, e);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct ref one;

		if (ref_parse(rows[i].name, &one, NULL) < 0 || one.digest[0] ||
		    !streq(one.host, ref->host) || !streq(one.path, ref->path))
			continue;
		r = push_one(s, ns, g, &one, o, e);
		pushed++;
	}
	return r < 0 || pushed > 0
		       ? r
		       : err_set(e, -ENOENT, "An image does not exist locally with the tag: %s",
				 ref->path);
}

/* docker's words, when there is nothing by that name. */
static int check_there(struct store *s, const char *ns, const struct ref *ref, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX], name[REF_TEXT_MAX];
	struct image_row row;
	int r = store_image_get(s, ns, ref_full(ref, full), &a, &row, NULL);

	if (r == -ENOENT)
		return err_set(e, r, "An image does not exist locally with the tag: %s",
			       ref_familiar_name(ref, name));
	return r < 0 ? err_sys(e, r, "find image '%s'", full) : 0;
}

int image_push(struct store *s, const char *ns, const char *what,
	       const struct image_push_options *o, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct remote g = { .warner = { .warned = o->warned, .data = o->data } };
	struct ref ref;
	int r = ref_parse(what, &ref, e);

	if (r == 0 && ref.digest[0])
		r = err_set(e, -EINVAL, "cannot push a digest reference");
	if (r == 0 && o->begun) {
		const char *repository = arena_printf(&a, "%s/%s", ref.host, ref.path);

		o->begun(o->data, repository ? repository : ref.path);
	}
	if (r == 0 && !o->is_all_tags)
		r = check_there(s, ns, &ref, e);
	if (r < 0)
		return r;
	r = remote_init(&g, &ref, &a, e);
	if (r == 0)
		r = o->is_all_tags ? push_all_tags(s, ns, &g, &ref, o, e)
				   : push_one(s, ns, &g, &ref, o, e);
	remote_done(&g);
	return r;
}
