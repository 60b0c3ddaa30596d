#include "worker/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "sys/calls.h"
#include "sys/caps.h"
#include "sys/confine.h"
#include "worker/sandbox_filter.h"

/* Sum of what may lie in memory; the parse role keeps whole manifests, the unpack role lists of paths. */
#define PARSE_MEMORY ((rlim_t)64 << 20)
#define UNPACK_MEMORY ((rlim_t)256 << 20)
#define PACK_MEMORY ((rlim_t)256 << 20)
/* The certificates of 150 authorities, TLS, and the stack of the resolver's thread. */
#define FETCH_MEMORY ((rlim_t)96 << 20)
/* A layer of 100 GB takes some ten minutes; whatever takes longer is stuck or hostile. */
#define CPU_SECONDS 3600
#define OPEN_FILES 256
/* Two folders for each level of a tree that is as deep as a path can be (pack). */
#define PACK_OPEN_FILES 8192

static int set_limits(rlim_t memory, rlim_t files, struct err *e)
{
	return confine_limits(memory, files, CPU_SECONDS, e);
}

/*
 * A ruleset without rules: no path can be opened at all. Kernels without landlock have the filter alone,
 * which forbids the same.
 */
static void forbid_files(void)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = (1ull << 13) - 1 };
	AUTO_FD fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (fd >= 0)
		syscall(SYS_landlock_restrict_self, fd, 0);
}

/* A change of credentials clears the wish to die with the parent. */
static int die_with_parent(struct err *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(e, -errno, "worker: die with the parent");
	return 0;
}

static int no_new_privs(struct err *e)
{
	int r = confine_no_new_privs(e);

	return r < 0 ? r : die_with_parent(e);
}

static int enter_nothing(enum sandbox_calls calls, struct err *e)
{
	int r = set_limits(PARSE_MEMORY, OPEN_FILES, e);

	if (r == 0)
		r = confine_become_nobody(e);
	if (r == 0)
		r = no_new_privs(e);
	if (r < 0)
		return r;
	forbid_files();
	return sandbox_filter_load(calls, e);
}

int sandbox_enter_parse(struct err *e)
{
	return enter_nothing(CALLS_PARSE, e);
}

int sandbox_enter_verify(struct err *e)
{
	return enter_nothing(CALLS_VERIFY, e);
}

/* As forbid_files, but the files that the resolver reads anew at each look-up stay readable. */
static void forbid_files_but_resolver(void)
{
	static const char *const files[] = { "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf",
					     "/etc/gai.conf", "/etc/nsswitch.conf" };
	struct landlock_ruleset_attr attr = { .handled_access_fs = (1ull << 13) - 1 };
	AUTO_FD ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (ruleset < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_FD fd = open(files[i], O_PATH | O_CLOEXEC);
		struct landlock_path_beneath_attr rule = { LANDLOCK_ACCESS_FS_READ_FILE, fd };

		if (fd >= 0)
			syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule,
				0);
	}
	syscall(SYS_landlock_restrict_self, ruleset, 0);
}

int sandbox_enter_fetch(struct err *e)
{
	int r = set_limits(FETCH_MEMORY, OPEN_FILES, e);

	if (r == 0)
		r = confine_become_nobody(e);
	if (r == 0)
		r = no_new_privs(e);
	if (r < 0)
		return r;
	forbid_files_but_resolver();
	return sandbox_filter_load(CALLS_FETCH, e);
}

#define CAP(c) (1ull << (c))
#define UNPACK_CAPS                                                                   \
	(CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) | CAP(CAP_FSETID) | \
	 CAP(CAP_MKNOD) | CAP(CAP_SETFCAP))

static int keep_caps(uint64_t caps, struct err *e)
{
	const struct caps_sets sets = { .effective = caps, .permitted = caps };
	int r = caps_drop_bounding(caps);

	if (r == 0)
		r = caps_set_ambient(0);
	if (r == 0)
		r = caps_set(&sets);
	return r < 0 ? err_sys(e, r, "worker: give up capabilities") : 0;
}

