/*
 * Intents: what a process began and has not finished. Ids are random, so that an id that is ended twice
 * (two processes mending after the same dead owner) never meets a new intent.
 */
#include "store/internal.h"

#include <unistd.h>

#include "base/proc.h"
#include "base/rand.h"

/* After a fork without a new handle the pid would be wrong: handles do not cross a fork. */
static int know_owner(struct store *s, struct err *e)
{
	int r;

	if (s->owner_pid)
		return 0;
	r = proc_start_time(getpid(), &s->owner_start);
	if (r < 0)
		return err_sys(e, r, "read this process's start time");
	s->owner_pid = getpid();
	return 0;
}

int store_intent_begin(struct store *s, const char *ns, const char *object, const char *verb,
		       const char *data, int64_t *ret_id, struct err *e)
{
	static const char sql[] =
		"INSERT INTO intents(id, ns, object, verb, owner_pid, owner_start, boot, stamp, data)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
	int64_t id = (int64_t)(rand_u64() >> 1) | 1;
	int r = check_identifier(ns, e);

	if (r >= 0)
		r = know_owner(s, e);
	if (r >= 0)
		r = store_begin(s, e);
	if (r < 0)
		return r;
	r = db_run(s, sql,
		   ARGS(I(id), T(ns), T(object), T(verb), I(s->owner_pid),
			I((int64_t)s->owner_start), T(store_boot(s)), I(clock_mono_ns()),
			T(data ? data : "")),
		   e);
	r = db_end(s, r, e);
	if (r < 0)
		return r;
	*ret_id = id;
	return 0;
}

int store_intent_end(struct store *s, int64_t id, struct err *e)
{
	static const char sql[] = "DELETE FROM intents WHERE id=?1";
	int r = store_begin(s, e);

	return r < 0 ? r : db_end(s, db_run(s, sql, ARGS(I(id)), e), e);
}

struct intent_full {
	struct intent_row row;
	int64_t stamp;
};

static void read_intent(struct db_row *row, void *ret)
{
	struct intent_full *i = ret;

	i->row.id = row_i64(row);
	i->row.ns = row_str(row);
	i->row.object = row_str(row);
	i->row.verb = row_str(row);
	i->row.owner_pid = row_i64(row);
	i->row.owner_start = (uint64_t)row_i64(row);
	i->row.boot_id = row_str(row);
	i->row.data = row_str(row);
	i->stamp = row_i64(row);
}

static int list(struct store *s, const char *ns, const char *object, struct arena *a,
		struct intent_full **ret, size_t *ret_n, struct err *e)
{
	static const char sql[] =
		"SELECT id, ns, object, verb, owner_pid, owner_start, boot, data, stamp FROM intents"
		" WHERE (?1 IS NULL OR ns=?1) AND (?2 IS NULL OR object=?2) ORDER BY stamp";

	return db_list(s, sql, ARGS(T(ns), T(object)), read_intent, sizeof(**ret), a, ret, ret_n,
		       e);
}

static bool is_dead(struct store *s, const struct intent_row *i)
{
	uint64_t start;
	int r;

	if (!streq(i->boot_id, store_boot(s)))
		return true;
	r = proc_start_time((pid_t)i->owner_pid, &start);
	if (r == -ENOENT || r == -ESRCH)
		return true;
	/* Another failure (no memory, no descriptor) says nothing about the owner: taken as alive. */
	if (r < 0)
		return false;
	return start != i->owner_start || proc_state((pid_t)i->owner_pid) == 'Z';
}

int store_intent_list_dead(struct store *s, const char *ns, const char *object, struct arena *a,
			   struct intent_row **ret, size_t *ret_n, struct err *e)
{
	struct intent_full *all;
	struct intent_row *dead;
	size_t n, dead_n = 0;
	int r = list(s, ns, object, a, &all, &n, e);

	if (r < 0)
		return r;
	dead = arena_calloc(a, n, sizeof(*dead));
	if (!dead)
		return err_set(e, -ENOMEM, "list intents: out of memory");
	for (size_t i = 0; i < n; i++)
		if (is_dead(s, &all[i].row))
			dead[dead_n++] = all[i].row;
	*ret = dead;
	*ret_n = dead_n;
	return 0;
}

int intents_oldest_live(struct store *s, int64_t *ret_stamp, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct intent_full *all;
	size_t n;
	int r = list(s, NULL, NULL, &a, &all, &n, e);

	if (r < 0)
		return r;
	*ret_stamp = INT64_MAX;
	for (size_t i = n; i-- > 0;)
		if (!is_dead(s, &all[i].row))
			*ret_stamp = MIN(*ret_stamp, all[i].stamp);
	return 0;
}
