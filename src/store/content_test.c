#include "store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "store/fixture.h"

static char d1[DIGEST_TEXT_MAX], d2[DIGEST_TEXT_MAX];

static struct json_map one_label(struct json_pair *p, const char *key, const char *value)
{
	*p = (struct json_pair){ key, value };
	return (struct json_map){ p, 1 };
}

TEST(a_blob_is_named_once_whole_and_read_only)
{
	struct store *s = fixture_open();
	struct content_info info;
	struct json_pair pair;
	struct json_map labels = one_label(&pair, "a/b", "c \"d\"");
	char path[BLOB_PATH_MAX];
	const char *text;
	struct stat st;
	size_t len;

	fixture_blob(s, "hello", true, &labels, d1);
	CHECK_OK(store_content_info(s, NS, d1, A, &info, E));
	CHECK_STR(info.digest, d1);
	CHECK_EQ(info.size, 5);
	CHECK_EQ(info.labels.n, 1);
	CHECK_STR(info.labels.v[0].value, "c \"d\"");
	CHECK(info.created_ns > 0);
	CHECK_OK(fstatat(store_root_fd(s), blob_path(d1, path), &st, 0));
	CHECK_EQ(st.st_mode & 07777, 0400);
	CHECK_OK(store_content_read(s, d1, 100, A, &text, &len, E));
	CHECK_EQ(len, 5);
	CHECK_STR(text, "hello");
	CHECK_EQ(store_content_read(s, d1, 4, A, &text, &len, E), -EFBIG);
	CHECK_EQ(store_content_info(s, "other", d1, A, &info, E), -ENOENT);
	CHECK_STR(fixture_err.msg + strlen(fixture_err.msg) - 9, "not found");
	CHECK_EQ(store_content_open(s, DIGEST("0"), E), -ENOENT);
}

TEST(labels_are_added_and_dropped_one_by_one)
{
	struct store *s = fixture_open();
	struct content_info info;
	struct json_pair pair;
	struct json_map labels = one_label(&pair, "a/b", "1"), more;

	fixture_blob(s, "hello", true, &labels, d1);
	more = one_label(&pair, "c.d/\"e\"", "2");
	CHECK_OK(store_content_add_labels(s, NS, d1, &more, E));
	more = one_label(&pair, "a/b", "3");
	CHECK_OK(store_content_add_labels(s, NS, d1, &more, E));
	CHECK_OK(store_content_info(s, NS, d1, A, &info, E));
	CHECK_EQ(info.labels.n, 2);
	CHECK_STR(info.labels.v[0].value, "3");
	CHECK_STR(info.labels.v[1].key, "c.d/\"e\"");
	CHECK_OK(store_content_drop_label(s, NS, d1, "c.d/\"e\"", E));
	CHECK_OK(store_content_drop_label(s, NS, d1, "is not there", E));
	CHECK_OK(store_content_info(s, NS, d1, A, &info, E));
	CHECK_EQ(info.labels.n, 1);
	CHECK_OK(store_content_drop_label(s, NS, d1, "a/b", E));
	CHECK_OK(store_content_info(s, NS, d1, A, &info, E));
	CHECK_EQ(info.labels.n, 0);
	CHECK_EQ(store_content_add_labels(s, "other", d1, &more, E), -ENOENT);
}

TEST(wrong_names_never_reach_a_path)
{
	static const char *const bad[] = { "",	"sha256:../../x", "sha256:",
					   "x", "sha256:ABC",	  "md5:00" };
	struct store *s = fixture_open();
	struct content_info info;
	struct ingest *i;

	for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
		CHECK_EQ(store_content_open(s, bad[k], E), -EINVAL);
		CHECK_EQ(store_content_info(s, NS, bad[k], A, &info, E), -EINVAL);
		CHECK_EQ(store_content_delete(s, NS, bad[k], E), -EINVAL);
	}
	CHECK_EQ(store_ingest_open(s, "", false, &i, E), -EINVAL);
	CHECK_OK(store_ingest_open(s, "../../etc/passwd", false, &i, E));
	CHECK_EQ(store_ingest_commit(i, "../x", DIGEST("0"), 0, false, NULL, E), -EINVAL);
	CHECK_EQ(store_ingest_commit(i, NS, "sha256:../x", 0, false, NULL, E), -EINVAL);
	store_ingest_abort(i);
}

