/* The kernel's floor for one `run` of a short command: what no runtime can go below on this machine.
 *
 * Each round makes one cgroup in every hierarchy with a device list, a process in new pid, mount, ipc, uts, net
 * and cgroup namespaces, Docker's seven mounts by the new mount API, the /dev nodes and links, masked and
 * read-only paths, loopback up, capability drops, pivot_root and exec; it waits and removes the cgroups.
 *
 * It is not a runtime: it reads no configuration, keeps no state, checks no symlink in the rootfs and reports
 * nothing. Give it only a rootfs that you made. Standalone: cc -O2 -static -o floor floor.c */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
/* More hierarchies than any kernel has controllers. */
#define HIERARCHIES_MAX 32
#define PATH_LEN 512
#define ROUNDS_MAX 1000000
#define FAIL_CODE 125

struct hierarchy {
	char name
		[64]; /* controllers as in /proc/self/cgroup, "name=x", or "" for the unified one */
	char dir[PATH_LEN]; /* the caller's own group in it */
	int group_fd;	    /* this round's group */
	int procs_fd;	    /* its cgroup.procs */
};

struct floor {
	const char *rootfs;
	char *const *argv;
	bool has_cgroups;
	unsigned hierarchy_n;
	struct hierarchy hierarchy[HIERARCHIES_MAX];
	char group[32]; /* this round's group name */
};

struct sample {
	int64_t wall_ns, cpu_ns;
};

struct setting {
	const char *key, *value; /* value NULL: a flag */
};

struct mount_row {
	const char *type, *target;
	unsigned attr;
	struct setting settings[4];
};

#define NO_EXEC (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static const struct setting mode_755 = { "mode", "755" };

/* Docker's mounts but the cgroups, which depend on the host's layout. */
static const struct mount_row mounts[] = {
	{ "proc", "proc", NO_EXEC, { { 0 } } },
	{ "tmpfs", "dev", MOUNT_ATTR_NOSUID, { { "mode", "755" }, { "size", "65536k" } } },
	{ "devpts",
	  "dev/pts",
	  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	  { { "newinstance", NULL }, { "ptmxmode", "0666" }, { "mode", "0620" }, { "gid", "5" } } },
	{ "sysfs", "sys", NO_EXEC | MOUNT_ATTR_RDONLY, { { 0 } } },
	{ "mqueue", "dev/mqueue", NO_EXEC, { { 0 } } },
	{ "tmpfs", "dev/shm", NO_EXEC, { { "mode", "1777" }, { "size", "65536k" } } },
};

static const struct {
	const char *name;
	unsigned major, minor;
} nodes[] = {
	{ "dev/null", 1, 3 }, { "dev/zero", 1, 5 },   { "dev/full", 1, 7 },
	{ "dev/tty", 5, 0 },  { "dev/random", 1, 8 }, { "dev/urandom", 1, 9 },
};

static const char *const links[][2] = {
	{ "/proc/self/fd", "dev/fd" },	     { "/proc/self/fd/0", "dev/stdin" },
	{ "/proc/self/fd/1", "dev/stdout" }, { "/proc/self/fd/2", "dev/stderr" },
	{ "/proc/kcore", "dev/core" },	     { "pts/ptmx", "dev/ptmx" },
};

static const char *const masked[] = {
	"proc/asound",	    "proc/acpi",	  "proc/interrupts", "proc/kcore",
	"proc/keys",	    "proc/latency_stats", "proc/timer_list", "proc/timer_stats",
	"proc/sched_debug", "proc/scsi",	  "sys/firmware",    "sys/devices/virtual/powercap",
};

static const char *const readonly[] = {
	"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger",
};

/* What runc and crun allow every container. */
static const char *const devices_allowed[] = {
	"c *:* m",   "b *:* m",	  "c 1:3 rwm", "c 1:5 rwm",   "c 1:7 rwm", "c 1:8 rwm",
	"c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm", "c 136:* rwm", "c 5:2 rwm",
};

/* CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE
 * SETFCAP: Docker's fourteen. */
static const uint64_t caps_kept = 0xa80425fb;

static _Noreturn void fail(const char *what, const char *object)
{
	fprintf(stderr, "floor: %s '%s': %s\n", what, object, strerror(errno));
	_exit(FAIL_CODE);
}

/* Fails unless @r is 0 or more; returns it. */
static int must(int r, const char *what, const char *object)
{
	if (r < 0)
		fail(what, object);
	return r;
}

static void join(char *out, const char *a, const char *b)
{
	if ((size_t)snprintf(out, PATH_LEN, "%s%s", a, b) >= PATH_LEN) {
		errno = ENAMETOOLONG;
		fail("join", b);
	}
}

/* ---- cgroups ---- */

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\n' || !p[n]))
			return true;
	return false;
}

static FILE *open_proc(const char *path)
{
	FILE *f = fopen(path, "re");

	must(f ? 0 : -1, "open", path);
	return f;
}

/* Sets @out (PATH_LEN bytes) to where the hierarchy called @name is mounted; false if it is nowhere. */
static bool find_mountpoint(const char *name, char *out)
{
	FILE *f = open_proc("/proc/self/mountinfo");
	char line[4096], type[64], options[512], first[64];
	bool found = false;

	snprintf(first, sizeof(first), "%.*s", (int)strcspn(name, ","), name);
	while (!found && fgets(line, sizeof(line), f)) {
		const char *tail = strstr(line, " - ");

		if (!tail || sscanf(line, "%*s %*s %*s %*s %511s", out) != 1 ||
		    sscanf(tail, " - %63s %*s %511s", type, options) != 2)
			continue;
		found = *name ? !strcmp(type, "cgroup") && has_word(options, first)
			      : !strcmp(type, "cgroup2");
	}
	fclose(f);
	return found;
}

static void find_hierarchies(struct floor *fl)
{
	FILE *f = open_proc("/proc/self/cgroup");
	char line[1024], at[PATH_LEN];

	while (fgets(line, sizeof(line), f) && fl->hierarchy_n < HIERARCHIES_MAX) {
		struct hierarchy *h = &fl->hierarchy[fl->hierarchy_n];
		char *name = strchr(line, ':') + 1, *path = strchr(name, ':');

		*path++ = 0;
		path[strcspn(path, "\n")] = 0;
		if (!find_mountpoint(name, at))
			continue;
		snprintf(h->name, sizeof(h->name), "%s", name);
		join(h->dir, at, strcmp(path, "/") ? path : "");
		fl->hierarchy_n++;
	}
	fclose(f);
}

static void write_at(int dir, const char *name, const char *text)
{
	int fd = must(openat(dir, name, O_WRONLY | O_CLOEXEC), "open", name);

	must((int)write(fd, text, strlen(text)), "write", name);
	close(fd);
}

/* A new cpuset group has no processors: it takes its parent's. */
static void copy_from_parent(const struct hierarchy *h, const char *name)
{
	char path[PATH_LEN], text[1024];
	int fd;
	ssize_t n;

	join(path, h->dir, name);
	fd = must(open(path, O_RDONLY | O_CLOEXEC), "open", path);
	n = read(fd, text, sizeof(text) - 1);
	must((int)n, "read", path);
	close(fd);
	text[n] = 0;
	write_at(h->group_fd, name + 1, text);
}

