#include "store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "store/fixture.h"

static struct gc_stats stats;

static bool has_blob(struct store *s, const char *digest)
{
	struct content_info info;
	char path[BLOB_PATH_MAX];
	bool has_row = store_content_info(s, NS, digest, A, &info, E) >= 0;

	CHECK_EQ(has_row, fixture_exists(blob_path(digest, path)));
	return has_row;
}

static bool has_snapshot(struct store *s, const char *key)
{
	struct snapshot_info info;

	if (store_snapshot_stat(s, NS, key, A, &info, E) < 0)
		return false;
	CHECK(fixture_has_folder(info.id));
	return true;
}

static const char *blob(struct store *s, const char *bytes, const char *label, const char *value)
{
	char *digest = arena_alloc(A, DIGEST_TEXT_MAX);
	struct json_pair pair = { label, value };
	struct json_map labels = { &pair, label ? 1 : 0 };

	return fixture_blob(s, bytes, false, &labels, digest);
}

static void layer(struct store *s, const char *name, const char *parent, const char *label)
{
	struct json_pair pair = { label, "x" };
	struct json_map labels = { &pair, label ? 1 : 0 };
	struct snapshot_mounts m;

	CHECK_OK(store_snapshot_prepare(s, NS, "unpack", parent, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_OK(store_snapshot_commit(s, NS, name, "unpack", &labels, E));
}

static void image(struct store *s, const char *name, const char *digest)
{
	struct image_row row = { .name = name, .digest = digest, .media_type = "x" };

	CHECK_OK(store_image_put(s, NS, &row, E));
}

TEST(what_nothing_refers_to_goes)
{
	struct store *s = fixture_open();
	const char *d = blob(s, "garbage", NULL, NULL);

	layer(s, "a", NULL, NULL);
	layer(s, "b", "a", NULL);
	layer(s, "c", "b", NULL);
	CHECK_OK(store_gc(s, &stats, E));
	CHECK_EQ(stats.blobs, 1);
	CHECK_EQ(stats.blob_bytes, 7);
	CHECK_EQ(stats.snapshots, 3);
	CHECK(!has_blob(s, d));
	CHECK(!has_snapshot(s, "a"));
	CHECK(!fixture_has_folder(1) && !fixture_has_folder(2) && !fixture_has_folder(3));
	CHECK_OK(store_gc(s, &stats, E));
	CHECK_EQ(stats.blobs + stats.snapshots, 0);
	CHECK_OK(store_empty_trash(s, E));
}

/* A row that came back after a power cut would name a file that is gone. */
TEST(what_goes_is_gone_for_good_and_nothing_costs_nothing)
{
	struct store *s = fixture_open();
	uint64_t before;

	layer(s, "a", NULL, NULL);
	before = store_sync_count(s);
	CHECK_OK(store_gc(s, &stats, E));
	CHECK_EQ(stats.snapshots, 1);
	CHECK(store_sync_count(s) > before);
	CHECK(!s->is_durable);
	before = store_sync_count(s);
	CHECK_OK(store_gc(s, &stats, E));
	CHECK_EQ(store_sync_count(s), before);
}

TEST(an_image_keeps_what_labels_and_its_record_name)
{
	struct store *s = fixture_open();
	const char *layer_blob = blob(s, "layer", NULL, NULL);
	const char *config = blob(s, "config", NULL, NULL);
	const char *manifest = blob(s, "manifest", "containerd.io/gc.ref.snapshot.overlayfs",
				    "by-label");
	const char *index = blob(s, "index", "containerd.io/gc.ref.content.m.0", manifest);
	const char *chain = DIGEST("0");
	const char *json = arena_printf(
		A, "{\"version\":1,\"config\":\"%s\",\"layers\":[{\"d\":\"%s\",\"c\":\"%s\"}]}",
		config, layer_blob, chain);

	CHECK_OK(store_record_put(s, manifest, json, strlen(json), E));
	layer(s, "base", NULL, NULL);
	layer(s, chain, "base", NULL);
	layer(s, "by-label", NULL, NULL);
	image(s, "i", index);
	CHECK_OK(store_gc(s, &stats, E));
	CHECK_EQ(stats.blobs + stats.snapshots, 0);
	CHECK(has_blob(s, layer_blob) && has_blob(s, config) && has_blob(s, manifest) &&
	      has_blob(s, index));
	CHECK(has_snapshot(s, "base") && has_snapshot(s, chain) && has_snapshot(s, "by-label"));
	CHECK_OK(store_image_delete(s, NS, "i", E));
	CHECK_OK(store_gc(s, &stats, E));
	CHECK_EQ(stats.blobs, 4);
	CHECK_EQ(stats.snapshots, 3);
	CHECK_EQ(store_record_get(s, manifest, A, &json, &(size_t){ 0 }, E), -ENOENT);
}

TEST(a_container_keeps_its_snapshot_and_the_layers_below)
{
	struct store *s = fixture_open();
	struct container_row row = { .id = "c1", .snapshotter = "overlayfs", .snapshot_key = "c1" };
	struct snapshot_mounts m;

	layer(s, "a", NULL, NULL);
	layer(s, "b", NULL, NULL);
	CHECK_OK(store_snapshot_prepare(s, NS, "c1", "a", SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_OK(store_container_create(s, NS, &row, E));
	CHECK_OK(store_gc(s, &stats, E));
	CHECK(has_snapshot(s, "c1") && has_snapshot(s, "a") && !has_snapshot(s, "b"));
	CHECK_OK(store_container_delete(s, NS, "c1", E));
	CHECK_OK(store_gc(s, &stats, E));
	CHECK_EQ(stats.snapshots, 2);
}

TEST(root_labels_and_back_references_keep)
{
	struct store *s = fixture_open();
	const char *root = blob(s, "root", "containerd.io/gc.root", "2026-11-22T00:00:00Z");
	const char *back = blob(s, "back", "containerd.io/gc.bref.content", root);
	const char *lost = blob(s, "lost", "containerd.io/gc.bref.content", DIGEST("0"));

	layer(s, "a", NULL, "containerd.io/gc.root");
	CHECK_OK(store_gc(s, &stats, E));
	CHECK(has_blob(s, root) && has_blob(s, back) && !has_blob(s, lost) && has_snapshot(s, "a"));
}

TEST(leases_keep_until_they_end)
{
	struct store *s = fixture_open();
	const char *child = blob(s, "child", NULL, NULL);
	const char *parent = blob(s, "parent", "containerd.io/gc.ref.content.0", child);

	layer(s, "a", NULL, NULL);
	CHECK_OK(store_lease_create(s, NS, "l", clock_wall_ns() + 3600 * NSEC_PER_SEC, E));
	CHECK_OK(store_lease_add(s, NS, "l", "content", parent, E));
	CHECK_OK(store_lease_add(s, NS, "l", "snapshots/overlayfs", "a", E));
	CHECK_OK(store_gc(s, &stats, E));
	CHECK(has_blob(s, parent) && has_blob(s, child) && has_snapshot(s, "a"));

	CHECK_EQ(sqlite3_exec(s->db, "UPDATE leases SET labels='{\"containerd.io/gc.flat\":\"\"}'",
			      NULL, NULL, NULL),
		 SQLITE_OK);
	CHECK_OK(store_gc(s, &stats, E));
	CHECK(has_blob(s, parent) && !has_blob(s, child));

	CHECK_EQ(sqlite3_exec(s->db, "UPDATE leases SET expires_ns=1", NULL, NULL, NULL),
		 SQLITE_OK);
	CHECK_OK(store_gc(s, &stats, E));
	CHECK(!has_blob(s, parent) && !has_snapshot(s, "a"));
	CHECK_EQ(store_lease_delete(s, NS, "l", E), -ENOENT);
}

TEST(an_expired_image_goes_with_an_event)
{
	struct store *s = fixture_open();
	struct json_pair pair = { "containerd.io/gc.expire", "2020-01-01T00:00:00Z" };
	const char *d = blob(s, "m", NULL, NULL);
	struct image_row row = { .name = "i", .digest = d, .labels = { &pair, 1 } };
	struct event_row *rows;
	size_t n;

	CHECK_OK(store_image_put(s, NS, &row, E));
	CHECK_OK(store_gc(s, &stats, E));
	CHECK_EQ(store_image_get(s, NS, "i", A, &row, E), -ENOENT);
	CHECK(!has_blob(s, d));
	CHECK_OK(store_event_list(s, 1, 10, A, &rows, &n, E));
	CHECK_EQ(n, 1);
	CHECK_STR(rows[0].topic, "/images/delete");
}

TEST(what_a_live_process_is_making_is_kept)
{
	struct store *s = fixture_open();
	const char *before = blob(s, "before", NULL, NULL), *after;
	int64_t id;

	CHECK_OK(store_intent_begin(s, NS, "i", "load", "", &id, E));
	after = blob(s, "after", NULL, NULL);
	CHECK_OK(store_gc(s, &stats, E));
	CHECK(!has_blob(s, before) && has_blob(s, after));
	CHECK_OK(store_intent_end(s, id, E));
	CHECK_OK(store_gc(s, &stats, E));
	CHECK(!has_blob(s, after));
}

TEST(a_blob_goes_only_when_no_namespace_has_it)
{
	struct store *s = fixture_open();
	const char *d = blob(s, "shared", NULL, NULL);
	struct image_row row = { .name = "i", .digest = d };
	struct ingest *i;
	int fd;

	CHECK_OK(store_ingest_open(s, "r", false, &i, E));
	CHECK_OK(fd_write_full(i->fd, "shared", 6));
	CHECK_OK(store_ingest_commit(i, "k8s.io", d, 6, false, NULL, E));
	CHECK_OK(store_image_put(s, "k8s.io", &row, E));
	CHECK_OK(store_gc(s, &stats, E));
	CHECK_EQ(stats.blobs, 0);
	CHECK_EQ(store_content_delete(s, NS, d, E), -ENOENT);
	fd = store_content_open(s, d, E);
	CHECK(fd >= 0);
	close(fd);
}

TEST(files_without_rows_go_and_strangers_too)
{
	struct store *s = fixture_open();
	const char *kept = blob(s, "kept", "containerd.io/gc.root", "x");
	struct timespec old[2] = { { 1, 0 }, { 1, 0 } };
	struct ingest *i;
	char path[BLOB_PATH_MAX];
	int root = store_root_fd(s);

	CHECK_OK(file_replace_at(root, blob_path(DIGEST("0"), path), "x", 1, 0400, 0));
	CHECK_OK(file_replace_at(root, "blobs/sha256/stranger", "x", 1, 0400, 0));
	CHECK_OK(mkdirat(root, "snapshots/77", 0700));
	CHECK_OK(store_ingest_open(s, "old", true, &i, E));
	CHECK_OK(futimens(i->fd, old));
	CHECK_OK(store_gc(s, &stats, E));
	CHECK(!fixture_exists(path) && !fixture_exists("blobs/sha256/stranger") &&
	      !fixture_exists("snapshots/77"));
	CHECK(has_blob(s, kept));
	/* Locked, so in use: still there. */
	CHECK_EQ(store_ingest_open(s, "old", true, &i, E), -EBUSY);
	store_ingest_close(i);
	CHECK_OK(store_ingest_open(s, "young", true, &i, E));
	CHECK_OK(fd_write_full(i->fd, "x", 1));
	store_ingest_close(i);
	CHECK_OK(store_gc(s, &stats, E));
	CHECK_OK(store_ingest_open(s, "young", true, &i, E));
	CHECK_EQ(lseek(i->fd, 0, SEEK_CUR), 1);
	store_ingest_abort(i);
}

TEST(a_damaged_record_keeps_everything)
{
	struct store *s = fixture_open();
	const char *d = blob(s, "m", NULL, NULL), *other = blob(s, "other", NULL, NULL);

	image(s, "i", d);
	CHECK_OK(store_record_put(s, d, "{\"a\":", 5, E));
	CHECK(store_gc(s, &stats, E) < 0);
	CHECK(has_blob(s, other));
}

/* Others tag and untag while it collects: what has a tag in the end has its blob. */
TEST(nothing_referenced_is_lost_under_concurrent_writers)
{
	struct store *s = fixture_open();
	char bytes[32];

	for (int i = 0; i < 4; i++) {
		if (fork() == 0) {
			struct store *own;
			bool is_ok = store_open(fixture_root, &own, E) >= 0;

			for (int k = 0; k < 60 && is_ok; k++) {
				char digest[DIGEST_TEXT_MAX], name[32], path[BLOB_PATH_MAX];
				struct image_row row = { .name = name, .digest = digest };
				int64_t id;

				snprintf(bytes, sizeof(bytes), "blob-%d", k % 5);
				snprintf(name, sizeof(name), "i%d", i);
				is_ok = store_intent_begin(own, NS, name, "load", "", &id, E) >= 0;
				fixture_blob(own, bytes, false, NULL, digest);
				is_ok = is_ok && store_image_put(own, NS, &row, E) >= 0 &&
					store_intent_end(own, id, E) >= 0 &&
					faccessat(own->root_fd, blob_path(digest, path), F_OK, 0) ==
						0;
				if (k < 59)
					is_ok = is_ok && store_image_delete(own, NS, name, E) >= 0;
			}
			if (!is_ok)
				fprintf(stderr, "# %s\n", fixture_err.msg);
			FIXTURE_EXIT(is_ok);
		}
	}
	for (int k = 0; k < 40; k++)
		CHECK_OK(store_gc(s, &stats, E));
	CHECK_EQ(fixture_wait(4), 4);
	CHECK_OK(store_gc(s, &stats, E));
	CHECK(has_blob(s, digest_of("blob-4", 6, arena_alloc(A, DIGEST_TEXT_MAX))));
}

/* Killed anywhere: what has a row has its file, and the next collection mends the rest. */
TEST(a_killed_collector_leaves_only_what_the_next_one_finds)
{
	struct store *s = fixture_open();

	for (int round = 0; round < 12; round++) {
		struct content_info *list;
		int status;
		size_t n;
		pid_t pid;
		char bytes[32], path[BLOB_PATH_MAX];

		for (int i = 0; i < 100; i++) {
			snprintf(bytes, sizeof(bytes), "b%d", i);
			blob(s, bytes, NULL, NULL);
		}
		pid = fork();
		if (pid == 0) {
			struct store *own;

			if (store_open(fixture_root, &own, E) >= 0)
				store_gc(own, &stats, E);
			_exit(0);
		}
		clock_nanosleep(CLOCK_MONOTONIC, 0,
				&(struct timespec){ .tv_nsec = round * 700000L }, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		CHECK_OK(store_content_list(s, NS, A, &list, &n, E));
		for (size_t i = 0; i < n; i++)
			CHECK(fixture_exists(blob_path(list[i].digest, path)));
	}
	CHECK_OK(store_gc(s, &stats, E));
	for (int i = 0; i < 100; i++) {
		char bytes[32], digest[DIGEST_TEXT_MAX];

		snprintf(bytes, sizeof(bytes), "b%d", i);
		CHECK(!has_blob(s, digest_of(bytes, strlen(bytes), digest)));
	}
}

TEST(trash_takes_only_paths_below_the_root)
{
	static const char *const bad[] = { "", "/etc", "..", "a/../b", "a//b", "./a", "a/" };
	struct store *s = fixture_open();

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_EQ(store_trash(s, bad[i], E), -EINVAL);
	CHECK_OK(store_trash(s, "logs/default/nosuch", E));
	CHECK_OK(mkdirat(store_root_fd(s), "logs/default", 0700));
	CHECK_OK(store_trash(s, "logs/default", E));
	CHECK(!fixture_exists("logs/default"));
	CHECK_OK(store_empty_trash(s, E));
	CHECK_OK(unlinkat(store_root_fd(s), "trash", AT_REMOVEDIR));
	CHECK_OK(mkdirat(store_root_fd(s), "logs/x", 0700));
	CHECK_OK(store_trash(s, "logs/x", E));
	CHECK(!fixture_exists("logs/x"));
}

TEST_MAIN()
