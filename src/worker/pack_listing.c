/*
 * Listings: what a folder held, one line a thing, in the form of mtree(5) with full paths. Written beside a bundle and read
 * back when it is packed again; a user may have had it in hand meanwhile, so it is read as strictly as an archive.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "base/err.h"
#include "worker/pack.h"

static const struct {
	const char *name;
	mode_t type;
} types[] = {
	{ "file", S_IFREG }, { "dir", S_IFDIR },   { "link", S_IFLNK },
	{ "char", S_IFCHR }, { "block", S_IFBLK }, { "fifo", S_IFIFO },
};

int pack_path_compare(const char *a, const char *b)
{
	const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;

	while (*x && *x == *y) {
		x++;
		y++;
	}
	/* The end, then the slash, then all else. */
	return (*x == '\0'  ? 0
		: *x == '/' ? 1
			    : *x + 1) -
	       (*y == '\0'  ? 0
		: *y == '/' ? 1
			    : *y + 1);
}

/* ---- writing ---- */

static void add_escaped(struct strbuf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c > ' ' && c < 0x7f && c != '\\' && c != '#' && c != '=')
			strbuf_addc(out, (char)c);
		else
			strbuf_addf(out, "\\%03o", c);
	}
}

static void add_hex(struct strbuf *out, const char *key, const uint8_t digest[SHA256_LEN])
{
	strbuf_addf(out, " %s=", key);
	for (size_t i = 0; i < SHA256_LEN; i++)
		strbuf_addf(out, "%02x", digest[i]);
}

void pack_listing_add(struct strbuf *out, const struct pack_listed *l)
{
	const char *type = "file";

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if ((l->mode & S_IFMT) == types[i].type)
			type = types[i].name;
	strbuf_adds(out, "./");
	add_escaped(out, l->path);
	strbuf_addf(out, " type=%s mode=%04o uid=%u gid=%u time=%lld.%09ld", type, l->mode & 07777,
		    l->uid, l->gid, (long long)l->mtime.tv_sec, l->mtime.tv_nsec);
	if (S_ISREG(l->mode))
		strbuf_addf(out, " size=%lld", (long long)l->size);
	if (S_ISCHR(l->mode) || S_ISBLK(l->mode))
		strbuf_addf(out, " device=linux,%u,%u", major(l->rdev), minor(l->rdev));
	if (l->link) {
		strbuf_adds(out, " link=");
		add_escaped(out, l->link);
	}
	if (l->has_digest)
		add_hex(out, "sha256digest", l->digest);
	add_hex(out, "xattrsdigest", l->xattrs);
	strbuf_addc(out, '\n');
}

/* ---- reading ---- */

/* In place; false for a wrong escape or a byte that should have been one. */
static bool unescape(char *s)
{
	char *to = s;

	for (; *s; s++, to++) {
		if (*s != '\\') {
			*to = *s;
			continue;
		}
		if (s[1] < '0' || s[1] > '3' || s[2] < '0' || s[2] > '7' || s[3] < '0' ||
		    s[3] > '7' || (s[1] == '0' && s[2] == '0' && s[3] == '0'))
			return false;
		*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
		s += 3;
	}
	*to = '\0';
	return true;
}

static bool read_hex(const char *s, uint8_t ret[SHA256_LEN])
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(s) != 2 * (size_t)SHA256_LEN || strspn(s, digits) != 2 * (size_t)SHA256_LEN)
		return false;
	for (size_t i = 0; i < SHA256_LEN; i++)
		ret[i] = (uint8_t)((strchr(digits, s[2 * i]) - digits) << 4 |
				   (strchr(digits, s[2 * i + 1]) - digits));
	return true;
}

static bool read_type(struct pack_listed *l, char *v)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (streq(types[i].name, v)) {
			l->mode |= types[i].type;
			return true;
		}
	return false;
}

static bool read_mode(struct pack_listed *l, char *v)
{
	char *end;
	unsigned long n = strtoul(v, &end, 8);

	l->mode |= (mode_t)(n & 07777);
	return *v >= '0' && *v <= '7' && !*end && n <= 07777;
}

static bool read_uid(struct pack_listed *l, char *v)
{
	return str_to_u32(v, &l->uid) == 0;
}

static bool read_gid(struct pack_listed *l, char *v)
{
	return str_to_u32(v, &l->gid) == 0;
}

static bool read_time(struct pack_listed *l, char *v)
{
	char *dot = strchr(v, '.');
	int64_t s, ns;

	if (!dot || strlen(dot + 1) != 9)
		return false;
	*dot = '\0';
	if (str_to_i64(v, INT64_MIN, INT64_MAX, &s) < 0 ||
	    str_to_i64(dot + 1 + strspn(dot + 1, "0"), 0, 999999999, &ns) < 0) {
		if (!streq(dot + 1, "000000000"))
			return false;
		ns = 0;
	}
	l->mtime = (struct timespec){ s, ns };
	return true;
}