static void make_groups(struct floor *fl)
{
	char path[PATH_LEN];

	for (unsigned i = 0; i < fl->hierarchy_n; i++) {
		struct hierarchy *h = &fl->hierarchy[i];

		join(path, h->dir, fl->group);
		must(mkdir(path, 0755), "mkdir", path);
		h->group_fd = must(open(path, O_DIRECTORY | O_CLOEXEC), "open", path);
		if (has_word(h->name, "cpuset")) {
			copy_from_parent(h, "/cpuset.cpus");
			copy_from_parent(h, "/cpuset.mems");
		}
		if (has_word(h->name, "devices")) {
			write_at(h->group_fd, "devices.deny", "a");
			for (size_t j = 0; j < LEN(devices_allowed); j++)
				write_at(h->group_fd, "devices.allow", devices_allowed[j]);
		}
		h->procs_fd = must(openat(h->group_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC),
				   "open", "cgroup.procs");
	}
}

static void remove_groups(struct floor *fl)
{
	char path[PATH_LEN];

	for (unsigned i = 0; i < fl->hierarchy_n; i++) {
		struct hierarchy *h = &fl->hierarchy[i];

		close(h->group_fd);
		close(h->procs_fd);
		join(path, h->dir, fl->group);
		must(rmdir(path), "rmdir", path);
	}
}

/* ---- the child ---- */

static void attach(int mount_fd, int root, const char *target)
{
	must(move_mount(mount_fd, "", root, target, MOVE_MOUNT_F_EMPTY_PATH), "move_mount", target);
	close(mount_fd);
}

/* Returns a detached mount of a new file system. */
static int new_mount(const char *type, const struct setting *settings, size_t n, unsigned attr)
{
	int fs = must(fsopen(type, FSOPEN_CLOEXEC), "fsopen", type), fd;

	for (size_t i = 0; i < n && settings[i].key; i++) {
		const struct setting *s = &settings[i];

		must(fsconfig(fs, s->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, s->key,
			      s->value, 0),
		     "fsconfig", s->key);
	}
	must(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "create", type);
	fd = must(fsmount(fs, FSMOUNT_CLOEXEC, attr), "fsmount", type);
	close(fs);
	return fd;
}

static void mount_hierarchy(const struct hierarchy *h, int tmpfs)
{
	char word[64], *end, *save = NULL;
	bool is_named = !strncmp(h->name, "name=", 5);
	const char *folder = is_named ? h->name + 5 : *h->name ? h->name : "unified";
	struct setting settings[8] = { { 0 } };
	size_t n = 0;

	snprintf(word, sizeof(word), "%s", h->name);
	if (is_named) {
		settings[n++] = (struct setting){ "none", NULL };
		settings[n++] = (struct setting){ "name", h->name + 5 };
	} else {
		for (end = strtok_r(word, ",", &save); end && n < LEN(settings);
		     end = strtok_r(NULL, ",", &save))
			settings[n++] = (struct setting){ end, NULL };
	}
	must(mkdirat(tmpfs, folder, 0755), "mkdir", folder);
	attach(new_mount(*h->name ? "cgroup" : "cgroup2", settings, n, NO_EXEC | MOUNT_ATTR_RDONLY),
	       tmpfs, folder);
}

static void mount_cgroups(const struct floor *fl, int root)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	int fd;

	if (fl->hierarchy_n == 1 && !*fl->hierarchy[0].name) {
		attach(new_mount("cgroup2", NULL, 0, NO_EXEC | MOUNT_ATTR_RDONLY), root,
		       "sys/fs/cgroup");
		return;
	}
	attach(new_mount("tmpfs", &mode_755, 1, NO_EXEC), root, "sys/fs/cgroup");
	fd = must(openat(root, "sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC), "open",
		  "sys/fs/cgroup");
	for (unsigned i = 0; i < fl->hierarchy_n; i++)
		mount_hierarchy(&fl->hierarchy[i], fd);
	must(mount_setattr(fd, "", AT_EMPTY_PATH, &ro, sizeof(ro)), "read-only", "sys/fs/cgroup");
	close(fd);
}

