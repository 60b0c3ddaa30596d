#include "base/err.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int errnum;
	enum err_code code;
} errno_codes[] = {
	{ ENOENT, ERR_NOT_FOUND },
	{ ESRCH, ERR_NOT_FOUND },
	{ EEXIST, ERR_ALREADY_EXISTS },
	{ EINVAL, ERR_INVALID_ARGUMENT },
	{ ENAMETOOLONG, ERR_INVALID_ARGUMENT },
	{ EBADMSG, ERR_INVALID_ARGUMENT },
	{ EPERM, ERR_PERMISSION_DENIED },
	{ EACCES, ERR_PERMISSION_DENIED },
	{ ENOMEM, ERR_RESOURCE_EXHAUSTED },
	{ ENOSPC, ERR_RESOURCE_EXHAUSTED },
	{ EMFILE, ERR_RESOURCE_EXHAUSTED },
	{ ENFILE, ERR_RESOURCE_EXHAUSTED },
	{ EDQUOT, ERR_RESOURCE_EXHAUSTED },
	{ E2BIG, ERR_RESOURCE_EXHAUSTED },
	{ EFBIG, ERR_RESOURCE_EXHAUSTED },
	{ EBUSY, ERR_FAILED_PRECONDITION },
	{ ENOTEMPTY, ERR_FAILED_PRECONDITION },
	{ EAGAIN, ERR_UNAVAILABLE },
	{ ECONNREFUSED, ERR_UNAVAILABLE },
	{ ECONNRESET, ERR_UNAVAILABLE },
	{ EPIPE, ERR_UNAVAILABLE },
	{ ETIMEDOUT, ERR_DEADLINE_EXCEEDED },
	{ ECANCELED, ERR_CANCELLED },
	{ ERANGE, ERR_OUT_OF_RANGE },
	{ EOVERFLOW, ERR_OUT_OF_RANGE },
	{ ENOSYS, ERR_UNIMPLEMENTED },
	{ EOPNOTSUPP, ERR_UNIMPLEMENTED },
	{ EIO, ERR_DATA_LOSS },
	{ EUCLEAN, ERR_DATA_LOSS },
};

static const char *const code_names[] = {
	"ok",
	"cancelled",
	"unknown",
	"invalid_argument",
	"deadline_exceeded",
	"not_found",
	"already_exists",
	"permission_denied",
	"resource_exhausted",
	"failed_precondition",
	"aborted",
	"out_of_range",
	"unimplemented",
	"internal",
	"unavailable",
	"data_loss",
	"unauthenticated",
};

enum err_code err_code_of(int r)
{
	for (size_t i = 0; i < sizeof(errno_codes) / sizeof(errno_codes[0]); i++)
		if (errno_codes[i].errnum == -r)
			return errno_codes[i].code;
	return ERR_UNKNOWN;
}

const char *err_code_name(enum err_code code)
{
	size_t i = (size_t)code;

	return i < sizeof(code_names) / sizeof(code_names[0]) ? code_names[i] : "unknown";
}

const char *err_words(int errnum)
{
	static __thread char words[64];

	snprintf(words, sizeof(words), "%s", strerror(errnum));
	/* "RFS specific error" stays. */
	if (islower((unsigned char)words[1]))
		words[0] = (char)tolower((unsigned char)words[0]);
	return words;
}

const char *err_text(const struct err *e, int r)
{
	return e && e->errnum ? e->msg : err_words(-r);
}

/* Marks a text that did not fit, so that nobody takes the cut one for the whole. */
static void mark_cut(struct err *e)
{
	memcpy(e->msg + sizeof(e->msg) - 4, "...", 4);
}

static void set_words(struct err *e, int r, enum err_code code, const char *fmt, va_list ap)
{
	int n;

	e->errnum = r < 0 ? -r : EIO;
	e->code = code;
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	if (n >= (int)sizeof(e->msg))
		mark_cut(e);
}

int err_set(struct err *e, int r, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return r;
	va_start(ap, fmt);
	set_words(e, r, err_code_of(r), fmt, ap);
	va_end(ap);
	return r;
}

int err_set_code(struct err *e, int r, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return r;
	va_start(ap, fmt);
	set_words(e, r, code, fmt, ap);
	va_end(ap);
	return r;
}

int err_wrap(struct err *e, int r, const char *fmt, ...)
{
	char old[ERR_MSG_MAX];
	va_list ap;
	int n;

	if (!e)
		return r;
	if (!e->errnum)
		err_set(e, r, "%s", err_words(-r));
	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && n < (int)sizeof(e->msg)) {
		size_t room = sizeof(e->msg) - (size_t)n;

		n = snprintf(e->msg + n, room, ": %s", old);
		if (n >= (int)room)
			mark_cut(e);
	}
	return r;
}

int err_sys(struct err *e, int r, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	if (!e)
		return r;
	va_start(ap, fmt);
	set_words(e, r, err_code_of(r), fmt, ap);
	va_end(ap);
	len = strlen(e->msg);
	if (snprintf(e->msg + len, sizeof(e->msg) - len, ": %s", err_words(-r)) >=
	    (int)(sizeof(e->msg) - len))
		mark_cut(e);
	return r;
}
