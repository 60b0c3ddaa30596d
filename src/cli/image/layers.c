#include "cli/image/layers.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "codec/digest.h"

#define SHORT_ID 12
#define SHOW_MS 100

void layers_clear(struct layers_view *v)
{
	if (v->is_drawn)
		fputs("\r\033[K", v->out);
	v->is_drawn = false;
}

void layers_tell(void *data, const char *digest, const char *words)
{
	struct layers_view *v = data;

	if (v->is_quiet)
		return;
	layers_clear(v);
	fprintf(v->out, "%.*s: %s\n", SHORT_ID, digest_hex(digest), words);
	fflush(v->out);
}

void layers_show(void *data, const char *what, int64_t done, int64_t total)
{
	char a[HUMAN_MAX], b[HUMAN_MAX];
	struct layers_view *v = data;
	int64_t now = clock_mono_ms();

	if (v->is_quiet || !v->is_terminal || now - v->shown_ms < SHOW_MS)
		return;
	v->shown_ms = now;
	v->is_drawn = true;
	fprintf(v->out, "\r\033[K%.*s: %s/%s", SHORT_ID, digest_hex(what), human_size(done, a),
		human_size(total, b));
	fflush(v->out);
}

void layers_warn(void *data, const char *words)
{
	layers_clear(data);
	fprintf(stderr, "corten: warning: the registry says: %s\n", words);
}
