#pragma once
/*
 * Errors as values: a negative errno is the return value, `struct err` carries the words.
 *
 * The struct is owned by the caller and has a fixed size: nothing is allocated, so that it works when
 * memory is out, between fork and exec, and as one message over a pipe. Every function accepts a NULL
 * `struct err *`. Safe after fork: yes.
 *
 * The classes are the sixteen of gRPC (google.rpc.Code); front doors map them to HTTP, exit codes and
 * gRPC statuses with one table each.
 */
#include <errno.h>
#include <stddef.h>

enum err_code {
	ERR_OK = 0,
	ERR_CANCELLED = 1,
	ERR_UNKNOWN = 2,
	ERR_INVALID_ARGUMENT = 3,
	ERR_DEADLINE_EXCEEDED = 4,
	ERR_NOT_FOUND = 5,
	ERR_ALREADY_EXISTS = 6,
	ERR_PERMISSION_DENIED = 7,
	ERR_RESOURCE_EXHAUSTED = 8,
	ERR_FAILED_PRECONDITION = 9,
	ERR_ABORTED = 10,
	ERR_OUT_OF_RANGE = 11,
	ERR_UNIMPLEMENTED = 12,
	ERR_INTERNAL = 13,
	ERR_UNAVAILABLE = 14,
	ERR_DATA_LOSS = 15,
	ERR_UNAUTHENTICATED = 16,
};

#define ERR_MSG_MAX 480

struct err {
	int errnum;	       /* positive errno, 0 while unset */
	int code;	       /* enum err_code */
	char msg[ERR_MSG_MAX]; /* always terminated; cut with "..." when too long */
};

#define ERR_INIT ((struct err){ 0 })

/* Sets `e` to the words and the class that belongs to `r`. Returns `r` (negative errno). */
int err_set(struct err *e, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, with a class of the caller's choice. Returns `r`. */
int err_set_code(struct err *e, int r, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Puts context before the words that are there: "context: words". If `e` is unset, the words are
 * those of err_words(-r). Keeps the class. Returns `r`.
 */
int err_wrap(struct err *e, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Sets "words: err_words(-r)"; for a failed system call. Returns `r`. */
int err_sys(struct err *e, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The class an errno stands for when nobody chose one. `r` is negative. */
enum err_code err_code_of(int r);

/* The class's name as gRPC writes it in lower case: "not_found". */
const char *err_code_name(enum err_code code);

/*
 * What strerror(errnum) says, as Go writes it: "no such file or directory". Callers of runtimes and daemons
 * match on that. Valid until this thread's next call.
 */
const char *err_words(int errnum);

/* The words of `e`, or err_words(-r) when it is unset. Borrowed from `e` or as err_words. */
const char *err_text(const struct err *e, int r);
