#pragma once
/* What the commands that make images have in common: their option rows, for a struct with the members of the same names. */
#include <stddef.h>

#include "base/opt.h"

struct err;

#define COMPRESSION_ROW(type)                                                                 \
	{                                                                                     \
		"compression", 0, OPT_STR, 0, offsetof(struct type, compression), "string",   \
			"Compression of the new layer: gzip, zstd, none (default gzip)", NULL \
	}
#define CHANGE_ROW(type)                                                            \
	{                                                                           \
		"change", 'c', OPT_STRV, 0, offsetof(struct type, changes), "list", \
			"Apply a Dockerfile instruction to the created image", NULL \
	}
#define MESSAGE_ROW(type)                                                             \
	{                                                                             \
		"message", 'm', OPT_STR, 0, offsetof(struct type, message), "string", \
			"Commit message", NULL                                        \
	}

/* "gzip", "zstd", "none"; NULL is gzip. enum layer_compression or -EINVAL. */
int cli_compression(const char *word, struct err *e);
