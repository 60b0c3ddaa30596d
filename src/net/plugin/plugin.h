#pragma once
/*
 * The built-in CNI plugins, as calls: the same code runs in process (net/cni, when every plugin of a chain is one of ours)
 * and as a program (corten-cni, by argv[0] or CNI's environment). Keys, results, stores and error codes are those of the
 * reference plugins (containernetworking/plugins 1.1 to 1.9), so that either set takes over from the other.
 *
 * Not here: reading the environment, files of configuration, the result cache, plugins of others (net/cni).
 * What always holds: DEL is idempotent and tolerates that namespace, link or rule is gone.
 *
 * DEL in a namespace that lives deletes the link there, as the reference plugins do, and the kernel makes that wait for 8 to
 * 24 ms. A caller whose namespace is about to die gives none (netns_fd -EBADF, netns_path NULL): addresses and rules are
 * given back at once and nothing is waited for; the kernel takes the link along with the namespace, and both ends of a veth.
 * Thread-safe: yes; a call may enter the container's network namespace with its own thread and always comes back.
 */
#include "spec/cni.h"

struct err;
struct strbuf;

enum cni_command { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_STATUS, CNI_GC, CNI_VERSIONS };

/* Everything is borrowed. */
struct cni_call {
	enum cni_command command;
	const char *container_id, *ifname;
	const char *netns_path; /* as given (CNI_NETNS); what results name as sandbox */
	int netns_fd;		/* -EBADF: there is none, or it is gone (DEL) */
	const char *args;	/* CNI_ARGS: "K=V;K=V", or NULL */
	const char *path;	/* CNI_PATH: where plugins of others are (ipam), or NULL */
	const char *conf;	/* the configuration's text */
	size_t conf_len;
	const struct cni_conf *c;      /* the same, read */
	const struct cni_result *prev; /* prevResult, read; NULL: none */
	/*
	 * ADD by a runtime that has no record of an earlier one by this name: no store is searched for it, because that
	 * would read what every other container has.
	 */
	bool is_new;
	struct arena *a; /* results live here */
};

/* `ret`: what the call adds, or the previous result passed on; lives in the call's arena. Only add has one. */
struct cni_plugin {
	const char *type;
	bool is_ipam; /* what "ipam" in a configuration may name; it needs no namespace */
	int (*add)(const struct cni_call *call, struct cni_result **ret, struct err *e);
	int (*del)(const struct cni_call *call, struct err *e);
	int (*check)(const struct cni_call *call, struct err *e);  /* NULL: nothing to check */
	int (*status)(const struct cni_call *call, struct err *e); /* NULL: always ready */
	int (*gc)(const struct cni_call *call, struct err *e);	   /* NULL: nothing to collect */
};

/* NULL: not one of ours. */
const struct cni_plugin *cni_plugin_find(const char *type);

/*
 * Runs a call: reads the text (`conf`, then `c` and `prev` are filled), checks version, names and what the command needs
 * (SPEC.md, section 2), and calls the plugin. `*ret` is NULL for other commands than ADD.
 */
int cni_plugin_run(const struct cni_plugin *p, struct cni_call *call, struct cni_result **ret,
		   struct err *e);

/*
 * Asks the IPAM plugin that the configuration names, ours in process, another's by exec below call->path. `*ret` is NULL
 * for other commands than ADD. No ipam in the configuration: -ENOENT.
 */
int cni_ipam_run(const struct cni_call *call, struct cni_result **ret, struct err *e);

/*
 * Runs a plugin of others (net/cni/exec.c): found below `path`, a list of folders joined by ':', by a type without slashes;
 * killed with its children when it takes longer than `deadline_ms`; prints at most CNI_TEXT_MAX. Its error document becomes
 * `e` (cni_error_take). `*ret` is NULL for other commands than ADD.
 */
int cni_exec(const char *type, const struct cni_call *call, int64_t deadline_ms,
	     struct cni_result **ret, struct err *e);