static bool read_size(struct pack_listed *l, char *v)
{
	return str_to_i64(v, 0, INT64_MAX, &l->size) == 0;
}

static bool read_device(struct pack_listed *l, char *v)
{
	unsigned int a, b;
	int end = 0;

	if (sscanf(v, "linux,%u,%u%n", &a, &b, &end) != 2 || v[end])
		return false;
	l->rdev = makedev(a, b);
	return true;
}

static bool read_link(struct pack_listed *l, char *v)
{
	l->link = v;
	return unescape(v);
}

static bool read_digest(struct pack_listed *l, char *v)
{
	l->has_digest = true;
	return read_hex(v, l->digest);
}

static bool read_xattrs(struct pack_listed *l, char *v)
{
	return read_hex(v, l->xattrs);
}

static const struct {
	const char *key;
	bool (*read)(struct pack_listed *l, char *v);
} keys[] = {
	{ "type=", read_type },
	{ "mode=", read_mode },
	{ "uid=", read_uid },
	{ "gid=", read_gid },
	{ "time=", read_time },
	{ "size=", read_size },
	{ "device=", read_device },
	{ "link=", read_link },
	{ "sha256digest=", read_digest },
	{ "xattrsdigest=", read_xattrs },
};

static bool read_word(struct pack_listed *l, char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *value = str_skip(word, keys[i].key);

		if (value)
			return keys[i].read(l, word + (value - word));
	}
	return false;
}

static bool read_line(char *line, struct pack_listed *l)
{
	char *save = NULL, *word = strtok_r(line, " ", &save);
	char clean[NAME_PATH_MAX];

	if (!word || !str_skip(word, "./"))
		return false;
	l->path = word + 2;
	if (!unescape(word + 2) || name_clean(l->path, clean, NULL) < 0 || !*clean ||
	    !streq(clean, l->path))
		return false;
	while ((word = strtok_r(NULL, " ", &save)))
		if (!read_word(l, word))
			return false;
	return (l->mode & S_IFMT) != 0 && (S_ISLNK(l->mode) == (l->link != NULL));
}

/* Whether `path` is in the folder `parent` or deeper. */
static bool is_below(const char *path, const char *parent)
{
	const char *rest = str_skip(path, parent);

	return rest && *rest == '/';
}

static bool has_parent(const struct pack_listing *l, const char *path)
{
	const char *name;
	size_t len, at;
	char parent[NAME_PATH_MAX];

	name = name_base(path, &len);
	if (name == path)
		return true;
	memcpy(parent, path, len);
	parent[len] = '\0';
	at = pack_listing_find(l, parent);
	return at != SIZE_MAX && S_ISDIR(l->v[at].mode);
}

/* Each one's `end`, from the back. */
static void set_ends(struct pack_listing *l)
{
	for (size_t i = l->n; i-- > 0;) {
		size_t j = i + 1;

		while (j < l->n && is_below(l->v[j].path, l->v[i].path))
			j = l->v[j].end;
		l->v[i].end = j;
	}
}

static int add_line(struct pack_listing *l, char *line, size_t number, struct err *e)
{
	struct pack_listed one = { 0 };

	if (!read_line(line, &one))
		return err_set(e, -EBADMSG, "line %zu is not of a listing", number);
	if (l->n > 0 && pack_path_compare(l->v[l->n - 1].path, one.path) >= 0)
		return err_set(e, -EBADMSG, "line %zu is out of order", number);
	if (!has_parent(l, one.path))
		return err_set(e, -EBADMSG, "line %zu: the folder of '%.200s' is missing", number,
			       one.path);
	if (mem_grow(&l->v, &l->cap, l->n + 1, sizeof(*l->v)) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	l->v[l->n++] = one;
	return 0;
}

int pack_listing_read(char *text, size_t len, struct pack_listing *ret, struct err *e)
{
	char *rest = text, *line;
	size_t number = 0;
	int r = 0;

	if (strlen(text) != len || !str_skip(text, PACK_LISTING_HEAD))
		return err_set(e, -EBADMSG, "this is no listing");
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		number++;
		if (*line && *line != '#')
			r = add_line(ret, line, number, e);
	}
	if (r == 0)
		set_ends(ret);
	return r;
}

void pack_listing_done(struct pack_listing *l)
{
	free(l->v);
	arena_done(&l->a);
}

size_t pack_listing_find(const struct pack_listing *l, const char *path)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int r = pack_path_compare(l->v[mid].path, path);

		if (r == 0)
			return mid;
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return SIZE_MAX;
}
