/* Docker archives: manifest.json names configs and layers; the manifest of the image is ours to write. */
#include "worker/parse.h"

#include "base/err.h"
#include "base/str.h"
#include "worker/names.h"

int parse_docker_list(struct parse *p, struct arena *a, struct docker_archive_image **ret,
		      size_t *ret_n, struct err *e)
{
	static const struct json_limits lim = { .bytes = LIMIT_MANIFEST_BYTES };
	const struct parse_entry *list = parse_find(p, "manifest.json");
	struct json_objs objs = { 0 };
	int r;

	*ret = NULL;
	*ret_n = 0;
	if (!list)
		return 0;
	r = parse_text(list, "manifest.json", e);
	if (r == 0)
		r = json_read_array(&docker_archive_image_table, list->text, (size_t)list->size,
				    &lim, a, &objs, e);
	if (r < 0)
		return err_wrap(e, r, "manifest.json");
	*ret = objs.v;
	*ret_n = objs.n;
	return 0;
}

static const char *const layer_types[] = {
	[LAYER_PLAIN] = MT_DOCKER_LAYER,
	[LAYER_GZIP] = MT_DOCKER_LAYER ".gzip",
	[LAYER_ZSTD] = MT_DOCKER_LAYER ".zstd",
};

static int find_file(struct parse *p, const char *path, const struct parse_entry **ret,
		     struct err *e)
{
	char name[NAME_PATH_MAX];
	int r = name_clean(path, name, e);

	if (r < 0)
		return r;
	*ret = parse_find(p, name);
	return *ret ? 0 : err_set(e, -EBADMSG, "'%.200s' is not in the archive", path);
}

static int find_layers(struct parse *p, const struct docker_archive_image *d,
		       struct oci_manifest *m, struct arena *a, struct err *e)
{
	m->layers.n = d->layers.n;
	m->layers.v = arena_calloc(a, d->layers.n + 1, sizeof(*m->layers.v));
	if (!m->layers.v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < d->layers.n; i++) {
		const struct parse_entry *entry;
		int r = find_file(p, d->layers.v[i], &entry, e);

		if (r < 0)
			return err_wrap(e, r, "layer %zu", i + 1);
		if (!entry->is_stored)
			return err_set(e, -EBADMSG, "layer %zu: '%.200s' is no tar archive", i + 1,
				       d->layers.v[i]);
		m->layers.v[i] =
			(struct oci_descriptor){ .media_type = layer_types[entry->compression],
						 .digest = entry->digest,
						 .size = entry->size };
	}
	return 0;
}

/* The config's bytes are what its digest, the image's id, names: they become content as they are. */
static int store_config(struct parse *p, const struct parse_entry *entry,
			struct oci_descriptor *ret, struct arena *a, struct err *e)
{
	char *digest = arena_alloc(a, DIGEST_TEXT_MAX);
	int r;

	if (!digest)
		return err_set(e, -ENOMEM, "out of memory");
	r = parse_write_blob(p, entry->text, (size_t)entry->size, digest, e);
	*ret = (struct oci_descriptor){ .media_type = MT_DOCKER_CONFIG,
					.digest = digest,
					.size = entry->size };
	return r;
}

static int store_manifest(struct parse *p, const struct oci_manifest *m, struct parse_image *image,
			  struct arena *a, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	char *digest = arena_alloc(a, DIGEST_TEXT_MAX);
	int r;

	json_write(&oci_manifest_table, m, 0, &out);
	if (strbuf_ok(&out) < 0 || !digest)
		return err_set(e, -ENOMEM, "out of memory");
	r = parse_write_blob(p, out.p, out.len, digest, e);
	image->manifest = m;
	image->manifest_digest = digest;
	image->manifest_size = (int64_t)out.len;
	image->media_type = MT_DOCKER_MANIFEST;
	return r;
}

static int load_one(struct parse *p, const struct docker_archive_image *d, struct arena *a,
		    struct err *e)
{
	struct oci_descriptor config;
	struct oci_manifest m = { .schema_version = 2,
				  .media_type = MT_DOCKER_MANIFEST,
				  .config = &config };
	struct parse_image image = { .names = d->repo_tags };
	struct oci_image_config *c;
	const struct parse_entry *entry;
	int r = find_file(p, d->config, &entry, e);

	if (r == 0)
		r = parse_text(entry, d->config, e);
	if (r == 0)
		r = oci_image_config_read(entry->text, (size_t)entry->size, a, &c, e);
	if (r < 0)
		return err_wrap(e, r, "config");
	if (!parse_rank(&p->platform, c->os, c->architecture, c->variant)) {
		parse_note_platform(p, c->os, c->architecture, c->variant);
		return 0;
	}
	if (d->layers.n > LIMIT_LAYERS)
		return err_set(e, -E2BIG, "%zu layers, the limit is %d", d->layers.n, LIMIT_LAYERS);
	if (d->layers.n != c->rootfs->diff_ids.n)
		return err_set(e, -EBADMSG, "%zu layers, but the config has %zu", d->layers.n,
			       c->rootfs->diff_ids.n);
	image.config = c;
	r = find_layers(p, d, &m, a, e);
	if (r == 0)
		r = store_config(p, entry, &config, a, e);
	if (r == 0)
		r = store_manifest(p, &m, &image, a, e);
	if (r == 0)
		r = parse_normalise_names(&image.names, a, e);
	return r < 0 ? r : parse_send_image(p, &image, a, e);
}

/* By its whole name as well: "busybox" is "docker.io/library/busybox:latest". */
static bool is_wanted(const struct parse *p, const struct docker_archive_image *d)
{
	AUTO_ARENA struct arena a = { 0 };
	const char *both[] = { p->wanted, NULL };
	struct json_strs names = { both, 2 };

	for (size_t i = 0; p->wanted && i < d->repo_tags.n; i++) {
		both[0] = p->wanted;
		both[1] = d->repo_tags.v[i];
		if (streq(both[0], both[1]) ||
		    (parse_normalise_names(&names, &a, NULL) == 0 && streq(both[0], both[1])))
			return true;
	}
	return !p->wanted;
}

int parse_docker(struct parse *p, struct err *e)
{
	AUTO_ARENA struct arena list_arena = { .budget = PARSE_IMAGE_BUDGET };
	struct docker_archive_image *list;
	size_t n;
	int r = parse_docker_list(p, &list_arena, &list, &n, e);

	for (size_t i = 0; i < n && r == 0; i++) {
		AUTO_ARENA struct arena a = { .budget = PARSE_IMAGE_BUDGET };

		r = is_wanted(p, &list[i]) ? load_one(p, &list[i], &a, e) : 0;
		if (r < 0)
			err_wrap(e, r, "manifest.json: image %zu", i + 1);
	}
	return r;
}
