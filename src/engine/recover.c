/*
 * Intents of dead owners, one row of a table per verb. Every action is one that its verb would have done
 * next, and all are idempotent, so that a recovery which is killed is recovered in turn.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/priv.h"

typedef int (*settle_fn)(struct engine *en, const char *id, bool *ret_is_gone, struct err *e);

/* The owner died between the start and its commit; without a start on record the end would not be recorded. */
static int record_lost_start(struct engine *en, const char *id, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	char *pid_file = arena_printf(&a, "%s/init.pid", id);
	struct loaded l;
	struct stat st;
	int r = engine_load(en, id, &a, &l, e);

	if (r < 0 || (l.doc->state->started_ns > 0 && l.doc->state->finished_ns == 0))
		return r;
	l.doc->state->started_ns = pid_file && fstatat(en->tasks_fd, pid_file, &st,
						       AT_SYMLINK_NOFOLLOW) == 0
					   ? st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec
					   : clock_wall_ns();
	l.doc->state->finished_ns = 0;
	l.doc->state->error = NULL;
	r = store_begin(en->store, e);
	if (r < 0)
		return r;
	r = engine_save(en, &l, &a, e);
	if (r == 0)
		r = engine_event(en, "/tasks/start", id, e, NULL);
	if (r == 0)
		r = store_commit(en->store, e);
	if (r < 0)
		store_rollback(en->store);
	return r;
}

/* A start that nobody finished: an init that runs goes on, anything less is taken back. */
static int settle_start(struct engine *en, const char *id, bool *ret_is_gone, struct err *e)
{
	struct task_view v;
	int r = engine_task_view(en, id, &v, e);

	if (r < 0)
		return r;
	if (v.is_running || v.is_paused)
		return record_lost_start(en, id, e);
	r = engine_finish_locked(en, id, e);
	return r < 0 ? r : engine_auto_remove_locked(en, id, ret_is_gone, e);
}

static int settle_delete(struct engine *en, const char *id, bool *ret_is_gone, struct err *e)
{
	int r = engine_delete_locked(en, id, e);

	*ret_is_gone = r == 0;
	return r;
}

static const struct {
	const char *verb;
	settle_fn settle;
} verbs[] = {
	{ "start", settle_start },
	{ "delete", settle_delete },
};

static settle_fn find_verb(const char *verb)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (streq(verbs[i].verb, verb))
			return verbs[i].settle;
	return NULL;
}

/* Asked with the lock held: another recovery may have settled it, and the container been started again since. */
static bool is_still_there(struct engine *en, const struct intent_row *row)
{
	AUTO_ARENA struct arena a = { 0 };
	struct intent_row *rows;
	size_t n = 0;

	if (store_intent_list_dead(en->store, row->ns, row->object, &a, &rows, &n, NULL) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (rows[i].id == row->id)
			return true;
	return false;
}

static bool has_row(struct engine *en, const char *id)
{
	AUTO_ARENA struct arena a = { 0 };
	struct container_row row;

	return store_container_get(en->store, en->ns, id, &a, &row, NULL) != -ENOENT;
}

static int settle_one(struct engine *en, const struct intent_row *row, struct err *e)
{
	settle_fn settle = find_verb(row->verb);
	int r;

	/* Another room's intent (a load): that room settles it. */
	if (!settle || !streq(row->ns, en->ns))
		return 0;
	r = engine_try_lock(en, row->object, e);
	/* Whoever holds the lock is at it. */
	if (r == -EBUSY)
		return 0;
	if (r < 0)
		return r;
	AUTO_HELD held = { .en = en };
	if (!is_still_there(en, row)) {
		held.is_gone = !has_row(en, row->object);
		return 0;
	}
	r = settle(en, row->object, &held.is_gone, e);
	return r < 0 ? r : store_intent_end(en->store, row->id, e);
}

/* With the lock held. */
static int mend_locked(struct engine *en, const char *id, bool *ret_is_gone, struct err *e)
{
	AUTO_FD task_fd = -EBADF;
	AUTO_SHIM shim = NULL;
	struct task_view v;
	int r = engine_task_view(en, id, &v, e);

	if (r < 0 || !v.exists || v.is_served)
		return r;
	if (v.is_running || v.is_paused) {
		task_fd = engine_task_open(en, id, e);
		return task_fd < 0 ? task_fd : shim_adopt(task_fd, &shim, e);
	}
	r = engine_finish_locked(en, id, e);
	return r < 0 ? r : engine_auto_remove_locked(en, id, ret_is_gone, e);
}

void engine_mend(struct engine *en, const char *id)
{
	struct err e = ERR_INIT;
	struct task_view v;
	int r;

	if (engine_task_view(en, id, &v, NULL) < 0 || !v.exists || v.is_served)
		return;
	/* A task that is being made has no shim yet: its maker holds the lock. */
	if (engine_try_lock(en, id, NULL) < 0)
		return;
	AUTO_HELD held = { .en = en };
	r = mend_locked(en, id, &held.is_gone, &e);
	if (r < 0)
		log_debug("container '%s' not mended: %s", id, err_text(&e, r));
}

void engine_mend_all(struct engine *en)
{
	int fd = openat(en->tasks_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (de->d_name[0] != '.')
			engine_mend(en, de->d_name);
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
}

int engine_recover(struct engine *en, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct intent_row *rows;
	struct gc_stats stats;
	size_t n;
	int first = 0, r = store_intent_list_dead(en->store, NULL, NULL, &a, &rows, &n, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		r = settle_one(en, &rows[i], first == 0 ? e : NULL);
		if (r < 0 && first == 0)
			first = r;
	}
	/* Between the commit of a deletion and the rename of its folders they belong to nobody. */
	if (n > 0) {
		struct net net = engine_net(en);

		net_recover(&net);
		(void)store_gc(en->store, &stats, NULL);
	}
	(void)store_empty_trash(en->store, NULL);
	return first;
}
