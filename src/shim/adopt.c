#include "shim/task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "shim/logfile.h"
#include "shim/rootfs.h"

/* linux/pidfd.h of kernel 6.15; Debian 12's headers are older. */
struct k_pidfd_info {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
	uint32_t coredump_mask, spare;
};
#define K_PIDFD_GET_INFO _IOWR(0xff, 11, struct k_pidfd_info)
#define K_PIDFD_INFO_EXIT (1ull << 3)
/* What an exit is recorded as when nobody can tell it. */
#define STATUS_UNKNOWN 255

void proc_note_start(const struct proc *p)
{
	AUTO_FREE char *name = proc_file(p, "start");
	char text[128], boot[37];
	uint64_t start;
	int n;

	if (!name || proc_start_time(p->pid, &start) < 0 || proc_boot_id(boot) < 0)
		return;
	n = snprintf(text, sizeof(text), "%s %llu\n", boot, (unsigned long long)start);
	file_replace_at(p->t->dir, name, text, (size_t)n, 0600, 0);
}

/* Whether `pid` is still the process that was noted. */
static bool is_same(const struct proc *p, pid_t pid)
{
	AUTO_FREE char *name = proc_file(p, "start");
	AUTO_FREE char *text = NULL;
	char now[128], boot[37];
	uint64_t start;

	if (!name || proc_start_time(pid, &start) < 0 || proc_boot_id(boot) < 0)
		return false;
	/* A shim that died right after the runtime wrote the pid left no note: the pid is fresh then. */
	if (file_read_at(p->t->dir, name, 128, &text, NULL) < 0)
		return true;
	snprintf(now, sizeof(now), "%s %llu\n", boot, (unsigned long long)start);
	return streq(text, now);
}

static int decode_status(int code)
{
	return WIFSIGNALED(code) ? 128 + WTERMSIG(code) : WEXITSTATUS(code);
}

/* The exit code by pidfd once the process was reaped by whoever is its parent now; a zombie's by its stat. */
static int exit_status_of(int pidfd, pid_t pid)
{
	struct k_pidfd_info info = { .mask = K_PIDFD_INFO_EXIT };
	char path[40], text[1024], *p;
	AUTO_FD fd = -EBADF;
	int64_t code;
	ssize_t n;

	if (ioctl(pidfd, K_PIDFD_GET_INFO, &info) == 0 && info.mask & K_PIDFD_INFO_EXIT)
		return decode_status(info.exit_code);
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	/* The last field, 52, is the wait status, shown to those who may trace. */
	text[strcspn(text, "\n")] = '\0';
	p = strrchr(text, ' ');
	if (!p || str_to_i64(p + 1, 0, INT32_MAX, &code) < 0)
		return -ESRCH;
	return decode_status((int)code);
}

static void on_adopted_end(struct ev_io *io, uint32_t events)
{
	struct proc *p = io->data;
	int status = exit_status_of(io->fd, p->pid);

	(void)events;
	/* Between death and reaping neither source may know: the reaper's second attempt does. */
	if (status < 0)
		status = exit_status_of(io->fd, p->pid);
	ev_io_stop(io);
	proc_ended(p, status < 0 ? STATUS_UNKNOWN : (uint32_t)status, clock_wall_ns(), status < 0);
}

static bool is_fifo_there(const struct task *t)
{
	AUTO_FREE char *path = str_printf("%s/%s/exec.fifo", t->o.runtime_root, t->o.id);

	return path && access(path, F_OK) == 0;
}

static void restore_exit(struct proc *p, const struct journal_record *x)
{
	p->exit = *x;
	p->pid = x->pid;
	p->state = PROC_STOPPED;
	p->t->is_oom |= x->flags & JOURNAL_OOM;
	p->io.is_drained = p->io.is_ending = true;
	proc_restored(p);
	proc_forget_later(p);
}

static int adopt_live(struct proc *p, pid_t pid, struct err *e)
{
	struct task *t = p->t;
	int r;

	p->pid = pid;
	p->state = p == t->init && is_fifo_there(t) ? PROC_CREATED : PROC_RUNNING;
	r = stdio_reopen(&p->io, p->prefix, e);
	if (r < 0)
		return r;
	p->pidfd = is_same(p, pid) ? proc_pidfd_open(pid) : -ESRCH;
	if (p->pidfd < 0) {
		proc_ended(p, STATUS_UNKNOWN, clock_wall_ns(), true);
		return 0;
	}
	if (p == t->init) {
		task_open_group(t);
		if (t->group.is_open && cg_is_frozen(&t->group.cg) == 1 && p->state == PROC_RUNNING)
			p->state = PROC_PAUSED;
	}
	stdio_start(&p->io);
	r = ev_io_start(t->loop, &p->pid_watch, p->pidfd, EPOLLIN, on_adopted_end, p);
	return r < 0 ? err_sys(e, r, "watch process %d", (int)pid) : 0;
}

static int adopt_proc(struct proc *p, struct err *e)
{
	AUTO_FREE char *name = proc_file(p, "pid");
	AUTO_FREE char *text = NULL;
	struct journal_record x;
	int64_t pid;
	int r = name ? file_read_at(p->t->dir, name, 32, &text, NULL) : -ENOMEM;

	if (r < 0)
		return err_sys(e, r, "read the pid of '%s'", p->prefix);
	text[strcspn(text, "\n")] = '\0';
	if (str_to_i64(text, 1, INT32_MAX, &pid) < 0)
		return err_set(e, -EBADMSG, "%s is not a pid", name);
	if (journal_find(p->t->dir, p->id, 0, JOURNAL_COMMAND, &x) == 0 && x.pid == pid) {
		restore_exit(p, &x);
		return 0;
	}
	return adopt_live(p, (pid_t)pid, e);
}

static void adopt_execs(struct task *t)
{
	int fd = openat(t->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		const char *rest = str_skip(entry->d_name, "exec-");
		AUTO_FREE char *id = NULL;
		struct err e = ERR_INIT;
		struct proc *p;

		if (!rest || !str_ends(rest, ".pid"))
			continue;
		id = strndup(rest, strlen(rest) - 4);
		if (!id || task_add_exec(t, id, &p, &e) < 0)
			continue;
		p->io.is_stdin_once = p->io.has_stdin = p->is_ours = true;
		if (adopt_proc(p, &e) < 0) {
			log_warn("exec '%s' not taken over: %s", id, err_text(&e, 0));
			task_remove_exec(p);
		}
	}
	if (d)
		closedir(d);
}

int task_adopt(struct task *t, struct err *e)
{
	struct journal_record note;
	int r;

	t->is_command_run = journal_find(t->dir, "", JOURNAL_COMMAND, 0, &note) == 0;
	r = adopt_proc(t->init, e);
	if (r < 0)
		return r;
	adopt_execs(t);
	task_maybe_run_command(t);
	return 0;
}
