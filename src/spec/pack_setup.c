#include "spec/pack_setup.h"

#define ROW JSON_ROW

static const struct json_field rows[] = {
	ROW(pack_setup, kind, "kind", JSON_I64, JSON_REQUIRED),
	ROW(pack_setup, compression, "compression", JSON_I64, 0),
	ROW(pack_setup, has_base, "hasBase", JSON_BOOL, 0),
	ROW(pack_setup, has_archive, "hasArchive", JSON_BOOL, 0),
	ROW(pack_setup, has_listing, "hasListing", JSON_BOOL, 0),
	ROW(pack_setup, is_told, "isTold", JSON_BOOL, 0),
	ROW(pack_setup, is_hashed, "isHashed", JSON_BOOL, 0),
	ROW(pack_setup, is_layer, "isLayer", JSON_BOOL, 0),
	ROW(pack_setup, skipped, "skipped", JSON_STRS, 0),
	ROW(pack_setup, time_max_s, "timeMax", JSON_I64, 0),
};
JSON_TABLE(pack_setup_table, "pack", pack_setup, rows);
