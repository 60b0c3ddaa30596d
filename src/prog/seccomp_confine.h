#pragma once
/*
 * The sandbox of corten-seccomp: no user, no capabilities, no new programs, bounded memory and time, and of
 * the system calls only those that memory, the standard streams and libseccomp's export need.
 *
 * For a process with one thread that has read all its input. Not to be undone. Not safe after fork.
 */
struct err;

/*
 * Gives up everything; later calls outside the list fail with EPERM. Fails rather than go on with less.
 * Under sanitizers the memory bound and the list of calls are left out, as those need more.
 */
int seccomp_confine(struct err *e);
