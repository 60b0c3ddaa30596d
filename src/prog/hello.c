/*
 * hello: what the built-in image corten/hello runs. Says what just happened, and what it can see of the
 * walls around it.
 *
 * Freestanding: no C library, so that the image is a few kilobytes. Only raw system calls; every file is read
 * into one buffer and every number is printed by hand.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#define BUF ((size_t)32 << 10)
#define LABEL_WIDTH 15

int main(void);
void hello_start(void);
void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp,%ebp\n\tand $-16,%rsp\n\tcall hello_start\n");
static long call4(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return r;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29,#0\n\tbl hello_start\n");
static long call4(long nr, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
#else
#error "hello: say here how this architecture enters the kernel"
#endif

/* The compiler may call these for copies of its own. */
void *memset(void *p, int c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)p)[i] = (char)c;
	return p;
}

void *memcpy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)to)[i] = ((const char *)from)[i];
	return to;
}

/* ---- texts ---- */

static char out_buf[4096];
static size_t out_len;

static void flush(void)
{
	size_t at = 0;

	while (at < out_len) {
		long n = call4(SYS_write, 1, (long)(out_buf + at), (long)(out_len - at), 0);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	out_len = 0;
}

static void put_n(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (out_len == sizeof(out_buf))
			flush();
		out_buf[out_len++] = s[i];
	}
}

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static void put(const char *s)
{
	put_n(s, length(s));
}

static void put_number(uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do
		digits[--n] = (char)('0' + v % 10);
	while (v /= 10);
	put_n(digits + n, sizeof(digits) - n);
}

