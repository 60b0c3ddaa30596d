#include "shim/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "shim/backlog.h"

#define LOGFILE_SIZE_DEFAULT ((int64_t)16 << 20)
#define LOGFILE_FILES_DEFAULT 3
#define LOGFILE_FILES_MAX 1000
/* What an entry takes besides its text, and how much a byte can grow ("\u0000"). */
#define ENTRY_EXTRA 128
#define ENTRY_GROWTH 6
/* Two entries of the largest size and more; one write call empties it. */
#define OUT_SIZE ((size_t)256 << 10)
/* Raw bytes that may wait: enough for what grows most (NULs, empty lines) to outgrow the default files. */
#define BACKLOG_BLOCKS_MAX ((size_t)256)
/* The least that an entry adds to its text, by format. */
static const size_t entry_extra_min[] = { [LOG_FILE_JSON] = 60, [LOG_FILE_CRI] = 28 };

struct logfile {
	int dir, fd;
	int64_t size;
	struct logfile_options o;
	char *out; /* OUT_SIZE bytes, NULL while idle */
	size_t out_len;
	char *partial[2]; /* LIMIT_LOG_LINE bytes each, NULL until a line is split */
	size_t partial_len[2];
	bool is_cut[2]; /* the next bytes continue a line whose beginning was dropped */
	struct backlog backlog;
	/* What follows an entry's text (JSON) or precedes it (CRI), for each stream. */
	char frame[2][ENTRY_EXTRA];
	size_t frame_len[2];
};

static int parse_value(const char *key, const char *value, struct logfile_options *o)
{
	uint32_t n;
	int r;

	if (streq(key, "size")) {
		r = str_to_bytes(value, &o->size_max);
		return r == 0 && o->size_max < 0 ? -EINVAL : r;
	}
	if (streq(key, "files")) {
		r = str_to_u32(value, &n);
		if (r < 0 || n > LOGFILE_FILES_MAX)
			return -EINVAL;
		o->files_max = (int32_t)n;
		return 0;
	}
	if (streq(key, "format") && (streq(value, "json") || streq(value, "cri"))) {
		o->format = streq(value, "cri") ? LOG_FILE_CRI : LOG_FILE_JSON;
		return 0;
	}
	return -EINVAL;
}

int logfile_parse_uri(const char *uri, char **ret_dir, struct logfile_options *ret, struct err *e)
{
	const char *path = str_skip(uri, "corten-log://");
	AUTO_FREE char *copy = NULL;
	struct logfile_options o = { 0 };
	char *query, *save = NULL;

	if (!path || path[0] != '/')
		return err_set(e, -EINVAL, "log '%s' is not of the form corten-log:///dir?size=…",
			       uri);
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	query = strchr(copy, '?');
	if (query)
		*query++ = '\0';
	for (char *p = query ? strtok_r(query, "&", &save) : NULL; p;
	     p = strtok_r(NULL, "&", &save)) {
		char *value = strchr(p, '=');

		if (value)
			*value++ = '\0';
		if (!value || parse_value(p, value, &o) < 0)
			return err_set(e, -EINVAL, "log '%s': wrong value for '%s'", uri, p);
	}
	*ret = o;
	*ret_dir = TAKE_PTR(copy);
	return 0;
}

/* A writer that was killed may have left half a line; the next entry must not continue it. */
static int end_torn_line(struct logfile *l)
{
	char last;

	if (l->size == 0)
		return 0;
	if (pread(l->fd, &last, 1, l->size - 1) != 1)
		return -EIO;
	if (last == '\n')
		return 0;
	if (write(l->fd, "\n", 1) != 1)
		return -errno;
	l->size++;
	return 0;
}

