#pragma once
/*
 * The inventory of an instance: everything it may leave on a machine, as sorted lines of text.
 *
 * It is a test tool: it only looks, and changes nothing. An instance is named by its root and state
 * folders; what belongs to other instances or to nobody of Corten is left out, so that two inventories
 * with a busy machine between them are equal. Lines hold no process ids and no inode numbers: these go
 * into a note, which is shown but never compared. Not thread-safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PATH_BUF 4096
#define LINE_MAX_BYTES 2048
#define CGROUP_PATTERN_DEFAULT "*corten*"
#define ROOT_DEFAULT "/var/lib/corten"
#define STATE_DEFAULT "/run/corten"

struct line {
	char *text; /* kind TAB value: what is compared */
	char *note; /* NULL, or what helps a reader only */
};

struct lines {
	struct line *rows;
	size_t n, cap;
};

/* Where a folder lies inside its file system. */
struct place {
	char device[32];
	char path[PATH_BUF * 2];
};

struct inventory {
	char root[PATH_BUF];
	char state[PATH_BUF];
	const char *cgroup_pattern; /* of a path component, as in fnmatch */
	const char *only;	    /* NULL, or the kinds wanted, with commas between */
	struct lines lines;
	struct place root_place, state_place;
	struct process *processes;
	size_t n_processes;
};

/* Whose a process is. */
enum owner {
	OWNER_NONE,  /* nothing of Corten */
	OWNER_SELF,  /* this program and its ancestors: never ours */
	OWNER_OTHER, /* of another instance */
	OWNER_WEAK,  /* of Corten by weak signs: its ancestors decide */
	OWNER_OURS,
};

struct process {
	pid_t pid, parent;
	enum owner owner;
	bool is_zombie;
	bool is_guess; /* ours by weak signs only: do not kill it */
	char name[64];
};

/* Adds a line; the folders of the instance become {root} and {state}. `note` may be NULL. */
void lines_add(struct inventory *inv, const char *kind, const char *note, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Adds a copy of a ready line, as read from a snapshot. */
void lines_add_row(struct lines *l, const char *text, const char *note);

void lines_sort(struct lines *l);
void lines_done(struct lines *l);

/* Prints what is only in `before` ("gone") and only in `after` ("new"). Returns the differences. */
size_t lines_compare(const struct lines *before, const struct lines *after);

/* True when `inv` wants lines of this kind. */
bool inventory_wants(const struct inventory *inv, const char *kind);

/* True when `text` names the root or state folder of `inv` or something below them. */
bool inventory_is_named(const struct inventory *inv, const char *text, size_t len);

/* True when `path` stands in `text` as a whole path or as the beginning of a longer one. */
bool text_names_path(const char *text, size_t len, const char *path);

/* True when `path` is `dir` or below it. */
bool path_is_below(const char *path, const char *dir);

/* The whole of a small file, NUL behind; caller frees. NULL when it cannot be read. */
char *file_read(const char *path, size_t *ret_len);

/* Out of memory or worse: says so and ends with status 2. */
_Noreturn void fail(const char *what, const char *arg);

/* Finds the processes of the instance; the others below need it first. */
void processes_scan(struct inventory *inv);
/* The process `pid`, or NULL. Borrowed. */
const struct process *processes_find(const struct inventory *inv, pid_t pid);

/* Finds where the folders of the instance lie; the mounts need it first. */
void places_find(struct inventory *inv);
/* True when a mount table has mounts made from the instance's files. Changes `text`. */
bool mounts_are_ours(const struct inventory *inv, char *text);

/* Each adds the lines of its kinds. */
void add_processes(struct inventory *inv); /* process, namespace, fd */
void add_mounts(struct inventory *inv);	   /* mount, and bind-mounted namespaces */
void add_cgroups(struct inventory *inv);
void add_network(struct inventory *inv); /* link, address, nft */
void add_files(struct inventory *inv);
