#include "sys/ns.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "sys/calls.h"

/* The kernel's own bound is 340 lines in one page. */
#define MAPS_MAX 340
/* PROC_USER_INIT_INO of the kernel, the same on every machine since Linux 3.8. */
#define FIRST_USER_NS_INODE 0xEFFFFFFDu

const struct ns_row ns_rows[NS_COUNT] = {
	{ "user", "NEWUSER", "user", CLONE_NEWUSER },
	{ "mount", "NEWNS", "mnt", CLONE_NEWNS },
	{ "pid", "NEWPID", "pid", CLONE_NEWPID },
	{ "network", "NEWNET", "net", CLONE_NEWNET },
	{ "ipc", "NEWIPC", "ipc", CLONE_NEWIPC },
	{ "uts", "NEWUTS", "uts", CLONE_NEWUTS },
	{ "cgroup", "NEWCGROUP", "cgroup", CLONE_NEWCGROUP },
	{ "time", "NEWTIME", "time", (uint32_t)K_CLONE_NEWTIME },
};

const struct ns_row *ns_find_spec(const char *name)
{
	for (size_t i = 0; i < NS_COUNT; i++)
		if (streq(ns_rows[i].spec, name))
			return &ns_rows[i];
	return NULL;
}

const struct ns_row *ns_find_runc(const char *name)
{
	for (size_t i = 0; i < NS_COUNT; i++)
		if (streq(ns_rows[i].runc, name))
			return &ns_rows[i];
	return NULL;
}

static int write_proc(pid_t pid, const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return file_write_at(AT_FDCWD, path, text);
}

int ns_write_map(pid_t pid, bool is_gid, const struct ns_id_map *maps, size_t n, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	const char *name = is_gid ? "gid_map" : "uid_map";
	int r;

	if (n > MAPS_MAX)
		return err_set(e, -E2BIG, "more than %d id mappings", MAPS_MAX);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&b, "%u %u %u\n", maps[i].inside, maps[i].outside, maps[i].count);
	r = strbuf_ok(&b);
	if (r == 0 && b.p)
		r = write_proc(pid, name, b.p);
	return r < 0 ? err_sys(e, r, "write %s", name) : 0;
}

bool ns_in_user(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino != FIRST_USER_NS_INODE;
}

int ns_deny_setgroups(pid_t pid, struct err *e)
{
	int r = write_proc(pid, "setgroups", "deny");

	return r < 0 ? err_sys(e, r, "deny setgroups") : 0;
}

int ns_make_user(const struct ns_id_map *uids, size_t uids_n, const struct ns_id_map *gids,
		 size_t gids_n, struct err *e)
{
	struct k_clone_args ca = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	char path[64];
	pid_t pid = k_clone3(&ca);
	int r, fd = -EBADF;

	if (pid < 0)
		return err_sys(e, pid, "make user namespace");
	if (pid == 0)
		for (;;)
			pause();
	r = ns_write_map(pid, false, uids, uids_n, e);
	if (r == 0)
		r = ns_write_map(pid, true, gids, gids_n, e);
	if (r == 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? err_sys(e, -errno, "open user namespace") : fd;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

int ns_net_enter(int netns_fd, int *ret_back, struct err *e)
{
	AUTO_FD back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (back < 0)
		return err_sys(e, -errno, "open the thread's own network namespace");
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return err_sys(e, -errno, "enter the network namespace");
	*ret_back = TAKE_FD(back);
	return 0;
}

void ns_net_leave(int *back)
{
	int saved = errno;

	if (*back < 0)
		return;
	ASSERT(setns(*back, CLONE_NEWNET) == 0);
	errno = saved;
	fd_closep(back);
}

int ns_is_same(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}
