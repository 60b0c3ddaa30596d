#include "oci/idmap.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "oci/plan.h"

#define TOOL_TIMEOUT_MS 10000
#define TOOL_OUTPUT_MAX ((size_t)4 << 10)

struct maps {
	bool is_gid;
	const struct ns_id_map *v;
	size_t n;
};

static int tool_argv(const char *tool, pid_t pid, const struct maps *m, char ***ret)
{
	AUTO_STRV char **argv = NULL;
	int r = strv_add(&argv, tool);

	if (r == 0)
		r = strv_addf(&argv, "%d", pid);
	for (size_t i = 0; r == 0 && i < m->n; i++) {
		r = strv_addf(&argv, "%u", m->v[i].inside);
		if (r == 0)
			r = strv_addf(&argv, "%u", m->v[i].outside);
		if (r == 0)
			r = strv_addf(&argv, "%u", m->v[i].count);
	}
	if (r == 0)
		*ret = TAKE_PTR(argv);
	return r;
}

static int write_by_tool(pid_t pid, const struct maps *m, struct err *e)
{
	const char *tool = m->is_gid ? "newgidmap" : "newuidmap";
	struct spawn_options o = { .path = tool };
	AUTO_STRV char **argv = NULL;
	AUTO_FREE char *words = NULL;
	int status = 0, r = tool_argv(tool, pid, m, &argv);

	if (r < 0)
		return err_sys(e, r, "run %s", tool);
	o.argv = argv;
	log_debug("write %s of %d by %s", m->is_gid ? "gid_map" : "uid_map", pid, tool);
	r = proc_run(&o, NULL, TOOL_OUTPUT_MAX, TOOL_TIMEOUT_MS, &words, &status, e);
	if (r == -ENOENT)
		return err_set_code(
			e, r, ERR_FAILED_PRECONDITION,
			"the id mappings need %s, which is not installed (package uidmap)", tool);
	if (r < 0)
		return r;
	if (!status)
		return 0;
	words[strcspn(words, "\n")] = '\0';
	return err_set(e, -EPERM, "failed to use %s on %d: %s (see /etc/sub%cid)", tool, pid, words,
		       m->is_gid ? 'g' : 'u');
}

static int write_one(pid_t pid, const struct maps *m, struct err *e)
{
	struct err own = ERR_INIT;
	int r = ns_write_map(pid, m->is_gid, m->v, m->n, &own);

	if (r == -EPERM)
		return write_by_tool(pid, m, e);
	if (r < 0 && e)
		*e = own;
	return r;
}

/* The only group map that the kernel takes from a user, once setgroups is denied. */
static bool is_own_group(const struct plan *p)
{
	return p->gid_maps_n == 1 && p->gid_maps[0].outside == getegid() &&
	       p->gid_maps[0].count == 1;
}

int idmap_write(pid_t pid, const struct plan *p, struct err *e)
{
	struct maps uids = { false, p->uid_maps, p->uid_maps_n };
	struct maps gids = { true, p->gid_maps, p->gid_maps_n };
	int r = write_one(pid, &uids, e);

	if (r == 0 && geteuid() != 0 && is_own_group(p))
		r = ns_deny_setgroups(pid, e);
	return r < 0 ? r : write_one(pid, &gids, e);
}

int idmap_denies_groups(const char *pid)
{
	AUTO_FREE char *text = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%.20s/setgroups", pid);
	r = file_read_at(AT_FDCWD, path, 64, &text, NULL);
	return r < 0 ? r : str_skip(text, "deny") != NULL;
}
