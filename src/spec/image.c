/*
 * The tables of manifests, indexes and image configs, and their readers. Keys match without regard to
 * case where Go programs wrote and read them for years (image configs); a manifest's keys are exact,
 * because what one reader sees and another does not is how images are confused.
 */
#include "spec/image.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"
#include "codec/digest.h"

#define ROW JSON_ROW
#define SUB JSON_ROW_SUB
#define NEED JSON_REQUIRED
#define EVER JSON_ALWAYS
#define FOLD JSON_FOLD

/* An index of referrers may be long; 4 MiB hold about ten thousand. */
#define INDEX_ENTRIES_MAX 4096

/* Manifests */

static const struct json_field platform_rows[] = {
	ROW(oci_platform, architecture, "architecture", JSON_STR, EVER),
	ROW(oci_platform, os, "os", JSON_STR, EVER),
	ROW(oci_platform, os_version, "os.version", JSON_STR, 0),
	ROW(oci_platform, os_features, "os.features", JSON_STRS, 0),
	ROW(oci_platform, variant, "variant", JSON_STR, 0),
};
JSON_TABLE(oci_platform_table, "platform", oci_platform, platform_rows);

static const struct json_field descriptor_rows[] = {
	ROW(oci_descriptor, media_type, "mediaType", JSON_STR, EVER),
	ROW(oci_descriptor, digest, "digest", JSON_STR, NEED | EVER),
	ROW(oci_descriptor, size, "size", JSON_I64, NEED | EVER),
	ROW(oci_descriptor, urls, "urls", JSON_STRS, 0),
	ROW(oci_descriptor, annotations, "annotations", JSON_MAP, 0),
	ROW(oci_descriptor, data, "data", JSON_STR, 0),
	SUB(oci_descriptor, platform, "platform", JSON_OBJ, 0, oci_platform_table),
	ROW(oci_descriptor, artifact_type, "artifactType", JSON_STR, 0),
};
JSON_TABLE(oci_descriptor_table, "descriptor", oci_descriptor, descriptor_rows);

static const struct json_field manifest_rows[] = {
	ROW(oci_manifest, schema_version, "schemaVersion", JSON_I64, NEED | EVER),
	ROW(oci_manifest, media_type, "mediaType", JSON_STR, 0),
	ROW(oci_manifest, artifact_type, "artifactType", JSON_STR, 0),
	SUB(oci_manifest, config, "config", JSON_OBJ, 0, oci_descriptor_table),
	SUB(oci_manifest, layers, "layers", JSON_OBJS, 0, oci_descriptor_table),
	SUB(oci_manifest, manifests, "manifests", JSON_OBJS, 0, oci_descriptor_table),
	SUB(oci_manifest, subject, "subject", JSON_OBJ, 0, oci_descriptor_table),
	ROW(oci_manifest, annotations, "annotations", JSON_MAP, 0),
};
JSON_TABLE(oci_manifest_table, "manifest", oci_manifest, manifest_rows);

/* Image configs */

static const struct json_field healthcheck_rows[] = {
	ROW(oci_healthcheck, test, "Test", JSON_STRS, FOLD),
	ROW(oci_healthcheck, interval, "Interval", JSON_I64, FOLD),
	ROW(oci_healthcheck, timeout, "Timeout", JSON_I64, FOLD),
	ROW(oci_healthcheck, start_period, "StartPeriod", JSON_I64, FOLD),
	ROW(oci_healthcheck, start_interval, "StartInterval", JSON_I64, FOLD),
	ROW(oci_healthcheck, retries, "Retries", JSON_I64, FOLD),
};
static JSON_TABLE(healthcheck_table, "Healthcheck", oci_healthcheck, healthcheck_rows);

static const struct json_field settings_rows[] = {
	ROW(oci_image_settings, user, "User", JSON_STR, FOLD),
	ROW(oci_image_settings, exposed_ports, "ExposedPorts", JSON_SET, FOLD),
	ROW(oci_image_settings, env, "Env", JSON_STRS, FOLD),
	ROW(oci_image_settings, entrypoint, "Entrypoint", JSON_STRS, FOLD),
	ROW(oci_image_settings, cmd, "Cmd", JSON_STRS, FOLD),
	SUB(oci_image_settings, healthcheck, "Healthcheck", JSON_OBJ, FOLD, healthcheck_table),
	ROW(oci_image_settings, volumes, "Volumes", JSON_SET, FOLD),
	ROW(oci_image_settings, working_dir, "WorkingDir", JSON_STR, FOLD),
	ROW(oci_image_settings, labels, "Labels", JSON_MAP, FOLD),
	ROW(oci_image_settings, stop_signal, "StopSignal", JSON_STR, FOLD),
	ROW(oci_image_settings, args_escaped, "ArgsEscaped", JSON_BOOL, FOLD),
	ROW(oci_image_settings, shell, "Shell", JSON_STRS, FOLD),
	ROW(oci_image_settings, on_build, "OnBuild", JSON_STRS, FOLD),
};
JSON_TABLE(oci_image_settings_table, "config", oci_image_settings, settings_rows);