/* A tenth behind the point, as "64.0 MiB". */
static void put_bytes(uint64_t v)
{
	static const char *const units[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB" };
	uint64_t tenths = v * 10;
	size_t unit = 0;

	if (v > UINT64_MAX / 10)
		tenths = UINT64_MAX;
	while (tenths >= 10240 && unit < 5) {
		tenths /= 1024;
		unit++;
	}
	put_number(tenths / 10);
	if (unit > 0) {
		put(".");
		put_number(tenths % 10);
	}
	put(units[unit]);
}

static void label(const char *name)
{
	put("  ");
	put(name);
	for (size_t n = length(name); n < LABEL_WIDTH; n++)
		put(" ");
}

/* ---- files ---- */

static char file_buf[BUF];

/* The file's text in the one buffer there is, or NULL. */
static const char *read_file(const char *path)
{
	long fd = call4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY, 0);
	size_t len = 0;

	if (fd < 0)
		return NULL;
	for (;;) {
		long n = call4(SYS_read, fd, (long)(file_buf + len), (long)(BUF - 1 - len), 0);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	call4(SYS_close, fd, 0, 0, 0);
	file_buf[len] = '\0';
	return file_buf;
}

static bool starts(const char *s, const char *with)
{
	while (*with)
		if (*s++ != *with++)
			return false;
	return true;
}

/* What is behind `key` at the begin of a line; NULL when there is no such line. */
static const char *find_line(const char *text, const char *key)
{
	for (const char *p = text; p && *p;) {
		if (starts(p, key))
			return p + length(key);
		while (*p && *p++ != '\n')
			;
	}
	return NULL;
}

static uint64_t number(const char **p, unsigned int base)
{
	uint64_t v = 0;

	while (**p == ' ' || **p == '\t')
		(*p)++;
	for (;; (*p)++) {
		unsigned int c = (unsigned char)**p, d = c - '0';

		if (c >= 'a' && c <= 'f')
			d = c - 'a' + 10;
		if (d >= base)
			return v;
		v = v * base + d;
	}
}

/* ---- rows ---- */

static const char *const caps[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};
#define CAPS_N (sizeof(caps) / sizeof(caps[0]))
#define CAPS_PER_LINE 5

static void show_process(void)
{
	struct utsname u;
	long pid = call4(SYS_getpid, 0, 0, 0, 0);

	label("process");
	put("pid ");
	put_number((uint64_t)pid);
	put(pid == 1 ? ", the first in its own pid namespace\n" : "\n");
	label("host name");
	put(call4(SYS_uname, (long)&u, 0, 0, 0) == 0 ? u.nodename : "?");
	put("\n");
}

static void show_user(void)
{
	const char *p;

	label("user");
	put_number((uint64_t)call4(SYS_getuid, 0, 0, 0, 0));
	put(":");
	put_number((uint64_t)call4(SYS_getgid, 0, 0, 0, 0));
	p = read_file("/proc/self/uid_map");
	if (p) {
		uint64_t inside = number(&p, 10), outside = number(&p, 10), n = number(&p, 10);

		put(", ids from ");
		put_number(inside);
		if (outside == inside && n > 0xfffffff0u) {
			put(" are the host's own");
		} else {
			put(" are the host's from ");
			put_number(outside);
			put(" (");
			put_number(n);
			put(" of them)");
		}
	}
	put("\n");
}

static void show_caps(uint64_t set)
{
	size_t n = 0;

	label("capabilities");
	for (size_t i = 0; i < CAPS_N; i++) {
		if (!(set >> i & 1))
			continue;
		if (n > 0 && n % CAPS_PER_LINE == 0) {
			put("\n");
			label("");
		}
		if (n++ % CAPS_PER_LINE)
			put(" ");
		put(caps[i]);
	}
	put(n ? "\n" : "none\n");
}

static void show_status(void)
{
	const char *text = read_file("/proc/self/status"), *p;

	if (!text)
		return;
	p = find_line(text, "CapEff:");
	if (p)
		show_caps(number(&p, 16));
	p = find_line(text, "Seccomp:");
	if (p) {
		label("seccomp");
		put(number(&p, 10) == 2 ? "a filter is on\n" : "off\n");
	}
	p = find_line(text, "NoNewPrivs:");
	if (p) {
		label("new privileges");
		put(number(&p, 10) ? "can not be gained\n" : "can be gained\n");
	}
}

/* The first of these that is there: cgroup v2, v1. */
static const char *read_first(const char *a, const char *b)
{
	const char *text = read_file(a);

	return text ? text : read_file(b);
}

#define CG "/sys/fs/cgroup/"

static void show_memory(void)
{
	const char *p = read_first(CG "memory.max", CG "memory/memory.limit_in_bytes");
	uint64_t v;

	label("memory");
	if (!p) {
		put("limit not visible\n");
		return;
	}
	v = number(&p, 10);
	/* v1 writes "no limit" as the largest number of pages. */
	if (*file_buf == 'm' || v >= (uint64_t)1 << 60)
		put("no limit");
	else
		put_bytes(v);
	put("\n");
}

static void show_cpu(void)
{
	const char *p = read_file(CG "cpu.max");
	uint64_t quota = 0, period = 0;
	bool is_limited = false, is_there = p != NULL;

	if (p) {
		is_limited = *p != 'm';
		quota = number(&p, 10);
		period = number(&p, 10);
	} else if ((p = read_file(CG "cpu/cpu.cfs_quota_us"))) {
		is_there = true;
		is_limited = *p != '-';
		quota = number(&p, 10);
		p = read_file(CG "cpu/cpu.cfs_period_us");
		period = p ? number(&p, 10) : 0;
	}
	label("CPUs");
	if (is_limited && period > 0) {
		put_number(quota / period);
		put(".");
		put_number(quota * 10 / period % 10);
		put_number(quota * 100 / period % 10);
		put("\n");
	} else {
		put(is_there ? "no limit\n" : "limit not visible\n");
	}
}

static void show_pids(void)
{
	const char *p = read_first(CG "pids.max", CG "pids/pids.max");

	label("processes");
	if (!p) {
		put("limit not visible\n");
		return;
	}
	if (*p == 'm')
		put("no limit");
	else
		put_number(number(&p, 10));
	put("\n");
}

/* mountinfo: field 5 is the mount point; the type comes behind " - ". */
static void show_mounts(void)
{
	const char *p = read_file("/proc/self/mountinfo"), *type = NULL;
	size_t n = 0, type_len = 0;

	while (p && *p) {
		const char *point = p;

		for (int spaces = 0; *point && *point != '\n' && spaces < 4; point++)
			spaces += *point == ' ';
		n++;
		while (*p && *p != '\n' && !starts(p, " - "))
			p++;
		if (*p == ' ' && point[0] == '/' && point[1] == ' ') {
			type = p + 3;
			for (type_len = 0; type[type_len] > ' '; type_len++)
				;
		}
		while (*p && *p++ != '\n')
			;
	}
	label("mounts");
	put_number(n);
	if (type) {
		put(", the root is ");
		put_n(type, type_len);
	}
	put("\n");
}

/* Two lines of headings, then one line an interface. */
static void show_network(void)
{
	const char *p = read_file("/proc/self/net/dev");
	size_t line = 0, n = 0;

	label("network");
	for (; p && *p; line++) {
		const char *begin = p;
		size_t len = 0;

		while (*begin == ' ')
			begin++;
		while (begin[len] && begin[len] != ':' && begin[len] != '\n')
			len++;
		if (line >= 2) {
			put(n++ ? " " : "");
			put_n(begin, len);
		}
		while (*p && *p++ != '\n')
			;
	}
	put(n ? "\n" : "no interface\n");
}

int main(void)
{
	put("Hello from Corten!\n\n"
	    "This text comes out of a container that was made for it a moment ago:\n"
	    "  1. The image is one layer with one file, /hello. It came with Corten: no registry was asked.\n"
	    "  2. A worker in a sandbox of its own checked and unpacked it, the first time only.\n"
	    "  3. A small program of its own, the shim, now keeps this process. There is no daemon.\n"
	    "  4. The runtime made the namespaces, limits and mounts, started /hello, and is gone already.\n\n"
	    "What can be seen of the walls from inside:\n");
	show_process();
	show_user();
	show_status();
	show_memory();
	show_cpu();
	show_pids();
	show_mounts();
	show_network();
	put("\nTry next: corten load -i IMAGE.tar, then corten run -it IMAGE sh\n");
	flush();
	return 0;
}

void hello_start(void)
{
	call4(SYS_exit_group, main(), 0, 0, 0);
	__builtin_unreachable();
}
