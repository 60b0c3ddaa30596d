/* Additional processes in a running container. */
#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"
#include "engine/caps.h"
#include "engine/priv.h"
#include "engine/user.h"

/* K=V replaces the K that is there. */
static int set_env(struct json_strs *env, const char *kv, struct arena *a)
{
	size_t key = strcspn(kv, "=");

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], kv, key) == 0 && env->v[i][key] == '=') {
			env->v[i] = kv;
			return 0;
		}
	}
	const char **v = arena_calloc(a, env->n + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	if (env->n)
		memcpy(v, env->v, env->n * sizeof(*v));
	v[env->n] = kv;
	*env = (struct json_strs){ v, env->n + 1 };
	return 0;
}

int env_apply(struct json_strs *env, char *const *assignments, struct arena *a, struct err *e)
{
	for (size_t i = 0; assignments && assignments[i]; i++) {
		const char *kv = assignments[i];
		int r;

		if (kv[0] == '=' || kv[0] == '\0')
			return err_set(e, -EINVAL, "invalid environment variable: %s", kv);
		if (!strchr(kv, '=')) {
			const char *value = getenv(kv);

			/* As docker: a bare name takes the caller's value, and is nothing without one. */
			if (!value)
				continue;
			kv = arena_printf(a, "%s=%s", kv, value);
		}
		r = kv ? set_env(env, kv, a) : -ENOMEM;
		if (r < 0)
			return err_sys(e, r, "environment");
	}
	return 0;
}

static int apply_user(struct engine *en, const char *id, const char *user, struct oci_process *p,
		      struct arena *a, struct err *e)
{
	AUTO_FREE char *root = NULL;
	struct task_view v;
	AUTO_FD fd = -EBADF;
	int r = engine_task_view(en, id, &v, e);

	if (r < 0)
		return r;
	root = str_printf("/proc/%d/root", v.pid);
	fd = root ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd < 0)
		return err_sys(e, -errno, "root of container '%s'", id);
	return user_resolve(user, &fd, 1, a, &p->user, e);
}

/* The container's own process is the model; what was asked for goes on top. */
static int build_process(struct engine *en, const struct loaded *l,
			 const struct engine_exec_options *o, struct arena *a,
			 struct oci_process **ret, struct err *e)
{
	struct oci_process *p;
	struct oci_spec *spec;
	int r = oci_spec_read(l->row.spec, l->row.spec_len, a, &spec, e);

	if (r < 0)
		return err_wrap(e, r, "spec of container '%s'", l->row.id);
	p = spec->process;
	if (!p || !p->user)
		return err_set(e, -EINVAL, "spec of container '%s' has no process", l->row.id);
	p->args = (struct json_strs){ (const char **)o->command, strv_len(o->command) };
	p->terminal = o->is_terminal;
	/* Not by a message to the shim: the runtime starts the process before the shim has its terminal. */
	p->console_size = NULL;
	if (o->is_terminal && (o->rows || o->columns)) {
		p->console_size = arena_alloc(a, sizeof(*p->console_size));
		if (!p->console_size)
			return err_sys(e, -ENOMEM, "exec in container '%s'", l->row.id);
		*p->console_size = (struct oci_console_size){ o->rows, o->columns };
	}
	if (o->workdir)
		p->cwd = o->workdir;
	if (o->is_terminal)
		r = env_apply(&p->env, (char *const[]){ (char *)"TERM=xterm", NULL }, a, e);
	if (r == 0)
		r = env_apply(&p->env, o->env, a, e);
	if (r == 0 && o->user)
		r = apply_user(en, l->row.id, o->user, p, a, e);
	if (r == 0 && o->is_privileged && p->capabilities) {
		struct json_strs all, none = { 0 };

		r = caps_choose(true, &none, &none, a, &all, e);
		p->capabilities->bounding = p->capabilities->effective =
			p->capabilities->permitted = all;
	}
	*ret = p;
	return r;
}

int engine_exec_create(struct engine *en, const char *id, const struct engine_exec_options *o,
		       struct arena *a, const char **ret_exec_id, int *ret_task_fd, struct err *e)
{
	AUTO_STRBUF struct strbuf json = { 0 };
	AUTO_FD task_fd = -EBADF;
	AUTO_SHIM shim = NULL;
	struct oci_process *p = NULL;
	struct task_view v;
	struct loaded l;
	char hex[65];
	int r = engine_load(en, id, a, &l, e);

	if (r == 0)
		r = engine_task_view(en, l.row.id, &v, e);
	if (r < 0)
		return r;
	if (v.is_paused)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				    "Container %s is paused, unpause the container before exec",
				    id);
	if (!v.is_running)
		return err_set_code(e, -ESRCH, ERR_FAILED_PRECONDITION,
				    "container %s is not running", l.row.id);
	r = build_process(en, &l, o, a, &p, e);
	if (r < 0)
		return r;
	json_write(&oci_process_table, p, 0, &json);
	rand_hex(hex, 64);
	*ret_exec_id = arena_strdup(a, hex);
	if (strbuf_ok(&json) < 0 || !*ret_exec_id)
		return err_sys(e, -ENOMEM, "exec in container '%s'", id);
	task_fd = engine_task_open(en, l.row.id, e);
	if (task_fd < 0)
		return task_fd;
	r = shim_adopt(task_fd, &shim, e);
	if (r == 0)
		r = shim_exec(shim,
			      &(struct shim_exec_options){
				      .exec_id = hex,
				      .process_json = json.p,
				      .is_terminal = o->is_terminal,
				      .has_stdin = o->has_stdin,
			      },
			      e);
	if (r < 0)
		return r;
	*ret_task_fd = TAKE_FD(task_fd);
	return 0;
}

int engine_exec_start(struct engine *en, int task_fd, const char *exec_id, struct err *e)
{
	AUTO_SHIM shim = NULL;
	pid_t pid;
	int r = shim_connect(task_fd, &shim, e);

	(void)en;
	return r < 0 ? r : shim_start_process(shim, exec_id, &pid, e);
}

int engine_exec_delete(struct engine *en, int task_fd, const char *exec_id, struct err *e)
{
	AUTO_SHIM shim = NULL;
	struct shim_exit exit;
	int r = shim_connect(task_fd, &shim, e);

	(void)en;
	return r < 0 ? r : shim_delete(shim, exec_id, &exit, e);
}
