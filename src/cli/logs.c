/* logs */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "shim/logfile.h"

/* How often a follower looks whether the container still runs when its log is quiet. */
#define FOLLOW_LOOK_MS 200

struct logs_options {
	bool is_following, has_times, has_details;
	const char *since, *until, *tail;
};

static const struct opt rows[] = {
	{ "details", 0, OPT_BOOL, OPT_IGNORED, offsetof(struct logs_options, has_details), NULL,
	  "Show extra details provided to logs (there are none)", NULL },
	{ "follow", 'f', OPT_BOOL, 0, offsetof(struct logs_options, is_following), NULL,
	  "Follow log output", NULL },
	{ "since", 0, OPT_STR, 0, offsetof(struct logs_options, since), "string",
	  "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\")",
	  NULL },
	{ "tail", 'n', OPT_STR, 0, offsetof(struct logs_options, tail), "string",
	  "Number of lines to show from the end of the logs (default \"all\")", NULL },
	{ "timestamps", 't', OPT_BOOL, 0, offsetof(struct logs_options, has_times), NULL,
	  "Show timestamps", NULL },
	{ "until", 0, OPT_STR, 0, offsetof(struct logs_options, until), "string",
	  "Show logs before a timestamp or relative (e.g. \"42m\")", NULL },
	OPT_END,
};

/* RFC 3339, seconds since 1970, or a time span before now. */
static int parse_time(const char *s, int64_t *ret, struct err *e)
{
	int64_t v;

	if (!s)
		return 0;
	if (clock_parse_rfc3339(s, ret) == 0)
		return 0;
	if (str_to_i64(s, 0, INT64_MAX / NSEC_PER_SEC, &v) == 0) {
		*ret = v * NSEC_PER_SEC;
		return 0;
	}
	if (clock_parse_duration(s, &v) == 0) {
		*ret = clock_wall_ns() - v;
		return 0;
	}
	return err_set(e, -EINVAL, "invalid value for time: failed to parse '%s'", s);
}

static int fill_options(const struct logs_options *o, struct logreader_options *ret, struct err *e)
{
	int r;

	*ret = (struct logreader_options){ .tail = -1 };
	/* As docker: a tail that is no number shows all. */
	if (o->tail && str_to_i64(o->tail, 0, INT64_MAX, &ret->tail) < 0)
		ret->tail = -1;
	r = parse_time(o->since, &ret->since_ns, e);
	return r < 0 ? r : parse_time(o->until, &ret->until_ns, e);
}

static int print_entry(const struct log_entry *en, bool has_times, bool is_terminal)
{
	FILE *f = en->stream == LOG_STDERR && !is_terminal ? stderr : stdout;
	char now[CLOCK_TEXT_MAX];

	if (has_times)
		fprintf(f, "%s ", clock_rfc3339(en->time_ns, now));
	fwrite(en->text, 1, en->len, f);
	return ferror(f) ? -EPIPE : 0;
}

/* Prints what is there. */
static int drain(struct logreader *l, const struct logs_options *o, bool is_terminal, struct err *e)
{
	struct log_entry entry;
	int r;

	while ((r = logreader_next(l, &entry)) > 0)
		if (print_entry(&entry, o->has_times, is_terminal) < 0)
			return err_set(e, -EPIPE, "write to standard output");
	/* Both streams are seen in their order when they share a terminal. */
	if (r == 0 && (fflush(stdout) != 0 || fflush(stderr) != 0))
		return err_set(e, -EPIPE, "write to standard output");
	return r < 0 ? err_sys(e, r, "read the log") : 0;
}

static bool is_over(struct cli *c, const char *id)
{
	AUTO_ARENA struct arena a = { 0 };
	struct engine_container now;

	return engine_container_find(c->engine, id, &a, &now, NULL) < 0 ||
	       (now.status != ENGINE_RUNNING && now.status != ENGINE_PAUSED);
}

static int follow(struct cli *c, struct logreader *l, const struct logs_options *o,
		  const struct engine_container *found, struct err *e)
{
	for (;;) {
		/* Asked before reading: what was written until the end is then read for sure. */
		bool is_last = is_over(c, found->id);
		struct pollfd p = { .fd = logreader_fd(l), .events = POLLIN };
		int r = drain(l, o, found->is_terminal, e);

		if (r < 0 || is_last)
			return r;
		poll(&p, p.fd >= 0 ? 1 : 0, FOLLOW_LOOK_MS);
	}
}

static int logs_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	AUTO_ARENA struct arena a = { 0 };
	struct logreader_options lo;
	struct engine_container found;
	struct logs_options o = { 0 };
	struct logreader *l = NULL;
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = fill_options(&o, &lo, &e);
	if (r == 0)
		r = engine_container_find(c->engine, argv[first], &a, &found, &e);
	if (r < 0)
		return cli_fail(&e, r, 1);
	r = logreader_open(found.log_dir, &lo, &l, &e);
	/* Never started: nothing was said. */
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = o.is_following ? follow(c, l, &o, &found, &e)
				   : drain(l, &o, found.is_terminal, &e);
	logreader_close(l);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_logs = {
	"logs",	   "[OPTIONS] CONTAINER", "Fetch the logs of a container", rows, 0, 1, 1, false,
	logs_main,
};
