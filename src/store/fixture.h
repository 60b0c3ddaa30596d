#pragma once
/*
 * For the store's unit tests: a store in a folder of its own, which goes with the test program.
 */
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "store/internal.h"

static char fixture_root[PATH_MAX];
static struct store *fixture_store;
static struct arena fixture_arena;
static struct err fixture_err;
static pid_t fixture_pid;
/* What tests of overlays and of the rest of the store look at; the conformance test has others. */
static const char *fixture_kind = "overlayfs";

#define NS "default"
#define E (&fixture_err)
#define A (&fixture_arena)
/* Two digests that differ in one letter. */
#define HEX63 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
#define DIGEST(c) "sha256:" HEX63 c

#define CHECK_OK(x)                                                                            \
	do {                                                                                   \
		int ok_ = (x);                                                                 \
		if (ok_ < 0)                                                                   \
			TEST_END(TEST_FAILED, "%s:%d: %s: %d %s", __FILE__, __LINE__, #x, ok_, \
				 fixture_err.msg);                                             \
	} while (0)

static inline int fixture_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

/* Children that leave by exit() must not clean up after their parent. */
static inline void fixture_done(void)
{
	if (fixture_pid != getpid())
		return;
	store_close(TAKE_PTR(fixture_store));
	arena_done(&fixture_arena);
	if (fixture_root[0])
		nftw(fixture_root, fixture_unlink, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	fixture_root[0] = '\0';
}

static inline struct store *fixture_reopen(void)
{
	store_close(TAKE_PTR(fixture_store));
	CHECK_OK(store_open_as(fixture_root, fixture_kind, &fixture_store, E));
	return fixture_store;
}

/* A fresh store; the one before goes. */
static inline struct store *fixture_open(void)
{
	const char *tmp = getenv("TMPDIR");

	if (!fixture_pid)
		atexit(fixture_done);
	else
		fixture_done();
	fixture_pid = getpid();
	fixture_err = ERR_INIT;
	snprintf(fixture_root, sizeof(fixture_root), "%s/corten-store-XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(fixture_root));
	return fixture_reopen();
}

/* A child's work; its exit code is 0 when `x` held. */
#define FIXTURE_EXIT(x) _exit((x) ? 0 : 1)

/* Waits for `n` children and counts those that left with 0. */
static inline int fixture_wait(int n)
{
	int good = 0, status;

	while (n-- > 0)
		if (wait(&status) > 0)
			good += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return good;
}

/* A blob with these bytes; its digest is in `buf`. */
static inline const char *fixture_blob(struct store *s, const char *bytes, bool is_synced,
				       const struct json_map *labels, char buf[DIGEST_TEXT_MAX])
{
	struct ingest *i;
	char ref[DIGEST_TEXT_MAX + 16];

	snprintf(ref, sizeof(ref), "%s-%d", digest_of(bytes, strlen(bytes), buf), (int)getpid());
	CHECK_OK(store_ingest_open(s, ref, false, &i, E));
	CHECK_OK(fd_write_full(i->fd, bytes, strlen(bytes)));
	CHECK_OK(store_ingest_commit(i, NS, buf, (int64_t)strlen(bytes), is_synced, labels, E));
	return buf;
}

static inline bool fixture_exists(const char *path)
{
	return faccessat(store_root_fd(fixture_store), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline bool fixture_has_folder(int64_t id)
{
	char path[64];

	snprintf(path, sizeof(path), "snapshots/%lld/fs", (long long)id);
	return fixture_exists(path);
}

/* As if the machine had lost power: another boot looks at what this one wrote. */
static inline void fixture_new_boot(struct store *s)
{
	static int n;

	snprintf(s->boot_id, sizeof(s->boot_id), "another-boot-%d", n++);
}
