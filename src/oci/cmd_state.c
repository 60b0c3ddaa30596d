#include "oci/cmd.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "sys/signame.h"

#define KILL_WAIT_MS 10000

static const struct opt no_opts[] = { OPT_END };

/* Annotations are the labels but for the bundle's. */
static void fill_annotations(const struct state *s, struct arena *a, struct json_map *ret)
{
	const struct json_strs *l = &s->config->labels;
	struct json_pair *v = arena_calloc(a, l->n + 1, sizeof(*v));

	*ret = (struct json_map){ v, 0 };
	for (size_t i = 0; v && i < l->n; i++) {
		const char *eq = strchr(l->v[i], '=');
		char *key = eq ? arena_strndup(a, l->v[i], (size_t)(eq - l->v[i])) : NULL;

		if (key && !streq(key, "bundle"))
			v[ret->n++] = (struct json_pair){ key, eq + 1 };
	}
}

/* A name only for root: passwd of the host would mean NSS. */
static const char *owner_name(struct arena *a, int64_t uid)
{
	return uid == 0 ? "root" : arena_printf(a, "#%lld", (long long)uid);
}

static void describe(int dir, const char *id, const struct state *s, struct arena *a,
		     struct oci_state *ret)
{
	enum state_status st = state_status(dir, s);
	const char *bundle = s ? state_label(s, "bundle") : NULL;

	*ret = (struct oci_state){ .oci_version = RUNTIME_SPEC,
				   .id = id,
				   .status = state_status_name(st),
				   .bundle = bundle ? bundle : "",
				   .rootfs = "",
				   .created = "",
				   .owner = "root" };
	if (!s)
		return;
	ret->pid = st == STATE_STOPPED ? 0 : s->pid;
	ret->rootfs = s->config->rootfs;
	ret->created = s->created;
	ret->owner = owner_name(a, s->corten ? s->corten->owner : 0);
	fill_annotations(s, a, &ret->annotations);
}

int cmd_state(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	AUTO_CONTAINER c = { 0 };
	AUTO_STRBUF struct strbuf out = { 0 };
	int first = cmd_parse("state", no_opts, 0, argc, argv, NULL, e), r;
	struct oci_state s;

	if (first < 0)
		return first;
	r = cmd_open(rt, argv[first], &c, e);
	if (r < 0)
		return r;
	describe(c.dir, argv[first], c.state, &c.arena, &s);
	json_write(&oci_state_table, &s, JSON_PRETTY, &out);
	r = strbuf_ok(&out);
	if (r == 0)
		r = fd_write_full(1, out.p, out.len);
	return r < 0 ? err_sys(e, r, "write state") : fd_write_full(1, "\n", 1);
}

struct list_args {
	const char *format;
	bool is_quiet;
};

static const struct opt list_opts[] = {
	{ "format", 'f', OPT_STR, 0, offsetof(struct list_args, format), "format", "table or json",
	  NULL },
	{ "quiet", 'q', OPT_BOOL, 0, offsetof(struct list_args, is_quiet), NULL,
	  "Display only container IDs", NULL },
	OPT_END,
};

enum { LIST_COLUMNS = 6 };

struct list {
	struct list_args args;
	struct strbuf out;
	struct arena arena; /* the cells */
	const char *(*rows)[LIST_COLUMNS];
	size_t n;
};

static void list_row(struct list *l, const struct oci_state *s)
{
	const char *const cells[LIST_COLUMNS] = {
		s->id,	    arena_printf(&l->arena, "%lld", (long long)s->pid),
		s->status,  s->bundle,
		s->created, s->owner,
	};

	for (int i = 0; i < LIST_COLUMNS; i++) {
		const char *copy = cells[i] ? arena_strdup(&l->arena, cells[i]) : NULL;

		l->rows[l->n][i] = copy ? copy : "";
	}
	l->n++;
}

static void list_one(struct list *l, const struct oci_state *s)
{
	if (l->args.is_quiet) {
		strbuf_addf(&l->out, "%s\n", s->id);
	} else if (streq(l->args.format, "json")) {
		strbuf_adds(&l->out, l->out.len ? "," : "[");
		json_write(&oci_state_table, s, 0, &l->out);
	} else {
		list_row(l, s);
	}
}

/* Go's tabwriter as runc sets it: columns of at least 12, each three wider than its longest word. */
static void list_table(struct list *l)
{
	int width[LIST_COLUMNS];

	for (int k = 0; k < LIST_COLUMNS; k++) {
		width[k] = 12;
		for (size_t i = 0; i < l->n; i++)
			width[k] = MAX(width[k], (int)strlen(l->rows[i][k]) + 3);
	}
	for (size_t i = 0; i < l->n; i++) {
		for (int k = 0; k < LIST_COLUMNS - 1; k++)
			strbuf_addf(&l->out, "%-*s", width[k], l->rows[i][k]);
		strbuf_addf(&l->out, "%s\n", l->rows[i][LIST_COLUMNS - 1]);
	}
}

