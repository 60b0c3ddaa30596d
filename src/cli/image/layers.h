#pragma once
/*
 * Lines about layers that come and go, as docker's: "abc123: Pushed", and on a terminal one line of progress that is
 * written over. Is not: the words themselves, which the image room says. Safe after fork: no.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct layers_view {
	FILE *out;
	bool is_quiet, is_terminal, is_drawn;
	int64_t shown_ms;
};
/* Of these, `data` is the view. */
void layers_tell(void *data, const char *digest, const char *words);
void layers_show(void *data, const char *what, int64_t done, int64_t total);
/* What a registry wants the user to know; on standard error. */
void layers_warn(void *data, const char *words);
/* Before other lines are written. */
void layers_clear(struct layers_view *v);