TEST(a_wrong_size_is_refused_and_the_ingest_stays)
{
	struct store *s = fixture_open();
	struct content_info info;
	struct ingest *i;

	CHECK_OK(store_ingest_open(s, "r", false, &i, E));
	CHECK_OK(fd_write_full(i->fd, "hello", 5));
	CHECK_EQ(store_ingest_commit(i, NS, digest_of("hello", 5, d1), 6, false, NULL, E),
		 -EBADMSG);
	CHECK_EQ(store_content_info(s, NS, d1, A, &info, E), -ENOENT);
	CHECK_OK(store_ingest_commit(i, NS, d1, 5, false, NULL, E));
	CHECK_OK(store_content_info(s, NS, d1, A, &info, E));
}

TEST(an_ingest_resumes_where_it_was_left)
{
	struct store *s = fixture_open();
	struct ingest *i, *other;

	CHECK_OK(store_ingest_open(s, "layer-1", true, &i, E));
	CHECK_OK(fd_write_full(i->fd, "he", 2));
	CHECK_EQ(store_ingest_open(s, "layer-1", true, &other, E), -EBUSY);
	CHECK_EQ(fixture_err.code, ERR_UNAVAILABLE);
	CHECK_OK(store_ingest_open(s, "layer-2", true, &other, E));
	store_ingest_abort(other);
	store_ingest_close(i);
	CHECK_OK(store_ingest_open(s, "layer-1", true, &i, E));
	CHECK_EQ(lseek(i->fd, 0, SEEK_CUR), 2);
	CHECK_OK(fd_write_full(i->fd, "llo", 3));
	CHECK_OK(store_ingest_commit(i, NS, digest_of("hello", 5, d1), 5, false, NULL, E));
	CHECK_OK(store_ingest_open(s, "layer-1", true, &i, E));
	CHECK_EQ(lseek(i->fd, 0, SEEK_CUR), 0);
	CHECK_OK(fd_write_full(i->fd, "x", 1));
	store_ingest_close(i);
	CHECK_OK(store_ingest_open(s, "layer-1", false, &i, E));
	CHECK_EQ(lseek(i->fd, 0, SEEK_END), 0);
	store_ingest_abort(i);
	store_ingest_abort(NULL);
	store_ingest_close(NULL);
}

TEST(a_killed_writer_leaves_its_bytes_and_no_lock)
{
	struct store *s = fixture_open();
	struct ingest *i;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct store *own;

		if (store_open(fixture_root, &own, E) < 0 ||
		    store_ingest_open(own, "r", true, &i, E) < 0 ||
		    fd_write_full(i->fd, "abc", 3) < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status));
	CHECK_OK(store_ingest_open(s, "r", true, &i, E));
	CHECK_EQ(lseek(i->fd, 0, SEEK_CUR), 3);
	store_ingest_abort(i);
}

TEST(the_same_blob_twice_is_one_and_labels_add_up)
{
	struct store *s = fixture_open();
	struct content_info info, *list;
	struct json_pair pair;
	struct json_map labels;
	struct ingest *i;
	size_t n;

	labels = one_label(&pair, "a", "1");
	fixture_blob(s, "hello", true, &labels, d1);
	labels = one_label(&pair, "b", "2");
	fixture_blob(s, "hello", true, &labels, d1);
	CHECK_OK(store_content_info(s, NS, d1, A, &info, E));
	CHECK_EQ(info.labels.n, 2);
	CHECK_OK(store_ingest_open(s, "r", false, &i, E));
	CHECK_OK(fd_write_full(i->fd, "hello", 5));
	CHECK_OK(store_ingest_commit(i, "k8s.io", d1, 5, false, NULL, E));
	CHECK_OK(store_content_info(s, "k8s.io", d1, A, &info, E));
	CHECK_EQ(info.labels.n, 0);
	CHECK_OK(store_content_list(s, NS, A, &list, &n, E));
	CHECK_EQ(n, 1);
}

TEST(a_blob_goes_with_its_last_namespace)
{
	struct store *s = fixture_open();
	char path[BLOB_PATH_MAX];
	struct ingest *i;

	fixture_blob(s, "hello", false, NULL, d1);
	CHECK_OK(store_ingest_open(s, "r", false, &i, E));
	CHECK_OK(fd_write_full(i->fd, "hello", 5));
	CHECK_OK(store_ingest_commit(i, "k8s.io", d1, 5, false, NULL, E));
	blob_path(d1, path);
	CHECK_OK(store_content_delete(s, NS, d1, E));
	CHECK(fixture_exists(path));
	CHECK_EQ(store_content_delete(s, NS, d1, E), -ENOENT);
	CHECK_OK(store_begin(s, E));
	CHECK_OK(store_content_delete(s, "k8s.io", d1, E));
	CHECK(fixture_exists(path));
	CHECK_OK(store_commit(s, E));
	CHECK(!fixture_exists(path));
}

