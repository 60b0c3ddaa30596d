#pragma once
/*
 * Starting other programs and waiting for them, by pidfd.
 *
 * The child begins with default signal handlers, an empty signal mask, and only the descriptors that it
 * was given (3 and up are closed). Never through a shell, never by PATH unless asked. Safe after fork: yes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct spawn_fd {
	int from; /* a descriptor of the caller */
	int to;	  /* its number in the child */
};

struct spawn_options {
	const char *path;  /* the program; searched in PATH when it has no slash */
	char *const *argv; /* NULL-terminated, argv[0] included */
	char *const *envp; /* NULL: the caller's environment */
	const char *cwd;   /* NULL: the caller's */
	int cwd_fd;	   /* used when above 0; wins over cwd */
	int exec_fd; /* above 0: the file that is executed (execveat); path is its name in words.
				       For binaries: a script's interpreter could not open it */
	const struct spawn_fd *fds; /* what the child has besides; 0, 1, 2 default to /dev/null */
	size_t fds_len;
	bool is_session_leader; /* setsid: leaves the caller's session and terminal */
	bool keep_stdio;	/* 0, 1, 2 that `fds` does not name are the caller's */
	bool dies_with_parent;	/* PR_SET_PDEATHSIG SIGKILL */
};

struct child {
	pid_t pid;
	int pidfd; /* O_CLOEXEC; owned */
};

/*
 * Starts the program; an exec that fails is reported here, not as an exit code. On success the caller
 * owns `ret->pidfd`. Errors: -ENOENT, -EACCES and what execve gives, -EAGAIN, -ENOMEM.
 */
int proc_spawn(const struct spawn_options *o, struct child *ret, struct err *e);

/*
 * Waits until the child ends or `timeout_ms` passes (negative: for ever); reaps it and closes the pidfd.
 * `*ret_status` is the wait status's exit code, or 128 + signal. -ETIMEDOUT leaves the child running and
 * the struct intact.
 */
int proc_wait(struct child *c, int timeout_ms, int *ret_status);

/* SIGKILL, wait, close. Accepts a child that was waited for already (pid 0). */
void proc_kill_wait(struct child *c);

/*
 * Starts, feeds `input` (may be NULL), collects at most `output_max` bytes of its standard output and standard error
 * together (without those that `fds` names; with keep_stdio the error is the caller's), and waits. -ETIMEDOUT kills it. The output is NUL-terminated
 * and the caller's.
 */
int proc_run(const struct spawn_options *o, const char *input, size_t output_max, int timeout_ms,
	     char **ret_output, int *ret_status, struct err *e);

/* A pidfd, O_CLOEXEC; -ESRCH when there is no such process. */
int proc_pidfd_open(pid_t pid);
/* The number that a pidfd's process has for the caller, or -ESRCH. */
pid_t proc_pidfd_pid(int pidfd);
/* Signals by pidfd; -ESRCH when it is gone. */
int proc_pidfd_kill(int pidfd, int sig);
/* The start time in clock ticks since boot (field 22 of /proc/PID/stat). 0 or -errno. */
int proc_start_time(pid_t pid, uint64_t *ret);
/* The state letter of /proc/PID/stat ('Z' for a zombie), or -errno. */
int proc_state(pid_t pid);
/* This boot's id, 36 characters and a NUL. */
int proc_boot_id(char buf[37]);
/*
 * The folder of the running program's own file, malloc'ed: helpers live relative to it. A program that was executed
 * from a detached mount (the runtime, by the shim) has no folder; it believes PROC_LIBEXEC_ENV when that names a
 * folder of root's or its own user's that others cannot write. -ENOENT.
 */
#define PROC_LIBEXEC_ENV "CORTEN_LIBEXEC"
int proc_self_dir(char **ret);
/*
 * Another program of ours, malloc'ed: beside the running one (the build folder), in ../libexec/corten from there (an
 * installation, wherever it was moved), or where the build was configured to install it. -ENOENT.
 */
int proc_program_find(const char *name, char **ret);
