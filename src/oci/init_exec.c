#include "oci/init.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "oci/sync.h"
#include "sys/calls.h"
#include "sys/landlock.h"
#include "sys/lsm.h"
#include "sys/privproc.h"
#include "sys/root.h"
#include "sys/seccomp.h"

#define EXIT_EXEC_FAILED 255

#define CLOSE_FDS_MAX 8

int init_close_fds(unsigned int kept_fds, const int *keep, size_t n)
{
	unsigned int from = 3 + kept_fds, sorted[CLOSE_FDS_MAX];
	size_t m = 0;
	int r = 0;

	ASSERT(n <= CLOSE_FDS_MAX);
	for (size_t i = 0; i < n; i++) {
		size_t at = m;

		if (keep[i] < (int)from)
			continue;
		for (; at > 0 && sorted[at - 1] > (unsigned int)keep[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = (unsigned int)keep[i];
		m++;
	}
	for (size_t i = 0; r == 0 && i < m; from = sorted[i++] + 1)
		if (sorted[i] > from)
			r = k_close_range(from, sorted[i] - 1, 0);
	if (r == 0)
		r = k_close_range(from, ~0U, 0);
	return r;
}

static const char *env_get(char **env, const char *name)
{
	for (; *env; env++) {
		const char *v = str_skip(*env, name);

		if (v && *v == '=')
			return v + 1;
	}
	return NULL;
}

static void env_add(char **env, char *word)
{
	for (; *env; env++)
		;
	env[0] = word;
	env[1] = NULL;
}

/* The 6th field of the first line whose 3rd is the uid, from a bounded, regular file; "/" otherwise. */
static void find_home(uid_t uid, char *buf, size_t size)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD fd = root_open(root, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	AUTO_FREE char *text = NULL;
	struct stat st;
	char *p, *line;

	snprintf(buf, size, "HOME=/");
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > (off_t)LIMIT_PASSWD_BYTES)
		return;
	if (fd_read_all(fd, LIMIT_PASSWD_BYTES, &text, NULL) < 0)
		return;
	for (p = text; (line = strsep(&p, "\n"));) {
		char *field[7] = { NULL };
		uint32_t id;
		int n = 0;

		if (strlen(line) > LIMIT_PASSWD_LINE)
			continue;
		while (n < 7 && (field[n] = strsep(&line, ":")))
			n++;
		if (n < 6 || str_to_u32(field[2], &id) < 0 || id != uid || !*field[5])
			continue;
		snprintf(buf, size, "HOME=%s", field[5]);
		return;
	}
}

/* An empty HOME counts as none. */
static void complete_home(struct init_exec *x)
{
	const char *given = env_get(x->p->env, "HOME");

	if (given && *given)
		return;
	find_home(x->p->ids.uid, x->home, sizeof(x->home));
	for (char **v = x->p->env; *v; v++)
		if (streq(*v, "HOME=")) {
			*v = x->home;
			return;
		}
	env_add(x->p->env, x->home);
}

static void complete_env(struct init_exec *x)
{
	static char listen[32], listen_pid[] = "LISTEN_PID=1";

	complete_home(x);
	if (x->in->listen_fds) {
		snprintf(listen, sizeof(listen), "LISTEN_FDS=%u", x->in->listen_fds);
		env_add(x->p->env, listen);
		env_add(x->p->env, listen_pid);
	}
}

static int apply_limits(const struct plan_process *p, struct err *e)
{
	for (size_t i = 0; i < p->rlimits_n; i++) {
		bool is_clamped;
		int r = task_set_rlimit(&p->rlimits[i], &is_clamped, e);

		if (r < 0)
			return r;
		if (is_clamped)
			log_warn(
				"%s is above the hard limit and CAP_SYS_RESOURCE is missing: clamped",
				task_rlimit_name(p->rlimits[i].resource));
	}
	return 0;
}

static bool has_cpuset(const struct oci_spec *spec)
{
	const struct oci_resources *r = spec->linux_->resources;

	return r && r->cpu && r->cpu->cpus && *r->cpu->cpus;
}

static int apply_scheduling(const struct init_exec *x, struct err *e)
{
	const struct plan *plan = x->in->plan;
	const struct plan_process *p = x->p;
	int r = p->sched ? task_set_sched(p->sched, e) : 0;

	if (r == -EPERM && plan && has_cpuset(plan->spec))
		err_wrap(e, r, "process scheduler can't be used together with AllowedCPUs");
	if (r == 0 && p->has_ioprio)
		r = task_set_ioprio(p->ioprio_class, p->ioprio, e);
	if (r == 0 && plan && plan->personality >= 0)
		r = task_set_personality(plan->personality, e);
	if (r == 0 && plan && plan->has_mempolicy)
		r = task_set_mempolicy(plan->mempolicy, plan->mempolicy_nodes,
				       plan->has_mempolicy_nodes, e);
	if (r == 0 && p->cpus_final)
		r = task_set_cpus(p->cpus_final, e);
	return r;
}

/* Standard descriptors are given to the process's user, as runc does, except for the null device. */
static int own_stdio(const struct plan_process *p, struct err *e)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0)
			return err_sys(e, -errno, "fstat standard descriptor %d", fd);
		if (st.st_uid == p->ids.uid || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
			continue;
		if (fchown(fd, p->ids.uid, (gid_t)-1) < 0 && errno != EPERM && errno != EROFS &&
		    errno != EINVAL)
			return err_sys(e, -errno, "chown standard descriptor %d", fd);
	}
	return 0;
}

