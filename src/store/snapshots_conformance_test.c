/* What every snapshotter must do, over each of them: prepare, view, mounts, commit, stat, list, remove, usage. */
#include "store/store.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "store/fixture.h"

static const char *const kinds[] = { "overlayfs", "native" };
#define EACH_KIND(k) for (size_t k = 0; k < ARRAY_LEN(kinds); k++)

static struct store *open_kind(const char *kind)
{
	fixture_kind = kind;
	return fixture_open();
}

static struct snapshot_info info_of(struct store *s, const char *key)
{
	struct snapshot_info info;

	CHECK_OK(store_snapshot_stat(s, NS, key, A, &info, E));
	return info;
}

static bool is_there(struct store *s, const char *key)
{
	struct snapshot_info info;

	return store_snapshot_stat(s, NS, key, A, &info, E) == 0;
}

static void put(int dir, const char *name, const char *text)
{
	CHECK_OK(file_replace_at(dir, name, text, strlen(text), 0640, 0));
}

/* The content of a small file, "" for none. */
static const char *get(const char *dir, const char *name)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	if (file_read_at(AT_FDCWD, arena_printf(A, "%s/%s", dir, name), 100, &text, &len) < 0)
		return "";
	return arena_strdup(A, text);
}

/* Mounted as the shim does it, but at a place with a name. NULL where the machine does not let us. */
static const char *mount_at(const struct snapshot_mounts *m)
{
	const char *at = arena_printf(A, "%s/mnt", fixture_root);
	AUTO_STRBUF struct strbuf data = { 0 };
	int r;

	mkdir(at, 0700);
	if (streq(m->type, "bind")) {
		r = mount(m->source, at, NULL, MS_BIND | MS_REC, NULL);
		if (r == 0 && streq(m->options.v[0], "ro"))
			r = mount(NULL, at, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
	} else {
		for (size_t i = 0; i < m->options.n; i++)
			strbuf_addf(&data, "%s%s", i ? "," : "", m->options.v[i]);
		r = mount(m->source, at, m->type, 0, data.p);
	}
	return r == 0 ? at : NULL;
}

static void unmount(const char *at)
{
	CHECK_OK(umount2(at, MNT_DETACH));
}

static void need_mounts(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		TEST_SKIP("needs root for mounts");
}

/* Makes `key` on `parent`, mounts it, lets `change` write, commits it as `name`. */
static void layer(struct store *s, const char *name, const char *parent,
		  void (*change)(const char *at))
{
	struct snapshot_mounts m;
	const char *at;

	CHECK_OK(store_snapshot_prepare(s, NS, "work", parent, SNAPSHOT_ACTIVE, NULL, A, &m, E));
	CHECK_OK(store_snapshot_mounts(s, NS, "work", A, &m, E));
	at = mount_at(&m);
	if (!at)
		TEST_SKIP("the filesystem of the temporary folder holds no %s mounts", m.type);
	change(at);
	unmount(at);
	CHECK_OK(store_snapshot_commit(s, NS, name, "work", NULL, E));
}

static void base(const char *at)
{
	AUTO_FD dir = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_OK(fchmod(dir, 01750));
	CHECK_OK(fchown(dir, 7, 8));
	CHECK_OK(mkdirat(dir, "d", 0711));
	put(dir, "d/a", "one");
	put(dir, "gone", "x");
	CHECK_OK(linkat(dir, "d/a", dir, "hard", 0));
	CHECK_OK(symlinkat("nowhere", dir, "sym"));
	CHECK_OK(fchownat(dir, "sym", 5, 6, AT_SYMLINK_NOFOLLOW));
	CHECK_OK(mknodat(dir, "pipe", S_IFIFO | 0604, 0));
	CHECK_OK(fchownat(dir, "d/a", 1000, 1001, 0));
	CHECK_OK(fchmodat(dir, "d/a", 04755, 0));
	CHECK_OK(setxattr(arena_printf(A, "%s/d", at), "trusted.x", "v", 1, 0));
	CHECK_OK(utimensat(dir, "d", (struct timespec[2]){ { 11, 0 }, { 1000, 5 } }, 0));
}

static void upper(const char *at)
{
	AUTO_FD dir = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_STR(get(at, "d/a"), "one");
	CHECK_OK(unlinkat(dir, "gone", 0));
	put(dir, "d/a", "two");
	put(dir, "new", "n");
}

static void check_base(const char *at)
{
	AUTO_FD dir = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat root, a, hard, sym, pipe, d;
	char value[4];

	CHECK_OK(fstat(dir, &root));
	CHECK_EQ(root.st_mode & 07777, 01750);
	CHECK(root.st_uid == 7 && root.st_gid == 8);
	CHECK_OK(fstatat(dir, "d/a", &a, 0));
	CHECK_OK(fstatat(dir, "hard", &hard, 0));
	CHECK_OK(fstatat(dir, "sym", &sym, AT_SYMLINK_NOFOLLOW));
	CHECK_OK(fstatat(dir, "pipe", &pipe, 0));
	CHECK_OK(fstatat(dir, "d", &d, 0));
	CHECK(a.st_ino == hard.st_ino && a.st_nlink == 2);
	CHECK(a.st_uid == 1000 && a.st_gid == 1001 && (a.st_mode & 07777) == 04755);
	CHECK(S_ISLNK(sym.st_mode) && sym.st_uid == 5 && sym.st_gid == 6);
	CHECK(S_ISFIFO(pipe.st_mode) && (pipe.st_mode & 07777) == 0604);
	CHECK(d.st_mtim.tv_sec == 1000 && d.st_mtim.tv_nsec == 5 && (d.st_mode & 07777) == 0711);
	CHECK_EQ(getxattr(arena_printf(A, "%s/d", at), "trusted.x", value, sizeof(value)), 1);
	CHECK_STR(get(at, "d/a"), "one");
	CHECK_STR(get(at, "gone"), "x");
}

/* ---- what is seen ---- */

TEST(a_child_sees_its_parents_and_changes_nothing_of_them)
{
	need_mounts();
	EACH_KIND(k)
	{
		struct store *s = open_kind(kinds[k]);
		struct snapshot_mounts m;
		const char *at;

		layer(s, "base", NULL, base);
		layer(s, "upper", "base", upper);
		CHECK_OK(store_snapshot_prepare(s, NS, "v", "base", SNAPSHOT_VIEW, NULL, A, &m, E));
		CHECK_OK(store_snapshot_mounts(s, NS, "v", A, &m, E));
		at = mount_at(&m);
		check_base(at);
		CHECK(open(arena_printf(A, "%s/no", at), O_WRONLY | O_CREAT, 0600) < 0 &&
		      errno == EROFS);
		unmount(at);
		CHECK_OK(store_snapshot_prepare(s, NS, "w", "base", SNAPSHOT_ACTIVE, NULL, A, &m,
						E));
		CHECK_OK(store_snapshot_mounts(s, NS, "w", A, &m, E));
		at = mount_at(&m);
		check_base(at);
		unmount(at);
		CHECK_OK(store_snapshot_prepare(s, NS, "top", "upper", SNAPSHOT_VIEW, NULL, A, &m,
						E));
		CHECK_OK(store_snapshot_mounts(s, NS, "top", A, &m, E));
		at = mount_at(&m);
		CHECK_STR(get(at, "d/a"), "two");
		CHECK_STR(get(at, "new"), "n");
		CHECK_STR(get(at, "hard"), "one");
		CHECK(access(arena_printf(A, "%s/gone", at), F_OK) < 0);
		unmount(at);
		check_base(arena_printf(A, "%s/snapshots/%lld/fs", fixture_root,
					(long long)info_of(s, "base").id));
	}
}

TEST(a_writable_one_keeps_what_was_written_from_mount_to_mount)
{
	need_mounts();
	EACH_KIND(k)
	{
		struct store *s = open_kind(kinds[k]);
		struct snapshot_mounts m;

		layer(s, "base", NULL, base);
		CHECK_OK(store_snapshot_prepare(s, NS, "w", "base", SNAPSHOT_ACTIVE, NULL, A, &m,
						E));
		for (int i = 0; i < 2; i++) {
			const char *at;
			AUTO_FD dir = -EBADF;

			CHECK_OK(store_snapshot_mounts(s, NS, "w", A, &m, E));
			at = mount_at(&m);
			CHECK_STR(get(at, "mine"), i ? "m" : "");
			dir = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			put(dir, "mine", "m");
			fd_closep(&dir);
			unmount(at);
		}
	}
}

TEST(holes_stay_holes)
{
	need_mounts();
	EACH_KIND(k)
	{
		struct store *s = open_kind(kinds[k]);
		struct snapshot_mounts m;
		int64_t size, inodes;
		AUTO_FD fd = -EBADF, file = -EBADF;

		CHECK_OK(store_snapshot_prepare(s, NS, "k", NULL, SNAPSHOT_ACTIVE, NULL, A, &m, E));
		fd = open(m.source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		file = openat(fd, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		CHECK_EQ(pwrite(file, "end", 3, 64 << 20), 3);
		CHECK_OK(store_snapshot_commit(s, NS, "c", "k", NULL, E));
		CHECK_OK(store_snapshot_prepare(s, NS, "w", "c", SNAPSHOT_ACTIVE, NULL, A, &m, E));
		CHECK_OK(store_snapshot_mounts(s, NS, "w", A, &m, E));
		CHECK_OK(store_snapshot_usage(s, NS, "w", &size, &inodes, E));
		CHECK(size < 1 << 20);
	}
}

/* ---- names and rules ---- */

TEST(the_eight_operations_keep_their_rules)
{
	EACH_KIND(k)
	{
		struct store *s = open_kind(kinds[k]);
		const struct json_map labels = { &(struct json_pair){ "a", "b" }, 1 };
		struct snapshot_info *list;
		struct snapshot_mounts m;
		int64_t size, inodes;
		size_t n;

		CHECK_STR(store_snapshotter(s), kinds[k]);
		CHECK_OK(
			store_snapshot_prepare(s, NS, "k", "", SNAPSHOT_ACTIVE, &labels, A, &m, E));
		CHECK_STR(m.type, "bind");
		CHECK_STR(m.options.v[0], "rw");
		CHECK_EQ(store_snapshot_prepare(s, NS, "k", "", SNAPSHOT_ACTIVE, NULL, A, &m, E),
			 -EEXIST);
		CHECK_EQ(store_snapshot_prepare(s, NS, "l", "k", SNAPSHOT_ACTIVE, NULL, A, &m, E),
			 -EINVAL);
		CHECK_EQ(store_snapshot_prepare(s, NS, "l", "no", SNAPSHOT_VIEW, NULL, A, &m, E),
			 -ENOENT);
		CHECK_STR(info_of(s, "k").labels.v[0].value, "b");
		CHECK_OK(store_snapshot_commit(s, NS, "c", "k", &labels, E));
		CHECK(!is_there(s, "k"));
		CHECK_EQ(info_of(s, "c").kind, SNAPSHOT_COMMITTED);
		CHECK_EQ(store_snapshot_mounts(s, NS, "c", A, &m, E), -EINVAL);
		CHECK_EQ(store_snapshot_commit(s, NS, "d", "c", NULL, E), -EINVAL);
		CHECK_OK(store_snapshot_prepare(s, NS, "w", "c", SNAPSHOT_ACTIVE, NULL, A, &m, E));
		CHECK_EQ(m.lowers.n, 1);
		CHECK_OK(store_snapshot_commit(s, NS, "e", "w", NULL, E));
		CHECK_STR(info_of(s, "e").parent, "c");
		CHECK_OK(store_snapshot_prepare(s, NS, "v", "e", SNAPSHOT_VIEW, NULL, A, &m, E));
		CHECK_EQ(store_snapshot_commit(s, NS, "f", "v", NULL, E), -EINVAL);
		CHECK_EQ(store_snapshot_open_fs(s, NS, "v", E), -EINVAL);
		CHECK_OK(store_snapshot_usage(s, NS, "e", &size, &inodes, E));
		CHECK_EQ(inodes, 1);
		CHECK_OK(store_snapshot_list(s, NS, A, &list, &n, E));
		CHECK_EQ(n, 3);
		CHECK_EQ(store_snapshot_remove(s, NS, "e", E), -EBUSY);
		CHECK_OK(store_snapshot_remove(s, NS, "v", E));
		CHECK_OK(store_snapshot_remove(s, NS, "e", E));
		CHECK_OK(store_snapshot_remove(s, NS, "c", E));
		CHECK_EQ(store_snapshot_remove(s, NS, "c", E), -ENOENT);
	}
}

TEST(a_power_cut_makes_both_suspect_and_a_fresh_one_takes_the_place)
{
	EACH_KIND(k)
	{
		struct store *s = open_kind(kinds[k]);
		struct snapshot_mounts m;

		CHECK_OK(store_snapshot_prepare(s, NS, "k", "", SNAPSHOT_ACTIVE, NULL, A, &m, E));
		CHECK_OK(store_snapshot_commit(s, NS, "c", "k", NULL, E));
		CHECK_OK(store_snapshot_prepare(s, NS, "w", "c", SNAPSHOT_ACTIVE, NULL, A, &m, E));
		fixture_new_boot(s);
		CHECK(info_of(s, "c").is_suspect);
		CHECK_EQ(store_snapshot_mounts(s, NS, "w", A, &m, E), -ESTALE);
		CHECK_OK(store_snapshot_prepare(s, NS, "k", "", SNAPSHOT_ACTIVE, NULL, A, &m, E));
		CHECK_OK(store_snapshot_commit(s, NS, "c", "k", NULL, E));
		CHECK_OK(store_snapshot_mounts(s, NS, "w", A, &m, E));
	}
}

TEST(leases_and_collection_know_the_kind)
{
	EACH_KIND(k)
	{
		struct store *s = open_kind(kinds[k]);
		const char *other = kinds[1 - k], *type = store_snapshot_type(s);
		struct snapshot_mounts m;
		struct gc_stats stats;

		CHECK_OK(store_snapshot_prepare(s, NS, "k", "", SNAPSHOT_ACTIVE, NULL, A, &m, E));
		CHECK_OK(store_snapshot_commit(s, NS, "c", "k", NULL, E));
		CHECK_OK(store_lease_create(s, NS, "l", 0, E));
		CHECK_EQ(store_lease_add(s, NS, "l", arena_printf(A, "snapshots/%s", other), "c",
					 E),
			 -EOPNOTSUPP);
		CHECK_OK(store_lease_add(s, NS, "l", type, "c", E));
		CHECK_OK(store_gc(s, &stats, E));
		CHECK(is_there(s, "c"));
		CHECK_OK(store_lease_delete(s, NS, "l", E));
		CHECK_OK(store_gc(s, &stats, E));
		CHECK(!is_there(s, "c"));
	}
}

TEST(the_kind_is_the_stores_for_good)
{
	struct store *s = open_kind("native"), *again;

	CHECK_STR(store_snapshotter(s), "native");
	CHECK_EQ(store_snapshot_can_stack(s), false);
	fixture_kind = NULL;
	CHECK_STR(store_snapshotter(fixture_reopen()), "native");
	CHECK_EQ(store_open_as(fixture_root, "overlayfs", &again, E), -EINVAL);
	CHECK_EQ(store_open_as(fixture_root, "btrfs", &again, E), -EINVAL);
	s = open_kind("overlay2");
	CHECK_STR(store_snapshotter(s), "overlayfs");
	CHECK_EQ(store_open_as(fixture_root, "vfs", &again, E), -EINVAL);
}

TEST_MAIN()
