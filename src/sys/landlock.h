#pragma once
/*
 * Landlock: rules about files, ports and processes that a process puts on itself and everything it starts.
 *
 * Not here: the form in which rules are asked for (oci/plan), where their paths come from. Holds always: a right
 * that the kernel does not know is never left out, the caller learns the ABI that it needs. Safe after fork: yes.
 */
#include <stddef.h>
#include <stdint.h>

struct err;

enum landlock_set {
	LANDLOCK_FS,	/* rights on files and folders */
	LANDLOCK_NET,	/* rights on ports */
	LANDLOCK_SCOPE, /* what ends at the border of the domain */
	LANDLOCK_FLAGS, /* of the restriction itself: what is audited */
};

struct landlock_row {
	char name[22];
	uint8_t set, bit;
	uint8_t abi; /* the first that knows it */
};
/* The row of "read_file", or NULL. */
const struct landlock_row *landlock_find(enum landlock_set set, const char *name);
/* The i-th name of a set, or NULL behind the last: for `features`. */
const char *landlock_name(enum landlock_set set, size_t i);

/* The kernel's ABI version; 0 when it has no Landlock or was started without. */
int landlock_abi(void);
/* A ruleset in which all these rights are denied. Returns a descriptor. */
int landlock_open(uint64_t fs, uint64_t net, uint64_t scope, struct err *e);
/*
 * Allows `access` on what `fd` (O_PATH does) stands for and all below it. Of a file only the rights that a file can
 * have count.
 */
int landlock_allow_path(int ruleset, int fd, uint64_t access, struct err *e);
/* `port` 0 stands for the ports that the kernel chooses on bind. */
int landlock_allow_port(int ruleset, uint16_t port, uint64_t access, struct err *e);
/* -EPERM without no_new_privs and without CAP_SYS_ADMIN in the own user namespace. */
int landlock_restrict(int ruleset, uint32_t flags, struct err *e);
