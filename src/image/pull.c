/* An image from a registry: names by the manifest role, bytes by the fetch role, layers by the unpack role. */
#include "image/registry/registry.h"

#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/ref.h"
#include "image/copy/copy.h"
#include "image/registry/setup.h"
#include "spec/fetch_setup.h"
#include "image/trust/verify.h"
#include "spec/image.h"

/* Documents of one image: indexes, manifests that turn out to be another platform's, configs. */
#define DOCUMENTS_MAX 64

struct pull {
	struct image_work w;
	const struct image_pull_options *o;
	struct arena *a; /* the caller's */
	struct ref ref;
	struct fetch_setup setup;
	struct fetch_feed feed;
	struct warner warner;
	struct worker names; /* the manifest role */
	struct trust *trust;
	size_t documents;
	char top[DIGEST_TEXT_MAX];
	struct image_target target; /* what `top` is */
	struct image_offer offer;
	bool has_offer;
	const char *artifact_type; /* the name stands for one that the policy lets in; else NULL */
};

/* ---- documents ---- */

static bool is_manifest_type(const char *type)
{
	static const char *const types[] = { MT_OCI_INDEX, MT_OCI_MANIFEST, MT_DOCKER_INDEX,
					     MT_DOCKER_MANIFEST };

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (streq(types[i], type))
			return true;
	return false;
}

struct document {
	char *text; /* owned */
	size_t len;
	char digest[DIGEST_TEXT_MAX];
	char *type; /* by the registry's word, owned */
};

static void document_done(struct document *d)
{
	free(d->text);
	free(d->type);
}

/* Whole, hashed here, and in the store under that digest alone. */
static int store_document(struct pull *p, struct ingest *i, const char *digest,
			  struct document *ret, struct err *e)
{
	int r = lseek(i->fd, 0, SEEK_SET) < 0
			? -errno
			: fd_read_all(i->fd, LIMIT_MANIFEST_BYTES, &ret->text, &ret->len);

	if (r < 0)
		return err_sys(e, r, "ingest '%s'", i->ref);
	digest_of(ret->text, ret->len, ret->digest);
	if (digest && !streq(digest, ret->digest))
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS,
				    "the registry sends %s in place of %s", ret->digest, digest);
	r = store_lease_add(p->w.s, p->w.ns, p->w.id, "content", ret->digest, e);
	if (r == 0)
		r = store_ingest_seal(i, ret->digest, (int64_t)ret->len, e);
	return r < 0 ? r
		     : store_ingest_commit(i, p->w.ns, ret->digest, (int64_t)ret->len, false, NULL,
					   e);
}

/* `digest` NULL: by tag. `size` as in WORKER_GET. */
static int fetch_document(struct pull *p, const char *path, const char *digest, uint64_t size,
			  struct document *ret, struct err *e)
{
	struct ingest *i = NULL;
	int r = store_ingest_open(p->w.s, p->w.id, false, &i, e);

	if (r == 0)
		r = fetch_small(&p->feed, path, i, size, &ret->type, e);
	if (r == 0)
		r = store_document(p, i, digest, ret, e);
	if (r < 0)
		store_ingest_abort(i);
	return r;
}

/* What the store has is not fetched. */
static int read_stored(struct pull *p, const char *digest, struct document *ret)
{
	AUTO_ARENA struct arena a = { 0 };
	struct content_info info;
	const char *text;
	char found[DIGEST_TEXT_MAX];

	if (store_content_info(p->w.s, p->w.ns, digest, &a, &info, NULL) < 0 ||
	    store_content_read(p->w.s, digest, LIMIT_MANIFEST_BYTES, &a, &text, &ret->len, NULL) <
		    0 ||
	    !streq(digest_of(text, ret->len, found), digest) ||
	    store_lease_add(p->w.s, p->w.ns, p->w.id, "content", digest, NULL) < 0)
		return -ENOENT;
	ret->text = malloc(ret->len + 1);
	if (!ret->text)
		return -ENOENT;
	memcpy(ret->text, text, ret->len);
	snprintf(ret->digest, sizeof(ret->digest), "%s", digest);
	return 0;
}

static int send_document(struct pull *p, const struct document *d, const char *type, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };

	strbuf_add(&b, d->digest, strlen(d->digest) + 1);
	strbuf_add(&b, type, strlen(type) + 1);
	strbuf_add(&b, d->text, d->len);
	if (strbuf_ok(&b) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return worker_send(&p->names, WORKER_DOCUMENT, 0, b.p, b.len, -EBADF, e);
}

