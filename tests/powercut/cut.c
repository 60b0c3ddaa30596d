/*
 * Runs a command in pid and mount namespaces of its own and cuts the power of an ext4 filesystem under it:
 *
 *	cut MOUNTPOINT BOOT MICROSECONDS COMMAND [ARG...]
 *
 * MICROSECONDS after the command began, or as soon as it has ended, the filesystem is shut down without writing its
 * journal (FS_IOC_SHUTDOWN), and every process of the namespace is killed: what is not on disk then never comes there.
 * The file BOOT stands for the kernel's boot id, so that what comes after the cut is another boot to the command.
 * With "-" for MOUNTPOINT nothing is cut; the status is the command's.
 *
 * Says on standard output how far the command came: "acknowledged" (it ended with 0), "failed" or "cut".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define NO_LOG_FLUSH 2

static void die(const char *what)
{
	fprintf(stderr, "cut: %s: %s\n", what, strerror(errno));
	_exit(99);
}

/* Process 1 of the namespace: reaps, and tells how the command ended. */
static void be_init(const char *boot, char **argv, int tell)
{
	pid_t pid, command;
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0 ||
	    mount(boot, "/proc/sys/kernel/random/boot_id", NULL, MS_BIND, NULL) < 0)
		die("mount");
	command = fork();
	if (command == 0) {
		close(tell);
		execvp(argv[0], argv);
		die(argv[0]);
	}
	while ((pid = wait(&status)) > 0 || errno == EINTR) {
		unsigned char code = WIFEXITED(status) ? (unsigned char)WEXITSTATUS(status) : 255;

		if (pid == command && write(tell, &code, 1) < 0)
			die("tell");
	}
	/* The machine runs on until its power is cut. */
	for (;;)
		pause();
}

/* The command's exit code, or -1 when it did not end within `ms`; 99 when the namespace died. */
static int wait_code(int fd, const struct timespec *timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned char code;
	int n = ppoll(&p, 1, timeout, NULL);

	if (n == 0)
		return -1;
	return n > 0 && read(fd, &code, 1) == 1 ? code : 99;
}

int main(int argc, char **argv)
{
	static const struct timespec now = { 0, 0 };
	uint32_t how = NO_LOG_FLUSH;
	struct timespec after;
	int fd = -1, tell[2], code;
	long us;
	pid_t init;

	if (argc < 5) {
		fprintf(stderr, "usage: cut MOUNTPOINT|- BOOT MICROSECONDS COMMAND [ARG...]\n");
		return 2;
	}
	us = strtol(argv[3], NULL, 10);
	after = (struct timespec){ us / 1000000, us % 1000000 * 1000 };
	if (strcmp(argv[1], "-") != 0 && (fd = open(argv[1], O_RDONLY | O_CLOEXEC)) < 0)
		die(argv[1]);
	if (pipe2(tell, O_CLOEXEC) < 0 || unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		die("namespaces");
	init = fork();
	if (init == 0) {
		if (fd >= 0)
			close(fd);
		close(tell[0]);
		be_init(argv[2], argv + 4, tell[1]);
	}
	close(tell[1]);
	code = wait_code(tell[0], fd < 0 ? NULL : &after);
	if (fd >= 0 && ioctl(fd, IOC_SHUTDOWN, &how) < 0)
		die("FS_IOC_SHUTDOWN");
	kill(init, SIGKILL);
	waitpid(init, NULL, 0);
	if (fd < 0)
		return code;
	/* It may have got to its end between the look and the cut. */
	if (code < 0)
		code = wait_code(tell[0], &now);
	puts(code == 0 ? "acknowledged" : code < 0 || code == 99 ? "cut" : "failed");
	return 0;
}
