#include "oci/hooks.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"

#define OUTPUT_MAX 1024

static int run_one(const struct oci_hook *h, const char *state, const char *cwd, struct err *e)
{
	const char **argv = calloc(h->args.n + 2, sizeof(*argv));
	const char **envp = calloc(h->env.n + 1, sizeof(*envp));
	int timeout = h->has_timeout ? h->timeout * 1000 : LIMIT_HOOK_TIMEOUT_MS;
	struct spawn_options o = { .path = h->path, .cwd = cwd, .dies_with_parent = true };
	AUTO_FREE char *output = NULL;
	int r, status = 0;

	if (!argv || !envp) {
		r = err_sys(e, -ENOMEM, "run hook");
		goto out;
	}
	for (size_t i = 0; i < h->args.n; i++)
		argv[i] = h->args.v[i];
	if (!h->args.n)
		argv[0] = h->path;
	for (size_t i = 0; i < h->env.n; i++)
		envp[i] = h->env.v[i];
	o.argv = (char *const *)argv;
	o.envp = (char *const *)envp;
	r = proc_run(&o, state, OUTPUT_MAX, timeout, &output, &status, e);
	if (r == 0 && status != 0)
		r = err_set(e, -EIO, "error running hook: exit status %d, stdout and stderr: %s",
			    status, output ? output : "");
out:
	free(argv);
	free(envp);
	return r;
}

int hooks_run(const struct oci_hook *v, size_t n, const char *kind, const char *state,
	      const char *cwd, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int r;

		if (!v[i].path || v[i].path[0] != '/')
			return err_set(e, -EINVAL, "%s hook #%zu: the path must be absolute", kind,
				       i);
		if (v[i].has_timeout && (v[i].timeout <= 0 || v[i].timeout > 86400))
			return err_set(e, -EINVAL,
				       "%s hook #%zu: the timeout must be between 1 and 86400",
				       kind, i);
		r = run_one(&v[i], state, cwd, e);
		if (r < 0)
			return err_wrap(e, r, "error running %s hook #%zu", kind, i);
	}
	return 0;
}
