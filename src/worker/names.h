#pragma once
/*
 * Names of archive entries, cleaned by text alone: no "." and "..", no doubled or leading slash. A name that
 * would climb above the root is refused, not clamped. No file system here.
 */
#include <stddef.h>

struct err;

/* Paths longer than the kernel takes are refused. */
#define NAME_PATH_MAX 4096
#define NAME_PART_MAX 255

/*
 * Cleans `name` into `buf`; "" is the root itself. -EINVAL: climbs above the root; -ENAMETOOLONG.
 */
int name_clean(const char *name, char buf[NAME_PATH_MAX], struct err *e);
/* Where a symbolic link `link` (a cleaned name) to `target` points, cleaned, the archive being the root. */
int name_resolve(const char *link, const char *target, char buf[NAME_PATH_MAX], struct err *e);
/* The last part of a cleaned name; `*ret_parent_len` is the length of what is before its slash. */
const char *name_base(const char *path, size_t *ret_parent_len);
