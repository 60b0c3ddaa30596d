#include "oci/hooks.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "oci/annotation.h"

#define OUTPUT_MAX 1024

static int open_output(const struct oci_spec *spec, const char *key, int *ret, struct err *e)
{
	const char *path = annotation_get(spec, key);
	AUTO_FD fd = -EBADF;

	if (!path)
		return 0;
	if (path[0] != '/')
		return err_set(e, -EINVAL, "annotation %s: the path '%s' must be absolute", key,
			       path);
	/* Not waiting: nobody may read a fifo. */
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, -errno, "annotation %s: open '%s'", key, path);
	fd_set_nonblock(fd, false);
	*ret = TAKE_FD(fd);
	return 0;
}

static bool has_hooks(const struct oci_hooks *h)
{
	return h && (h->prestart.n || h->create_runtime.n || h->create_container.n ||
		     h->start_container.n || h->poststart.n || h->poststop.n);
}

int hooks_output_open(const struct oci_spec *spec, struct hooks_output *ret, struct err *e)
{
	struct hooks_output o = HOOKS_OUTPUT_NONE;
	int r = 0;

	if (has_hooks(spec->hooks))
		r = open_output(spec, ANNOTATION_HOOKS_STDOUT, &o.out, e);
	if (r == 0 && has_hooks(spec->hooks))
		r = open_output(spec, ANNOTATION_HOOKS_STDERR, &o.err, e);
	if (r < 0)
		hooks_output_done(&o);
	else
		*ret = o;
	return r;
}

void hooks_output_done(struct hooks_output *o)
{
	fd_closep(&o->out);
	fd_closep(&o->err);
	*o = HOOKS_OUTPUT_NONE;
}

static int run_one(const struct oci_hook *h, const char *state, const char *cwd,
		   const struct hooks_output *files, struct err *e)
{
	const char **argv = calloc(h->args.n + 2, sizeof(*argv));
	const char **envp = calloc(h->env.n + 1, sizeof(*envp));
	int timeout = h->has_timeout ? h->timeout * 1000 : LIMIT_HOOK_TIMEOUT_MS;
	struct spawn_options o = { .path = h->path, .cwd = cwd, .dies_with_parent = true };
	struct spawn_fd fds[2];
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
	if (files && files->out >= 0)
		fds[o.fds_len++] = (struct spawn_fd){ files->out, 1 };
	if (files && files->err >= 0)
		fds[o.fds_len++] = (struct spawn_fd){ files->err, 2 };
	o.fds = fds;
	o.argv = (char *const *)argv;
	o.envp = (char *const *)envp;
	r = proc_run(&o, state, OUTPUT_MAX, timeout, &output, &status, e);
	if (r == -ETIMEDOUT)
		err_set(e, r, "hook ran past specified timeout of %d.%ds", timeout / 1000,
			timeout / 100 % 10);
	if (r == 0 && status != 0)
		r = err_set(e, -EIO, "exit status %d, stdout and stderr: %s", status,
			    output ? output : "");
out:
	free(argv);
	free(envp);
	return r;
}

int hooks_run(const struct oci_hook *v, size_t n, const char *kind, const char *state,
	      const char *cwd, const struct hooks_output *o, struct err *e)
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
		r = run_one(&v[i], state, cwd, o, e);
		if (r < 0)
			return err_wrap(e, r, "error running %s hook #%zu", kind, i);
	}
	return 0;
}
