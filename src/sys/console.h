#pragma once
/*
 * Pseudo terminals of containers: made in the container's own devpts, sent over console sockets, relayed
 * to the caller's terminal. Safe after fork: yes (the relay allocates nothing).
 */
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

struct err;

struct console {
	int master, slave; /* O_CLOEXEC; owned */
};
#define CONSOLE_INIT ((struct console){ -1, -1 })

/*
 * Opens a pty in the devpts that is mounted at the folder `pts`; the slave is opened through the master
 * (TIOCGPTPEER), never by name. `rows` and `cols` 0: the kernel's default.
 */
int console_open(int pts, uint32_t rows, uint32_t cols, struct console *ret, struct err *e);
void console_done(struct console *c);
/* Makes the slave the controlling terminal of a new session and descriptors 0, 1 and 2. */
int console_take(int slave, struct err *e);
/* Sends the master (or a pidfd) as runc does: one byte stream message with the name, one descriptor. */
int console_send(int sock, int fd, const char *name, struct err *e);
/* Connects to a console socket by path. */
int console_connect(const char *path, struct err *e);

/*
 * Puts the terminal `fd` into raw mode but for its output, as what comes from the container's terminal has no
 * carriage returns (console_clear_onlcr); the old settings go to `old`. -ENOTTY when it is none.
 */
int console_raw(int fd, struct termios *old);
/* Lines end with "\n" alone, so that output that goes to a file or pipe is what the program wrote. */
int console_clear_onlcr(int master);
void console_restore(int fd, const struct termios *old);
/* Copies the window size from the terminal `from` to `to`. */
void console_copy_size(int from, int to);
