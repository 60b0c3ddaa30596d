#include "oci/cmd.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "oci/annotation.h"
#include "oci/exec.h"

struct args {
	struct exec_options o;
	const char *process, *cwd, *user, *label, *apparmor;
	char **env, **caps, **gids;
	bool is_tty, no_new_privs;
	uint32_t preserve_fds;
};

#define A(name, letter, kind, flags, member, arg, help)                                   \
	{                                                                                 \
		name, letter, kind, flags, offsetof(struct args, member), arg, help, NULL \
	}

static const struct opt exec_opts[] = {
	A("console-socket", 0, OPT_STR, 0, o.console_socket, "path",
	  "Unix socket that gets the terminal's master end"),
	A("pidfd-socket", 0, OPT_STR, 0, o.pidfd_socket, "path",
	  "Unix socket that gets a pidfd of the process"),
	A("cwd", 0, OPT_STR, 0, cwd, "dir", "Current working directory in the container"),
	A("env", 'e', OPT_STRV, 0, env, "name=value", "Set environment variables"),
	A("tty", 't', OPT_BOOL, 0, is_tty, NULL, "Allocate a pseudo-TTY"),
	A("user", 'u', OPT_STR, 0, user, "uid[:gid]", "The user to run as"),
	A("additional-gids", 'g', OPT_STRV, 0, gids, "gid", "Additional group ids"),
	A("process", 'p', OPT_STR, 0, process, "file", "Path to the process.json"),
	A("detach", 'd', OPT_BOOL, 0, o.is_detached, NULL, "Detach from the process"),
	A("pid-file", 0, OPT_STR, 0, o.pid_file, "file", "The file to write the process id to"),
	A("process-label", 0, OPT_STR, 0, label, "label", "The SELinux label of the process"),
	A("apparmor", 0, OPT_STR, 0, apparmor, "profile", "The AppArmor profile of the process"),
	A("no-new-privs", 0, OPT_BOOL, 0, no_new_privs, NULL, "Set no_new_privs"),
	A("cap", 'c', OPT_STRV, 0, caps, "cap", "Add a capability"),
	A("preserve-fds", 0, OPT_U32, 0, preserve_fds, "n", "Pass N additional descriptors"),
	A("cgroup", 0, OPT_STR, 0, o.cgroup, "path",
	  "Run in an existing sub-cgroup ([controller:]path)"),
	A("ignore-paused", 0, OPT_BOOL, 0, o.ignores_paused, NULL,
	  "Allow exec in a paused container"),
	A("no-subreaper", 0, OPT_BOOL, OPT_HIDDEN, o.no_subreaper, NULL,
	  "Do not reap reparented processes"),
	OPT_END,
};

