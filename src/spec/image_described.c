#include "spec/image_described.h"

#define ROW JSON_ROW

static const struct json_field rows[] = {
	ROW(image_described, digest, "digest", JSON_STR, JSON_REQUIRED),
	ROW(image_described, media_type, "mediaType", JSON_STR, JSON_REQUIRED),
	ROW(image_described, is_index, "isIndex", JSON_BOOL, 0),
	ROW(image_described, chosen, "chosen", JSON_STR, 0),
	JSON_ROW_SUB(image_described, manifest, "manifest", JSON_OBJ, 0, oci_manifest_table),
	JSON_ROW_SUB(image_described, config, "config", JSON_OBJ, 0, oci_image_config_table),
};
JSON_TABLE(image_described_table, "description", image_described, rows);
