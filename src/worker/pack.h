#pragma once
/*
 * The pack role's inside: a folder, what is below it if that is to be held against it, and the archive that is made.
 *
 * The folder is walked once by descriptors, each folder's names in the order of their bytes, so that the same tree gives
 * the same archive; whiteouts come before what stands beside them. What is below is a folder or a listing that an
 * earlier run wrote. Safe after fork: no. image-spec 1.1 layer.md#change-types, #representing-changes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/str.h"
#include "codec/digest.h"
#include "codec/tar.h"
#include "spec/pack_setup.h"
#include "worker/names.h"
#include "worker/tarball.h"

struct err;
struct deflate;

/* A path of 4096 bytes has at most half as many parts. */
#define PACK_LEVELS (NAME_PATH_MAX / 2)
/* As many as the unpack role takes. */
#define PACK_ENTRIES_MAX TARBALL_ENTRIES_MAX
/* Names, xattrs, links and the listing; the memory limit is above it. */
#define PACK_BUDGET ((size_t)160 << 20)
#define PACK_XATTRS_MAX 256
#define PACK_XATTR_BYTES ((size_t)64 << 10)

/* Read before CAP_SYS_ADMIN goes. */
struct pack_trusted {
	const char *path, *name;
	const void *value;
	size_t len;
};

struct pack_names {
	const char **v;
	size_t n, cap;
	struct arena a;
};

/* A thing in the folder below; `is_there` false: nothing. */
struct pack_below {
	bool is_there;
	struct stat st;
	const struct pack_listed *listed; /* of a listing, else NULL */
};

struct pack_level {
	int fd;
	int base_fd;   /* -EBADF: no folder below */
	size_t listed; /* the folder's place in the listing; SIZE_MAX: none */
	size_t path_len;
	struct stat st;
	struct pack_names names;
	size_t next;
	bool is_written; /* its own entry is; not yet: only if something in it differs */
	bool is_opaque;
};

/* One line of a listing. */
struct pack_listed {
	const char *path, *link;
	mode_t mode; /* with its type */
	uid_t uid;
	gid_t gid;
	int64_t size;
	struct timespec mtime;
	dev_t rdev;
	size_t end; /* the first one that is not below it */
	bool has_digest;
	uint8_t digest[SHA256_LEN], xattrs[SHA256_LEN];
};
struct pack_listing {
	struct pack_listed *v; /* sorted as pack_path_compare does */
	size_t n, cap;
	struct arena a;
};

struct pack_inode;
struct pack_links {
	struct pack_inode *v;
	size_t n, cap; /* a power of two */
	struct arena a;
};

struct pack {
	const struct pack_setup *setup;
	struct deflate *out; /* NULL: no archive */
	int base_fd;
	int list_fd, control;
	struct pack_listing below;
	struct pack_level *levels; /* PACK_LEVELS */
	size_t n;
	char path[NAME_PATH_MAX]; /* of what is looked at */
	size_t cwd; /* the level whose folder is the working directory; SIZE_MAX: none */
	struct pack_trusted *trusted; /* sorted by path and name */
	size_t trusted_n, trusted_cap;
	struct arena a; /* of trusted */
	struct pack_links links;
	struct strbuf head, lines, told;
	uint64_t entries, bytes;
	int64_t beat_ms;
	uint8_t *buf;
};
#define PACK_BUF ((size_t)128 << 10)

/* ---- pack.c ---- */
/* Everything behind the sandbox. */
int pack_run(struct pack *p, int root, struct err *e);
void pack_init(struct pack *p, const struct pack_setup *setup);
void pack_done(struct pack *p);
/* A sign of life, now and then. */
void pack_beat(struct pack *p);
/* Tells a change of `p->path`. */
int pack_tell(struct pack *p, char kind, struct err *e);

/* ---- pack_scan.c ---- */
/* Collects trusted.* xattrs. -EXDEV for an overlay's folder that refers to what is below by other names. */
int pack_scan(struct pack *p, int root, struct err *e);
/* Those of the path; `*ret_n` may be 0. */
const struct pack_trusted *pack_trusted_of(const struct pack *p, const char *path, size_t *ret_n);
bool pack_is_opaque(const struct pack *p, const char *path);

/* ---- pack_walk.c ---- */
int pack_walk(struct pack *p, int root, struct err *e);
/* The names in a folder, sorted; "." and ".." left out. */
int pack_names_read(int dirfd, struct pack_names *ret, struct err *e);
bool pack_names_have(const struct pack_names *names, const char *name);

/* ---- pack_below.c: what is held against the folder ---- */
int pack_below_find(struct pack *p, const struct pack_level *l, const char *name,
		    struct pack_below *ret, struct err *e);
/* Whether nothing differs. 1, 0, -errno. `fd` of the folder that `name` is in, its stat in `st`. */
int pack_below_same(struct pack *p, const struct pack_level *l, const char *name,
		    const struct stat *st, const struct pack_below *below, struct err *e);
/* Calls `gone` for every name in the folder below that is not in the level's. */
int pack_below_gone(struct pack *p, struct pack_level *l,
		    int (*gone)(struct pack *p, struct pack_level *l, const char *name,
				struct err *e),
		    struct err *e);

/* ---- pack_entry.c: entries into the archive ---- */
/* The thing at `p->path`, `name` in level `l`. */
int pack_put(struct pack *p, struct pack_level *l, const char *name, const struct stat *st,
	     struct err *e);
/* A folder's own entry, by its level. */
int pack_put_folder(struct pack *p, struct pack_level *l, struct err *e);
/* A whiteout named `name` (".wh.…") in the folder of `path`'s first `len` bytes. */
int pack_put_whiteout(struct pack *p, size_t len, const char *prefix, const char *name,
		      struct err *e);
int pack_put_end(struct pack *p, struct err *e);
/*
 * The xattrs that an archive holds, of `name` in the level's folder, or of the folder itself when `name` is NULL; sorted by
 * name. They live in `a`.
 */
int pack_xattrs(struct pack *p, size_t level, const char *name, struct arena *a,
		struct tar_xattr **ret, size_t *ret_n, struct err *e);
/* One digest of them all. */
void pack_xattrs_digest(const struct tar_xattr *v, size_t n, uint8_t ret[SHA256_LEN]);
/* A regular file, opened for reading; what became something else meanwhile is -ESTALE. */
int pack_open_file(int dirfd, const char *name, struct stat *ret, struct err *e);

/* ---- pack_links.c: hard links ---- */
/* The path that the archive has of the inode, or NULL when there is none yet; then `path` is it. */
const char *pack_links_first(struct pack *p, const struct stat *st, const char *path, int *ret_r);
/* A name of the inode that is below already and therefore not written. 1: the inode was written, so this name is too. */
int pack_links_same(struct pack *p, const struct stat *st, const char *path);
/* The next such name from before the inode was written, or NULL. */
const char *pack_links_take(struct pack *p, const struct stat *st);

/* ---- pack_listing.c ---- */
/* "/" comes before all else, so that a folder stands right before what is in it. */
int pack_path_compare(const char *a, const char *b);
/* Appends the line of one thing. */
void pack_listing_add(struct strbuf *out, const struct pack_listed *line);
/* Reads a whole listing. -EBADMSG. */
int pack_listing_read(char *text, size_t len, struct pack_listing *ret, struct err *e);
void pack_listing_done(struct pack_listing *l);
/* The place of a path, or SIZE_MAX. */
size_t pack_listing_find(const struct pack_listing *l, const char *path);
#define PACK_LISTING_HEAD "#mtree v2.0\n"
