#include "shim/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

/* Longer than any line that the writer makes: six bytes for each of a part's, and the keys. */
#define BUF_SIZE ((size_t)128 << 10)
#define TAIL_BLOCK ((size_t)64 << 10)
/* Files that are looked at; the writer keeps at most 1000. */
#define FILES_MAX 1000

struct logreader {
	int dir, fd, inotify;
	ino_t ino;
	bool is_last_pass; /* a newer file was seen: what this one still has is all it will ever have */
	bool is_skipping; /* in a line that is longer than the buffer */
	bool is_ended;	  /* `until` was passed */
	struct logreader_options o;
	size_t len, pos;
	char buf[BUF_SIZE];
};

static const char *file_name(int i, char buf[24])
{
	snprintf(buf, 24, i > 0 ? "log.%d" : "log", i);
	return buf;
}

/* Opens the i-th file. Returns 0 or -errno; the present one stays open on failure. */
static int open_file(struct logreader *l, int i)
{
	char name[24];
	struct stat st;
	int fd = openat(l->dir, file_name(i, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EIO;
	}
	fd_closep(&l->fd);
	l->fd = fd;
	l->ino = st.st_ino;
	l->is_last_pass = false;
	return 0;
}

static int oldest_file(struct logreader *l)
{
	char name[24];
	int i = 0;

	while (i < FILES_MAX && faccessat(l->dir, file_name(i + 1, name), F_OK, 0) == 0)
		i++;
	return i;
}

/* Where the present file is now: 0 for "log", -ENOENT when it was rotated away. */
static int find_place(struct logreader *l)
{
	char name[24];
	struct stat st;

	for (int i = 0; i <= FILES_MAX; i++) {
		if (fstatat(l->dir, file_name(i, name), &st, AT_SYMLINK_NOFOLLOW) < 0) {
			/* Between rename and create there is no "log" for a moment. */
			if (i > 0)
				break;
			continue;
		}
		if (st.st_ino == l->ino)
			return i;
	}
	return -ENOENT;
}

/* Counts `want` lines from the end of the open file; returns how many are there, and where they begin. */
static int64_t count_back(int fd, int64_t want, off_t *ret_offset)
{
	char block[TAIL_BLOCK];
	struct stat st;
	int64_t found = 0;
	off_t at;

	*ret_offset = 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	for (at = st.st_size; at > 0;) {
		size_t n = (size_t)MIN(at, (off_t)sizeof(block));

		at -= (off_t)n;
		if (pread(fd, block, n, at) != (ssize_t)n)
			return -EIO;
		for (size_t i = n; i-- > 0;) {
			if (block[i] != '\n')
				continue;
			if (found == want) {
				*ret_offset = at + (off_t)i + 1;
				return found;
			}
			found++;
		}
	}
	return found;
}

static int seek_tail(struct logreader *l)
{
	int64_t want = l->o.tail;
	int last = oldest_file(l);

	for (int i = 0; i <= last; i++) {
		off_t offset = 0;
		int64_t n;
		int r = open_file(l, i);

		if (r == -ENOENT && i > 0)
			break;
		if (r < 0)
			return r;
		n = count_back(l->fd, want, &offset);
		if (n < 0)
			return (int)n;
		if (lseek(l->fd, offset, SEEK_SET) < 0)
			return -errno;
		want -= n;
		if (offset > 0 || want <= 0)
			break;
	}
	return 0;
}

int logreader_open(const char *dir, const struct logreader_options *o, struct logreader **ret,
		   struct err *e)
{
	struct logreader *l = calloc(1, sizeof(*l));
	int r = 0;

	if (!l)
		return -ENOMEM;
	l->fd = l->inotify = -EBADF;
	l->o = *o;
	l->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dir < 0)
		r = -errno;
	if (r == 0)
		r = o->tail >= 0 ? seek_tail(l) : open_file(l, oldest_file(l));
	if (r < 0) {
		logreader_close(l);
		return err_sys(e, r, "open log '%s'", dir);
	}
	*ret = l;
	return 0;
}

/* 1: more was read or the next file was opened, 0: this is the end for now, -errno. */
static int fill(struct logreader *l)
{
	ssize_t n;
	int place, r;

	if (l->pos > 0) {
		memmove(l->buf, l->buf + l->pos, l->len - l->pos);
		l->len -= l->pos;
		l->pos = 0;
	}
	if (l->len == sizeof(l->buf)) {
		l->is_skipping = true;
		l->len = 0;
	}
	n = read(l->fd, l->buf + l->len, sizeof(l->buf) - l->len);
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	l->len += (size_t)n;
	if (n > 0)
		return 1;
	place = find_place(l);
	if (place == 0)
		return 0;
	/* The writer may have added lines between our read and its rotation: read once more. */
	if (!l->is_last_pass) {
		l->is_last_pass = true;
		return 1;
	}
	r = open_file(l, place > 0 ? place - 1 : oldest_file(l));
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	l->len = 0;
	l->is_skipping = false;
	return 1;
}

static int hex4(const char *p, const char *end, uint32_t *ret)
{
	uint32_t v = 0;

	if (end - p < 4)
		return -EBADMSG;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return -EBADMSG;
		v = v << 4 | (uint32_t)digit;
	}
	*ret = v;
	return 0;
}

static char *put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (c & 0x3f));
	return out;
}

/* Decodes "\uXXXX" behind the u, with a second half when it is a surrogate. Returns what was eaten or -EBADMSG. */
static int unescape_u(const char *p, const char *end, char **out)
{
	uint32_t c, low;
	int eaten = 4;

	if (hex4(p, end, &c) < 0)
		return -EBADMSG;
	if (c >= 0xd800 && c < 0xdc00 && end - p >= 10 && p[4] == '\\' && p[5] == 'u' &&
	    hex4(p + 6, end, &low) == 0 && low >= 0xdc00 && low < 0xe000) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		eaten = 10;
	} else if (c >= 0xd800 && c < 0xe000) {
		c = 0xfffd;
	}
	*out = put_utf8(*out, c);
	return eaten;
}

