/* What a worker may and may not say about an image. */
#include <fcntl.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/test.h"
#include "image/priv.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST "sha256:" A64

static struct image_layer layers[LIMIT_LAYERS + 1];

static struct image_record good(void)
{
	layers[0] = (struct image_layer){ DIGEST, "t", DIGEST, DIGEST, 10 };
	return (struct image_record){ .version = 1,
				      .manifest_digest = DIGEST,
				      .config_digest = DIGEST,
				      .layers = { layers, 1 },
				      .size = 20 };
}

TEST(a_good_record_passes)
{
	struct image_record r = good();

	CHECK_EQ(image_record_check(&r, NULL), 0);
}

TEST(digests_must_be_digests)
{
	struct image_record r = good();

	r.config_digest = "sha256:../../etc/passwd";
	CHECK_EQ(image_record_check(&r, NULL), -EBADMSG);
	r = good();
	r.manifest_digest = NULL;
	CHECK_EQ(image_record_check(&r, NULL), -EBADMSG);
	r = good();
	layers[0].digest = "sha512:" A64 A64;
	CHECK_EQ(image_record_check(&r, NULL), -EBADMSG);
	r = good();
	layers[0].diff_id = "";
	CHECK_EQ(image_record_check(&r, NULL), -EBADMSG);
}

TEST(chain_ids_are_computed_again)
{
	struct image_record r = good();
	char chain[CHAIN_ID_MAX];

	layers[1] = layers[0];
	r.layers.n = 2;
	CHECK_EQ(image_record_check(&r, NULL), -EBADMSG);
	layers[1].chain_id = image_chain_id(DIGEST, DIGEST, chain);
	CHECK_EQ(image_record_check(&r, NULL), 0);
}

TEST(sizes_must_add_up)
{
	struct image_record r = good();

	layers[0].size = -1;
	CHECK_EQ(image_record_check(&r, NULL), -EBADMSG);
	layers[0].size = 21;
	CHECK_EQ(image_record_check(&r, NULL), -EBADMSG);
}

TEST(counts_and_lengths_are_bounded)
{
	static char big[LIMIT_ARGS_BYTES + 2];
	const char *one[] = { big };
	struct image_record r = good();

	r.layers.n = LIMIT_LAYERS + 1;
	CHECK_EQ(image_record_check(&r, NULL), -E2BIG);
	memset(big, 'x', sizeof(big) - 1);
	r = good();
	r.env = (struct json_strs){ one, 1 };
	CHECK_EQ(image_record_check(&r, NULL), -E2BIG);
	r = good();
	r.user = big;
	CHECK_EQ(image_record_check(&r, NULL), -E2BIG);
	r = good();
	r.created = "yesterday";
	CHECK_EQ(image_record_check(&r, NULL), -EBADMSG);
	r = good();
	r.version = 2;
	CHECK_EQ(image_record_check(&r, NULL), -EBADMSG);
}

static int note(enum worker_msg_type kind, const char *payload, size_t len, struct layer_note *ret)
{
	struct worker_msg m = { .type = kind, .len = (uint32_t)len };
	static struct arena a;

	return layer_note_read(&m, payload, &a, ret, NULL);
}

TEST(xattrs_of_overlay_and_of_users_are_not_for_us)
{
	static const char fine[] = "a/b\0trusted.x\0value",
			  overlay[] = "a\0trusted.overlay.opaque\0y", user[] = "a\0user.x\0y",
			  selinux[] = "a\0security.selinux\0y", cut[] = "a\0trusted.x";
	struct layer_note n;

	CHECK_EQ(note(WORKER_XATTR, fine, sizeof(fine) - 1, &n), 0);
	CHECK_STR(n.path, "a/b");
	CHECK_STR(n.name, "trusted.x");
	CHECK_EQ(n.value_len, 5);
	CHECK_EQ(note(WORKER_XATTR, overlay, sizeof(overlay) - 1, &n), -EPROTO);
	CHECK_EQ(note(WORKER_XATTR, user, sizeof(user) - 1, &n), -EPROTO);
	CHECK_EQ(note(WORKER_XATTR, selinux, sizeof(selinux) - 1, &n), -EPROTO);
	CHECK_EQ(note(WORKER_XATTR, cut, sizeof(cut) - 1, &n), -EPROTO);
	CHECK_EQ(note(WORKER_XATTR, "a", 1, &n), -EPROTO);
	CHECK_EQ(note(WORKER_OPAQUE, "", 0, &n), -EPROTO);
}

TEST(a_record_is_not_replaced_by_another_one)
{
	char root[] = "/tmp/corten-record-XXXXXX";
	struct image_record r = good(), *have;
	AUTO_ARENA struct arena a = { 0 };
	struct store *s;

	CHECK(mkdtemp(root));
	CHECK_EQ(store_open(root, &s, NULL), 0);
	CHECK_EQ(image_record_put(s, &r, NULL), 0);
	CHECK_EQ(image_record_put(s, &r, NULL), 0);
	r.user = "0";
	CHECK_EQ(image_record_put(s, &r, NULL), -EBADMSG);
	CHECK_EQ(image_record_get(s, DIGEST, &a, &have, NULL), 0);
	CHECK(!have->user);
	/* One that this program does not understand protects nothing. */
	CHECK_EQ(store_record_put(s, DIGEST, "{\"version\":0}", 13, NULL), 0);
	CHECK_EQ(image_record_put(s, &r, NULL), 0);
	store_close(s);
	CHECK_EQ(dir_remove_at(AT_FDCWD, root), 0);
}

TEST_MAIN()
