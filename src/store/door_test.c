/* What containerd's API asks of the store: namespaces, labels by field paths, leases and their resources, ingests. */
#include "store/store.h"

#include "store/fixture.h"

static const char *label(const struct json_map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (streq(m->v[i].key, key))
			return m->v[i].value;
	return "";
}

#define LABELS(...)                                                       \
	((struct json_map){ (struct json_pair[]){ __VA_ARGS__ },          \
			    sizeof((struct json_pair[]){ __VA_ARGS__ }) / \
				    sizeof(struct json_pair) })
#define FIELDS(...)                                           \
	((struct json_strs){ (const char *[]){ __VA_ARGS__ }, \
			     sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *) })

TEST(labels_change_by_field_paths)
{
	struct store *s = fixture_open();
	struct json_map first = LABELS({ "a", "1" }, { "b", "2" }),
			other = LABELS({ "a", "3" }, { "c", "4" }), found, nothing = { 0 };

	CHECK_OK(store_namespace_create(s, "n", &first, E));
	CHECK_EQ(store_namespace_create(s, "n", &first, E), -EEXIST);
	CHECK_OK(store_namespace_update(s, "n",
					&(struct label_update){ &other, FIELDS("labels.a") }, E));
	CHECK_OK(store_namespace_labels(s, "n", A, &found, E));
	CHECK_EQ(found.n, 2);
	CHECK_STR(label(&found, "a"), "3");
	CHECK_STR(label(&found, "b"), "2");
	CHECK_OK(store_namespace_update(
		s, "n", &(struct label_update){ &nothing, FIELDS("labels.a", "labels.no") }, E));
	CHECK_OK(store_namespace_labels(s, "n", A, &found, E));
	CHECK_EQ(found.n, 1);
	CHECK_OK(store_namespace_update(s, "n", &(struct label_update){ &other, FIELDS("labels") },
					E));
	CHECK_OK(store_namespace_labels(s, "n", A, &found, E));
	CHECK_EQ(found.n, 2);
	CHECK_STR(label(&found, "c"), "4");
	CHECK_EQ(store_namespace_update(s, "n", &(struct label_update){ &other, FIELDS("size") },
					E),
		 -EINVAL);
	CHECK_EQ(store_namespace_update(s, "no", &(struct label_update){ &other, { 0 } }, E),
		 -ENOENT);
	CHECK_OK(store_namespace_update(s, "n", &(struct label_update){ NULL, { 0 } }, E));
	CHECK_OK(store_namespace_labels(s, "n", A, &found, E));
	CHECK_EQ(found.n, 0);
}

TEST(a_namespace_goes_only_when_it_is_empty)
{
	struct store *s = fixture_open();
	char digest[DIGEST_TEXT_MAX];
	struct json_map none;

	CHECK_OK(store_namespace_ensure(s, NS, E));
	CHECK_OK(store_lease_create(s, NS, "l", 0, E));
	fixture_blob(s, "x", false, NULL, digest);
	CHECK_EQ(store_namespace_delete(s, NS, E), -EBUSY);
	CHECK(strstr(fixture_err.msg, "must be empty, but it still has blobs") != NULL);
	CHECK_OK(store_content_delete(s, NS, digest, E));
	CHECK_OK(store_namespace_delete(s, NS, E));
	CHECK_EQ(store_namespace_delete(s, NS, E), -ENOENT);
	CHECK_EQ(store_namespace_labels(s, NS, A, &none, E), -ENOENT);
	CHECK_OK(store_lease_create(s, NS, "l", 0, E));
}

TEST(content_and_snapshots_take_label_updates)
{
	struct store *s = fixture_open();
	struct json_map first = LABELS({ "a", "1" }, { "b", "2" }), other = LABELS({ "a", "3" });
	struct content_info content;
	struct snapshot_info snapshot;
	struct snapshot_mounts m;
	char digest[DIGEST_TEXT_MAX];

	fixture_blob(s, "x", false, &first, digest);
	CHECK_OK(store_content_update(
		s, NS, digest, &(struct label_update){ &other, FIELDS("labels.a", "labels.b") },
		E));
	CHECK_OK(store_content_info(s, NS, digest, A, &content, E));
	CHECK_EQ(content.labels.n, 1);
	CHECK_STR(label(&content.labels, "a"), "3");
	CHECK_EQ(store_content_update(s, NS, DIGEST("0"), &(struct label_update){ &other, { 0 } },
				      E),
		 -ENOENT);
	CHECK_OK(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, &first, A, &m, E));
	CHECK_OK(store_snapshot_update(s, NS, "k", &(struct label_update){ &other, { 0 } }, E));
	CHECK_OK(store_snapshot_stat(s, NS, "k", A, &snapshot, E));
	CHECK_EQ(snapshot.labels.n, 1);
	CHECK_EQ(store_snapshot_update(s, NS, "no", &(struct label_update){ &other, { 0 } }, E),
		 -ENOENT);
}

