#pragma once
/*
 * Images as the registries and archives write them: OCI manifests, indexes and configs (image-spec 1.1),
 * Docker schema 2, and the manifest.json of docker archives. One table row per key.
 *
 * The bytes of a manifest or config are what its digest names: they are kept, never written anew.
 */
#include <stdbool.h>
#include <stdint.h>

#include "spec/runtime.h"

#define MT_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define MT_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MT_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define MT_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"
#define MT_DOCKER_INDEX "application/vnd.docker.distribution.manifest.list.v2+json"
#define MT_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MT_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define MT_DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"

/* The annotation that is a tag in a layout. */
#define OCI_REF_NAME "org.opencontainers.image.ref.name"

struct oci_platform {
	const char *architecture, *os, *os_version, *variant;
	struct json_strs os_features;
};

struct oci_descriptor {
	const char *media_type, *digest;
	int64_t size;
	struct json_strs urls;
	struct json_map annotations;
	const char *data; /* base64 */
	struct oci_platform *platform;
	const char *artifact_type;
};

/*
 * Manifest and index share most keys; which one it is says the media type, and a text that could be both
 * is an error.
 */
struct oci_manifest {
	int64_t schema_version;
	const char *media_type, *artifact_type;
	struct oci_descriptor *config;
	OCI_LIST(struct oci_descriptor) layers;
	OCI_LIST(struct oci_descriptor) manifests;
	struct oci_descriptor *subject;
	struct json_map annotations;
};

struct oci_healthcheck {
	struct json_strs test;
	int64_t interval, timeout, start_period, start_interval; /* ns */
	int64_t retries;
};

/* image-spec config.md: "config" */
struct oci_image_settings {
	const char *user;
	struct json_strs exposed_ports, env, entrypoint, cmd, volumes;
	const char *working_dir;
	struct json_map labels;
	const char *stop_signal;
	struct json_strs shell, on_build;
	struct oci_healthcheck *healthcheck;
	bool args_escaped;
};

struct oci_rootfs {
	const char *type; /* "layers" */
	struct json_strs diff_ids;
};

struct oci_history {
	const char *created, *created_by, *author, *comment;
	bool empty_layer;
};

struct oci_image_config {
	const char *created, *author, *architecture, *variant, *os, *os_version;
	struct json_strs os_features;
	struct oci_image_settings *config;
	struct oci_rootfs *rootfs;
	OCI_LIST(struct oci_history) history;
};

/* One element of a docker archive's manifest.json. */
struct docker_archive_image {
	const char *config; /* a path in the archive */
	struct json_strs repo_tags, layers;
};

extern const struct json_table oci_descriptor_table, oci_manifest_table, oci_image_config_table,
	oci_image_settings_table, docker_archive_image_table, oci_platform_table;

/*
 * Reads a manifest or an index and refuses texts that could be taken for both (CVE-2021-41190), counts
 * beyond LIMIT_LAYERS and digests that are none. `media_type` is what the descriptor says, or NULL.
 */
int oci_manifest_read(const char *text, size_t len, const char *media_type, struct arena *a,
		      struct oci_manifest **ret, bool *ret_is_index, struct err *e);
int oci_image_config_read(const char *text, size_t len, struct arena *a,
			  struct oci_image_config **ret, struct err *e);

enum layer_compression { LAYER_PLAIN, LAYER_GZIP, LAYER_ZSTD };
/* How a layer's media type says it is packed; -EINVAL for types that are no layer. */
int oci_layer_compression(const char *media_type);
