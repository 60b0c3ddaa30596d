/* OCI layouts in an archive: index.json, indexes below it, and the manifests that fit the platform. */
#include "worker/parse.h"

#include <ctype.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"

#define NOTE_CONTAINERD_NAME "io.containerd.image.name"
#define CANDIDATES_MAX 1024

struct candidate {
	const struct oci_descriptor *d; /* of a manifest */
	struct json_strs names;
	int rank;
};

struct walk {
	struct parse *p;
	struct arena *a; /* the indexes live here while candidates point into them */
	struct candidate *v;
	size_t n;
	struct docker_archive_image
		*docker; /* manifest.json, which newer dockers write beside the index */
	size_t docker_n;
};

static const char *note(const struct json_map *notes, const char *key)
{
	for (size_t i = 0; i < notes->n; i++)
		if (streq(notes->v[i].key, key))
			return notes->v[i].value;
	return NULL;
}

/* Attestations and the like: a manifest by type, but nothing to run. */
bool parse_is_extra(const struct oci_descriptor *d)
{
	const struct oci_platform *p = d->platform;

	return d->artifact_type || note(&d->annotations, "vnd.docker.reference.type") ||
	       (p && p->os && streq(p->os, "unknown"));
}

/* The blob that a descriptor names, with its size checked. 0: it is not in the archive. */
static int find_blob(struct parse *p, const struct oci_descriptor *d,
		     const struct parse_entry **ret, struct err *e)
{
	if (!str_skip(d->digest, "sha256:"))
		return err_set(e, -EOPNOTSUPP, "digest '%.80s': only sha256 is supported",
			       d->digest);
	*ret = parse_find_blob(p, d->digest);
	if (!*ret)
		return 0;
	/* Files were held against their names when they came; a link may lead to any of them. */
	if (!streq((*ret)->digest, d->digest))
		return err_set(e, -EBADMSG, "blob %s is a link to something else: its digest is %s",
			       d->digest, (*ret)->digest);
	if ((*ret)->size != d->size)
		return err_set(e, -EBADMSG, "blob %s has %lld bytes, its descriptor says %lld",
			       d->digest, (long long)(*ret)->size, (long long)d->size);
	return 1;
}

static int need_blob(struct parse *p, const struct oci_descriptor *d,
		     const struct parse_entry **ret, struct err *e)
{
	int r = find_blob(p, d, ret, e);

	if (r == 0)
		return err_set(e, -EBADMSG, "blob %s is not in the archive", d->digest);
	return r < 0 ? r : 0;
}

static int read_manifest(struct parse *p, const struct oci_descriptor *d, struct arena *a,
			 struct oci_manifest **ret, bool *ret_is_index, struct err *e)
{
	const struct parse_entry *entry;
	int r = need_blob(p, d, &entry, e);

	if (r == 0)
		r = parse_text(entry, d->digest, e);
	if (r == 0)
		r = oci_manifest_read(entry->text, (size_t)entry->size, d->media_type, a, ret,
				      ret_is_index, e);
	return r < 0 ? err_wrap(e, r, "manifest %.19s…", d->digest) : 0;
}

bool parse_is_config_type(const char *media_type)
{
	return media_type &&
	       (streq(media_type, MT_OCI_CONFIG) || streq(media_type, MT_DOCKER_CONFIG));
}

static int read_config(struct parse *p, const struct oci_manifest *m, struct arena *a,
		       struct oci_image_config **ret, struct err *e)
{
	const struct parse_entry *entry;
	int r = need_blob(p, m->config, &entry, e);

	if (r == 0)
		r = parse_text(entry, m->config->digest, e);
	if (r == 0)
		r = oci_image_config_read(entry->text, (size_t)entry->size, a, ret, e);
	return r < 0 ? err_wrap(e, r, "config %.19s…", m->config->digest) : 0;
}

/* ---- choice ---- */

/* The rank of a manifest by its config's own words. 0: not for us, or no image at all. */
static int rank_by_config(struct parse *p, const struct oci_descriptor *d, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = PARSE_IMAGE_BUDGET };
	struct oci_image_config *c;
	struct oci_manifest *m;
	bool is_index;
	int r = read_manifest(p, d, &a, &m, &is_index, e);

	if (r < 0)
		return r;
	if (is_index || m->artifact_type || !parse_is_config_type(m->config->media_type))
		return 0;
	r = read_config(p, m, &a, &c, e);
	if (r < 0)
		return r;
	r = parse_rank(&p->platform, c->os, c->architecture, c->variant);
	if (r == 0)
		parse_note_platform(p, c->os, c->architecture, c->variant);
	return r;
}