TEST(a_delete_that_is_rolled_back_keeps_the_file)
{
	struct store *s = fixture_open();
	struct content_info info;
	char path[BLOB_PATH_MAX];

	fixture_blob(s, "hello", false, NULL, d1);
	CHECK_OK(store_begin(s, E));
	CHECK_OK(store_content_delete(s, NS, d1, E));
	store_rollback(s);
	CHECK(fixture_exists(blob_path(d1, path)));
	CHECK_OK(store_content_info(s, NS, d1, A, &info, E));
}

TEST(labels_are_replaced_and_limited)
{
	struct store *s = fixture_open();
	struct content_info info;
	struct json_pair pair;
	struct json_map labels = one_label(&pair, "k", "v");
	char *long_value;

	fixture_blob(s, "hello", false, &labels, d1);
	labels = one_label(&pair, "containerd.io/gc.root", "2026-11-22T00:00:00Z");
	CHECK_OK(store_content_set_labels(s, NS, d1, &labels, E));
	CHECK_OK(store_content_info(s, NS, d1, A, &info, E));
	CHECK_EQ(info.labels.n, 1);
	CHECK_STR(info.labels.v[0].key, "containerd.io/gc.root");
	long_value = arena_calloc(A, 1, STORE_LABEL_MAX + 1);
	memset(long_value, 'v', STORE_LABEL_MAX);
	labels = one_label(&pair, "k", long_value);
	CHECK_EQ(store_content_set_labels(s, NS, d1, &labels, E), -EINVAL);
	CHECK_EQ(store_content_set_labels(s, NS, DIGEST("0"), NULL, E), -ENOENT);
}

/* ---- power ---- */

TEST(an_unsynced_blob_of_another_boot_is_absent_and_replaced)
{
	struct store *s = fixture_open();
	struct content_info info, *list;
	char path[PATH_MAX + BLOB_PATH_MAX], blob[BLOB_PATH_MAX];
	const char *text;
	size_t n;

	fixture_blob(s, "hello", false, NULL, d1);
	CHECK_OK(store_content_info(s, NS, d1, A, &info, E));
	/* The power cut: the bytes are gone, the row is not. */
	snprintf(path, sizeof(path), "%s/%s", fixture_root, blob_path(d1, blob));
	CHECK_OK(truncate(path, 0));
	fixture_new_boot(s);
	CHECK_EQ(store_content_info(s, NS, d1, A, &info, E), -ENOENT);
	CHECK_EQ(store_content_open(s, d1, E), -ENOENT);
	CHECK_OK(store_content_list(s, NS, A, &list, &n, E));
	CHECK_EQ(n, 0);
	fixture_blob(s, "hello", false, NULL, d1);
	CHECK_OK(store_content_read(s, d1, 10, A, &text, &n, E));
	CHECK_STR(text, "hello");
}

TEST(a_synced_blob_survives_another_boot)
{
	struct store *s = fixture_open();
	struct content_info info;
	uint64_t syncs = store_sync_count(s);

	fixture_blob(s, "hello", true, NULL, d1);
	CHECK_EQ(store_sync_count(s) - syncs, 2);
	fixture_blob(s, "other", false, NULL, d2);
	CHECK_OK(store_sync(s, E));
	CHECK_EQ(store_sync_count(s) - syncs, 3);
	fixture_new_boot(s);
	CHECK_OK(store_content_info(s, NS, d1, A, &info, E));
	CHECK_OK(store_content_info(s, NS, d2, A, &info, E));
}

TEST(a_second_namespace_shares_the_bytes_and_their_state)
{
	struct store *s = fixture_open();
	struct content_info info;
	uint64_t syncs;
	struct ingest *i;

	for (int is_synced = 0; is_synced < 2; is_synced++) {
		fixture_blob(s, "hello", false, NULL, d1);
		CHECK_OK(store_ingest_open(s, "r", false, &i, E));
		CHECK_OK(fd_write_full(i->fd, "hello", 5));
		syncs = store_sync_count(s);
		CHECK_OK(store_ingest_commit(i, "k8s.io", d1, 5, is_synced, NULL, E));
		CHECK_EQ(store_sync_count(s) - syncs, is_synced * 2);
		fixture_new_boot(s);
		CHECK_EQ(store_content_info(s, NS, d1, A, &info, E), is_synced ? 0 : -ENOENT);
		CHECK_EQ(store_content_info(s, "k8s.io", d1, A, &info, E), is_synced ? 0 : -ENOENT);
	}
}

