/*
 * Store against disk: every blob is read again, every layer's folder looked through, every image asked whether it has all
 * it needs; with is_deep every layer's contents are held against its blob; then what lies on disk without a row.
 */
#include "image/priv.h"

#include <stdarg.h>

#include "base/err.h"
#include "base/str.h"

struct strs {
	const char **v; /* malloc'ed; the texts are the arena's */
	size_t n, cap;
};
struct check {
	struct store *s;
	const char *ns;
	const struct image_check_options *o;
	struct arena *a;
	struct image_checked out;
	struct strs bad;	     /* digests of blobs and chain ids of layers that are damaged */
	struct image_record **whole; /* whose layers are looked into with is_deep */
	size_t whole_n;
};

static void tell(struct check *c, enum image_finding finding, const char *what, const char *words)
{
	if (c->o->told)
		c->o->told(c->o->data, finding, what, words);
}

static int note_bad(struct check *c, const char *name, struct err *e)
{
	if (mem_grow(&c->bad.v, &c->bad.cap, c->bad.n + 1, sizeof(*c->bad.v)) < 0 ||
	    !(c->bad.v[c->bad.n] = arena_strdup(c->a, name)))
		return err_set(e, -ENOMEM, "out of memory");
	c->bad.n++;
	return 0;
}

static bool is_bad(const struct check *c, const char *name)
{
	for (size_t i = 0; i < c->bad.n; i++)
		if (streq(c->bad.v[i], name))
			return true;
	return false;
}

/* ---- blobs ---- */

/* 1: whole, 0: not there or damaged (told), -errno. */
static int check_blob(struct check *c, const char *digest, int64_t size, struct err *e)
{
	AUTO_FREE char *what = str_printf("blob %s", digest);
	struct err why = ERR_INIT;
	int r = what ? store_content_verify(c->s, digest, size, &why) : -ENOMEM;

	c->out.blobs++;
	if (r == -ENOENT || r == -EBADMSG) {
		c->out.damaged++;
		tell(c, IMAGE_DAMAGED, what, err_text(&why, r));
		r = note_bad(c, digest, e);
		if (r < 0 || !c->o->is_repair)
			return r;
		/* Gone is better than wrong: the next pull or load brings it. */
		r = store_content_drop(c->s, digest, e);
		if (r >= 0)
			tell(c, IMAGE_DROPPED, what, "dropped");
		return MIN(r, 0);
	}
	if (r < 0) {
		if (e)
			*e = why;
		return r;
	}
	return 1;
}

/* ---- layers ---- */

static int check_snapshot(struct check *c, const char *key, bool *ret_is_whole, struct err *e)
{
	AUTO_FREE char *what = str_printf("layer %s", key);
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_info info;
	struct err why = ERR_INIT;
	int r = what ? store_snapshot_stat(c->s, c->ns, key, &a, &info, &why) : -ENOMEM;

	*ret_is_whole = false;
	if (r == -ENOENT)
		return 0;
	if (r >= 0 && info.is_suspect) {
		tell(c, IMAGE_SUSPECT, what,
		     "may have lost files in a power cut; its next use makes it again");
		return 0;
	}
	if (r >= 0)
		r = store_snapshot_verify(c->s, c->ns, key, &why);
	c->out.layers++;
	if (r == -ENOENT || r == -EBADMSG) {
		c->out.damaged++;
		tell(c, IMAGE_DAMAGED, what, err_text(&why, r));
		return c->o->is_repair ? store_snapshot_distrust(c->s, c->ns, key, e) : 0;
	}
	if (r < 0 && e)
		*e = why;
	*ret_is_whole = r >= 0;
	return r;
}

/* ---- images ---- */

static int has_blob(struct check *c, const char *digest, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct content_info info;
	int r = store_content_info(c->s, c->ns, digest, &a, &info, e);

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int count_missing(struct check *c, const struct image_record *rec, size_t *ret,
			 struct err *e)
{
	int r = has_blob(c, rec->manifest_digest, e);

	*ret = r == 0;
	if (r >= 0) {
		r = has_blob(c, rec->config_digest, e);
		*ret += r == 0;
	}
	for (size_t i = 0; i < rec->layers.n && r >= 0; i++) {
		r = has_blob(c, rec->layers.v[i].digest, e);
		*ret += r == 0;
	}
	return MIN(r, 0);
}

static int rebuild(struct check *c, const struct image_record *rec, const char *what)
{
	struct err why = ERR_INIT;
	const char *key;
	int r = image_ensure_unpacked(c->s, c->ns, rec, NULL, NULL, c->a, &key, &why);

	if (r >= 0) {
		c->out.repaired++;
		tell(c, IMAGE_REPAIRED, what, "its layers were made again from its blobs");
	} else {
		tell(c, IMAGE_LOST, what, err_text(&why, r));
	}
	return r == -ENOMEM ? r : 0;
}

static int check_image(struct check *c, const struct image_use *use, struct err *e)
{
	const char *name = use->name ? use->name : use->id;
	AUTO_FREE char *what = str_printf("image %s", name);
	struct image_record *rec;
	size_t missing, broken = 0;
	int r = what ? image_record_get(c->s, use->manifest_digest, c->a, &rec, NULL) : -ENOMEM;

	if (r == -ENOMEM)
		return err_set(e, r, "out of memory");
	c->out.images++;
	if (r < 0) {
		c->out.lost++;
		tell(c, IMAGE_LOST, what, "its record cannot be read: pull or load it again");
		return 0;
	}
	r = count_missing(c, rec, &missing, e);
	for (size_t i = 0; i < rec->layers.n && r >= 0; i++) {
		bool is_whole;

		r = check_snapshot(c, rec->layers.v[i].chain_id, &is_whole, e);
		broken += !is_whole;
	}
	if (r < 0)
		return r;
	if (missing) {
		c->out.lost++;
		tell(c, IMAGE_LOST, what,
		     broken ? "lacks blobs and cannot run: pull or load it again"
			    : "runs, but lacks blobs: pull or load it again");
		return 0;
	}
	if (!broken && c->whole)
		c->whole[c->whole_n++] = rec;
	return broken && c->o->is_repair ? rebuild(c, rec, what) : 0;
}

/* ---- contents ---- */

static int on_trial(struct image_work *w, const struct image_layer *layer, const char *key,
		    struct err *e)
{
	struct check *c = w->trial_data;
	AUTO_FREE char *what = str_printf("layer %s", layer->chain_id);
	struct err why = ERR_INIT;
	int r = what ? store_snapshot_compare(c->s, c->ns, layer->chain_id, key, &why) : -ENOMEM;

	if (r == -ENOENT || r == -EBADMSG) {
		c->out.damaged++;
		tell(c, IMAGE_DAMAGED, what, err_text(&why, r));
		return note_bad(c, layer->chain_id, e);
	}
	if (r < 0 && e)
		*e = why;
	return r;
}

/* Only what all the blobs are there for, and are whole. */
static void leave_out_bad(struct check *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->whole_n; i++) {
		const struct image_record *rec = c->whole[i];
		bool is_out = false;

		for (size_t k = 0; k < rec->layers.n; k++)
			is_out |= is_bad(c, rec->layers.v[k].digest);
		if (!is_out)
			c->whole[n++] = c->whole[i];
	}
	c->whole_n = n;
}

