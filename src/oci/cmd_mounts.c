/* `mounts add` and `mounts remove`: crun's commands for a running container. */
#include "oci/cmd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "oci/init.h"
#include "oci/inside.h"
#include "oci/mount_outside.h"
#include "sys/root.h"

static const struct opt no_opts[] = { OPT_END };

/* By folder and name, so that no path of the container is walked twice. */
static int unmount(int root, const char *path)
{
	AUTO_FD top = root_open(root, path, O_PATH);
	AUTO_FD parent = -EBADF;
	char name[256];
	struct stat st;

	if (top < 0 || fstat(top, &st) < 0)
		return top < 0 ? top : -errno;
	if (S_ISDIR(st.st_mode))
		return fchdir(top) < 0 || umount2(".", MNT_DETACH) < 0 ? -errno : 0;
	parent = root_open_parent(root, path, name);
	if (parent < 0)
		return parent;
	return fchdir(parent) < 0 || umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
}

static int add_inside(void *arg, struct err *e)
{
	const struct plan *p = arg;
	const struct init in = { .plan = p };
	struct init_fs fs = {
		.in = &in, .proc = -EBADF, .empty = -EBADF, .null = -EBADF, .dev = -EBADF
	};
	size_t i;
	int r;

	umask(0);
	fs.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = fs.root < 0 ? err_sys(e, -errno, "open the container's root") : 0;
	for (i = 0; r == 0 && i < p->steps_n; i++)
		r = init_fs_step(&fs, &p->steps[i], e);
	/* All or nothing: the one that failed is not there. */
	for (i = r < 0 && i > 0 ? i - 1 : 0; i > 0; i--)
		unmount(fs.root, p->steps[i - 1].path);
	return r;
}

static int remove_inside(void *arg, struct err *e)
{
	const struct plan *p = arg;
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(e, -errno, "open the container's root");
	for (size_t i = 0; i < p->steps_n; i++) {
		int r = unmount(root, p->steps[i].path);

		if (r < 0)
			return err_sys(e, r, "umount '%s'%s", p->steps[i].path,
				       r == -EINVAL ? " (nothing is mounted there)" : "");
	}
	return 0;
}

static int make_outside(struct step *s, struct err *e)
{
	if (s->kind == STEP_CGROUP_MOUNT)
		return err_set_code(
			e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
			"control groups cannot be mounted into a running container ('%s')",
			s->path);
	/* Filesystems are made inside, so that they belong to the container's namespaces. */
	return s->mount.kind == MNT_BIND ? mount_make_outside(s, e) : 0;
}

static int read_mounts(const char *file, struct arena *a, struct oci_spec *spec, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct json_objs list;
	size_t len;
	int r = file_read_at(AT_FDCWD, file, LIMIT_SPEC_BYTES, &text, &len);

	if (r < 0)
		return err_sys(e, r, "read mounts of '%s'", file);
	r = json_read_array(&oci_mount_table, text, len, NULL, a, &list, e);
	if (r < 0)
		return err_wrap(e, r, "mounts of '%s'", file);
	spec->mounts.v = list.v;
	spec->mounts.n = list.n;
	return 0;
}

static int add(struct cmd_container *c, const struct oci_spec *spec, struct err *e)
{
	struct host host;
	struct plan *p = NULL;
	int r = host_probe(plan_wants_modules(spec, NULL), &host, e);

	if (r == 0)
		r = plan_mounts_make(spec, &host, &c->arena, &p, e);
	if (r == 0 && !mnt_has_detached())
		r = err_set_code(e, -ENOSYS, ERR_UNIMPLEMENTED, "mounts add needs Linux 5.12");
	for (size_t i = 0; r == 0 && i < p->steps_n; i++)
		r = make_outside(&p->steps[i], e);
	return r < 0 ? r : inside_run(c->state, add_inside, p, e);
}

/* Only destinations count, as with crun. */
static int take_away(struct cmd_container *c, const struct oci_spec *spec, struct err *e)
{
	struct step *steps = arena_calloc(&c->arena, spec->mounts.n + 1, sizeof(*steps));
	struct plan p = { .steps = steps, .steps_n = spec->mounts.n };

	if (!steps)
		return err_sys(e, -ENOMEM, "plan mounts");
	for (size_t i = 0; i < p.steps_n; i++) {
		steps[i].path = plan_clean_path(&c->arena, spec->mounts.v[i].destination);
		if (!steps[i].path)
			return err_sys(e, -ENOMEM, "plan mounts");
		if (streq(steps[i].path, "/"))
			return err_set(e, -EINVAL, "the container's root cannot be unmounted");
	}
	return inside_run(c->state, remove_inside, &p, e);
}

static int run(const struct runtime *rt, const char *verb, const char *id, const char *file,
	       struct err *e)
{
	AUTO_CONTAINER c = { 0 };
	struct oci_spec *spec;
	bool is_add = streq(verb, "add");
	int r = !is_add && !streq(verb, "remove")
			? err_set(e, -EINVAL, "unknown command \"mounts %s\": add or remove", verb)
			: cmd_open(rt, id, &c, e);

	if (r == 0 && state_status(c.dir, c.state) == STATE_STOPPED)
		r = err_set_code(e, -ESRCH, ERR_FAILED_PRECONDITION, "container not running");
	if (r == 0)
		r = cmd_spec(&c, &spec, e);
	if (r == 0)
		r = read_mounts(file, &c.arena, spec, e);
	if (r < 0)
		return r;
	return is_add ? add(&c, spec, e) : take_away(&c, spec, e);
}

int cmd_mounts(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	int first = cmd_parse("mounts", no_opts, 0, argc, argv, NULL, e);

	if (first < 0)
		return first;
	return run(rt, argv[first], argv[first + 1], argv[first + 2], e);
}
