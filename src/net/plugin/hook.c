#include "net/plugin/hook.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/plugin/plugin.h"
#include "spec/cni.h"

#define IFNAME "eth0"
/* A state with many annotations; runtimes pass the container's. */
#define STATE_MAX LIMIT_SPEC_BYTES

struct state {
	const char *id, *status;
	int64_t pid;
};
static const struct json_field state_rows[] = {
	JSON_ROW(state, id, "id", JSON_STR, JSON_REQUIRED),
	JSON_ROW(state, status, "status", JSON_STR, JSON_REQUIRED),
	JSON_ROW(state, pid, "pid", JSON_I64, 0),
};
static JSON_TABLE(state_table, "state", state, state_rows);

/* Addresses are of this boot, as the containers are: they lie in the state folder. */
static int default_conf(char **ret, struct err *e)
{
	const char *state = getenv("CORTEN_STATE");

	*ret = str_printf("{\"cniVersion\":\"" CNI_VERSION
			  "\",\"name\":\"netns0\",\"type\":\"bridge\","
			  "\"bridge\":\"netns0\",\"isDefaultGateway\":true,\"ipMasq\":true,"
			  "\"ipam\":{\"type\":\"host-local\",\"dataDir\":\"%s/net/hook\","
			  "\"ranges\":[[{\"subnet\":\"172.19.0.0/16\"}]]}}",
			  state && *state ? state : "/run/corten");
	return *ret ? 0 : err_set(e, -ENOMEM, "no memory for a configuration");
}

static int read_conf(const char *file, char **ret, struct err *e)
{
	int r;

	if (!file)
		return default_conf(ret, e);
	r = file_read_at(AT_FDCWD, file, CNI_TEXT_MAX, ret, NULL);
	return r < 0 ? err_sys(e, r, "read '%s'", file) : 0;
}

static int read_state(struct arena *a, struct state *ret, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = fd_read_all(STDIN_FILENO, STATE_MAX, &text, &len);

	if (r < 0)
		return err_sys(e, r, "read the container's state");
	r = json_read(&state_table, text, len, NULL, a, ret, e);
	return r < 0 ? err_wrap(e, r, "the container's state on standard input") : 0;
}

static int run(const char *file, struct arena *a, struct err *e)
{
	AUTO_FREE char *conf = NULL, *netns = NULL;
	struct cni_call call = { .ifname = IFNAME, .netns_fd = -EBADF, .a = a };
	struct cni_result *res = NULL;
	const struct cni_plugin *p;
	struct cni_conf c;
	struct state state;
	int r = read_state(a, &state, e);

	r = r < 0 ? r : read_conf(file, &conf, e);
	r = r < 0 ? r : json_read(&cni_conf_table, conf, strlen(conf), NULL, a, &c, e);
	if (r < 0)
		return r;
	p = c.type ? cni_plugin_find(c.type) : NULL;
	if (!p)
		return err_set(e, -EINVAL, "the hook's plugin '%.60s' is not built in",
			       c.type ? c.type : "");
	call.command = streq(state.status, "stopped") || state.pid <= 0 ? CNI_DEL : CNI_ADD;
	call.container_id = state.id;
	call.conf = conf;
	call.conf_len = strlen(conf);
	call.path = getenv("CNI_PATH");
	if (call.command == CNI_ADD) {
		call.netns_path = netns = str_printf("/proc/%lld/ns/net", (long long)state.pid);
		if (!netns)
			return err_set(e, -ENOMEM, "no memory for a path");
	}
	return cni_plugin_run(p, &call, &res, e);
}

int cni_hook(const char *file)
{
	AUTO_ARENA struct arena a = { 0 };
	struct err e = ERR_INIT;
	int r = run(file, &a, &e);

	if (r < 0)
		fprintf(stderr, "corten-cni: %s\n", err_text(&e, r));
	return r < 0;
}
