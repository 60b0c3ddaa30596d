#include "base/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "shim/logfile.h"

static char dir[64];

static struct logfile *open_log(struct logfile_options o)
{
	struct logfile *l;

	CHECK_EQ(logfile_open(dir, &o, &l, NULL), 0);
	return l;
}

static struct logfile *fresh(struct logfile_options o)
{
	snprintf(dir, sizeof(dir), "/tmp/logfile_test.XXXXXX");
	CHECK(mkdtemp(dir));
	return open_log(o);
}

static void cleanup(void)
{
	dir_remove_at(AT_FDCWD, dir);
}

static void put(struct logfile *l, enum log_stream s, const char *text)
{
	CHECK_EQ(logfile_write(l, s, text, strlen(text)), 0);
	CHECK_EQ(logfile_flush(l, false), 0);
}

static struct logreader *reader(int64_t tail)
{
	struct logreader_options o = { .tail = tail };
	struct logreader *r;

	CHECK_EQ(logreader_open(dir, &o, &r, NULL), 0);
	return r;
}

static void expect(struct logreader *r, enum log_stream s, const char *text)
{
	struct log_entry e;

	CHECK_EQ(logreader_next(r, &e), 1);
	CHECK_EQ(e.stream, s);
	CHECK_EQ(e.len, strlen(text));
	CHECK(memcmp(e.text, text, e.len) == 0);
	CHECK(e.time_ns > 0);
}

static void expect_end(struct logreader *r)
{
	struct log_entry e;

	CHECK_EQ(logreader_next(r, &e), 0);
}

static const enum log_file_format formats[] = { LOG_FILE_JSON, LOG_FILE_CRI };

TEST(lines_of_both_streams_come_back_in_order)
{
	for (int i = 0; i < 2; i++) {
		struct logfile *l = fresh((struct logfile_options){ .format = formats[i] });
		struct logreader *r;

		put(l, LOG_STDOUT, "one\ntw");
		put(l, LOG_STDERR, "error\n");
		put(l, LOG_STDOUT, "o\nlast");
		logfile_close(l);
		r = reader(-1);
		expect(r, LOG_STDOUT, "one\n");
		expect(r, LOG_STDERR, "error\n");
		expect(r, LOG_STDOUT, "two\n");
		expect(r, LOG_STDOUT, "last");
		expect_end(r);
		logreader_close(r);
		cleanup();
	}
}

TEST(all_bytes_and_unicode_survive_json)
{
	struct logfile *l = fresh((struct logfile_options){ 0 });
	char text[200] = "\"\\\b\f\r\t\x01\x1f\x7f ä€😀 ", *p = text + strlen(text);
	struct logreader *r;

	for (int c = 32; c < 127; c++)
		*p++ = (char)c;
	*p = '\n';
	put(l, LOG_STDOUT, text);
	logfile_close(l);
	r = reader(-1);
	expect(r, LOG_STDOUT, text);
	logreader_close(r);
	cleanup();
}

TEST(invalid_utf8_becomes_the_replacement_character)
{
	struct logfile *l = fresh((struct logfile_options){ 0 });
	struct logreader *r;

	put(l, LOG_STDOUT, "a\xff\xc0\x80\xed\xa0\x80z\n");
	logfile_close(l);
	r = reader(-1);
	expect(r, LOG_STDOUT,
	       "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\n");
	logreader_close(r);
	cleanup();
}

TEST(a_long_line_is_split_and_not_within_a_character)
{
	struct logfile *l = fresh((struct logfile_options){ 0 });
	size_t len = 3 * LIMIT_LOG_LINE, got = 0;
	char *text = malloc(len + 1), *back = malloc(len + 16);
	struct logreader *r;
	struct log_entry e;

	for (size_t i = 0; i < len / 3; i++)
		memcpy(text + 3 * i, "€", 3);
	text[len] = '\0';
	put(l, LOG_STDOUT, text);
	put(l, LOG_STDOUT, "\n");
	logfile_close(l);
	r = reader(-1);
	while (logreader_next(r, &e) == 1) {
		CHECK(e.len <= LIMIT_LOG_LINE);
		memcpy(back + got, e.text, e.len);
		got += e.len;
	}
	CHECK_EQ(got, len + 1);
	CHECK(memcmp(back, text, len) == 0 && back[len] == '\n');
	free(text);
	free(back);
	logreader_close(r);
	cleanup();
}

static void put_numbers(struct logfile *l, int from, int to)
{
	char text[32];

	for (int i = from; i < to; i++) {
		snprintf(text, sizeof(text), "line %d\n", i);
		put(l, LOG_STDOUT, text);
	}
}

