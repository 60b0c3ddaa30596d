/* Containers as images and archives: commit, diff, export. */
#include <fcntl.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/priv.h"
#include "image/forms/forms.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* With the container's lock: nobody removes it meanwhile. */
static int find_locked(struct engine *en, const char *what, struct arena *a, struct loaded *ret,
		       struct engine_held *held, struct err *e)
{
	int r = engine_load(en, what, a, ret, e);

	if (r == 0)
		r = engine_lock(en, ret->row.id, e);
	if (r < 0)
		return r;
	held->en = en;
	r = engine_load(en, ret->row.id, a, ret, e);
	held->is_gone = r == -ENOENT;
	if (r == 0 && (!ret->row.snapshot_key || !*ret->row.snapshot_key))
		r = err_set(e, -EINVAL, "container %s has no snapshot", ret->row.id);
	return r;
}

static void release(struct engine_held *held)
{
	if (held->en)
		engine_held_release(held);
}
#define AUTO_MAYBE_HELD CLEANUP(release) struct engine_held

int engine_container_diff(struct engine *en, const char *what,
			  int (*changed)(void *data, char kind, const char *path), void *data,
			  struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_MAYBE_HELD held = { 0 };
	struct loaded l;
	int r = find_locked(en, what, &a, &l, &held, e);

	return r < 0 ? r : image_diff(en->store, en->ns, l.row.snapshot_key, changed, data, e);
}

int engine_container_export(struct engine *en, const char *what, int fd, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_MAYBE_HELD held = { 0 };
	struct loaded l;
	int r = find_locked(en, what, &a, &l, &held, e);

	return r < 0 ? r : image_export(en->store, en->ns, l.row.snapshot_key, fd, e);
}

/* ---- commit ---- */

static bool has_env(const struct json_strs *env, const char *assignment)
{
	size_t n = strcspn(assignment, "=");

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], assignment, n) == 0 && env->v[i][n] == '=')
			return true;
	return false;
}

/* What was put in when the container was made, and is made anew for the next one. */
static bool is_own_env(const struct doc *d, const struct image_record *base, const char *text)
{
	const char *host = str_skip(text, "HOSTNAME=");

	if (has_env(&base->env, text))
		return false;
	return streq(text, DEFAULT_PATH) || (host && d->hostname && streq(host, d->hostname)) ||
	       (d->is_terminal && streq(text, "TERM=xterm"));
}

static int fill_settings(const struct loaded *l, const struct image_record *base, struct arena *a,
			 struct oci_image_settings *ret, struct err *e)
{
	const struct doc *d = l->doc;
	const char **env = arena_calloc(a, d->env.n + 1, sizeof(*env));

	*ret = (struct oci_image_settings){
		.user = d->user,
		.working_dir = d->workdir,
		.stop_signal = d->stop_signal,
		.entrypoint = d->entrypoint,
		.cmd = d->cmd,
		.labels = l->row.labels,
	};
	if (!env)
		return err_sys(e, -ENOMEM, "environment");
	ret->env.v = env;
	for (size_t i = 0; i < d->env.n; i++)
		if (!is_own_env(d, base, d->env.v[i]))
			env[ret->env.n++] = d->env.v[i];
	return 0;
}

/* The command as the history shows it. */
static const char *command_line(const struct doc *d, struct arena *a)
{
	AUTO_STRBUF struct strbuf out = { 0 };

	strbuf_adds(&out, d->entrypoint_path ? d->entrypoint_path : "");
	for (size_t i = 0; i < d->args.n; i++)
		strbuf_addf(&out, " %s", d->args.v[i]);
	return strbuf_ok(&out) < 0 ? NULL : arena_strdup(a, out.p);
}

/* 1: it runs and stands still now. */
static int pause_running(struct engine *en, const char *id, struct shim **ret, struct err *e)
{
	AUTO_FD task_fd = -EBADF;
	AUTO_SHIM shim = NULL;
	struct task_view v;
	int r = engine_task_view(en, id, &v, e);

	if (r < 0 || !v.is_running || v.is_paused)
		return MIN(r, 0);
	task_fd = engine_task_open(en, id, e);
	if (task_fd < 0)
		return task_fd;
	r = shim_adopt(task_fd, &shim, e);
	if (r == 0)
		r = shim_pause(shim, e);
	if (r < 0)
		return err_wrap(e, r, "pause the container (--no-pause does without)");
	*ret = TAKE_PTR(shim);
	return 1;
}

static int commit(struct engine *en, const struct loaded *l, const struct engine_commit_options *o,
		  struct arena *a, const char **ret_id, struct err *e)
{
	struct oci_image_settings settings;
	struct image_record *base;
	const char *name;
	struct image_new_options n = { .name = o->name,
				       .author = o->author,
				       .message = o->message,
				       .created_by = command_line(l->doc, a),
				       .changes = o->changes,
				       .compression = o->compression,
				       .settings = &settings };
	int r;

	if (!n.created_by)
		return err_sys(e, -ENOMEM, "commit");
	if (!l->doc->image_id)
		return err_set(e, -EINVAL, "container %s was not made from an image of ours",
			       l->row.id);
	r = image_find(en->store, en->ns, l->doc->image_id, a, &base, &name, e);
	if (r == -ENOENT)
		return err_set(
			e, r,
			"the image of container %s is gone, and with it the layers that a new one "
			"would name",
			l->row.id);
	if (r == 0)
		r = fill_settings(l, base, a, &settings, e);
	return r < 0 ? r
		     : image_commit(en->store, en->ns, base, l->row.snapshot_key, &n, a, ret_id, e);
}

int engine_container_commit(struct engine *en, const char *what,
			    const struct engine_commit_options *o, struct arena *a,
			    const char **ret_id, struct err *e)
{
	AUTO_MAYBE_HELD held = { 0 };
	AUTO_SHIM shim = NULL;
	struct err why = ERR_INIT;
	struct loaded l;
	int r = find_locked(en, what, a, &l, &held, e), q;

	if (r == 0 && !o->no_pause)
		r = pause_running(en, l.row.id, &shim, e);
	if (r < 0)
		return r;
	r = commit(en, &l, o, a, ret_id, e);
	q = shim ? shim_resume(shim, &why) : 0;
	if (r == 0 && q < 0) {
		if (e)
			*e = why;
		return err_wrap(e, q, "go on with the container");
	}
	return r;
}
