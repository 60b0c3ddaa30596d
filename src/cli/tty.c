/* The user's terminal: raw mode, size, detach keys. */
#include <ctype.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "cli/cli.h"

int tty_raw(int fd, struct termios *saved)
{
	struct termios t;

	if (tcgetattr(fd, saved) < 0)
		return -errno;
	t = *saved;
	cfmakeraw(&t);
	return tcsetattr(fd, TCSANOW, &t) < 0 ? -errno : 0;
}

void tty_restore(int fd, const struct termios *saved)
{
	tcsetattr(fd, TCSADRAIN, saved);
}

int tty_size(int fd, uint16_t *ret_width, uint16_t *ret_height)
{
	struct winsize ws;

	if (ioctl(fd, TIOCGWINSZ, &ws) < 0)
		return -errno;
	*ret_width = ws.ws_col;
	*ret_height = ws.ws_row;
	return 0;
}

/* One key: a character, or "ctrl-" with a letter or one of @[\]^_ */
static int parse_key(const char *s, size_t len)
{
	char c;

	if (len == 1)
		return (unsigned char)s[0];
	if (len != 6 || strncmp(s, "ctrl-", 5) != 0)
		return -EINVAL;
	c = s[5];
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 1;
	if (c == '@' || (c >= '[' && c <= '_'))
		return c - '@';
	return -EINVAL;
}

int detach_parse(const char *s, struct detach_keys *ret, struct err *e)
{
	const char *whole = s;

	*ret = (struct detach_keys){ 0 };
	while (*s) {
		size_t len = s[0] == ',' ? 1 : strcspn(s, ",");
		int key = parse_key(s, len);

		if (key < 0 || ret->n == ARRAY_LEN(ret->keys))
			return err_set(e, -EINVAL, "invalid detach keys '%s' provided", whole);
		ret->keys[ret->n++] = (uint8_t)key;
		s += len;
		s += *s == ',';
	}
	return 0;
}

size_t detach_filter(struct detach_keys *d, const uint8_t *in, size_t len, uint8_t *out,
		     bool *ret_detached)
{
	size_t n = 0;

	*ret_detached = false;
	for (size_t i = 0; i < len; i++) {
		if (d->n > 0 && in[i] == d->keys[d->matched]) {
			if (++d->matched < d->n)
				continue;
			d->matched = 0;
			*ret_detached = true;
			return n;
		}
		/* A sequence that broke off belongs to the process after all. */
		memcpy(out + n, d->keys, d->matched);
		n += d->matched;
		d->matched = 0;
		if (d->n > 1 && in[i] == d->keys[0])
			d->matched = 1;
		else
			out[n++] = in[i];
	}
	return n;
}