/* Decodes the JSON string at `*p` in place (it only shrinks). Returns its text and moves `*p` behind it. */
static int take_string(char **p, const char *end, char **ret, size_t *ret_len)
{
	static const char from[] = "nrt\"\\bf/", to[] = "\n\r\t\"\\\b\f/";
	char *in = *p, *out;

	if (in >= end || *in++ != '"')
		return -EBADMSG;
	*ret = out = in;
	while (in < end && *in != '"') {
		const char *known;
		int n;

		if (*in != '\\') {
			*out++ = *in++;
			continue;
		}
		if (end - in < 2)
			return -EBADMSG;
		known = in[1] ? strchr(from, in[1]) : NULL;
		in += 2;
		if (known) {
			*out++ = to[known - from];
			continue;
		}
		n = in[-1] == 'u' ? unescape_u(in, end, &out) : -EBADMSG;
		if (n < 0)
			return n;
		in += n;
	}
	if (in >= end)
		return -EBADMSG;
	*ret_len = (size_t)(out - *ret);
	*p = in + 1;
	return 0;
}

static int parse_time(const char *text, size_t len, int64_t *ret)
{
	char buf[CLOCK_TEXT_MAX];

	if (len >= sizeof(buf))
		return -EBADMSG;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return clock_parse_rfc3339(buf, ret);
}

static int parse_stream(const char *text, size_t len, enum log_stream *ret)
{
	if (len != 6 || memcmp(text, "std", 3) != 0)
		return -EBADMSG;
	*ret = memcmp(text, "stderr", 6) == 0 ? LOG_STDERR : LOG_STDOUT;
	return 0;
}

static int take_member(char **p, const char *end, struct log_entry *ret, unsigned int *seen)
{
	char *key, *value;
	size_t key_len, value_len;
	int r = take_string(p, end, &key, &key_len);

	if (r < 0 || *p >= end || *(*p)++ != ':')
		return -EBADMSG;
	r = take_string(p, end, &value, &value_len);
	if (r < 0)
		return r;
	if (key_len == 3 && memcmp(key, "log", 3) == 0) {
		ret->text = value;
		ret->len = value_len;
		*seen |= 1;
		return 0;
	}
	if (key_len == 6 && memcmp(key, "stream", 6) == 0) {
		*seen |= 2;
		return parse_stream(value, value_len, &ret->stream);
	}
	if (key_len == 4 && memcmp(key, "time", 4) == 0) {
		*seen |= 4;
		return parse_time(value, value_len, &ret->time_ns);
	}
	return 0;
}

static int parse_json(char *p, const char *end, struct log_entry *ret)
{
	unsigned int seen = 0;

	do {
		int r;

		p++;
		r = take_member(&p, end, ret, &seen);
		if (r < 0)
			return r;
	} while (p < end && *p == ',');
	return p < end && *p == '}' && seen == 7 ? 0 : -EBADMSG;
}

/* `end` is at the line's newline, which stays part of a whole line's text. */
static int parse_cri(char *p, char *end, struct log_entry *ret)
{
	char *space = memchr(p, ' ', (size_t)(end - p));

	if (!space || parse_time(p, (size_t)(space - p), &ret->time_ns) < 0)
		return -EBADMSG;
	p = space + 1;
	if (end - p < 9 || p[6] != ' ' || p[8] != ' ' || parse_stream(p, 6, &ret->stream) < 0)
		return -EBADMSG;
	ret->text = p + 9;
	ret->len = (size_t)(end - ret->text) + (p[7] == 'F');
	return 0;
}

static int next_line(struct logreader *l, char **ret_start, char **ret_end)
{
	size_t from = l->pos;

	for (;;) {
		char *newline = memchr(l->buf + from, '\n', l->len - from);
		size_t had = l->len - l->pos;
		bool was_skipping = l->is_skipping;
		int r;

		if (newline) {
			*ret_start = l->buf + l->pos;
			*ret_end = newline;
			l->pos = (size_t)(newline - l->buf) + 1;
			l->is_skipping = false;
			if (!was_skipping)
				return 1;
			from = l->pos;
			continue;
		}
		r = fill(l);
		if (r <= 0)
			return r;
		from = l->is_skipping || l->len < had ? 0 : had;
	}
}

int logreader_next(struct logreader *l, struct log_entry *ret)
{
	char *start, *end;

	while (!l->is_ended) {
		int r = next_line(l, &start, &end);

		if (r <= 0)
			return r;
		if (start == end)
			continue;
		r = *start == '{' ? parse_json(start, end, ret) : parse_cri(start, end, ret);
		if (r < 0 || (l->o.since_ns && ret->time_ns < l->o.since_ns))
			continue;
		if (l->o.until_ns && ret->time_ns > l->o.until_ns) {
			l->is_ended = true;
			break;
		}
		return 1;
	}
	return 0;
}

int logreader_fd(struct logreader *l)
{
	char path[FD_PATH_MAX];

	if (l->inotify >= 0)
		return l->inotify;
	l->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (l->inotify < 0)
		return -errno;
	if (inotify_add_watch(l->inotify, fd_path(l->dir, path),
			      IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
		int r = -errno;

		fd_closep(&l->inotify);
		return r;
	}
	return l->inotify;
}

void logreader_close(struct logreader *l)
{
	if (!l)
		return;
	fd_closep(&l->fd);
	fd_closep(&l->dir);
	fd_closep(&l->inotify);
	free(l);
}
