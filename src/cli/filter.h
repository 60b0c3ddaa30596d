#pragma once
/*
 * docker's --filter KEY=VALUE for lists of any kind: rows of keys, one rule. Values of one key are alternatives, unless all of
 * them must fit (labels); different keys must all fit. Safe after fork: yes.
 */
#include <stdbool.h>
#include <stddef.h>

struct err;
struct json_map;

struct filter_key {
	const char *name;
	bool is_all; /* every value must fit */
	/* `context` is the list's, `object` one of its rows. */
	bool (*fits)(const void *context, const void *object, const char *value);
};

/* The row that a spec names, and its value; NULL for none. */
const struct filter_key *filter_find(const struct filter_key *keys, size_t n, const char *spec,
				     const char **ret_value);
/* -EINVAL: "invalid filter 'x'". `specs` may be NULL. */
int filter_check(const struct filter_key *keys, size_t n, char *const *specs, struct err *e);
/* Whether the object is shown; the specs have been checked. */
bool filter_fits(const struct filter_key *keys, size_t n, char *const *specs, const void *context,
		 const void *object);

/* "KEY" or "KEY=VALUE" among labels; "true" and "1". */
bool filter_has_label(const struct json_map *labels, const char *value);
bool filter_is_true(const char *value);
