#include "base/err.h"
#include "base/str.h"
#include "base/test.h"
#include "spec/image.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX
#define BLOB "{\"mediaType\":\"any/thing\",\"digest\":\"" DIGEST "\",\"size\":3}"
#define WORD(mt) "\"mediaType\":\"" mt "\","

static struct arena arena;

static int read_manifest(const char *text, const char *media_type, struct oci_manifest **ret,
			 bool *ret_is_index, struct err *e)
{
	arena_done(&arena);
	return oci_manifest_read(text, strlen(text), media_type, &arena, ret, ret_is_index, e);
}

TEST(manifests_and_indexes_are_told_apart)
{
	static const struct {
		const char *text, *media_type;
		bool is_index;
	} rows[] = {
		{ "{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[" BLOB "]}", NULL, false },
		{ "{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[" BLOB "]}",
		  MT_OCI_MANIFEST, false },
		{ "{\"schemaVersion\":2," WORD(MT_DOCKER_MANIFEST) "\"config\":" BLOB
								   ",\"layers\":[]}",
		  MT_DOCKER_MANIFEST, false },
		{ "{\"schemaVersion\":2,\"manifests\":[" BLOB "]}", NULL, true },
		{ "{\"schemaVersion\":2," WORD(MT_DOCKER_INDEX) "\"manifests\":[" BLOB "," BLOB
								"]}",
		  NULL, true },
		{ "{\"schemaVersion\":2,\"manifests\":[]}", MT_OCI_INDEX, true },
		{ "{\"schemaVersion\":2," WORD(MT_OCI_INDEX) "\"manifests\":null}", NULL, true },
		{ "{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[],\"manifests\":null}",
		  NULL, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct oci_manifest *m;
		bool is_index;

		CHECK_EQ(read_manifest(rows[i].text, rows[i].media_type, &m, &is_index, &e), 0);
		CHECK_EQ(is_index, rows[i].is_index);
	}
}

TEST(confusing_and_wrong_manifests_are_refused)
{
	static const char *const rows[][3] = {
		{ "{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[],\"manifests\":[]}", NULL,
		  "the text could be a manifest and an index" },
		{ "{\"schemaVersion\":2,\"layers\":[],\"manifests\":[" BLOB "]}", MT_OCI_INDEX,
		  "the text could be a manifest and an index" },
		{ "{\"schemaVersion\":2,\"manifests\":[]}", MT_OCI_MANIFEST,
		  "expected a manifest but found an index" },
		{ "{\"schemaVersion\":2,\"config\":" BLOB "}", MT_OCI_INDEX,
		  "expected an index but found a manifest" },
		{ "{\"schemaVersion\":2," WORD(MT_OCI_INDEX) "\"config\":" BLOB "}", NULL,
		  "expected an index but found a manifest" },
		{ "{\"schemaVersion\":2," WORD(MT_OCI_INDEX) "\"manifests\":[]}", MT_DOCKER_INDEX,
		  "the manifest says it is '" MT_OCI_INDEX "', its descriptor '" MT_DOCKER_INDEX
		  "'" },
		{ "{\"schemaVersion\":2,\"config\":" BLOB "}", "text/html",
		  "media type 'text/html' is neither a manifest nor an index" },
		{ "{\"schemaVersion\":1,\"fsLayers\":[]}", NULL,
		  "manifests of schema version 1 are not supported" },
		{ "{\"schemaVersion\":2}", NULL, "manifest: key 'config' is missing" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:../../x\",\"size\":1}}",
		  NULL, "config: digest: 'sha256:../../x' is not a digest" },
		{ "{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[" BLOB
		  ",{\"digest\":\"" DIGEST "\",\"size\":-1}]}",
		  NULL, "layers[1]: size: -1 is negative" },
		{ "{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[{\"size\":1}]}", NULL,
		  "line 1: layers[0]: key 'digest' is missing" },
		{ "{\"schemaVersion\":2,\"config\":" BLOB ",\"config\":" BLOB "}", NULL,
		  "line 1: config: duplicate key" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct oci_manifest *m;
		bool is_index;

		CHECK_EQ(read_manifest(rows[i][0], rows[i][1], &m, &is_index, &e), -EBADMSG);
		CHECK_STR(e.msg, rows[i][2]);
	}
}

TEST(layers_have_a_limit)
{
	for (int n = LIMIT_LAYERS; n <= LIMIT_LAYERS + 1; n++) {
		AUTO_STRBUF struct strbuf b = { 0 };
		struct err e = ERR_INIT;
		struct oci_manifest *m;
		bool is_index;

		strbuf_adds(&b, "{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[");
		for (int i = 0; i < n; i++)
			strbuf_addf(&b, "%s%s", i ? "," : "", BLOB);
		strbuf_adds(&b, "]}");
		CHECK_EQ(read_manifest(b.p, NULL, &m, &is_index, &e),
			 n > LIMIT_LAYERS ? -E2BIG : 0);
	}
}

TEST(layer_types_say_how_they_are_packed)
{
	CHECK_EQ(oci_layer_compression(MT_OCI_LAYER), LAYER_PLAIN);
	CHECK_EQ(oci_layer_compression(MT_OCI_LAYER "+gzip"), LAYER_GZIP);
	CHECK_EQ(oci_layer_compression(MT_OCI_LAYER "+zstd"), LAYER_ZSTD);
	CHECK_EQ(oci_layer_compression(MT_DOCKER_LAYER ".gzip"), LAYER_GZIP);
	CHECK_EQ(oci_layer_compression(MT_OCI_LAYER "+gzip+encrypted"), -EINVAL);
	CHECK_EQ(oci_layer_compression(MT_OCI_CONFIG), -EINVAL);
	CHECK_EQ(oci_layer_compression(NULL), -EINVAL);
}

static int read_config(const char *text, struct oci_image_config **ret, struct err *e)
{
	arena_done(&arena);
	return oci_image_config_read(text, strlen(text), &arena, ret, e);
}

TEST(a_docker_image_config_is_read)
{
	static const char text[] =
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"container\":\"abc\",\"docker_version\":\"20\","
		"\"config\":{\"Hostname\":\"\",\"AttachStdin\":false,\"ExposedPorts\":{\"80/tcp\":{}},"
		"\"Env\":[\"PATH=/bin\"],\"Cmd\":null,\"Entrypoint\":[],\"Volumes\":{\"/data\":{}},"
		"\"Labels\":{\"a\":\"b\"},\"OnBuild\":null,\"StopSignal\":\"SIGQUIT\",\"Healthcheck\":"
		"{\"Test\":[\"CMD\",\"x\"],\"Interval\":30000000000,\"Retries\":3},\"Shell\":[\"/bin/sh\"]},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST "\"]},"
		"\"history\":[{\"created_by\":\"x\"},{\"empty_layer\":true}]}";
	struct err e = ERR_INIT;
	struct oci_image_config *c;

	CHECK_EQ(read_config(text, &c, &e), 0);
	CHECK_STR(c->architecture, "amd64");
	CHECK_STR(c->config->exposed_ports.v[0], "80/tcp");
	CHECK_STR(c->config->volumes.v[0], "/data");
	CHECK(!c->config->cmd.v && c->config->entrypoint.v && c->config->entrypoint.n == 0);
	CHECK_EQ(c->config->healthcheck->interval, 30000000000);
	CHECK_STR(c->rootfs->diff_ids.v[0], DIGEST);
	CHECK(c->history.n == 2 && c->history.v[1].empty_layer);
}

TEST(image_configs_fold_the_case_of_keys_but_not_twice)
{
	struct err e = ERR_INIT;
	struct oci_image_config *c;

	CHECK_EQ(read_config("{\"Rootfs\":{},\"config\":{\"cmd\":[\"a\"],\"ENV\":[\"b\"]}}", &c,
			     &e),
		 0);
	CHECK(c->config->cmd.n == 1 && c->config->env.n == 1);
	CHECK_EQ(read_config("{\"rootfs\":{},\"config\":{\"cmd\":[\"a\"],\"Cmd\":[\"b\"]}}", &c,
			     &e),
		 -EBADMSG);
	CHECK_STR(e.msg, "line 1: config.Cmd: duplicate key");
}

TEST(wrong_image_configs_are_refused)
{
	static const char *const rows[][2] = {
		{ "{}", "line 1: image config: key 'rootfs' is missing" },
		{ "{\"rootfs\":{\"type\":\"layers+base\"}}",
		  "rootfs.type: 'layers+base' is not supported" },
		{ "{\"rootfs\":{\"diff_ids\":[\"" DIGEST "\",\"sha256:x\"]}}",
		  "rootfs.diff_ids[1]: 'sha256:x' is not a digest" },
		{ "{\"rootfs\":{},\"config\":{\"Env\":\"x\"}}",
		  "line 1: config.Env: an array expected, a string found" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct oci_image_config *c;

		CHECK_EQ(read_config(rows[i][0], &c, &e), -EBADMSG);
		CHECK_STR(e.msg, rows[i][1]);
	}
}

TEST(a_docker_archive_s_list_is_read)
{
	static const char text[] =
		"[{\"Config\":\"c.json\",\"RepoTags\":null,\"Layers\":[\"a/layer.tar\"]}]";
	struct docker_archive_image *image;
	struct err e = ERR_INIT;
	struct json_objs list;

	CHECK_EQ(json_read_array(&docker_archive_image_table, text, strlen(text), NULL, &arena,
				 &list, &e),
		 0);
	image = list.v;
	CHECK(list.n == 1 && streq(image->config, "c.json") && image->repo_tags.n == 0);
	CHECK_STR(image->layers.v[0], "a/layer.tar");
	arena_done(&arena);
}

TEST_MAIN()
