#!/bin/sh
# Prints one row per system call of the compiler's target, `{ "openat", __NR_openat },`, sorted by name.
# The argument is the compiler's command line; the list is what its own headers define.
set -eu
printf '#include <sys/syscall.h>\n' | "$@" -E -dM -x c - |
	sed -n 's/^#define __NR_\([a-z][a-z0-9_]*\) .*/{ "\1", __NR_\1 },/p' | LC_ALL=C sort -u