static int load_seccomp(const struct init_exec *x, struct err *e)
{
	const struct seccomp_ready *s = &x->in->seccomp;
	int fd = s->is_set ? seccomp_load(&s->prog, s->flags, e) : 0;

	if (fd <= 0)
		return fd;
	fd = sync_send(x->in->sync, SYNC_LISTENER, fd);
	if (fd == 0)
		fd = sync_wait_go(x->in->sync);
	return fd < 0 ? err_sys(e, fd, "hand over the seccomp listener") : 0;
}

/*
 * The labels wait for the next exec, so that nothing of the container's runs without them; a startContainer
 * hook is under them too, as with runc. Here, because the kernel takes them only from the credentials that opened
 * the file, and AppArmor may refuse them behind no_new_privs.
 */
static int set_labels(const struct init_exec *x, struct err *e)
{
	const struct plan_process *p = x->p;
	AUTO_FD attr = -EBADF;
	int r = 0;

	if (!p->apparmor && !p->selinux)
		return 0;
	attr = lsm_attr_open(x->proc, e);
	if (attr < 0)
		return attr;
	if (p->apparmor)
		r = lsm_set(attr, LSM_APPARMOR_EXEC, p->apparmor, e);
	if (r == 0 && p->selinux)
		r = lsm_set(attr, LSM_SELINUX_EXEC, p->selinux, e);
	/* Or the program could not use the keyring that is made for it. */
	if (r == 0 && p->selinux && !x->in->no_keyring)
		r = lsm_set(attr, LSM_SELINUX_KEY, p->selinux, e);
	return r;
}

/* A path that is missing has nothing below it that could be allowed: the rule has no effect. */
static int allow_paths(int ruleset, const struct plan_landlock *l, struct err *e)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = root < 0 ? -errno : 0;

	for (size_t i = 0; r == 0 && i < l->paths_n; i++) {
		const char *path = l->paths[i].path;
		AUTO_FD fd = root_open(root, path, O_PATH);

		if (fd == -ENOENT || fd == -ENOTDIR) {
			log_warn("Landlock rule for '%s': there is no such path", path);
			continue;
		}
		r = fd < 0 ? err_sys(e, fd, "open '%s'", path)
			   : landlock_allow_path(ruleset, fd, l->paths[i].access, e);
	}
	return r < 0 ? err_wrap(e, r, "Landlock rules") : 0;
}

/*
 * While the paths can still be opened by root. exec.fifo is opened under the rules, so it is one of them; it has no
 * name in the container, and none at all once it is started.
 */
