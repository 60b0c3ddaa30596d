/* The compose role's other end: its two documents become content, its offer an image. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/ref.h"
#include "image/forms/priv.h"

/* A config and a manifest. */
#define FILES_MAX 2

struct composing {
	struct image_work *w;
	const struct image_record *base; /* may be NULL */
	struct arena *a;
	struct worker worker;
	struct ingest *ingest;
	uint64_t files;
	struct image_offer offer;
	bool has_offer;
};

int64_t forms_epoch(void)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	int64_t s;

	return text && str_to_i64(text, 1, INT64_MAX / NSEC_PER_SEC, &s) == 0 ? s : 0;
}

int forms_keep_blob(struct image_work *w, struct ingest **ingest, const char *digest, int64_t size,
		    struct err *e)
{
	int r = store_lease_add(w->s, w->ns, w->id, "content", digest, e);

	if (r == 0)
		r = store_ingest_commit(*ingest, w->ns, digest, size, false, NULL, e);
	if (r == 0)
		*ingest = NULL;
	return r;
}

/* ---- messages ---- */

static int on_need_fd(struct composing *c, const struct worker_msg *m, struct err *e)
{
	int r;

	if (c->ingest || m->a != c->files || c->files >= FILES_MAX)
		return err_set(e, -EPROTO, "the worker asks for a file out of order");
	r = store_ingest_open(c->w->s, c->w->id, false, &c->ingest, e);
	return r < 0 ? r : worker_send(&c->worker, WORKER_FD, m->a, NULL, 0, c->ingest->fd, e);
}

static int on_entry(struct composing *c, const struct worker_msg *m, const char *payload,
		    struct err *e)
{
	int r;

	if (!c->ingest || m->a != c->files || m->b > LIMIT_MANIFEST_BYTES ||
	    strlen(payload) != m->len || !digest_is_valid(payload) || !str_skip(payload, "sha256:"))
		return err_set(e, -EPROTO, "the worker reports a wrong file");
	r = store_ingest_seal(c->ingest, payload, (int64_t)m->b, e);
	if (r == 0)
		r = forms_keep_blob(c->w, &c->ingest, payload, (int64_t)m->b, e);
	c->files++;
	return r;
}

/* Only the base's own two documents are given out. */
static int on_want(struct composing *c, const char *digest, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf out = { 0 };
	const char *text;
	size_t len;
	int r;

	if (!c->base ||
	    (!streq(digest, c->base->manifest_digest) && !streq(digest, c->base->config_digest)))
		return err_set(e, -EPROTO, "the worker asks for a document that is not the base's");
	r = store_content_read(c->w->s, digest, LIMIT_MANIFEST_BYTES, &a, &text, &len, e);
	if (r < 0)
		return r;
	strbuf_add(&out, digest, strlen(digest) + 1);
	strbuf_addc(&out, '\0');
	strbuf_add(&out, text, len);
	if (strbuf_ok(&out) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return worker_send(&c->worker, WORKER_DOCUMENT, 0, out.p, out.len, -EBADF, e);
}

static int on_image(struct composing *c, const struct worker_msg *m, const char *payload,
		    struct err *e)
{
	static const struct json_limits lim = { .bytes = WORKER_PAYLOAD_MAX };

	if (c->has_offer || c->ingest)
		return err_set(e, -EPROTO, "the worker sent an image out of order");
	c->has_offer = true;
	return json_read(&image_offer_table, payload, m->len, &lim, c->a, &c->offer, e);
}

static int on_message(struct composing *c, bool *ret_done, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	struct worker_msg m;
	int r = worker_recv(&c->worker, &m, &payload, e);

	if (r < 0)
		return r;
	switch (m.type) {
	case WORKER_NEED_FD:
		return on_need_fd(c, &m, e);
	case WORKER_ENTRY:
		return on_entry(c, &m, payload, e);
	case WORKER_WANT:
		return on_want(c, payload, e);
	case WORKER_IMAGE:
		return on_image(c, &m, payload, e);
	case WORKER_DONE:
		*ret_done = true;
		return c->has_offer ? 0 : err_set(e, -EPROTO, "the worker sent no image");
	default:
		return err_set(e, -EPROTO, "the worker sent message %u", m.type);
	}
}

static int run(struct composing *c, const struct compose_setup *setup, struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	bool is_done = false;
	int r;

	json_write(&compose_setup_table, setup, 0, &text);
	if (strbuf_ok(&text) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = worker_start("compose", NULL, 0, &c->worker, e);
	if (r == 0)
		r = worker_send(&c->worker, WORKER_START, 0, text.p, text.len, -EBADF, e);
	while (r == 0 && !is_done) {
		r = worker_wait(&c->worker, false, e);
		if (r == 0)
			r = on_message(c, &is_done, e);
	}
	store_ingest_abort(c->ingest);
	c->ingest = NULL;
	worker_stop(&c->worker);
	return r;
}

/* ---- all ---- */

int compose(struct image_work *w, const struct compose_setup *setup,
	    const struct image_record *base, bool is_import, struct arena *a, const char **ret_id,
	    struct err *e)
{
	struct composing c = { .w = w, .base = base, .a = a, .worker = { .control = -EBADF } };
	struct image_record *rec;
	int r = run(&c, setup, e);

	/* The names are ours, whatever the worker thinks. */
	c.offer.names = setup->names;
	if (r == 0)
		r = image_offer_check(w, &c.offer, e);
	if (r < 0)
		return r;
	rec = c.offer.record;
	if (is_import)
		r = image_policy_check_offer(w->s, w->ns, &c.offer, e);
	if (r == 0 && is_import)
		r = image_unpack(w, &rec, 1, e);
	if (r == 0)
		r = image_offers_commit(w, &c.offer, 1, e);
	if (r == 0)
		*ret_id = rec->config_digest;
	return r;
}

int compose_fill(struct compose_setup *setup, const struct image_new_options *o, struct arena *a,
		 struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX], created[CLOCK_TEXT_MAX];
	int64_t epoch = forms_epoch();
	struct ref ref;
	int r;

	setup->created = arena_strdup(
		a, clock_rfc3339(epoch ? epoch * NSEC_PER_SEC : clock_wall_ns(), created));
	setup->author = o->author;
	setup->message = o->message;
	setup->created_by = o->created_by;
	setup->settings = (struct oci_image_settings *)o->settings;
	setup->has_command = o->settings != NULL;
	setup->changes = (struct json_strs){ (const char **)o->changes, strv_len(o->changes) };
	if (!setup->created)
		return err_set(e, -ENOMEM, "out of memory");
	if (!o->name)
		return 0;
	r = ref_parse(o->name, &ref, e);
	if (r < 0)
		return r;
	if (ref.digest[0])
		return err_set(e, -EINVAL,
			       "refusing to create a tag with a digest reference: '%.200s'",
			       o->name);
	setup->names.v = arena_calloc(a, 1, sizeof(char *));
	if (setup->names.v)
		setup->names.v[setup->names.n++] = arena_strdup(a, ref_full(&ref, full));
	return setup->names.v && setup->names.v[0] ? 0 : err_set(e, -ENOMEM, "out of memory");
}
