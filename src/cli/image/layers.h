#pragma once
/*
 * Lines about layers that come and go, as docker's: "abc123: Pushed", and below them, on a terminal, one bar for each layer
 * under way, written over at most ten times a second. Is not: the words themselves, which the image room says. What is drawn
 * fits the window, and nothing but printable ASCII of a layer's name is drawn. Safe after fork: no.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* At once on the screen; as many as a pull or push has under way, and some that just ended. */
#define LAYER_BARS_MAX 16
#define LAYER_ID_MAX 13
#define LAYER_LINE_MAX 160

struct layer_bar {
	char id[LAYER_ID_MAX];
	int64_t done, total; /* bytes; total 0: unknown */
	int64_t first;	     /* what was done when the bar began: a resume counts for no rate */
	int64_t begun_ms;
};
struct layers_view {
	FILE *out;
	bool is_quiet, is_terminal;
	size_t drawn; /* lines on the screen, the cursor below them */
	int64_t shown_ms;
	size_t n;
	struct layer_bar bars[LAYER_BARS_MAX];
};
/* Of these, `data` is the view. */
void layers_tell(void *data, const char *digest, const char *words);
void layers_show(void *data, const char *what, int64_t done, int64_t total);
/* What a registry wants the user to know; on standard error. */
void layers_warn(void *data, const char *words);
/* Before other lines are written. */
void layers_clear(struct layers_view *v);
/* One bar as a line of less than `width` columns: id, bar, bytes, rate and time left; what has no room is left out. */
void layers_line(const struct layer_bar *b, int64_t now_ms, size_t width, char buf[LAYER_LINE_MAX]);
