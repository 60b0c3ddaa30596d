/* From what people write to an image: a reference, an id, or a digest. */
#include "image/priv.h"

#include <ctype.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

static const char *label(const struct json_map *labels, const char *key)
{
	for (size_t i = 0; i < labels->n; i++)
		if (streq(labels->v[i].key, key))
			return labels->v[i].value;
	return NULL;
}

const char *image_row_manifest(const struct image_row *row)
{
	const char *chosen = label(&row->labels, LABEL_MANIFEST);

	return chosen && digest_is_valid(chosen) ? chosen : row->digest;
}

int image_list_nameless(struct store *s, const char *ns, struct arena *a, struct json_strs *ret,
			struct err *e)
{
	struct json_strs out = { 0 };
	struct content_info *v;
	size_t n;
	int r = store_content_list(s, ns, a, &v, &n, e);

	if (r < 0)
		return r;
	out.v = arena_calloc(a, n + 1, sizeof(char *));
	if (!out.v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (label(&v[i].labels, LABEL_GC_ROOT))
			out.v[out.n++] = v[i].digest;
	*ret = out;
	return 0;
}

static int no_such_image(const char *what, struct err *e)
{
	return err_set(e, -ENOENT, "No such image: %s", what);
}

static int artifact_record(const struct image_row *row, struct arena *a, struct image_record **ret,
			   struct err *e)
{
	struct image_record *rec = arena_alloc(a, sizeof(*rec));

	if (!rec)
		return err_set(e, -ENOMEM, "out of memory");
	*rec = (struct image_record){ .manifest_digest = row->digest,
				      .config_digest = row->digest,
				      .size = row->size };
	*ret = rec;
	return 0;
}

/* What a name stands for; an artifact has no record, and is none to those who want an image. */
static int record_of(struct store *s, const struct image_row *row, const char *what, bool is_any,
		     struct arena *a, struct image_record **ret, struct err *e)
{
	const char *type = label(&row->labels, LABEL_ARTIFACT);
	int r = image_record_get(s, image_row_manifest(row), a, ret, e);

	if (r != -ENOENT)
		return r;
	if (type && is_any)
		return artifact_record(row, a, ret, e);
	if (type)
		return err_set(e, -EOPNOTSUPP, "'%s' is an artifact of type '%.120s', not an image",
			       what, type);
	return err_set(e, -EOPNOTSUPP, "image '%s' was not prepared for this machine's platform",
		       what);
}

static int find_by_name(struct store *s, const char *ns, const char *what, bool is_any,
			struct arena *a, struct image_record **ret, const char **ret_name,
			struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	struct image_row row;
	struct ref ref;
	int r = ref_parse(what, &ref, NULL);

	if (r < 0)
		return no_such_image(what, e);
	r = store_image_get(s, ns, ref_full(&ref, full), a, &row, NULL);
	if (r == -ENOENT)
		return no_such_image(what, e);
	if (r < 0)
		return err_sys(e, r, "find image '%s'", what);
	*ret_name = row.name;
	return record_of(s, &row, what, is_any, a, ret, e);
}

/* "sha256:abc" or "abc": the digits, or NULL when it is none. */
static const char *hex_of(const char *what)
{
	const char *hex = str_skip(what, "sha256:");
	size_t n;

	hex = hex ? hex : what;
	n = strlen(hex);
	if (n == 0 || n > 64)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!isdigit((unsigned char)hex[i]) && !(hex[i] >= 'a' && hex[i] <= 'f'))
			return NULL;
	return hex;
}

static bool matches(const struct image_record *rec, const char *target, const char *hex)
{
	size_t n = strlen(hex);

	return strncmp(digest_hex(rec->config_digest), hex, n) == 0 ||
	       strncmp(digest_hex(rec->manifest_digest), hex, n) == 0 ||
	       strncmp(digest_hex(target), hex, n) == 0;
}

/* Two manifests may have one config (other layer compression): the image id is the same, the first is taken. */
static int consider(struct store *s, const struct image_row *row, const char *what, const char *hex,
		    bool is_any, struct arena *a, struct image_record **found, struct err *e)
{
	struct image_record *rec;
	int r = record_of(s, row, what, is_any, a, &rec, NULL);

	if (r < 0 || !matches(rec, row->digest, hex))
		return 0;
	if (*found && !streq((*found)->config_digest, rec->config_digest))
		return err_set(e, -EINVAL, "multiple IDs found with provided prefix: %s", what);
	if (!*found)
		*found = rec;
	return 0;
}

static int find_by_id(struct store *s, const char *ns, const char *what, bool is_any,
		      struct arena *a, struct image_record **ret, struct err *e)
{
	const char *hex = hex_of(what);
	struct image_record *found = NULL;
	struct json_strs nameless;
	struct image_row *rows;
	size_t n;
	int r;

	if (!hex)
		return no_such_image(what, e);
	r = store_image_list(s, ns, a, &rows, &n, e);
	if (r == 0)
		r = image_list_nameless(s, ns, a, &nameless, e);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = consider(s, &rows[i], what, hex, is_any, a, &found, e);
	for (size_t i = 0; r == 0 && i < nameless.n; i++)
		r = consider(s, &(struct image_row){ .digest = nameless.v[i] }, what, hex, is_any,
			     a, &found, e);
	if (r < 0)
		return r;
	if (!found)
		return no_such_image(what, e);
	*ret = found;
	return 0;
}

