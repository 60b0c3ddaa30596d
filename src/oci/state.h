#pragma once
/*
 * State folders: <root>/<id>/ with state.json in runc's form, exec.fifo while the container is created but
 * not started, and, before state.json is there, the link `intent` whose text is the cgroup path (`intent-unit`:
 * the systemd unit), so that whatever a killed runtime leaves can be removed.
 *
 * Is not a lock: runc has none either, and mkdir decides who makes a container. All files are replaced whole.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "codec/json.h"
#include "oci/plan.h"
#include "sys/cgroup.h"

struct err;

/* The runtime-spec that states, hooks and features speak of. */
#define RUNTIME_SPEC "1.3.0"

#define STATE_FILE "state.json"
#define STATE_FIFO "exec.fifo"
#define STATE_INTENT "intent"
#define STATE_UNIT "intent-unit"

/* "a-zA-Z0-9_+.-", not "." or "..", at most 255 bytes: runc's rule. */
bool state_id_is_valid(const char *id);
/* The same as an error with runc's words. */
int state_check_id(const char *id, struct err *e);
/* Opens the root folder, made with mode 0700 (parents 0755) if `is_made`. fd or -errno. */
int state_root_open(const char *root, bool is_made, struct err *e);
/* Opens a container's folder. -ENOENT has runc's words. */
int state_open(int root, const char *id, struct err *e);

struct state_ns {
	const char *type; /* "NEWPID" */
	const char *path; /* what it was joined by, or "" */
};

struct state_cgroups {
	const char *path; /* cgroupfs driver: as in the config */
	bool systemd, rootless;
	const char *name, *parent,
		*scope_prefix; /* systemd driver: the unit's id, slice and prefix */
};

struct state_config {
	const char *rootfs;
	bool readonlyfs, no_new_privileges;
	OCI_LIST(struct state_ns) namespaces;
	struct state_cgroups *cgroups;
	struct json_strs labels; /* annotations as "key=value", and "bundle=…" */
};

/* Ours, beside runc's keys. */
struct state_extra {
	const char *oci_version, *seccomp; /* the filter's cache key */
	int64_t owner;			   /* uid */
	bool intel_rdt_is_own, intel_rdt_has_monitor;
};

struct state {
	const char *id, *created;
	int64_t pid;
	uint64_t start;
	bool rootless;
	struct state_config *config;
	struct json_map cgroup_paths, namespace_paths;
	struct json_strs external;
	const char *intel_rdt_path;
	struct state_extra *corten;
};

/* Reads state.json of an open folder. -ENOENT when there is none (yet). */
int state_read(int dir, struct arena *a, struct state **ret, struct err *e);
int state_write(int dir, const struct state *s, struct err *e);
/* A label's value, or NULL. */
const char *state_label(const struct state *s, const char *name);

enum state_status { STATE_CREATING, STATE_CREATED, STATE_RUNNING, STATE_PAUSED, STATE_STOPPED };
const char *state_status_name(enum state_status s);
/* Looks at the process (pid and start time), the fifo and the freezer. `s` NULL: creating. */
enum state_status state_status(int dir, const struct state *s);
/* A pidfd of the init, if it is still that process. -ESRCH. */
int state_pidfd(const struct state *s);
/* CLONE_NEW* flags of the namespaces that another process joins to be in the container. */
uint32_t state_namespaces(const struct state *s);
/* The container's groups, opened; a zeroed group when none are recorded. */
int state_cgroup(const struct cg_host *h, const struct state *s, struct cgroup *ret, struct err *e);

/* The State JSON that hooks and `state` give; `pid` and `status` of the caller's. malloc'ed in `out`. */
void state_hook_json(const struct oci_spec *spec, const char *id, const char *bundle, int64_t pid,
		     const char *status, struct strbuf *out);
