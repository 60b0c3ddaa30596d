/* Which plugins there are, and what is checked before one is called. */
#include "net/plugin/plugin.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/plugin/priv.h"

/* An IPAM plugin of others; libcni knows no deadline. */
#define IPAM_DEADLINE_MS 60000

static const struct json_limits limits = { .bytes = CNI_TEXT_MAX };

static const struct cni_plugin *const plugins[] = {
	&cni_plugin_bandwidth, &cni_plugin_bridge,  &cni_plugin_firewall, &cni_plugin_host_local,
	&cni_plugin_loopback,  &cni_plugin_macvlan, &cni_plugin_portmap,  &cni_plugin_ptp,
	&cni_plugin_static,    &cni_plugin_tuning,
};

const struct cni_plugin *cni_plugin_find(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(plugins); i++)
		if (streq(plugins[i]->type, type))
			return plugins[i];
	return NULL;
}

void plugin_keep_first(int *first, struct err *ret, int r, const struct err *e)
{
	if (r >= 0 || *first < 0)
		return;
	*first = r;
	if (ret)
		*ret = *e;
}

int plugin_gc(const struct cni_call *call, struct err *e)
{
	struct err each = ERR_INIT;
	int first = 0;

	plugin_keep_first(&first, e, masquerade_gc(call, &each), &each);
	if (conf_has_ipam(call))
		plugin_keep_first(&first, e, cni_ipam_run(call, NULL, &each), &each);
	return first;
}

/* -- checks -- */

/* The oldest version that knows the command. */
static const struct {
	const char *name, *since;
	bool is_attachment; /* needs a container and an interface */
} commands[] = {
	[CNI_ADD] = { "ADD", "0.1.0", true },	  [CNI_DEL] = { "DEL", "0.1.0", true },
	[CNI_CHECK] = { "CHECK", "0.4.0", true }, [CNI_STATUS] = { "STATUS", "1.1.0", false },
	[CNI_GC] = { "GC", "1.1.0", false },	  [CNI_VERSIONS] = { "VERSION", "0.1.0", false },
};

static int check_version(const struct cni_call *call, struct err *e)
{
	const char *v = call->c->version && *call->c->version ? call->c->version
							      : CNI_VERSION_OLDEST;
	int order = 0;

	if (!cni_version_is_known(v))
		return err_set(e, -EPROTONOSUPPORT,
			       "incompatible CNI versions: config is \"%.40s\", plugin supports "
			       "%s to %s",
			       v, CNI_VERSION_OLDEST, CNI_VERSION);
	(void)cni_version_compare(v, commands[call->command].since, &order, NULL);
	if (order < 0)
		return err_set(e, -EPROTONOSUPPORT, "config version does not allow %s",
			       commands[call->command].name);
	return 0;
}

static int check_names(const struct cni_call *call, struct err *e)
{
	int r = cni_check_network(call->c->name, e);

	if (r < 0 || !commands[call->command].is_attachment)
		return r;
	r = cni_check_container(call->container_id, e);
	return r < 0 ? r : cni_check_ifname(call->ifname, e);
}

/* The namespace when the path is one; plugins that need it say so (iface_open). */
static int open_netns(const char *path)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC)
		return -EBADF;
	return TAKE_FD(fd);
}

static int read_prev(struct cni_call *call, struct err *e)
{
	struct cni_result *prev = NULL;
	int r;

	if (!call->c->prev_result.p)
		return 0;
	r = cni_result_read(call->c->prev_result.p, call->c->prev_result.len, call->c->version,
			    call->a, &prev, e);
	/* A DEL goes without: what it can give back must not hang on an old result. */
	if (r < 0 && call->command != CNI_DEL)
		return err_wrap(e, r, "failed to parse prevResult");
	call->prev = prev;
	return 0;
}

static int run_command(const struct cni_plugin *p, const struct cni_call *call,
		       struct cni_result **ret, struct err *e)
{
	int (*const others[])(const struct cni_call *call, struct err *e) = {
		[CNI_DEL] = p->del, [CNI_CHECK] = p->check, [CNI_STATUS] = p->status,
		[CNI_GC] = p->gc,   [CNI_VERSIONS] = NULL,
	};

	if (call->command == CNI_ADD)
		return p->add(call, ret, e);
	return others[call->command] ? others[call->command](call, e) : 0;
}

/* What the kernel answers must not be taken for a class of CNI's (cni_code_of): "network is down" is no STATUS. */
static int as_internal(int r)
{
	return r == -ENETDOWN || r == -EHOSTDOWN || r == -EIO || r == -EBADR ? -EREMOTEIO : r;
}

int cni_plugin_run(const struct cni_plugin *p, struct cni_call *call, struct cni_result **ret,
		   struct err *e)
{
	struct cni_conf *c = arena_alloc(call->a, sizeof(*c));
	struct cni_result *res = NULL;
	AUTO_FD opened = -EBADF;
	int r;

	if (!c)
		return err_set(e, -ENOMEM, "no memory for a configuration");
	r = json_read(&cni_conf_table, call->conf, call->conf_len, &limits, call->a, c, e);
	call->c = c;
	r = r < 0 ? r : check_names(call, e);
	r = r < 0 ? r : check_version(call, e);
	r = r < 0 ? r : read_prev(call, e);
	if (r < 0)
		return r;
	if (call->netns_fd < 0 && call->netns_path && *call->netns_path)
		opened = call->netns_fd = open_netns(call->netns_path);
	r = as_internal(run_command(p, call, &res, e));
	if (opened >= 0)
		call->netns_fd = -EBADF;
	if (ret)
		*ret = r == 0 ? res : NULL;
	return r;
}

int cni_ipam_run(const struct cni_call *call, struct cni_result **ret, struct err *e)
{
	const struct cni_plugin *p;
	struct cni_result *res = NULL;
	int r;

	if (!conf_has_ipam(call))
		return err_set(e, -ENOENT, "the configuration names no IPAM plugin");
	p = cni_plugin_find(call->c->ipam->type);
	if (p && !p->is_ipam)
		return err_set(e, -EINVAL, "plugin '%s' is no IPAM plugin", p->type);
	r = p ? run_command(p, call, &res, e)
	      : cni_exec(call->c->ipam->type, call, IPAM_DEADLINE_MS, &res, e);
	if (r == 0 && call->command == CNI_ADD && !res)
		r = err_set(e, -EBADMSG, "IPAM plugin '%s' gave no result", call->c->ipam->type);
	if (ret)
		*ret = r == 0 ? res : NULL;
	return r;
}
