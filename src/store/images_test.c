#include "store/store.h"

#include "store/fixture.h"

static const struct image_row busybox = {
	.name = "docker.io/library/busybox:latest",
	.digest = DIGEST("0"),
	.media_type = "application/vnd.oci.image.manifest.v1+json",
	.size = 610,
};

static const char *event_at(struct store *s, int64_t seq)
{
	struct event_row *rows;
	size_t n;

	CHECK_OK(store_event_list(s, seq - 1, 1, A, &rows, &n, E));
	return n ? arena_printf(A, "%s %s", rows[0].topic, rows[0].json) : "none";
}

TEST(put_creates_and_replaces_with_an_event_each)
{
	struct store *s = fixture_open();
	struct json_pair pair = { "k", "v" };
	struct image_row row = busybox, got;
	int64_t last;

	CHECK_OK(store_image_put(s, NS, &row, E));
	row.digest = DIGEST("1");
	row.labels = (struct json_map){ &pair, 1 };
	CHECK_OK(store_image_put(s, NS, &row, E));
	CHECK_OK(store_image_get(s, NS, row.name, A, &got, E));
	CHECK_STR(got.digest, DIGEST("1"));
	CHECK_STR(got.media_type, busybox.media_type);
	CHECK_EQ(got.size, 610);
	CHECK_EQ(got.labels.n, 1);
	CHECK(got.updated_ns > got.created_ns);
	CHECK_OK(store_image_delete(s, NS, row.name, E));
	CHECK_EQ(store_image_delete(s, NS, row.name, E), -ENOENT);
	CHECK_EQ(store_image_get(s, NS, row.name, A, &got, E), -ENOENT);
	CHECK_STR(event_at(s, 1), "/images/create {\"name\":\"docker.io/library/busybox:latest\"}");
	CHECK_STR(
		event_at(s, 2),
		"/images/update {\"name\":\"docker.io/library/busybox:latest\",\"labels\":{\"k\":\"v\"}}");
	CHECK_STR(event_at(s, 3), "/images/delete {\"name\":\"docker.io/library/busybox:latest\"}");
	CHECK_OK(store_event_last(s, &last, E));
	CHECK_EQ(last, 3);
}

TEST(a_change_that_is_rolled_back_leaves_no_event)
{
	struct store *s = fixture_open();
	int64_t last;

	CHECK_OK(store_begin(s, E));
	CHECK_OK(store_image_put(s, NS, &busybox, E));
	store_rollback(s);
	CHECK_OK(store_event_last(s, &last, E));
	CHECK_EQ(last, 0);
}

TEST(images_are_checked_and_listed_by_namespace)
{
	struct store *s = fixture_open();
	struct image_row row = busybox, *list;
	size_t n;

	row.digest = "sha256:xyz";
	CHECK_EQ(store_image_put(s, NS, &row, E), -EINVAL);
	row = busybox;
	row.name = "";
	CHECK_EQ(store_image_put(s, NS, &row, E), -EINVAL);
	CHECK_OK(store_image_put(s, NS, &busybox, E));
	row = busybox;
	row.name = "alpine";
	CHECK_OK(store_image_put(s, NS, &row, E));
	CHECK_OK(store_image_list(s, NS, A, &list, &n, E));
	CHECK_EQ(n, 2);
	CHECK_STR(list[0].name, "alpine");
	CHECK_OK(store_image_list(s, "k8s.io", A, &list, &n, E));
	CHECK_EQ(n, 0);
}

TEST(records_are_kept_by_manifest)
{
	struct store *s = fixture_open();
	const char *json;
	size_t len;

	CHECK_EQ(store_record_get(s, DIGEST("0"), A, &json, &len, E), -ENOENT);
	CHECK_OK(store_record_put(s, DIGEST("0"), "{}", 2, E));
	CHECK_OK(store_record_put(s, DIGEST("0"), "{\"a\":1}", 7, E));
	CHECK_OK(store_record_get(s, DIGEST("0"), A, &json, &len, E));
	CHECK_EQ(len, 7);
	CHECK_STR(json, "{\"a\":1}");
	CHECK_EQ(store_record_put(s, "x", "{}", 2, E), -EINVAL);
}

TEST(the_outbox_is_bounded_and_its_numbers_only_grow)
{
	struct store *s = fixture_open();
	struct event_row *rows;
	size_t n;

	CHECK_OK(store_begin(s, E));
	for (int i = 0; i < STORE_EVENTS_MAX + 2 * STORE_EVENTS_STEP; i++)
		CHECK_OK(store_event_add(s, NS, "/test", "{}", E));
	CHECK_OK(store_commit(s, E));
	CHECK_OK(store_event_list(s, 0, SIZE_MAX, A, &rows, &n, E));
	CHECK(n >= STORE_EVENTS_MAX && n < STORE_EVENTS_MAX + STORE_EVENTS_STEP);
	CHECK_EQ(rows[n - 1].seq, STORE_EVENTS_MAX + 2 * STORE_EVENTS_STEP);
	CHECK(rows[0].time_ns > 0);
	CHECK_OK(store_event_list(s, rows[n - 1].seq - 3, 2, A, &rows, &n, E));
	CHECK_EQ(n, 2);
	CHECK_EQ(store_event_add(s, NS, "", "{}", E), -EINVAL);
}

TEST(leases_are_made_once_and_hold_known_types)
{
	struct store *s = fixture_open();

	CHECK_OK(store_lease_create(s, NS, "l", 0, E));
	CHECK_EQ(store_lease_create(s, NS, "l", 0, E), -EEXIST);
	CHECK_STR(fixture_err.msg, "lease \"l\": already exists");
	CHECK_OK(store_lease_add(s, NS, "l", "content", DIGEST("0"), E));
	CHECK_OK(store_lease_add(s, NS, "l", "content", DIGEST("0"), E));
	CHECK_OK(store_lease_add(s, NS, "l", "snapshots/overlayfs", "k", E));
	CHECK_EQ(store_lease_add(s, NS, "l", "snapshots/zfs", "k", E), -EOPNOTSUPP);
	CHECK_EQ(store_lease_add(s, NS, "nosuch", "content", DIGEST("0"), E), -ENOENT);
	CHECK_OK(store_lease_delete(s, NS, "l", E));
	CHECK_EQ(store_lease_delete(s, NS, "l", E), -ENOENT);
}

TEST_MAIN()
