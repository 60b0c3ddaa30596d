#include "store/store.h"

#include "store/fixture.h"

#define ID_A "aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111"
#define ID_B "aaaa2222aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111"

static struct container_row row_of(const char *id, const char *name)
{
	return (struct container_row){ .id = id,
				       .name = name,
				       .image = "docker.io/library/busybox:latest",
				       .runtime = "io.containerd.runc.v2",
				       .spec = "{\"a\":\0 1}",
				       .spec_len = 9,
				       .snapshotter = "overlayfs",
				       .snapshot_key = id };
}

TEST(a_record_comes_back_as_it_went)
{
	struct store *s = fixture_open();
	struct json_pair pairs[] = { { "b", "1" }, { "a", "" } };
	struct container_row row = row_of(ID_A, "web"), got;

	row.labels = (struct json_map){ pairs, 2 };
	row.doc = "{}";
	row.doc_len = 2;
	CHECK_OK(store_container_create(s, NS, &row, E));
	CHECK_OK(store_container_get(s, NS, ID_A, A, &got, E));
	CHECK_STR(got.id, ID_A);
	CHECK_STR(got.name, "web");
	CHECK_STR(got.image, row.image);
	CHECK_STR(got.snapshot_key, ID_A);
	CHECK_EQ(got.spec_len, 9);
	CHECK_EQ(memcmp(got.spec, row.spec, 9), 0);
	CHECK_EQ(got.labels.n, 2);
	CHECK_STR(got.labels.v[0].key, "b");
	CHECK_EQ(got.doc_len, 2);
	CHECK(got.created_ns > 0 && got.created_ns == got.updated_ns);
}

TEST(a_foreign_record_has_no_name_and_no_document)
{
	struct store *s = fixture_open();
	struct container_row row = { .id = "redis" }, got;

	CHECK_OK(store_container_create(s, NS, &row, E));
	row.id = "redis-2";
	CHECK_OK(store_container_create(s, NS, &row, E));
	CHECK_OK(store_container_get(s, NS, "redis", A, &got, E));
	CHECK(!got.name && !got.doc && !got.spec);
	CHECK_STR(got.image, "");
}

TEST(conflicts_have_dockers_and_containerds_words)
{
	struct store *s = fixture_open();
	struct container_row row = row_of(ID_A, "web");

	CHECK_OK(store_container_create(s, NS, &row, E));
	row.id = ID_B;
	CHECK_EQ(store_container_create(s, NS, &row, E), -EEXIST);
	CHECK_STR(
		fixture_err.msg,
		"Conflict. The container name \"/web\" is already in use by container \"" ID_A
		"\". You have to remove (or rename) that container to be able to reuse that name.");
	row.id = ID_A;
	row.name = "other";
	CHECK_EQ(store_container_create(s, NS, &row, E), -EEXIST);
	CHECK_STR(fixture_err.msg, "container \"" ID_A "\": already exists");
	row.name = "web";
	CHECK_OK(store_container_create(s, "other", &row, E));
}

TEST(names_and_ids_are_checked)
{
	static const char *const bad_names[] = { "", "a", "-a", "a b", "/ab", "a/b", "äb" };
	struct store *s = fixture_open();
	struct container_row row, got;

	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
		row = row_of(ID_A, bad_names[i]);
		CHECK_EQ(store_container_create(s, NS, &row, E), -EINVAL);
	}
	row = row_of("../x", NULL);
	CHECK_EQ(store_container_create(s, NS, &row, E), -EINVAL);
	CHECK_EQ(store_container_get(s, NS, "a/b", A, &got, E), -EINVAL);
	CHECK_EQ(store_container_get(s, NS, "ab", A, &got, E), -ENOENT);
	CHECK_STR(fixture_err.msg, "container \"ab\": not found");
}

