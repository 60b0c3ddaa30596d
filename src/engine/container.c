/* Signals, stop, wait and removal. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/priv.h"
#include "sys/signame.h"

#define STOP_TIMEOUT_DEFAULT_S 10
/* After SIGKILL: what is not gone by then hangs in the kernel. */
#define KILL_WAIT_MS 10000

static int not_running(const char *id, struct err *e)
{
	return err_set_code(e, -ESRCH, ERR_FAILED_PRECONDITION, "container %s is not running", id);
}

/* The shim of a running container, a successor of a dead one where needed. */
static int running_shim(struct engine *en, const char *id, struct shim **ret, struct err *e)
{
	AUTO_FD task_fd = openat(en->tasks_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (task_fd < 0)
		return not_running(id, e);
	r = shim_adopt(task_fd, ret, e);
	return r == -ENOENT ? not_running(id, e) : r;
}

int engine_container_kill(struct engine *en, const char *id, int sig, struct err *e)
{
	AUTO_SHIM shim = NULL;
	struct task_view v;
	int r = engine_task_view(en, id, &v, e);

	if (r < 0)
		return r;
	if (!v.is_running && !v.is_paused)
		return not_running(id, e);
	r = running_shim(en, id, &shim, e);
	if (r == 0)
		r = shim_kill(shim, NULL, sig, false, e);
	return r == -ESRCH ? not_running(id, e) : r;
}

static int stop_signal(const struct loaded *l, const char *asked, struct err *e)
{
	const char *name = asked ? asked : l->doc->stop_signal;
	int sig = name ? signame_parse(name) : SIGTERM;

	return sig > 0 ? sig : err_set(e, -EINVAL, "Invalid signal: %s", name);
}

/* What a call gives when another finishes the task and ends its shim meanwhile. */
static bool is_shim_gone(int r)
{
	return r == -ESRCH || r == -ENOENT || r == -ECONNRESET || r == -EPIPE || r == -ECONNREFUSED;
}

static int stop_with_shim(struct shim *shim, int sig, int64_t timeout_s, struct err *e)
{
	struct shim_exit exit;
	int r = shim_kill(shim, NULL, sig, false, e);

	if (r < 0 && r != -ESRCH)
		return r;
	r = shim_wait(shim, NULL, timeout_s > INT32_MAX / 1000 ? -1 : (int)(timeout_s * 1000),
		      &exit, e);
	if (r != -ETIMEDOUT)
		return r;
	r = shim_kill(shim, NULL, SIGKILL, true, e);
	if (r < 0 && r != -ESRCH)
		return r;
	return shim_wait(shim, NULL, KILL_WAIT_MS, &exit, e);
}

int engine_container_stop(struct engine *en, const char *id, const char *signal, int64_t timeout_s,
			  struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_SHIM shim = NULL;
	struct task_view v;
	struct loaded l;
	int r = engine_load(en, id, &a, &l, e), sig;

	if (r == 0)
		r = engine_task_view(en, id, &v, e);
	if (r < 0)
		return r;
	sig = stop_signal(&l, signal, e);
	if (sig < 0)
		return sig;
	if (timeout_s < 0)
		timeout_s = l.doc->stop_timeout_s >= 0 ? l.doc->stop_timeout_s
						       : STOP_TIMEOUT_DEFAULT_S;
	if (v.is_running || v.is_paused) {
		r = running_shim(en, id, &shim, e);
		/* It may have ended between the look and the call. */
		if (r == 0)
			r = stop_with_shim(shim, sig, timeout_s, e);
		shim_close(TAKE_PTR(shim));
		if (r < 0 && (!is_shim_gone(r) || engine_task_view(en, id, &v, NULL) < 0 ||
			      v.is_running || v.is_paused))
			return r;
	}
	return engine_task_finish(en, id, e);
}

int engine_container_wait(struct engine *en, const char *id, int64_t *ret_status, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_SHIM shim = NULL;
	struct engine_container c;
	struct shim_exit exit;
	int r = engine_container_find(en, id, &a, &c, e);

	if (r < 0)
		return r;
	if (c.status == ENGINE_RUNNING || c.status == ENGINE_PAUSED) {
		r = running_shim(en, id, &shim, e);
		if (r == 0)
			r = shim_wait(shim, NULL, -1, &exit, e);
		if (r == 0) {
			*ret_status = exit.status;
			return 0;
		}
		if (!is_shim_gone(r))
			return r;
		/* The shim ended under us because somebody else took the exit: it is recorded by now. */
		r = engine_container_find(en, id, &a, &c, e);
		if (r < 0)
			return r;
	}
	*ret_status = c.exit_code;
	return 0;
}

/* Row, snapshot and log of a container that has no task. */
static int delete_records(struct engine *en, const struct container_row *row, struct err *e)
{
	AUTO_FREE char *log = str_printf("logs/%s/%s", en->ns, row->id);
	int r;

	if (!log)
		return err_sys(e, -ENOMEM, "remove container '%s'", row->id);
	r = store_trash(en->store, log, e);
	if (r == 0)
		r = store_begin(en->store, e);
	if (r < 0)
		return r;
	r = store_container_delete(en->store, en->ns, row->id, e);
	if (r == 0 && row->snapshot_key && *row->snapshot_key) {
		r = store_snapshot_remove(en->store, en->ns, row->snapshot_key, e);
		if (r == -ENOENT)
			r = 0;
	}
	if (r == 0)
		r = engine_event(en, "/containers/delete", row->id, e, NULL);
	if (r == 0)
		r = store_commit(en->store, e);
	if (r < 0)
		store_rollback(en->store);
	return r;
}

int engine_delete_locked(struct engine *en, const char *id, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct container_row row;
	int r = engine_finish_locked(en, id, e);

	if (r < 0)
		return r;
	r = store_container_get(en->store, en->ns, id, &a, &row, NULL);
	if (r < 0 && r != -ENOENT)
		return err_sys(e, r, "remove container '%s'", id);
	if (r == 0)
		r = delete_records(en, &row, e);
	else
		r = 0;
	if (r == 0)
		engine_forget_lock(en);
	return r;
}

/* Writes the intent, deletes, ends the intent. A kill in between leaves the intent. */
static int delete_with_intent(struct engine *en, const char *id, struct err *e)
{
	int64_t intent;
	int r = store_intent_begin(en->store, en->ns, id, "delete", "", &intent, e), end;

	if (r < 0)
		return r;
	r = engine_delete_locked(en, id, e);
	end = store_intent_end(en->store, intent, r == 0 ? e : NULL);
	return r < 0 ? r : end;
}

int engine_auto_remove_locked(struct engine *en, const char *id, bool *ret_is_gone, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct loaded l;
	int r = engine_load(en, id, &a, &l, NULL);

	if (r == -ENOENT) {
		*ret_is_gone = true;
		return 0;
	}
	if (r < 0)
		return err_sys(e, r, "container '%s'", id);
	if (!l.doc->is_auto_remove)
		return 0;
	r = delete_with_intent(en, id, e);
	*ret_is_gone = r == 0;
	return r;
}

static int refuse_alive(struct engine *en, const struct loaded *l, struct err *e)
{
	struct task_view v;
	int r = engine_task_view(en, l->row.id, &v, e);

	if (r < 0 || (!v.is_running && !v.is_paused))
		return r;
	return err_set_code(
		e, -EBUSY, ERR_FAILED_PRECONDITION,
		"cannot remove container \"%s\": container is %s: stop the container before removing or "
		"force remove",
		l->row.name ? l->row.name : l->row.id, v.is_paused ? "paused" : "running");
}

/* Layers of an image that was removed by force while containers used it go with the last of these. */
static void collect_image(struct engine *en, const struct doc *d, struct arena *a)
{
	struct image_record *rec;
	struct gc_stats stats;
	const char *name;

	if (d->image_id &&
	    image_find(en->store, en->ns, d->image_id, a, &rec, &name, NULL) == -ENOENT)
		(void)store_gc(en->store, &stats, NULL);
}

int engine_container_remove(struct engine *en, const char *id, bool force, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct loaded l;
	int r = engine_lock(en, id, e);

	if (r < 0)
		return r;
	AUTO_HELD held = { .en = en };
	r = engine_load(en, id, &a, &l, e);
	/* Another was faster: the lock file is one of ours. */
	held.is_gone = r == -ENOENT;
	if (r == 0 && !force)
		r = refuse_alive(en, &l, e);
	if (r == 0)
		r = delete_with_intent(en, id, e);
	if (r < 0)
		return r;
	held.is_gone = true;
	engine_knock(en);
	collect_image(en, l.doc, &a);
	/* What stays in the trash now goes with the next removal. */
	(void)store_empty_trash(en->store, NULL);
	return 0;
}
