/* The archive's entries, as they stream by and as they are found again. */
#include "worker/parse.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "worker/inflate.h"
#include "worker/names.h"
#include "worker/tarball.h"

#define LINKS_MAX 8
/* Smaller than a tar can be: version files and the like. */
#define LAYER_MIN 512

static int out_of_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "the archive's manifests need too much memory");
}

static int add_entry(struct parse *p, const char *name, struct parse_entry **ret, struct err *e)
{
	struct parse_entry *entry;

	if (p->n >= PARSE_ENTRIES_MAX)
		return err_set(e, -E2BIG, "the archive has more than %d files", PARSE_ENTRIES_MAX);
	if (mem_grow(&p->entries, &p->cap, p->n + 1, sizeof(*p->entries)) < 0)
		return out_of_memory(e);
	entry = &p->entries[p->n];
	*entry = (struct parse_entry){ .name = arena_strdup(&p->a, name), .order = (uint32_t)p->n };
	if (!entry->name)
		return out_of_memory(e);
	p->n++;
	*ret = entry;
	return 0;
}

/* ---- content ---- */

static int entry_done(struct parse *p, const char *digest, int64_t size, struct err *e)
{
	return p->peer->entry(p, p->next_index++, size, digest, e);
}

int parse_write_blob(struct parse *p, const char *text, size_t len, char digest[DIGEST_TEXT_MAX],
		     struct err *e)
{
	AUTO_FD fd = p->peer->open(p, p->next_index, e);
	int r;

	if (fd < 0)
		return fd;
	r = fd_write_full(fd, text, len);
	if (r < 0)
		return err_sys(e, r, "write content");
	return entry_done(p, digest_of(text, len, digest), (int64_t)len, e);
}

/* ---- one file ---- */

struct file {
	struct parse_entry *entry;
	struct sha256 hash;
	int64_t size, done;
	char *keep; /* in the arena; NULL: not kept */
	int fd;
	bool is_blob, is_decided;
};

