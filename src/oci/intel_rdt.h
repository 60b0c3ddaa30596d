#pragma once
/*
 * linux.intelRdt: which class of service a container has, and who removes it. As runc 1.5: a class that closID names is
 * somebody else's and stays; one of the container's own name goes with it. runtime-spec 1.3 config-linux.md#intelrdt.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "oci/plan.h"
#include "oci/state.h"

struct err;

/* Whether a monitoring group is asked for; `rdt` may be NULL. */
bool intel_rdt_has_monitor(const struct oci_intel_rdt *rdt);
/* Whether the config is right and the host has what it asks for, with runc's words. */
int intel_rdt_check(const struct oci_intel_rdt *rdt, const struct host *host, struct err *e);
/* Puts the init into its class. `*ret_is_own`: it was made, and goes with the container. */
int intel_rdt_apply(const struct oci_intel_rdt *rdt, const char *id, pid_t pid, bool *ret_is_own,
		    struct err *e);
/* Undoes it for a container that does not come to stand; failures have nobody to hear them. */
void intel_rdt_undo(const struct oci_intel_rdt *rdt, const char *id, bool is_own);
/* What state.json keeps: the class's folder, in the arena; NULL when memory is out. */
const char *intel_rdt_path(const struct oci_intel_rdt *rdt, const char *id, struct arena *a);
/* The same as undo, from state.json. */
int intel_rdt_destroy(const struct state *s, struct err *e);
/* update --l3-cache-schema, --mem-bw-schema; either may be NULL. */
int intel_rdt_update(const struct state *s, const char *l3, const char *mb, struct err *e);
