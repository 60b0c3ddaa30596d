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
	return r;
}

int run_remove_folder(int root, int dir, const char *id)
{
	static const char *const names[] = { STATE_FILE, STATE_INTENT };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlinkat(dir, names[i], 0);
	return unlinkat(root, id, AT_REMOVEDIR) == 0 ? 0 : dir_remove_at(root, id);
}

int run_destroy(int root, const char *id, const struct state *s, struct err *e)
{
	AUTO_FD dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct cg_host h = { 0 };
	struct cgroup g = CGROUP_INIT;
	int r = cg_host_probe(&h, e), last = 0;

	if (r == 0 && h.mode != CG_MODE_NONE)
		r = s ? state_cgroup(&h, s, &g, e) : intended_cgroup(&h, dir, id, &g, e);
	if (r == 0 && g.host) {
		/* Without a pid namespace of its own a container leaves processes behind. */
		cg_kill(&g, SIGKILL, RUN_REMOVE_TIMEOUT_MS, NULL);
		r = cg_remove(&g, RUN_REMOVE_TIMEOUT_MS, e);
		cg_done(&g);
	}
	if (r == 0 && s)
		r = intel_rdt_destroy(s, e);
	if (r == 0)
		last = poststop(s, e);
	if (r == 0)
		r = run_remove_folder(root, dir, id);
	cg_host_done(&h);
	return r < 0 ? r : last;
}
