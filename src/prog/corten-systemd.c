/*
 * corten-systemd: the systemd cgroup driver's other half. The static runtime executes it with one call of
 * spec/systemd_call.h; a person may too: `corten-systemd <call.json`, with the answer's words on standard error.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "oci/systemd_bus.h"
#include "spec/systemd_call.h"

/* One line per hierarchy, each a path. */
#define SELF_CGROUP_MAX ((size_t)128 << 10)

static int read_call(struct arena *a, struct systemd_call *ret, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = fd_read_all(STDIN_FILENO, SYSTEMD_CALL_MAX, &text, &len);

	if (r < 0)
		return err_sys(e, r, "read the call");
	r = json_read(&systemd_call_table, text, len, NULL, a, ret, e);
	return r < 0 ? r : systemd_call_check(ret, e);
}

/* Where this process is now: the line that ends with the unit tells, whichever hierarchy systemd uses. */
static int own_cgroup(const char *unit, char ret[SYSTEMD_CGROUP_MAX], struct err *e)
{
	AUTO_FREE char *text = NULL;
	char *line, *rest;
	int r = file_read_at(AT_FDCWD, "/proc/self/cgroup", SELF_CGROUP_MAX, &text, NULL);

	if (r < 0)
		return err_sys(e, r, "read /proc/self/cgroup");
	for (rest = text; (line = strsep(&rest, "\n"));) {
		const char *name = strchr(line, ':'), *path = name ? strchr(name + 1, ':') : NULL;
		const char *last = path ? strrchr(path, '/') : NULL;

		if (!last || !streq(last + 1, unit) || strlen(path) >= SYSTEMD_CGROUP_MAX)
			continue;
		snprintf(ret, SYSTEMD_CGROUP_MAX, "%s", path + 1);
		return 0;
	}
	return err_set(e, -ESRCH, "systemd made '%s' but moved no process into it", unit);
}

static int start(struct systemd_bus *b, const struct systemd_call *c, struct systemd_answer *a)
{
	int r = systemd_bus_start(b, c, (uint32_t)getpid(), &a->e);

	return r < 0 ? r : own_cgroup(c->unit, a->cgroup, &a->e);
}

static int set(struct systemd_bus *b, const struct systemd_call *c, struct systemd_answer *a)
{
	return systemd_bus_set(b, c, &a->e);
}

static int attach(struct systemd_bus *b, const struct systemd_call *c, struct systemd_answer *a)
{
	return systemd_bus_attach(b, c->unit, c->sub ? c->sub : "", (uint32_t)c->pid, &a->e);
}

static int stop(struct systemd_bus *b, const struct systemd_call *c, struct systemd_answer *a)
{
	return systemd_bus_stop(b, c, &a->e);
}

static const struct {
	const char *name;
	int (*run)(struct systemd_bus *b, const struct systemd_call *c, struct systemd_answer *a);
	bool stays;
} verbs[] = {
	{ SYSTEMD_START, start, true },
	{ SYSTEMD_SET, set, false },
	{ SYSTEMD_ATTACH, attach, false },
	{ SYSTEMD_STOP, stop, false },
};

/* Without a socket (a person's shell) there is nobody to answer but standard error. */
static int answer(struct systemd_answer *a, int r)
{
	a->r = r;
	if (send(STDOUT_FILENO, a, sizeof(*a), MSG_NOSIGNAL) == (ssize_t)sizeof(*a))
		return 0;
	if (r < 0)
		fprintf(stderr, "corten-systemd: %s\n", err_text(&a->e, r));
	return -errno;
}

/* The scope's place-holder: until the runtime has a process of the container in it. */
static void serve(struct systemd_bus *b, const struct systemd_call *c)
{
	struct systemd_attach what;

	while (recv(STDOUT_FILENO, &what, sizeof(what), 0) == (ssize_t)sizeof(what)) {
		struct systemd_answer a = { 0 };

		what.sub[sizeof(what.sub) - 1] = '\0';
		if (answer(&a, systemd_bus_attach(b, c->unit, what.sub, what.pid, &a.e)) < 0)
			return;
	}
}

int main(void)
{
	AUTO_ARENA struct arena arena = { .budget = 16 * SYSTEMD_CALL_MAX };
	CLEANUP(systemd_bus_done) struct systemd_bus b = { 0 };
	struct systemd_answer a = { 0 };
	struct systemd_call c = { 0 };
	size_t i = 0;
	int r = read_call(&arena, &c, &a.e);

	while (r == 0 && i < ARRAY_LEN(verbs) && !streq(c.verb, verbs[i].name))
		i++;
	if (r == 0 && i == ARRAY_LEN(verbs))
		r = err_set(&a.e, -EINVAL, "unknown verb '%s'", c.verb);
	if (r == 0)
		r = systemd_bus_open(c.is_user, &b, &a.e);
	if (r == 0)
		r = verbs[i].run(&b, &c, &a);
	if (answer(&a, r) == 0 && r == 0 && verbs[i].stays)
		serve(&b, &c);
	return r < 0;
}
