/* Chains of plugins: ADD in order, DEL backwards, and what keeps an attachment from being left half made. */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "net/cni/priv.h"

#define HOST_LOCAL "host-local"
#define CALL_BUDGET (32 * CNI_TEXT_MAX)

/* One command over a chain. Everything is borrowed. */
struct run {
	const struct cni_runtime *rt;
	const struct cni_network *n;
	const struct cni_attach *at; /* NULL: STATUS and GC */
	enum cni_command command;
	const struct cni_result *prev;
	bool is_new;			    /* ADD: the cache has no earlier one */
	const struct cni_attachment *valid; /* GC */
	size_t valid_n;
	struct arena *a;
};

static bool is_since(const struct cni_network *n, const char *version)
{
	int order = -1;

	return cni_version_compare(n->version, version, &order, NULL) == 0 && order >= 0;
}

/* Runs the program or the built-in plugin `type` with the configuration `p`. */
static int run_type(const struct run *run, const struct cni_plugin *builtin, const char *type,
		    const struct cni_plugin_conf *p, struct cni_result **ret, struct err *e)
{
	const struct cni_conf c = { .version = run->n->version,
				    .name = run->n->name,
				    .type = type };
	const struct cni_inject in = {
		.name = run->n->name,
		.version = run->n->version,
		.prev = run->prev,
		.announced = &p->capabilities,
		.capability_args = run->at ? run->at->capability_args : (struct json_raw){ 0 },
		.is_gc = run->command == CNI_GC,
		.valid = run->valid,
		.valid_n = run->valid_n,
	};
	AUTO_STRBUF struct strbuf text = { 0 };
	const char *verb = cni_command_verb(run->command);
	int r = cni_inject(p->text, &in, &text, e);

	if (r < 0)
		return err_wrap(e, r, "plugin type=\"%s\" failed (%s)", type, verb);
	struct cni_call call = { .command = run->command,
				 .netns_fd = -EBADF,
				 .path = run->rt->bin_path,
				 .conf = text.p,
				 .conf_len = text.len,
				 .c = &c,
				 .is_new = run->is_new,
				 .a = run->a };

	if (run->at) {
		call.container_id = run->at->container_id;
		call.ifname = run->at->ifname;
		call.netns_path = run->at->netns_path;
		call.netns_fd = run->at->netns_fd;
		call.args = run->at->args;
	}
	if (!builtin)
		return cni_exec(type, &call, run->rt->deadline_ms, ret, e);
	r = cni_plugin_run(builtin, &call, ret, e);
	return r < 0 ? err_wrap(e, r, "plugin type=\"%s\" failed (%s)", type, verb) : 0;
}

static int run_plugin(const struct run *run, const struct cni_plugin_conf *p,
		      struct cni_result **ret, struct err *e)
{
	return run_type(run, run->n->is_builtin ? cni_plugin_find(p->type) : NULL, p->type, p, ret,
			e);
}

/* ---- namespaces ---- */

/* The attachment with its namespace opened; `*fd` is the caller's. */
static int open_netns(const struct cni_attach *at, struct cni_attach *ret, int *fd, struct err *e)
{
	*ret = *at;
	if (at->netns_fd >= 0)
		return 0;
	*fd = at->netns_path ? open(at->netns_path, O_RDONLY | O_CLOEXEC) : -ENOENT;
	if (*fd < 0 && at->netns_path)
		*fd = -errno;
	if (*fd < 0)
		return err_set(e, -ENXIO, "open the network namespace '%s': %s",
			       at->netns_path ? at->netns_path : "", strerror(-*fd));
	ret->netns_fd = *fd;
	return 0;
}

/*
 * The same for DEL, where one that is gone is told to plugins as none: a path that is left of it (a mount point after a
 * reboot) makes the reference plugins fail for ever.
 */
static void open_netns_left(const struct cni_attach *at, struct cni_attach *ret, int *fd)
{
	struct statfs fs;

	if (open_netns(at, ret, fd, NULL) < 0 || fstatfs(ret->netns_fd, &fs) < 0 ||
	    fs.f_type != NSFS_MAGIC) {
		ret->netns_fd = -EBADF;
		ret->netns_path = NULL;
	}
}

/* ---- DEL ---- */