static const struct json_field rootfs_rows[] = {
	ROW(oci_rootfs, type, "type", JSON_STR, FOLD),
	ROW(oci_rootfs, diff_ids, "diff_ids", JSON_STRS, FOLD | EVER),
};
static JSON_TABLE(rootfs_table, "rootfs", oci_rootfs, rootfs_rows);

static const struct json_field history_rows[] = {
	ROW(oci_history, created, "created", JSON_STR, FOLD),
	ROW(oci_history, created_by, "created_by", JSON_STR, FOLD),
	ROW(oci_history, author, "author", JSON_STR, FOLD),
	ROW(oci_history, comment, "comment", JSON_STR, FOLD),
	ROW(oci_history, empty_layer, "empty_layer", JSON_BOOL, FOLD),
};
static JSON_TABLE(history_table, "history", oci_history, history_rows);

static const struct json_field image_config_rows[] = {
	ROW(oci_image_config, created, "created", JSON_STR, FOLD),
	ROW(oci_image_config, author, "author", JSON_STR, FOLD),
	ROW(oci_image_config, architecture, "architecture", JSON_STR, FOLD | EVER),
	ROW(oci_image_config, os, "os", JSON_STR, FOLD | EVER),
	ROW(oci_image_config, os_version, "os.version", JSON_STR, FOLD),
	ROW(oci_image_config, os_features, "os.features", JSON_STRS, FOLD),
	ROW(oci_image_config, variant, "variant", JSON_STR, FOLD),
	SUB(oci_image_config, config, "config", JSON_OBJ, FOLD, oci_image_settings_table),
	SUB(oci_image_config, rootfs, "rootfs", JSON_OBJ, FOLD | NEED, rootfs_table),
	SUB(oci_image_config, history, "history", JSON_OBJS, FOLD, history_table),
};
JSON_TABLE(oci_image_config_table, "image config", oci_image_config, image_config_rows);

static const struct json_field archive_image_rows[] = {
	ROW(docker_archive_image, config, "Config", JSON_STR, NEED | EVER),
	ROW(docker_archive_image, repo_tags, "RepoTags", JSON_STRS, EVER),
	ROW(docker_archive_image, layers, "Layers", JSON_STRS, EVER),
};
JSON_TABLE(docker_archive_image_table, "manifest.json", docker_archive_image, archive_image_rows);

/* Media types */

enum document { IS_NONE, IS_MANIFEST, IS_INDEX };

static const struct {
	const char *media_type;
	enum document what;
} documents[] = {
	{ MT_OCI_MANIFEST, IS_MANIFEST },
	{ MT_OCI_INDEX, IS_INDEX },
	{ MT_DOCKER_MANIFEST, IS_MANIFEST },
	{ MT_DOCKER_INDEX, IS_INDEX },
};

static enum document document_of(const char *media_type)
{
	for (size_t i = 0; i < ARRAY_LEN(documents); i++)
		if (streq(documents[i].media_type, media_type))
			return documents[i].what;
	return IS_NONE;
}

static const struct {
	const char *media_type;
	enum layer_compression how;
} layers[] = {
	{ MT_OCI_LAYER, LAYER_PLAIN },
	{ MT_OCI_LAYER "+gzip", LAYER_GZIP },
	{ MT_OCI_LAYER "+zstd", LAYER_ZSTD },
	{ MT_DOCKER_LAYER, LAYER_PLAIN },
	{ MT_DOCKER_LAYER ".gzip", LAYER_GZIP },
	{ MT_DOCKER_LAYER ".zstd", LAYER_ZSTD },
	/* Layers that are not to be pushed; pulling them is allowed. */
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", LAYER_PLAIN },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", LAYER_GZIP },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", LAYER_ZSTD },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar", LAYER_PLAIN },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", LAYER_GZIP },
};

int oci_layer_compression(const char *media_type)
{
	for (size_t i = 0; media_type && i < ARRAY_LEN(layers); i++)
		if (streq(layers[i].media_type, media_type))
			return (int)layers[i].how;
	return -EINVAL;
}

/* Readers */

static int check_descriptor(const struct oci_descriptor *d, struct err *e)
{
	if (!digest_is_valid(d->digest))
		return err_set(e, -EBADMSG, "digest: '%.140s' is not a digest", d->digest);
	if (d->size < 0)
		return err_set(e, -EBADMSG, "size: %lld is negative", (long long)d->size);
	return 0;
}

static int check_one(const struct oci_descriptor *d, const char *path, struct err *e)
{
	int r = d ? check_descriptor(d, e) : 0;

	return r ? err_wrap(e, r, "%s", path) : 0;
}

static int check_list(const struct oci_descriptor *v, size_t n, size_t max, const char *path,
		      struct err *e)
{
	int r;