static int make_landlock(const struct init_exec *x, struct err *e)
{
	const struct plan_landlock *l = x->p->landlock;
	const struct landlock_row *write_file = landlock_find(LANDLOCK_FS, "write_file");
	AUTO_FD fd = landlock_open(l->fs, l->net, l->scope, e);
	int r = fd < 0 ? fd : allow_paths(fd, l, e);

	for (size_t i = 0; r == 0 && i < l->ports_n; i++)
		r = landlock_allow_port(fd, l->ports[i].port, l->ports[i].access, e);
	if (r == 0 && x->in->fifo >= 0 && l->fs & 1ull << write_file->bit)
		r = landlock_allow_path(fd, x->in->fifo, 1ull << write_file->bit, e);
	return r < 0 ? r : TAKE_FD(fd);
}

/* Raises what the process has, for what needs CAP_SYS_ADMIN without no_new_privs. */
static int raise_caps(struct err *e)
{
	struct caps_sets full;
	int r = caps_get(&full);

	full.effective = full.permitted;
	if (r == 0)
		r = caps_set(&full);
	return r < 0 ? err_sys(e, r, "raise capabilities") : 0;
}

/*
 * With no_new_privs the filter comes as late as possible (init_exec_go); without, it needs CAP_SYS_ADMIN, which the
 * container may not have. Landlock first, as a filter may forbid its calls.
 */
static int restrict_process(const struct init_exec *x, int ruleset, struct err *e)
{
	const struct plan_process *p = x->p;
	bool is_filtered_now = !p->no_new_privileges && x->in->seccomp.is_set;
	int r = 0;

	if (p->has_caps && !p->no_new_privileges && (is_filtered_now || ruleset >= 0))
		r = raise_caps(e);
	if (r == 0 && ruleset >= 0)
		r = landlock_restrict(ruleset, p->landlock->flags, e);
	return r == 0 && is_filtered_now ? load_seccomp(x, e) : r;
}

static int drop_privileges(const struct init_exec *x, struct err *e)
{
	const struct plan_process *p = x->p;
	AUTO_FD ruleset = p->landlock ? make_landlock(x, e) : -EBADF;
	struct task_ids ids = p->ids;
	int r = p->landlock && ruleset < 0 ? ruleset : 0;

	if (r < 0)
		return r;
	r = p->has_caps ? caps_drop_bounding(p->caps.bounding) : 0;
	if (r < 0)
		return err_sys(e, r, "drop bounding capabilities");
	ids.keeps_groups |= x->in->denies_groups;
	if (ids.groups_n && x->in->denies_groups)
		return err_set(e, -EPERM,
			       "cannot set any additional groups in a rootless container");
	r = task_set_ids(&ids, e);
	if (r < 0)
		return r;
	if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, -errno, "set no_new_privs");
	r = restrict_process(x, ruleset, e);
	if (r < 0 || !p->has_caps)
		return r;
	r = caps_set(&p->caps);
	if (r == 0)
		r = caps_set_ambient(p->caps.ambient);
	return r < 0 ? err_sys(e, r, "set capabilities") : 0;
}

/*
 * Before the privileges are dropped, as runc: the user may have no way to the folder; or behind it, should root have
 * none (a volume of NFS). The folder must be inside: a path that getcwd calls unreachable is the host's.
 */
static int enter_cwd(const struct plan_process *p, bool is_there, struct err *e)
{
	char buf[4096];

	if (!is_there && chdir(p->cwd) < 0)
		return err_set(e, -errno, "chdir to cwd (\"%s\") set in config.json failed: %s",
			       p->cwd, err_words(errno));
	if (syscall(SYS_getcwd, buf, sizeof(buf)) < 0 || buf[0] != '/')
		return err_set(
			e, -ENOENT,
			"current working directory is outside of container mount namespace root -- possible "
			"container breakout detected");
	return 0;
}

/* Go's words, on which callers match: dockerd exits with 127 or 126 by them. */
static int exec_words(struct err *e, int r, const char *name, const char *what)
{
	return err_set(e, r, "exec: \"%s\": %s%s", name, what, err_words(-r));
}

