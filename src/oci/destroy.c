#include "oci/run.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "oci/group.h"
#include "oci/hooks.h"
#include "oci/intel_rdt.h"

#define RETRY_PAUSE_MS 5

static int poststop(const struct state *s, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf text = { 0 };
	const char *bundle = s ? state_label(s, "bundle") : NULL;
	CLEANUP(hooks_output_done) struct hooks_output o = HOOKS_OUTPUT_NONE;
	char path[PATH_MAX];
	struct oci_spec *spec;
	int r;

	if (!bundle ||
	    (size_t)snprintf(path, sizeof(path), "%s/config.json", bundle) >= sizeof(path))
		return 0;
	/* A bundle that is gone has no hooks left to run. */
	if (run_read_spec(path, &a, &spec, NULL) < 0 || !spec->hooks || !spec->hooks->poststop.n)
		return 0;
	state_hook_json(spec, s->id, bundle, 0, "stopped", &text);
	r = hooks_output_open(spec, &o, e);
	return r < 0 ? r
		     : hooks_run(spec->hooks->poststop.v, spec->hooks->poststop.n, "poststop",
				 text.p, bundle, &o, e);
}

/* A folder without state.json belongs to a runtime that was killed: the intent says where its groups are. */
static int intended_cgroup(const struct cg_host *h, int dir, const char *id, struct cgroup *ret,
			   struct err *e)
{
	char path[PATH_MAX];
	ssize_t n = readlinkat(dir, STATE_INTENT, path, sizeof(path) - 1);
	int64_t end = clock_mono_ms() + RUN_REMOVE_TIMEOUT_MS;
	int r;

	*ret = CGROUP_INIT;
	if (n < 0)
		return 0;
	path[n] = '\0';
	/* Entering is refused while the init is there; without its runtime it ends by itself. */
	while ((r = cg_create(h, streq(path, "-") ? NULL : path, id, ret, e)) == -EBUSY &&
	       clock_mono_ms() < end)
		poll(NULL, 0, RETRY_PAUSE_MS);
	/* Where this user may make nothing, nothing was made. */
	return r == -EACCES || r == -EPERM || r == -EROFS ? 0 : r;
}

int run_remove_folder(int root, int dir, const char *id)
{
	static const char *const names[] = { STATE_FILE, STATE_INTENT, STATE_UNIT };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlinkat(dir, names[i], 0);
	return unlinkat(root, id, AT_REMOVEDIR) == 0 ? 0 : dir_remove_at(root, id);
}

/* Groups and unit, by what state.json or the intent says of them. */
static int open_group(int dir, const char *id, const struct state *s, struct arena *a,
		      struct group *g, struct err *e)
{
	int r = cg_host_probe(&g->host, e);

	if (r < 0)
		return r;
	if (s) {
		r = group_unit_of(s, a, &g->unit, e);
		return r < 0 ? r : state_cgroup(&g->host, s, &g->cg, e);
	}
	/* systemd finds the groups by the unit's name. */
	if (group_intended_unit(dir, a, &g->unit) == 0)
		return 0;
	return g->host.mode != CG_MODE_NONE ? intended_cgroup(&g->host, dir, id, &g->cg, e) : 0;
}

int run_destroy(int root, const char *id, const struct state *s, struct err *e)
{
	AUTO_FD dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_ARENA struct arena a = { 0 };
	struct group g = GROUP_INIT;
	int r = open_group(dir, id, s, &a, &g, e), last = 0;

	/* Without a pid namespace of its own a container leaves processes behind. */
	if (r == 0)
		r = group_remove(&g, true, e);
	if (r == 0 && s)
		r = intel_rdt_destroy(s, e);
	if (r == 0)
		last = poststop(s, e);
	if (r == 0)
		r = run_remove_folder(root, dir, id);
	cg_done(&g.cg);
	cg_host_done(&g.host);
	return r < 0 ? r : last;
}
