/* Removing images, by docker's rules and words. */
#include "image/priv.h"

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

#define SHORT_ID 12

/* What is read of a container's document, which is the engine's (engine/doc.c). */
struct user_doc {
	const char *image_id;
};
static const struct json_field user_rows[] = { JSON_ROW(user_doc, image_id, "imageId", JSON_STR,
							0) };
static JSON_TABLE(user_table, "container", user_doc, user_rows);

struct removal {
	struct store *s;
	const char *ns, *what;
	bool is_forced, is_by_name;
	struct arena *a;
	struct image_record *rec;
	struct json_strs names; /* of this image */
	struct image_removed out;
};

static int add(struct arena *a, struct json_strs *list, const char *text, struct err *e)
{
	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	list->v[list->n++] = text;
	return 0;
}

static int list_names(struct removal *m, struct err *e)
{
	struct image_row *rows;
	size_t n;
	int r = store_image_list(m->s, m->ns, m->a, &rows, &n, e);

	if (r < 0)
		return r;
	m->names.v = arena_calloc(m->a, n + 1, sizeof(char *));
	m->out.untagged.v = arena_calloc(m->a, n + 1, sizeof(char *));
	m->out.deleted.v = arena_calloc(m->a, 2, sizeof(char *));
	if (!m->names.v || !m->out.untagged.v || !m->out.deleted.v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (streq(image_row_manifest(&rows[i]), m->rec->manifest_digest))
			m->names.v[m->names.n++] = rows[i].name;
	return 0;
}

/* As docker shows it: "busybox:latest". */
static const char *familiar(const char *name, struct arena *a)
{
	char text[REF_TEXT_MAX];
	struct ref ref;

	if (ref_parse(name, &ref, NULL) < 0)
		return arena_strdup(a, name);
	ref_familiar_name(&ref, text);
	return arena_printf(a, "%s%s%s", text, ref.tag[0] ? ":" : "@",
			    ref.tag[0] ? ref.tag : ref.digest);
}

static const char *id_of_user(const struct container_row *row, struct arena *a)
{
	struct user_doc d;

	if (!row->doc || json_read(&user_table, row->doc, row->doc_len, NULL, a, &d, NULL) < 0)
		return NULL;
	return d.image_id;
}

int image_used_ids(struct store *s, const char *ns, struct arena *a, struct json_strs *ret,
		   struct err *e)
{
	struct container_row *rows;
	size_t n;
	int r = store_container_list(s, ns, a, &rows, &n, e);

	if (r < 0)
		return r;
	*ret = (struct json_strs){ .v = arena_calloc(a, n + 1, sizeof(char *)) };
	if (!ret->v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const char *id = id_of_user(&rows[i], a);

		if (id)
			ret->v[ret->n++] = id;
	}
	return 0;
}

/* The id of a container that was made from the image, or NULL. */
static int find_user(struct removal *m, const char **ret, struct err *e)
{
	struct container_row *rows;
	size_t n;
	int r = store_container_list(m->s, m->ns, m->a, &rows, &n, e);

	*ret = NULL;
	for (size_t i = 0; r == 0 && i < n && !*ret; i++) {
		AUTO_ARENA struct arena a = { 0 };
		const char *id = id_of_user(&rows[i], &a);

		if (id && streq(id, m->rec->config_digest))
			*ret = rows[i].id;
	}
	return r;
}

static int check_use(struct removal *m, struct err *e)
{
	const char *id = digest_hex(m->rec->config_digest), *user;
	int r;

	if (m->is_forced)
		return 0;
	if (!m->is_by_name && m->names.n > 1)
		return err_set(
			e, -EBUSY,
			"conflict: unable to delete %.*s (must be forced) - image is referenced in multiple repositories",
			SHORT_ID, id);
	r = find_user(m, &user, e);
	if (r < 0 || !user)
		return r;
	if (m->is_by_name)
		return err_set(
			e, -EBUSY,
			"conflict: unable to remove repository reference \"%s\" (must force) - container %.*s is "
			"using its referenced image %.*s",
			m->what, SHORT_ID, user, SHORT_ID, id);
	return err_set(
		e, -EBUSY,
		"conflict: unable to delete %.*s (must be forced) - image is being used by container %.*s",
		SHORT_ID, id, SHORT_ID, user);
}

static int remove_rows(struct removal *m, const char *name, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < m->names.n && r == 0; i++) {
		if (name && !streq(name, m->names.v[i]))
			continue;
		r = store_image_delete(m->s, m->ns, m->names.v[i], e);
		if (r == 0)
			r = add(m->a, &m->out.untagged, familiar(m->names.v[i], m->a), e);
	}
	if (r < 0 || m->out.untagged.n < m->names.n)
		return r;
	r = store_content_drop_label(m->s, m->ns, m->rec->manifest_digest, LABEL_GC_ROOT, e);
	if (r == -ENOENT)
		r = 0;
	return r < 0 ? r : add(m->a, &m->out.deleted, arena_strdup(m->a, m->rec->config_digest), e);
}

/* Between the look-up and the transaction another process may have removed the name, or given it to another image. */
static int check_name(const struct removal *m, const char *name, struct err *e)
{
	for (size_t i = 0; i < m->names.n; i++)
		if (streq(m->names.v[i], name))
			return 0;
	return err_set(e, -ENOENT, "No such image: %s", m->what);
}

/* Durable: what was told to be gone does not come back with the power. */
static int remove_in_transaction(struct removal *m, const char *name, struct err *e)
{
	int r = store_set_durable(m->s, true, e);

	if (r == 0)
		r = store_begin(m->s, e);
	if (r < 0)
		return r;
	r = list_names(m, e);
	if (r == 0 && name)
		r = check_name(m, name, e);
	/* One name of several goes whoever uses the image. */
	if (r == 0 && !(m->is_by_name && m->names.n > 1))
		r = check_use(m, e);
	if (r == 0)
		r = remove_rows(m, name, e);
	if (r == 0)
		return store_commit(m->s, e);
	store_rollback(m->s);
	return r;
}

int image_remove(struct store *s, const char *ns, const char *what, bool force, struct arena *a,
		 struct image_removed *ret, struct err *e)
{
	struct removal m = { .s = s, .ns = ns, .what = what, .is_forced = force, .a = a };
	struct gc_stats stats;
	const char *name;
	int r = image_find_any(s, ns, what, a, &m.rec, &name, e);

	if (r < 0)
		return r;
	m.is_by_name = name != NULL;
	r = remove_in_transaction(&m, name, e);
	(void)store_set_durable(s, false, NULL);
	if (r < 0)
		return r;
	*ret = m.out;
	if (m.out.deleted.n == 0)
		return 0;
	r = store_gc(s, &stats, e);
	(void)store_empty_trash(s, NULL);
	return MIN(r, 0);
}