/* "name@sha256:…": by digest, and the name must be one that has it. */
static int find_by_digest(struct store *s, const char *ns, const char *what, bool is_any,
			  struct arena *a, struct image_record **ret, const char **ret_name,
			  struct err *e)
{
	struct ref want, have;
	struct image_row *rows;
	size_t n;
	int r = ref_parse(what, &want, NULL);

	if (r < 0 || !want.digest[0])
		return no_such_image(what, e);
	r = store_image_list(s, ns, a, &rows, &n, e);
	for (size_t i = 0; r == 0 && i < n; i++) {
		const char *manifest = image_row_manifest(&rows[i]);

		if ((!streq(rows[i].digest, want.digest) && !streq(manifest, want.digest)) ||
		    ref_parse(rows[i].name, &have, NULL) < 0 || !streq(have.host, want.host) ||
		    !streq(have.path, want.path))
			continue;
		*ret_name = rows[i].name;
		return record_of(s, &rows[i], what, is_any, a, ret, e);
	}
	return r < 0 ? r : no_such_image(what, e);
}

static int find(struct store *s, const char *ns, const char *what, bool is_any, struct arena *a,
		struct image_record **ret, const char **ret_name, struct err *e)
{
	int r = -ENOENT;

	*ret_name = NULL;
	if (!str_skip(what, "sha256:"))
		r = find_by_name(s, ns, what, is_any, a, ret, ret_name, e);
	if (r == -ENOENT && strchr(what, '@'))
		r = find_by_digest(s, ns, what, is_any, a, ret, ret_name, e);
	if (r == -ENOENT)
		r = find_by_id(s, ns, what, is_any, a, ret, e);
	return r;
}

int image_find(struct store *s, const char *ns, const char *what, struct arena *a,
	       struct image_record **ret, const char **ret_name, struct err *e)
{
	return find(s, ns, what, false, a, ret, ret_name, e);
}

int image_find_any(struct store *s, const char *ns, const char *what, struct arena *a,
		   struct image_record **ret, const char **ret_name, struct err *e)
{
	return find(s, ns, what, true, a, ret, ret_name, e);
}

/* ---- list ---- */

/* What its manifest's labels refer to counts. */
static int add_children(struct store *s, const char *ns, struct image_listed *i)
{
	AUTO_ARENA struct arena a = { 0 };
	struct content_info info, child;

	if (store_content_info(s, ns, i->manifest_digest, &a, &info, NULL) < 0)
		return 0;
	for (size_t k = 0; k < info.labels.n; k++)
		if (str_skip(info.labels.v[k].key, "containerd.io/gc.ref.content.") &&
		    store_content_info(s, ns, info.labels.v[k].value, &a, &child, NULL) == 0)
			i->size += child.size;
	return 0;
}

static int describe(struct store *s, const char *ns, struct arena *a, struct image_listed *i,
		    struct err *e)
{
	AUTO_ARENA struct arena scratch = { 0 };
	struct image_record *rec;
	int r = image_record_get(s, i->manifest_digest, &scratch, &rec, NULL);

	/* An artifact, or put there by others without a record of ours: it can be listed and removed. */
	i->id = i->manifest_digest;
	if (r < 0)
		return add_children(s, ns, i);
	i->id = arena_strdup(a, rec->config_digest);
	i->size = rec->size;
	if (rec->created)
		(void)clock_parse_rfc3339(rec->created, &i->created_ns);
	return i->id ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static bool has_row(const struct image_row *rows, size_t n, const char *digest)
{
	for (size_t i = 0; i < n; i++)
		if (streq(image_row_manifest(&rows[i]), digest))
			return true;
	return false;
}

int image_list(struct store *s, const char *ns, struct arena *a, struct image_listed **ret,
	       size_t *ret_n, struct err *e)
{
	struct json_strs nameless;
	struct image_listed *v;
	struct image_row *rows;
	size_t n, count = 0;
	int r = store_image_list(s, ns, a, &rows, &n, e);

	if (r == 0)
		r = image_list_nameless(s, ns, a, &nameless, e);
	if (r < 0)
		return r;
	v = arena_calloc(a, n + nameless.n + 1, sizeof(*v));
	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		v[count++] = (struct image_listed){ .name = rows[i].name,
						    .manifest_digest = image_row_manifest(&rows[i]),
						    .digest = rows[i].digest,
						    .size = rows[i].size };
	/* One that got a name later is listed by that alone. */
	for (size_t i = 0; i < nameless.n; i++)
		if (!has_row(rows, n, nameless.v[i]))
			v[count++] = (struct image_listed){ .manifest_digest = nameless.v[i],
							    .digest = nameless.v[i] };
	for (size_t i = 0; i < count && r == 0; i++)
		r = describe(s, ns, a, &v[i], e);
	if (r < 0)
		return r;
	*ret = v;
	*ret_n = count;
	return 0;
}
