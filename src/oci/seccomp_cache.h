#pragma once
/*
 * Compiled seccomp filters by the hash of their profile, in <root>/.cache/seccomp. A miss executes
 * corten-seccomp; a hit executes nothing. A cached file counts only if it is regular, ours, not writable by
 * others and carries the checksum of its own content.
 */
#include "oci/init.h"

struct err;

/*
 * Gives the filter for a profile (NULL: none); with `fails_unknown` a call that libseccomp does not know is an error. `key` gets its name for seccomp_cache_get. The program's
 * memory is the arena's. `root` is the state root.
 */
int seccomp_cache_make(int root, const struct oci_seccomp *profile, bool fails_unknown,
		       struct arena *a, struct seccomp_ready *ret, char key[72], struct err *e);
/*
 * The same for a filter's instructions themselves, in base64, as crun's annotation run.oci.seccomp_bpf_data gives
 * them. -EINVAL for a text that is none. `has_listener`: the kernel is asked for a listener.
 */
int seccomp_cache_take(int root, const char *base64, bool has_listener, struct arena *a,
		       struct seccomp_ready *ret, char key[72], struct err *e);
/* Gives a filter by its key (exec). -ENOENT when it is not cached any more. */
int seccomp_cache_get(int root, const char *key, struct arena *a, struct seccomp_ready *ret,
		      struct err *e);
