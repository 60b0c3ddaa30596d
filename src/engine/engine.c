/* The handle: paths, container locks, rows with their documents, events. */
#include "engine/engine.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/priv.h"
#include "net/dns/client.h"

#define DEFAULT_ROOT "/var/lib/corten"
#define DEFAULT_STATE "/run/corten"

struct store *engine_store(struct engine *en)
{
	return en->store;
}

const char *engine_ns(const struct engine *en)
{
	return en->ns;
}

const char *engine_root(const struct engine *en)
{
	return en->root;
}

const char *engine_state(const struct engine *en)
{
	return en->state;
}

static int open_made(int dirfd, const char *group, const char *ns)
{
	AUTO_FD fd = dir_open_make_at(dirfd, group, 0711);

	if (fd < 0)
		return fd;
	return dir_open_make_at(fd, ns, 0711);
}

static int open_state(struct engine *en, struct err *e)
{
	int r = dir_make_all(en->state, 0711);

	if (r == 0) {
		en->state_fd = open(en->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = en->state_fd < 0 ? -errno : 0;
	}
	if (r == 0)
		r = en->tasks_fd = open_made(en->state_fd, "tasks", en->ns);
	if (r >= 0)
		r = en->locks_fd = open_made(en->state_fd, "locks", en->ns);
	if (r < 0)
		return err_sys(e, r, "state folder '%s' (choose another with --state)", en->state);
	return 0;
}

/* What is written into specs and rows must not depend on the caller's cwd. */
static char *absolute(const char *path)
{
	AUTO_FREE char *cwd = NULL;

	if (path[0] == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	return cwd ? str_printf("%s/%s", cwd, path) : NULL;
}

static bool has_dead_intents(struct engine *en)
{
	AUTO_ARENA struct arena a = { 0 };
	struct intent_row *rows;
	size_t n = 0;

	return store_intent_list_dead(en->store, NULL, NULL, &a, &rows, &n, NULL) == 0 && n > 0;
}

int engine_open(const struct engine_options *o, struct engine **ret, struct err *e)
{
	struct engine *en = calloc(1, sizeof(*en));
	int r = 0;

	if (!en)
		return err_sys(e, -ENOMEM, "open");
	en->state_fd = en->tasks_fd = en->locks_fd = en->lock_fd = -EBADF;
	en->root = absolute(o->root ? o->root : DEFAULT_ROOT);
	en->state = absolute(o->state ? o->state : DEFAULT_STATE);
	en->ns = strdup(o->ns ? o->ns : "default");
	if (!en->root || !en->state || !en->ns)
		r = err_sys(e, -ENOMEM, "open");
	if (r == 0)
		r = store_open_as(en->root,
				  o->snapshotter && *o->snapshotter ? o->snapshotter : NULL,
				  &en->store, e);
	if (r == 0)
		r = store_namespace_ensure(en->store, en->ns, e);
	if (r == 0)
		r = open_state(en, e);
	/* What cannot be settled now (its shim hangs, say) must not keep people from everything else. */
	if (r == 0 && has_dead_intents(en))
		(void)engine_recover(en, NULL);
	if (r < 0) {
		engine_close(en);
		return r;
	}
	/* Names of running containers are answered again after a kill of their server. */
	(void)dns_ensure(en->state, NULL);
	*ret = en;
	return 0;
}

/*
 * A big image's files go in a process of their own, so that no command waits for them. When it is killed, or cannot be
 * started, the next removal finds what is left.
 */
static void empty_trash_behind(struct engine *en)
{
	AUTO_ARENA struct arena a = { 0 };
	const char *path;
	struct child child;

	if (engine_program("corten", &a, &path, NULL) < 0)
		return;
	const char *const argv[] = { path,	    "--root", en->root, "--state",     en->state,
				     "--namespace", en->ns,   "system", "empty-trash", NULL };
	const struct spawn_options o = { .path = path,
					 .argv = (char *const *)argv,
					 .is_session_leader = true };

	if (proc_spawn(&o, &child, NULL) == 0)
		close(child.pidfd);
}

void engine_close(struct engine *en)
{
	if (!en)
		return;
	engine_unlock(en, false);
	if (en->store && store_has_trash(en->store))
		empty_trash_behind(en);
	store_close(en->store);
	fd_closep(&en->state_fd);
	fd_closep(&en->tasks_fd);
	fd_closep(&en->locks_fd);
	free(en->root);
	free(en->state);
	free(en->ns);
	free(en);
}

/* Whether the locked inode is still the one with the name: a deleter may have removed it meanwhile. */
static bool is_current(struct engine *en, int fd, const char *id)
{
	struct stat mine, now;

	return fstat(fd, &mine) == 0 && fstatat(en->locks_fd, id, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       mine.st_ino == now.st_ino && mine.st_dev == now.st_dev;
}

static int lock_once(struct engine *en, const char *id)
{
	AUTO_FD fd = openat(en->locks_fd, id, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (!is_current(en, fd, id))
		return -EAGAIN;
	en->lock_fd = TAKE_FD(fd);
	snprintf(en->lock_id, sizeof(en->lock_id), "%s", id);
	return 0;
}

int engine_try_lock(struct engine *en, const char *id, struct err *e)
{
	int r;

	ASSERT(en->lock_fd < 0);
	do
		r = lock_once(en, id);
	while (r == -EAGAIN);
	return r < 0 ? err_sys(e, r, "lock container '%s'", id) : 0;
}

int engine_lock(struct engine *en, const char *id, struct err *e)
{
	int64_t end = clock_mono_ms() + LOCK_WAIT_MS;
	int wait_ms = 1, r;

	/* flock has no deadline of its own; polling with back-off costs at most 20 ms of delay. */
	while ((r = engine_try_lock(en, id, NULL)) == -EBUSY && clock_mono_ms() < end) {
		poll(NULL, 0, wait_ms);
		wait_ms = MIN(wait_ms * 2, 20);
	}
	if (r == -EBUSY)
		return err_set_code(e, -ETIMEDOUT, ERR_DEADLINE_EXCEEDED,
				    "container '%s' is being changed by another command for %d s",
				    id, LOCK_WAIT_MS / 1000);
	return r < 0 ? err_sys(e, r, "lock container '%s'", id) : 0;
}

void engine_forget_lock(struct engine *en)
{
	if (en->lock_fd >= 0 && en->lock_id[0])
		unlinkat(en->locks_fd, en->lock_id, 0);
	/* The name may be another's from now on. */
	en->lock_id[0] = '\0';
}

void engine_unlock(struct engine *en, bool is_gone)
{
	if (en->lock_fd < 0)
		return;
	if (is_gone)
		engine_forget_lock(en);
	close(en->lock_fd);
	en->lock_fd = -EBADF;
	en->lock_id[0] = '\0';
}

int engine_program(const char *name, struct arena *a, const char **ret, struct err *e)
{
	AUTO_FREE char *path = NULL;
	int r = proc_program_find(name, &path);

	if (r < 0)
		return err_set(e, r,
			       "program '%s' not found beside corten or in " CORTEN_LIBEXECDIR,
			       name);
	*ret = arena_strdup(a, path);
	return *ret ? 0 : err_sys(e, -ENOMEM, "find program '%s'", name);
}

int engine_load(struct engine *en, const char *what, struct arena *a, struct loaded *ret,
		struct err *e)
{
	int r = store_container_find(en->store, en->ns, what, a, &ret->row, e);

	return r < 0 ? r : doc_of_row(&ret->row, a, &ret->doc, e);
}

int engine_save(struct engine *en, struct loaded *l, struct arena *a, struct err *e)
{
	int r;

	/* A container of another client keeps having no document. */
	if (l->row.doc_len == 0)
		return 0;
	r = doc_to_row(l->doc, &l->row, a, e);
	return r < 0 ? r : store_container_update(en->store, en->ns, &l->row, e);
}

int engine_event(struct engine *en, const char *topic, const char *id, struct err *e, ...)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	struct json_writer w = { .out = &b };
	const char *key;
	va_list ap;

	json_begin_object(&w, NULL);
	json_put_str(&w, "container_id", id);
	va_start(ap, e);
	while ((key = va_arg(ap, const char *)))
		json_put_str(&w, key, va_arg(ap, const char *));
	va_end(ap);
	json_end_object(&w);
	if (strbuf_ok(&b) < 0)
		return err_sys(e, -ENOMEM, "event '%s'", topic);
	return store_event_add(en->store, en->ns, topic, b.p, e);
}

void engine_knock(struct engine *en)
{
	AUTO_FD dir = openat(en->state_fd, "doorbell.d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD fd = -EBADF;
	struct dirent *de;
	DIR *d;

	if (dir < 0)
		return;
	d = fdopendir(dir);
	if (!d)
		return;
	dir = dirfd(d);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	while (fd >= 0 && (de = readdir(d))) {
		struct sockaddr_un sa = { .sun_family = AF_UNIX };

		if (de->d_name[0] == '.' || strlen(de->d_name) > 60)
			continue;
		snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%.60s", dir,
			 de->d_name);
		/* A follower that is gone or full reads the outbox by its sequence number later. */
		if (sendto(fd, "", 1, MSG_NOSIGNAL, (struct sockaddr *)&sa, sizeof(sa)) < 0 &&
		    errno == ECONNREFUSED)
			unlinkat(dir, de->d_name, 0);
	}
	closedir(d);
	dir = -EBADF;
}