static int rank_manifest(struct parse *p, const struct oci_descriptor *d, struct err *e)
{
	const struct oci_platform *pf = d->platform;
	const struct parse_entry *entry;
	int r;

	if (pf && !parse_rank(&p->platform, pf->os, pf->architecture, pf->variant)) {
		parse_note_platform(p, pf->os, pf->architecture, pf->variant);
		return 0;
	}
	/* An index may name platforms whose blobs were left out of the archive. */
	r = find_blob(p, d, &entry, e);
	return r <= 0 ? r : rank_by_config(p, d, e);
}

static int choose(struct walk *w, const struct oci_descriptor *d, int depth, struct candidate *best,
		  struct err *e);

static int choose_in_index(struct walk *w, const struct oci_descriptor *d, int depth,
			   struct candidate *best, struct err *e)
{
	const struct parse_entry *entry;
	struct oci_manifest *m;
	bool is_index;
	int r;

	if (depth >= LIMIT_INDEX_NESTING)
		return err_set(e, -E2BIG, "indexes nest deeper than %d", LIMIT_INDEX_NESTING);
	r = find_blob(w->p, d, &entry, e);
	if (r <= 0)
		return r;
	r = read_manifest(w->p, d, w->a, &m, &is_index, e);
	for (size_t i = 0; r == 0 && i < m->manifests.n; i++)
		r = choose(w, &m->manifests.v[i], depth + 1, best, e);
	return r;
}

/* Puts what is better than `best` there. Unknown media types are passed over, as the spec asks. */
static int choose(struct walk *w, const struct oci_descriptor *d, int depth, struct candidate *best,
		  struct err *e)
{
	const char *type = d->media_type ? d->media_type : "";
	int r;

	if (parse_is_extra(d))
		return 0;
	if (streq(type, MT_OCI_INDEX) || streq(type, MT_DOCKER_INDEX))
		return choose_in_index(w, d, depth, best, e);
	if (!streq(type, MT_OCI_MANIFEST) && !streq(type, MT_DOCKER_MANIFEST))
		return 0;
	r = rank_manifest(w->p, d, e);
	if (r > 0 && (!best->d || r < best->rank)) {
		best->d = d;
		best->rank = r;
	}
	return r < 0 ? r : 0;
}

/* ---- names ---- */

/*
 * A ref.name may be a whole reference or only a tag (umoci, skopeo without a name). A bare word that looks
 * like a version is a tag, and a tag alone is no name.
 */
static bool is_name(const char *s)
{
	if (strchr(s, '/') || strchr(s, ':'))
		return true;
	return isalpha((unsigned char)*s) && !streq(s, "latest") &&
	       !(*s == 'v' && isdigit((unsigned char)s[1]));
}

static int name_candidate(struct walk *w, const struct oci_descriptor *top, struct candidate *c,
			  struct err *e)
{
	const char *name = note(&top->annotations, NOTE_CONTAINERD_NAME);

	if (!name) {
		name = note(&top->annotations, OCI_REF_NAME);
		name = name && is_name(name) ? name : NULL;
	}
	if (!name)
		return 0;
	c->names.v = arena_calloc(w->a, 1, sizeof(char *));
	if (!c->names.v)
		return err_set(e, -ENOMEM, "out of memory");
	c->names.v[c->names.n++] = name;
	return parse_normalise_names(&c->names, w->a, e);
}

/* Without a name in the index, what manifest.json says of the same config. */
static int name_by_docker(struct walk *w, const char *config_digest, struct json_strs *names,
			  struct err *e)
{
	if (names->n > 0)
		return 0;
	for (size_t i = 0; i < w->docker_n; i++) {
		const struct parse_entry *entry = parse_find(w->p, w->docker[i].config);

		if (entry && streq(entry->digest, config_digest)) {
			*names = w->docker[i].repo_tags;
			return parse_normalise_names(names, w->a, e);
		}
	}
	return 0;
}

