#include "oci/systemd.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

#define HELPER "corten-systemd"
/* Above the helper's own deadlines: 25 s for a call and 30 s for its job. */
#define ANSWER_TIMEOUT_MS 60000
#define EXIT_TIMEOUT_MS 5000
#define SUFFIX ".slice"

bool systemd_is_running(void)
{
	struct stat st;

	return lstat("/run/systemd/system", &st) == 0 && S_ISDIR(st.st_mode);
}

int systemd_slice_path(const char *slice, struct arena *a, const char **ret, struct err *e)
{
	AUTO_STRBUF struct strbuf path = { 0 };
	size_t len = strlen(slice), n = strlen(SUFFIX);

	if (len < n || !str_ends(slice, SUFFIX) || strchr(slice, '/'))
		return err_set(e, -EINVAL, "invalid slice name: %s", slice);
	len -= n;
	if (len == 1 && *slice == '-') {
		strbuf_addc(&path, '/');
	} else {
		/* Each part adds a folder named by all parts up to it; none is empty. */
		for (size_t i = 0; i <= len; i++) {
			if (i < len && slice[i] != '-')
				continue;
			if (i == 0 || slice[i - 1] == '-')
				return err_set(e, -EINVAL, "invalid slice name: %s", slice);
			strbuf_addf(&path, "/%.*s" SUFFIX, (int)i, slice);
		}
	}
	*ret = strbuf_ok(&path) == 0 ? arena_strdup(a, path.p) : NULL;
	return *ret ? 0 : err_sys(e, -ENOMEM, "slice '%s'", slice);
}

const char *systemd_unit_name(const char *prefix, const char *id, struct arena *a)
{
	return arena_printf(a, "%s-%s.scope", prefix, id);
}

int systemd_unit_parse(const char *path, const char *id, bool is_user, struct arena *a,
		       struct systemd_unit *ret, struct err *e)
{
	struct systemd_unit u = { .prefix = "runc", .id = id, .is_user = is_user };
	const char *colon = path ? strchr(path, ':') : NULL, *expanded;
	const char *second = colon ? strchr(colon + 1, ':') : NULL;

	if (path && *path) {
		if (!second || strchr(second + 1, ':'))
			return err_set(e, -EINVAL,
				       "expected cgroupsPath to be of format \"slice:prefix:name\" "
				       "for systemd cgroups, got \"%s\" instead",
				       path);
		u.slice = arena_strndup(a, path, (size_t)(colon - path));
		u.prefix = arena_strndup(a, colon + 1, (size_t)(second - colon - 1));
		u.id = second + 1;
		if (!u.slice || !u.prefix)
			return err_sys(e, -ENOMEM, "read cgroupsPath");
	}
	if (!u.slice || !*u.slice)
		u.slice = is_user ? "user.slice" : "system.slice";
	u.name = systemd_unit_name(u.prefix, u.id, a);
	if (!u.name)
		return err_sys(e, -ENOMEM, "read cgroupsPath");
	*ret = u;
	return systemd_slice_path(u.slice, a, &expanded, e);
}

void systemd_unit_props(const struct systemd_unit *u, bool is_v2, struct systemd_props *p)
{
	char text[300];
	const char *const yes[] = { "Delegate", "CPUAccounting", "MemoryAccounting",
				    "TasksAccounting",
				    is_v2 ? "IOAccounting" : "BlockIOAccounting" };

	snprintf(text, sizeof(text), "corten container %.255s", u->id);
	systemd_props_add(p, "Description", "s", text);
	systemd_props_add(p, "Slice", "s", u->slice);
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		systemd_props_add(p, yes[i], "b", "true");
	systemd_props_add(p, "DefaultDependencies", "b", "false");
}

static int call_file(const struct systemd_call *c, struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_FD fd = memfd_create("systemd-call", MFD_CLOEXEC);
	int r = systemd_call_check(c, e);

	if (r < 0)
		return r;
	json_write(&systemd_call_table, c, 0, &text);
	r = fd < 0 ? -errno : strbuf_ok(&text);
	if (r == 0 && text.len > SYSTEMD_CALL_MAX)
		r = -E2BIG;
	if (r == 0)
		r = fd_write_full(fd, text.p, text.len);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "write the call of %s", HELPER) : TAKE_FD(fd);
}

