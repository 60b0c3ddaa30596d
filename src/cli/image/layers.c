#include "cli/image/layers.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/cli.h"
#include "codec/digest.h"

#define SHORT_ID 12
#define SHOW_MS 100
#define BAR_MIN 8
#define BAR_MAX 50
#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT 24

/* ---- one line ---- */

/* " 3.1MB/s 0:12"; nothing as long as nothing is known. */
static void add_rate(const struct layer_bar *b, int64_t now_ms, char *buf, size_t size)
{
	int64_t ms = now_ms - b->begun_ms, bytes = b->done - b->first, per_second, left;
	char rate[HUMAN_MAX];
	size_t at = strlen(buf);

	if (ms < SHOW_MS || bytes <= 0)
		return;
	per_second = (int64_t)((double)bytes * 1000.0 / (double)ms);
	at += (size_t)snprintf(buf + at, size - at, " %s/s", human_size(per_second, rate));
	if (per_second == 0 || b->total <= b->done || at >= size)
		return;
	left = (b->total - b->done) / per_second;
	snprintf(buf + at, size - at, " %lld:%02d", (long long)(left / 60), (int)(left % 60));
}

/* "[=====>    ] " in `room` columns. */
static void draw_bar(const struct layer_bar *b, size_t room, char buf[BAR_MAX + 1])
{
	size_t inner = MIN(room, (size_t)BAR_MAX) - 3;
	size_t full = (size_t)((double)b->done / (double)b->total * (double)inner);

	full = MIN(full, inner);
	buf[0] = '[';
	memset(buf + 1, ' ', inner);
	memset(buf + 1, '=', full);
	if (full < inner)
		buf[1 + full] = '>';
	memcpy(buf + 1 + inner, "] ", 3);
}

void layers_line(const struct layer_bar *b, int64_t now_ms, size_t width, char buf[LAYER_LINE_MAX])
{
	char text[LAYER_LINE_MAX / 2], bar[BAR_MAX + 1] = "", line[LAYER_LINE_MAX];
	char done[HUMAN_MAX], total[HUMAN_MAX];
	size_t used;

	if (b->total > 0)
		snprintf(text, sizeof(text), "%s/%s", human_size(b->done, done),
			 human_size(b->total, total));
	else
		snprintf(text, sizeof(text), "%s", human_size(b->done, done));
	add_rate(b, now_ms, text, sizeof(text));
	used = strlen(b->id) + 2 + strlen(text) + 1;
	if (b->total > 0 && used + BAR_MIN <= width)
		draw_bar(b, width - used, bar);
	snprintf(line, sizeof(line), "%s: %s%s", b->id, bar, text);
	snprintf(buf, LAYER_LINE_MAX, "%.*s", (int)MIN(width - 1, (size_t)LAYER_LINE_MAX - 1),
		 line);
}

/* ---- the lines on the screen ---- */

void layers_clear(struct layers_view *v)
{
	if (v->drawn)
		fprintf(v->out, "\033[%zuA\r\033[J", v->drawn);
	v->drawn = 0;
}

static void draw(struct layers_view *v, int64_t now_ms)
{
	uint16_t width = 0, height = 0;
	char line[LAYER_LINE_MAX];
	size_t n;

	(void)tty_size(fileno(v->out), &width, &height);
	width = width ? width : COLUMNS_DEFAULT;
	height = height ? height : ROWS_DEFAULT;
	/* What has scrolled away cannot be written over. */
	n = MIN(v->n, (size_t)height - 1);
	layers_clear(v);
	for (size_t i = 0; i < n; i++) {
		layers_line(&v->bars[i], now_ms, width, line);
		fprintf(v->out, "%s\n", line);
	}
	v->drawn = n;
}

/* ---- which layers ---- */

static void short_id(const char *what, char id[LAYER_ID_MAX])
{
	const char *from = strchr(what, ':') ? digest_hex(what) : what;
	size_t n = 0;

	for (; n < SHORT_ID && from[n]; n++)
		id[n] = from[n];
	id[n] = 0;
	for (size_t i = 0; i < n; i++)
		if (id[i] < ' ' || id[i] > '~')
			id[i] = '?';
}

static struct layer_bar *find_bar(struct layers_view *v, const char *id)
{
	for (size_t i = 0; i < v->n; i++)
		if (streq(v->bars[i].id, id))
			return &v->bars[i];
	return NULL;
}

static void drop_bar(struct layers_view *v, struct layer_bar *b)
{
	size_t i = (size_t)(b - v->bars);

	memmove(b, b + 1, (v->n - i - 1) * sizeof(*b));
	v->n--;
}

/* The oldest that has ended makes room; NULL: there is none. */
static struct layer_bar *add_bar(struct layers_view *v, const char *id, int64_t done)
{
	struct layer_bar *b;

	for (size_t i = 0; v->n == LAYER_BARS_MAX && i < v->n; i++)
		if (v->bars[i].done == v->bars[i].total)
			drop_bar(v, &v->bars[i]);
	if (v->n == LAYER_BARS_MAX)
		return NULL;
	b = &v->bars[v->n++];
	*b = (struct layer_bar){ .first = done, .begun_ms = clock_mono_ms() };
	memcpy(b->id, id, LAYER_ID_MAX);
	return b;
}

void layers_tell(void *data, const char *digest, const char *words)
{
	struct layers_view *v = data;
	char id[LAYER_ID_MAX] = "";
	struct layer_bar *b;

	if (v->is_quiet)
		return;
	short_id(digest, id);
	b = find_bar(v, id);
	if (b)
		drop_bar(v, b);
	layers_clear(v);
	fprintf(v->out, "%s: %s\n", id, words);
	if (v->n)
		draw(v, clock_mono_ms());
	fflush(v->out);
}

void layers_show(void *data, const char *what, int64_t done, int64_t total)
{
	struct layers_view *v = data;
	int64_t now = clock_mono_ms();
	char id[LAYER_ID_MAX] = "";
	struct layer_bar *b;

	if (v->is_quiet || !v->is_terminal)
		return;
	short_id(what, id);
	b = find_bar(v, id);
	if (!b)
		b = add_bar(v, id, done);
	if (b) {
		b->done = done;
		b->total = total;
	}
	if (now - v->shown_ms < SHOW_MS)
		return;
	v->shown_ms = now;
	draw(v, now);
	fflush(v->out);
}

void layers_warn(void *data, const char *words)
{
	layers_clear(data);
	fflush(((struct layers_view *)data)->out);
	fprintf(stderr, "corten: warning: the registry says: %s\n", words);
}
