#pragma once
/*
 * The table of traced threads and the programs they run. One thread of the kernel is one task here.
 *
 * It is not a debugger: it knows only what the fault driver asks. Holds always: every task in the
 * table is attached and was not yet seen to end. Not thread-safe; after fork the child must not use it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROGRAMS_MAX 512
#define PROGRAM_NAME_MAX 64
#define ALIASES_MAX 64
#define TASK_BUCKETS 1024

struct program {
	char name[PROGRAM_NAME_MAX]; /* basename of the executable */
	uint64_t calls;		     /* counted system calls of all its processes */
	uint64_t processes;	     /* times it was executed */
};

struct task {
	struct task *next;
	pid_t tid;	  /* as the tracer sees it */
	int program;	  /* index into programs */
	int fail_errno;	  /* the current call was skipped and ends with this errno; 0: none */
	bool interrupted; /* a PTRACE_INTERRUPT was sent and its stop not yet seen */
};

/* An executable without a name of its own: a sealed copy in memory, a detached mount. */
struct alias {
	dev_t device;
	ino_t inode;
	int program; /* what executed it */
};

struct trace {
	struct task *buckets[TASK_BUCKETS];
	int tasks;
	struct program programs[PROGRAMS_MAX];
	int n_programs;
	struct alias aliases[ALIASES_MAX]; /* a ring: the oldest is overwritten */
	unsigned n_aliases;
};

/* The task `tid`, or NULL. Borrowed from the table. */
struct task *trace_find(struct trace *t, pid_t tid);

/* The task `tid`, added when it is new; its program is what /proc says it executes. Borrowed. */
struct task *trace_see(struct trace *t, pid_t tid);

/* Forgets `tid`; nothing happens when it is unknown. */
void trace_drop(struct trace *t, pid_t tid);

/*
 * Reads the program of `task` anew after an execve and counts the process. A program that executes a
 * copy of itself keeps its name.
 */
void trace_executed(struct trace *t, struct task *task);

/* Calls `f` for each task; `f` must not drop tasks. */
void trace_each(struct trace *t, void (*f)(struct task *task, void *arg), void *arg);

/* The system call's number for its name, or -ENOENT. */
long syscall_number(const char *name);

/* The name of system call `nr`, or "?". Static. */
const char *syscall_name(long nr);

/* Makes the call that `tid` is about to enter do nothing. Returns 0 or -errno. */
int regs_skip_call(pid_t tid);

/* Sets the result of the call that `tid` is about to leave to -`errnum`. Returns 0 or -errno. */
int regs_set_error(pid_t tid, int errnum);
