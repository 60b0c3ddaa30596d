#pragma once
/*
 * Landlock rules as a config asks for them. The runtime-spec has no field yet; the text is what its proposal
 * (runtime-spec pull request 1241) puts into process.landlock, with the ports and scopes of newer kernels:
 *
 *   {"ruleset": {"handledAccessFS": ["write_file"], "handledAccessNet": ["bind_tcp"], "scoped": ["signal"]},
 *    "rules": {"pathBeneath": [{"allowedAccess": ["write_file"], "paths": ["/tmp"]}],
 *              "netPort": [{"allowedAccess": ["bind_tcp"], "ports": [80]}]},
 *    "flags": ["log_new_exec_on"], "disableBestEffort": true}
 *
 * Holds always: a key that is not known is an error, as a misspelt one would leave a protection out.
 */
#include "spec/runtime.h"

struct oci_landlock_ruleset {
	struct json_strs handled_access_fs, handled_access_net, scoped;
};

struct oci_landlock_paths {
	struct json_strs allowed_access, paths;
};

struct oci_landlock_ports {
	struct json_strs allowed_access;
	struct json_u32s ports;
};

struct oci_landlock_rules {
	OCI_LIST(struct oci_landlock_paths) path_beneath;
	OCI_LIST(struct oci_landlock_ports) net_port;
};

struct oci_landlock {
	struct oci_landlock_ruleset *ruleset;
	struct oci_landlock_rules *rules; /* NULL: nothing is allowed */
	struct json_strs flags;
	bool has_disable_best_effort, disable_best_effort;
};

/* Checks the form alone. Errors as json_read. */
int oci_landlock_read(const char *text, size_t len, struct arena *a, struct oci_landlock **ret,
		      struct err *e);
