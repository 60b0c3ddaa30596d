/* What a task folder says without asking its shim, and containers as people see them. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/priv.h"

/* What is shown for an exit that nobody saw: docker's 255. */
#define EXIT_UNKNOWN 255

static const char *const status_names[] = { "created", "running",  "paused",
					    "exited",  "removing", "dead" };

const char *engine_status_name(enum engine_status s)
{
	return status_names[s];
}

int engine_task_open(struct engine *en, const char *id, struct err *e)
{
	int fd = openat(en->tasks_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set_code(e, -ENOENT, ERR_FAILED_PRECONDITION,
				    "container %s is not running", id);
	return fd < 0 ? err_sys(e, -errno, "task folder of container '%s'", id) : fd;
}

/* Whether the shim's note of boot and start time speaks of another process than the one with this pid now. */
static bool is_other_process(int task_fd, uint64_t start)
{
	AUTO_FREE char *note = NULL;
	unsigned long long noted;
	char boot[37], now[37];

	/* Without a note the pid is fresh: the shim writes it right after the runtime has told the pid. */
	if (file_read_at(task_fd, "init.start", 128, &note, NULL) < 0)
		return false;
	return sscanf(note, "%36s %llu", boot, &noted) != 2 || noted != start ||
	       proc_boot_id(now) < 0 || !streq(boot, now);
}

/* The init's pid when it lives, else 0. */
static pid_t live_init(int task_fd)
{
	AUTO_FREE char *text = NULL;
	uint64_t start;
	uint32_t pid;

	if (file_read_at(task_fd, "init.pid", 32, &text, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (str_to_u32(text, &pid) < 0 || pid == 0 || pid > INT32_MAX ||
	    proc_start_time((pid_t)pid, &start) < 0)
		return 0;
	if (is_other_process(task_fd, start) || proc_state((pid_t)pid) == 'Z')
		return 0;
	return (pid_t)pid;
}

/* A created init waits at its exec FIFO; `start` removes that. */
static bool waits_for_start(struct engine *en, const char *id)
{
	AUTO_FREE char *path = str_printf("runtime/%s/%s/exec.fifo", en->ns, id);

	return path && faccessat(en->state_fd, path, F_OK, 0) == 0;
}

int engine_task_view(struct engine *en, const char *id, struct task_view *ret, struct err *e)
{
	AUTO_FD fd = openat(en->tasks_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	*ret = (struct task_view){ 0 };
	if (fd < 0)
		return errno == ENOENT ? 0
				       : err_sys(e, -errno, "task folder of container '%s'", id);
	ret->exists = true;
	ret->is_served = shim_is_served(fd);
	if (shim_read_exit(fd, NULL, &ret->exit) == 0) {
		ret->is_stopped = true;
		return 0;
	}
	ret->pid = live_init(fd);
	if (ret->pid == 0) {
		ret->is_stopped = faccessat(fd, "init.pid", F_OK, 0) == 0;
		ret->exit.status = EXIT_UNKNOWN;
	} else if (waits_for_start(en, id))
		ret->is_created = true;
	else if (faccessat(fd, "paused", F_OK, 0) == 0)
		ret->is_paused = true;
	else
		ret->is_running = true;
	return 0;
}

static enum engine_status status_of(const struct doc *d, const struct task_view *v)
{
	if (d->state->is_dead)
		return ENGINE_DEAD;
	if (v->is_running)
		return ENGINE_RUNNING;
	if (v->is_paused)
		return ENGINE_PAUSED;
	if (v->is_stopped)
		return ENGINE_EXITED;
	return d->state->started_ns || d->state->finished_ns ? ENGINE_EXITED : ENGINE_CREATED;
}

static const char *command_line(const struct doc *d, struct arena *a)
{
	AUTO_STRBUF struct strbuf b = { 0 };

	strbuf_adds(&b, d->entrypoint_path ? d->entrypoint_path : "");
	for (size_t i = 0; i < d->args.n; i++)
		strbuf_addf(&b, " %s", d->args.v[i]);
	return strbuf_ok(&b) == 0 && b.p ? arena_strndup(a, b.p, b.len) : "";
}

static int view_container(struct engine *en, const struct loaded *l, struct arena *a,
			  struct engine_container *ret, struct err *e)
{
	const struct doc *d = l->doc;
	struct task_view v;
	int r = engine_task_view(en, l->row.id, &v, e);

	if (r < 0)
		return r;
	*ret = (struct engine_container){
		.id = l->row.id,
		.name = l->row.name ? l->row.name : "",
		.image = l->row.image ? l->row.image : "",
		.image_id = d->image_id ? d->image_id : "",
		.command = command_line(d, a),
		.labels = l->row.labels,
		.status = status_of(d, &v),
		.pid = v.pid,
		.created_ns = l->row.created_ns,
		.started_ns = d->state->started_ns,
		.finished_ns = v.is_stopped ? v.exit.exited_at_ns : d->state->finished_ns,
		.exit_code = v.is_stopped ? (int64_t)v.exit.status : d->state->exit_code,
		.is_oom = v.is_stopped ? v.exit.is_oom : d->state->is_oom,
		.is_terminal = d->is_terminal,
		.has_stdin = d->has_stdin,
		.is_auto_remove = d->is_auto_remove,
		.stop_signal = d->stop_signal ? d->stop_signal : "SIGTERM",
		.stop_timeout_s = d->stop_timeout_s,
		.log_dir = arena_printf(a, "%s/logs/%s/%s", en->root, en->ns, l->row.id),
		.task_dir = arena_printf(a, "%s/tasks/%s/%s", en->state, en->ns, l->row.id),
	};
	/* It was running when the machine went down: no task folder, no exit record. */
	if (ret->status == ENGINE_EXITED && !v.exists &&
	    d->state->finished_ns < d->state->started_ns)
		ret->exit_code = EXIT_UNKNOWN;
	return ret->log_dir && ret->task_dir ? 0 : err_sys(e, -ENOMEM, "container '%s'", l->row.id);
}

int engine_container_find(struct engine *en, const char *what, struct arena *a,
			  struct engine_container *ret, struct err *e)
{
	struct loaded l;
	int r = engine_load(en, what, a, &l, e);

	if (r < 0)
		return r;
	engine_mend(en, l.row.id);
	/* The mending may have changed the document, or removed a --rm container. */
	r = engine_load(en, l.row.id, a, &l, e);
	return r < 0 ? r : view_container(en, &l, a, ret, e);
}

static int newest_first(const void *a, const void *b)
{
	const struct engine_container *x = a, *y = b;

	return x->created_ns < y->created_ns ? 1 : x->created_ns > y->created_ns ? -1 : 0;
}

int engine_container_list(struct engine *en, bool is_all, struct arena *a,
			  struct engine_container **ret, size_t *ret_n, struct err *e)
{
	struct engine_container *v;
	struct container_row *rows;
	size_t n, kept = 0;
	int r;

	engine_mend_all(en);
	r = store_container_list(en->store, en->ns, a, &rows, &n, e);
	if (r < 0)
		return r;
	v = arena_calloc(a, n + 1, sizeof(*v));
	if (!v)
		return err_sys(e, -ENOMEM, "list containers");
	for (size_t i = 0; i < n; i++) {
		struct loaded l = { .row = rows[i] };

		/* One damaged row must not hide the others. */
		if (doc_of_row(&l.row, a, &l.doc, NULL) < 0 ||
		    view_container(en, &l, a, &v[kept], NULL) < 0)
			continue;
		if (is_all || v[kept].status == ENGINE_RUNNING || v[kept].status == ENGINE_PAUSED)
			kept++;
	}
	qsort(v, kept, sizeof(*v), newest_first);
	*ret = v;
	*ret_n = kept;
	return 0;
}
