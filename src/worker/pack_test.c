/* The pack role's sandbox, what it reads of a folder and of a listing. */
#include "worker/pack.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/test.h"
#include "worker/sandbox.h"

/* ---- sandbox ---- */

#define FINE 0
#define REFUSED 7
#define NO_SANDBOX 9

typedef int (*probe_fn)(int root, int base);

static char folder[] = "/tmp/pack-test-XXXXXX";

static void make_folder(void)
{
	int fd;

	if (geteuid() != 0)
		TEST_SKIP("needs root");
	memcpy(folder, "/tmp/pack-test-XXXXXX", sizeof(folder));
	if (!mkdtemp(folder))
		TEST_SKIP("no folder in /tmp");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0));
	mknodat(fd, "null", S_IFCHR | 0666, makedev(1, 3));
	fsetxattr(fd, "trusted.t", "v", 1, 0);
	close(fd);
}

static int run(bool is_scanned, probe_fn probe)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), base = dup(fd);
		int root = sandbox_enter_pack(fd, &base, NULL);

		if (root < 0 || (is_scanned && sandbox_pack_scanned(NULL) < 0))
			_exit(NO_SANDBOX);
		_exit(probe(root, base));
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int result(long r)
{
	return r < 0 ? REFUSED : FINE;
}
static int read_file(int root, int base)
{
	char c;
	int fd = openat(root, "file", O_RDONLY);

	return result(fd < 0 ? fd : read(fd, &c, 1));
}
static int read_base(int root, int base)
{
	return result(openat(base, "file", O_RDONLY));
}
static int open_to_write(int root, int base)
{
	return result(openat(root, "file", O_WRONLY));
}
static int make_file(int root, int base)
{
	return result(openat(root, "new", O_RDONLY | O_CREAT, 0600));
}
static int open_by_path(int root, int base)
{
	return result(open("/file", O_RDONLY));
}
static int open_above(int root, int base)
{
	return result(openat(root, "../etc/shadow", O_RDONLY));
}
static int open_above_base(int root, int base)
{
	return result(openat(base, "../etc/shadow", O_RDONLY));
}
static int open_device(int root, int base)
{
	return result(openat(root, "null", O_RDONLY));
}
static int remove_file(int root, int base)
{
	return result(unlinkat(root, "file", 0));
}
static int set_xattr(int root, int base)
{
	return result(fsetxattr(root, "user.a", "b", 1, 0));
}
static int change_mode(int root, int base)
{
	return result(fchmod(root, 0777));
}
static int do_mount(int root, int base)
{
	return result(mount("none", "/", "tmpfs", 0, NULL));
}
static int make_socket(int root, int base)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}
static int make_process(int root, int base)
{
	return result(fork());
}
static int execute(int root, int base)
{
	char *argv[] = { (char *)"/file", NULL };

	return result(execv(argv[0], argv));
}
static int read_trusted(int root, int base)
{
	char c;

	return result(fgetxattr(root, "trusted.t", &c, 1));
}

TEST(pack_reads_its_folder_and_nothing_else)
{
	static const struct {
		const char *what;
		probe_fn probe;
		int want;
	} rows[] = {
		{ "read a file of nobody's", read_file, FINE },
		{ "read in the folder below", read_base, FINE },
		{ "open for writing", open_to_write, -SIGSYS },
		{ "make a file", make_file, -SIGSYS },
		{ "open by path", open_by_path, -SIGSYS },
		{ "open above the root", open_above, REFUSED },
		{ "open above the folder below", open_above_base, REFUSED },
		{ "open a device", open_device, REFUSED },
		{ "remove", remove_file, -SIGSYS },
		{ "set an xattr", set_xattr, -SIGSYS },
		{ "change a mode", change_mode, -SIGSYS },
		{ "mount", do_mount, -SIGSYS },
		{ "make a socket", make_socket, -SIGSYS },
		{ "fork", make_process, -SIGSYS },
		{ "execute", execute, -SIGSYS },
	};
	int got = 0;
	size_t i;

	make_folder();
#if defined(CORTEN_SANITIZED)
	TEST_SKIP("no filter under a sanitizer");
#endif
	for (i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		got = run(i % 2, rows[i / 2].probe);
		if (got != rows[i / 2].want)
			break;
	}
	dir_remove_at(AT_FDCWD, folder);
	if (i < 2 * ARRAY_LEN(rows))
		TEST_END(TEST_FAILED, "%s: %d, wanted %d", rows[i / 2].what, got, rows[i / 2].want);
}

