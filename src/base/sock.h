#pragma once
/*
 * Unix sockets by folder and name, so that the 108 bytes of sun_path never limit a path, and fds over
 * them. All sockets are O_CLOEXEC. Safe after fork: yes.
 */
#include <stddef.h>
#include <sys/types.h>

/* Binds and listens on `name` in folder `dirfd`, mode 0600; an existing socket file is -EADDRINUSE. fd or -errno. */
int sock_listen_at(int dirfd, const char *name, int type, int backlog);
/* Connects to `name` in folder `dirfd`. fd or -errno. */
int sock_connect_at(int dirfd, const char *name, int type);
/* Connects to an absolute path of any length. fd or -errno. */
int sock_connect(const char *path, int type);
/* One connection, O_CLOEXEC, and O_NONBLOCK if `is_nonblock`. fd or -errno. */
int sock_accept(int fd, int is_nonblock);
/* The peer's uid by SO_PEERCRED. 0 or -errno. */
int sock_peer_uid(int fd, uid_t *ret);

#define SOCK_FDS_MAX 16
/* Sends one message with `n` descriptors (0 to SOCK_FDS_MAX). 0 or -errno. */
int sock_send_fds(int fd, const void *data, size_t len, const int *fds, size_t n);
/*
 * Receives one message and up to `fds_max` descriptors (O_CLOEXEC, owned by the caller; more are
 * closed). Returns the bytes, 0 at the end, -errno. `*ret_fds` is the count of descriptors.
 */
ssize_t sock_recv_fds(int fd, void *data, size_t len, int *fds, size_t fds_max, size_t *ret_fds);