static void keep_first(int *first, struct err *e, int r, const struct err *why)
{
	if (r >= 0 || *first < 0)
		return;
	*first = r;
	if (e)
		*e = *why;
}

/*
 * Whatever broke, addresses come back: those of host-local are released by its own DEL, which needs nothing but its
 * store. Without ours the program is asked.
 */
static void release_addresses(const struct run *run)
{
	for (size_t i = 0; i < run->n->plugins.n; i++) {
		const struct cni_plugin_conf *p = &run->n->plugins.v[i];
		struct err why = ERR_INIT;
		struct cni_result *none;
		struct cni_conf c;
		int r = json_read(&cni_conf_table, p->text.p, p->text.len, NULL, run->a, &c, NULL);

		if (r < 0 || !c.ipam || !streq_null(c.ipam->type, HOST_LOCAL))
			continue;
		r = run_type(run, cni_plugin_find(HOST_LOCAL), HOST_LOCAL, p, &none, &why);
		if (r < 0)
			log_debug("address not released: %s", why.msg);
	}
}

/* Backwards through all; the first failure is returned. */
static int del_chain(const struct run *run, struct err *e)
{
	int first = 0;

	for (size_t i = run->n->plugins.n; i-- > 0;) {
		struct err why = ERR_INIT;
		struct cni_result *none;
		int r = run_plugin(run, &run->n->plugins.v[i], &none, &why);

		keep_first(&first, e, r, &why);
	}
	if (first < 0)
		release_addresses(run);
	return first;
}

/* What the cache knows better than the caller: the configuration and the arguments of the ADD, and its result. */
static void take_cached(const struct cni_cached *cached, struct run *run, struct cni_attach *at)
{
	struct cni_network *n;
	struct cni_result *prev;

	if (cached->config.p &&
	    cni_network_parse(NULL, cached->config.p, cached->config.len, run->a, &n, NULL) == 0 &&
	    streq(n->name, run->n->name)) {
		/* Who has its plugins run as programs keeps them so. */
		if (run->n->plugins.n)
			n->is_builtin = n->is_builtin && run->n->is_builtin;
		run->n = n;
	}
	if (!at->args)
		at->args = cached->args;
	if (!at->capability_args.p)
		at->capability_args = cached->capability_args;
	/* 0.3 and older have no prevResult at DEL. */
	if (cached->result.p && is_since(run->n, "0.4.0") &&
	    cni_result_read(cached->result.p, cached->result.len, run->n->version, run->a, &prev,
			    NULL) == 0)
		run->prev = prev;
}

/* With the attachment's or the network's lock. */
static int del_locked(const struct cni_runtime *rt, const struct cni_network *n,
		      const struct cni_attach *at, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = CALL_BUDGET };
	AUTO_FD fd = -EBADF;
	struct cni_attach with_fd;
	struct cni_cached cached;
	struct run run = { .rt = rt, .n = n, .at = &with_fd, .command = CNI_DEL, .a = &a };
	struct err why = ERR_INIT;
	int r;

	open_netns_left(at, &with_fd, &fd);
	r = cni_cache_read(rt, n->name, at->container_id, at->ifname, &a, &cached, &why);
	if (r > 0)
		take_cached(&cached, &run, &with_fd);
	else if (r < 0)
		log_debug("%s", why.msg);
	r = del_chain(&run, e);
	if (r < 0)
		return r;
	return cni_cache_remove(rt, n->name, at->container_id, at->ifname, e);
}

static int check_names(const struct cni_network *n, const struct cni_attach *at, struct err *e)
{
	int r = cni_check_network(n->name, e);

	r = r < 0 ? r : cni_check_container(at->container_id, e);
	return r < 0 ? r : cni_check_ifname(at->ifname, e);
}

int cni_del(const struct cni_runtime *rt, const struct cni_network *n, const struct cni_attach *at,
	    struct err *e)
{
	AUTO_FD lock = -EBADF;
	int r = check_names(n, at, e);

	if (r < 0)
		return r;
	lock = cni_lock(rt, n->name, at->container_id, at->ifname, e);
	return lock < 0 ? lock : del_locked(rt, n, at, e);
}

/* ---- ADD ---- */

