#pragma once
/*
 * What a role gives up: user, capabilities, new privileges, memory, time, and all system calls but a few.
 * A call that is not on the role's list ends the process (seccomp), so there is no error to handle.
 *
 * In builds with a sanitizer the memory limit and the filter are left out: both forbid what it does.
 * Safe after fork: yes.
 */
#include <stdint.h>
#include <sys/resource.h>

struct err;

/* Reads one descriptor, writes those it is sent; no file system, no user, no capability. */
int sandbox_enter_parse(struct err *e);
/* As parse, and it may ask for its process id. */
int sandbox_enter_verify(struct err *e);
/*
 * The network, the descriptors it is sent, and the resolver's files to read; every other path is EACCES, nothing opens
 * for writing, nothing is executed, no process is made (threads are: libcurl resolves names in one).
 */
int sandbox_enter_fetch(struct err *e);
/*
 * Makes the folder `root_fd` the process's root, closes it, and gives an O_DIRECTORY descriptor of it: from then on every
 * path is relative to a descriptor below it, and calls relative to the working directory end the process. Device nodes can be made there, but not opened.
 */
int sandbox_enter_unpack(int root_fd, struct err *e);
/*
 * As sandbox_enter_unpack, but the folder can only be read: no file opens for writing, nothing is made, removed or changed.
 * `*base_fd` is a folder beside it (or a file, or negative) and is replaced by a read-only clone. CAP_SYS_ADMIN stays
 * until sandbox_pack_scanned, because the kernel shows trusted.* xattrs, an overlay's marks among them, to nobody else;
 * before that call no file's content is read.
 */
int sandbox_enter_pack(int root_fd, int *base_fd, struct err *e);
int sandbox_pack_scanned(struct err *e);