static int open_newest(struct logfile *l)
{
	struct stat st;

	fd_closep(&l->fd);
	l->fd = openat(l->dir, "log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (l->fd < 0)
		return -errno;
	if (fstat(l->fd, &st) < 0)
		return -errno;
	l->size = st.st_size;
	return end_torn_line(l);
}

int logfile_open(const char *dir, const struct logfile_options *o, struct logfile **ret,
		 struct err *e)
{
	struct logfile *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->dir = l->fd = -EBADF;
	l->o = *o;
	if (l->o.size_max == 0)
		l->o.size_max = LOGFILE_SIZE_DEFAULT;
	if (l->o.files_max == 0)
		l->o.files_max = LOGFILE_FILES_DEFAULT;
	r = dir_make_all(dir, 0700);
	if (r == 0) {
		l->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = l->dir < 0 ? -errno : open_newest(l);
	}
	if (r < 0) {
		logfile_close(l);
		return err_sys(e, r, "open log '%s'", dir);
	}
	*ret = l;
	return 0;
}

static int rotate(struct logfile *l)
{
	char from[24], to[24];

	if (l->o.files_max == 1 && unlinkat(l->dir, "log", 0) < 0 && errno != ENOENT)
		return -errno;
	for (int i = l->o.files_max - 1; i > 0; i--) {
		snprintf(to, sizeof(to), "log.%d", i);
		snprintf(from, sizeof(from), i > 1 ? "log.%d" : "log", i - 1);
		if (renameat(l->dir, from, l->dir, to) < 0 && errno != ENOENT)
			return -errno;
	}
	return open_newest(l);
}

static int write_out(struct logfile *l)
{
	int r = 0;

	if (l->out_len == 0)
		return 0;
	if (l->size > 0 && l->size + (int64_t)l->out_len > l->o.size_max)
		r = rotate(l);
	if (r == 0)
		r = fd_write_full(l->fd, l->out, l->out_len);
	if (r == 0)
		l->size += (int64_t)l->out_len;
	else if (ftruncate(l->fd, l->size) < 0)
		end_torn_line(l);
	/* What a full disk refuses is lost: the container must not wait for it. */
	l->out_len = 0;
	return r;
}

#define ONES 0x0101010101010101ULL
#define HIGHS 0x8080808080808080ULL

/* Whether any of eight bytes is a control character, a quote, a backslash or not ASCII. */
static inline bool has_special(uint64_t x)
{
	uint64_t quote = x ^ (ONES * '"'), slash = x ^ (ONES * '\\');
	uint64_t bits = x | (x - ONES * 0x20) | (quote - ONES) | (slash - ONES);

	return bits & HIGHS;
}

/* The length of the valid UTF-8 sequence at `p`, or 0. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	static const unsigned char first_min[5] = { 0, 0, 0xc2, 0xe0, 0xf0 };
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (p[0] < first_min[n] || p[0] > 0xf4 || left < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static char *put_escape(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char from[] = "\n\r\t\"\\\b\f", to[] = "nrt\"\\bf";
	const char *p = c ? strchr(from, c) : NULL;

	*out++ = '\\';
	if (p) {
		*out++ = to[p - from];
		return out;
	}
	memcpy(out, "u00", 3);
	out[3] = hex[c >> 4];
	out[4] = hex[c & 15];
	return out + 5;
}

#define NUL4 "\\u0000\\u0000\\u0000\\u0000"

/* Eight bytes at a time as long as they are all plain, or all NUL (sparse files, /dev/zero). */
static const unsigned char *put_runs(const unsigned char *p, const unsigned char *end, char **out)
{
	char *o = *out;

	while (end - p >= 8) {
		uint64_t x;

		memcpy(&x, p, 8);
		if (x == 0) {
			memcpy(o, NUL4 NUL4, 48);
			o += 48;
		} else if (!has_special(x)) {
			memcpy(o, &x, 8);
			o += 8;
		} else {
			break;
		}
		p += 8;
	}
	*out = o;
	return p;
}

/* Writes the inside of a JSON string; the room for it was checked. Returns the end. */
static char *put_json(char *out, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;

	for (;;) {
		size_t n;

		p = put_runs(p, end, &out);
		if (p == end)
			return out;
		if (*p < 0x20 || *p == '"' || *p == '\\') {
			out = put_escape(out, *p++);
			continue;
		}
		if (*p < 0x80) {
			*out++ = (char)*p++;
			continue;
		}
		n = utf8_len(p, (size_t)(end - p));
		memcpy(out, n ? (const char *)p : "\xef\xbf\xbd", n ? n : 3);
		out += n ? n : 3;
		p += n ? n : 1;
	}
}

/* What all entries of one moment share. */
static void set_time(struct logfile *l, int64_t time_ns)
{
	static const char *const names[2] = { "stdout", "stderr" };
	char text[CLOCK_TEXT_MAX];

	clock_rfc3339(time_ns, text);
	for (int i = 0; i < 2; i++)
		l->frame_len[i] = (size_t)snprintf(
			l->frame[i], sizeof(l->frame[i]),
			l->o.format == LOG_FILE_JSON ? "\",\"stream\":\"%2$s\",\"time\":\"%1$s\"}\n"
						     : "%s %s ",
			text, names[i]);
}

static size_t out_max(const struct logfile *l)
{
	return l->o.size_max < (int64_t)OUT_SIZE ? (size_t)l->o.size_max : OUT_SIZE;
}

/* One entry: a whole line with its newline, or a part of one. */
static int emit(struct logfile *l, enum log_stream s, const char *text, size_t len)
{
	static const char begin[] = "{\"log\":\"";
	bool is_whole = len > 0 && text[len - 1] == '\n';
	char *p;
	int r = 0;

	if (!l->out)
		l->out = malloc(OUT_SIZE);
	if (!l->out)
		return -ENOMEM;
	/* Never more than a file at once either: rotation would keep more than files × size. */
	if (l->out_len + ENTRY_GROWTH * len + ENTRY_EXTRA > out_max(l))
		r = write_out(l);
	p = l->out + l->out_len;
	if (l->o.format == LOG_FILE_JSON) {
		memcpy(p, begin, sizeof(begin) - 1);
		p = put_json(p + sizeof(begin) - 1, text, len - is_whole);
		memcpy(p, "\\n", 2);
		p += is_whole ? 2 : 0;
		memcpy(p, l->frame[s - 1], l->frame_len[s - 1]);
		p += l->frame_len[s - 1];
	} else {
		memcpy(p, l->frame[s - 1], l->frame_len[s - 1]);
		p += l->frame_len[s - 1];
		memcpy(p, is_whole ? "F " : "P ", 2);
		memcpy(p + 2, text, len);
		p += 2 + len;
		if (!is_whole)
			*p++ = '\n';
	}
	l->out_len = (size_t)(p - l->out);
	return r;
}

/* Where to cut `len` bytes so that no UTF-8 sequence is cut in two. */
static size_t cut_at_char(const char *text, size_t len)
{
	size_t n = len;

	while (n > 0 && len - n < 4 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
		n--;
	if (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0xc0 && len - (n - 1) < 4)
		return n - 1 > 0 ? n - 1 : len;
	return len;
}

/* Keeps a line's beginning; emits a part when the limit is reached. */
static int keep_partial(struct logfile *l, enum log_stream s, const char *data, size_t len)
{
	int i = s - 1, r = 0;

	if (!l->partial[i])
		l->partial[i] = malloc(LIMIT_LOG_LINE);
	if (!l->partial[i])
		return -ENOMEM;
	while (len > 0) {
		size_t n = MIN(len, LIMIT_LOG_LINE - l->partial_len[i]);

		memcpy(l->partial[i] + l->partial_len[i], data, n);
		l->partial_len[i] += n;
		data += n;
		len -= n;
		if (l->partial_len[i] == LIMIT_LOG_LINE) {
			size_t cut = cut_at_char(l->partial[i], LIMIT_LOG_LINE);
			int r2 = emit(l, s, l->partial[i], cut);

			l->partial_len[i] -= cut;
			memmove(l->partial[i], l->partial[i] + cut, l->partial_len[i]);
			r = r ? r : r2;
		}
	}
	return r;
}

static int end_partial(struct logfile *l, enum log_stream s)
{
	size_t len = l->partial_len[s - 1];

	l->partial_len[s - 1] = 0;
	return len ? emit(l, s, l->partial[s - 1], len) : 0;
}

static int format(struct logfile *l, enum log_stream s, const char *data, size_t len)
{
	int r = 0;

	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline - data) + 1 : len;
		int r2;

		if (newline && l->partial_len[s - 1] == 0 && n <= LIMIT_LOG_LINE) {
			r2 = emit(l, s, data, n);
		} else {
			r2 = keep_partial(l, s, data, n);
			if (newline && r2 == 0)
				r2 = end_partial(l, s);
		}
		r = r ? r : r2;
		data += n;
		len -= n;
	}
	return r;
}

