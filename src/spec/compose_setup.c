#include "spec/compose_setup.h"

#define ROW JSON_ROW

static const struct json_field layer_rows[] = {
	ROW(compose_layer, digest, "digest", JSON_STR, JSON_REQUIRED),
	ROW(compose_layer, diff_id, "diffId", JSON_STR, JSON_REQUIRED),
	ROW(compose_layer, size, "size", JSON_I64, JSON_REQUIRED | JSON_ALWAYS),
	ROW(compose_layer, compression, "compression", JSON_I64, JSON_ALWAYS),
};
static JSON_TABLE(layer_table, "layer", compose_layer, layer_rows);

static const struct json_field rows[] = {
	ROW(compose_setup, base, "base", JSON_STR, 0),
	ROW(compose_setup, base_size, "baseSize", JSON_I64, 0),
	ROW(compose_setup, platform, "platform", JSON_STR, 0),
	ROW(compose_setup, names, "names", JSON_STRS, 0),
	ROW(compose_setup, created, "created", JSON_STR, JSON_REQUIRED),
	ROW(compose_setup, author, "author", JSON_STR, 0),
	ROW(compose_setup, message, "message", JSON_STR, 0),
	ROW(compose_setup, created_by, "createdBy", JSON_STR, 0),
	JSON_ROW_SUB(compose_setup, layer, "layer", JSON_OBJ, 0, layer_table),
	ROW(compose_setup, changes, "changes", JSON_STRS, 0),
	JSON_ROW_SUB(compose_setup, settings, "settings", JSON_OBJ, 0, oci_image_settings_table),
	ROW(compose_setup, has_command, "hasCommand", JSON_BOOL, 0),
};
JSON_TABLE(compose_setup_table, "compose", compose_setup, rows);
