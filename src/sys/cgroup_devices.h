#pragma once
/*
 * Device rules for v1's devices controller.
 *
 * v1 knows a default (all or nothing) and exceptions from it, not an ordered list: the rules are played
 * through to that form, and what it cannot say is an error. Writes are one rule each. The BPF form for v2
 * is bpf_device. Safe after fork: yes, while the parent had one thread.
 */
#include <stdbool.h>
#include <stddef.h>

struct cg_device_rule;
struct cgroup;
struct err;

/* What v1 holds: the default and, against it, exceptions (types 'b' and 'c' only). */
struct cg_device_set {
	bool is_allow;		  /* the default */
	struct cg_device_rule *v; /* malloc'ed; is_allow is the opposite of the default's */
	size_t n, cap;
};
void cg_device_set_done(struct cg_device_set *s);

/* Plays `rules` onto `s` (zeroed with is_allow as the group's present default). -EINVAL names the rule v1 cannot hold. */
int cg_device_play(struct cg_device_set *s, const struct cg_device_rule *rules, size_t n,
		   struct err *e);
/* Reads devices.list: "c 1:3 rwm" lines; "a *:* rwm" means that all is allowed. -EINVAL, -ENOMEM. */
int cg_device_parse(const char *list, struct cg_device_set *ret, struct err *e);
/* Sets the rules in place `i` of the group; with `is_update` from the rules in force to the new ones. */
int cg_devices_v1(const struct cgroup *g, int i, const struct cg_device_rule *rules, size_t n,
		  bool is_update, struct err *e);
