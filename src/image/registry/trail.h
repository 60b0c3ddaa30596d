#pragma once
/*
 * What was considered on the way from a reference to endpoints and credentials, told line by line as it happens: `corten
 * image resolve --explain`. Never a secret. A NULL trail is nobody who listens. Safe after fork: yes.
 */
#include <stdarg.h>

struct registry_trail {
	/* One line, without its end; borrowed for the call. */
	void (*tell)(void *data, const char *words);
	void *data;
};
void registry_tell(const struct registry_trail *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
