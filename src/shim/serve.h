#pragma once
/*
 * The resident shim: becomes a daemon, serves shim.sock and attach.sock, and ends after Shutdown.
 * The modes are those of prog/shim.c. Safe after fork: no.
 */
#include <stdbool.h>

struct err;
struct task;

/*
 * What client.c gives: descriptor 3 listens for ttrpc, 4 for attach, 5 holds the lock on the task folder
 * for as long as this process lives. The working directory is the task folder.
 */
enum shim_fds { SHIM_FD_TTRPC = 3, SHIM_FD_ATTACH = 4, SHIM_FD_LOCK = 5 };

/* Serves until Shutdown; with `is_adopt` takes over the container of a shim that is gone. The exit code or -errno. */
int shim_serve(bool is_adopt, struct err *e);
/* Ends shim_serve after this round of the loop. */
void shim_quit(struct task *t);
