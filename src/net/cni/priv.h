#pragma once
/* What the files of net/cni share: programs, the texts that plugins get, the cache's entries and its locks. */
#include "net/cni/cni.h"
#include "net/plugin/plugin.h"

struct err;
struct strbuf;

/* ---- exec.c ---- */

#define CNI_DEADLINE_MS 60000

/* "ADD" and libcni's word in errors, "add". */
const char *cni_command_name(enum cni_command c);
const char *cni_command_verb(enum cni_command c);
/* Empty, with a slash, "." or "..": -EINVAL. What is left is looked for in folders of programs. */
int cni_check_type(const char *type, struct err *e);
/* As cni_exec; appends what the program prints. */
int cni_exec_text(const char *type, const struct cni_call *call, int64_t deadline_ms,
		  struct strbuf *out, struct err *e);

/* ---- text.c ---- */

/* What a plugin's configuration is given besides its own keys. Everything is borrowed. */
struct cni_inject {
	const char *name, *version;
	const struct cni_result *prev;	   /* NULL: none */
	const struct json_strs *announced; /* which of the arguments go into runtimeConfig */
	struct json_raw capability_args;
	bool is_gc; /* valid-attachments are written, even when there are none */
	const struct cni_attachment *valid;
	size_t valid_n;
};
/* Appends the plugin's text with those keys instead of its own. -EBADMSG. */
int cni_inject(struct json_raw plugin, const struct cni_inject *in, struct strbuf *out,
	       struct err *e);
/* Appends a list of the network as it is, plugins of its folder included: what the cache keeps. */
void cni_network_write(const struct cni_network *n, struct strbuf *out);

/* ---- cache.c ---- */

struct cni_cached {
	const char *network, *container_id, *ifname, *netns, *args;
	struct json_raw capability_args;
	struct json_raw config; /* the list, decoded */
	struct json_raw result; /* absent: ADD has not ended */
};

/* `result` NULL: an ADD begins. Written whole or not at all, not synced: attachments end with the boot. */
int cni_cache_write(const struct cni_runtime *rt, const struct cni_network *n,
		    const struct cni_attach *at, const struct cni_result *result, struct err *e);
/*
 * 1 and the entry, which lives in the arena; 0: none. One that cannot be read is -EBADMSG; an older form, the bare
 * result, has neither config nor arguments.
 */
int cni_cache_read(const struct cni_runtime *rt, const char *network, const char *container_id,
		   const char *ifname, struct arena *a, struct cni_cached *ret, struct err *e);
/* Fine when there is none. */
int cni_cache_remove(const struct cni_runtime *rt, const char *network, const char *container_id,
		     const char *ifname, struct err *e);
/* Every entry that can be read, of one network or of all (NULL). */
int cni_cache_list(const struct cni_runtime *rt, const char *network, struct arena *a,
		   struct cni_cached **ret, size_t *ret_n, struct err *e);

/*
 * An attachment's lock, with a share in its network's; or, without container, the network's own: GC. Waits. The descriptor
 * is the lock: closing it is letting go.
 */
int cni_lock(const struct cni_runtime *rt, const char *network, const char *container_id,
	     const char *ifname, struct err *e);
