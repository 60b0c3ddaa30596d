#pragma once
/*
 * The normalised record of one image for one platform: what a worker makes of a manifest and a config, what
 * the store keeps by manifest digest, and the only thing of an image that privileged code reads.
 *
 * Its table is only a shape; what holds for the values is checked by the image room (image_record_check).
 */
#include "codec/json.h"

struct image_layer {
	const char *digest, *media_type, *diff_id, *chain_id;
	int64_t size;
};

struct image_record {
	int64_t version; /* 1 */
	const char *manifest_digest, *config_digest;
	const char *architecture, *os, *variant;
	const char *created; /* RFC 3339 or NULL */
	const char *user, *working_dir, *stop_signal;
	struct json_strs env, entrypoint, cmd, volumes, exposed_ports;
	struct json_map labels;
	struct {
		struct image_layer *v;
		size_t n;
	} layers;
	int64_t size; /* of the blobs together */
};
extern const struct json_table image_record_table;

/* What names stand for. */
struct image_target {
	const char *digest, *media_type;
	int64_t size;
};

/* A worker's word about one image of an archive. */
struct image_offer {
	struct json_strs names; /* full references */
	const char *media_type; /* of the manifest */
	int64_t manifest_size;
	struct image_record *record;
	/* The index that the manifest was chosen from; NULL: none. The parent's own, in no table. */
	const struct image_target *target;
};
extern const struct json_table image_offer_table;

/* "sha256:…" of layer `i` upon `parent` (NULL for the lowest): image-spec config.md#layer-chainid. */
#define CHAIN_ID_MAX 136
const char *image_chain_id(const char *parent, const char *diff_id, char buf[CHAIN_ID_MAX]);