TEST(a_lost_file_is_an_error_with_words)
{
	struct store *s = fixture_open();
	char path[BLOB_PATH_MAX];

	fixture_blob(s, "hello", true, NULL, d1);
	CHECK_OK(unlinkat(store_root_fd(s), blob_path(d1, path), 0));
	CHECK_EQ(store_content_open(s, d1, E), -EUCLEAN);
	CHECK_EQ(fixture_err.code, ERR_DATA_LOSS);
	fixture_blob(s, "hello", true, NULL, d1);
	CHECK(store_content_open(s, d1, E) >= 0);
}

TEST(eight_processes_commit_the_same_blob)
{
	struct store *s = fixture_open();
	struct content_info *list;
	size_t n;

	digest_of("hello", 5, d1);
	for (int i = 0; i < 8; i++) {
		if (fork() == 0) {
			struct store *own;
			struct ingest *in;
			char ref[32];

			snprintf(ref, sizeof(ref), "ref-%d", i);
			FIXTURE_EXIT(store_open(fixture_root, &own, E) >= 0 &&
				     store_ingest_open(own, ref, false, &in, E) >= 0 &&
				     fd_write_full(in->fd, "hello", 5) >= 0 &&
				     store_ingest_commit(in, NS, d1, 5, false, NULL, E) >= 0);
		}
	}
	CHECK_EQ(fixture_wait(8), 8);
	CHECK_OK(store_content_list(s, NS, A, &list, &n, E));
	CHECK_EQ(n, 1);
}

/* A worker that keeps its descriptor may write what it likes: nobody reads that file. */
TEST(sealed_content_is_what_was_checked)
{
	struct store *s = fixture_open();
	char digest[DIGEST_TEXT_MAX];
	struct ingest *i;
	const char *p;
	size_t len;
	int hand;

	digest_of("good", 4, digest);
	CHECK_OK(store_ingest_open(s, "r", false, &i, E));
	CHECK_OK(fd_write_full(i->fd, "good", 4));
	hand = dup(i->fd);
	CHECK_OK(store_ingest_seal(i, digest, 4, E));
	CHECK_EQ(pwrite(hand, "evil", 4, 0), 4);
	CHECK_OK(store_ingest_commit(i, NS, digest, 4, false, NULL, E));
	CHECK_EQ(pwrite(hand, "evil", 4, 0), 4);
	close(hand);
	CHECK_OK(store_content_read(s, digest, 100, A, &p, &len, E));
	CHECK_EQ(len, 4);
	CHECK_STR(p, "good");
}

TEST(what_is_not_what_was_reported_is_not_sealed)
{
	struct store *s = fixture_open();
	char digest[DIGEST_TEXT_MAX];
	struct ingest *i;

	digest_of("good", 4, digest);
	CHECK_OK(store_ingest_open(s, "r", false, &i, E));
	CHECK_OK(fd_write_full(i->fd, "evil", 4));
	CHECK_EQ(store_ingest_seal(i, digest, 4, E), -EBADMSG);
	CHECK_EQ(store_ingest_seal(i, digest, 3, E), -EBADMSG);
	CHECK_EQ(store_ingest_seal(i, digest, 5, E), -EBADMSG);
	CHECK_EQ(store_ingest_seal(i, digest, -1, E), -EINVAL);
	store_ingest_abort(i);
	digest_of("", 0, digest);
	CHECK_OK(store_ingest_open(s, "r", false, &i, E));
	CHECK_OK(store_ingest_seal(i, digest, 0, E));
	CHECK_OK(store_ingest_commit(i, NS, digest, 0, false, NULL, E));
}

TEST(a_deleted_manifest_takes_its_record_along)
{
	struct store *s = fixture_open();
	char digest[DIGEST_TEXT_MAX];
	const char *p;
	size_t len;

	fixture_blob(s, "m", false, NULL, digest);
	CHECK_OK(store_record_put(s, digest, "{}", 2, E));
	CHECK_OK(store_content_delete(s, NS, digest, E));
	CHECK_EQ(store_record_get(s, digest, A, &p, &len, E), -ENOENT);
}

TEST_MAIN()
