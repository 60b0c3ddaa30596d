/* run and create. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/network/want.h"
#include "cli/volume.h"

struct run_options {
	const char *name, *entrypoint, *workdir, *user, *hostname, *stop_signal, *detach_keys,
		*cidfile;
	const char *pull;
	char **env, **labels, **volumes, **cap_add, **cap_drop, **security, **env_files;
	int64_t memory, nano_cpus, pids_limit, stop_timeout;
	bool is_detached, is_interactive, is_tty, is_rm, is_readonly, is_privileged, is_quiet;
	int sig_proxy;
	struct network_options net;
};

#define AT(m) offsetof(struct run_options, m)
#define ROW(kind, name, letter, member, arg, help)                       \
	{                                                                \
		name, letter, OPT_##kind, 0, AT(member), arg, help, NULL \
	}
#define HIDDEN(kind, name, letter, member)                                         \
	{                                                                          \
		name, letter, OPT_##kind, OPT_HIDDEN, AT(member), NULL, NULL, NULL \
	}
#define MISSING(name, letter)                                             \
	{                                                                 \
		name, letter, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL \
	}
#define MISSING_SWITCH(name, letter)                                  \
	{                                                             \
		name, letter, OPT_UNSUPPORTED, 0, 0, NULL, NULL, NULL \
	}

/* The first rows are run's alone; create begins behind them. */
#define RUN_ONLY 4

