/* Looking at ingests from outside: containerd's Status, ListStatuses and Abort. */
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define INGESTS_MAX 10000 /* beyond it something leaves them behind */

static int64_t time_ns(const struct timespec *t)
{
	return t->tv_sec * NSEC_PER_SEC + t->tv_nsec;
}

/* 1: read; 0: none (any more), or not whole; -errno. */
static int read_status(int all, const char *name, struct arena *a, struct ingest_status *ret)
{
	AUTO_FD fd = openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FREE char *ref = NULL;
	struct stat data, started;
	size_t len;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstatat(fd, "data", &data, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(fd, "ref", &started, AT_SYMLINK_NOFOLLOW) < 0 ||
	    file_read_at(fd, "ref", STORE_KEY_MAX, &ref, &len) < 0)
		return 0;
	*ret = (struct ingest_status){ .ref = arena_strdup(a, ref),
				       .offset = data.st_size,
				       .started_ns = time_ns(&started.st_mtim),
				       .updated_ns = time_ns(&data.st_mtim) };
	/* A shared lock, so that two who look do not see each other. */
	ret->is_active = flock(fd, LOCK_SH | LOCK_NB) < 0;
	return ret->ref ? 1 : -ENOMEM;
}

int store_ingest_status(struct store *s, const char *ref, struct arena *a,
			struct ingest_status *ret, struct err *e)
{
	char path[INGEST_PATH_MAX];
	int r = check_key("ingest reference", ref, e);

	if (r < 0)
		return r;
	r = read_status(s->root_fd, ingest_path(ref, path), a, ret);
	if (r < 0)
		return err_sys(e, r, "ingest '%s'", ref);
	return r ? 0 : err_set(e, -ENOENT, "ingest %s: not found", ref);
}

int store_ingest_list(struct store *s, struct arena *a, struct ingest_status **ret, size_t *ret_n,
		      struct err *e)
{
	AUTO_FREE struct ingest_status *v = NULL;
	AUTO_FD fd = store_dir(s, "ingest");
	size_t n = 0, cap = 0;
	struct dirent *de;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!d)
		return err_sys(e, fd < 0 ? fd : -errno, "open '%s/ingest'", s->root);
	TAKE_FD(fd);
	while (r >= 0 && n < INGESTS_MAX && (de = readdir(d))) {
		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		r = mem_grow(&v, &cap, n + 1, sizeof(*v));
		if (r >= 0)
			r = read_status(dirfd(d), de->d_name, a, &v[n]);
		n += r > 0;
	}
	closedir(d);
	if (r >= 0) {
		*ret = arena_calloc(a, n + 1, sizeof(**ret));
		r = *ret ? 0 : -ENOMEM;
	}
	if (r < 0)
		return err_sys(e, r, "list ingests");
	if (n)
		memcpy(*ret, v, n * sizeof(*v));
	*ret_n = n;
	return 0;
}

int store_ingest_remove(struct store *s, const char *ref, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct ingest_status status;
	struct ingest *i;
	int r = store_ingest_status(s, ref, &a, &status, e);

	if (r >= 0)
		r = store_ingest_open(s, ref, true, &i, e);
	if (r < 0)
		return r;
	store_ingest_abort(i);
	return 0;
}
