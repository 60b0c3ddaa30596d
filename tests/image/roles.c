/*
 * What a worker's role can reach, found out and not looked up: `roles PROGRAM ROLE` prints what /proc says of a live
 * worker, then which system calls a process in the role's sandbox survives, and what comes of the probes below.
 * roles.bats compares that with docs/worker-roles.md.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "spec/worker_protocol.h"
#include "sys/caps.h"
#include "worker/sandbox.h"

#define CALLS_MAX 1024
#define WAIT_MS 10000
#define PROBE_SECONDS 5 /* a call that blocks was let through */
#define LINE_MAX 96
#define NOWHERE 1000 /* neither an open descriptor nor memory; as a protection without PROT_EXEC */
#define STATUS_MAX 65536

/* Exit codes of a probe's process. */
#define CODE_DONE 0
#define CODE_NO_SANDBOX 250
#define CODE_ABSENT 251
#define CODE_ERRNO 1 /* and up: errno */

/* ---- the sandboxes ---- */

static int root_fd = -EBADF; /* what unpack gets as its root */

static int enter_parse(void)
{
	return sandbox_enter_parse(NULL);
}
static int enter_verify(void)
{
	return sandbox_enter_verify(NULL);
}
static int enter_fetch(void)
{
	return sandbox_enter_fetch(NULL);
}
static int enter_unpack(void)
{
	return sandbox_enter_unpack(root_fd, NULL);
}

static int enter_pack(void)
{
	int base = -EBADF;

	return sandbox_enter_pack(root_fd, &base, NULL);
}

static const struct role {
	const char *name;
	int (*enter)(void);
	bool has_root; /* `enter` gives the descriptor that paths begin at */
} roles[] = {
	{ "parse", enter_parse },	  { "manifest", enter_parse },
	{ "signatures", enter_parse },	  { "copy", enter_parse },
	{ "verify", enter_verify },	  { "fetch", enter_fetch },
	{ "unpack", enter_unpack, true }, { "pack", enter_pack, true },
	{ "describe", enter_parse },	  { "compose", enter_parse },
	{ "import", enter_parse },
};

/* ---- a live worker ---- */

static int start(const char *program, const char *role, struct child *ret, int *ret_control)
{
	char *const argv[] = { (char *)program, (char *)role, NULL };
	char *const envp[] = { NULL };
	struct err e = ERR_INIT;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = proc_spawn(
		&(struct spawn_options){
			.path = program,
			.argv = argv,
			.envp = envp,
			.fds = (struct spawn_fd[]){ { pair[1], WORKER_CONTROL_FD },
						    { root_fd, WORKER_ROOT_FD } },
			.fds_len = 2,
			.dies_with_parent = true,
		},
		ret, &e);
	close(pair[1]);
	*ret_control = pair[0];
	if (r < 0)
		fprintf(stderr, "roles: %s\n", err_text(&e, r));
	return r;
}

/* The value of a line "Name:\tvalue" of the text, up to the line's end. */
static bool field(const char *text, const char *name, char *buf, size_t size)
{
	const char *p = strstr(text, name);

	if (!p)
		return false;
	p += strlen(name);
	p += strspn(p, " \t");
	snprintf(buf, size, "%.*s", (int)strcspn(p, "\n"), p);
	return true;
}

static char *read_proc(pid_t pid, const char *name)
{
	char path[64], *text;
	size_t len;
	AUTO_FD fd = -EBADF;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && fd_read_all(fd, STATUS_MAX, &text, &len) == 0 ? text : NULL;
}

/* Behind its sandbox a role has its filter and waits for the first message. */
static char *wait_closed(pid_t pid)
{
	char seccomp[16];

	for (int i = 0; i < WAIT_MS; i++) {
		char *text = read_proc(pid, "status");

		if (text && field(text, "Seccomp:", seccomp, sizeof(seccomp)) &&
		    streq(seccomp, "2"))
			return text;
		free(text);
		poll(NULL, 0, 1);
	}
	return NULL;
}

static void print_caps(const char *status, const char *name, const char *words)
{
	char text[64] = "0";
	unsigned long long bits;
	bool is_first = true;

	field(status, name, text, sizeof(text));
	bits = strtoull(text, NULL, 16);
	printf("%s:", words);
	for (unsigned int i = 0; i < 64; i++)
		if (bits >> i & 1)
			printf("%s %s", is_first ? (is_first = false, "") : ",",
			       caps_name(i) ? caps_name(i) : "?");
	puts(is_first ? " none" : "");
}

static void print_limit(const char *limits, const char *name)
{
	char text[128] = "?";
	char soft[32] = "", hard[32] = "";

	field(limits, name, text, sizeof(text));
	sscanf(text, "%31s %31s", soft, hard);
	printf("limit: %s %s\n", name, streq(soft, hard) ? hard : text);
}

