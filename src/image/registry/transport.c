/* copy: places by skopeo's transports, "docker://host/name:tag" and the like. */
#include "image/registry/copy.h"

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

enum transport { TRANSPORT_REGISTRY, TRANSPORT_STORE, TRANSPORT_OTHER };

static const struct {
	const char *prefix;
	enum transport what;
} transports[] = {
	{ "docker://", TRANSPORT_REGISTRY },
	{ "corten:", TRANSPORT_STORE },
	{ "oci:", TRANSPORT_OTHER },
	{ "oci-archive:", TRANSPORT_OTHER },
	{ "docker-archive:", TRANSPORT_OTHER },
	{ "dir:", TRANSPORT_OTHER },
};

static int parse(const char *place, enum transport *ret, const char **ret_name, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(transports); i++) {
		const char *name = str_skip(place, transports[i].prefix);

		if (!name)
			continue;
		*ret = transports[i].what;
		*ret_name = name;
		if (*ret != TRANSPORT_OTHER)
			return 0;
		return err_set(e, -EOPNOTSUPP,
			       "transport '%s' is not supported by copy: use load, save or push",
			       transports[i].prefix);
	}
	return err_set(
		e, -EINVAL,
		"'%.200s' has no transport: docker://NAME is a registry, corten:NAME is here",
		place);
}

struct sides {
	struct ref from, to;
	struct remote source, sink;
	bool has_source; /* a registry, that has to be closed */
};

static int open_source(struct store *s, const char *ns, const char *place, struct sides *sides,
		       struct arena *a, struct copy_source **ret, struct err *e)
{
	enum transport what;
	const char *name;
	int r = parse(place, &what, &name, e);

	if (r < 0)
		return r;
	if (what == TRANSPORT_STORE)
		return copy_source_store(s, ns, name, a, ret, e);
	r = ref_parse(name, &sides->from, e);
	if (r == 0)
		r = remote_init(&sides->source, &sides->from, a, e);
	sides->has_source = r == 0;
	return r < 0 ? r : copy_source_remote(&sides->source, &sides->from, a, ret, e);
}

static int open_sink(const char *place, struct sides *sides, struct arena *a,
		     struct copy_sink **ret, struct err *e)
{
	enum transport what;
	const char *name;
	int r = parse(place, &what, &name, e);

	if (r < 0)
		return r;
	if (what == TRANSPORT_STORE)
		return err_set(e, -EOPNOTSUPP, "copy into the store is not supported: use pull");
	r = ref_parse(name, &sides->to, e);
	if (r == 0)
		r = remote_init(&sides->sink, &sides->to, a, e);
	return r < 0 ? r : copy_sink_remote(&sides->sink, &sides->to, a, ret, e);
}

int image_copy(struct store *s, const char *ns, const char *from, const char *to,
	       const struct image_copy_options *o, struct arena *a, struct image_copied *ret,
	       struct err *e)
{
	const struct copy_options options = { .platform = o->platform,
					      .is_all = o->is_all,
					      .tmp_dirfd = store_root_fd(s),
					      .told = o->told,
					      .progress = o->progress,
					      .data = o->data };
	struct sides *sides = arena_alloc(a, sizeof(*sides));
	struct copy_result done;
	struct copy_source *src;
	struct copy_sink *sink;
	int r;

	if (!sides)
		return err_set(e, -ENOMEM, "out of memory");
	sides->source.warned = sides->sink.warned = o->warned;
	sides->source.data = sides->sink.data = o->data;
	r = open_sink(to, sides, a, &sink, e);
	if (r < 0)
		return r;
	r = open_source(s, ns, from, sides, a, &src, e);
	if (r == 0)
		r = image_copy_run(src, sink, &options, a, &done, e);
	if (sides->has_source)
		remote_done(&sides->source);
	remote_done(&sides->sink);
	if (r == 0)
		*ret = (struct image_copied){ done.digest, done.size };
	return r;
}
