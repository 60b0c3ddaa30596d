#pragma once
/*
 * Compiled seccomp filters by the hash of their profile, in <root>/.cache/seccomp. A miss executes
 * corten-seccomp; a hit executes nothing. A cached file counts only if it is regular, ours, not writable by
 * others and carries the checksum of its own content.
 */
#include "oci/init.h"

struct err;

/*
 * Gives the filter for a profile (NULL: none). `key` gets its name for seccomp_cache_get. The program's
 * memory is the arena's. `root` is the state root.
 */
int seccomp_cache_make(int root, const struct oci_seccomp *profile, struct arena *a,
		       struct seccomp_ready *ret, char key[72], struct err *e);
/* Gives a filter by its key (exec). -ENOENT when it is not cached any more. */
int seccomp_cache_get(int root, const char *key, struct arena *a, struct seccomp_ready *ret,
		      struct err *e);
