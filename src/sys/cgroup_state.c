#include "sys/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "sys/cgroup_priv.h"

/* v1's freezer has no event: it is asked again after these pauses. */
#define FREEZE_PAUSE_NS 20000
#define FREEZE_PAUSE_MAX_NS (5 * NSEC_PER_MSEC)
/* A v1 freeze that meets a task in vfork or ptrace can hang half-way; thawing in between frees it. */
#define FREEZE_TRIES_PER_THAW 16
/* Processes of one container: far above any pids limit in use. */
#define PIDS_MAX (1u << 20)
/* Passes over a group without a freezer whose members fork while they are signalled. */
#define KILL_PASSES_MAX 1000

static void pause_ns(int64_t *ns, int64_t max)
{
	nanosleep(&(struct timespec){ .tv_nsec = *ns }, NULL);
	*ns = MIN(*ns * 2, max);
}

/* The place of v1's freezer, or -1. Not cg_place_of: that prefers the unified one. */
static int v1_freezer(const struct cgroup *g)
{
	for (int i = 0; i < (int)g->host->n; i++)
		if (g->place[i].fd >= 0 && !cg_is_v2(g, i) &&
		    g->host->h[i].controllers & 1u << CG_FREEZER)
			return i;
	return -1;
}

/* 1 frozen, 0 thawed. */
static int v2_frozen(int fd)
{
	char text[256];
	uint64_t frozen;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	int r;

	if (n < 0)
		return -errno;
	text[n] = '\0';
	r = cg_find_u64(text, "frozen", &frozen);
	return r < 0 ? r : frozen != 0;
}

/* Waits until cgroup.events says `want`: the kernel wakes poll at every change. */
static int v2_wait(int events, int want, int64_t end_ms)
{
	for (;;) {
		struct pollfd p = { .fd = events, .events = POLLPRI };
		int64_t left;
		int r = v2_frozen(events);

		if (r < 0)
			return r;
		if (r == want)
			return 0;
		left = end_ms - clock_mono_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
	}
}