static int add_chain(struct run *run, struct cni_result **ret, struct err *e)
{
	for (size_t i = 0; i < run->n->plugins.n; i++) {
		struct cni_result *result = NULL;
		int r = run_plugin(run, &run->n->plugins.v[i], &result, e);

		if (r < 0)
			return r;
		if (result)
			run->prev = *ret = result;
	}
	if (!run->prev)
		return err_set(e, -EBADMSG, "no plugin of network '%s' has given a result",
			       run->n->name);
	return 0;
}

/* An entry of an earlier boot, or of an ADD that was killed. Whether there is none, now or before. */
static bool del_earlier(const struct cni_runtime *rt, const struct cni_network *n,
			const struct cni_attach *at, struct arena *a)
{
	struct err why = ERR_INIT;
	struct cni_cached cached;

	if (cni_cache_read(rt, n->name, at->container_id, at->ifname, a, &cached, NULL) == 0)
		return true;
	if (del_locked(rt, n, at, &why) == 0)
		return true;
	log_debug("earlier attachment: %s", why.msg);
	return false;
}

static void undo(struct run *run)
{
	const struct cni_attach *at = run->at;
	struct err why = ERR_INIT;

	run->command = CNI_DEL;
	if (!is_since(run->n, "0.4.0"))
		run->prev = NULL;
	if (del_chain(run, &why) == 0)
		(void)cni_cache_remove(run->rt, run->n->name, at->container_id, at->ifname, NULL);
	else
		log_debug("undoing: %s", why.msg);
}

int cni_add(const struct cni_runtime *rt, const struct cni_network *n, const struct cni_attach *at,
	    struct arena *a, struct cni_result **ret, struct err *e)
{
	AUTO_FD fd = -EBADF, lock = -EBADF;
	struct cni_attach with_fd;
	struct run run = { .rt = rt, .n = n, .at = &with_fd, .command = CNI_ADD, .a = a };
	struct cni_result *result = NULL;
	int r = check_names(n, at, e);

	r = r < 0 ? r : open_netns(at, &with_fd, &fd, e);
	if (r < 0)
		return r;
	lock = cni_lock(rt, n->name, at->container_id, at->ifname, e);
	if (lock < 0)
		return lock;
	run.is_new = del_earlier(rt, n, at, a);
	/* Whoever is killed from here on has left an entry by which GC finds what there is to delete. */
	r = cni_cache_write(rt, n, &with_fd, NULL, e);
	if (r < 0)
		return r;
	r = add_chain(&run, &result, e);
	r = r < 0 ? r : cni_cache_write(rt, n, &with_fd, result, e);
	if (r < 0) {
		undo(&run);
		return r;
	}
	*ret = result;
	return 0;
}

/* ---- CHECK ---- */

int cni_check(const struct cni_runtime *rt, const struct cni_network *n,
	      const struct cni_attach *at, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = CALL_BUDGET };
	AUTO_FD fd = -EBADF, lock = -EBADF;
	struct cni_attach with_fd;
	struct run run = { .rt = rt, .n = n, .at = &with_fd, .command = CNI_CHECK, .a = &a };
	struct cni_cached cached = { 0 };
	struct cni_result *none;
	int r = check_names(n, at, e);

	if (r == 0 && !is_since(n, "0.4.0"))
		return err_set(e, -EOPNOTSUPP,
			       "configuration version \"%s\" does not support the CHECK command",
			       n->version);
	if (r < 0 || n->disable_check)
		return r;
	r = open_netns(at, &with_fd, &fd, e);
	if (r < 0)
		return r;
	lock = cni_lock(rt, n->name, at->container_id, at->ifname, e);
	if (lock < 0)
		return lock;
	r = cni_cache_read(rt, n->name, at->container_id, at->ifname, &a, &cached, e);
	if (r >= 0 && !cached.result.p)
		return err_set(e, -ENOENT,
			       "container '%.80s' is not attached to network '%s' by %s",
			       at->container_id, n->name, at->ifname);
	if (r > 0)
		take_cached(&cached, &run, &with_fd);
	for (size_t i = 0; r >= 0 && i < run.n->plugins.n; i++)
		r = run_plugin(&run, &run.n->plugins.v[i], &none, e);
	return r < 0 ? r : 0;
}

/* ---- STATUS, GC, VERSION ---- */

