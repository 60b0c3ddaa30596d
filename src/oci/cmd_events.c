#include "oci/cmd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"

/* runc's default between two lines of statistics. */
#define INTERVAL_DEFAULT_NS (5 * INT64_C(1000000000))

struct events_args {
	int64_t interval_ns;
	bool is_once;
};

static const struct opt events_opts[] = {
	{ "interval", 0, OPT_DURATION, 0, offsetof(struct events_args, interval_ns), "duration",
	  "Time between two lines of statistics (default: 5s)", NULL },
	{ "stats", 0, OPT_BOOL, 0, offsetof(struct events_args, is_once), NULL,
	  "Display the container's statistics once, then exit", NULL },
	OPT_END,
};

/* Go's omitempty: what is 0 is not there. */
static void put_nonzero(struct json_writer *w, const char *key, uint64_t value)
{
	if (value)
		json_put_u64(w, key, value);
}

static void put_pressure_line(struct json_writer *w, const char *key, const double avg[3],
			      uint64_t total_us)
{
	json_begin_object(w, key);
	json_put_f64(w, "avg10", avg[0]);
	json_put_f64(w, "avg60", avg[1]);
	json_put_f64(w, "avg300", avg[2]);
	json_put_u64(w, "total", total_us);
	json_end_object(w);
}

static void put_psi(struct json_writer *w, const struct cg_psi *p)
{
	if (!p->is_set)
		return;
	json_begin_object(w, "psi");
	put_pressure_line(w, "some", p->some, p->some_total);
	put_pressure_line(w, "full", p->full, p->full_total);
	json_end_object(w);
}

static void put_cpu(struct json_writer *w, const struct cg_stats *s)
{
	json_begin_object(w, "cpu");
	json_begin_object(w, "usage");
	put_nonzero(w, "total", s->cpu.usage_ns);
	if (s->cpu.percpu_n) {
		json_begin_array(w, "percpu");
		for (size_t i = 0; i < s->cpu.percpu_n; i++)
			json_put_u64(w, NULL, s->cpu.percpu_ns[i]);
		json_end_array(w);
	}
	json_put_u64(w, "kernel", s->cpu.kernel_ns);
	json_put_u64(w, "user", s->cpu.user_ns);
	json_end_object(w);
	json_begin_object(w, "throttling");
	put_nonzero(w, "periods", s->cpu.periods);
	put_nonzero(w, "throttledPeriods", s->cpu.throttled_periods);
	put_nonzero(w, "throttledTime", s->cpu.throttled_ns);
	json_end_object(w);
	put_psi(w, &s->cpu.psi);
	json_end_object(w);
}

static void put_memory_entry(struct json_writer *w, const char *key, const struct cg_mem_usage *m)
{
	json_begin_object(w, key);
	json_put_u64(w, "limit", m->limit);
	put_nonzero(w, "usage", m->usage);
	put_nonzero(w, "max", m->max);
	json_put_u64(w, "failcnt", m->failcnt);
	json_end_object(w);
}

static void put_memory(struct json_writer *w, const struct cg_stats *s)
{
	json_begin_object(w, "memory");
	put_nonzero(w, "cache", s->memory.cache);
	put_memory_entry(w, "usage", &s->memory.memory);
	put_memory_entry(w, "swap", &s->memory.swap);
	put_memory_entry(w, "kernel", &s->memory.kernel);
	put_memory_entry(w, "kernelTCP", &s->memory.kernel_tcp);
	if (s->memory.raw_n) {
		json_begin_object(w, "raw");
		for (size_t i = 0; i < s->memory.raw_n; i++)
			json_put_u64(w, s->memory.raw[i].key, s->memory.raw[i].value);
		json_end_object(w);
	}
	put_psi(w, &s->memory.psi);
	json_end_object(w);
}