static int on_want(struct pull *p, const struct worker_msg *m, const char *payload, struct err *e)
{
	CLEANUP(document_done) struct document d = { 0 };
	char path[DIGEST_TEXT_MAX + 16];
	size_t at = strlen(payload) + 1;
	const char *type;
	int r;

	if (at > m->len || !str_skip(payload, "sha256:") || !digest_is_valid(payload) ||
	    m->a > LIMIT_MANIFEST_BYTES)
		return err_set(e, -EPROTO, "the worker asks for a wrong document");
	if (++p->documents > DOCUMENTS_MAX)
		return err_set(e, -E2BIG, "the image has more than %d documents", DOCUMENTS_MAX);
	type = payload + at;
	snprintf(path, sizeof(path), "%s/%s", is_manifest_type(type) ? "manifests" : "blobs",
		 payload);
	r = read_stored(p, payload, &d);
	if (r < 0)
		r = fetch_document(p, path, payload, m->a, &d, e);
	return r < 0 ? r : send_document(p, &d, type, e);
}

/* ---- the manifest role ---- */

static int on_image(struct pull *p, const struct worker_msg *m, const char *payload, struct err *e)
{
	static const struct json_limits lim = { .bytes = WORKER_PAYLOAD_MAX };
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	int r;

	if (p->has_offer)
		return err_set(e, -EPROTO, "the worker sent two images");
	r = json_read(&image_offer_table, payload, m->len, &lim, p->a, &p->offer, e);
	if (r == 0)
		r = image_record_check(p->offer.record, e);
	if (r < 0)
		return r;
	/* The name is what was asked for, whatever the worker thinks. */
	p->offer.names.v = arena_calloc(p->a, 1, sizeof(char *));
	if (p->offer.names.v)
		p->offer.names.v[0] = arena_strdup(p->a, ref_full(&p->ref, full));
	if (!p->offer.names.v || !p->offer.names.v[0])
		return err_set(e, -ENOMEM, "out of memory");
	p->offer.names.n = 1;
	p->has_offer = true;
	return 0;
}

/* What was taken has references now, as containerd writes them; the first one is what the name stands for. */
static int on_described(struct pull *p, const struct worker_msg *m, const char *payload,
			struct err *e)
{
	struct image_described d;
	int r = image_described_read(payload, m->len, p->a, &d, e);

	if (r == 0)
		r = image_label_children(p->w.s, p->w.ns, &d, e);
	if (r < 0 || p->target.digest || !streq(d.digest, p->top))
		return r;
	p->target.digest = arena_strdup(p->a, p->top);
	p->target.media_type = d.media_type;
	if (!d.is_index && copy_is_artifact(d.manifest))
		p->artifact_type = copy_artifact_type(d.manifest);
	return p->target.digest ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int ask_names(struct pull *p, const struct document *top, struct err *e)
{
	char buf[PLATFORM_TEXT_MAX];
	const char *platform = p->o->platform ? p->o->platform : image_host_platform(buf);
	int r = worker_start("manifest", NULL, 0, &p->names, e);

	if (r == 0)
		r = worker_send(&p->names, WORKER_START, 0, platform, strlen(platform), -EBADF, e);
	if (r == 0)
		r = send_document(p, top, top->type && is_manifest_type(top->type) ? top->type : "",
				  e);
	while (r == 0) {
		AUTO_FREE char *payload = NULL;
		struct worker_msg m;

		r = worker_wait(&p->names, false, e);
		if (r == 0)
			r = worker_recv(&p->names, &m, &payload, e);
		if (r < 0)
			break;
		if (m.type == WORKER_DONE)
			return p->has_offer ? 0 : err_set(e, -EPROTO, "the worker sent no image");
		if (m.type == WORKER_WANT)
			r = on_want(p, &m, payload, e);
		else if (m.type == WORKER_IMAGE)
			r = on_image(p, &m, payload, e);
		else if (m.type == WORKER_DESCRIBED)
			r = on_described(p, &m, payload, e);
		else
			r = err_set(e, -EPROTO, "the worker sent message %u", m.type);
	}
	return r;
}

/* ---- the policy ---- */

struct pull_source {
	struct trust_source source; /* first */
	struct pull *p;
};

static int get_signature(struct trust_source *source, const char *path, const char *digest,
			 size_t max, struct trust_document *ret, struct err *e)
{
	CLEANUP(document_done) struct document d = { 0 };
	struct pull *p = ((struct pull_source *)source)->p;
	int r = digest ? read_stored(p, digest, &d) : -ENOENT;

	if (r < 0)
		r = fetch_document(p, path, digest, WORKER_GET_BOUNDED | max, &d, e);
	/* A fetcher ends with its first error; one signature that is not there is none for the pull. */
	if (r < 0) {
		worker_stop(&p->feed.fetchers[0].worker);
		return r;
	}
	ret->text = TAKE_PTR(d.text);
	ret->len = d.len;
	snprintf(ret->digest, sizeof(ret->digest), "%s", d.digest);
	return 0;
}

/*
 * An index without a signature may name an image that has one. What that image is has been said by a process that had read the
 * index, which anybody can have written: so the signed manifest is read again, by a process that has read nothing else.
 */
static int read_signed_image(struct pull *p, struct pull_source *source, const char *top_digest,
			     struct err *e)
{
	CLEANUP(document_done) struct document d = { 0 };
	const struct image_offer *o = &p->offer;
	struct trust_target target = { o->record->manifest_digest, o->media_type,
				       o->manifest_size };
	int r;