int cni_status(const struct cni_runtime *rt, const struct cni_network *n, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = CALL_BUDGET };
	struct run run = { .rt = rt, .n = n, .command = CNI_STATUS, .a = &a };
	struct cni_result *none;
	int r = 0;

	if (!is_since(n, "1.1.0"))
		return 0;
	for (size_t i = 0; r == 0 && i < n->plugins.n; i++)
		r = run_plugin(&run, &n->plugins.v[i], &none, e);
	return r;
}

static bool is_valid(const struct cni_attachment *valid, size_t n, const struct cni_cached *c)
{
	for (size_t i = 0; i < n; i++)
		if (streq(valid[i].container_id, c->container_id) &&
		    streq(valid[i].ifname, c->ifname))
			return true;
	return false;
}

static int del_stale(const struct cni_runtime *rt, const struct cni_network *n,
		     const struct cni_cached *c, struct err *e)
{
	struct cni_attach at = { .container_id = c->container_id,
				 .ifname = c->ifname,
				 .netns_path = c->netns,
				 .netns_fd = -EBADF };
	int r;

	/* Another process may have that number by now. */
	if (at.netns_path && str_skip(at.netns_path, "/proc/"))
		at.netns_path = NULL;
	r = del_locked(rt, n, &at, e);
	return r < 0 ? err_wrap(e, r, "stale attachment %s %s", c->container_id, c->ifname) : 0;
}

int cni_gc(const struct cni_runtime *rt, const struct cni_network *n,
	   const struct cni_attachment *valid, size_t valid_n, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = 2 * CALL_BUDGET };
	AUTO_FD lock = -EBADF;
	struct run run = {
		.rt = rt, .n = n, .command = CNI_GC, .valid = valid, .valid_n = valid_n, .a = &a
	};
	struct cni_cached *cached;
	struct cni_result *none;
	size_t cached_n;
	int first = 0, r = cni_check_network(n->name, e);

	if (r < 0 || n->disable_gc)
		return r;
	lock = cni_lock(rt, n->name, NULL, NULL, e);
	if (lock < 0)
		return lock;
	cni_cache_sweep(rt);
	r = cni_cache_list(rt, n->name, &a, &cached, &cached_n, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < cached_n; i++) {
		struct err why = ERR_INIT;

		if (is_valid(valid, valid_n, &cached[i]))
			continue;
		r = del_stale(rt, n, &cached[i], &why);
		keep_first(&first, e, r, &why);
	}
	for (size_t i = 0; is_since(n, "1.1.0") && i < n->plugins.n; i++) {
		struct err why = ERR_INIT;

		r = run_plugin(&run, &n->plugins.v[i], &none, &why);
		keep_first(&first, e, r, &why);
	}
	return first;
}

struct versions {
	struct json_strs supported;
};
static const struct json_field versions_rows[] = {
	JSON_ROW(versions, supported, "supportedVersions", JSON_STRS, 0),
};
static JSON_TABLE(versions_table, "versions", versions, versions_rows);

static int validate_program(const struct cni_runtime *rt, const struct cni_network *n,
			    const char *type, struct err *e)
{
	static const char text[] = "{\"cniVersion\":\"" CNI_VERSION "\"}";
	/* Plugins from before there was VERSION want these. */
	const struct cni_call call = { .command = CNI_VERSIONS,
				       .container_id = "dummy",
				       .ifname = "dummy",
				       .netns_path = "dummy",
				       .netns_fd = -EBADF,
				       .path = rt->bin_path,
				       .conf = text,
				       .conf_len = sizeof(text) - 1 };
	AUTO_ARENA struct arena a = { .budget = CALL_BUDGET };
	AUTO_STRBUF struct strbuf out = { 0 };
	struct versions v;
	int r = cni_exec_text(type, &call, rt->deadline_ms, &out, e);

	r = r < 0 ? r : json_read(&versions_table, out.p ? out.p : "", out.len, NULL, &a, &v, e);
	if (r < 0)
		return err_wrap(e, r, "ask plugin '%s' for its versions", type);
	for (size_t i = 0; i < v.supported.n; i++)
		if (streq(v.supported.v[i], n->version))
			return 0;
	return err_set(e, -EPROTONOSUPPORT, "plugin %s does not support config version \"%s\"",
		       type, n->version);
}

int cni_validate(const struct cni_runtime *rt, const struct cni_network *n, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && !n->is_builtin && i < n->plugins.n; i++)
		r = validate_program(rt, n, n->plugins.v[i].type, e);
	return r;
}