/* Counters of one byte, and a length known at compile time: the compiler makes vector instructions of it. */
#define COUNT_STEP 128

static size_t count(const char *data, size_t len, char c)
{
	size_t done = 0, n = 0;

	for (; len - done >= COUNT_STEP; done += COUNT_STEP) {
		uint8_t hits = 0;

		for (size_t i = 0; i < COUNT_STEP; i++)
			hits = (uint8_t)(hits + (data[done + i] == c));
		n += hits;
	}
	for (; done < len; done++)
		n += data[done] == c;
	return n;
}

/* A lower bound of the text's length. */
static int64_t cost_of(const struct logfile *l, const char *data, size_t len)
{
	size_t lines = count(data, len, '\n');
	size_t nuls = l->o.format == LOG_FILE_JSON ? count(data, len, '\0') : 0;

	return (int64_t)(len + nuls * (ENTRY_GROWTH - 1) + lines * entry_extra_min[l->o.format]);
}

static int format_block(struct logfile *l, const struct backlog_block *b)
{
	const char *data = b->data;
	size_t len = b->len;

	if (l->is_cut[b->stream - 1]) {
		const char *newline = memchr(data, '\n', MIN(len, LIMIT_LOG_LINE));

		l->is_cut[b->stream - 1] = false;
		len -= newline ? (size_t)(newline + 1 - data) : 0;
		data = newline ? newline + 1 : data;
	}
	set_time(l, b->time_ns);
	return format(l, (enum log_stream)b->stream, data, len);
}

