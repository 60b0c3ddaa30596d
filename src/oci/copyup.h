#pragma once
/* tmpcopyup: what the image has at a mount point is copied into the tmpfs that covers it. Safe after fork: yes. */
struct err;

/*
 * Copies folders, files, links, owners, modes from the folder `from` into `to`, both open. Bounded in depth
 * and in what the tmpfs takes; devices and sockets are left out. -ELOOP too deep, -ENOSPC.
 */
int copyup(int from, int to, struct err *e);
