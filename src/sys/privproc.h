#pragma once
/*
 * A procfs of our own for writes that protect the container: a detached instance that no mount of the
 * container can cover, checked to be procfs (CVE-2019-19921, CVE-2025-52881). Safe after fork: yes.
 */
struct err;

/* A detached procfs of the caller's pid namespace. Returns a descriptor. */
int privproc_open(struct err *e);
/* Writes `text` to the file `path` ("sys/net/ipv4/ip_forward") below it; links are not followed. */
int privproc_write(int proc, const char *path, const char *text, struct err *e);
/* Opens what the descriptor `fd` of this process stands for again, with other flags. */
int privproc_reopen(int proc, int fd, int flags);