TEST(leases_tell_what_they_hold)
{
	struct store *s = fixture_open();
	struct json_map labels = LABELS({ "containerd.io/gc.flat", "yes" });
	struct lease_row *rows;
	struct lease_item *items;
	size_t n;

	CHECK_OK(store_lease_create_labelled(s, NS, "b", 7, &labels, E));
	CHECK_OK(store_lease_create(s, NS, "a", 0, E));
	CHECK_OK(store_lease_add(s, NS, "b", "content", DIGEST("1"), E));
	CHECK_OK(store_lease_add(s, NS, "b", store_snapshot_type(s), "k", E));
	CHECK_OK(store_lease_list(s, NS, A, &rows, &n, E));
	CHECK_EQ(n, 2);
	CHECK_STR(rows[0].id, "a");
	CHECK_EQ(rows[1].expires_ns, 7);
	CHECK_STR(label(&rows[1].labels, "containerd.io/gc.flat"), "yes");
	CHECK_OK(store_lease_items(s, NS, "b", A, &items, &n, E));
	CHECK_EQ(n, 2);
	CHECK_STR(items[0].type, "content");
	CHECK_STR(items[1].resource, "k");
	CHECK_OK(store_lease_remove(s, NS, "b", "content", DIGEST("1"), E));
	CHECK_OK(store_lease_remove(s, NS, "b", "content", DIGEST("1"), E));
	CHECK_OK(store_lease_items(s, NS, "b", A, &items, &n, E));
	CHECK_EQ(n, 1);
	CHECK_EQ(store_lease_items(s, NS, "no", A, &items, &n, E), -ENOENT);
	CHECK_EQ(store_lease_remove(s, NS, "no", "content", DIGEST("1"), E), -ENOENT);
}

/* A flat lease keeps its own and not what that refers to; one that expired by its label keeps nothing. */
TEST(flat_and_expired_leases_keep_what_they_should)
{
	struct store *s = fixture_open();
	char a[DIGEST_TEXT_MAX], b[DIGEST_TEXT_MAX], c[DIGEST_TEXT_MAX];
	struct json_map flat = LABELS({ "containerd.io/gc.flat", "" }),
			old = LABELS({ "containerd.io/gc.expire", "2001-01-01T00:00:00Z" });
	struct content_info info;
	struct gc_stats stats;

	fixture_blob(s, "below", false, NULL, b);
	fixture_blob(s, "top", false, &LABELS({ "containerd.io/gc.ref.content.0", b }), a);
	fixture_blob(s, "old", false, NULL, c);
	CHECK_OK(store_lease_create_labelled(s, NS, "flat", 0, &flat, E));
	CHECK_OK(store_lease_create_labelled(s, NS, "old", 0, &old, E));
	CHECK_OK(store_lease_add(s, NS, "flat", "content", a, E));
	CHECK_OK(store_lease_add(s, NS, "old", "content", c, E));
	CHECK_OK(store_gc(s, &stats, E));
	CHECK_OK(store_content_info(s, NS, a, A, &info, E));
	CHECK_EQ(store_content_info(s, NS, b, A, &info, E), -ENOENT);
	CHECK_EQ(store_content_info(s, NS, c, A, &info, E), -ENOENT);
}

TEST(ingests_are_seen_from_outside)
{
	struct store *s = fixture_open();
	struct ingest_status status, *list;
	struct ingest *i;
	size_t n;

	CHECK_EQ(store_ingest_status(s, "r", A, &status, E), -ENOENT);
	CHECK_OK(store_ingest_open(s, "r", false, &i, E));
	CHECK_OK(fd_write_full(i->fd, "12345", 5));
	CHECK_OK(store_ingest_status(s, "r", A, &status, E));
	CHECK_STR(status.ref, "r");
	CHECK_EQ(status.offset, 5);
	CHECK(status.is_active && status.started_ns > 0 && status.updated_ns >= status.started_ns);
	CHECK_EQ(store_ingest_remove(s, "r", E), -EBUSY);
	store_ingest_close(i);
	CHECK_OK(store_ingest_list(s, A, &list, &n, E));
	CHECK_EQ(n, 1);
	CHECK(!list[0].is_active);
	CHECK_OK(store_ingest_remove(s, "r", E));
	CHECK_EQ(store_ingest_remove(s, "r", E), -ENOENT);
	CHECK_OK(store_ingest_list(s, A, &list, &n, E));
	CHECK_EQ(n, 0);
}

TEST_MAIN()
