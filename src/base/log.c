#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

#define LOG_LINE_MAX 2048

static struct log_options log_opts = { .level = LOG_WARN, .fd = -1, .prog = "corten" };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

void log_setup(const struct log_options *o)
{
	log_opts = *o;
	if (!log_opts.prog)
		log_opts.prog = "corten";
}

bool log_is_on(enum log_level level)
{
	return level <= log_opts.level;
}

/* JSON's and logrus' quoting agree on what we emit. */
static void add_quoted(struct strbuf *b, const char *s)
{
	strbuf_addc(b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			strbuf_addf(b, "\\%c", c);
		else if (c == '\n')
			strbuf_adds(b, "\\n");
		else if (c < 0x20)
			strbuf_addf(b, "\\u%04x", c);
		else
			strbuf_addc(b, (char)c);
	}
	strbuf_addc(b, '"');
}

void log_write(enum log_level level, const char *fmt, ...)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	char msg[LOG_LINE_MAX], now[CLOCK_TEXT_MAX];
	int saved = errno;
	va_list ap;

	if (!log_is_on(level))
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	clock_rfc3339(clock_wall_ns(), now);
	if (log_opts.has_whole_seconds)
		memcpy(strchr(now, '.'), "Z", 2);
	switch (log_opts.format) {
	case LOG_FORMAT_JSON:
		strbuf_addf(&b, "{\"level\":\"%s\",\"msg\":", level_names[level]);
		add_quoted(&b, msg);
		strbuf_addf(&b, ",\"time\":\"%s\"}\n", now);
		break;
	case LOG_FORMAT_TEXT:
		strbuf_addf(&b, "time=\"%s\" level=%s msg=", now, level_names[level]);
		add_quoted(&b, msg);
		strbuf_addc(&b, '\n');
		break;
	default:
		strbuf_addf(&b, "%s: %s: %s\n", log_opts.prog, level_names[level], msg);
	}
	if (strbuf_ok(&b) == 0)
		(void)fd_write_full(log_opts.fd < 0 ? 2 : log_opts.fd, b.p, b.len);
	errno = saved;
}