/*
 * The layer's folder through a mount of its own on which no device opens: the role may make device nodes, and one
 * of the host's disk would be a way out. That mount lives as long as the descriptor, which is never closed. Where
 * the kernel has no such mounts, or a user namespace makes device nodes impossible, it is the folder itself.
 */
static int clone_root(int root_fd, uint64_t more)
{
	const struct k_mount_attr attr = {
		.set = K_ATTR_NODEV | K_ATTR_NOSUID | K_ATTR_NOEXEC | more,
		.clr = more & K_ATTR_ATIME_MASK ? K_ATTR_ATIME_MASK : 0
	};
	AUTO_FD fd = k_open_tree(root_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0 || k_mount_setattr(fd, "", AT_EMPTY_PATH, &attr) < 0)
		return root_fd;
	return TAKE_FD(fd);
}

static int become_root(int root_fd, int clone, struct err *e)
{
	int root;

	if (fchdir(clone) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_sys(e, -errno, "worker: make the layer's folder the root");
	/* A way around the clone. */
	if (clone != root_fd)
		close(root_fd);
	root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? err_sys(e, -errno, "worker: open the layer's folder") : root;
}

int sandbox_enter_unpack(int root_fd, struct err *e)
{
	AUTO_FD root = -EBADF;
	int clone, r = set_limits(UNPACK_MEMORY, OPEN_FILES, e);

	if (r < 0)
		return r;
	clone = clone_root(root_fd, 0);
	root = become_root(root_fd, clone, e);
	if (root < 0)
		return root;
	/* Names come with their own modes. */
	umask(0);
	setgroups(0, NULL);
	r = keep_caps(UNPACK_CAPS, e);
	if (r == 0)
		r = no_new_privs(e);
	if (r == 0)
		r = sandbox_filter_load(CALLS_UNPACK, e);
	return r < 0 ? r : TAKE_FD(root);
}

#define PACK_CAPS CAP(CAP_DAC_READ_SEARCH)

/* A descriptor that the role goes on with, of a folder's clone; that of a file as it is. */
static int clone_base(int base_fd)
{
	AUTO_FD fd = -EBADF;
	struct stat st;
	int clone;

	if (fstat(base_fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return base_fd;
	clone = clone_root(base_fd, K_ATTR_RDONLY | K_ATTR_NOATIME);
	if (clone == base_fd)
		return base_fd;
	fd = openat(clone, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(base_fd);
	return TAKE_FD(fd);
}

/* Only the owner's namespace has CAP_SYS_ADMIN to keep: elsewhere trusted.* cannot be read, nor was it written. */
static uint64_t scan_caps(void)
{
	struct caps_sets sets;

	return caps_get(&sets) < 0 ? PACK_CAPS : (PACK_CAPS | CAP(CAP_SYS_ADMIN)) & sets.permitted;
}

int sandbox_enter_pack(int root_fd, int *base_fd, struct err *e)
{
	AUTO_FD root = -EBADF;
	int r = set_limits(PACK_MEMORY, PACK_OPEN_FILES, e);

	if (r == 0 && *base_fd >= 0) {
		r = clone_base(*base_fd);
		if (r < 0)
			return err_sys(e, r, "worker: open the folder below");
		*base_fd = r;
	}
	if (r < 0)
		return r;
	root = become_root(root_fd, clone_root(root_fd, K_ATTR_RDONLY | K_ATTR_NOATIME), e);
	if (root < 0)
		return root;
	signal(SIGPIPE, SIG_IGN);
	setgroups(0, NULL);
	r = keep_caps(scan_caps(), e);
	if (r == 0)
		r = no_new_privs(e);
	if (r == 0)
		r = sandbox_filter_load(CALLS_PACK, e);
	return r < 0 ? r : TAKE_FD(root);
}

int sandbox_pack_scanned(struct err *e)
{
	const uint64_t caps = scan_caps() & PACK_CAPS;
	int r = caps_set(&(struct caps_sets){ .effective = caps, .permitted = caps });

	return r < 0 ? err_sys(e, r, "worker: give up capabilities") : 0;
}
