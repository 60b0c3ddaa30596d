#include "base/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "shim/options.h"

static int open_dir(void)
{
	char path[] = "/tmp/options_test.XXXXXX";

	return mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static void remove_dir(int dir)
{
	char link[FD_PATH_MAX], path[256] = "";

	unlinkat(dir, "options.json", 0);
	if (readlink(fd_path(dir, link), path, sizeof(path) - 1) > 0)
		rmdir(path);
	close(dir);
}

TEST(what_is_written_is_read_back)
{
	AUTO_ARENA struct arena a = { 0 };
	char lower[] = "lowerdir=/a:/b\"c", ro[] = "ro", prog[] = "/bin/x", word[] = "two words";
	char *mount_options[] = { lower, ro, NULL }, *command[] = { prog, word, NULL };
	struct shim_mount m = { "overlay", "overlay", NULL, mount_options };
	struct shim_options in = { .ns = "default",
				   .id = "c1",
				   .runtime = "/r",
				   .runtime_root = "/rr",
				   .stdio_uri = "null:",
				   .mounts = &m,
				   .mounts_len = 1,
				   .exit_command = command,
				   .is_terminal = true,
				   .is_stdin_once = true };
	struct shim_options out;
	int dir = open_dir();

	CHECK_EQ(shim_options_write(dir, &in, NULL), 0);
	CHECK_EQ(shim_options_read(dir, &a, &out, NULL), 0);
	CHECK_STR(out.id, "c1");
	CHECK_STR(out.ns, "default");
	CHECK_STR(out.runtime, "/r");
	CHECK_STR(out.runtime_root, "/rr");
	CHECK_STR(out.stdio_uri, "null:");
	CHECK_EQ(out.mounts_len, 1);
	CHECK_STR(out.mounts[0].type, "overlay");
	CHECK(!out.mounts[0].target);
	CHECK_STR(out.mounts[0].options[0], lower);
	CHECK_STR(out.mounts[0].options[1], "ro");
	CHECK(!out.mounts[0].options[2]);
	CHECK_STR(out.exit_command[1], "two words");
	CHECK(!out.exit_command[2]);
	CHECK(out.is_terminal && out.is_stdin_once && !out.has_stdin && !out.no_pivot);
	remove_dir(dir);
}

TEST(nothing_optional_stays_nothing)
{
	AUTO_ARENA struct arena a = { 0 };
	struct shim_options in = { .id = "c1", .runtime = "/r", .runtime_root = "/rr" }, out;
	int dir = open_dir();

	CHECK_EQ(shim_options_write(dir, &in, NULL), 0);
	CHECK_EQ(shim_options_read(dir, &a, &out, NULL), 0);
	CHECK(!out.exit_command && !out.stdio_uri && out.mounts_len == 0);
	remove_dir(dir);
}

TEST(a_file_without_id_is_refused)
{
	AUTO_ARENA struct arena a = { 0 };
	struct shim_options out;
	struct err e = ERR_INIT;
	int dir = open_dir();

	CHECK_EQ(file_replace_at(dir, "options.json", "{}", 2, 0600, 0), 0);
	CHECK_EQ(shim_options_read(dir, &a, &out, &e), -EBADMSG);
	remove_dir(dir);
	CHECK_EQ(shim_options_read(AT_FDCWD, &a, &out, &e), -ENOENT);
}

TEST_MAIN()