	if (streq(target.digest, top_digest))
		return -EACCES;
	r = trust_check(p->trust, &source->source, &target, e);
	if (r == 0 && read_stored(p, target.digest, &d) < 0)
		r = err_set(e, -EBADMSG, "manifest %s is not there", target.digest);
	worker_stop(&p->names);
	p->has_offer = false;
	if (r == 0)
		r = ask_names(p, &d, e);
	if (r == 0 && !streq(p->offer.record->manifest_digest, target.digest))
		r = err_set(e, -EPROTO, "the worker sent another image");
	return r;
}

/* The policy is asked before anybody reads what was fetched. */
static int check_and_ask_names(struct pull *p, const struct document *top, struct err *e)
{
	struct pull_source source = { { get_signature }, p };
	const struct trust_target target = { top->digest,
					     top->type && is_manifest_type(top->type) ? top->type
										      : "",
					     (int64_t)top->len };
	struct err why = ERR_INIT;
	int q = trust_is_open(p->trust) ? 0 : trust_check(p->trust, &source.source, &target, &why);
	int r = q == 0 || (q == -EACCES && p->trust->is_unsigned) ? ask_names(p, top, e) : q;

	if (r == 0 && q < 0)
		r = read_signed_image(p, &source, top->digest, e);
	if (q < 0)
		p->artifact_type = NULL;
	/* What is wrong with the name's own signature says more than what its image lacks. */
	if (r < 0 && q < 0 && (r == -EACCES || r == q) && e)
		*e = why;
	return r;
}

static int resolve(struct pull *p, struct err *e)
{
	CLEANUP(document_done) struct document top = { 0 };
	AUTO_FREE char *path = NULL;
	const char *digest = p->ref.digest[0] ? p->ref.digest : NULL;
	int r;

	if (digest && !str_skip(digest, "sha256:"))
		return err_set(e, -EOPNOTSUPP, "digest '%.80s': only sha256 is supported", digest);
	path = str_printf("manifests/%s", digest ? digest : p->ref.tag);
	if (!path)
		return err_set(e, -ENOMEM, "out of memory");
	r = fetch_document(p, path, digest, WORKER_GET_BOUNDED | LIMIT_MANIFEST_BYTES, &top, e);
	if (r == 0 && top.type) {
		const char *told = top.type + strlen(top.type) + 1;

		if (*told && str_skip(told, "sha256:") && !streq(told, top.digest))
			r = err_set_code(e, -EBADMSG, ERR_DATA_LOSS,
					 "the registry calls the manifest %.80s, but it is %s",
					 told, top.digest);
	}
	if (r < 0)
		return r;
	snprintf(p->top, sizeof(p->top), "%s", top.digest);
	p->target = (struct image_target){ .size = (int64_t)top.len };
	r = check_and_ask_names(p, &top, e);
	if (r == 0 && p->target.digest && !streq(p->top, p->offer.record->manifest_digest))
		p->offer.target = &p->target;
	return r;
}

/* ---- artifacts ---- */

/* By the digest that the policy saw. */
static int pull_artifact(struct pull *p, struct image_pulled *ret, struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	const char *name = p->o->name ? p->o->name : arena_strdup(p->a, ref_full(&p->ref, full));
	const char *digest = arena_strdup(p->a, p->top);
	struct image_row row;
	int r;

	if (!name || !digest)
		return err_set(e, -ENOMEM, "out of memory");
	*ret = (struct image_pulled){
		.name = name, .digest = digest, .id = digest, .artifact_type = p->artifact_type
	};
	r = store_image_get(p->w.s, p->w.ns, name, p->a, &row, NULL);
	ret->is_new = r < 0 || !streq(row.digest, digest);
	snprintf(p->ref.digest, sizeof(p->ref.digest), "%s", digest);
	return copy_pull_artifact(p->w.s, p->w.ns, &p->ref, name, p->o, p->a, e);
}

/* ---- all ---- */

static int check_news(struct pull *p, struct image_pulled *ret, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_row row;
	int r = store_image_get(p->w.s, p->w.ns, p->offer.names.v[0], &a, &row, NULL);

	ret->is_new = r < 0 || !streq(row.digest, p->top) ||
		      !streq(image_row_manifest(&row), p->offer.record->manifest_digest);
	ret->name = p->offer.names.v[0];
	ret->digest = arena_strdup(p->a, p->top);
	ret->id = p->offer.record->config_digest;
	return ret->digest ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int tell_pulled(struct pull *p)
{
	const struct image_record *rec = p->offer.record;

	for (size_t i = 0; p->o->told && i < rec->layers.n; i++)
		p->o->told(p->o->data, rec->layers.v[i].digest, "Pull complete");
	return 0;
}

static int pull(struct pull *p, struct image_pulled *ret, struct err *e)
{
	struct image_record *record;
	int r = resolve(p, e);

	worker_stop(&p->names);
	if (r == 0 && p->o->name)
		p->offer.names.v[0] = p->o->name;
	if (r == 0)
		r = check_news(p, ret, e);
	if (r < 0)
		return r;
	record = p->offer.record;
	r = fetch_feed_layers(&p->feed, record, e);
	p->w.feed = &p->feed.feed;
	if (r == 0)
		r = image_unpack(&p->w, &record, 1, e);
	if (r == 0)
		r = image_offer_check(&p->w, &p->offer, e);
	if (r == 0)
		r = image_label_sources(p->w.s, p->w.ns, &p->ref, p->top, record, e);
	if (r == 0)
		r = trust_keep(p->trust, p->w.s, p->w.ns, record->manifest_digest, e);
	fetch_feed_end_fetchers(&p->feed);
	if (r == 0)
		r = image_offers_commit(&p->w, &p->offer, 1, e);
	return r < 0 ? r : ret->is_new ? tell_pulled(p) : 0;
}

static int pull_once(struct pull *p, struct image_pulled *ret, struct err *e)
{
	int r = image_work_begin(&p->w, e);

	if (r < 0)
		return r;
	fetch_feed_init(&p->feed, &p->w, &p->setup);
	p->feed.told = p->o->told;
	p->feed.told_data = p->o->data;
	p->feed.warner = &p->warner;
	r = pull(p, ret, e);
	worker_stop(&p->names);
	fetch_feed_done(&p->feed, r == -EBADMSG);
	if (r < 0)
		image_work_abandon(&p->w);
	return r;
}

int image_pull(struct store *s, const char *ns, const char *what,
	       const struct image_pull_options *o, struct arena *a, struct image_pulled *ret,
	       struct err *e)
{
	struct pull p = { .o = o, .a = a, .warner = { .warned = o->warned, .data = o->data } };
	struct err why = ERR_INIT;
	int r = ref_parse(what, &p.ref, e);

	p.trust = arena_alloc(a, sizeof(*p.trust));
	if (r == 0)
		r = p.trust ? trust_begin(p.trust, &p.ref, a, e)
			    : err_set(e, -ENOMEM, "out of memory");
	if (r == 0)
		r = registry_setup(&p.ref, o->access, NULL, a, &p.setup, e);
	if (r == 0)
		r = store_namespace_ensure(s, ns, e);
	if (r < 0)
		return r;
	/* What an earlier pull left may be damaged: then once more, from the begin. */
	for (int i = 0; i < 2; i++) {
		p.w = (struct image_work){ .s = s, .ns = ns, .progress = o->progress };
		p.w.progress_data = o->data;
		p.names.control = -EBADF;
		p.documents = 0;
		p.has_offer = false;
		p.artifact_type = NULL;
		why = ERR_INIT;
		r = pull_once(&p, ret, &why);
		if (r != -EBADMSG || !p.feed.has_resumed)
			break;
	}
	if (r == -EOPNOTSUPP && p.artifact_type)
		return pull_artifact(&p, ret, e);
	if (r < 0 && e)
		*e = why;
	return r;
}