/* Which of its namespaces are not ours. */
static void print_namespaces(pid_t pid)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" };
	bool is_first = true;

	printf("own namespaces:");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[64];
		struct stat a, b;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, names[i]);
		if (stat(path, &a) == 0) {
			snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
			if (stat(path, &b) == 0 && a.st_ino != b.st_ino)
				printf("%s %s", is_first ? (is_first = false, "") : ",", names[i]);
		}
	}
	puts(is_first ? " none" : "");
}

static void print_root(pid_t pid)
{
	char path[64];
	struct stat has, host, layer;

	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	if (stat(path, &has) < 0 || stat("/", &host) < 0 || fstat(root_fd, &layer) < 0)
		puts("root: ?");
	else
		printf("root: %s\n", has.st_ino == layer.st_ino	 ? "the layer's folder"
				     : has.st_ino == host.st_ino ? "the host's"
								 : "another");
}

static int print_live(const char *program, const char *role)
{
	static const char *const same[] = { "NoNewPrivs", "Seccomp" };
	static const char *const limited[] = { "Max cpu time", "Max data size",
					       "Max core file size", "Max open files" };
	AUTO_FREE char *status = NULL;
	AUTO_FREE char *limits = NULL;
	char text[128], real[16] = "?";
	struct child c = { 0 };
	int control, r = start(program, role, &c, &control);

	if (r < 0)
		return r;
	status = wait_closed(c.pid);
	limits = read_proc(c.pid, "limits");
	if (!status || !limits) {
		fprintf(stderr, "roles: the worker does not get behind its sandbox\n");
		proc_kill_wait(&c);
		return -ETIMEDOUT;
	}
	field(status, "Uid:", text, sizeof(text));
	sscanf(text, "%15s", real);
	printf("user: %s\n", real);
	field(status, "Gid:", text, sizeof(text));
	sscanf(text, "%15s", real);
	printf("group: %s\n", real);
	field(status, "Groups:", text, sizeof(text));
	printf("other groups: %s\n", *text ? text : "none");
	print_caps(status, "CapEff:", "capabilities");
	print_caps(status, "CapPrm:", "permitted");
	print_caps(status, "CapBnd:", "bounding");
	print_caps(status, "CapInh:", "inheritable");
	print_caps(status, "CapAmb:", "ambient");
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		snprintf(text, sizeof(text), "%s:", same[i]);
		field(status, text, text, sizeof(text));
		printf("%s: %s\n", same[i], text);
	}
	for (size_t i = 0; i < ARRAY_LEN(limited); i++)
		print_limit(limits, limited[i]);
	print_namespaces(c.pid);
	print_root(c.pid);
	close(control);
	proc_kill_wait(&c);
	return 0;
}

/* ---- probes in a process of their own ---- */

static int root; /* what the sandbox left open */

static int as_code(long r)
{
	return r >= 0 ? CODE_DONE : errno;
}