TEST(rotation_keeps_the_number_of_files_and_their_size)
{
	struct logfile *l = fresh((struct logfile_options){ .size_max = 1000, .files_max = 3 });
	struct stat st;
	int n = 0;
	DIR *d;

	put_numbers(l, 0, 100);
	logfile_close(l);
	d = opendir(dir);
	for (struct dirent *entry; (entry = readdir(d));) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		CHECK_EQ(fstatat(dirfd(d), entry->d_name, &st, 0), 0);
		CHECK(st.st_size <= 1000 && st.st_size > 0);
	}
	closedir(d);
	CHECK_EQ(n, 3);
	cleanup();
}

/* The text of the newest entry, and how many there are. */
static size_t read_all(char *last, size_t last_max)
{
	struct logreader *r = reader(-1);
	struct log_entry e;
	size_t n = 0;

	for (; logreader_next(r, &e) == 1; n++) {
		CHECK(e.len < last_max);
		memcpy(last, e.text, e.len);
		last[e.len] = '\0';
	}
	logreader_close(r);
	return n;
}

TEST(a_flood_loses_only_what_rotation_removes)
{
	const int64_t size = 1 << 20;
	struct logfile *l = fresh((struct logfile_options){ .size_max = size, .files_max = 3 });
	char first[LIMIT_LOG_LINE + 1], line[64];
	struct logreader *r;
	struct log_entry e;
	int64_t n, bytes = 0;
	char *end;

	put(l, LOG_STDERR, "before\n");
	/* No flush: one interval's output, in pieces that do not end with lines. */
	for (int i = 0; i < 100000; i++) {
		size_t len = (size_t)snprintf(line, sizeof(line), "%d\n", i);

		CHECK_EQ(logfile_write(l, LOG_STDOUT, line, len / 2), 0);
		CHECK_EQ(logfile_write(l, LOG_STDOUT, line + len / 2, len - len / 2), 0);
	}
	logfile_close(l);
	r = reader(-1);
	CHECK_EQ(logreader_next(r, &e), 1);
	memcpy(first, e.text, e.len);
	first[e.len] = '\0';
	n = strtoll(first, &end, 10);
	CHECK(n > 0 && *end == '\n');
	/* No line is missing from the first that is there, and none is half. */
	for (; logreader_next(r, &e) == 1; bytes += (int64_t)e.len + 60) {
		snprintf(line, sizeof(line), "%lld\n", (long long)++n);
		CHECK_EQ(e.len, strlen(line));
		CHECK(memcmp(e.text, line, e.len) == 0);
	}
	CHECK_EQ(n, 99999);
	/* A file is left up to one write early, and a slow machine flushes in the middle of the flood. */
	CHECK(bytes > size);
	logreader_close(r);
	cleanup();
}

TEST(a_flood_without_lines_is_cut_too)
{
	struct logfile *l =
		fresh((struct logfile_options){ .size_max = 256 << 10, .files_max = 2 });
	static char zeros[1 << 20], last[LIMIT_LOG_LINE + 16];
	size_t n;

	for (int i = 0; i < 64; i++)
		CHECK_EQ(logfile_write(l, LOG_STDOUT, zeros, sizeof(zeros)), 0);
	CHECK_EQ(logfile_write(l, LOG_STDOUT, "the end\n", 8), 0);
	logfile_close(l);
	n = read_all(last, sizeof(last));
	CHECK(n >= 2 && n <= 6);
	cleanup();
}

TEST(a_line_that_began_before_the_cut_is_not_joined_with_later_ones)
{
	struct logfile *l = fresh((struct logfile_options){ .size_max = 4096, .files_max = 1 });
	static char lines[1 << 20];
	static char last[LIMIT_LOG_LINE + 16];

	memset(lines, '\n', sizeof(lines));
	put(l, LOG_STDOUT, "a beginning ");
	CHECK_EQ(logfile_write(l, LOG_STDOUT, lines, sizeof(lines)), 0);
	CHECK_EQ(logfile_write(l, LOG_STDOUT, "last\n", 5), 0);
	logfile_close(l);
	CHECK(read_all(last, sizeof(last)) > 0);
	CHECK(streq(last, "last\n"));
	cleanup();
}

TEST(one_file_is_emptied)
{
	struct logfile *l = fresh((struct logfile_options){ .size_max = 1000, .files_max = 1 });
	struct logreader *r;

	put_numbers(l, 0, 30);
	logfile_close(l);
	r = reader(1);
	expect(r, LOG_STDOUT, "line 29\n");
	logreader_close(r);
	CHECK(access("log.1", F_OK) < 0);
	cleanup();
}

TEST(tail_goes_over_rotated_files)
{
	struct logfile *l = fresh((struct logfile_options){ .size_max = 300, .files_max = 10 });
	char text[32];

	put_numbers(l, 0, 20);
	logfile_close(l);
	for (int tail = 0; tail <= 20; tail++) {
		struct logreader *r = reader(tail);

		for (int i = 20 - tail; i < 20; i++) {
			snprintf(text, sizeof(text), "line %d\n", i);
			expect(r, LOG_STDOUT, text);
		}
		expect_end(r);
		logreader_close(r);
	}
	cleanup();
}

