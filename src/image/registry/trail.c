#include "image/registry/trail.h"

#include <stdio.h>

void registry_tell(const struct registry_trail *t, const char *fmt, ...)
{
	char words[1024];
	va_list ap;

	if (!t)
		return;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	t->tell(t->data, words);
}