static int format_backlog(struct logfile *l)
{
	struct backlog_block *b;
	int r = 0;

	while ((b = backlog_first(&l->backlog))) {
		int r2 = format_block(l, b);

		r = r ? r : r2;
		backlog_shift(&l->backlog);
	}
	return r;
}

/* The text that rotation keeps, and a line that the cut may take at the beginning of each stream. */
static int64_t kept_max(const struct logfile *l)
{
	int64_t n;

	if (__builtin_mul_overflow(l->o.size_max, l->o.files_max, &n) || n > INT64_MAX / 2)
		n = INT64_MAX / 2;
	return n + (int64_t)(2 * ENTRY_GROWTH * LIMIT_LOG_LINE);
}

/* Drops what rotation would remove before the end of the backlog is written. */
static void drop_oldest(struct logfile *l)
{
	struct backlog_block *b;

	while ((b = backlog_first(&l->backlog)) && l->backlog.cost - b->cost > kept_max(l)) {
		l->partial_len[b->stream - 1] = 0;
		l->is_cut[b->stream - 1] = b->data[b->len - 1] != '\n';
		backlog_shift(&l->backlog);
	}
}

int logfile_write(struct logfile *l, enum log_stream s, const char *data, size_t len)
{
	int64_t now = clock_wall_ns(), backlog_max = (int64_t)(BACKLOG_BLOCKS_MAX * BACKLOG_BLOCK);
	char *room;
	int r = 0;

	/* What cannot outgrow the files before the backlog is full is formatted while it is in the cache. */
	if (!backlog_first(&l->backlog) &&
	    cost_of(l, data, len) < kept_max(l) / backlog_max * (int64_t)len) {
		set_time(l, now);
		return format(l, s, data, len);
	}
	while (len > 0 && r == 0) {
		size_t n = MIN(backlog_room(&l->backlog, s, now, &room), len);

		if (n == 0)
			return -ENOMEM;
		memcpy(room, data, n);
		backlog_commit(&l->backlog, n, cost_of(l, data, n));
		data += n;
		len -= n;
		drop_oldest(l);
		if (l->backlog.blocks >= BACKLOG_BLOCKS_MAX)
			r = format_backlog(l);
	}
	return r;
}

int logfile_flush(struct logfile *l, bool is_end)
{
	int r = format_backlog(l);

	if (is_end) {
		int r2;

		set_time(l, clock_wall_ns());
		r2 = end_partial(l, LOG_STDOUT);
		r = r ? r : r2;
		r2 = end_partial(l, LOG_STDERR);
		r = r ? r : r2;
	}
	return r < 0 ? r : write_out(l);
}

void logfile_trim(struct logfile *l)
{
	logfile_flush(l, false);
	backlog_trim(&l->backlog);
	free(TAKE_PTR(l->out));
	for (int i = 0; i < 2; i++)
		if (l->partial_len[i] == 0)
			free(TAKE_PTR(l->partial[i]));
}

void logfile_close(struct logfile *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		logfile_flush(l, true);
	fd_closep(&l->fd);
	fd_closep(&l->dir);
	backlog_done(&l->backlog);
	free(l->out);
	free(l->partial[0]);
	free(l->partial[1]);
	free(l);
}
