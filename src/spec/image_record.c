#include "spec/image_record.h"

#include <stdio.h>

#include "codec/digest.h"

#define ROW JSON_ROW
#define NEED JSON_REQUIRED
#define EVER JSON_ALWAYS

static const struct json_field layer_rows[] = {
	ROW(image_layer, digest, "digest", JSON_STR, NEED),
	ROW(image_layer, media_type, "mediaType", JSON_STR, NEED),
	ROW(image_layer, diff_id, "diffId", JSON_STR, NEED),
	ROW(image_layer, chain_id, "chainId", JSON_STR, NEED),
	ROW(image_layer, size, "size", JSON_I64, NEED | EVER),
};
static JSON_TABLE(layer_table, "layer", image_layer, layer_rows);

/* Entrypoint and cmd: an empty list is not an absent one; JSON_ALWAYS would make both []. */
static const struct json_field record_rows[] = {
	ROW(image_record, version, "version", JSON_I64, NEED | EVER),
	ROW(image_record, manifest_digest, "manifestDigest", JSON_STR, NEED),
	ROW(image_record, config_digest, "configDigest", JSON_STR, NEED),
	ROW(image_record, architecture, "architecture", JSON_STR, 0),
	ROW(image_record, os, "os", JSON_STR, 0),
	ROW(image_record, variant, "variant", JSON_STR, 0),
	ROW(image_record, created, "created", JSON_STR, 0),
	ROW(image_record, user, "user", JSON_STR, 0),
	ROW(image_record, working_dir, "workingDir", JSON_STR, 0),
	ROW(image_record, stop_signal, "stopSignal", JSON_STR, 0),
	ROW(image_record, env, "env", JSON_STRS, 0),
	ROW(image_record, entrypoint, "entrypoint", JSON_STRS, 0),
	ROW(image_record, cmd, "cmd", JSON_STRS, 0),
	ROW(image_record, volumes, "volumes", JSON_STRS, 0),
	ROW(image_record, exposed_ports, "exposedPorts", JSON_STRS, 0),
	ROW(image_record, labels, "labels", JSON_MAP, 0),
	JSON_ROW_SUB(image_record, layers, "layers", JSON_OBJS, EVER, layer_table),
	ROW(image_record, size, "size", JSON_I64, NEED | EVER),
};
JSON_TABLE(image_record_table, "image record", image_record, record_rows);

static const struct json_field offer_rows[] = {
	ROW(image_offer, names, "names", JSON_STRS, EVER),
	ROW(image_offer, media_type, "mediaType", JSON_STR, NEED),
	ROW(image_offer, manifest_size, "manifestSize", JSON_I64, NEED | EVER),
	JSON_ROW_SUB(image_offer, record, "record", JSON_OBJ, NEED, image_record_table),
};
JSON_TABLE(image_offer_table, "image", image_offer, offer_rows);

const char *image_chain_id(const char *parent, const char *diff_id, char buf[CHAIN_ID_MAX])
{
	char text[2 * CHAIN_ID_MAX];
	int n;

	if (!parent) {
		snprintf(buf, CHAIN_ID_MAX, "%s", diff_id);
		return buf;
	}
	n = snprintf(text, sizeof(text), "%s %s", parent, diff_id);
	return digest_of(text, (size_t)n, buf);
}
