#pragma once
/*
 * What a worker says that a document of a registry is: a manifest, an index or a config, read by its tables and
 * written anew, with the digest of the bytes that it read. Inline data of descriptors is left out.
 *
 * Its table is only a shape; what holds for the values is checked by the image room (image_described_read).
 * Is not: the bytes themselves, which are kept and sent as they are. Safe after fork: yes.
 */
#include "spec/image.h"

struct image_described {
	const char *digest;
	const char *media_type; /* by the descriptor's word, else by its own, else by its shape */
	bool is_index;
	const char *
		chosen; /* of an index: the digest of its best for the platform that was asked for, or NULL */
	struct oci_manifest *manifest;	 /* of a manifest and an index */
	struct oci_image_config *config; /* of an image's config */
};
extern const struct json_table image_described_table;
