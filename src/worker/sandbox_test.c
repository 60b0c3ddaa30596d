/* Each probe runs in a child behind the sandbox: what is not allowed must end it by SIGSYS. */
#include "worker/sandbox.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/test.h"

#define FINE 0
#define REFUSED 7
#define NO_SANDBOX 9
#define NO_DEVICE 10

static int unpack_root = -EBADF;

typedef int (*probe_fn)(int root);

static int run(bool is_unpack, probe_fn probe)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int root = is_unpack ? sandbox_enter_unpack(unpack_root, NULL)
				     : sandbox_enter_parse(NULL);

		_exit(root < 0 ? NO_SANDBOX : probe(root));
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void need_root(void)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
#if defined(CORTEN_SANITIZED)
	TEST_SKIP("no filter under a sanitizer");
#endif
	if (unpack_root < 0) {
		static char path[] = "/tmp/sandbox-test-XXXXXX";

		if (!mkdtemp(path))
			TEST_SKIP("no folder in /tmp");
		unpack_root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		rmdir(path);
	}
}

static int result(long r)
{
	return r < 0 ? REFUSED : FINE;
}

static int open_shadow(int root)
{
	return result(open("/etc/shadow", O_RDONLY));
}
static int open_above(int root)
{
	return result(openat(root, "../../../../etc/shadow", O_RDONLY));
}
static int open_absolute(int root)
{
	return result(openat(root, "/etc/shadow", O_RDONLY));
}
static int stat_cwd(int root)
{
	struct stat st;

	return result(stat("/etc", &st));
}
static int make_in_cwd(int root)
{
	return result(mkdirat(AT_FDCWD, "x", 0700));
}
static int link_from_cwd(int root)
{
	return result(linkat(root, "a", AT_FDCWD, "b", 0));
}
static int symlink_in_cwd(int root)
{
	return result(symlink("a", "b"));
}
static int execute(int root)
{
	char *argv[] = { (char *)"/bin/true", NULL };

	return result(execv(argv[0], argv));
}
static int make_process(int root)
{
	return result(fork());
}
static int make_socket(int root)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}
static int do_mount(int root)
{
	return result(mount("none", "/", "tmpfs", 0, NULL));
}
static int leave_root(int root)
{
	return result(chroot(".."));
}
static int change_user(int root)
{
	return result(setuid(0));
}
static int trace(int root)
{
	return result(syscall(SYS_ptrace, 0, 0, 0, 0));
}
static int kill_parent(int root)
{
	return result(kill(getppid(), 0));
}
static int map_code(int root)
{
	return result((long)(intptr_t)mmap(NULL, 4096, PROT_READ | PROT_EXEC,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
static int map_much(int root)
{
	char *p = mmap(NULL, (size_t)1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return p == MAP_FAILED ? REFUSED : FINE;
}
static int work(int root)
{
	int fd = openat(root, "/proc", O_RDONLY);
	char *p = malloc(1 << 20);

	free(p);
	/* The root is the empty folder: nothing of the host can be named. */
	return fd < 0 ? FINE : REFUSED;
}
static int parse_work(int root)
{
	char *p = malloc(1 << 20);

	free(p);
	return FINE;
}

/* Null is harmless, and opens as any other device would. */
static int open_own_device(int root)
{
	if (mknodat(root, "device", S_IFCHR | 0600, makedev(1, 3)) < 0)
		return NO_DEVICE;
	return result(openat(root, "device", O_RDWR));
}
static int make_file(int root)
{
	int fd = openat(root, "file", O_RDWR | O_CREAT | O_EXCL, 0600);

	return result(fd < 0 ? fd : linkat(root, "file", root, "link", 0));
}

static const struct {
	const char *what;
	probe_fn probe;
	int parse, unpack; /* what must come of it */
} probes[] = {
	{ "open a file by path", open_shadow, -SIGSYS, -SIGSYS },
	{ "open above the root", open_above, -SIGSYS, REFUSED },
	{ "open an absolute path at a descriptor", open_absolute, -SIGSYS, REFUSED },
	{ "stat by path", stat_cwd, -SIGSYS, -SIGSYS },
	{ "make a folder in the working directory", make_in_cwd, -SIGSYS, -SIGSYS },
	{ "link into the working directory", link_from_cwd, -SIGSYS, -SIGSYS },
	{ "symlink in the working directory", symlink_in_cwd, -SIGSYS, -SIGSYS },
	{ "execute", execute, -SIGSYS, -SIGSYS },
	{ "fork", make_process, -SIGSYS, -SIGSYS },
	{ "make a socket", make_socket, -SIGSYS, -SIGSYS },
	{ "mount", do_mount, -SIGSYS, -SIGSYS },
	{ "chroot", leave_root, -SIGSYS, -SIGSYS },
	{ "change the user", change_user, -SIGSYS, -SIGSYS },
	{ "trace", trace, -SIGSYS, -SIGSYS },
	{ "signal the parent", kill_parent, -SIGSYS, -SIGSYS },
	{ "map code", map_code, -SIGSYS, -SIGSYS },
	{ "take a gigabyte", map_much, REFUSED, REFUSED },
};

static void check_all(bool is_unpack)
{
	need_root();
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		int want = is_unpack ? probes[i].unpack : probes[i].parse,
		    got = run(is_unpack, probes[i].probe);

		if (got != want)
			TEST_END(TEST_FAILED, "%s: %d, wanted %d", probes[i].what, got, want);
	}
}

TEST(parse_can_do_nothing)
{
	check_all(false);
	CHECK_EQ(run(false, parse_work), FINE);
}

TEST(unpack_stays_below_its_root)
{
	check_all(true);
	CHECK_EQ(run(true, work), FINE);
}

TEST(unpack_makes_devices_that_it_cannot_open)
{
	char path[] = "/tmp/sandbox-test-XXXXXX";
	int before = unpack_root, device, file;

	need_root();
	if (!mkdtemp(path))
		TEST_SKIP("no folder in /tmp");
	unpack_root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	device = run(true, open_own_device);
	file = run(true, make_file);
	close(unpack_root);
	unpack_root = before;
	dir_remove_at(AT_FDCWD, path);
	CHECK_EQ(file, FINE);
	if (device == NO_DEVICE)
		TEST_SKIP("no device nodes here");
	CHECK_EQ(device, REFUSED);
}

/* ---- fetch ---- */

static int run_fetch(probe_fn probe)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(sandbox_enter_fetch(NULL) < 0 ? NO_SANDBOX : probe(-EBADF));
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int fetch_opens(const char *path, int flags)
{
	return open(path, flags | O_CLOEXEC, 0600) >= 0 ? FINE : errno;
}

static int fetch_shadow(int root)
{
	(void)root;
	return fetch_opens("/etc/shadow", O_RDONLY);
}

/* Everyone may read it, and the role may not. */
static int fetch_passwd(int root)
{
	(void)root;
	return fetch_opens("/etc/passwd", O_RDONLY);
}

static int fetch_hosts(int root)
{
	(void)root;
	return fetch_opens("/etc/hosts", O_RDONLY);
}

static int fetch_write(int root)
{
	(void)root;
	return fetch_opens("/tmp/corten-sandbox-test", O_WRONLY | O_CREAT);
}

static int fetch_internet(int root)
{
	(void)root;
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? FINE : errno;
}

static int fetch_unix(int root)
{
	(void)root;
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? FINE : errno;
}

static int fetch_packet(int root)
{
	(void)root;
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0 ? FINE : errno;
}

static int fetch_fork(int root)
{
	(void)root;
	return fork() >= 0 ? FINE : errno;
}

static int fetch_exec(int root)
{
	char *const argv[] = { (char *)"/bin/true", NULL };

	(void)root;
	execv("/bin/true", argv);
	return errno;
}

static int fetch_user(int root)
{
	(void)root;
	return geteuid() == 65534 ? FINE : REFUSED;
}

TEST(fetch_has_the_network_and_the_resolvers_files)
{
	static const struct {
		const char *what;
		probe_fn probe;
		int want;
	} rows[] = {
		{ "open /etc/shadow", fetch_shadow, EACCES },
		{ "open /etc/passwd", fetch_passwd, EACCES },
		{ "open /etc/hosts", fetch_hosts, FINE },
		{ "open for writing", fetch_write, EACCES },
		{ "an internet socket", fetch_internet, FINE },
		{ "a unix socket", fetch_unix, EAFNOSUPPORT },
		{ "a packet socket", fetch_packet, EAFNOSUPPORT },
		{ "fork", fetch_fork, -SIGSYS },
		{ "exec", fetch_exec, -SIGSYS },
		{ "user", fetch_user, FINE },
	};

	need_root();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int got = run_fetch(rows[i].probe);

		if (got != rows[i].want)
			TEST_END(TEST_FAILED, "%s: %d, wanted %d", rows[i].what, got, rows[i].want);
	}
}

TEST_MAIN()