static bool looks_json(const uint8_t *p, size_t len)
{
	size_t i = 0;

	while (i < len && (p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r'))
		i++;
	return i < len && (p[i] == '{' || p[i] == '[');
}

/* With the first bytes at hand: whether the file is content, and whether its text is kept. */
static int decide(struct parse *p, struct file *f, const void *data, size_t len, struct err *e)
{
	bool is_json = looks_json(data, len) && f->size <= (int64_t)LIMIT_MANIFEST_BYTES;

	f->is_decided = true;
	f->entry->compression = (uint8_t)inflate_sniff(data, len);
	if (is_json) {
		if (p->kept + (size_t)f->size > PARSE_KEPT_MAX)
			return err_set(e, -E2BIG,
				       "the archive's manifests and configs are more than %zu MiB",
				       PARSE_KEPT_MAX >> 20);
		p->kept += (size_t)f->size;
		f->keep = arena_alloc(&p->a, (size_t)f->size + 1);
		if (!f->keep)
			return out_of_memory(e);
		f->entry->text = f->keep;
	}
	if (!f->is_blob &&
	    (is_json || (f->entry->compression == LAYER_PLAIN && f->size < LAYER_MIN)))
		return 0;
	f->entry->is_stored = true;
	f->fd = p->peer->open(p, p->next_index, e);
	return f->fd < 0 ? f->fd : 0;
}

static int take_bytes(struct file *f, const void *data, size_t len, struct err *e)
{
	int r = 0;

	if ((int64_t)len > f->size - f->done)
		return err_set(e, -EBADMSG, "has more bytes than its header says");
	sha256_update(&f->hash, data, len);
	if (f->keep)
		memcpy(f->keep + f->done, data, len);
	if (f->fd >= 0)
		r = fd_write_full(f->fd, data, len);
	f->done += (int64_t)len;
	return r < 0 ? err_sys(e, r, "write content") : 0;
}

static int read_file(struct parse *p, struct tarball *t, struct file *f, struct err *e)
{
	const void *data;
	int64_t offset;
	size_t len;
	int r;

	while ((r = tarball_data(t, &data, &len, &offset, e)) > 0) {
		if (len == 0)
			continue;
		if (offset != f->done)
			return err_set(e, -EBADMSG, "is a sparse file");
		r = f->is_decided ? 0 : decide(p, f, data, len, e);
		if (r == 0)
			r = take_bytes(f, data, len, e);
		if (r < 0)
			return r;
	}
	if (r == 0 && f->done != f->size)
		return err_set(e, -EBADMSG, "has %lld bytes, its header says %lld",
			       (long long)f->done, (long long)f->size);
	return r < 0 || f->is_decided ? r : decide(p, f, "", 0, e);
}

/* A blob's name is its digest; a lie is found here, before anybody looks it up. */
static int finish_file(struct parse *p, struct file *f, struct err *e)
{
	struct parse_entry *entry = f->entry;
	const char *hex = str_skip(entry->name, "blobs/sha256/");

	sha256_digest(&f->hash, entry->digest);
	entry->size = f->size;
	if (hex && !streq(hex, digest_hex(entry->digest)))
		return err_set(e, -EBADMSG, "its digest is %s", entry->digest);
	return entry->is_stored ? entry_done(p, entry->digest, entry->size, e) : 0;
}

static int take_file(struct parse *p, struct tarball *t, struct archive_entry *ae, const char *name,
		     struct err *e)
{
	struct file f = { .size = archive_entry_size(ae), .fd = -EBADF };
	int r = add_entry(p, name, &f.entry, e);

	if (r < 0)
		return r;
	f.is_blob = str_skip(name, "blobs/") != NULL;
	sha256_init(&f.hash);
	r = read_file(p, t, &f, e);
	if (r == 0)
		r = finish_file(p, &f, e);
	fd_closep(&f.fd);
	return r;
}

static int take_link(struct parse *p, const char *name, const char *target, bool is_hard,
		     struct err *e)
{
	char clean[NAME_PATH_MAX];
	struct parse_entry *entry;
	int r = is_hard ? name_clean(target, clean, e) : name_resolve(name, target, clean, e);

	if (r == 0)
		r = add_entry(p, name, &entry, e);
	if (r < 0)
		return r;
	entry->link = arena_strdup(&p->a, clean);
	return entry->link ? 0 : out_of_memory(e);
}

static int take_entry(struct parse *p, struct tarball *t, struct archive_entry *ae, struct err *e)
{
	const char *hard = archive_entry_hardlink(ae), *soft = archive_entry_symlink(ae);
	char name[NAME_PATH_MAX];
	int r = name_clean(archive_entry_pathname(ae), name, e);

	if (r < 0 || !*name)
		return r;
	if (hard || soft)
		r = take_link(p, name, hard ? hard : soft, hard != NULL, e);
	else if (archive_entry_filetype(ae) == AE_IFREG)
		r = take_file(p, t, ae, name, e);
	return r < 0 ? err_wrap(e, r, "archive entry '%.200s'", name) : 0;
}

/* ---- all ---- */

static int compare(const void *a, const void *b)
{
	const struct parse_entry *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : x->order < y->order ? -1 : 1;
}

int parse_entries_read(struct parse *p, struct inflate *source, struct err *e)
{
	struct archive_entry *ae;
	struct tarball t;
	int r = tarball_open(&t, source, e);

	while (r == 0) {
		r = tarball_next(&t, &ae, e);
		if (r <= 0)
			break;
		r = take_entry(p, &t, ae, e);
	}
	tarball_done(&t);
	if (r == 0 && p->n > 0)
		qsort(p->entries, p->n, sizeof(*p->entries), compare);
	return r;
}

/* The last of a name wins, as it does for tar. */
static const struct parse_entry *find_plain(struct parse *p, const char *name)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(p->entries[mid].name, name) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 && streq(p->entries[low - 1].name, name) ? &p->entries[low - 1] : NULL;
}

const struct parse_entry *parse_find(struct parse *p, const char *name)
{
	const struct parse_entry *entry = find_plain(p, name);

	for (int i = 0; entry && entry->link && i < LINKS_MAX; i++)
		entry = find_plain(p, entry->link);
	return entry && !entry->link ? entry : NULL;
}

const struct parse_entry *parse_find_blob(struct parse *p, const char *digest)
{
	char name[DIGEST_TEXT_MAX + 16];
	const char *hex = digest_hex(digest);

	snprintf(name, sizeof(name), "blobs/%.*s/%s", (int)(hex - digest - 1), digest, hex);
	return parse_find(p, name);
}

int parse_text(const struct parse_entry *entry, const char *what, struct err *e)
{
	if (!entry)
		return err_set(e, -EBADMSG, "'%.200s' is not in the archive", what);
	if (entry->text)
		return 0;
	if (entry->size > (int64_t)LIMIT_MANIFEST_BYTES)
		return err_set(e, -E2BIG, "'%.200s' has %lld bytes, the limit is %zu", what,
			       (long long)entry->size, LIMIT_MANIFEST_BYTES);
	return err_set(e, -EBADMSG, "'%.200s' is not JSON", what);
}
