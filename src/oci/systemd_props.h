#pragma once
/*
 * What a container's limits and annotations are as properties of its systemd unit.
 *
 * Pure: no systemd, no cgroupfs. The values are those that cgroupfs gets too, so that a reload of systemd, which
 * writes its properties anew, changes nothing. What systemd has no property for is left to cgroupfs alone.
 * Source: systemd.resource-control(5); runc 1.5 (names, rounding) and crun 1.28 (IOWeight).
 * Safe after fork: no (it allocates from the arena).
 */
#include <stdbool.h>

#include "spec/systemd_call.h"
#include "sys/cgroup.h"

struct systemd_props {
	struct arena *arena;
	struct systemd_properties list;
	size_t cap;
	bool is_out; /* memory was out: the list is cut */
};

/* Adds a property with one value, which is copied. */
void systemd_props_add(struct systemd_props *p, const char *name, const char *signature,
		       const char *value);
/* Adds one without values: an empty array. Returns it (for systemd_props_value), or NULL. */
struct systemd_property *systemd_props_array(struct systemd_props *p, const char *name,
					     const char *signature, size_t values_max);
/* Appends a copy of the value to an array that has room for it. */
void systemd_props_value(struct systemd_props *p, struct systemd_property *to, const char *value);

/*
 * The properties of `r`. `period_now`: µs, of a running container whose quota alone changes; 0: the kernel's
 * 100000. `at_start`: those that a running unit does not take come along. Errors are of values: -EINVAL, -ERANGE.
 */
int systemd_props_resources(struct systemd_props *p, const struct cg_resources *r, bool is_v2,
			    int64_t period_now, bool at_start, struct err *e);
/* systemd counts a quota in hundredths of a CPU: rounds `r`'s up as it does, so that cgroupfs gets the same. */
void systemd_round_quota(struct cg_resources *r, int64_t period_now);
/* ANNOTATION_SYSTEMD's properties ("org.systemd.property.TimeoutStopSec": "uint64 5"); …Sec becomes …USec. -EINVAL with runc's words. */
int systemd_props_annotations(struct systemd_props *p, const struct json_map *annotations,
			      struct err *e);

/*
 * One value in GVariant's text form (systemd_variant.c): true, 'text', 5 (int32), uint64 5, 1.5, ['a', 'b'],
 * [uint32 1, 2], @as []. Fills signature and values of `ret` from the arena. -EINVAL, -ERANGE.
 */
int systemd_variant_parse(const char *text, struct arena *a, struct systemd_property *ret,
			  struct err *e);