static const struct opt rows[] = {
	ROW(BOOL, "detach", 'd', is_detached, NULL,
	    "Run container in background and print container ID"),
	ROW(STR, "detach-keys", 0, detach_keys, "string",
	    "Override the key sequence for detaching a container"),
	ROW(TRISTATE, "sig-proxy", 0, sig_proxy, NULL,
	    "Proxy received signals to the process (default true)"),
	HIDDEN(BOOL, "quiet", 'q', is_quiet),

	ROW(STRV, "add-host", 0, net.hosts, "list", "Add a custom host-to-IP mapping (host:ip)"),
	ROW(STRV, "cap-add", 0, cap_add, "list", "Add Linux capabilities"),
	ROW(STRV, "cap-drop", 0, cap_drop, "list", "Drop Linux capabilities"),
	ROW(STR, "cidfile", 0, cidfile, "string", "Write the container ID to the file"),
	ROW(CPUS, "cpus", 0, nano_cpus, "decimal", "Number of CPUs"),
	ROW(STRV, "dns", 0, net.dns, "list", "Set custom DNS servers"),
	HIDDEN(STRV, "dns-opt", 0, net.dns_options),
	ROW(STRV, "dns-option", 0, net.dns_options, "list", "Set DNS options"),
	ROW(STRV, "dns-search", 0, net.dns_search, "list", "Set custom DNS search domains"),
	ROW(STR, "entrypoint", 0, entrypoint, "string",
	    "Overwrite the default ENTRYPOINT of the image"),
	ROW(STRV, "env", 'e', env, "list", "Set environment variables"),
	ROW(STRV, "env-file", 0, env_files, "list", "Read in a file of environment variables"),
	ROW(STRV, "expose", 0, net.expose, "list", "Expose a port or a range of ports"),
	ROW(STR, "hostname", 'h', hostname, "string", "Container host name"),
	ROW(BOOL, "interactive", 'i', is_interactive, NULL, "Keep STDIN open even if not attached"),
	ROW(STRV, "label", 'l', labels, "list", "Set meta data on a container"),
	ROW(BYTES, "memory", 'm', memory, "bytes", "Memory limit"),
	ROW(STR, "name", 0, name, "string", "Assign a name to the container"),
	ROW(STR, "ip", 0, net.ip, "string", "IPv4 address (e.g., 172.30.100.104)"),
	ROW(STR, "ip6", 0, net.ip6, "string", "IPv6 address (e.g., 2001:db8::33)"),
	ROW(STR, "mac-address", 0, net.mac, "string",
	    "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
	ROW(STRV, "network", 0, net.networks, "network",
	    "Connect a container to a network: bridge, none, host, container:NAME or a network's "
	    "name (default: CORTEN_NETWORK of the environment, else bridge)"),
	HIDDEN(STRV, "net", 0, net.networks),
	ROW(STRV, "network-alias", 0, net.aliases, "list",
	    "Add network-scoped alias for the container"),
	HIDDEN(STRV, "net-alias", 0, net.aliases),
	ROW(I64, "pids-limit", 0, pids_limit, "int",
	    "Tune container pids limit (default 2048, -1 for none)"),
	ROW(BOOL, "privileged", 0, is_privileged, NULL,
	    "Give extended privileges to this container"),
	ROW(STRV, "publish", 'p', net.publish, "list", "Publish a container's port(s) to the host"),
	ROW(BOOL, "publish-all", 'P', net.is_publish_all, NULL,
	    "Publish all exposed ports to random ports"),
	HIDDEN(STR, "pull", 0, pull),
	ROW(BOOL, "read-only", 0, is_readonly, NULL,
	    "Mount the container's root filesystem as read only"),
	ROW(BOOL, "rm", 0, is_rm, NULL, "Automatically remove the container when it exits"),
	ROW(STRV, "security-opt", 0, security, "list",
	    "Security Options (seccomp=FILE|unconfined, no-new-privileges)"),
	ROW(STR, "stop-signal", 0, stop_signal, "string", "Signal to stop the container"),
	ROW(I64, "stop-timeout", 0, stop_timeout, "int",
	    "Timeout (in seconds) to stop a container"),
	ROW(BOOL, "tty", 't', is_tty, NULL, "Allocate a pseudo-TTY"),
	ROW(STR, "user", 'u', user, "string", "Username or UID (format: <name|uid>[:<group|gid>])"),
	ROW(STRV, "volume", 'v', volumes, "list", "Bind mount a volume"),
	ROW(STR, "workdir", 'w', workdir, "string", "Working directory inside the container"),

	/* What docker has and we do not have yet: known by name, so that nothing is ignored. */
	MISSING("annotation", 0),
	MISSING("attach", 'a'),
	MISSING("blkio-weight", 0),
	MISSING("blkio-weight-device", 0),
	MISSING("cgroup-parent", 0),
	MISSING("cgroupns", 0),
	MISSING("cpu-count", 0),
	MISSING("cpu-percent", 0),
	MISSING("cpu-period", 0),
	MISSING("cpu-quota", 0),
	MISSING("cpu-rt-period", 0),
	MISSING("cpu-rt-runtime", 0),
	MISSING("cpuset-cpus", 0),
	MISSING("cpuset-mems", 0),
	MISSING("device", 0),
	MISSING("device-cgroup-rule", 0),
	MISSING("device-read-bps", 0),
	MISSING("device-read-iops", 0),
	MISSING("device-write-bps", 0),
	MISSING("device-write-iops", 0),
	MISSING("domainname", 0),
	MISSING("gpus", 0),
	MISSING("group-add", 0),
	MISSING("health-cmd", 0),
	MISSING("health-interval", 0),
	MISSING("health-retries", 0),
	MISSING("health-start-interval", 0),
	MISSING("health-start-period", 0),
	MISSING("health-timeout", 0),
	MISSING("ipc", 0),
	MISSING("isolation", 0),
	MISSING("kernel-memory", 0),
	MISSING("label-file", 0),
	MISSING("link", 0),
	MISSING("link-local-ip", 0),
	MISSING("log-driver", 0),
	MISSING("log-opt", 0),
	MISSING("memory-reservation", 0),
	MISSING("memory-swap", 0),
	MISSING("memory-swappiness", 0),
	MISSING("mount", 0),
	MISSING("oom-score-adj", 0),
	MISSING("pid", 0),
	MISSING("platform", 0),
	MISSING("restart", 0),
	MISSING("runtime", 0),
	MISSING("shm-size", 0),
	MISSING("storage-opt", 0),
	MISSING("sysctl", 0),
	MISSING("tmpfs", 0),
	MISSING("ulimit", 0),
	MISSING("userns", 0),
	MISSING("uts", 0),
	MISSING("volume-driver", 0),
	MISSING("volumes-from", 0),
	MISSING("cpu-shares", 'c'),
	MISSING_SWITCH("init", 0),
	MISSING_SWITCH("no-healthcheck", 0),
	MISSING_SWITCH("oom-kill-disable", 0),
	OPT_END,
};

static void run_options_done(struct run_options *o)
{
	strv_free(o->env);
	strv_free(o->labels);
	strv_free(o->volumes);
	strv_free(o->cap_add);
	strv_free(o->cap_drop);
	strv_free(o->security);
	strv_free(o->env_files);
	network_options_done(&o->net);
}

static int check_pull(const struct run_options *o, struct err *e)
{
	if (!o->pull || streq(o->pull, "missing") || streq(o->pull, "never"))
		return 0;
	if (streq(o->pull, "always"))
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "option '--pull always' is not supported yet");
	return err_set(
		e, -EINVAL,
		"invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"",
		o->pull);
}

