#include "trace.h"

#include <errno.h>
#include <linux/elf.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

static const struct syscall_row {
	const char *name;
	long nr;
} syscall_rows[] = {
#include "syscall_rows.h"
};

#define SYSCALL_ROWS (sizeof(syscall_rows) / sizeof(syscall_rows[0]))

static struct task **bucket_of(struct trace *t, pid_t tid)
{
	return &t->buckets[(unsigned)tid % TASK_BUCKETS];
}

/* The index of program `name`; programs beyond the table share the last row, called "others". */
static int program_index(struct trace *t, const char *name)
{
	for (int i = 0; i < t->n_programs; i++)
		if (strncmp(t->programs[i].name, name, PROGRAM_NAME_MAX - 1) == 0)
			return i;
	if (t->n_programs == PROGRAMS_MAX)
		return PROGRAMS_MAX - 1;
	struct program *p = &t->programs[t->n_programs];
	if (t->n_programs == PROGRAMS_MAX - 1)
		name = "others";
	snprintf(p->name, sizeof(p->name), "%s", name);
	return t->n_programs++;
}

/*
 * The program `tid` executes, by the basename of its file, or -ENOENT when the file has no name of its
 * own: it is a copy in memory ("/memfd:...") or on a detached mount ("/").
 */
static int program_of(struct trace *t, pid_t tid)
{
	static const char deleted[] = " (deleted)";
	char path[64], exe[4096];
	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	ssize_t n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0)
		return -ENOENT;
	exe[n] = '\0';
	size_t len = (size_t)n, tail = sizeof(deleted) - 1;
	if (len > tail && strcmp(exe + len - tail, deleted) == 0)
		exe[len - tail] = '\0';
	const char *name = strrchr(exe, '/');
	name = name ? name + 1 : exe;
	if (!*name || strncmp(exe, "/memfd:", 7) == 0)
		return -ENOENT;
	return program_index(t, name);
}

static bool stat_exe(pid_t tid, struct stat *st)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	return stat(path, st) == 0;
}

static int program_by_alias(struct trace *t, pid_t tid)
{
	struct stat st;
	bool has_exe = stat_exe(tid, &st);
	for (unsigned i = 0; has_exe && i < ALIASES_MAX && i < t->n_aliases; i++)
		if (t->aliases[i].device == st.st_dev && t->aliases[i].inode == st.st_ino)
			return t->aliases[i].program;
	return program_index(t, "?");
}

static void add_alias(struct trace *t, pid_t tid, int program)
{
	struct stat st;
	if (stat_exe(tid, &st))
		t->aliases[t->n_aliases++ % ALIASES_MAX] = (struct alias){
			.device = st.st_dev,
			.inode = st.st_ino,
			.program = program,
		};
}

struct task *trace_find(struct trace *t, pid_t tid)
{
	for (struct task *k = *bucket_of(t, tid); k; k = k->next)
		if (k->tid == tid)
			return k;
	return NULL;
}

struct task *trace_see(struct trace *t, pid_t tid)
{
	struct task *k = trace_find(t, tid);
	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k) {
		fprintf(stderr, "faults: out of memory\n");
		exit(125);
	}
	k->tid = tid;
	k->program = program_of(t, tid);
	if (k->program < 0)
		k->program = program_by_alias(t, tid);
	k->next = *bucket_of(t, tid);
	*bucket_of(t, tid) = k;
	t->tasks++;
	return k;
}

void trace_drop(struct trace *t, pid_t tid)
{
	for (struct task **at = bucket_of(t, tid); *at; at = &(*at)->next) {
		struct task *k = *at;
		if (k->tid != tid)
			continue;
		*at = k->next;
		free(k);
		t->tasks--;
		return;
	}
}

void trace_executed(struct trace *t, struct task *task)
{
	int program = program_of(t, task->tid);
	if (program < 0)
		add_alias(t, task->tid, task->program);
	else
		task->program = program;
	t->programs[task->program].processes++;
}

void trace_each(struct trace *t, void (*f)(struct task *task, void *arg), void *arg)
{
	for (int i = 0; i < TASK_BUCKETS; i++)
		for (struct task *k = t->buckets[i]; k; k = k->next)
			f(k, arg);
}

long syscall_number(const char *name)
{
	for (size_t i = 0; i < SYSCALL_ROWS; i++)
		if (strcmp(syscall_rows[i].name, name) == 0)
			return syscall_rows[i].nr;
	return -ENOENT;
}

const char *syscall_name(long nr)
{
	for (size_t i = 0; i < SYSCALL_ROWS; i++)
		if (syscall_rows[i].nr == nr)
			return syscall_rows[i].name;
	return "?";
}

#if defined(__x86_64__)

int regs_skip_call(pid_t tid)
{
	long r = ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, orig_rax), -1L);
	return r < 0 ? -errno : 0;
}

int regs_set_error(pid_t tid, int errnum)
{
	long value = -(long)errnum;
	long r = ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rax), value);
	return r < 0 ? -errno : 0;
}

#elif defined(__aarch64__)

int regs_skip_call(pid_t tid)
{
	int nr = -1;
	struct iovec v = { .iov_base = &nr, .iov_len = sizeof(nr) };
	return ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &v) < 0 ? -errno : 0;
}

int regs_set_error(pid_t tid, int errnum)
{
	struct user_regs_struct regs;
	struct iovec v = { .iov_base = &regs, .iov_len = sizeof(regs) };
	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &v) < 0)
		return -errno;
	regs.regs[0] = (unsigned long long)-(long)errnum;
	return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &v) < 0 ? -errno : 0;
}

#else
#error "faults: registers of this architecture are unknown"
#endif