static int start_helper(const struct systemd_call *c, struct systemd_scope *ret, struct err *e)
{
	char *argv[] = { (char *)HELPER, NULL };
	AUTO_FREE char *path = NULL;
	AUTO_FD in = call_file(c, e);
	AUTO_FD mine = -EBADF, its = -EBADF;
	struct spawn_fd fds[] = { { in, 0 }, { -1, 1 }, { 2, 2 } };
	struct spawn_options o = {
		.argv = argv, .fds = fds, .fds_len = 3, .dies_with_parent = true
	};
	int pair[2], r;

	if (in < 0)
		return in;
	r = proc_program_find(HELPER, &path);
	if (r < 0)
		return err_set_code(e, r, ERR_UNAVAILABLE,
				    "--systemd-cgroup is asked for, but %s is not installed",
				    HELPER);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, -errno, "make socket pair");
	mine = pair[0];
	its = fds[1].from = pair[1];
	o.path = path;
	r = proc_spawn(&o, &ret->helper, e);
	if (r == 0)
		ret->sock = TAKE_FD(mine);
	return r;
}

static int wait_answer(struct systemd_scope *s, char *cgroup, struct err *e)
{
	struct pollfd p = { .fd = s->sock, .events = POLLIN };
	struct systemd_answer a;
	int n;

	do
		n = poll(&p, 1, ANSWER_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_set(e, -ETIMEDOUT, "%s does not answer", HELPER);
	if (n < 0 || recv(s->sock, &a, sizeof(a), 0) != (ssize_t)sizeof(a))
		return err_set(e, -EIO, "%s ended without an answer", HELPER);
	a.e.msg[ERR_MSG_MAX - 1] = '\0';
	a.cgroup[SYSTEMD_CGROUP_MAX - 1] = '\0';
	if (a.r < 0) {
		if (e)
			*e = a.e;
		return a.r;
	}
	if (cgroup)
		memcpy(cgroup, a.cgroup, SYSTEMD_CGROUP_MAX);
	return 0;
}

void systemd_scope_release(struct systemd_scope *s)
{
	int status;

	if (s->sock < 0)
		return;
	fd_closep(&s->sock);
	if (proc_wait(&s->helper, EXIT_TIMEOUT_MS, &status) < 0)
		proc_kill_wait(&s->helper);
}

int systemd_scope_start(const struct systemd_unit *u, const struct systemd_props *p,
			struct systemd_scope *ret, char cgroup[SYSTEMD_CGROUP_MAX], struct err *e)
{
	struct systemd_call c = {
		.verb = SYSTEMD_START, .unit = u->name, .is_user = u->is_user, .properties = p->list
	};
	struct systemd_scope s = SYSTEMD_SCOPE_INIT;
	int r = p->is_out ? err_sys(e, -ENOMEM, "list the unit's properties") : 0;

	if (r == 0)
		r = start_helper(&c, &s, e);
	if (r == 0)
		r = wait_answer(&s, cgroup, e);
	if (r < 0)
		systemd_scope_release(&s);
	else
		*ret = s;
	return r;
}

int systemd_scope_attach(struct systemd_scope *s, const char *sub, pid_t pid, struct err *e)
{
	struct systemd_attach a = { .pid = (uint32_t)pid };

	if ((size_t)snprintf(a.sub, sizeof(a.sub), "%s", sub ? sub : "") >= sizeof(a.sub))
		return err_set(e, -ENAMETOOLONG, "sub-cgroup '%s'", sub);
	if (send(s->sock, &a, sizeof(a), MSG_NOSIGNAL) < 0)
		return err_sys(e, -errno, "ask %s", HELPER);
	return wait_answer(s, NULL, e);
}

/* One call whose helper ends by itself. */
static int ask(const struct systemd_call *c, struct err *e)
{
	struct systemd_scope s = SYSTEMD_SCOPE_INIT;
	int r = start_helper(c, &s, e);

	if (r == 0)
		r = wait_answer(&s, NULL, e);
	systemd_scope_release(&s);
	return r;
}

int systemd_unit_set(const struct systemd_unit *u, const struct systemd_props *p, struct err *e)
{
	struct systemd_call c = {
		.verb = SYSTEMD_SET, .unit = u->name, .is_user = u->is_user, .properties = p->list
	};

	if (p->is_out)
		return err_sys(e, -ENOMEM, "list the unit's properties");
	return c.properties.n ? ask(&c, e) : 0;
}

int systemd_unit_attach(const struct systemd_unit *u, const char *sub, pid_t pid, struct err *e)
{
	struct systemd_call c = { .verb = SYSTEMD_ATTACH,
				  .unit = u->name,
				  .is_user = u->is_user,
				  .sub = sub,
				  .pid = pid };

	return ask(&c, e);
}

int systemd_unit_stop(const struct systemd_unit *u, struct err *e)
{
	struct systemd_call c = { .verb = SYSTEMD_STOP, .unit = u->name, .is_user = u->is_user };

	return ask(&c, e);
}
