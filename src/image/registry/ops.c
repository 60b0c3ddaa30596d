/* What a registry is asked or told without an image here: tags, deletion, referrers. */
#include "image/registry/registry.h"

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

/* A repository in a registry that can be called. */
static int open_remote(const char *what, const struct image_remote_options *o, struct arena *a,
		       struct ref *ref, struct remote *ret, struct err *e)
{
	int r = ref_parse(what, ref, e);

	*ret = (struct remote){ .access = o->access,
				.warner = { .warned = o->warned, .data = o->data } };
	return r < 0 ? r : remote_init(ret, ref, a, e);
}

int image_remote_tags(const char *what, const struct image_remote_options *o, struct arena *a,
		      struct json_strs *ret, struct err *e)
{
	const struct registry_call call = { .verb = REGISTRY_TAGS };
	struct registry_answer answer;
	struct remote g;
	struct ref ref;
	int r = open_remote(what, o, a, &ref, &g, e);

	if (r < 0)
		return r;
	r = remote_call(&g, &call, -EBADF, a, &answer, e);
	remote_done(&g);
	if (r == 0)
		*ret = answer.tags;
	return r;
}

/* What a reference stands for now; -ENOENT. */
static int resolve(struct remote *g, const struct ref *ref, struct arena *a, const char **ret,
		   struct err *e)
{
	struct registry_call call = { .verb = REGISTRY_HEAD };
	struct registry_answer answer;
	struct remote_document d;
	int r;

	*ret = ref->digest;
	if (ref->digest[0])
		return 0;
	call.path = arena_printf(a, "manifests/%s", ref->tag);
	r = call.path ? remote_call(g, &call, -EBADF, a, &answer, e)
		      : err_set(e, -ENOMEM, "out of memory");
	if (r < 0)
		return r;
	if (!answer.is_there)
		return err_set(e, -ENOENT, "the registry %s does not have the tag '%s' of %s",
			       ref->host, ref->tag, ref->path);
	*ret = answer.digest;
	if (answer.digest && *answer.digest)
		return 0;
	/* One that does not say: the bytes do. */
	r = remote_document(g, call.path, a, &d, e);
	*ret = r == 0 ? arena_strdup(a, d.digest) : NULL;
	return r == 0 && !*ret ? err_set(e, -ENOMEM, "out of memory") : r;
}

int image_remote_digest(const char *what, const struct image_remote_options *o, struct arena *a,
			const char **ret, struct err *e)
{
	struct remote g;
	struct ref *ref = arena_alloc(a, sizeof(*ref));
	int r = ref ? open_remote(what, o, a, ref, &g, e) : err_set(e, -ENOMEM, "out of memory");

	if (r < 0)
		return r;
	r = resolve(&g, ref, a, ret, e);
	remote_done(&g);
	return r;
}

int image_remote_delete(const char *what, enum image_delete_kind kind,
			const struct image_remote_options *o, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct registry_call call = { .verb = REGISTRY_DELETE };
	struct registry_answer answer;
	struct remote g;
	struct ref ref;
	int r = open_remote(what, o, &a, &ref, &g, e);

	if (r < 0)
		return r;
	call.path = arena_printf(&a, "%s/%s", kind == IMAGE_DELETE_BLOB ? "blobs" : "manifests",
				 ref.digest[0] ? ref.digest : ref.tag);
	if (!ref.digest[0] && kind != IMAGE_DELETE_TAG)
		r = err_set(e, -EINVAL, "'%s' has no digest", what);
	else
		r = call.path ? remote_call(&g, &call, -EBADF, &a, &answer, e)
			      : err_set(e, -ENOMEM, "out of memory");
	remote_done(&g);
	return r;
}

int image_remote_referrers(const char *what, const char *artifact_type,
			   const struct image_remote_options *o, struct arena *a,
			   struct image_referrer **ret, size_t *ret_n, struct err *e)
{
	struct registry_call call = { .verb = REGISTRY_REFERRERS, .artifact_type = artifact_type };
	struct registry_answer answer = { 0 };
	struct image_referrer *v;
	struct remote g;
	struct ref ref;
	int r = open_remote(what, o, a, &ref, &g, e);

	if (r < 0)
		return r;
	r = resolve(&g, &ref, a, &call.digest, e);
	if (r == 0)
		r = remote_call(&g, &call, -EBADF, a, &answer, e);
	remote_done(&g);
	if (r < 0)
		return r;
	v = arena_calloc(a, answer.referrers.n + 1, sizeof(*v));
	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < answer.referrers.n; i++) {
		const struct oci_descriptor *d = &answer.referrers.v[i];

		v[i] = (struct image_referrer){ .digest = d->digest,
						.media_type = d->media_type ? d->media_type : "",
						.artifact_type = d->artifact_type ? d->artifact_type
										  : "",
						.size = d->size };
	}
	*ret = v;
	*ret_n = answer.referrers.n;
	return 0;
}
