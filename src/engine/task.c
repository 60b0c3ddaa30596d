/* A task's life: folder, shim, start, end. Everything here is idempotent under the container's lock. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/priv.h"

/* An init that was told to die is gone within this, or the kernel cannot end it. */
#define KILL_WAIT_MS 10000
/* A forced delete kills and waits up to some seconds for groups to empty. */
#define RUNTIME_DELETE_MS 30000

static int write_small(int dirfd, const char *name, const char *text, size_t len)
{
	AUTO_FD fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			    0644);

	return fd < 0 ? -errno : fd_write_full(fd, text, len);
}

/* The spec names this link as its network namespace; it is followed once, while the peer runs. */
static int link_peer_netns(struct engine *en, const struct loaded *l, int task_fd, struct err *e)
{
	const char *peer = engine_network_peer(l->doc);
	struct task_view v;
	char target[32];
	int r = peer ? engine_task_view(en, peer, &v, e) : 0;

	if (r < 0 || !peer)
		return r;
	if (!v.is_running && !v.is_paused)
		return err_set_code(e, -ESRCH, ERR_FAILED_PRECONDITION,
				    "cannot join network of a non running container: %s", peer);
	snprintf(target, sizeof(target), "/proc/%d/ns/net", v.pid);
	if (symlinkat(target, task_fd, PEER_NETNS) < 0)
		return err_sys(e, -errno, "network namespace of container '%s'", peer);
	return 0;
}

/* A half-made folder has no init.pid and its maker's intent: it is never taken for a task. Only root looks in. */
static int make_task_folder(struct engine *en, const struct loaded *l, struct err *e)
{
	const char *id = l->row.id;
	AUTO_FD fd = -EBADF;
	int r;

	if (mkdirat(en->tasks_fd, id, 0700) < 0)
		return err_sys(e, -errno, "task folder of container '%s'", id);
	fd = openat(en->tasks_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "task folder of container '%s'", id);
	r = mkdirat(fd, "rootfs", 0711) < 0 ? -errno : 0;
	if (r == 0)
		r = write_small(fd, "config.json", l->row.spec, l->row.spec_len);
	if (r < 0)
		return err_sys(e, r, "task folder of container '%s'", id);
	r = link_peer_netns(en, l, fd, e);
	if (r == 0)
		r = engine_network_files(en, l, fd, e);
	return r < 0 ? r : TAKE_FD(fd);
}