/* The exit code, or minus the signal. */
static int in_sandbox(const struct role *role, int (*probe)(const void *), const void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		const struct itimerval t = { .it_value = { .tv_sec = PROBE_SECONDS } };

		setitimer(ITIMER_REAL, &t, NULL);
		root = role->enter();
		if (root < 0)
			_exit(CODE_NO_SANDBOX);
		_exit(probe(arg));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return CODE_NO_SANDBOX;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- every system call ---- */

struct call {
	long nr, first, third;
};

/* Descriptors that are not open and pointers that lead nowhere: what is let through fails harmlessly. */
static int do_call(const void *arg)
{
	const struct call *c = arg;
	long r = syscall((int)c->nr, c->first, 0, c->third, 0, 0, 0);

	return r < 0 && errno == ENOSYS ? CODE_ABSENT : CODE_DONE;
}

static bool survives(const struct role *role, long nr, long first, long third)
{
	int code = in_sandbox(role, do_call, &(struct call){ nr, first, third });

	return code != -SIGSYS && code != CODE_ABSENT && code != CODE_NO_SANDBOX;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_words(const char *title, char **v, size_t n)
{
	size_t at = (size_t)printf("%s:", title);

	for (size_t i = 0; i < n; i++) {
		if (at + strlen(v[i]) + 1 > LINE_MAX)
			at = (size_t)printf("\n ") - 1;
		at += (size_t)printf(" %s", v[i]);
	}
	putchar('\n');
}

static void print_calls(const struct role *role)
{
	static char *names[CALLS_MAX];
	size_t n = 0;

	for (int nr = 0; nr < CALLS_MAX; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

		if (!name)
			continue;
		/* Threads and reading alone: what else these make is one of the probes. */
		if (survives(role, nr, NOWHERE, NOWHERE) ||
		    (nr == SYS_clone && survives(role, nr, CLONE_THREAD, NOWHERE)) ||
		    (nr == SYS_openat && survives(role, nr, NOWHERE, O_RDONLY)))
			names[n++] = name;
		else
			free(name);
	}
	qsort(names, n, sizeof(*names), compare);
	print_words("system calls", names, n);
	while (n > 0)
		free(names[--n]);
}

/* ---- what is within reach ---- */

static int do_read(const void *path)
{
	return as_code(open(path, O_RDONLY | O_CLOEXEC));
}
static int do_read_below(const void *path)
{
	return as_code(openat(root, path, O_RDONLY | O_CLOEXEC));
}
static int do_write(const void *path)
{
	return as_code(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}
static int do_stat(const void *path)
{
	struct stat st;

	return as_code(stat(path, &st));
}
static int do_socket(const void *family)
{
	return as_code(socket(*(const int *)family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}
static int do_packet(const void *arg)
{
	return as_code(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}
static int do_device(const void *arg)
{
	if (mknodat(root, "device", S_IFCHR | 0600, makedev(1, 3)) < 0)
		return errno;
	return as_code(openat(root, "device", O_RDWR | O_CLOEXEC));
}
static int do_execute(const void *arg)
{
	char *const argv[] = { (char *)"/bin/true", NULL };

	return as_code(execv(argv[0], argv));
}
static int do_fork(const void *arg)
{
	return as_code(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}
static int do_code(const void *arg)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return as_code(p == MAP_FAILED ? -1 : 0);
}
static int do_much(const void *arg)
{
	void *p = mmap(NULL, (size_t)1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return as_code(p == MAP_FAILED ? -1 : 0);
}
static int do_mount(const void *arg)
{
	return as_code(mount("none", "/", "tmpfs", 0, NULL));
}
static int do_root_user(const void *arg)
{
	return as_code(syscall(SYS_setuid, 0));
}
static int do_trace(const void *arg)
{
	return as_code(ptrace(PTRACE_TRACEME, 0, 0, 0));
}
static int do_signal(const void *arg)
{
	return as_code(syscall(SYS_kill, 1, 0));
}
static int do_terminal(const void *arg)
{
	return as_code(syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x"));
}

static const struct probe {
	const char *words;
	int (*run)(const void *);
	const void *arg;
	bool is_below; /* asked only where a role keeps its root open */
} probes[] = {
	{ "read /etc/shadow", do_read, "/etc/shadow" },
	{ "read /etc/passwd", do_read, "/etc/passwd" },
	{ "read /etc/hosts", do_read, "/etc/hosts" },
	{ "read /etc/resolv.conf", do_read, "/etc/resolv.conf" },
	{ "read /etc/nsswitch.conf", do_read, "/etc/nsswitch.conf" },
	{ "read /proc/self/status", do_read, "/proc/self/status" },
	{ "read the folder /", do_read, "/" },
	{ "write /tmp/corten-roles-probe", do_write, "/tmp/corten-roles-probe" },
	{ "look at /etc", do_stat, "/etc" },
	{ "read etc/shadow below the root's descriptor", do_read_below, "etc/shadow", true },
	{ "read ../../etc/shadow from there", do_read_below, "../../etc/shadow", true },
	{ "read /etc/shadow from there", do_read_below, "/etc/shadow", true },
	{ "make a device there and open it", do_device, NULL, true },
	{ "socket: unix", do_socket, &(const int){ AF_UNIX } },
	{ "socket: inet", do_socket, &(const int){ AF_INET } },
	{ "socket: inet6", do_socket, &(const int){ AF_INET6 } },
	{ "socket: netlink", do_socket, &(const int){ AF_NETLINK } },
	{ "socket: packet", do_packet, NULL },
	{ "socket: vsock", do_socket, &(const int){ AF_VSOCK } },
	{ "execute /bin/true", do_execute, NULL },
	{ "make a process", do_fork, NULL },
	{ "map code", do_code, NULL },
	{ "take a gigabyte", do_much, NULL },
	{ "mount", do_mount, NULL },
	{ "become root", do_root_user, NULL },
	{ "be traced", do_trace, NULL },
	{ "signal process 1", do_signal, NULL },
	{ "type into a terminal", do_terminal, NULL },
};

static void print_probes(const struct role *role)
{
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		int code;

		if (probes[i].is_below && !role->has_root)
			continue;
		code = in_sandbox(role, probes[i].run, probes[i].arg);
		printf("%s: %s\n", probes[i].words,
		       code == CODE_DONE	 ? "yes"
		       : code == -SIGSYS	 ? "death"
		       : code == CODE_NO_SANDBOX ? "no sandbox"
		       : code < 0		 ? "another signal"
						 : strerrorname_np(code));
	}
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/corten-roles-XXXXXX";

	for (size_t i = 0; argc == 3 && i < ARRAY_LEN(roles); i++) {
		int r;

		if (!streq(argv[2], roles[i].name))
			continue;
		if (!mkdtemp(path))
			return 1;
		root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = print_live(argv[1], roles[i].name);
		if (r == 0) {
			print_calls(&roles[i]);
			print_probes(&roles[i]);
		}
		dir_remove_at(AT_FDCWD, path);
		return r < 0;
	}
	fprintf(stderr, "usage: roles PROGRAM ROLE\n");
	return 2;
}
