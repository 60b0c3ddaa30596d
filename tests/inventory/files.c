#include "inventory.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 256

/* Sizes are classes, so that a database or a log that grew a little is the same file. */
static const struct size_class {
	off_t max;
	const char *name;
} size_classes[] = {
	{ 0, "empty" },
	{ (off_t)64 << 10, "to64K" },
	{ (off_t)1 << 20, "to1M" },
	{ (off_t)16 << 20, "to16M" },
	{ (off_t)256 << 20, "to256M" },
};

static const char *size_class_of(off_t size)
{
	for (size_t i = 0; i < sizeof(size_classes) / sizeof(size_classes[0]); i++)
		if (size <= size_classes[i].max)
			return size_classes[i].name;
	return "more";
}

static const struct type_name {
	mode_t type;
	const char *name;
} type_names[] = {
	{ S_IFREG, "file" },  { S_IFDIR, "dir" },  { S_IFLNK, "symlink" }, { S_IFIFO, "fifo" },
	{ S_IFSOCK, "sock" }, { S_IFCHR, "char" }, { S_IFBLK, "block" },
};

static const char *type_of(mode_t mode)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		if ((mode & S_IFMT) == type_names[i].type)
			return type_names[i].name;
	return "?";
}

/* Takes `fd`, the folder at `path`. What is mounted below is the mounts' business. */
static void walk(struct inventory *inv, int fd, const char *path, dev_t device, int depth)
{
	char below[PATH_BUF];
	struct stat st;
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return;
	}
	for (struct dirent *e; (e = readdir(d));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		bool is_mount = st.st_dev != device;
		snprintf(below, sizeof(below), "%.3800s/%.255s", path, e->d_name);
		lines_add(inv, "file", NULL, "%.1500s %s %04o%s%s", below, type_of(st.st_mode),
			  st.st_mode & 07777, S_ISREG(st.st_mode) ? " " : "",
			  S_ISREG(st.st_mode) ? size_class_of(st.st_size) : "");
		if (!S_ISDIR(st.st_mode) || is_mount || depth == DEPTH_MAX)
			continue;
		int child = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			walk(inv, child, below, device, depth + 1);
	}
	closedir(d);
}

static void walk_top(struct inventory *inv, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return;
	}
	walk(inv, fd, path, st.st_dev, 0);
}

void add_files(struct inventory *inv)
{
	if (!inventory_wants(inv, "file"))
		return;
	walk_top(inv, inv->root);
	if (!path_is_below(inv->state, inv->root))
		walk_top(inv, inv->state);
}
