/* What a record must be before privileged code uses it. */
#include "image/priv.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#define RECORD_BYTES WORKER_PAYLOAD_MAX
#define WORD_MAX 64    /* os, architecture, variant, stop signal */
#define TEXT_MAX 4096  /* user, working folder, volumes */
#define LIST_MAX 10000 /* environment, labels, ports, volumes; JSON's own limit is ten times that */

static int check_digest(const char *what, const char *digest, struct err *e)
{
	if (digest && str_skip(digest, "sha256:") && digest_is_valid(digest))
		return 0;
	return err_set(e, -EBADMSG, "image record: %s '%.150s' is no sha256 digest", what,
		       digest ? digest : "");
}

static int check_texts(const struct image_record *r, struct err *e)
{
	const struct {
		const char *what, *text;
		size_t max;
	} rows[] = {
		{ "architecture", r->architecture, WORD_MAX },
		{ "os", r->os, WORD_MAX },
		{ "variant", r->variant, WORD_MAX },
		{ "stopSignal", r->stop_signal, WORD_MAX },
		{ "created", r->created, WORD_MAX },
		{ "user", r->user, TEXT_MAX },
		{ "workingDir", r->working_dir, TEXT_MAX },
	};
	int64_t ns;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].text && strlen(rows[i].text) > rows[i].max)
			return err_set(e, -E2BIG, "image record: %s is longer than %zu bytes",
				       rows[i].what, rows[i].max);
	if (r->created && clock_parse_rfc3339(r->created, &ns) < 0)
		return err_set(e, -EBADMSG, "image record: created '%.60s' is no time", r->created);
	return 0;
}

static int check_list(const char *what, const struct json_strs *list, size_t max, size_t *total,
		      struct err *e)
{
	if (list->n > LIST_MAX)
		return err_set(e, -E2BIG, "image record: %s has %zu elements, the limit is %d",
			       what, list->n, LIST_MAX);
	for (size_t i = 0; i < list->n; i++) {
		size_t len = strlen(list->v[i]);

		if (len > max)
			return err_set(
				e, -E2BIG,
				"image record: %s: an element has %zu bytes, the limit is %zu",
				what, len, max);
		*total += len + 1;
	}
	return 0;
}

/* Arguments and environment must fit an exec; the rest is bounded by the record's size. */
static int check_lists(const struct image_record *r, struct err *e)
{
	size_t args = 0, other = 0;
	int q = check_list("env", &r->env, LIMIT_ARGS_BYTES, &args, e);

	if (q == 0)
		q = check_list("entrypoint", &r->entrypoint, LIMIT_ARGS_BYTES, &args, e);
	if (q == 0)
		q = check_list("cmd", &r->cmd, LIMIT_ARGS_BYTES, &args, e);
	if (q == 0)
		q = check_list("volumes", &r->volumes, TEXT_MAX, &other, e);
	if (q == 0)
		q = check_list("exposedPorts", &r->exposed_ports, WORD_MAX, &other, e);
	if (q < 0)
		return q;
	if (args > LIMIT_ARGS_BYTES)
		return err_set(
			e, -E2BIG,
			"image record: environment and arguments take %zu bytes, the limit is %zu",
			args, LIMIT_ARGS_BYTES);
	if (r->labels.n > LIST_MAX)
		return err_set(e, -E2BIG, "image record: %zu labels, the limit is %d", r->labels.n,
			       LIST_MAX);
	return 0;
}

static int check_layers(const struct image_record *r, struct err *e)
{
	const char *parent = NULL;
	char chain[CHAIN_ID_MAX];
	int64_t total = 0;

	if (r->layers.n > LIMIT_LAYERS)
		return err_set(e, -E2BIG, "image record: %zu layers, the limit is %d", r->layers.n,
			       LIMIT_LAYERS);
	for (size_t i = 0; i < r->layers.n; i++) {
		const struct image_layer *l = &r->layers.v[i];
		int q = check_digest("layer digest", l->digest, e);

		if (q == 0)
			q = check_digest("diff id", l->diff_id, e);
		if (q < 0)
			return q;
		if (!streq(image_chain_id(parent, l->diff_id, chain), l->chain_id))
			return err_set(e, -EBADMSG, "image record: chain id of layer %zu is wrong",
				       i + 1);
		if (l->size < 0 || __builtin_add_overflow(total, l->size, &total))
			return err_set(e, -EBADMSG, "image record: size of layer %zu is wrong",
				       i + 1);
		if (strlen(l->media_type) > LIMIT_NAME)
			return err_set(e, -E2BIG,
				       "image record: media type of layer %zu is too long", i + 1);
		parent = l->chain_id;
	}
	return r->size < total ? err_set(e, -EBADMSG, "image record: size is wrong") : 0;
}

int image_record_check(const struct image_record *r, struct err *e)
{
	int q;

	if (r->version != 1)
		return err_set(e, -EBADMSG, "image record: version %lld is not known",
			       (long long)r->version);
	q = check_digest("manifest digest", r->manifest_digest, e);
	if (q == 0)
		q = check_digest("config digest", r->config_digest, e);
	if (q == 0)
		q = check_texts(r, e);
	if (q == 0)
		q = check_lists(r, e);
	if (q == 0)
		q = check_layers(r, e);
	return q;
}

int image_record_get(struct store *s, const char *manifest_digest, struct arena *a,
		     struct image_record **ret, struct err *e)
{
	static const struct json_limits lim = { .bytes = RECORD_BYTES };
	struct image_record *record = arena_alloc(a, sizeof(*record));
	const char *text;
	size_t len;
	int r = record ? store_record_get(s, manifest_digest, a, &text, &len, e) : -ENOMEM;

	if (r == 0)
		r = json_read(&image_record_table, text, len, &lim, a, record, e);
	if (r == 0)
		r = image_record_check(record, e);
	if (r < 0)
		return r;
	*ret = record;
	return 0;
}

/*
 * A record is nothing but what its manifest and config say, so the same manifest gives the same record. Another
 * one is a lie about an image that is there, in any namespace. What cannot be read (any more) may be replaced.
 */
static int check_same(struct store *s, const struct image_record *r, const struct strbuf *text,
		      struct err *e)
{
	AUTO_STRBUF struct strbuf have = { 0 };
	AUTO_ARENA struct arena a = { 0 };
	struct image_record *old;
	int q = image_record_get(s, r->manifest_digest, &a, &old, NULL);

	if (q == 0)
		json_write(&image_record_table, old, 0, &have);
	if (q == -ENOMEM || (q == 0 && strbuf_ok(&have) < 0))
		return err_set(e, -ENOMEM, "out of memory");
	if (q < 0 || streq(have.p, text->p))
		return 0;
	return err_set(e, -EBADMSG,
		       "image record: manifest %s has another one already: remove its image first",
		       r->manifest_digest);
}

int image_record_put(struct store *s, const struct image_record *r, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	int q;

	json_write(&image_record_table, r, 0, &out);
	if (strbuf_ok(&out) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	q = check_same(s, r, &out, e);
	if (q < 0)
		return q;
	return store_record_put(s, r->manifest_digest, out.p, out.len, e);
}
