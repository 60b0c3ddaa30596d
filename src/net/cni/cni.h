#pragma once
/*
 * CNI 1.1 as a runtime: configuration lists from a folder, chains of plugins, the result cache of libcni.
 *
 * A chain of which every plugin is built in (net/plugin) runs in process; any other is executed whole, program by program.
 * ADD goes in order and stops at the first error, after which the chain's DEL has run; DEL goes backwards through all
 * plugins, even when one fails, and the first error is returned. Capability arguments reach the plugins that announce them.
 *
 * Not here: which networks a container has (net/network.h). Thread-safe: yes, two calls for the same attachment are
 * serialised by a lock in the cache folder. Source: CNI SPEC.md 1.1.0, section 3; libcni 1.3.
 */
#include "spec/cni.h"

struct err;

/* Everything is borrowed. */
struct cni_runtime {
	const char *conf_dir;  /* "/etc/cni/net.d": *.conflist, *.conf, *.json, by name */
	const char *bin_path;  /* "/opt/cni/bin:/usr/lib/cni": where programs are */
	const char *cache_dir; /* "/var/lib/cni": results/ is below it */
	int64_t deadline_ms;   /* of each program; 0: one minute */
};

struct cni_network {
	const char *file; /* the list's path, or NULL */
	const char *name, *version;
	bool disable_check, disable_gc;
	struct {
		struct cni_plugin_conf {
			const char *type;
			struct json_raw text;	       /* as configured */
			struct json_strs capabilities; /* those announced as true */
		} * v;
		size_t n;
	} plugins;
	bool is_builtin; /* every plugin of the chain is */
};

/*
 * One list (or single configuration) from its text: -EBADMSG, -EINVAL, -EPROTONOSUPPORT with the file's name and the key.
 * With `cniVersions` the version is the newest that is spoken here.
 */
int cni_network_parse(const char *file, const char *text, size_t len, struct arena *a,
		      struct cni_network **ret, struct err *e);
/*
 * All networks of the folder in the order of the file names; files that are wrong are told to `warn` and left out. A folder
 * that does not exist has none. Inlined plugins (1.1: a folder named after the network) are appended.
 */
int cni_networks_load(const char *conf_dir, void (*warn)(void *data, const char *text), void *data,
		      struct arena *a, struct cni_network **ret, size_t *ret_n, struct err *e);

struct cni_attach {
	const char *container_id, *ifname;
	const char *netns_path;		 /* what plugins get as CNI_NETNS; NULL at DEL: gone */
	int netns_fd;			 /* the same, opened; -EBADF: opened by path */
	const char *args;		 /* CNI_ARGS or NULL */
	struct json_raw capability_args; /* an object {"portMappings": […], …}, or none */
};

/*
 * `*ret` lives in the arena. A failed ADD has been undone; an entry that the cache still has for the attachment (from
 * another boot, of an ADD that was killed) is deleted first. -ENXIO without the network namespace.
 */
int cni_add(const struct cni_runtime *rt, const struct cni_network *n, const struct cni_attach *at,
	    struct arena *a, struct cni_result **ret, struct err *e);
/*
 * With what the cache knows of the ADD when it knows: the list and the arguments of then win, so `n` may have no plugins
 * when its file is gone. Idempotent; the cache entry goes only when every plugin succeeded. When one fails, addresses of
 * host-local are released all the same, and GC tries the rest again.
 */
int cni_del(const struct cni_runtime *rt, const struct cni_network *n, const struct cni_attach *at,
	    struct err *e);
int cni_check(const struct cni_runtime *rt, const struct cni_network *n,
	      const struct cni_attach *at, struct err *e);
/* -EHOSTDOWN: cannot serve ADD now (CNI's code 50); -ENETDOWN: it can, but with less connectivity (51). */
int cni_status(const struct cni_runtime *rt, const struct cni_network *n, struct err *e);
/* Deletes cached attachments that are not among the valid ones, then calls GC of every plugin that has it. */
int cni_gc(const struct cni_runtime *rt, const struct cni_network *n,
	   const struct cni_attachment *valid, size_t valid_n, struct err *e);
/* Asks every plugin that is a program for its versions: -ENOENT, -EPROTONOSUPPORT with its name. */
int cni_validate(const struct cni_runtime *rt, const struct cni_network *n, struct err *e);
/* Cached attachments of a network (NULL: of all). */
int cni_cached(const struct cni_runtime *rt, const char *network, struct arena *a,
	       struct cni_attachment **ret, size_t *ret_n, struct err *e);
/* Removes what writers of entries that were killed had begun. Never fails, waits for nobody. */
void cni_cache_sweep(const struct cni_runtime *rt);