/* seccomp=FILE, seccomp=unconfined, no-new-privileges[:true|=true] */
static int apply_security(const struct run_options *o, struct engine_create_options *co,
			  struct err *e)
{
	for (size_t i = 0; o->security && o->security[i]; i++) {
		const char *s = o->security[i], *v;

		if ((v = str_skip(s, "seccomp=")) || (v = str_skip(s, "seccomp:")))
			co->seccomp = streq(v, "builtin") ? NULL : v;
		else if (streq(s, "no-new-privileges") || streq(s, "no-new-privileges:true") ||
			 streq(s, "no-new-privileges=true"))
			co->no_new_privileges = true;
		else if (streq(s, "no-new-privileges:false") || streq(s, "no-new-privileges=false"))
			co->no_new_privileges = false;
		else
			return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
					    "security option '%s' is not supported yet", s);
	}
	return 0;
}

/* Lines of KEY=VALUE or KEY; "#" begins a comment. They come before -e. */
static int read_env_files(const struct run_options *o, char ***env, struct err *e)
{
	for (size_t i = 0; o->env_files && o->env_files[i]; i++) {
		AUTO_FREE char *text = NULL;
		char *rest, *line;
		int r = file_read_at(-100, o->env_files[i], 1 << 20, &text, NULL);

		if (r < 0)
			return err_sys(e, r, "open %s", o->env_files[i]);
		rest = text;
		while ((line = strsep(&rest, "\n"))) {
			line += strspn(line, " \t");
			/* Files of Windows are taken as docker takes them. */
			if (str_ends(line, "\r"))
				line[strlen(line) - 1] = '\0';
			if (*line == '\0' || *line == '#')
				continue;
			r = strv_add(env, line);
			if (r < 0)
				return err_sys(e, r, "environment");
		}
	}
	for (size_t i = 0; o->env && o->env[i]; i++) {
		int r = strv_add(env, o->env[i]);

		if (r < 0)
			return err_sys(e, r, "environment");
	}
	return 0;
}

static int cidfile_is_there(const char *path, struct err *e)
{
	return err_set(
		e, -EEXIST,
		"container ID file found, make sure the other container isn't running or delete %s",
		path);
}

/* The container without its file is of no use to a script, so it goes again. */
static int write_cidfile(struct cli *c, const char *path, const char *id, struct err *e)
{
	int r = file_replace_at(-100, path, id, strlen(id), 0644, FILE_EXCL);

	if (r == -EEXIST)
		cidfile_is_there(path, e);
	else if (r < 0)
		err_sys(e, r, "write container ID file '%s'", path);
	if (r < 0)
		engine_container_remove(c->engine, id, true, NULL);
	return r;
}

static int create(struct cli *c, const struct run_options *o, char *const *args, bool is_attached,
		  struct arena *a, const char **ret_id, struct err *e)
{
	AUTO_STRV char **env = NULL;
	struct engine_create_options co = {
		.image = args[0],
		.name = o->name,
		.command = args + 1,
		.entrypoint = o->entrypoint,
		.labels = o->labels,
		.workdir = o->workdir,
		.user = o->user,
		.hostname = o->hostname,
		.memory = o->memory,
		.nano_cpus = o->nano_cpus,
		.pids_limit = o->pids_limit,
		.cap_add = o->cap_add,
		.cap_drop = o->cap_drop,
		.is_readonly = o->is_readonly,
		.is_privileged = o->is_privileged,
		.is_terminal = o->is_tty,
		.has_stdin = o->is_interactive,
		.is_auto_remove = o->is_rm,
		.is_attached = is_attached,
		.stop_signal = o->stop_signal,
		.stop_timeout_s = o->stop_timeout,
	};
	struct engine_bind *binds = NULL;
	int r = network_options_apply(&o->net, a, &co, e);