TEST(a_reader_that_follows_loses_nothing_over_rotations)
{
	struct logfile *l = fresh((struct logfile_options){ .size_max = 400, .files_max = 4 });
	struct logreader *r;
	char text[32];
	int next = 0;

	put_numbers(l, 0, 3);
	r = reader(-1);
	for (int i = 3; i < 200; i++) {
		put_numbers(l, i, i + 1);
		/* Read in bursts, so that a rotation falls into each part of a read. */
		for (int burst = i % 7; burst == 0 && next <= i; next++) {
			snprintf(text, sizeof(text), "line %d\n", next);
			expect(r, LOG_STDOUT, text);
		}
	}
	CHECK(next > 190);
	CHECK(logreader_fd(r) >= 0);
	logreader_close(r);
	logfile_close(l);
	cleanup();
}

TEST(a_torn_line_is_skipped_and_not_continued)
{
	struct logfile *l = fresh((struct logfile_options){ 0 });
	struct logreader *r;
	char path[96];
	struct stat st;

	put(l, LOG_STDOUT, "whole\n");
	put(l, LOG_STDOUT, "torn\n");
	logfile_close(l);
	snprintf(path, sizeof(path), "%s/log", dir);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(truncate(path, st.st_size - 10), 0);
	l = open_log((struct logfile_options){ 0 });
	put(l, LOG_STDOUT, "after\n");
	logfile_close(l);
	r = reader(-1);
	expect(r, LOG_STDOUT, "whole\n");
	expect(r, LOG_STDOUT, "after\n");
	expect_end(r);
	logreader_close(r);
	cleanup();
}

TEST(garbage_and_endless_lines_are_skipped)
{
	static const char *const bad[] = {
		"{}\n",
		"{\"log\":1}\n",
		"{\"log\":\"x\\q\"}\n",
		"\n",
		"2026 stdout F x\n",
		"{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"yesterday\"}\n"
	};
	struct logfile *l = fresh((struct logfile_options){ 0 });
	char *endless = malloc(300000);
	struct logreader *r;
	char path[96];
	int fd;

	memset(endless, '{', 300000);
	endless[299999] = '\n';
	snprintf(path, sizeof(path), "%s/log", dir);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(fd_write_full(fd, bad[i], strlen(bad[i])), 0);
	CHECK_EQ(fd_write_full(fd, endless, 300000), 0);
	close(fd);
	free(endless);
	put(l, LOG_STDERR, "good\n");
	logfile_close(l);
	r = reader(-1);
	expect(r, LOG_STDERR, "good\n");
	expect_end(r);
	logreader_close(r);
	cleanup();
}

TEST(since_and_until_bound_what_is_read)
{
	struct logfile *l = fresh((struct logfile_options){ 0 });
	struct logreader_options o = { .tail = -1 };
	struct logreader *r;
	struct log_entry e;
	int64_t first;

	put(l, LOG_STDOUT, "a\n");
	put(l, LOG_STDOUT, "b\n");
	logfile_close(l);
	r = reader(-1);
	CHECK_EQ(logreader_next(r, &e), 1);
	first = e.time_ns;
	logreader_close(r);
	o.since_ns = first + 1;
	CHECK_EQ(logreader_open(dir, &o, &r, NULL), 0);
	expect(r, LOG_STDOUT, "b\n");
	expect_end(r);
	logreader_close(r);
	o.since_ns = 0;
	o.until_ns = first;
	CHECK_EQ(logreader_open(dir, &o, &r, NULL), 0);
	expect(r, LOG_STDOUT, "a\n");
	expect_end(r);
	logreader_close(r);
	cleanup();
}

TEST(uris_are_checked)
{
	struct logfile_options o;
	char *path;

	CHECK_EQ(logfile_parse_uri("corten-log:///var/x?size=1m&files=5&format=cri", &path, &o,
				   NULL),
		 0);
	CHECK_STR(path, "/var/x");
	CHECK_EQ(o.size_max, 1 << 20);
	CHECK_EQ(o.files_max, 5);
	CHECK_EQ(o.format, LOG_FILE_CRI);
	free(path);
	CHECK_EQ(logfile_parse_uri("corten-log://relative", &path, &o, NULL), -EINVAL);
	CHECK_EQ(logfile_parse_uri("file:///x", &path, &o, NULL), -EINVAL);
	CHECK_EQ(logfile_parse_uri("corten-log:///x?size=-1", &path, &o, NULL), -EINVAL);
	CHECK_EQ(logfile_parse_uri("corten-log:///x?format=xml", &path, &o, NULL), -EINVAL);
	CHECK_EQ(logfile_parse_uri("corten-log:///x?colour=red", &path, &o, NULL), -EINVAL);
}

TEST(no_log_is_an_error)
{
	struct logreader_options o = { .tail = -1 };
	struct logreader *r;

	CHECK_EQ(logreader_open("/nonexistent", &o, &r, NULL), -ENOENT);
}

TEST_MAIN()
