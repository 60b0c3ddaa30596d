#include "sys/resctrl.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

#define RESCTRL_MAGIC 0x7655821

int resctrl_open(struct err *e)
{
	AUTO_FD fd = open(RESCTRL_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != RESCTRL_MAGIC)
		return err_set_code(e, -ENODEV, ERR_UNIMPLEMENTED, "no resctrl at " RESCTRL_ROOT);
	return TAKE_FD(fd);
}

bool resctrl_has(int root, const char *resource)
{
	char path[64];

	return root >= 0 &&
	       (size_t)snprintf(path, sizeof(path), "info/%s", resource) < sizeof(path) &&
	       faccessat(root, path, F_OK, 0) == 0;
}

static int open_group(int root, const char *name)
{
	int fd = openat(root, streq(name, "/") ? "." : name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int write_file(int group, const char *name, const char *text, struct err *e)
{
	int r = file_write_at(group, name, text);

	return r < 0 ? err_sys(e, r, "intelrdt: unable to write \"%s\" to %s", text, name) : 0;
}

static int add_pid(int group, pid_t pid, struct err *e)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return write_file(group, "tasks", text, e);
}

static int add_monitor(int group, const char *name, pid_t pid, bool *ret_is_made, struct err *e)
{
	AUTO_FD all = openat(group, "mon_groups", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD own = -EBADF;

	if (all < 0)
		return err_sys(e, -errno, "intelrdt: monitoring is not available");
	*ret_is_made = mkdirat(all, name, 0755) == 0;
	if (!*ret_is_made && errno != EEXIST)
		return err_sys(e, -errno, "intelrdt: make monitoring group '%s'", name);
	own = open_group(all, name);
	return own < 0 ? err_sys(e, own, "intelrdt: open monitoring group '%s'", name)
		       : add_pid(own, pid, e);
}

int resctrl_put(int root, const struct resctrl_group *g, pid_t pid, bool *ret_is_made,
		struct err *e)
{
	bool is_top = streq(g->name, "/"), has_monitor = false,
	     is_made = !is_top && !g->is_existing && mkdirat(root, g->name, 0755) == 0;
	AUTO_FD group = -EBADF;
	int r;

	if (!is_top && !g->is_existing && !is_made && errno != EEXIST)
		return err_sys(e, -errno, "intelrdt: make group '%s'", g->name);
	group = open_group(root, g->name);
	r = group < 0
		    ? err_sys(e, group, "clos dir '%s' not accessible%s", g->name,
			      g->is_existing
				      ? " (must be pre-created when schemata, l3CacheSchema and memBwSchema are empty)"
				      : "")
		    : 0;
	if (r == 0 && g->schemata)
		r = write_file(group, "schemata", g->schemata, e);
	if (r == 0)
		r = add_pid(group, pid, e);
	if (r == 0 && g->monitor)
		r = add_monitor(group, g->monitor, pid, &has_monitor, e);
	if (r < 0 && has_monitor)
		resctrl_remove(root, g->name, g->monitor, NULL);
	if (r < 0 && is_made)
		unlinkat(root, g->name, AT_REMOVEDIR);
	*ret_is_made = r == 0 && is_made;
	return r;
}

int resctrl_write(int root, const char *name, const char *schemata, struct err *e)
{
	AUTO_FD group = open_group(root, name);

	return group < 0 ? err_sys(e, group, "clos dir '%s' not accessible", name)
			 : write_file(group, "schemata", schemata, e);
}

int resctrl_remove(int root, const char *name, const char *monitor, struct err *e)
{
	AUTO_FD group = monitor ? open_group(root, name) : -EBADF;
	AUTO_FD all = group >= 0 ? openat(group, "mon_groups", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
				 : -EBADF;
	int r = 0;

	if (monitor && all >= 0)
		r = unlinkat(all, monitor, AT_REMOVEDIR) < 0 ? -errno : 0;
	else if (!monitor && !streq(name, "/"))
		r = unlinkat(root, name, AT_REMOVEDIR) < 0 ? -errno : 0;
	return r < 0 && r != -ENOENT
		       ? err_sys(e, r, "intelrdt: remove group '%s'", monitor ? monitor : name)
		       : 0;
}