static int remove_task_folder(struct engine *en, const char *id, struct err *e)
{
	AUTO_FD fd = openat(en->tasks_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	/* A shim that was killed could not be shut down. */
	if (fd >= 0 && !shim_is_served(fd))
		shim_forget(fd);
	r = dir_remove_at(en->tasks_fd, id);
	return r < 0 ? err_sys(e, r, "remove the task folder of container '%s'", id) : 0;
}

static int make_runtime_root(struct engine *en, struct arena *a, const char **ret, struct err *e)
{
	char *path = arena_printf(a, "%s/runtime/%s", en->state, en->ns);
	int r = path ? dir_make_all(path, 0711) : -ENOMEM;

	*ret = path;
	return r < 0 ? err_sys(e, r, "runtime folder") : 0;
}

/* `corten --root R --state S -n NS system task-exited ID`: run by the shim when nobody else takes care. */
static int exit_command(struct engine *en, const char *id, struct arena *a, char *const **ret,
			struct err *e)
{
	const char *self, **argv = arena_calloc(a, 11, sizeof(*argv));
	size_t n = 0;
	int r = argv ? engine_program("corten", a, &self, e)
		     : err_sys(e, -ENOMEM, "container '%s'", id);

	if (r < 0)
		return r;
	argv[n++] = self;
	argv[n++] = "--root";
	argv[n++] = en->root;
	argv[n++] = "--state";
	argv[n++] = en->state;
	argv[n++] = "--namespace";
	argv[n++] = en->ns;
	argv[n++] = "system";
	argv[n++] = "task-exited";
	argv[n++] = id;
	*ret = (char *const *)argv;
	return 0;
}

static int snapshot_mount(struct engine *en, const struct loaded *l, struct arena *a,
			  struct shim_mount *ret, struct err *e)
{
	struct snapshot_mounts m;
	const char **options;
	int r = store_snapshot_mounts(en->store, en->ns, l->row.snapshot_key, a, &m, e);

	if (r < 0)
		return err_wrap(e, r, "root of container '%s'", l->row.id);
	options = arena_calloc(a, m.options.n + 1, sizeof(*options));
	if (!options)
		return err_sys(e, -ENOMEM, "root of container '%s'", l->row.id);
	if (m.options.n)
		memcpy(options, m.options.v, m.options.n * sizeof(*options));
	*ret = (struct shim_mount){ .type = m.type,
				    .source = m.source,
				    .options = (char *const *)options };
	return 0;
}

static int fill_shim_options(struct engine *en, const struct loaded *l, struct arena *a,
			     struct shim_mount *mount, struct shim_options *so, struct err *e)
{
	const struct doc *d = l->doc;
	int r = snapshot_mount(en, l, a, mount, e);

	if (r < 0)
		return r;
	*so = (struct shim_options){
		.ns = en->ns,
		.id = l->row.id,
		.stdio_uri = arena_printf(
			a, "corten-log://%s/logs/%s/%s?size=%lld&files=%lld&format=json", en->root,
			en->ns, l->row.id, (long long)d->log_size, (long long)d->log_files),
		.mounts = mount,
		.mounts_len = 1,
		.is_terminal = d->is_terminal,
		.has_stdin = d->has_stdin,
		.is_stdin_once = d->is_stdin_once,
	};
	if (!so->stdio_uri)
		return err_sys(e, -ENOMEM, "container '%s'", l->row.id);
	r = exit_command(en, l->row.id, a, &so->exit_command, e);
	if (r == 0)
		r = engine_program("corten-runtime", a, &so->runtime, e);
	return r < 0 ? r : make_runtime_root(en, a, &so->runtime_root, e);
}

static int create_with_shim(struct engine *en, const struct loaded *l, struct arena *a, int task_fd,
			    struct err *e)
{
	struct shim_mount mount;
	struct shim_options so;
	AUTO_SHIM shim = NULL;
	pid_t pid = 0;
	int r = fill_shim_options(en, l, a, &mount, &so, e);

	if (r == 0)
		r = shim_start(task_fd, &so, &shim, e);
	if (r == 0)
		r = shim_create(shim, &pid, e);
	return r < 0 ? r : engine_network_attach(en, l, task_fd, pid, e);
}

static int refuse_running(struct engine *en, const char *id, struct err *e)
{
	struct task_view v;
	int r = engine_task_view(en, id, &v, e);

	if (r < 0 || !v.exists)
		return r;
	if (v.is_running || v.is_paused || v.is_created)
		return err_set_code(e, -EALREADY, ERR_FAILED_PRECONDITION,
				    "container %s is already running", id);
	/* The rest of an earlier run, whose exit nobody has taken care of yet. */
	return engine_finish_locked(en, id, e);
}

/* Ends the intent of this handle's last create; it covers everything until the start is committed. */
static int end_start_intent(struct engine *en, struct err *e)
{
	int r;

	if (en->start_intent == 0)
		return 0;
	r = store_intent_end(en->store, en->start_intent, e);
	if (r == 0)
		en->start_intent = 0;
	return r;
}

/* Takes back what a create that failed has left; the words of the failure stay. */
static void undo_create(struct engine *en, const char *id)
{
	if (engine_finish_locked(en, id, NULL) == 0)
		end_start_intent(en, NULL);
}

int engine_task_create(struct engine *en, const char *id, int *ret_task_fd, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD task_fd = -EBADF;
	struct loaded l;
	int r = engine_lock(en, id, e);

	if (r < 0)
		return r;
	AUTO_HELD held = { .en = en };
	r = refuse_running(en, id, e);
	if (r == 0)
		r = engine_load(en, id, &a, &l, e);
	held.is_gone = r == -ENOENT;
	if (r == 0)
		r = store_intent_begin(en->store, en->ns, id, "start", "", &en->start_intent, e);
	if (r < 0)
		return r;
	r = task_fd = make_task_folder(en, &l, e);
	if (r >= 0)
		r = create_with_shim(en, &l, &a, task_fd, e);
	if (r < 0) {
		undo_create(en, id);
		return r;
	}
	*ret_task_fd = TAKE_FD(task_fd);
	return 0;
}

int engine_task_start(struct engine *en, const char *id, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD task_fd = -EBADF;
	AUTO_SHIM shim = NULL;
	struct loaded l;
	int64_t intent = en->start_intent;
	char pid_text[16];
	pid_t pid;
	int r = engine_lock(en, id, e);

	if (r < 0)
		return r;
	AUTO_HELD held = { .en = en };
	r = engine_load(en, id, &a, &l, e);
	held.is_gone = r == -ENOENT;
	if (r == 0)
		r = task_fd = engine_task_open(en, id, e);
	if (r >= 0)
		r = shim_connect(task_fd, &shim, e);
	if (r < 0)
		return r;
	l.doc->state->started_ns = clock_wall_ns();
	l.doc->state->finished_ns = 0;
	l.doc->state->error = NULL;
	r = shim_start_process(shim, NULL, &pid, e);
	if (r < 0)
		return r;
	snprintf(pid_text, sizeof(pid_text), "%d", pid);
	r = store_begin(en->store, e);
	if (r == 0)
		r = engine_save(en, &l, &a, e);
	if (r == 0)
		r = engine_event(en, "/tasks/start", id, e, "pid", pid_text, NULL);
	if (r == 0)
		r = end_start_intent(en, e);
	if (r == 0)
		r = store_commit(en->store, e);
	if (r < 0) {
		store_rollback(en->store);
		/* What is told as an error must not run on, without a record of its start at that. */
		en->start_intent = intent;
		undo_create(en, id);
	}
	engine_knock(en);
	return r;
}

/*
 * What a runtime that was killed in the middle may have left of a container whose shim knows nothing of it: an init
 * that waits, groups, its state folder. Nothing to do, without starting a program, when there is no such folder.
 */
static int delete_runtime_state(struct engine *en, const char *id, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FREE char *output = NULL;
	char *root = arena_printf(&a, "%s/runtime/%s", en->state, en->ns);
	char *state = arena_printf(&a, "%s/runtime/%s/%s", en->state, en->ns, id);
	const char *program;
	int status, r;

	if (!root || !state)
		return err_sys(e, -ENOMEM, "container '%s'", id);
	if (access(state, F_OK) < 0)
		return 0;
	r = engine_program("corten-runtime", &a, &program, e);
	if (r < 0)
		return r;
	char *const argv[] = { (char *)"corten-runtime", (char *)"--root", root, (char *)"delete",
			       (char *)"--force",	 (char *)id,	   NULL };

	r = proc_run(&(struct spawn_options){ .path = program, .argv = argv }, NULL, ERR_MSG_MAX,
		     RUNTIME_DELETE_MS, &output, &status, e);
	if (r < 0)
		return r;
	output[strcspn(output, "\n")] = '\0';
	return status ? err_set(e, -EIO, "runtime delete of container '%s': %s", id, output) : 0;
}

static int kill_and_wait(struct shim *shim, struct shim_exit *exit, struct err *e)
{
	int r = shim_kill(shim, NULL, SIGKILL, true, e);

	return r < 0 && r != -ESRCH ? r : shim_wait(shim, NULL, KILL_WAIT_MS, exit, e);
}

/* Ends what runs, if anything does, and takes the exit record. The shim is gone afterwards. */
static int end_with_shim(int task_fd, struct shim_exit *exit, struct err *e)
{
	AUTO_SHIM shim = NULL;
	struct shim_state state;
	int r = shim_adopt(task_fd, &shim, e);

	if (r == -ENOENT)
		return shim_read_exit(task_fd, NULL, exit) == 0 ? 0 : -ENOENT;
	if (r < 0)
		return r;
	r = shim_get_state(shim, NULL, &state, e);
	/* Deleted by somebody who did not come to end the shim: that is all that is left to do. */
	if (r == -ENOENT) {
		(void)shim_read_exit(task_fd, NULL, exit);
		return shim_shutdown(shim, e);
	}
	if (r < 0)
		return r;
	if (state.status == SHIM_CREATED || state.status == SHIM_RUNNING ||
	    state.status == SHIM_PAUSED)
		r = kill_and_wait(shim, exit, e);
	/* A shim whose container was never created has nothing to delete; it only has to end. */
	if (r == 0 && state.status != SHIM_UNKNOWN)
		r = shim_delete(shim, NULL, exit, e);
	/* The protocol's answer says nothing of an OOM kill; the journal does. */
	if (r == 0)
		(void)shim_read_exit(task_fd, NULL, exit);
	return r < 0 ? r : shim_shutdown(shim, e);
}

static int record_exit(struct engine *en, struct loaded *l, const struct shim_exit *exit,
		       struct arena *a, struct err *e)
{
	char status[16];
	int r = store_begin(en->store, e);

	if (r < 0)
		return r;
	l->doc->state->finished_ns = exit->exited_at_ns ? exit->exited_at_ns : clock_wall_ns();
	l->doc->state->exit_code = exit->status;
	l->doc->state->is_oom = exit->is_oom;
	snprintf(status, sizeof(status), "%u", exit->status);
	r = engine_save(en, l, a, e);
	if (r == 0)
		r = engine_event(en, "/tasks/exit", l->row.id, e, "exit_status", status, NULL);
	if (r == 0)
		r = engine_event(en, "/tasks/delete", l->row.id, e, "exit_status", status, NULL);
	if (r == 0)
		r = store_commit(en->store, e);
	if (r < 0)
		store_rollback(en->store);
	return r;
}

/* Whether the init ever ran: a task that failed in create leaves no exit to record. */
static bool was_started(const struct doc *d)
{
	return d->state->started_ns > 0 && d->state->finished_ns == 0;
}

int engine_finish_locked(struct engine *en, const char *id, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD task_fd = openat(en->tasks_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct shim_exit exit = { .status = 255 };
	struct loaded l;
	bool has_row;
	int r;

	if (task_fd < 0)
		return errno == ENOENT ? 0
				       : err_sys(e, -errno, "task folder of container '%s'", id);
	r = end_with_shim(task_fd, &exit, e);
	if (r < 0 && r != -ENOENT)
		return err_wrap(e, r, "end container '%s'", id);
	r = delete_runtime_state(en, id, e);
	if (r == 0)
		r = engine_network_detach(en, task_fd, e);
	if (r < 0)
		return r;
	r = engine_load(en, id, &a, &l, e);
	if (r < 0 && r != -ENOENT)
		return r;
	has_row = r == 0;
	if (has_row && was_started(l.doc)) {
		r = record_exit(en, &l, &exit, &a, e);
		if (r < 0)
			return r;
	}
	return remove_task_folder(en, id, e);
}

int engine_task_finish(struct engine *en, const char *id, struct err *e)
{
	struct task_view v;
	int r = engine_lock(en, id, e);

	if (r < 0)
		return r;
	AUTO_HELD held = { .en = en };
	r = engine_task_view(en, id, &v, e);
	/*
	 * Somebody started it again meanwhile, or is about to (an exit command can be that late): that run is not
	 * ours to end. The recovery ends what waits for a start whose owner is dead.
	 */
	if (r < 0 || v.is_running || v.is_paused || (v.is_created && en->start_intent == 0))
		return r;
	r = engine_finish_locked(en, id, e);
	if (r == 0)
		r = end_start_intent(en, e);
	if (r == 0)
		r = engine_auto_remove_locked(en, id, &held.is_gone, e);
	engine_knock(en);
	if (held.is_gone)
		(void)store_empty_trash(en->store, NULL);
	return r;
}

int engine_container_start(struct engine *en, const char *id, struct err *e)
{
	AUTO_FD task_fd = -EBADF;
	int r = engine_task_create(en, id, &task_fd, e);

	if (r == 0)
		r = engine_task_start(en, id, e);
	/* A create that failed has cleaned up already; --rm still has to be applied. */
	if (r < 0 && r != -EALREADY)
		engine_task_finish(en, id, NULL);
	return r;
}
