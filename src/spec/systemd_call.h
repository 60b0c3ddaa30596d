#pragma once
/*
 * What the runtime asks corten-systemd, and what that answers.
 *
 * A call is one JSON object on the helper's standard input; each answer is one struct systemd_answer, a packet
 * on the socket that is its standard output. "start" puts the helper itself into the new scope, because systemd
 * makes none without a process and so the container's first process can be cloned straight into the group. The
 * helper stays there until its socket is closed; meanwhile a struct systemd_attach asks it to have a process moved
 * into the unit, which is answered too.
 *
 * Holds always: the caller checks with systemd_call_check before it sends, the helper before it asks systemd.
 * Source: org.freedesktop.systemd1(5), systemd.resource-control(5). Safe after fork: no (it allocates).
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/json.h"

/* A thousand device rules of 64 bytes are far below. */
#define SYSTEMD_CALL_MAX ((size_t)1 << 20)
#define SYSTEMD_CGROUP_MAX 4096
/* UNIT_NAME_MAX of systemd. */
#define SYSTEMD_UNIT_MAX 255

#define SYSTEMD_START "start"	/* a transient scope with the properties */
#define SYSTEMD_SET "set"	/* properties of a unit that runs, until it ends */
#define SYSTEMD_ATTACH "attach" /* the process `pid` into the unit's group `sub` */
#define SYSTEMD_STOP \
	"stop" /* kills what is in it, stops it, forgets that it failed; fine when there is none */

struct systemd_property {
	const char *name;	 /* "MemoryMax" */
	const char *signature;	 /* D-Bus: a basic type, "a" of one, or "a(…)" of basic ones */
	struct json_strs values; /* in order; structs flattened; booleans "true" and "false" */
	uint32_t since; /* the first systemd that knows it: an older one is not asked. 0: all do */
};

struct systemd_properties {
	struct systemd_property *v;
	size_t n;
};

struct systemd_call {
	const char *verb; /* SYSTEMD_START and its like */
	const char *unit; /* "runc-a.scope" */
	const char *sub;  /* "/a" below the unit's group; NULL: the unit's own */
	bool is_user;	  /* the caller's own manager instead of the system's */
	int64_t pid;
	struct systemd_properties properties;
};
extern const struct json_table systemd_call_table;

struct systemd_attach {
	uint32_t pid;
	char sub[SYSTEMD_CGROUP_MAX]; /* "/a" below the unit's group; "": the unit's own */
};

struct systemd_answer {
	int32_t r; /* 0 or -errno */
	struct err e;
	char cgroup
		[SYSTEMD_CGROUP_MAX]; /* after "start": the scope's path, as /proc/self/cgroup has it */
};

/* Whether unit, names, signatures and the number of values fit each other. -EINVAL says what does not. */
int systemd_call_check(const struct systemd_call *c, struct err *e);
/*
 * How many values one element of the type takes: 1 for "t" and "as", 2 for "a(ss)". `ret_elements` points to
 * the element's types, "ss", behind the array's and struct's opening. 0: no type that a property may have.
 */
size_t systemd_signature(const char *signature, const char **ret_elements);
