/* Image configs: what is accepted is the same after being written and read again. */
#include "base/err.h"
#include "base/str.h"
#include "spec/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_ARENA struct arena a = { .budget = (size_t)8 << 20 };
	AUTO_STRBUF struct strbuf one = { 0 }, two = { 0 };
	struct oci_image_config *c, *again;
	struct err e = ERR_INIT;

	if (oci_image_config_read((const char *)data, len, &a, &c, &e))
		return 0;
	json_write(&oci_image_config_table, c, 0, &one);
	ASSERT(oci_image_config_read(one.p, one.len, &a, &again, &e) == 0);
	json_write(&oci_image_config_table, again, 0, &two);
	ASSERT(one.len == two.len && memcmp(one.p, two.p, one.len) == 0);
	return 0;
}
