#pragma once
/*
 * Logging for programs. Libraries log at debug only; what a caller needs is in its struct err.
 * Lines go to one descriptor (2 by default) in runc's text form or as one JSON object a line.
 * Process-wide by nature; set up once in main before threads. Safe after fork: yes.
 */
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_FORMAT_PLAIN, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_options {
	enum log_level level;	/* the least important level that is written */
	enum log_format format; /* PLAIN: "prog: level: words" for people */
	int fd;			/* borrowed until the end of the process; < 0: standard error */
	const char *prog;	/* borrowed; for PLAIN */
	bool has_whole_seconds; /* times without fraction, as runc's */
};

void log_setup(const struct log_options *o);
bool log_is_on(enum log_level level);
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                     \
	do {                                               \
		if (log_is_on(LOG_DEBUG))                  \
			log_write(LOG_DEBUG, __VA_ARGS__); \
	} while (0)