	if (n > max)
		return err_set(e, -E2BIG, "%s: %zu elements, the limit is %zu", path, n, max);
	for (size_t i = 0; i < n; i++) {
		r = check_descriptor(&v[i], e);
		if (r)
			return err_wrap(e, r, "%s[%zu]", path, i);
	}
	return 0;
}

/*
 * What the document is: by the descriptor's word, else by its own, else by its keys. The keys must fit
 * in any case, and the two words must be the same (CVE-2021-41190).
 */
static int choose_document(const struct oci_manifest *m, const char *media_type, enum document *ret,
			   struct err *e)
{
	bool looks_manifest = m->config || m->layers.v, looks_index = m->manifests.v;
	const char *word = media_type ? media_type : m->media_type;

	if (m->schema_version != 2)
		return err_set(e, -EBADMSG, "manifests of schema version %lld are not supported",
			       (long long)m->schema_version);
	if (media_type && m->media_type && !streq(media_type, m->media_type))
		return err_set(e, -EBADMSG,
			       "the manifest says it is '%.120s', its descriptor '%.120s'",
			       m->media_type, media_type);
	if (looks_manifest && looks_index)
		return err_set(e, -EBADMSG, "the text could be a manifest and an index");
	*ret = word ? document_of(word) : looks_index ? IS_INDEX : IS_MANIFEST;
	if (*ret == IS_NONE)
		return err_set(e, -EBADMSG,
			       "media type '%.120s' is neither a manifest nor an index", word);
	if (*ret == IS_MANIFEST && looks_index)
		return err_set(e, -EBADMSG, "expected a manifest but found an index");
	if (*ret == IS_INDEX && looks_manifest)
		return err_set(e, -EBADMSG, "expected an index but found a manifest");
	if (*ret == IS_MANIFEST && !m->config)
		return err_set(e, -EBADMSG, "manifest: key 'config' is missing");
	return 0;
}

static int check_manifest(const struct oci_manifest *m, struct err *e)
{
	int r = check_one(m->config, "config", e);

	if (r == 0)
		r = check_one(m->subject, "subject", e);
	if (r == 0)
		r = check_list(m->layers.v, m->layers.n, LIMIT_LAYERS, "layers", e);
	if (r == 0)
		r = check_list(m->manifests.v, m->manifests.n, INDEX_ENTRIES_MAX, "manifests", e);
	return r;
}

int oci_manifest_read(const char *text, size_t len, const char *media_type, struct arena *a,
		      struct oci_manifest **ret, bool *ret_is_index, struct err *e)
{
	static const struct json_limits lim = { .bytes = LIMIT_MANIFEST_BYTES };
	struct oci_manifest *m = arena_alloc(a, sizeof(*m));
	enum document what = IS_NONE;
	int r;

	if (!m)
		return err_set(e, -ENOMEM, "manifest: no memory");
	r = json_read(&oci_manifest_table, text, len, &lim, a, m, e);
	if (r == 0)
		r = choose_document(m, media_type, &what, e);
	if (r == 0)
		r = check_manifest(m, e);
	if (r)
		return r;
	*ret = m;
	*ret_is_index = what == IS_INDEX;
	return 0;
}

static int check_image_config(const struct oci_image_config *c, struct err *e)
{
	const struct oci_rootfs *rootfs = c->rootfs;

	if (c->history.n > LIMIT_HISTORY)
		return err_set(e, -E2BIG, "history: %zu elements, the limit is %d", c->history.n,
			       LIMIT_HISTORY);
	if (rootfs->type && !streq(rootfs->type, "layers"))
		return err_set(e, -EBADMSG, "rootfs.type: '%.60s' is not supported", rootfs->type);
	if (rootfs->diff_ids.n > LIMIT_LAYERS)
		return err_set(e, -E2BIG, "rootfs.diff_ids: %zu elements, the limit is %d",
			       rootfs->diff_ids.n, LIMIT_LAYERS);
	for (size_t i = 0; i < rootfs->diff_ids.n; i++)
		if (!digest_is_valid(rootfs->diff_ids.v[i]))
			return err_set(e, -EBADMSG,
				       "rootfs.diff_ids[%zu]: '%.140s' is not a digest", i,
				       rootfs->diff_ids.v[i]);
	return 0;
}

int oci_image_config_read(const char *text, size_t len, struct arena *a,
			  struct oci_image_config **ret, struct err *e)
{
	static const struct json_limits lim = { .bytes = LIMIT_MANIFEST_BYTES };
	struct oci_image_config *c = arena_alloc(a, sizeof(*c));
	int r;

	if (!c)
		return err_set(e, -ENOMEM, "image config: no memory");
	r = json_read(&oci_image_config_table, text, len, &lim, a, c, e);
	if (r == 0)
		r = check_image_config(c, e);
	if (r == 0)
		*ret = c;
	return r;
}
