#pragma once
/*
 * The container of one shim: its processes, the calls that change them, and their ends.
 *
 * task.c keeps the processes, reaps them and records exits; task_ops.c does what callers ask; runtime.c
 * executes the OCI runtime. Everything runs on one loop and nothing blocks but short file work: a call that
 * needs the runtime is kept and answered when the runtime ended. An exit is in the journal before anybody
 * hears of it. One thread. Safe after fork: no.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ev/ev.h"
#include "shim/attach_server.h"
#include "shim/client.h"
#include "shim/group.h"
#include "shim/journal.h"
#include "shim/state.h"
#include "shim/streams.h"
#include "wire/ttrpc.h"

struct runtime_call;
struct task;

struct proc {
	struct proc *next;
	struct task *t;
	char *id;     /* "" for the init */
	char *prefix; /* of its files in the task folder: "init", "exec-<id>" */
	enum proc_state state;
	pid_t pid;
	int pidfd;
	struct ev_io pid_watch; /* an adopted process, which is nobody's child here */
	struct stdio io;
	struct journal_record exit; /* when stopped */
	struct ttrpc_call **waiters;
	size_t waiters_len, waiters_cap;
	struct ttrpc_call *call; /* of the operation under way */
	char *spec;		 /* an exec's process object */
	int console_fd;		 /* listening console socket while the runtime works */
	struct ev_io fifo;	 /* exec.fifo while the init is being started */
	struct ev_timer fifo_limit;
	bool is_ours;	  /* an exec of our own client, which attaches and may never send Delete */
	bool was_refused; /* the runtime did not start it */
	struct ev_timer forget;
};

/* Children that ended while the runtime had not told yet whose they are. */
#define ORPHANS_MAX 64
struct orphan {
	pid_t pid;
	int status;
	int64_t at_ns;
};

struct task {
	struct ev_loop *loop;
	int dir; /* the task folder, also the working directory */
	struct shim_options o;
	bool is_own_runtime;
	int runtime_fd;		   /* above 0: the runtime's file, out of everybody's reach */
	bool is_runtime_plain;	   /* the kernel refused that: executed by its path */
	struct proc *init, *procs; /* `procs` begins with the init */
	size_t procs_len, execs_max;
	struct journal journal;
	struct stdio_pool pool;
	struct attach_server attach;
	struct ttrpc_server *server;
	struct runtime_call *runtime_calls;
	struct orphan orphans[ORPHANS_MAX];
	size_t orphans_len;
	uint64_t next_file; /* numbers for temporary names */
	struct group group;
	struct ev_io oom_watch;
	bool is_oom;
	bool is_command_run;
	pid_t command_pid;
	struct ev_timer
		command_due; /* runs since Delete of the init, in case that no Shutdown follows */
};

/* task.c */
/* `o` is borrowed until the end of the program. */
int task_init(struct task *t, struct ev_loop *l, const struct shim_options *o, int dir,
	      struct err *e);
void task_done(struct task *t);
/* NULL or "" is the init; NULL when there is none. */
struct proc *task_find(struct task *t, const char *exec_id);
int task_add_exec(struct task *t, const char *exec_id, struct proc **ret, struct err *e);
void task_remove_exec(struct proc *p);
/*
 * To be called when an exec may have become one that nobody needs: if it ended, or was never started, and no client is
 * attached or waits, it is removed after a grace. What its client asks later is answered from the journal. Only
 * execs of our own client; containerd's are there until Delete.
 */
void proc_forget_later(struct proc *p);
/* A child of the shim ended. */
void task_reaped(struct task *t, pid_t pid, int status, int64_t at_ns);
/* Takes the pid that the runtime wrote to "<prefix>.pid": watches the process, or records its end if it came first. */
int proc_take_pid(struct proc *p, struct err *e);
/* Records the end and tells everybody. */
void proc_ended(struct proc *p, uint32_t status, int64_t at_ns, bool is_guessed);
/* An adopted process whose end is recorded already: clients that attach are told of it. */
void proc_restored(struct proc *p);
int proc_add_waiter(struct proc *p, struct ttrpc_call *call);
/* Finds the container's cgroup once its init is there; from then on OOM kills are seen. */
void task_open_group(struct task *t);
/* "<prefix>.<ending>", malloc'ed, or NULL. */
char *proc_file(const struct proc *p, const char *ending);
/* The exit command, if the init ended, unless an owner is attached or it ran already. */
void task_maybe_run_command(struct task *t);
/* After Delete of the init: the exit command, if nobody sends Shutdown and it did not run. */
void task_expect_shutdown(struct task *t);

/* task_ops.c: 0 means that the call is answered, now or later; `call` is then taken. */
int task_create(struct task *t, struct ttrpc_call *call, struct err *e);
int task_start(struct proc *p, struct ttrpc_call *call, struct err *e);
int task_delete(struct proc *p, struct ttrpc_call *call, struct err *e);
int task_update(struct task *t, struct ttrpc_call *call, const void *resources, size_t len,
		struct err *e);
int task_pause(struct task *t, struct ttrpc_call *call, bool is_pause, struct err *e);
/* These answer by their return value alone. */
int task_kill(struct proc *p, int sig, bool is_all, struct err *e);
int task_pids(struct task *t, pid_t **ret, size_t *ret_len, struct err *e);

/* adopt.c: finds the processes of a shim that is gone. */
int task_adopt(struct task *t, struct err *e);
/* Remembers the start time beside the pid, so that a successor can tell a reused pid. */
void proc_note_start(const struct proc *p);

/* service.c: the answers that task_ops gives when the runtime ended. */
void service_answer_pid(struct ttrpc_call *call, bool is_create, pid_t pid);
void service_answer_exit(struct ttrpc_call *call, const struct journal_record *x);
void service_answer_deleted(struct ttrpc_call *call, const struct journal_record *x);
void service_answer_empty(struct ttrpc_call *call);
extern const struct ttrpc_service shim_services[2];