static int v2_set(const struct cgroup *g, int i, bool is_frozen, int64_t end_ms)
{
	AUTO_FD events = openat(g->place[i].fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	int r;

	if (events < 0)
		return -errno;
	r = cg_write_at(g->place[i].fd, "cgroup.freeze", is_frozen ? "1" : "0");
	/* Thawing needs no waiting unless a parent is frozen, and that is not ours to wait for. */
	if (r < 0 || !is_frozen)
		return r;
	r = v2_wait(events, 1, end_ms);
	if (r < 0)
		(void)cg_write_at(g->place[i].fd, "cgroup.freeze", "0");
	return r;
}

static int v1_is(const struct cgroup *g, int i, const char *want)
{
	char text[32];
	ssize_t n = cg_read(g, i, "freezer.state", text, sizeof(text));

	if (n < 0)
		return (int)n;
	text[strcspn(text, "\n")] = '\0';
	return streq(text, want);
}

static int v1_set(const struct cgroup *g, int i, bool is_frozen, int64_t end_ms)
{
	const char *want = is_frozen ? "FROZEN" : "THAWED";
	int64_t pause = FREEZE_PAUSE_NS;

	for (int tries = 1;; tries++) {
		int r = cg_write_at(g->place[i].fd, "freezer.state", want);

		if (r == 0)
			r = v1_is(g, i, want);
		if (r != 0)
			return r < 0 ? r : 0;
		if (clock_mono_ms() >= end_ms) {
			(void)cg_write_at(g->place[i].fd, "freezer.state", "THAWED");
			return -ETIMEDOUT;
		}
		if (is_frozen && tries % FREEZE_TRIES_PER_THAW == 0)
			(void)cg_write_at(g->place[i].fd, "freezer.state", "THAWED");
		pause_ns(&pause, FREEZE_PAUSE_MAX_NS);
	}
}

int cg_freeze(const struct cgroup *g, int timeout_ms, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + timeout_ms;
	int i = cg_place_of(g, CG_FREEZER), r = -ENOTSUP;

	/* A unified hierarchy before 5.2 has no freezer: then v1's. */
	if (i >= 0 && cg_is_v2(g, i)) {
		r = v2_set(g, i, true, end_ms);
		if (r == -ENOENT && v1_freezer(g) >= 0)
			i = -1;
	}
	if (i < 0 || !cg_is_v2(g, i)) {
		i = v1_freezer(g);
		if (i < 0)
			return err_set(e, -ENOTSUP, "cgroup controller 'freezer' is not available");
		r = v1_set(g, i, true, end_ms);
	}
	if (r == -ETIMEDOUT)
		return err_set(e, r, "freezing '%s' did not end within %d ms", g->place[i].path,
			       timeout_ms);
	return r < 0 ? err_sys(e, r, "freeze '%s'", g->place[i].path) : 0;
}

int cg_thaw(const struct cgroup *g, int timeout_ms, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + timeout_ms;
	int first = cg_place_of(g, CG_FREEZER), second = v1_freezer(g), r = 0;

	if (first < 0 && second < 0)
		return err_set(e, -ENOTSUP, "cgroup controller 'freezer' is not available");
	/* Both freezers: whoever froze it, it shall run afterwards. */
	if (first >= 0 && cg_is_v2(g, first)) {
		r = v2_set(g, first, false, end_ms);
		if (r < 0 && !(r == -ENOENT && second >= 0))
			return err_sys(e, r, "thaw '%s'", g->place[first].path);
	}
	if (second >= 0) {
		r = v1_set(g, second, false, end_ms);
		if (r < 0)
			return err_sys(e, r, "thaw '%s'", g->place[second].path);
	}
	return 0;
}

int cg_is_frozen(const struct cgroup *g)
{
	int i = cg_place_of(g, CG_FREEZER), v1 = v1_freezer(g), r = 0;

	if (i >= 0 && cg_is_v2(g, i)) {
		AUTO_FD fd = openat(g->place[i].fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
		uint64_t asked = 0;

		r = fd >= 0 ? v2_frozen(fd) : -errno;
		/* Frozen is only said when all are; "being frozen" stands in our own file. */
		if (r == 0 && cg_read_u64(g, i, "cgroup.freeze", &asked) == 0 && asked == 1)
			r = 1;
		if (r < 0 && r != -ENOENT)
			return r;
	}
	if (r <= 0 && v1 >= 0) {
		r = v1_is(g, v1, "THAWED");
		return r < 0 ? r : !r;
	}
	return MAX(r, 0);
}

struct pid_list {
	pid_t *v;
	size_t n, cap;
};

static int read_pids(int dirfd, struct pid_list *l)
{
	AUTO_FREE char *text = NULL;
	int r = file_read_at(dirfd, "cgroup.procs", (size_t)16 << 20, &text, NULL);

	if (r < 0) /* gone, or v2's threaded group, whose processes are its parent's */
		return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
	for (char *p = text, *end; *p; p = end) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			return -EIO;
		end += *end == '\n';
		if (pid <= 0) /* of another pid namespace */
			continue;
		if (l->n == PIDS_MAX)
			return -E2BIG;
		r = mem_grow(&l->v, &l->cap, l->n + 1, sizeof(*l->v));
		if (r < 0)
			return r;
		l->v[l->n++] = (pid_t)pid;
	}
	return 0;
}

static int add_pids(int parent, const char *name, void *arg)
{
	AUTO_FD fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? 0 : read_pids(fd, arg);
}

/* Whose list is whole: the unified one when it is alone, else a v1 controller that processes cannot leave. */
static int pids_place(const struct cgroup *g)
{
	static const enum cg_controller order[] = { CG_DEVICES, CG_PIDS, CG_MEMORY, CG_CPU };

	for (size_t k = 0; k < ARRAY_LEN(order); k++) {
		int i = cg_place_of(g, order[k]);

		if (i >= 0 && (g->host->mode == CG_MODE_V2 || !cg_is_v2(g, i)))
			return i;
	}
	for (int i = 0; i < (int)g->host->n; i++)
		if (g->place[i].fd >= 0)
			return i;
	return -1;
}

int cg_pids(const struct cgroup *g, pid_t **ret, size_t *ret_n, struct err *e)
{
	struct pid_list l = { NULL, 0, 0 };
	int i = pids_place(g), r;

	if (i < 0) {
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	r = read_pids(g->place[i].fd, &l);
	if (r == 0)
		r = cg_walk(g->place[i].fd, add_pids, &l);
	if (r < 0) {
		free(l.v);
		return err_sys(e, r, "list the processes of '%s'", g->place[i].path);
	}
	*ret = l.v;
	*ret_n = l.n;
	return 0;
}

/* Signals each once; our own process is left out. `*ret_n`: how many there were. */
static int signal_all(const struct cgroup *g, int sig, size_t *ret_n, struct err *e)
{
	AUTO_FREE pid_t *v = NULL;
	pid_t self = getpid();
	size_t n = 0;
	int r = cg_pids(g, &v, &n, e);

	*ret_n = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (v[i] == self)
			continue;
		(*ret_n)++;
		if (kill(v[i], sig) < 0 && errno != ESRCH)
			r = err_sys(e, -errno, "signal process %d", (int)v[i]);
	}
	return r;
}

/* SIGKILL without cgroup.kill. */
static int kill_by_list(const struct cgroup *g, int timeout_ms, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + timeout_ms, pause = FREEZE_PAUSE_NS;
	size_t n = 0;
	int r;

	/* Frozen, nobody forks between the list and the signal. One that does not freeze in time is
	 * caught by the passes below. */
	(void)cg_freeze(g, timeout_ms / 2, NULL);
	for (int pass = 0; pass < KILL_PASSES_MAX; pass++) {
		r = signal_all(g, SIGKILL, &n, e);
		if (pass == 0)
			(void)cg_thaw(g, timeout_ms / 2, NULL);
		if (r < 0 || n == 0)
			return r;
		if (clock_mono_ms() >= end_ms)
			break;
		pause_ns(&pause, FREEZE_PAUSE_MAX_NS);
	}
	return err_set(e, -ETIMEDOUT, "%zu processes of the container still live after SIGKILL", n);
}

int cg_kill(const struct cgroup *g, int sig, int timeout_ms, struct err *e)
{
	int v1 = v1_freezer(g), r = -ENOENT;
	size_t n;

	if (sig != SIGKILL)
		return signal_all(g, sig, &n, e);
	if (cg_clone_fd(g) >= 0)
		r = cg_write_at(cg_clone_fd(g), "cgroup.kill", "1");
	if (r == -ENOENT || r == -EOPNOTSUPP) /* before 5.14, or a threaded group */
		return kill_by_list(g, timeout_ms, e);
	if (r < 0)
		return err_sys(e, r, "write '1' to '%s/cgroup.kill'",
			       g->place[g->host->unified].path);
	if (v1 < 0)
		return 0;
	/* Hybrid: somebody may have been moved out of the unified group alone, and v1's freezer, unlike
	 * v2's, keeps even the killed. */
	r = signal_all(g, SIGKILL, &n, e);
	(void)cg_write_at(g->place[v1].fd, "freezer.state", "THAWED");
	return r;
}

/* oom_kill of memory.events (v2) or memory.oom_control (v1). */
static int read_kills(int fd, uint64_t *ret)
{
	char text[512];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return cg_find_u64(text, "oom_kill", ret);
}

static int oom_v1(const struct cgroup *g, int i, struct cg_oom *o)
{
	char text[64];
	int r;

	o->control_fd = openat(g->place[i].fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (o->control_fd < 0)
		return -errno;
	o->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->fd < 0)
		return -errno;
	o->events = POLLIN;
	snprintf(text, sizeof(text), "%d %d", o->fd, o->control_fd);
	r = cg_write_at(g->place[i].fd, "cgroup.event_control", text);
	if (r < 0)
		return r;
	if (read_kills(o->control_fd, &o->count) < 0)
		o->count = 0; /* before 4.13: the eventfd alone counts */
	return 0;
}

static int oom_v2(const struct cgroup *g, int i, struct cg_oom *o)
{
	o->fd = openat(g->place[i].fd, "memory.events", O_RDONLY | O_CLOEXEC);
	if (o->fd < 0)
		return -errno;
	o->events = POLLPRI;
	return read_kills(o->fd, &o->count);
}

int cg_oom_open(const struct cgroup *g, struct cg_oom *ret, struct err *e)
{
	struct cg_oom o = CG_OOM_INIT;
	int i = cg_place_of(g, CG_MEMORY), r;

	if (i < 0)
		return err_set(e, -ENOTSUP, "cgroup controller 'memory' is not available");
	r = cg_is_v2(g, i) ? oom_v2(g, i, &o) : oom_v1(g, i, &o);
	if (r < 0) {
		cg_oom_done(&o);
		return err_sys(e, r, "watch '%s' for out-of-memory", g->place[i].path);
	}
	*ret = o;
	return 0;
}

int64_t cg_oom_read(struct cg_oom *o)
{
	uint64_t seen = 0, kills = o->count;
	int r;

	if (o->control_fd >= 0 && read(o->fd, &seen, sizeof(seen)) != sizeof(seen))
		seen = 0;
	r = read_kills(o->control_fd >= 0 ? o->control_fd : o->fd, &kills);
	if (r == -ENODEV)
		return r;
	if (r == 0 && kills > o->count) {
		int64_t n = (int64_t)(kills - o->count);

		o->count = kills;
		return n;
	}
	if (seen == 0)
		return 0;
	/* v1 says it before it kills. Answered now; the kill that follows is then counted already. */
	o->count++;
	return 1;
}

void cg_oom_done(struct cg_oom *o)
{
	if (!o)
		return;
	fd_closep(&o->fd);
	fd_closep(&o->control_fd);
}
