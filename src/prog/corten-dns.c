/*
 * corten-dns: names on containers' networks. Started by the net room alone, with its control socket and the folder of
 * entries as descriptors; goes on behind a fork as nobody, in that folder, with the few system calls that it needs.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/dns/server.h"
#include "sys/confine.h"

#define CONTROL_FD 3
#define NAMES_FD 4
/* Entries of thousands of containers, and a buffer for each question under way. */
#define MEMORY_MAX ((rlim_t)256 << 20)
/* Two for each container, one for each question, two for each connection. */
#define FILES_MAX 65536

static const struct confine_rule calls[] = {
	CONFINE_COMMON,
	{ SYS_socket, RULE_NET },
	{ SYS_connect, RULE_ANY },
	{ SYS_accept4, RULE_ANY },
	{ SYS_epoll_ctl, RULE_ANY },
#ifdef SYS_epoll_wait
	{ SYS_epoll_wait, RULE_ANY },
#endif
	{ SYS_epoll_pwait, RULE_ANY },
	{ SYS_epoll_create1, RULE_ANY },
	{ SYS_fcntl, RULE_ANY },
	{ SYS_openat, RULE_READ_AT },
	{ SYS_newfstatat, RULE_DIRFD },
	{ SYS_getdents64, RULE_ANY },
};

static int confine(struct err *e)
{
	int r = fchdir(NAMES_FD) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -errno : 0;

	if (r < 0)
		return err_sys(e, r, "make the folder of names the root");
	r = confine_limits(MEMORY_MAX, FILES_MAX, RLIM_INFINITY, e);
	r = r < 0 ? r : confine_become_nobody(e);
	r = r < 0 ? r : confine_no_new_privs(e);
	return r < 0 ? r : confine_calls(calls, ARRAY_LEN(calls), e);
}

static int serve(void)
{
	struct err e = ERR_INIT;
	int r = confine(&e);

	if (r == 0)
		r = dns_serve(CONTROL_FD, NAMES_FD, &e);
	if (r < 0)
		fprintf(stderr, "corten-dns: %s\n", err_text(&e, r));
	return r < 0;
}

int main(void)
{
	int is_listening = 0;
	socklen_t len = sizeof(is_listening);
	struct stat st;
	pid_t pid;

	if (getsockopt(CONTROL_FD, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) < 0 ||
	    !is_listening || fstat(NAMES_FD, &st) < 0 || !S_ISDIR(st.st_mode)) {
		fprintf(stderr, "corten-dns is started by corten, not by hand\n");
		return 2;
	}
	pid = fork();
	if (pid)
		return pid < 0;
	return serve();
}
