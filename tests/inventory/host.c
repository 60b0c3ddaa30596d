#include "inventory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CGROUP_DEPTH_MAX 32

struct mount {
	char device[32];
	char root[PATH_BUF];
	char target[PATH_BUF];
	char type[64];
	char options[PATH_BUF]; /* of the superblock */
};

/* Splits one row of mountinfo (proc(5)); false when it is none. Values too long for us are cut. */
static bool parse_mount(const char *row, struct mount *m)
{
	*m = (struct mount){ 0 };
	if (sscanf(row, "%*d %*d %31s %4095s %4095s", m->device, m->root, m->target) != 3)
		return false;
	const char *rest = strstr(row, " - ");
	return rest && sscanf(rest, " - %63s %*s %4095s", m->type, m->options) >= 1;
}

static void each_mount(struct inventory *inv,
		       void (*f)(struct inventory *inv, const struct mount *m, void *arg),
		       void *arg)
{
	size_t len;
	struct mount m;
	char *save = NULL, *text = file_read("/proc/self/mountinfo", &len);
	if (!text)
		fail("cannot read", "/proc/self/mountinfo");
	for (char *row = strtok_r(text, "\n", &save); row; row = strtok_r(NULL, "\n", &save))
		if (parse_mount(row, &m))
			f(inv, &m, arg);
	free(text);
}

/* The last mount with the longest target above `folder` is the one the folder lies on. */
static void refine_place(const char *folder, const struct mount *m, struct place *p, size_t *best)
{
	size_t n = strlen(m->target);
	bool is_top = strcmp(m->target, "/") == 0;
	if ((!is_top && !path_is_below(folder, m->target)) || n < *best ||
	    strcmp(folder, m->target) == 0)
		return;
	*best = n;
	snprintf(p->device, sizeof(p->device), "%s", m->device);
	snprintf(p->path, sizeof(p->path), "%s%s", strcmp(m->root, "/") == 0 ? "" : m->root,
		 folder + (is_top ? 0 : n));
}

struct best {
	size_t root, state;
};

static void find_places(struct inventory *inv, const struct mount *m, void *arg)
{
	struct best *b = arg;
	refine_place(inv->root, m, &inv->root_place, &b->root);
	refine_place(inv->state, m, &inv->state_place, &b->state);
}

void places_find(struct inventory *inv)
{
	struct best b = { 0 };
	each_mount(inv, find_places, &b);
}

static bool is_at(const struct mount *m, const struct place *p)
{
	return p->device[0] && strcmp(m->device, p->device) == 0 && path_is_below(m->root, p->path);
}

/* True for a bind mount from the instance's folders and for an overlay of folders in them. */
static bool is_made_of_ours(const struct inventory *inv, const struct mount *m)
{
	return is_at(m, &inv->root_place) || is_at(m, &inv->state_place) ||
	       inventory_is_named(inv, m->options, strlen(m->options));
}

bool mounts_are_ours(const struct inventory *inv, char *text)
{
	struct mount m;
	char *save = NULL;
	for (char *row = strtok_r(text, "\n", &save); row; row = strtok_r(NULL, "\n", &save))
		if (parse_mount(row, &m) && is_made_of_ours(inv, &m))
			return true;
	return false;
}

/* Overlays given by relative names or by descriptors do not say whose they are: they count. */
static bool is_overlay_of_unknown(const struct mount *m)
{
	const char *lower = strstr(m->options, "lowerdir");
	lower = lower ? strchr(lower, '=') : NULL;
	return strcmp(m->type, "overlay") == 0 && lower && lower[1] != '/';
}

static bool is_namespace_of_ours(const struct mount *m)
{
	return strcmp(m->type, "nsfs") == 0 && strstr(m->target, "corten");
}

static void add_mount(struct inventory *inv, const struct mount *m, void *arg)
{
	(void)arg;
	bool is_below = path_is_below(m->target, inv->root) || path_is_below(m->target, inv->state);
	if (!is_below && !is_made_of_ours(inv, m) && !is_overlay_of_unknown(m) &&
	    !is_namespace_of_ours(m))
		return;
	lines_add(inv, "mount", NULL, "%.1024s %s", m->target, m->type);
	if (strcmp(m->type, "nsfs") == 0)
		lines_add(inv, "namespace", m->root, "%.*s at %.1024s", (int)strcspn(m->root, ":"),
			  m->root, m->target);
}

void add_mounts(struct inventory *inv)
{
	each_mount(inv, add_mount, NULL);
}

/* -- cgroups -- */

/* True when the group holds processes and none of them is ours; counts the processes. */
static bool is_group_of_others(const struct inventory *inv, int dirfd, int *ret_processes)
{
	bool is_ours = false;
	int pid, fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	*ret_processes = 0;
	while (f && fscanf(f, "%d", &pid) == 1) {
		const struct process *p = processes_find(inv, pid);
		is_ours |= p && p->owner == OWNER_OURS;
		(*ret_processes)++;
	}
	if (f)
		fclose(f);
	return *ret_processes && !is_ours;
}

/* Takes `fd`, a group's folder at `path` below its hierarchy's mount. */
static void walk_group(struct inventory *inv, int fd, const char *hierarchy, const char *path,
		       bool is_inside, int depth)
{
	char below[PATH_BUF], note[32];
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return;
	}
	for (struct dirent *e; depth < CGROUP_DEPTH_MAX && (e = readdir(d));) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		int child = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (child < 0)
			continue;
		bool is_named = is_inside || fnmatch(inv->cgroup_pattern, e->d_name, 0) == 0;
		int processes;
		if (is_named && is_group_of_others(inv, child, &processes)) {
			close(child);
			continue;
		}
		snprintf(below, sizeof(below), "%.3000s/%.255s", path, e->d_name);
		if (is_named) {
			snprintf(note, sizeof(note), "%d processes", processes);
			lines_add(inv, "cgroup", note, "%s %s", hierarchy, below);
		}
		walk_group(inv, child, hierarchy, below, is_named, depth + 1);
	}
	closedir(d);
}

static void add_hierarchy(struct inventory *inv, const struct mount *m, void *arg)
{
	(void)arg;
	if (strcmp(m->type, "cgroup") != 0 && strcmp(m->type, "cgroup2") != 0)
		return;
	int fd = open(m->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		walk_group(inv, fd, strrchr(m->target, '/') + 1, "", false, 0);
}

void add_cgroups(struct inventory *inv)
{
	if (inventory_wants(inv, "cgroup"))
		each_mount(inv, add_hierarchy, NULL);
}