/* 0, or why the file cannot be executed. */
static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
		return 0;
	/* Only a filter that is older than faccessat2 says that; the real ids are the effective ones by now. */
	if (errno == EPERM && access(path, X_OK) == 0)
		return 0;
	return -errno;
}

static int find_program(struct init_exec *x, struct err *e)
{
	const char *name = x->p->args[0], *dirs = env_get(x->p->env, "PATH");
	bool is_denied = false;
	int r;

	if (strchr(name, '/')) {
		r = check_program(name);
		x->path = (char *)name;
		return r == -ENOENT ? exec_words(e, r, name,
						 (snprintf(x->path_buf, sizeof(x->path_buf),
							   "stat %s: ", name),
						  x->path_buf))
		       : r < 0	    ? exec_words(e, r == -EISDIR ? -EISDIR : r, name, "")
				    : 0;
	}
	while (dirs && *name) {
		size_t len = strcspn(dirs, ":");

		if ((size_t)snprintf(x->path_buf, sizeof(x->path_buf), "%.*s/%s", (int)len,
				     len ? dirs : ".", name) < sizeof(x->path_buf)) {
			r = check_program(x->path_buf);
			x->path = x->path_buf;
			if (r == 0)
				return 0;
			is_denied |= r == -EACCES;
		}
		dirs = dirs[len] ? dirs + len + 1 : NULL;
	}
	if (is_denied)
		return exec_words(e, -EACCES, name, "");
	return err_set(e, -ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

int init_join_groups(struct cg_join *j, struct err *e)
{
	int r = cg_join_self(j, e);

	cg_join_done(j);
	/* The caller's CPUs are not the container's; what the config wants comes later. */
	task_reset_cpus();
	return r < 0 ? err_wrap(e, r, "unable to apply cgroup configuration") : 0;
}

void init_set_oom_score(const struct plan_process *p)
{
	if (p && p->has_oom_score && task_set_oom_score(p->oom_score) < 0)
		log_warn("cannot set oom_score_adj to %d: no CAP_SYS_RESOURCE", p->oom_score);
}

bool init_exec_needs_proc(const struct plan_process *p)
{
	return p && (p->apparmor || p->selinux);
}

int init_open_proc(struct err *e)
{
	int fd;

	if (mnt_has_detached())
		return privproc_open(e);
	fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, -errno, "open /proc") : fd;
}

int init_exec_prepare(struct init_exec *x, struct err *e)
{
	const struct plan_process *p = x->p;
	char keyring[300];
	bool is_there;
	int r = apply_scheduling(x, e);

	if (r == 0)
		r = apply_limits(p, e);
	if (r == 0)
		r = set_labels(x, e);
	if (r == 0 && !x->in->no_keyring &&
	    snprintf(keyring, sizeof(keyring), "_ses.%s", x->in->id) > 0)
		r = task_join_keyring(keyring, e);
	if (r < 0)
		return r;
	complete_env(x);
	umask(p->has_umask ? p->umask : 0022);
	r = own_stdio(p, e);
	is_there = chdir(p->cwd) == 0;
	if (r == 0)
		r = drop_privileges(x, e);
	if (r == 0)
		r = enter_cwd(p, is_there, e);
	return r < 0 ? r : find_program(x, e);
}

int init_exec_seccomp(struct init_exec *x, struct err *e)
{
	if (!x->p->no_new_privileges || x->is_filtered)
		return 0;
	x->is_filtered = true;
	return load_seccomp(x, e);
}

int init_exec_go(struct init_exec *x, struct err *e)
{
	int r = 0;

	/* What the runtime did with signals is not the container's: it ignores SIGPIPE. */
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &(sigset_t){ 0 }, NULL);
	r = init_exec_seccomp(x, e);
	if (r < 0)
		return r;
	execve(x->path, x->p->args, x->p->env);
	r = -errno;
	/* After the start nobody listens any more: the words go to the user, with runc's exit code. */
	if (x->in->fifo >= 0 || x->in->is_foreground) {
		dprintf(STDERR_FILENO, "exec %s: %s\n", x->path, err_words(-r));
		_exit(EXIT_EXEC_FAILED);
	}
	return err_set(e, r, "exec %s: %s", x->path, err_words(-r));
}