static int append(struct json_strs *s, char *const *more, struct arena *a)
{
	size_t n = strv_len(more);
	const char **v = arena_calloc(a, s->n + n + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		v[i] = s->v[i];
	for (size_t i = 0; i < n; i++)
		v[s->n + i] = more[i];
	*s = (struct json_strs){ v, s->n + n };
	return 0;
}

/* Numbers only, whole and in range: "1000", "1000:1000" (CVE-2016-3697, CVE-2026-30892). */
static int parse_user(const char *text, struct oci_user *u, struct err *e)
{
	const char *colon = strchr(text, ':');
	char uid[16];
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	if (len == 0 || len >= sizeof(uid))
		return err_set(e, -EINVAL, "parsing %s as uid[:gid]: invalid number", text);
	memcpy(uid, text, len);
	uid[len] = '\0';
	if (str_to_u32(uid, &u->uid) < 0 || u->uid == UINT32_MAX)
		return err_set(e, -EINVAL, "parsing %s as int for uid: invalid number", uid);
	if (colon && (str_to_u32(colon + 1, &u->gid) < 0 || u->gid == UINT32_MAX))
		return err_set(e, -EINVAL, "parsing %s as int for gid: invalid number", colon + 1);
	return 0;
}

static int add_groups(struct oci_user *u, char *const *gids, struct arena *a, struct err *e)
{
	size_t n = strv_len(gids);
	uint32_t *v = arena_calloc(a, u->additional_gids.n + n + 1, sizeof(*v));

	if (!v)
		return err_sys(e, -ENOMEM, "read groups");
	for (size_t i = 0; i < u->additional_gids.n; i++)
		v[i] = u->additional_gids.v[i];
	for (size_t i = 0; i < n; i++)
		if (str_to_u32(gids[i], &v[u->additional_gids.n + i]) < 0)
			return err_set(e, -EINVAL, "invalid additional gid \"%s\"", gids[i]);
	u->additional_gids = (struct json_u32s){ v, u->additional_gids.n + n };
	return 0;
}

static int add_caps(struct oci_process *p, char *const *caps, struct arena *a, struct err *e)
{
	struct oci_capabilities *c = p->capabilities;
	int r = 0;

	for (char *const *k = caps; k && *k; k++)
		if (caps_find(*k) < 0)
			return err_set(e, -EINVAL, "unknown capability \"%s\"", *k);
	if (!c)
		c = p->capabilities = arena_alloc(a, sizeof(*c));
	if (c)
		r = append(&c->bounding, caps, a);
	if (c && r == 0)
		r = append(&c->effective, caps, a);
	if (c && r == 0)
		r = append(&c->permitted, caps, a);
	/* Ambient needs inheritable, which --cap does not set. */
	if (c && r == 0 && c->inheritable.n)
		r = append(&c->ambient, caps, a);
	return !c || r < 0 ? err_sys(e, -ENOMEM, "add capabilities") : 0;
}

static void set_labels(struct oci_process *p, const struct args *a)
{
	if (a->label)
		p->selinux_label = a->label;
	if (a->apparmor)
		p->apparmor_profile = a->apparmor;
}

/* The config's process with the command line's changes. */
static int from_options(struct cmd_container *c, const struct args *a, int argc, char **argv,
			struct oci_process **ret, struct err *e)
{
	struct oci_spec *spec;
	struct oci_process *p;
	int r = cmd_spec(c, &spec, e);

	if (r < 0)
		return r;
	p = spec->process;
	if (!p)
		return err_set(e, -EINVAL, "process property must not be empty");
	p->args = (struct json_strs){ (const char **)argv, (size_t)argc };
	if (!p->user)
		p->user = arena_alloc(&c->arena, sizeof(*p->user));
	if (!p->user)
		return err_sys(e, -ENOMEM, "read process");
	p->terminal = a->is_tty;
	p->console_size = NULL;
	if (a->cwd)
		p->cwd = a->cwd;
	if (a->no_new_privs)
		p->no_new_privileges = true;
	set_labels(p, a);
	r = append(&p->env, a->env, &c->arena);
	if (r == 0 && a->user)
		r = parse_user(a->user, p->user, e);
	if (r == 0 && a->gids)
		r = add_groups(p->user, a->gids, &c->arena, e);
	if (r == 0 && a->caps)
		r = add_caps(p, a->caps, &c->arena, e);
	*ret = p;
	return r;
}

static int from_file(struct cmd_container *c, const struct args *a, struct oci_process **ret,
		     struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	/* A pipe too: `--process <(jq …)`. */
	AUTO_FD fd = open(a->process, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : fd_read_all(fd, LIMIT_SPEC_BYTES, &text, &len);

	if (r < 0)
		return err_set(e, r, "open %s: %s", a->process, err_words(-r));
	r = oci_process_read(text, len, &c->arena, ret, e);
	if (r == 0 && a->is_tty)
		(*ret)->terminal = true;
	/* runc forgets them with --process; a protection that is asked for is given. */
	if (r == 0)
		set_labels(*ret, a);
	return r;
}

static int check_status(struct cmd_container *c, const struct args *a, struct err *e)
{
	enum state_status st = state_status(c->dir, c->state);

	if (st == STATE_STOPPED || st == STATE_CREATING)
		return err_set_code(e, -ESRCH, ERR_FAILED_PRECONDITION,
				    "cannot exec in a stopped container");
	if (st == STATE_PAUSED && !a->o.ignores_paused)
		return err_set_code(
			e, -EBUSY, ERR_FAILED_PRECONDITION,
			"cannot exec in a paused container (use --ignore-paused to override)");
	return 0;
}

static bool has_userns(const struct state *s)
{
	for (size_t i = 0; i < s->config->namespaces.n; i++)
		if (streq_null(s->config->namespaces.v[i].type, "NEWUSER"))
			return true;
	return false;
}

static int run(const struct runtime *rt, struct args *a, int argc, char **argv, struct err *e)
{
	AUTO_CONTAINER c = { 0 };
	struct oci_process *p;
	struct plan_process *plan;
	struct host host;
	const char *landlock = NULL;
	int r = cmd_open(rt, argv[0], &c, e);

	if (r == 0)
		r = check_status(&c, a, e);
	if (r == 0 && !a->process && argc < 2)
		r = err_set(e, -EINVAL, "exec args cannot be empty");
	if (r == 0)
		r = a->process ? from_file(&c, a, &p, e)
			       : from_options(&c, a, argc - 1, argv + 1, &p, e);
	if (r == 0)
		landlock = state_label(c.state, ANNOTATION_LANDLOCK);
	if (r == 0)
		r = host_probe(landlock || plan_wants_modules(NULL, p), &host, e);
	if (r == 0)
		r = plan_process_make(p, &host, has_userns(c.state), &c.arena, &plan, e);
	if (r == 0 && landlock)
		r = plan_landlock_make(landlock, host.landlock_abi, &c.arena, &plan->landlock, e);
	if (r < 0)
		return r;
	plan->ids.keeps_groups = state_label(c.state, ANNOTATION_KEEP_GROUPS);
	return exec_run(&c, &a->o, plan, e);
}

int cmd_exec(const struct runtime *rt, int argc, char **argv, struct err *e)
{
	struct args a = { 0 };
	int first = cmd_parse("exec", exec_opts, OPT_STOP_AT_POSITIONAL, argc, argv, &a, e),
	    r = first;

	if (first >= 0 && a.preserve_fds > 1024)
		r = err_set(e, -EINVAL, "--preserve-fds is above 1024");
	else if (first >= 0) {
		a.o.preserve_fds = a.preserve_fds;
		r = run(rt, &a, argc - first, argv + first, e);
	}
	strv_free(a.env);
	strv_free(a.caps);
	strv_free(a.gids);
	return r < 0 && r != -ECANCELED ? err_wrap(e, r, "exec failed") : r;
}
