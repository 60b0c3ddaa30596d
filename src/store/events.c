/*
 * The outbox: events in the order of their commits. Sequence numbers only grow, because the newest row is
 * never deleted. Ringing the doorbell is the engine's work.
 */
#include "store/internal.h"

static int add(struct store *s, const char *ns, const char *topic, const char *json, struct err *e)
{
	static const char add_sql[] =
		"INSERT INTO events(time_ns, ns, topic, json) VALUES(?1, ?2, ?3, ?4)";
	static const char trim_sql[] = "DELETE FROM events WHERE seq<=?1";
	int64_t seq;
	int r = db_run(s, add_sql, ARGS(I(clock_wall_ns()), T(ns), T(topic), T(json)), e);

	if (r < 0)
		return r;
	/* In steps: each trim writes the other end of the table. */
	seq = sqlite3_last_insert_rowid(s->db);
	if (seq % STORE_EVENTS_STEP == 0 && seq > STORE_EVENTS_MAX)
		r = db_run(s, trim_sql, ARGS(I(seq - STORE_EVENTS_MAX)), e);
	return r;
}

int store_event_add(struct store *s, const char *ns, const char *topic, const char *json,
		    struct err *e)
{
	int r = check_key("event topic", topic, e);

	if (r >= 0)
		r = check_identifier(ns, e);
	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, add(s, ns, topic, json, e), e);
}

static void read_event(struct db_row *row, void *ret)
{
	struct event_row *ev = ret;

	ev->seq = row_i64(row);
	ev->time_ns = row_i64(row);
	ev->ns = row_str(row);
	ev->topic = row_str(row);
	ev->json = row_str(row);
}

int store_event_list(struct store *s, int64_t after_seq, size_t max, struct arena *a,
		     struct event_row **ret, size_t *ret_n, struct err *e)
{
	static const char sql[] = "SELECT seq, time_ns, ns, topic, json FROM events WHERE seq>?1"
				  " ORDER BY seq LIMIT ?2";

	return db_list(s, sql,
		       ARGS(I(after_seq), I((int64_t)MIN(max, (size_t)STORE_EVENTS_MAX * 2))),
		       read_event, sizeof(**ret), a, ret, ret_n, e);
}

int store_event_last(struct store *s, int64_t *ret_seq, struct err *e)
{
	static const char sql[] = "SELECT coalesce(max(seq), 0) FROM events";
	int r = db_get_i64(s, sql, ARGS(), ret_seq, e);

	return r < 0 ? r : 0;
}
