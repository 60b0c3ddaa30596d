#pragma once
/*
 * A container's log on disk: written by the shim, read by `logs`.
 *
 * Folder `<root>/logs/<ns>/<id>`: "log" is the newest file, "log.1", "log.2"… are older ones. Format json is
 * docker's json-file: {"log":"text\n","stream":"stdout","time":"RFC 3339 with ns"}; format cri is
 * "time stream F|P text". A line is split at LIMIT_LOG_LINE. Rotation renames; a reader that follows keeps
 * up over rotations. Default size 16 MiB and 3 files. Safe after fork: no.
 *
 * The rule for floods: between two flushes, output whose text alone would be longer than files × size is cut to
 * its newest files × size, at least; what goes are the oldest bytes, up to a line's end where one is near. The
 * rotation would have removed exactly these before the next flush, so the files are the same afterwards as if all
 * had been written; a reader that follows misses what docker's would have had to read within one flush interval
 * (250 ms in the shim). The shim flushes at once while the output is not a flood. Nothing else is ever dropped.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct logfile;

enum log_stream { LOG_STDOUT = 1, LOG_STDERR = 2 };
enum log_file_format { LOG_FILE_JSON, LOG_FILE_CRI };

struct logfile_options {
	int64_t size_max;  /* bytes of one file; 0: 16 MiB */
	int32_t files_max; /* files kept; 0: 3 */
	enum log_file_format format;
};

/* Parses "corten-log:///dir?size=&files=&format="; `*ret_dir` is malloc'ed. -EINVAL for anything else. */
int logfile_parse_uri(const char *uri, char **ret_dir, struct logfile_options *ret, struct err *e);

/* Opens for appending; makes the folder. */
int logfile_open(const char *dir, const struct logfile_options *o, struct logfile **ret,
		 struct err *e);
/*
 * Adds bytes as they come; lines are formed inside, per stream. Buffered until logfile_flush, at most 16 MiB and
 * only when that much could be text that is rotated away; else 256 KiB. 0 or -errno.
 */
int logfile_write(struct logfile *l, enum log_stream s, const char *data, size_t len);
/* Writes what is buffered; `is_end` also writes partial lines. */
int logfile_flush(struct logfile *l, bool is_end);
/* Flushes and gives the buffers back; the next write makes new ones. For when a container is quiet. */
void logfile_trim(struct logfile *l);
/* Accepts NULL; ends partial lines. */
void logfile_close(struct logfile *l);

struct log_entry {
	int64_t time_ns;
	enum log_stream stream;
	const char *
		text; /* borrowed until the next call; its newline is included when the line was whole */
	size_t len;
};

struct logreader;
struct logreader_options {
	int64_t since_ns, until_ns; /* wall clock; 0: no bound */
	int64_t tail;		    /* last n lines; negative: all */
};
/* Reads files of either format. -ENOENT when there is no log. */
int logreader_open(const char *dir, const struct logreader_options *o, struct logreader **ret,
		   struct err *e);
/* 1 and the entry, 0 at the present end (call again after waiting when following), -errno. Broken lines are skipped. */
int logreader_next(struct logreader *l, struct log_entry *ret);
/* A descriptor that polls readable when the log may have grown (inotify), or -errno. Borrowed. */
int logreader_fd(struct logreader *l);
void logreader_close(struct logreader *l);