TEST(trusted_xattrs_are_read_before_files_are)
{
	int before, after;

	make_folder();
	before = run(false, read_trusted);
	after = run(true, read_trusted);
	dir_remove_at(AT_FDCWD, folder);
	CHECK_EQ(before, FINE);
	CHECK_EQ(after, REFUSED);
}

/* ---- listings ---- */

TEST(a_listing_is_read_as_it_was_written)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct pack_listing l = { 0 };
	const struct pack_listed rows[] = {
		{ .path = "a", .mode = S_IFDIR | 0755, .mtime = { 5, 6 } },
		{ .path = "a/b c\\=#\n", .mode = S_IFREG | 04644, .size = 7, .has_digest = true },
		{ .path = "a/\xff", .mode = S_IFLNK | 0777, .link = "to here" },
		{ .path = "a-", .mode = S_IFCHR | 0600, .rdev = makedev(1, 3), .uid = 70000 },
		{ .path = "a.b", .mode = S_IFIFO | 0600, .mtime = { -1, 0 } },
	};

	strbuf_adds(&out, PACK_LISTING_HEAD);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		pack_listing_add(&out, &rows[i]);
	CHECK_EQ(pack_listing_read(out.p, out.len, &l, NULL), 0);
	CHECK_EQ(l.n, ARRAY_LEN(rows));
	for (size_t i = 0; i < l.n; i++) {
		CHECK_STR(l.v[i].path, rows[i].path);
		CHECK_EQ(l.v[i].mode, rows[i].mode);
		CHECK_EQ(l.v[i].size, rows[i].size);
		CHECK_EQ(l.v[i].uid, rows[i].uid);
		CHECK_EQ(l.v[i].rdev, rows[i].rdev);
		CHECK_EQ(l.v[i].mtime.tv_sec, rows[i].mtime.tv_sec);
		CHECK_EQ(l.v[i].mtime.tv_nsec, rows[i].mtime.tv_nsec);
		CHECK_EQ(pack_listing_find(&l, rows[i].path), i);
	}
	CHECK_STR(l.v[2].link, "to here");
	CHECK_EQ(l.v[0].end, 3);
	CHECK_EQ(l.v[3].end, 4);
	pack_listing_done(&l);
}

TEST(what_is_no_listing_is_refused)
{
	static const char *const bad[] = {
		"",
		"#mtree v2.0\n./../a type=file\n",
		"#mtree v2.0\n./a/b type=file\n",
		"#mtree v2.0\n./b type=file\n./a type=file\n",
		"#mtree v2.0\n./a type=file\n./a type=file\n",
		"#mtree v2.0\n./a type=file\n./a/b type=file\n",
		"#mtree v2.0\n./a type=thing\n",
		"#mtree v2.0\n./a type=link\n",
		"#mtree v2.0\n./a\\9 type=file\n",
		"#mtree v2.0\n./a type=file size=-1\n",
		"#mtree v2.0\n./a type=file sha256digest=00\n",
		"#mtree v2.0\n./a type=file time=1\n",
		"#mtree v2.0\n./a type=file flags=x\n",
		"#mtree v2.0\n/a type=file\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_FREE char *text = strdup(bad[i]);
		struct pack_listing l = { 0 };
		int r = pack_listing_read(text, strlen(text), &l, NULL);

		pack_listing_done(&l);
		if (r != -EBADMSG)
			TEST_END(TEST_FAILED, "%zu is taken", i);
	}
}

TEST(a_folder_stands_right_before_what_is_in_it)
{
	CHECK(pack_path_compare("a", "a/b") < 0);
	CHECK(pack_path_compare("a/z", "a-") < 0);
	CHECK(pack_path_compare("a/z", "a!") < 0);
	CHECK(pack_path_compare("a\x01", "a/z") > 0);
	CHECK(pack_path_compare("a", "b") < 0);
	CHECK_EQ(pack_path_compare("a/b", "a/b"), 0);
}

TEST_MAIN()