TEST(find_takes_ids_names_and_prefixes)
{
	struct store *s = fixture_open();
	struct container_row a = row_of(ID_A, "web"), b = row_of(ID_B, "aaaa1"), got;

	CHECK_OK(store_container_create(s, NS, &a, E));
	CHECK_OK(store_container_create(s, NS, &b, E));
	CHECK_OK(store_container_find(s, NS, ID_A, A, &got, E));
	CHECK_OK(store_container_find(s, NS, "/web", A, &got, E));
	CHECK_STR(got.id, ID_A);
	CHECK_EQ(got.spec_len, 9);
	CHECK_OK(store_container_find(s, NS, "aaaa2", A, &got, E));
	CHECK_STR(got.id, ID_B);
	/* A name wins over a prefix. */
	CHECK_OK(store_container_find(s, NS, "aaaa1", A, &got, E));
	CHECK_STR(got.id, ID_B);
	CHECK_EQ(store_container_find(s, NS, "aaaa", A, &got, E), -EINVAL);
	CHECK_EQ(store_container_find(s, NS, "b", A, &got, E), -ENOENT);
	CHECK_STR(fixture_err.msg, "No such container: b");
	CHECK_EQ(store_container_find(s, NS, "%", A, &got, E), -ENOENT);
	CHECK_EQ(store_container_find(s, NS, "", A, &got, E), -EINVAL);
}

TEST(update_and_delete)
{
	struct store *s = fixture_open();
	struct container_row a = row_of(ID_A, "web"), b = row_of(ID_B, "db"), got;

	CHECK_EQ(store_container_update(s, NS, &a, E), -ENOENT);
	CHECK_OK(store_container_create(s, NS, &a, E));
	CHECK_OK(store_container_create(s, NS, &b, E));
	b.name = "web";
	CHECK_EQ(store_container_update(s, NS, &b, E), -EEXIST);
	CHECK(strstr(fixture_err.msg, "\"/web\" is already in use by container \"" ID_A "\""));
	CHECK_OK(store_container_delete(s, NS, ID_A, E));
	CHECK_EQ(store_container_delete(s, NS, ID_A, E), -ENOENT);
	CHECK_OK(store_container_update(s, NS, &b, E));
	CHECK_OK(store_container_find(s, NS, "web", A, &got, E));
	CHECK_STR(got.id, ID_B);
	CHECK(got.updated_ns > got.created_ns);
}

TEST(lists_come_in_the_order_of_creation_with_foreign_specs_only)
{
	struct store *s = fixture_open();
	struct container_row *list, a = row_of(ID_A, NULL), b = row_of(ID_B, NULL);
	size_t n;

	b.doc = "{}";
	b.doc_len = 2;
	CHECK_OK(store_container_create(s, NS, &b, E));
	CHECK_OK(store_container_create(s, NS, &a, E));
	CHECK_OK(store_container_list(s, NS, A, &list, &n, E));
	CHECK_EQ(n, 2);
	CHECK_STR(list[0].id, ID_B);
	CHECK(!list[0].spec && list[0].doc_len == 2);
	CHECK(list[1].spec && list[1].spec_len == 9);
	CHECK_OK(store_container_list(s, "empty", A, &list, &n, E));
	CHECK_EQ(n, 0);
}

TEST(eight_processes_fight_for_a_name_and_one_wins)
{
	struct store *s = fixture_open();
	struct container_row got;

	for (int round = 0; round < 10; round++) {
		char name[32];

		snprintf(name, sizeof(name), "name-%d", round);
		for (int i = 0; i < 8; i++) {
			if (fork() == 0) {
				struct container_row row;
				struct store *own;
				char id[48];
				int r;

				snprintf(id, sizeof(id), "id-%d-%d", round, i);
				row = row_of(id, name);
				r = store_open(fixture_root, &own, E);
				if (r >= 0)
					r = store_container_create(own, NS, &row, E);
				_exit(r >= 0 ? 0 : r == -EEXIST ? 1 : 2);
			}
		}
		CHECK_EQ(fixture_wait(8), 1);
		CHECK_OK(store_container_find(s, NS, name, A, &got, E));
	}
}

TEST_MAIN()
