#include "sys/console.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/sock.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

void console_done(struct console *c)
{
	fd_closep(&c->master);
	fd_closep(&c->slave);
}

int console_open(int pts, uint32_t rows, uint32_t cols, struct console *ret, struct err *e)
{
	struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols };
	AUTO_FD master = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	int unlock = 0, slave;

	if (master < 0)
		return err_sys(e, -errno, "open ptmx of the container's devpts");
	/* On anything but a ptmx this fails: a file of the image cannot pose as one. */
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, -errno, "unlock terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, -errno, "open terminal");
	if ((rows || cols) && ioctl(master, TIOCSWINSZ, &size) < 0) {
		int r = -errno;

		close(slave);
		return err_sys(e, r, "set terminal size");
	}
	*ret = (struct console){ .master = TAKE_FD(master), .slave = slave };
	return 0;
}

int console_take(int slave, struct err *e)
{
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_sys(e, -errno, "set controlling terminal");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			return err_sys(e, -errno, "set standard descriptors");
	return 0;
}

int console_send(int sock, int fd, const char *name, struct err *e)
{
	int r = sock_send_fds(sock, name, strlen(name), &fd, 1);

	return r < 0 ? err_sys(e, r, "send descriptor over console socket") : 0;
}

int console_connect(const char *path, struct err *e)
{
	int fd = sock_connect(path, SOCK_STREAM);

	return fd < 0 ? err_sys(e, fd, "connect to console socket '%s'", path) : fd;
}

int console_raw(int fd, struct termios *old)
{
	struct termios t;

	if (tcgetattr(fd, old) < 0)
		return -errno;
	t = *old;
	cfmakeraw(&t);
	t.c_oflag |= OPOST;
	return tcsetattr(fd, TCSANOW, &t) < 0 ? -errno : 0;
}

int console_clear_onlcr(int master)
{
	struct termios t;

	if (tcgetattr(master, &t) < 0)
		return -errno;
	t.c_oflag &= ~(tcflag_t)ONLCR;
	return tcsetattr(master, TCSANOW, &t) < 0 ? -errno : 0;
}

void console_restore(int fd, const struct termios *old)
{
	tcsetattr(fd, TCSANOW, old);
}

void console_copy_size(int from, int to)
{
	struct winsize size;

	if (ioctl(from, TIOCGWINSZ, &size) == 0)
		ioctl(to, TIOCSWINSZ, &size);
}