static bool is_wanted(const struct parse *p, const struct oci_descriptor *top)
{
	const char *tag = note(&top->annotations, OCI_REF_NAME);
	const char *name = note(&top->annotations, NOTE_CONTAINERD_NAME);

	return !p->wanted || (tag && streq(tag, p->wanted)) || (name && streq(name, p->wanted));
}

/* Two manifests at the top with one name are platforms of one image: the better one keeps the name. */
static void add_candidate(struct walk *w, const struct candidate *c)
{
	if (w->p->wanted && w->n > 0) {
		if (c->rank < w->v[0].rank)
			w->v[0] = *c;
		return;
	}
	for (size_t i = 0; i < w->n; i++) {
		struct candidate *old = &w->v[i];

		if (streq(old->d->digest, c->d->digest) && old->names.n == 0) {
			*old = *c;
			return;
		}
		if (old->names.n > 0 && c->names.n > 0 && streq(old->names.v[0], c->names.v[0])) {
			if (c->rank <= old->rank)
				*old = *c;
			return;
		}
	}
	w->v[w->n++] = *c;
}

/* ---- one image ---- */

static int check_layers(struct parse *p, const struct oci_manifest *m, struct err *e)
{
	for (size_t i = 0; i < m->layers.n; i++) {
		const struct oci_descriptor *d = &m->layers.v[i];
		const struct parse_entry *entry;
		int r = oci_layer_compression(d->media_type);

		if (r < 0)
			return err_set(e, -EOPNOTSUPP,
				       "layer %zu: media type '%.120s' is not supported", i + 1,
				       d->media_type ? d->media_type : "");
		r = need_blob(p, d, &entry, e);
		if (r < 0)
			return err_wrap(e, r, "layer %zu", i + 1);
	}
	return 0;
}

static int load_one(struct walk *w, struct candidate *c, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = PARSE_IMAGE_BUDGET };
	struct parse_image image = { .manifest_digest = c->d->digest, .manifest_size = c->d->size };
	struct oci_image_config *config;
	struct oci_manifest *m;
	bool is_index;
	int r = read_manifest(w->p, c->d, &a, &m, &is_index, e);

	if (r == 0)
		r = read_config(w->p, m, &a, &config, e);
	if (r == 0)
		r = check_layers(w->p, m, e);
	if (r == 0)
		r = name_by_docker(w, m->config->digest, &c->names, e);
	if (r < 0)
		return r;
	image.names = c->names;
	image.media_type = c->d->media_type;
	image.manifest = m;
	image.config = config;
	return parse_send_image(w->p, &image, &a, e);
}

static int walk_top(struct walk *w, const struct oci_manifest *index, struct err *e)
{
	if (index->manifests.n > CANDIDATES_MAX)
		return err_set(e, -E2BIG, "%zu images, the limit is %d", index->manifests.n,
			       CANDIDATES_MAX);
	w->v = arena_calloc(w->a, index->manifests.n + 1, sizeof(*w->v));
	if (!w->v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < index->manifests.n; i++) {
		struct candidate c = { 0 };
		int r = is_wanted(w->p, &index->manifests.v[i])
				? choose(w, &index->manifests.v[i], 0, &c, e)
				: 0;

		if (r == 0 && c.d)
			r = name_candidate(w, &index->manifests.v[i], &c, e);
		if (r < 0)
			return r;
		if (c.d)
			add_candidate(w, &c);
	}
	return 0;
}

int parse_oci(struct parse *p, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = PARSE_IMAGE_BUDGET };
	const struct parse_entry *entry = parse_find(p, "index.json");
	struct walk w = { .p = p, .a = &a };
	struct oci_manifest *index;
	bool is_index;
	int r = parse_text(entry, "index.json", e);

	if (r == 0)
		r = oci_manifest_read(entry->text, (size_t)entry->size, NULL, &a, &index, &is_index,
				      e);
	if (r == 0 && !is_index && index->config)
		r = err_set(e, -EBADMSG, "is a manifest, not an index");
	if (r == 0)
		r = parse_docker_list(p, &a, &w.docker, &w.docker_n, e);
	if (r == 0)
		r = walk_top(&w, index, e);
	for (size_t i = 0; i < w.n && r == 0; i++)
		r = load_one(&w, &w.v[i], e);
	return r < 0 ? err_wrap(e, r, "index.json") : 0;
}
