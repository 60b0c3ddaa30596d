#include "store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "store/fixture.h"

static const char *path_of(int64_t id, const char *name)
{
	return arena_printf(A, "%s/snapshots/%lld/%s", fixture_root, (long long)id, name);
}

static int64_t id_of(struct store *s, const char *key)
{
	struct snapshot_info info;

	CHECK_OK(store_snapshot_stat(s, NS, key, A, &info, E));
	return info.id;
}

/* A committed snapshot `name` on `parent`; its number. */
static int64_t layer(struct store *s, const char *name, const char *parent)
{
	struct snapshot_mounts m;

	CHECK_OK(store_snapshot_prepare(s, NS, "unpack", parent, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_OK(store_snapshot_commit(s, NS, name, "unpack", NULL, E));
	return id_of(s, name);
}

TEST(an_active_one_without_parent_is_a_writable_bind)
{
	struct store *s = fixture_open();
	struct snapshot_mounts m;
	int fd;

	CHECK_OK(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_STR(m.type, "bind");
	CHECK_STR(m.source, path_of(id_of(s, "k"), "fs"));
	CHECK_EQ(m.options.n, 2);
	CHECK_STR(m.options.v[0], "rw");
	CHECK_STR(m.options.v[1], "rbind");
	CHECK_EQ(m.lowers.n, 0);
	fd = store_snapshot_open_fs(s, NS, "k", E);
	CHECK(fd >= 0);
	close(fd);
}

TEST(views_are_read_only)
{
	struct store *s = fixture_open();
	struct snapshot_mounts m;
	int64_t a, b;

	CHECK_OK(store_snapshot_prepare(s, NS, "v0", "", SNAPSHOT_VIEW, NULL, A, &m, E));
	CHECK_STR(m.options.v[0], "ro");
	a = layer(s, "a", NULL);
	CHECK_OK(store_snapshot_prepare(s, NS, "v1", "a", SNAPSHOT_VIEW, NULL, A, &m, E));
	CHECK_STR(m.type, "bind");
	CHECK_STR(m.source, path_of(a, "fs"));
	CHECK_STR(m.options.v[0], "ro");
	b = layer(s, "b", "a");
	CHECK_OK(store_snapshot_prepare(s, NS, "v2", "b", SNAPSHOT_VIEW, NULL, A, &m, E));
	CHECK_STR(m.type, "overlay");
	CHECK_EQ(m.options.n, 2);
	CHECK_STR(m.options.v[1],
		  arena_printf(A, "lowerdir=%s:%s", path_of(b, "fs"), path_of(a, "fs")));
	CHECK_EQ(store_snapshot_open_fs(s, NS, "v2", E), -EINVAL);
}

TEST(an_active_one_on_layers_is_an_overlay_topmost_first)
{
	struct store *s = fixture_open();
	struct snapshot_mounts m, again;
	int64_t a = layer(s, "a", NULL), b = layer(s, "b", "a"), k;

	CHECK_OK(store_snapshot_prepare(s, NS, "k", "b", SNAPSHOT_ACTIVE, NULL, A, &m, E));
	k = id_of(s, "k");
	CHECK_STR(m.type, "overlay");
	CHECK_STR(m.source, "overlay");
	CHECK_EQ(m.options.n, 4);
	CHECK_STR(m.options.v[0], "index=off");
	CHECK_STR(m.options.v[1], arena_printf(A, "workdir=%s", path_of(k, "work")));
	CHECK_STR(m.options.v[2], arena_printf(A, "upperdir=%s", path_of(k, "fs")));
	CHECK_STR(m.options.v[3],
		  arena_printf(A, "lowerdir=%s:%s", path_of(b, "fs"), path_of(a, "fs")));
	CHECK_EQ(m.lowers.n, 2);
	CHECK_STR(m.lowers.v[0], path_of(b, "fs"));
	CHECK_OK(store_snapshot_mounts(s, NS, "k", A, &again, E));
	CHECK_STR(again.options.v[3], m.options.v[3]);
	CHECK_EQ(store_snapshot_mounts(s, NS, "a", A, &again, E), -EINVAL);
}

TEST(the_kernel_takes_the_mounts)
{
	struct store *s = fixture_open();
	struct snapshot_mounts m;
	const char *target;

	if (geteuid() != 0)
		TEST_SKIP("mounting needs root");
	layer(s, "a", NULL);
	layer(s, "b", "a");
	CHECK_OK(store_snapshot_prepare(s, NS, "k", "b", SNAPSHOT_ACTIVE, NULL, A, &m, E));
	target = arena_printf(A, "%s/mnt", fixture_root);
	CHECK_OK(mkdir(target, 0700));
	if (mount(m.source, target, m.type, 0,
		  arena_printf(A, "%s,%s,%s,%s", m.options.v[0], m.options.v[1], m.options.v[2],
			       m.options.v[3])) < 0)
		TEST_SKIP("no overlay here: %s", strerror(errno));
	CHECK_OK(umount2(target, MNT_DETACH));
	CHECK_OK(store_snapshot_remove(s, NS, "k", E));
	CHECK_OK(store_empty_trash(s, E));
}

TEST(the_upper_folder_looks_like_its_parents_root)
{
	struct store *s = fixture_open();
	int64_t a = layer(s, "a", NULL);
	struct snapshot_mounts m;
	struct stat st;

	CHECK_OK(chmod(path_of(a, "fs"), 01777));
	if (geteuid() == 0)
		CHECK_OK(chown(path_of(a, "fs"), 12, 34));
	CHECK_OK(store_snapshot_prepare(s, NS, "k", "a", SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_OK(stat(path_of(id_of(s, "k"), "fs"), &st));
	CHECK_EQ(st.st_mode & 07777, 01777);
	CHECK_EQ(st.st_uid, geteuid() == 0 ? 12 : geteuid());
}

TEST(names_and_parents_are_checked)
{
	struct store *s = fixture_open();
	struct snapshot_mounts m;
	struct snapshot_info info;

	CHECK_OK(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_EQ(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E),
		 -EEXIST);
	CHECK_EQ(store_snapshot_prepare(s, NS, "l", "nosuch", SNAPSHOT_ACTIVE, NULL, A, &m, E),
		 -ENOENT);
	CHECK_EQ(store_snapshot_prepare(s, NS, "l", "k", SNAPSHOT_ACTIVE, NULL, A, &m, E), -EINVAL);
	CHECK_EQ(store_snapshot_prepare(s, NS, "", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E), -EINVAL);
	CHECK_EQ(store_snapshot_prepare(s, "a/b", "l", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E),
		 -EINVAL);
	CHECK_EQ(store_snapshot_stat(s, NS, "l", A, &info, E), -ENOENT);
	CHECK_OK(store_snapshot_prepare(s, "other", "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
}

TEST(commit_keeps_the_folder_and_gives_the_name)
{
	struct store *s = fixture_open();
	struct json_pair pair = { "containerd.io/uncompressed", DIGEST("0") };
	struct json_map labels = { &pair, 1 };
	struct snapshot_mounts m;
	struct snapshot_info info;
	int64_t id;

	CHECK_OK(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	id = id_of(s, "k");
	CHECK_OK(store_snapshot_commit(s, NS, DIGEST("1"), "k", &labels, E));
	CHECK_EQ(store_snapshot_stat(s, NS, "k", A, &info, E), -ENOENT);
	CHECK_OK(store_snapshot_stat(s, NS, DIGEST("1"), A, &info, E));
	CHECK_EQ(info.id, id);
	CHECK_EQ(info.kind, SNAPSHOT_COMMITTED);
	CHECK_EQ(info.labels.n, 1);
	CHECK(!info.is_clean && !info.is_suspect);
	CHECK_OK(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_EQ(store_snapshot_commit(s, NS, DIGEST("1"), "k", NULL, E), -EEXIST);
	CHECK_EQ(store_snapshot_commit(s, NS, "n", "nosuch", NULL, E), -ENOENT);
	CHECK_EQ(store_snapshot_commit(s, NS, "n", DIGEST("1"), NULL, E), -EINVAL);
}

TEST(one_without_parent_is_stacked_on_a_committed_one)
{
	struct store *s = fixture_open();
	int64_t a = layer(s, "a", NULL), k;
	struct snapshot_mounts m;
	struct snapshot_info info;
	struct stat st;

	CHECK_OK(chmod(path_of(a, "fs"), 01750));
	if (geteuid() == 0)
		CHECK_OK(chown(path_of(a, "fs"), 12, 34));
	CHECK_OK(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	k = id_of(s, "k");
	CHECK_OK(file_replace_at(AT_FDCWD, path_of(k, "fs/new"), "x", 1, 0600, 0));
	CHECK_OK(store_snapshot_stack(s, NS, "k", "a", E));
	CHECK_OK(store_snapshot_stat(s, NS, "k", A, &info, E));
	CHECK_EQ(info.id, k);
	CHECK_EQ(info.kind, SNAPSHOT_ACTIVE);
	CHECK_STR(info.parent, "a");
	CHECK_OK(stat(path_of(k, "fs"), &st));
	CHECK_EQ(st.st_mode & 07777, 01750);
	CHECK_EQ(st.st_uid, geteuid() == 0 ? 12 : geteuid());
	CHECK(access(path_of(k, "fs/new"), F_OK) == 0);
	CHECK_OK(store_snapshot_mounts(s, NS, "k", A, &m, E));
	CHECK_STR(m.type, "overlay");
	CHECK_EQ(m.lowers.n, 1);
	CHECK_STR(m.lowers.v[0], path_of(a, "fs"));
	CHECK_EQ(store_snapshot_remove(s, NS, "a", E), -EBUSY);
	CHECK_OK(store_snapshot_commit(s, NS, "b", "k", NULL, E));
	CHECK_OK(store_snapshot_stat(s, NS, "b", A, &info, E));
	CHECK_STR(info.parent, "a");
}

TEST(what_cannot_be_stacked_stays_as_it_is)
{
	struct store *s = fixture_open();
	struct snapshot_mounts m;
	struct snapshot_info info;

	layer(s, "a", NULL);
	layer(s, "b", "a");
	CHECK_OK(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_OK(store_snapshot_prepare(s, NS, "l", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_OK(store_snapshot_prepare(s, NS, "v", NULL, SNAPSHOT_VIEW, NULL, A, &m, E));
	CHECK_EQ(store_snapshot_stack(s, NS, "k", "nosuch", E), -ENOENT);
	CHECK_EQ(store_snapshot_stack(s, NS, "k", "l", E), -EINVAL);
	CHECK_EQ(store_snapshot_stack(s, NS, "k", "k", E), -EINVAL);
	CHECK_EQ(store_snapshot_stack(s, NS, "nosuch", "a", E), -ENOENT);
	CHECK_EQ(store_snapshot_stack(s, NS, "v", "a", E), -EINVAL);
	CHECK_EQ(store_snapshot_stack(s, NS, "a", "b", E), -EINVAL);
	CHECK_OK(store_snapshot_stat(s, NS, "k", A, &info, E));
	CHECK_STR(info.parent, "");
	CHECK_OK(store_snapshot_stack(s, NS, "k", "a", E));
	CHECK_EQ(store_snapshot_stack(s, NS, "k", "b", E), -EINVAL);
	fixture_new_boot(s);
	CHECK_EQ(store_snapshot_stack(s, NS, "l", "b", E), -ENOENT);
}

TEST(list_and_stat_agree)
{
	struct store *s = fixture_open();
	struct snapshot_info *list;
	size_t n;

	layer(s, "a", NULL);
	layer(s, "b", "a");
	CHECK_OK(store_snapshot_list(s, NS, A, &list, &n, E));
	CHECK_EQ(n, 2);
	CHECK_STR(list[0].key, "a");
	CHECK_STR(list[0].parent, "");
	CHECK_STR(list[1].parent, "a");
	CHECK_OK(store_snapshot_list(s, "other", A, &list, &n, E));
	CHECK_EQ(n, 0);
}

TEST(removal_is_a_rename_and_waits_for_children)
{
	struct store *s = fixture_open();
	int64_t a = layer(s, "a", NULL), b = layer(s, "b", "a");

	CHECK_EQ(store_snapshot_remove(s, NS, "a", E), -EBUSY);
	CHECK_OK(store_snapshot_remove(s, NS, "b", E));
	CHECK(!fixture_has_folder(b));
	CHECK(fixture_has_folder(a));
	CHECK_OK(store_begin(s, E));
	CHECK_OK(store_snapshot_remove(s, NS, "a", E));
	store_rollback(s);
	CHECK(fixture_has_folder(a));
	CHECK_OK(store_snapshot_remove(s, NS, "a", E));
	CHECK_EQ(store_snapshot_remove(s, NS, "a", E), -ENOENT);
	CHECK(layer(s, "c", NULL) > b);
}

TEST(usage_counts_hard_links_once)
{
	struct store *s = fixture_open();
	struct snapshot_mounts m;
	int64_t size, inodes, empty;
	char data[8192] = { 1 };
	const char *fs;
	int dir;

	CHECK_OK(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_OK(store_snapshot_usage(s, NS, "k", &empty, &inodes, E));
	CHECK_EQ(inodes, 1);
	fs = m.source;
	dir = open(fs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_OK(mkdirat(dir, "d", 0700));
	CHECK_OK(file_replace_at(dir, "d/f", data, sizeof(data), 0600, 0));
	CHECK_OK(linkat(dir, "d/f", dir, "g", 0));
	close(dir);
	CHECK_OK(store_snapshot_usage(s, NS, "k", &size, &inodes, E));
	CHECK_EQ(inodes, 3);
	CHECK(size >= empty + 8192 && size < empty + 3 * 8192);
	CHECK_OK(store_snapshot_commit(s, NS, "c", "k", NULL, E));
	CHECK_OK(store_snapshot_usage(s, NS, "c", &size, &inodes, E));
	CHECK_OK(store_snapshot_usage(s, NS, "c", &size, &inodes, E));
	CHECK_EQ(inodes, 3);
}

/* ---- what a committed one is ---- */

static void fill_tree(int dir)
{
	const struct timespec times[2] = { { 5, 6 }, { 7, 8 } };

	CHECK_OK(mkdirat(dir, "d", 0755));
	CHECK_OK(file_replace_at(dir, "d/f", "abc", 3, 0644, 0));
	CHECK_OK(file_replace_at(dir, "d/g", "two", 3, 0644, 0));
	CHECK_OK(linkat(dir, "d/g", dir, "h", 0));
	CHECK_OK(symlinkat("target", dir, "l"));
	CHECK_OK(mknodat(dir, "gone", S_IFCHR, 0));
	CHECK_OK(utimensat(dir, "d/f", times, 0));
	CHECK_OK(utimensat(dir, "d/g", times, 0));
	CHECK_OK(utimensat(dir, "l", times, AT_SYMLINK_NOFOLLOW));
}

/* A snapshot of that name with that tree, measured; the folder's descriptor. */
static int make_tree(struct store *s, const char *key)
{
	struct snapshot_mounts m;
	int64_t size, inodes;
	int dir;

	CHECK_OK(store_snapshot_prepare(s, NS, "making", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	dir = open(m.source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dir >= 0);
	fill_tree(dir);
	CHECK_OK(store_snapshot_commit(s, NS, key, "making", NULL, E));
	CHECK_OK(store_snapshot_usage(s, NS, key, &size, &inodes, E));
	CHECK_EQ(inodes, 6);
	return dir;
}

static void change_mode(int dir)
{
	CHECK_OK(fchmodat(dir, "d/f", 0600, 0));
}

static void change_folder(int dir)
{
	CHECK_OK(fchownat(dir, "d", 12, 0, 0));
}

static void change_size(int dir)
{
	const struct timespec times[2] = { { 5, 6 }, { 7, 8 } };
	int fd = openat(dir, "d/f", O_WRONLY | O_CLOEXEC);

	CHECK_OK(ftruncate(fd, 0));
	close(fd);
	CHECK_OK(utimensat(dir, "d/f", times, 0));
}

static void change_time(int dir)
{
	CHECK_OK(utimensat(dir, "d/f", NULL, 0));
}

static void change_target(int dir)
{
	const struct timespec times[2] = { { 5, 6 }, { 7, 8 } };

	CHECK_OK(unlinkat(dir, "l", 0));
	CHECK_OK(symlinkat("tarGet", dir, "l"));
	CHECK_OK(utimensat(dir, "l", times, AT_SYMLINK_NOFOLLOW));
}

static void change_name(int dir)
{
	CHECK_OK(renameat(dir, "d/f", dir, "d/F"));
}

static void change_attribute(int dir)
{
	char path[FD_PATH_MAX];
	int fd = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_OK(setxattr(fd_path(fd, path), "user.new", "y", 1, 0));
	close(fd);
}

TEST(a_tree_that_is_not_what_was_committed_is_seen)
{
	static void (*const changes[])(int) = { change_mode,	 change_folder, change_size,
						change_time,	 change_target, change_name,
						change_attribute };
	struct store *s = fixture_open();

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		char key[16];
		int dir;

		snprintf(key, sizeof(key), "t%zu", i);
		dir = make_tree(s, key);
		CHECK_OK(store_snapshot_verify(s, NS, key, E));
		changes[i](dir);
		CHECK_EQ(store_snapshot_verify(s, NS, key, E), -EBADMSG);
		close(dir);
	}
}

TEST(contents_are_compared_with_another_tree)
{
	const struct timespec times[2] = { { 5, 6 }, { 7, 8 } };
	struct store *s = fixture_open();
	int dir, fd;

	close(make_tree(s, "a"));
	dir = make_tree(s, "b");
	CHECK_OK(store_snapshot_compare(s, NS, "a", "b", E));
	/* By its second name: which one of them is read first does not matter. */
	fd = openat(dir, "h", O_WRONLY | O_CLOEXEC);
	CHECK_EQ(pwrite(fd, "W", 1, 1), 1);
	close(fd);
	CHECK_OK(utimensat(dir, "h", times, 0));
	CHECK_OK(store_snapshot_verify(s, NS, "b", E));
	CHECK_EQ(store_snapshot_compare(s, NS, "b", "a", E), -EBADMSG);
	close(dir);
}

/* ---- power ---- */

TEST(only_what_was_synced_after_its_commit_is_clean)
{
	struct store *s = fixture_open();
	struct snapshot_info a, b;

	CHECK_EQ(store_snapshots_mark_clean(s, E), -EINVAL);
	layer(s, "a", NULL);
	CHECK_OK(store_sync(s, E));
	layer(s, "b", "a");
	CHECK_OK(store_snapshots_mark_clean(s, E));
	CHECK_OK(store_snapshot_stat(s, NS, "a", A, &a, E));
	CHECK_OK(store_snapshot_stat(s, NS, "b", A, &b, E));
	CHECK(a.is_clean && !b.is_clean);
	fixture_new_boot(s);
	CHECK_OK(store_snapshot_stat(s, NS, "a", A, &a, E));
	CHECK_OK(store_snapshot_stat(s, NS, "b", A, &b, E));
	CHECK(a.is_clean && !a.is_suspect);
	CHECK(!b.is_clean && b.is_suspect);
	/* A sync of this boot says nothing about writes of the last one. */
	CHECK_OK(store_sync(s, E));
	CHECK_OK(store_snapshots_mark_clean(s, E));
	CHECK_OK(store_snapshot_stat(s, NS, "b", A, &b, E));
	CHECK(b.is_suspect);
}

TEST(nothing_stands_on_a_suspect_and_a_fresh_commit_replaces_it)
{
	struct store *s = fixture_open();
	int64_t a = layer(s, "a", NULL), b = layer(s, "b", "a"), fresh;
	struct snapshot_mounts m;
	struct snapshot_info info;

	CHECK_OK(store_snapshot_prepare(s, NS, "container", "b", SNAPSHOT_ACTIVE, NULL, A, &m, E));
	fixture_new_boot(s);
	CHECK_EQ(store_snapshot_mounts(s, NS, "container", A, &m, E), -ESTALE);
	CHECK_EQ(store_snapshot_prepare(s, NS, "k", "b", SNAPSHOT_ACTIVE, NULL, A, &m, E), -ENOENT);
	fresh = layer(s, "a", NULL);
	CHECK(fresh != a && fresh != b);
	CHECK(!fixture_has_folder(a));
	CHECK_OK(store_snapshot_stat(s, NS, "b", A, &info, E));
	CHECK_STR(info.parent, "a");
	CHECK(info.is_suspect);
	CHECK_EQ(store_snapshot_mounts(s, NS, "container", A, &m, E), -ESTALE);
	layer(s, "b", "a");
	CHECK_OK(store_snapshot_mounts(s, NS, "container", A, &m, E));
	CHECK_EQ(m.lowers.n, 2);
	CHECK_STR(m.lowers.v[1], path_of(fresh, "fs"));
	CHECK(!fixture_has_folder(b));
}

TEST(a_writable_folder_lost_in_a_power_cut_is_made_again)
{
	struct store *s = fixture_open();
	struct snapshot_mounts m;

	CHECK_OK(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_OK(rmdir(m.source));
	CHECK_EQ(store_snapshot_mounts(s, NS, "k", A, &m, E), -EUCLEAN);
	fixture_new_boot(s);
	CHECK_OK(store_snapshot_mounts(s, NS, "k", A, &m, E));
	CHECK(fixture_has_folder(id_of(s, "k")));
}

/* Killed between the folder and the commit: the number comes again, the old folder goes. */
TEST(a_folder_without_a_row_does_not_stop_the_next_one)
{
	struct store *s = fixture_open();
	int status;
	pid_t pid = fork();
	struct snapshot_mounts m;
	int64_t id;

	if (pid == 0) {
		struct store *own;

		if (store_open(fixture_root, &own, E) < 0 || store_begin(own, E) < 0 ||
		    store_snapshot_prepare(own, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E) <
			    0 ||
		    file_replace_at(own->root_fd, "snapshots/1/fs/old", "x", 1, 0600, 0) < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status));
	CHECK(fixture_has_folder(1));
	CHECK_OK(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	id = id_of(s, "k");
	CHECK_EQ(id, 1);
	CHECK(!fixture_exists("snapshots/1/fs/old"));
}

TEST(eight_processes_unpack_the_same_layer_and_one_wins)
{
	struct store *s = fixture_open();
	struct snapshot_info *list;
	size_t n;

	for (int i = 0; i < 8; i++) {
		if (fork() == 0) {
			struct snapshot_mounts m;
			struct store *own;
			char key[32];

			snprintf(key, sizeof(key), "unpack-%d", i);
			if (store_open(fixture_root, &own, E) < 0 ||
			    store_snapshot_prepare(own, NS, key, NULL, SNAPSHOT_ACTIVE, NULL, A, &m,
						   E) < 0)
				_exit(2);
			FIXTURE_EXIT(store_snapshot_commit(own, NS, "chain", key, NULL, E) >= 0);
		}
	}
	CHECK_EQ(fixture_wait(8), 1);
	CHECK_OK(store_snapshot_list(s, NS, A, &list, &n, E));
	CHECK_EQ(n, 8);
}

TEST_MAIN()
