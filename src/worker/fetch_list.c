/* Lists that a registry keeps: tags page by page, and what refers to a manifest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/digest.h"
#include "worker/fetch_call.h"
#include "worker/links.h"

#define PAGES_MAX 1000
#define PAGE_TAGS "1000"

/* ---- pages ---- */

/* One page, and the URL of the next one in `*url`, or NULL there. */
static int get_page(struct verb *v, char **url, struct call *c, struct err *e)
{
	AUTO_FREE char *next = NULL;
	int r;

	*c = (struct call){ .method = "GET",
			    .url = *url,
			    .accept = "Accept: " MT_OCI_INDEX ", application/json",
			    .body_fd = -EBADF,
			    .text_max = FETCH_TEXT_MAX };
	r = fetch_call(v->f, c, e);
	if (r == 0 && c->x.status == 200 && c->x.next) {
		r = url_resolve(*url, c->x.next, &next, e);
		if (r == 0 && streq(next, *url))
			r = err_set(e, -ELOOP,
				    "the registry %s: a page of the list is its own next",
				    v->f->at->host);
	}
	c->x.url = c->url = NULL;
	free(*url);
	*url = TAKE_PTR(next);
	return r;
}

static int too_long(struct verb *v, struct err *e)
{
	return err_set(e, -E2BIG, "the list of the registry %s is too long", v->f->at->host);
}

/* ---- tags ---- */

struct tags_page {
	struct json_strs tags;
};
static const struct json_field tags_rows[] = { JSON_ROW(tags_page, tags, "tags", JSON_STRS, 0) };
static JSON_TABLE(tags_table, "tags", tags_page, tags_rows);

int tags_read(const char *text, size_t len, struct arena *a, struct json_strs *tags, size_t *cap,
	      struct err *e)
{
	static const struct json_limits lim = { .bytes = FETCH_TEXT_MAX };
	struct tags_page page;
	int r = json_read(&tags_table, text, len, &lim, a, &page, e);

	for (size_t i = 0; r == 0 && i < page.tags.n; i++) {
		if (!registry_tag_is_valid(page.tags.v[i]))
			continue;
		if (tags->n >= REGISTRY_TAGS_MAX)
			return err_set(e, -E2BIG, "more than %d tags", REGISTRY_TAGS_MAX);
		if (tags->n == *cap) {
			size_t more = *cap ? 2 * *cap : 64;
			const char **p = arena_calloc(a, more, sizeof(*p));

			if (!p)
				return err_set(e, -ENOMEM, "out of memory");
			if (tags->n > 0)
				memcpy(p, tags->v, tags->n * sizeof(*p));
			tags->v = p;
			*cap = more;
		}
		tags->v[tags->n++] = page.tags.v[i];
	}
	return r;
}

int verb_tags(struct verb *v, struct err *e)
{
	AUTO_FREE char *url = fetch_url(v->f, "tags/list?n=" PAGE_TAGS);
	size_t cap = 0;
	int r = url ? 0 : err_set(e, -ENOMEM, "out of memory");

	for (int i = 0; r == 0 && url; i++) {
		struct call c;

		r = i < PAGES_MAX ? get_page(v, &url, &c, e) : too_long(v, e);
		if (i >= PAGES_MAX)
			break;
		if (r == 0 && c.x.status != 200)
			r = fetch_status_error(&c.x, e);
		if (r == 0)
			r = tags_read(c.x.text ? c.x.text : "", c.x.text_len, v->a,
				      &v->answer->tags, &cap, e);
		call_done(&c);
	}
	return r < 0 ? err_wrap(e, r, "the tags of %s", v->f->setup.repository) : 0;
}

/* ---- referrers ---- */

static int add_descriptors(struct verb *v, const struct oci_manifest *m, bool is_filtered,
			   struct err *e)
{
	const char *wanted = v->call->artifact_type;
	struct registry_answer *answer = v->answer;
	struct oci_descriptor *all = arena_calloc(v->a, answer->referrers.n + m->manifests.n + 1,
						  sizeof(*all));
	size_t n = answer->referrers.n;

	if (!all)
		return err_set(e, -ENOMEM, "out of memory");
	if (n > 0)
		memcpy(all, answer->referrers.v, n * sizeof(*all));
	for (size_t i = 0; i < m->manifests.n; i++) {
		if (wanted && !is_filtered && !streq_null(m->manifests.v[i].artifact_type, wanted))
			continue;
		all[n] = m->manifests.v[i];
		all[n++].data = NULL;
	}
	answer->referrers.v = all;
	answer->referrers.n = n;
	return n > REGISTRY_REFERRERS_MAX ? too_long(v, e) : 0;
}

static int read_index(struct verb *v, const struct exchange *x, struct oci_manifest **ret,
		      struct err *e)
{
	bool is_index = false;
	int r = oci_manifest_read(x->text ? x->text : "", x->text_len, MT_OCI_INDEX, v->a, ret,
				  &is_index, e);