static void fill_dev(int root)
{
	for (size_t i = 0; i < LEN(nodes); i++)
		must(mknodat(root, nodes[i].name, S_IFCHR | 0666,
			     makedev(nodes[i].major, nodes[i].minor)),
		     "mknod", nodes[i].name);
	for (size_t i = 0; i < LEN(links); i++)
		must(symlinkat(links[i][0], root, links[i][1]), "symlink", links[i][1]);
}

static void mount_all(const struct floor *fl, int root)
{
	for (size_t i = 0; i < LEN(mounts); i++) {
		const struct mount_row *m = &mounts[i];

		if (!strncmp(m->target, "dev/", 4))
			must(mkdirat(root, m->target, 0755), "mkdir", m->target);
		attach(new_mount(m->type, m->settings, LEN(m->settings), m->attr), root, m->target);
	}
	if (fl->has_cgroups)
		mount_cgroups(fl, root);
}

/* One empty read-only folder for all masked folders, /dev/null for files. */
static void mask_paths(int root)
{
	int empty = new_mount("tmpfs", &mode_755, 1, MOUNT_ATTR_RDONLY | NO_EXEC), fd;
	struct stat st;

	for (size_t i = 0; i < LEN(masked); i++) {
		if (fstatat(root, masked[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		fd = S_ISDIR(st.st_mode)
			     ? open_tree(empty, "",
					 AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
			     : open_tree(root, "dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		attach(must(fd, "open_tree", masked[i]), root, masked[i]);
	}
	close(empty);
}

static void protect_paths(int root)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY | NO_EXEC };

	for (size_t i = 0; i < LEN(readonly); i++) {
		int fd = open_tree(root, readonly[i],
				   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

		if (fd < 0 && errno == ENOENT)
			continue;
		must(fd, "open_tree", readonly[i]);
		must(mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &ro, sizeof(ro)),
		     "read-only", readonly[i]);
		attach(fd, root, readonly[i]);
	}
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", "inet");

	must(ioctl(fd, SIOCSIFFLAGS, &ifr), "up", "lo");
	close(fd);
}

static void drop_caps(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int cap = 0; cap < 64; cap++)
		if (!(caps_kept >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			must(errno == EINVAL ? 0 : -1, "drop", "capability");
	for (unsigned i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = (uint32_t)(caps_kept >> 32 * i);
		data[i].inheritable = 0;
	}
	must((int)syscall(SYS_capset, &head, data), "set", "capabilities");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set", "no_new_privs");
}

static int enter_rootfs(const struct floor *fl)
{
	int fd;

	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make private", "/");
	fd = must(open_tree(AT_FDCWD, fl->rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), "open_tree",
		  fl->rootfs);
	must(move_mount(fd, "", AT_FDCWD, fl->rootfs, MOVE_MOUNT_F_EMPTY_PATH), "move_mount",
	     fl->rootfs);
	must(fchdir(fd), "enter", fl->rootfs);
	return fd;
}

static _Noreturn void child(const struct floor *fl)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	static char *const env[] = { path, NULL };
	int root;

	if (fl->has_cgroups) {
		/* The unified group was entered by clone3; the namespace's root is to be the group
		 * itself, so that the namespace can be made only after the last one is entered. */
		for (unsigned i = 0; i < fl->hierarchy_n; i++)
			if (*fl->hierarchy[i].name)
				must((int)write(fl->hierarchy[i].procs_fd, "0", 1), "enter",
				     fl->hierarchy[i].dir);
		must(unshare(CLONE_NEWCGROUP), "unshare", "cgroup");
	}
	umask(0);
	root = enter_rootfs(fl);
	mount_all(fl, root);
	fill_dev(root);
	mask_paths(root);
	protect_paths(root);
	must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root", fl->rootfs);
	must(umount2(".", MNT_DETACH), "detach", "the old root");
	must(chdir("/"), "enter", "/");
	must(sethostname("floor", 5), "set", "hostname");
	loopback_up();
	umask(0022);
	drop_caps();
	must(close_range(3, ~0u, 0), "close", "descriptors");
	execve(fl->argv[0], fl->argv, env);
	fail("exec", fl->argv[0]);
}

/* ---- rounds ---- */

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Of this process and its finished children. */
static int64_t cpu_ns(void)
{
	static const int who[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	int64_t sum = 0;

	for (size_t i = 0; i < LEN(who); i++) {
		struct rusage u;

		getrusage(who[i], &u);
		sum += (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000ll +
		       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000ll;
	}
	return sum;
}

static pid_t spawn(const struct floor *fl)
{
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET,
		.exit_signal = SIGCHLD,
	};
	long pid;

	if (!fl->has_cgroups)
		args.flags |= CLONE_NEWCGROUP;
	for (unsigned i = 0; i < fl->hierarchy_n; i++)
		if (!*fl->hierarchy[i].name) {
			args.flags |= CLONE_INTO_CGROUP;
			args.cgroup = (__u64)fl->hierarchy[i].group_fd;
		}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	must((int)pid, "clone3", "six namespaces");
	if (pid == 0)
		child(fl);
	return (pid_t)pid;
}

static struct sample run_round(struct floor *fl, unsigned n)
{
	struct sample s = { -now_ns(), -cpu_ns() };
	int status;

	snprintf(fl->group, sizeof(fl->group), "/floor-%d-%u", getpid(), n);
	make_groups(fl);
	must(waitpid(spawn(fl), &status, 0), "wait for", fl->argv[0]);
	remove_groups(fl);
	s.wall_ns += now_ns();
	s.cpu_ns += cpu_ns();
	if (status) {
		fprintf(stderr, "floor: '%s' ended with status 0x%x\n", fl->argv[0],
			(unsigned)status);
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : FAIL_CODE);
	}
	return s;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void print_values(const char *name, int64_t *v, unsigned n)
{
	qsort(v, n, sizeof(*v), compare);
	printf("\"%s\": {\"min\": %lld, \"p10\": %lld, \"median\": %lld, \"p90\": %lld}", name,
	       (long long)v[0], (long long)v[n / 10], (long long)v[n / 2],
	       (long long)v[n - 1 - n / 10]);
}

static void report(const struct floor *fl, const struct sample *s, unsigned n)
{
	int64_t *v = calloc(n, sizeof(*v));

	assert(v);
	printf("{\"rounds\": %u, \"hierarchies\": %u, ", n, fl->hierarchy_n);
	for (unsigned i = 0; i < n; i++)
		v[i] = s[i].wall_ns;
	print_values("wall_ns", v, n);
	for (unsigned i = 0; i < n; i++)
		v[i] = s[i].cpu_ns;
	printf(", ");
	print_values("cpu_ns", v, n);
	printf("}\n");
	free(v);
}

int main(int argc, char **argv)
{
	static int no_cgroups, quiet;
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'n' },
		{ "no-cgroups", no_argument, &no_cgroups, 1 },
		{ "quiet", no_argument, &quiet, 1 },
		{ 0 },
	};
	struct floor fl = { 0 };
	long rounds = 200;
	struct sample *samples;
	int o;

	while ((o = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (o)
			rounds = o == 'n' ? strtol(optarg, NULL, 10) : 0;
	if (argc - optind < 2 || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr,
			"usage: floor [--rounds N] [--no-cgroups] [--quiet] ROOTFS COMMAND...\n");
		return 2;
	}
	fl.rootfs = argv[optind];
	fl.argv = argv + optind + 1;
	fl.has_cgroups = !no_cgroups;
	if (fl.has_cgroups)
		find_hierarchies(&fl);
	samples = calloc((size_t)rounds, sizeof(*samples));
	assert(samples);
	for (long i = 0; i < rounds; i++)
		samples[i] = run_round(&fl, (unsigned)i);
	if (!quiet)
		report(&fl, samples, (unsigned)rounds);
	free(samples);
	return 0;
}
