#include "codec/yaml.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"

static struct err e;

static struct yaml *parse(struct arena *a, const char *text)
{
	struct yaml *y = NULL;

	e = ERR_INIT;
	return yaml_read(text, strlen(text), a, &y, &e) == 0 ? y : NULL;
}

static void refused(const char *text, const char *words)
{
	AUTO_ARENA struct arena a = { 0 };

	CHECK(parse(&a, text) == NULL);
	CHECK(strstr(e.msg, words) != NULL);
}

TEST(mappings_sequences_and_scalars_are_read)
{
	AUTO_ARENA struct arena a = { 0 };
	struct yaml *y = parse(&a, "---\n"
				   "# registries\n"
				   "host.example:5000:   # one\n"
				   "    images:\n"
				   "        'busy#box': []\n"
				   "        redis:\n"
				   "        - \"1.0\"\n"
				   "        - 2.0 # two\n"
				   "        nginx: [a, 'it''s', \"q\\\"d\"]\n"
				   "    tls-verify: false\n"
				   "other: ^1\\.[0-9]#x\n"
				   "empty:\n");
	const struct yaml *host, *images, *redis, *nginx;

	CHECK(y != NULL);
	host = yaml_get(y, "host.example:5000");
	CHECK(host != NULL && host->line == 3);
	images = yaml_get(host, "images");
	CHECK(images != NULL);
	CHECK(yaml_get(images, "busy#box")->kind == YAML_LIST);
	redis = yaml_get(images, "redis");
	CHECK(redis->kind == YAML_LIST);
	CHECK_STR(redis->first->text, "1.0");
	CHECK_STR(redis->first->next->text, "2.0");
	CHECK(redis->first->next->next == NULL);
	nginx = yaml_get(images, "nginx");
	CHECK_STR(nginx->first->text, "a");
	CHECK_STR(nginx->first->next->text, "it's");
	CHECK_STR(nginx->first->next->next->text, "q\"d");
	CHECK_STR(yaml_get(host, "tls-verify")->text, "false");
	CHECK_STR(yaml_get(y, "other")->text, "^1\\.[0-9]#x");
	CHECK_STR(yaml_get(y, "empty")->text, "");
	CHECK(yaml_get(y, "none") == NULL);
}

TEST(what_is_not_read_is_named_with_its_line)
{
	refused("a: 1\na: 2\n", "line 2: the key is there already");
	refused("a: &x 1\n", "line 1: anchors");
	refused("a: |\n  text\n", "line 1: anchors");
	refused("a:\n\tb: 1\n", "line 2: a tab");
	refused("a: 'x\n", "line 1: a quote is not closed");
	refused("a: [x\n", "line 1: a flow sequence");
	refused("a: 1\n    b: 2\n", "line 2: it is indented too far");
	refused("  a: 1\nb: 2\n", "line 2: it belongs to nothing");
	refused("a: 1\n- b\n", "line 2: a mapping and a sequence");
	refused("word\n", "line 1: a key and a colon");
	refused("a: 'x' y\n", "line 1: there is something behind");
}

TEST(nesting_is_bounded)
{
	AUTO_STRBUF struct strbuf b = { 0 };

	for (int i = 0; i < 100; i++)
		strbuf_addf(&b, "%*sa:\n", i, "");
	CHECK_EQ(strbuf_ok(&b), 0);
	refused(b.p, "nested deeper");
}

TEST_MAIN()
