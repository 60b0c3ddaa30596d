/* Manifests: no text is a manifest to one reader and an index to another. */
#include "base/err.h"
#include "spec/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const types[] = { NULL, MT_OCI_MANIFEST, MT_OCI_INDEX,
					     MT_DOCKER_MANIFEST, MT_DOCKER_INDEX };
	AUTO_ARENA struct arena a = { .budget = (size_t)16 << 20 };
	bool was_index = false, was_manifest = false;
	struct oci_manifest *m;
	struct json_objs objs;
	struct err e = ERR_INIT;
	bool is_index;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (oci_manifest_read((const char *)data, len, types[i], &a, &m, &is_index, &e))
			continue;
		was_index |= is_index && m->manifests.n;
		was_manifest |= !is_index;
		ASSERT(is_index || m->config);
		for (size_t k = 0; k < m->layers.n; k++)
			oci_layer_compression(m->layers.v[k].media_type);
	}
	ASSERT(!(was_index && was_manifest));
	json_read_array(&docker_archive_image_table, (const char *)data, len, NULL, &a, &objs, &e);
	return 0;
}
