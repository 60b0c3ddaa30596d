/*
 * Whiteouts over a tree that exists. One layer is applied in both ways: onto a copy of the tree below it, and beside it
 * with overlayfs' marks, which are then read as the kernel reads them. Both must come to the same
 * things, but for two differences that are known and not mended: an opaque mark in a folder that the same layer whites
 * out leaves the folder, empty, beside overlayfs' marks; and so does one in a folder that nobody describes and that is a file below.
 *
 * Names have one to three parts of four letters, so that inputs of few bytes meet each other. Things are fifos: they have no
 * data. Links are left out, because here no root of its own holds them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "worker/extract.h"
#include "worker/tarball.h"
#include "worker/tree.h"

#define PATHS 256
#define ENTRIES_MAX 24 /* each is some system calls */

enum kind { KIND_FIFO, KIND_DIR, KIND_HARDLINK, KIND_WHITEOUT, KIND_OPAQUE, KINDS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct input {
	const uint8_t *p, *end;
};

static uint8_t take(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

/* The lowest two bits are the depth, two more for each part. */
static void path_of(uint8_t code, const char *prefix, char ret[64])
{
	unsigned int depth = 1 + (code & 3) % 3, at = 0;

	for (unsigned int i = 0; i < depth; i++)
		at += (unsigned int)snprintf(ret + at, 64 - at, "%s%s%c", i ? "/" : "",
					     i + 1 == depth ? prefix : "",
					     'a' + (code >> (2 + 2 * i) & 3));
}

/* What cannot be made (a name below a fifo) is not there. */
static void make_below(int fd, struct input in, unsigned int n)
{
	char path[64];

	while (n-- > 0) {
		uint8_t kind = take(&in);

		path_of(take(&in), "", path);
		if (kind & 1)
			(void)mkdirat(fd, path, 0755);
		else
			(void)mkfifoat(fd, path, 0644);
	}
}

static struct archive_entry *next_entry(struct input *in)
{
	struct archive_entry *ae = archive_entry_new();
	enum kind kind = take(in) % KINDS;
	uint8_t code = take(in);
	char path[64], target[64];

	if (!ae)
		abort();
	path_of(code, kind == KIND_WHITEOUT ? ".wh." : "", path);
	if (kind == KIND_OPAQUE) {
		size_t at = strlen(path);

		snprintf(path + at, sizeof(path) - at, "/.wh..wh..opq");
	}
	archive_entry_set_pathname(ae, path);
	archive_entry_set_filetype(ae, kind == KIND_DIR ? AE_IFDIR : AE_IFIFO);
	archive_entry_set_perm(ae, 0755);
	if (kind == KIND_HARDLINK) {
		path_of(take(in), "", target);
		archive_entry_set_hardlink(ae, target);
	}
	return ae;
}

static int apply(struct tree *t, struct input in)
{
	struct err e = ERR_INIT;
	int r = 0;

	for (int i = 0; r == 0 && in.p < in.end && i < ENTRIES_MAX; i++) {
		struct archive_entry *ae = next_entry(&in);

		r = extract_entry(t, NULL, ae, &e);
		archive_entry_free(ae);
	}
	return r;
}

/* The kind of a name: S_IFDIR, S_IFIFO, or S_IFCHR for a whiteout; 0 when nothing is there. */
static mode_t kind_at(int fd, const char *path, ino_t *ret_ino)
{
	struct stat st = { 0 };

	if (fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	*ret_ino = st.st_ino;
	return st.st_mode & S_IFMT;
}

static bool is_opaque(const struct tree *t, const char *path, ino_t ino)
{
	for (size_t i = 0; i < t->notes_n; i++)
		if (t->notes[i].kind == WORKER_OPAQUE && t->notes[i].ino == ino &&
		    streq(t->notes[i].path, path))
			return true;
	return false;
}

/* What an overlay shows under a name. */
static mode_t kind_shown(const struct tree *t, int upper, int lower, const char *path)
{
	char part[64];
	bool has_lower = true;
	size_t len = 0;
	ino_t ino = 0;

	for (;;) {
		mode_t own, below;

		len += strcspn(path + len, "/");
		memcpy(part, path, len);
		part[len] = '\0';
		own = kind_at(upper, part, &ino);
		if (own == S_IFCHR)
			return 0;
		below = has_lower ? kind_at(lower, part, &(ino_t){ 0 }) : 0;
		if (!path[len])
			return own ? own : below;
		if (!own && !below)
			return 0;
		if ((own ? own : below) != S_IFDIR)
			return 0;
		has_lower = below == S_IFDIR && !(own && is_opaque(t, part, ino));
		len++;
	}
}

/* A folder that no entry describes, over a thing: only the parent, who sees both, can tell. */
static bool is_guessed(const struct tree *t, int lower)
{
	for (size_t i = 0; i < t->notes_n; i++) {
		mode_t below = kind_at(lower, t->notes[i].path, &(ino_t){ 0 });

		if (t->notes[i].kind == WORKER_IMPLIED && below && below != S_IFDIR)
			return true;
	}
	return false;
}

static int open_folder(int base, const char *name)
{
	int fd;

	if (mkdirat(base, name, 0755) < 0 ||
	    (fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	return fd;
}

static void run(int base, const uint8_t *data, size_t len)
{
	AUTO_FD lower = open_folder(base, "lower");
	AUTO_FD copy = open_folder(base, "copy");
	AUTO_FD upper = open_folder(base, "upper");
	struct input in = { data, data + len };
	unsigned int n = take(&in) % 16;
	static struct tree applied, beside;
	char path[64];

	make_below(lower, in, n);
	make_below(copy, in, n);
	in.p += (size_t)(in.end - in.p) < 2 * n ? (size_t)(in.end - in.p) : 2 * n;
	tree_init(&applied, copy, WORKER_APPLY);
	tree_init(&beside, upper, WORKER_HAS_LOWER);
	/* A copy knows what is below, the other does not: a name below a lower fifo fails in one only. */
	if (apply(&applied, in) == 0 && apply(&beside, in) == 0 && !is_guessed(&beside, lower))
		for (int code = 0; code < PATHS; code++) {
			path_of((uint8_t)code, "", path);
			ASSERT((kind_at(copy, path, &(ino_t){ 0 }) == S_IFIFO) ==
			       (kind_shown(&beside, upper, lower, path) == S_IFIFO));
		}
	tree_done(&applied);
	tree_done(&beside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char name[] = "/tmp/whiteout.XXXXXX";
	AUTO_FD base = mkdtemp(name) ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;
	const struct applied none = { 0 };

	if (base < 0)
		abort();
	run(base, data, len);
	(void)applied_hide_all(&none, base);
	(void)rmdir(name);
	return 0;
}
