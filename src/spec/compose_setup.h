#pragma once
/*
 * What the compose role is told: from which image, with which new layer and settings, it writes the config and the manifest of a
 * new one. Is not: the documents of the old image, which it asks for (WORKER_WANT). Safe after fork: yes.
 */
#include "spec/image.h"

struct compose_layer {
	const char *digest, *diff_id;
	int64_t size, compression; /* enum layer_compression */
};

struct compose_setup {
	const char *base; /* digest of its manifest; NULL: a new image */
	int64_t base_size;
	const char *platform;	/* of a new image: "linux/amd64" */
	struct json_strs names; /* full references */
	const char *created;	/* RFC 3339 */
	const char *author, *message, *created_by;
	struct compose_layer *layer;	     /* NULL: none */
	struct json_strs changes;	     /* Dockerfile instructions */
	struct oci_image_settings *settings; /* of a container: over the base's */
	bool has_command; /* entrypoint and cmd are the container's, though they be empty */
};
extern const struct json_table compose_setup_table;

/* A tar archive without entries; images leave such a layer out. */
#define EMPTY_DIFF_ID "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