	return r < 0 || is_index ? r : err_set(e, -EBADMSG, "the list of referrers is no index");
}

/* "manifests/sha256-…" */
static char *fallback_path(const char *subject)
{
	char *path = str_printf("manifests/%s", subject), *colon = path ? strchr(path, ':') : NULL;

	if (colon)
		*colon = '-';
	return path;
}

/* The index behind the tag; `*ret` NULL: there is none. */
static int get_fallback(struct verb *v, const char *subject, struct oci_manifest **ret,
			struct err *e)
{
	AUTO_FREE char *path = fallback_path(subject);
	char *url = path ? fetch_url(v->f, path) : NULL;
	struct call c = { .body_fd = -EBADF };
	int r = url ? get_page(v, &url, &c, e) : err_set(e, -ENOMEM, "out of memory");

	*ret = NULL;
	free(url);
	if (r == 0 && c.x.status == 200)
		r = read_index(v, &c.x, ret, e);
	else if (r == 0 && c.x.status != 404)
		r = fetch_status_error(&c.x, e);
	call_done(&c);
	return r;
}

static bool has_filtered(const struct exchange *x)
{
	return strstr(x->filters, "artifactType") != NULL;
}

static char *referrers_url(struct verb *v)
{
	AUTO_FREE char *path = str_printf("referrers/%s", v->call->digest);
	AUTO_FREE char *url = path ? fetch_url(v->f, path) : NULL;

	if (!url || !v->call->artifact_type)
		return TAKE_PTR(url);
	return url_add_query(url, "artifactType", v->call->artifact_type);
}

/* 1: the registry has the API, 0: it has not, -errno. */
static int ask_api(struct verb *v, struct err *e)
{
	AUTO_FREE char *url = referrers_url(v);
	int r = url ? 0 : err_set(e, -ENOMEM, "out of memory");

	for (int i = 0; r == 0 && url; i++) {
		struct oci_manifest *m;
		struct call c;

		if (i >= PAGES_MAX)
			return too_long(v, e);
		r = get_page(v, &url, &c, e);
		if (r == 0 && i == 0 && (c.x.status == 404 || c.x.status == 400)) {
			call_done(&c);
			return 0;
		}
		if (r == 0 && c.x.status != 200)
			r = fetch_status_error(&c.x, e);
		if (r == 0)
			r = read_index(v, &c.x, &m, e);
		if (r == 0)
			r = add_descriptors(v, m, has_filtered(&c.x), e);
		call_done(&c);
	}
	return r < 0 ? r : 1;
}

int verb_referrers(struct verb *v, struct err *e)
{
	struct oci_manifest *m;
	int r = ask_api(v, e);

	if (r != 0)
		return MIN(r, 0);
	v->answer->is_fallback = true;
	r = get_fallback(v, v->call->digest, &m, e);
	return r < 0 || !m ? r : add_descriptors(v, m, false, e);
}

/* ---- the fallback's tag ---- */

static int put_index(struct verb *v, const struct oci_manifest *m, struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_FREE char *path = fallback_path(v->call->subject);
	AUTO_FREE char *url = path ? fetch_url(v->f, path) : NULL;
	struct call c = { .method = "PUT",
			  .url = url,
			  .content_type = "Content-Type: " MT_OCI_INDEX,
			  .has_body = true,
			  .body_fd = -EBADF };
	int r;

	json_write(&oci_manifest_table, m, 0, &text);
	if (!url || strbuf_ok(&text) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	c.body = text.p;
	c.body_len = (int64_t)text.len;
	r = fetch_call(v->f, &c, e);
	if (r == 0 && c.x.status != 201 && c.x.status != 202 && c.x.status != 200)
		r = fetch_status_error(&c.x, e);
	call_done(&c);
	return r;
}

/* Two that do this at once lose one of the entries: the tag schema has no way to say "if unchanged". */
int fetch_add_referrer(struct verb *v, struct err *e)
{
	struct oci_manifest *m, empty = { .schema_version = 2, .media_type = MT_OCI_INDEX };
	struct oci_descriptor *all;
	int r = get_fallback(v, v->call->subject, &m, e);

	if (r < 0)
		return err_wrap(e, r, "the list of what refers to %.19s", v->call->subject);
	m = m ? m : &empty;
	for (size_t i = 0; i < m->manifests.n; i++)
		if (streq(m->manifests.v[i].digest, v->call->self->digest))
			return 0;
	all = arena_calloc(v->a, m->manifests.n + 1, sizeof(*all));
	if (!all)
		return err_set(e, -ENOMEM, "out of memory");
	if (m->manifests.n > 0)
		memcpy(all, m->manifests.v, m->manifests.n * sizeof(*all));
	all[m->manifests.n] = *v->call->self;
	m->manifests.v = all;
	m->manifests.n++;
	r = put_index(v, m, e);
	return r < 0 ? err_wrap(e, r, "the list of what refers to %.19s", v->call->subject) : 0;
}
