#include "spec/landlock.h"

#include "base/err.h"
#include "base/test.h"

static struct arena a;
static struct err err;

static int read_text(const char *text, struct oci_landlock **ret)
{
	err = ERR_INIT;
	return oci_landlock_read(text, strlen(text), &a, ret, &err);
}

TEST(rules_are_read_by_the_keys_of_the_proposal)
{
	struct oci_landlock *l;

	CHECK_EQ(read_text("{\"ruleset\":{\"handledAccessFS\":[\"execute\"],\"scoped\":null},"
			   "\"rules\":{\"pathBeneath\":[{\"allowedAccess\":[\"execute\"],"
			   "\"paths\":[\"/bin\",\"/usr\"]}]}}",
			   &l),
		 0);
	CHECK_STR(l->ruleset->handled_access_fs.v[0], "execute");
	CHECK_EQ(l->rules->path_beneath.v[0].paths.n, 2);
	CHECK_EQ(l->rules->net_port.n, 0);
	CHECK(!l->has_disable_best_effort);
}

TEST(a_misspelt_key_is_named_wherever_it_stands)
{
	static const char *const texts[] = {
		"{\"rule\":{}}",
		"{\"ruleset\":{\"handled\":[]}}",
		"{\"ruleset\":{},\"rules\":{\"netPort\":[{\"port\":[1]}]}}",
		"{\"ruleset\":{},\"rules\":{\"pathBeneath\":[null,{\"path\":[]}]}}",
		"{\"ruleset\":{},\"rules\":{\"pathBeneath\":{}}}",
	};
	struct oci_landlock *l;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CHECK_EQ(read_text(texts[i], &l), -EBADMSG);
	CHECK_EQ(read_text(texts[2], &l), -EBADMSG);
	CHECK(strstr(err.msg, "rules.netPort[0].port"));
}

TEST_MAIN()
