/* config.json and the Landlock annotation: what is accepted of the first is the same written and read again. */
#include "base/err.h"
#include "base/str.h"
#include "spec/landlock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_back(const struct oci_spec *s)
{
	AUTO_STRBUF struct strbuf one = { 0 }, two = { 0 };
	AUTO_ARENA struct arena a = { 0 };
	struct oci_spec *again;

	json_write(&oci_spec_table, s, 0, &one);
	ASSERT(oci_spec_read(one.p, one.len, &a, &again, NULL) == 0);
	json_write(&oci_spec_table, again, 0, &two);
	ASSERT(one.len == two.len && memcmp(one.p, two.p, one.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_ARENA struct arena a = { .budget = (size_t)8 << 20 };
	struct err e = ERR_INIT;
	struct oci_landlock *l;
	struct oci_process *p;
	struct oci_spec *s;

	if (oci_spec_read((const char *)data, len, &a, &s, &e) == 0)
		read_back(s);
	oci_process_read((const char *)data, len, &a, &p, &e);
	oci_landlock_read((const char *)data, len, &a, &l, &e);
	return 0;
}