/* Names in order; what is no container, or is none any more, is left out. */
static int list_all(struct list *l, const struct runtime *rt, struct err *e)
{
	struct dirent **names = NULL;
	int n = scandir(rt->root, &names, NULL, alphasort);

	if (n < 0 && (errno != ENOENT || rt->is_root_given))
		return err_sys(e, -errno, "open %s", rt->root);
	n = MAX(n, 0);
	l->rows = arena_calloc(&l->arena, (size_t)n + 1, sizeof(*l->rows));
	if (!l->rows)
		return err_sys(e, -ENOMEM, "list containers");
	memcpy(l->rows[l->n++],
	       (const char *[]){ "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" },
	       sizeof(*l->rows));
	for (int i = 0; i < n; i++) {
		AUTO_CONTAINER c = { 0 };
		struct err none = ERR_INIT;
		struct oci_state s;

		if (names[i]->d_name[0] != '.' && cmd_open(rt, names[i]->d_name, &c, &none) == 0 &&
		    c.state) {
			describe(c.dir, names[i]->d_name, c.state, &c.arena, &s);
			list_one(l, &s);
		}
		free(names[i]);
	}
	free(names);
	return 0;
}

int cmd_list(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	struct list l = { .args.format = "table" };
	bool is_json, is_table;
	int r = cmd_parse("list", list_opts, 0, argc, argv, &l.args, e);

	if (r < 0)
		return r;
	is_json = streq(l.args.format, "json");
	is_table = streq(l.args.format, "table");
	if (!is_table && !is_json)
		return err_set(e, -EINVAL, "invalid format option");
	r = list_all(&l, rt, e);
	if (r == 0 && !l.args.is_quiet && is_table)
		list_table(&l);
	if (r == 0 && !l.args.is_quiet && is_json)
		strbuf_adds(&l.out, l.out.len ? "]\n" : "null\n");
	if (r == 0 && l.out.len)
		r = fd_write_full(1, l.out.p, l.out.len);
	strbuf_done(&l.out);
	arena_done(&l.arena);
	return r;
}

/* crun's --regex: `verb` on each container whose name matches; the first failure is told, the others go on. */
static int for_each_match(const struct runtime *rt, const char *pattern,
			  int (*verb)(const struct runtime *rt, const char *id, const void *arg,
				      struct err *e),
			  const void *arg, struct err *e)
{
	int root = state_root_open(rt->root, false, NULL), r = 0;
	DIR *d = root >= 0 ? fdopendir(root) : NULL;
	struct dirent *de;
	regex_t re;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		r = err_set(e, -EINVAL, "invalid regular expression \"%s\"", pattern);
	while (r != -EINVAL && d && (de = readdir(d))) {
		struct err own = ERR_INIT;
		int one;

		if (de->d_name[0] == '.' || regexec(&re, de->d_name, 0, NULL, 0) != 0)
			continue;
		one = verb(rt, de->d_name, arg, &own);
		if (one < 0 && r == 0) {
			*e = own;
			r = one;
		}
	}
	if (r != -EINVAL)
		regfree(&re);
	if (d)
		closedir(d);
	return r;
}

struct kill_args {
	bool is_all, is_regex;
	int sig;
};

static const struct opt kill_opts[] = {
	{ "all", 'a', OPT_BOOL, 0, offsetof(struct kill_args, is_all), NULL,
	  "Send the signal to all processes inside the container", NULL },
	{ "regex", 'r', OPT_BOOL, 0, offsetof(struct kill_args, is_regex), NULL,
	  "The container-id is a regular expression: signal all that match", NULL },
	OPT_END,
};

/* Without a pid namespace the init's death does not take the others along: runc then signals all. */
static bool has_own_pidns(const struct state *s)
{
	for (size_t i = 0; i < s->config->namespaces.n; i++)
		if (streq_null(s->config->namespaces.v[i].type, "NEWPID"))
			return !s->config->namespaces.v[i].path ||
			       !*s->config->namespaces.v[i].path;
	return false;
}

static int kill_container(struct cmd_container *c, int sig, bool is_all, struct err *e)
{
	AUTO_FD pidfd = c->state ? state_pidfd(c->state) : -ESRCH;
	int r;

	if (is_all || (sig == SIGKILL && c->state && !has_own_pidns(c->state))) {
		r = cmd_cgroup(c, e);
		if (r == 0 && c->cg.host)
			return cg_kill(&c->cg, sig, KILL_WAIT_MS, e);
		if (r < 0)
			return r;
	}
	if (pidfd < 0)
		return is_all ? 0 : err_set_code(e, -ESRCH, ERR_NOT_FOUND, "container not running");
	r = proc_pidfd_kill(pidfd, sig);
	if (r < 0)
		return r == -ESRCH ? err_set_code(e, r, ERR_NOT_FOUND, "container not running")
				   : err_sys(e, r, "signal container");
	/* A frozen process dies only when it is thawed. */
	if (sig == SIGKILL && state_status(c->dir, c->state) == STATE_PAUSED &&
	    cmd_cgroup(c, NULL) == 0 && c->cg.host)
		cg_thaw(&c->cg, KILL_WAIT_MS, NULL);
	return 0;
}