	if (r == 0 && o->cidfile && access(o->cidfile, F_OK) == 0)
		r = cidfile_is_there(o->cidfile, e);
	if (r == 0)
		r = check_pull(o, e);
	if (r == 0)
		r = apply_security(o, &co, e);
	if (r == 0)
		r = read_env_files(o, &env, e);
	if (r == 0)
		r = volume_parse_all(o->volumes, a, &binds, &co.binds_len, e);
	if (r < 0)
		return r;
	co.env = env;
	co.binds = binds;
	r = engine_container_create(c->engine, &co, a, ret_id, NULL, e);
	if (r == -ENOENT && str_skip(e->msg, "No such image:") &&
	    !(o->pull && streq(o->pull, "never"))) {
		*e = ERR_INIT;
		r = cli_pull_missing(c, co.image, o->is_quiet, e);
		if (r == 0)
			r = engine_container_create(c->engine, &co, a, ret_id, NULL, e);
	}
	if (r == 0 && o->cidfile)
		r = write_cidfile(c, o->cidfile, *ret_id, e);
	return r;
}

/* Starts and carries the stdio; returns the exit code. */
static int run_attached(struct cli *c, const struct run_options *o, const char *id, struct err *e)
{
	AUTO_FD task_fd = -EBADF;
	struct session *s = NULL;
	bool is_detached = false;
	int status = 0;
	int r = engine_task_create(c->engine, id, &task_fd, e);

	if (r == 0)
		r = session_open(c,
				 &(struct session_options){
					 .task_fd = task_fd,
					 .has_stdin = o->is_interactive,
					 .has_output = true,
					 .is_terminal = o->is_tty,
					 .is_owner = true,
					 .is_sig_proxy = !o->is_tty && o->sig_proxy != 0,
					 .detach_keys = o->detach_keys,
					 .id = id,
				 },
				 &s, e);
	if (r == 0)
		r = engine_task_start(c->engine, id, e);
	if (r < 0) {
		int code = cli_start_code(e, r);

		session_free(s);
		engine_task_finish(c->engine, id, NULL);
		return cli_fail(e, r, code);
	}
	r = session_run(s, &status, &is_detached, e);
	if (r < 0)
		status = cli_fail(e, r, EXIT_OWN_FAILURE);
	/* The connection stays until the task is finished: while it does, the shim leaves that to us. */
	if (r == 0 && !is_detached && (r = engine_task_finish(c->engine, id, e)) < 0)
		cli_fail(e, r, 1);
	session_free(s);
	return status;
}

static int run_detached(struct cli *c, const char *id, struct err *e)
{
	int r = engine_container_start(c->engine, id, e);

	if (r < 0)
		return cli_fail(e, r, cli_start_code(e, r));
	puts(id);
	return 0;
}

static int run_command(struct cli *c, const struct run_options *o, char **args)
{
	AUTO_ARENA struct arena a = { 0 };
	struct err e = ERR_INIT;
	const char *id;
	int r;

	if (o->is_tty && o->is_interactive && !o->is_detached && !isatty(0))
		return cli_failf(1, "the input device is not a TTY");
	if (!cli_engine(c))
		return EXIT_OWN_FAILURE;
	r = create(c, o, args, !o->is_detached, &a, &id, &e);
	if (r < 0)
		return cli_fail(&e, r, EXIT_OWN_FAILURE);
	return o->is_detached ? run_detached(c, id, &e) : run_attached(c, o, id, &e);
}

static int run_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct run_options o = { .sig_proxy = -1, .stop_timeout = -1 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	if (first >= 0)
		code = run_command(c, &o, argv + first);
	run_options_done(&o);
	return code;
}

static int create_command(struct cli *c, const struct run_options *o, char **args)
{
	AUTO_ARENA struct arena a = { 0 };
	struct err e = ERR_INIT;
	const char *id;
	int r;

	if (!cli_engine(c))
		return EXIT_OWN_FAILURE;
	r = create(c, o, args, false, &a, &id, &e);
	if (r < 0)
		return cli_fail(&e, r, EXIT_OWN_FAILURE);
	puts(id);
	return 0;
}

static int create_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct run_options o = { .stop_timeout = -1 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	if (first >= 0)
		code = create_command(c, &o, argv + first);
	run_options_done(&o);
	return code;
}

const struct cli_command cli_run = {
	"run",
	"[OPTIONS] IMAGE [COMMAND] [ARG...]",
	"Create and run a new container from an image",
	rows,
	OPT_STOP_AT_POSITIONAL,
	1,
	-1,
	false,
	run_main,
};

const struct cli_command cli_create = {
	"create",
	"[OPTIONS] IMAGE [COMMAND] [ARG...]",
	"Create a new container",
	rows + RUN_ONLY,
	OPT_STOP_AT_POSITIONAL,
	1,
	-1,
	false,
	create_main,
};