static void put_blkio_rows(struct json_writer *w, const char *key, const struct cg_blkio_row *v,
			   size_t n)
{
	if (!n)
		return;
	json_begin_array(w, key);
	for (size_t i = 0; i < n; i++) {
		json_begin_object(w, NULL);
		put_nonzero(w, "major", v[i].major);
		put_nonzero(w, "minor", v[i].minor);
		if (*v[i].op)
			json_put_str(w, "op", v[i].op);
		put_nonzero(w, "value", v[i].value);
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_blkio(struct json_writer *w, const struct cg_stats *s)
{
	json_begin_object(w, "blkio");
	put_blkio_rows(w, "ioServiceBytesRecursive", s->blkio.bytes, s->blkio.bytes_n);
	put_blkio_rows(w, "ioServicedRecursive", s->blkio.ops, s->blkio.ops_n);
	put_psi(w, &s->blkio.psi);
	json_end_object(w);
}

static void put_hugetlb(struct json_writer *w, const struct cg_stats *s)
{
	json_begin_object(w, "hugetlb");
	for (size_t i = 0; i < s->hugetlb_n; i++) {
		const struct cg_hugetlb_row *h = &s->hugetlb[i];

		json_begin_object(w, h->size);
		put_nonzero(w, "usage", h->usage);
		put_nonzero(w, "max", h->max);
		json_put_u64(w, "failcnt", h->failcnt);
		json_end_object(w);
	}
	json_end_object(w);
}

static void put_data(struct json_writer *w, const struct cg_stats *s)
{
	json_begin_object(w, "data");
	put_cpu(w, s);
	put_memory(w, s);
	json_begin_object(w, "pids");
	put_nonzero(w, "current", s->pids.current);
	put_nonzero(w, "limit", s->pids.limit);
	json_end_object(w);
	put_blkio(w, s);
	put_hugetlb(w, s);
	json_begin_object(w, "intel_rdt");
	json_end_object(w);
	json_put_null(w, "network_interfaces");
	json_end_object(w);
}

/* One line of output, as runc's types.Event: without statistics (NULL) the line has no data. */
static int print_event(const char *type, const char *id, const struct cg_stats *s, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct json_writer w = { .out = &out };
	int r;

	json_begin_object(&w, NULL);
	json_put_str(&w, "type", type);
	json_put_str(&w, "id", id);
	if (s)
		put_data(&w, s);
	json_end_object(&w);
	strbuf_addc(&out, '\n');
	r = strbuf_ok(&out);
	if (r == 0)
		r = fd_write_full(1, out.p, out.len);
	return r < 0 ? err_sys(e, r, "write event") : 0;
}

static int print_stats(struct cmd_container *c, const char *id, struct err *e)
{
	struct cg_stats s = { 0 };
	int r = cg_stats_read(&c->cg, &s, e);

	if (r == 0)
		r = print_event("stats", id, &s, e);
	cg_stats_done(&s);
	return r;
}

/* Until the container ends: statistics each interval, and a line for each OOM kill. */
static int watch(struct cmd_container *c, const char *id, int64_t interval_ns, struct err *e)
{
	AUTO_FD pidfd = state_pidfd(c->state);
	struct cg_oom oom = CG_OOM_INIT;
	int64_t next = clock_mono_ns() + interval_ns;
	int r = pidfd < 0 ? pidfd : 0;

	/* Without a memory controller there is nothing to tell of, but the statistics. */
	if (cg_oom_open(&c->cg, &oom, NULL) < 0)
		oom = CG_OOM_INIT;
	while (r == 0) {
		struct pollfd p[] = { { .fd = pidfd, .events = POLLIN },
				      { .fd = oom.fd, .events = oom.events } };
		int64_t left_ms = (next - clock_mono_ns() + 999999) / 1000000, kills = 0;
		int n = poll(p, 2, left_ms < 0 ? 0 : left_ms > 60000 ? 60000 : (int)left_ms);

		if (n < 0 && errno != EINTR) {
			r = err_sys(e, -errno, "wait for events");
			break;
		}
		if (n > 0 && p[1].revents)
			kills = cg_oom_read(&oom);
		if (kills < 0)
			cg_oom_done(&oom);
		for (; r == 0 && kills > 0; kills--)
			r = print_event("oom", id, NULL, e);
		if (r < 0 || (n > 0 && p[0].revents))
			break;
		if (clock_mono_ns() < next)
			continue;
		r = print_stats(c, id, e);
		next = clock_mono_ns() + interval_ns;
	}
	cg_oom_done(&oom);
	return r;
}

int cmd_events(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	struct events_args a = { .interval_ns = INTERVAL_DEFAULT_NS };
	AUTO_CONTAINER c = { 0 };
	int first = cmd_parse("events", events_opts, 0, argc, argv, &a, e), r;

	if (first < 0)
		return first;
	if (a.interval_ns <= 0)
		return err_set(e, -EINVAL, "duration interval must be greater than 0");
	r = cmd_open(rt, argv[first], &c, e);
	if (r < 0)
		return r;
	if (state_status(c.dir, c.state) == STATE_STOPPED || !c.state)
		return err_set_code(e, -ESRCH, ERR_FAILED_PRECONDITION,
				    "container with id %s is not running", argv[first]);
	r = cmd_cgroup(&c, e);
	if (r < 0)
		return r;
	return a.is_once ? print_stats(&c, argv[first], e)
			 : watch(&c, argv[first], a.interval_ns, e);
}