static int kill_one(const struct runtime *rt, const char *id, const void *arg, struct err *e)
{
	const struct kill_args *ka = arg;
	AUTO_CONTAINER c = { 0 };
	int r = cmd_open(rt, id, &c, e);

	return r < 0 ? r : kill_container(&c, ka->sig, ka->is_all, e);
}

int cmd_kill(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	struct kill_args ka = { .sig = SIGTERM };
	int64_t number;
	int first = cmd_parse("kill", kill_opts, 0, argc, argv, &ka, e);

	if (first < 0)
		return first;
	if (first + 1 < argc)
		ka.sig = signame_parse(argv[first + 1]);
	if (ka.sig < 0 && str_to_i64(argv[first + 1], INT32_MIN, INT32_MAX, &number) == 0)
		return err_set(e, ka.sig, "unable to signal init: invalid argument");
	if (ka.sig < 0)
		return err_set(e, ka.sig, "unknown signal \"%s\"", argv[first + 1]);
	return ka.is_regex ? for_each_match(rt, argv[first], kill_one, &ka, e)
			   : kill_one(rt, argv[first], &ka, e);
}

struct delete_args {
	bool is_force, is_regex;
};

static const struct opt delete_opts[] = {
	{ "force", 'f', OPT_BOOL, 0, offsetof(struct delete_args, is_force), NULL,
	  "Kill the container with SIGKILL if it is still running", NULL },
	{ "regex", 'r', OPT_BOOL, 0, offsetof(struct delete_args, is_regex), NULL,
	  "The container-id is a regular expression: delete all that match", NULL },
	OPT_END,
};

static int kill_and_wait(struct cmd_container *c, struct err *e)
{
	AUTO_FD pidfd = state_pidfd(c->state);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r;

	if (pidfd < 0)
		return 0;
	r = kill_container(c, SIGKILL, false, e);
	if (r < 0 && r != -ESRCH)
		return r;
	return poll(&p, 1, KILL_WAIT_MS) == 0
		       ? err_set(e, -ETIMEDOUT, "container init still running")
		       : 0;
}

static int delete_one(const struct runtime *rt, const char *id, const void *arg, struct err *e)
{
	const struct delete_args *da = arg;
	AUTO_CONTAINER c = { 0 };
	int r = cmd_open(rt, id, &c, e);
	enum state_status st;

	if (r == -ENOENT && da->is_force) {
		*e = ERR_INIT;
		return 0;
	}
	if (r < 0)
		return r;
	st = state_status(c.dir, c.state);
	if (st == STATE_CREATING && !da->is_force)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				    "cannot delete container %s that is not stopped: creating", id);
	if ((st == STATE_RUNNING || st == STATE_PAUSED) && !da->is_force)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				    "cannot delete container %s that is not stopped: %s", id,
				    state_status_name(st));
	if (st != STATE_STOPPED && st != STATE_CREATING)
		r = kill_and_wait(&c, e);
	return r < 0 ? r : run_destroy(c.root, id, c.state, e);
}

int cmd_delete(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	struct delete_args da = { 0 };
	int first = cmd_parse("delete", delete_opts, 0, argc, argv, &da, e);

	if (first < 0)
		return first;
	return da.is_regex ? for_each_match(rt, argv[first], delete_one, &da, e)
			   : delete_one(rt, argv[first], &da, e);
}

static int freeze(const struct runtime *rt, const char *name, bool is_freeze, int argc, char **argv,
		  struct err *e)
{
	AUTO_CONTAINER c = { 0 };
	int first = cmd_parse(name, no_opts, 0, argc, argv, NULL, e), r;
	enum state_status st;

	if (first < 0)
		return first;
	r = cmd_open(rt, argv[first], &c, e);
	if (r < 0)
		return r;
	st = state_status(c.dir, c.state);
	if (is_freeze && st != STATE_RUNNING && st != STATE_CREATED)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION, "container not running");
	if (!is_freeze && st != STATE_PAUSED)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION, "container not paused");
	r = cmd_cgroup(&c, e);
	if (r == 0)
		r = is_freeze ? cg_freeze(&c.cg, KILL_WAIT_MS, e) : cg_thaw(&c.cg, KILL_WAIT_MS, e);
	return r;
}

int cmd_pause(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	return freeze(rt, "pause", true, argc, argv, e);
}

int cmd_resume(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	return freeze(rt, "resume", false, argc, argv, e);
}