static int mend_bad(struct check *c, const struct image_record *rec, struct err *e)
{
	AUTO_FREE char *what = str_printf("image %s", rec->config_digest);
	bool is_hurt = false;
	int r = what ? 0 : err_set(e, -ENOMEM, "out of memory");

	for (size_t i = 0; i < rec->layers.n && r >= 0; i++) {
		if (!is_bad(c, rec->layers.v[i].chain_id))
			continue;
		is_hurt = true;
		r = store_snapshot_distrust(c->s, c->ns, rec->layers.v[i].chain_id, e);
	}
	return r < 0 || !is_hurt ? MIN(r, 0) : rebuild(c, rec, what);
}

/* Each layer of all these images is unpacked once more beside what is there. */
static int look_into_layers(struct check *c, struct err *e)
{
	struct image_work w = { .s = c->s, .ns = c->ns, .trial = on_trial, .trial_data = c };
	int r;

	leave_out_bad(c);
	if (c->whole_n == 0)
		return 0;
	r = image_work_begin(&w, e);
	if (r < 0)
		return r;
	r = image_unpack(&w, c->whole, c->whole_n, e);
	image_work_abandon(&w);
	for (size_t i = 0; i < c->whole_n && r >= 0 && c->o->is_repair; i++)
		r = mend_bad(c, c->whole[i], e);
	return r;
}

/* ---- all ---- */

static int check_blobs(struct check *c, const struct image_record *only, struct err *e)
{
	struct content_info *v;
	size_t n;
	int r = store_content_list(c->s, c->ns, c->a, &v, &n, e);

	for (size_t i = 0; i < n && r >= 0; i++) {
		bool is_meant = !only || streq(v[i].digest, only->manifest_digest) ||
				streq(v[i].digest, only->config_digest);

		for (size_t k = 0; !is_meant && k < only->layers.n; k++)
			is_meant = streq(v[i].digest, only->layers.v[k].digest);
		if (is_meant)
			r = check_blob(c, v[i].digest, v[i].size, e);
	}
	return MIN(r, 0);
}

static int check_orphans(struct check *c, struct err *e)
{
	struct gc_stats stats;
	size_t n;
	int r = store_count_orphans(c->s, &n, e);

	if (r < 0 || n == 0)
		return r;
	c->out.orphans = n;
	tell(c, IMAGE_ORPHANS, "store",
	     c->o->is_repair ? "files and folders without a row were removed"
			     : "has files and folders without a row");
	return c->o->is_repair ? store_gc(c->s, &stats, e) : 0;
}

int image_check(struct store *s, const char *ns, const char *what,
		const struct image_check_options *o, struct arena *a, struct image_checked *ret,
		struct err *e)
{
	struct check c = { .s = s, .ns = ns, .o = o, .a = a };
	struct image_record *only = NULL;
	struct image_usage usage = { 0 };
	const char *name;
	int r = what ? image_find(s, ns, what, a, &only, &name, e) : 0;

	if (r >= 0)
		r = image_usage_list(s, ns, a, &usage, e);
	if (r >= 0 && o->is_deep) {
		c.whole = arena_calloc(a, usage.n + 1, sizeof(*c.whole));
		r = c.whole ? 0 : err_set(e, -ENOMEM, "out of memory");
	}
	if (r >= 0)
		r = check_blobs(&c, only, e);
	for (size_t i = 0; r >= 0 && i < usage.n; i++)
		if (!only || streq(usage.v[i].manifest_digest, only->manifest_digest))
			r = check_image(&c, &usage.v[i], e);
	if (r >= 0 && o->is_deep)
		r = look_into_layers(&c, e);
	if (r >= 0 && !only)
		r = check_orphans(&c, e);
	free(c.bad.v);
	if (r < 0)
		return r;
	*ret = c.out;
	return 0;
}
