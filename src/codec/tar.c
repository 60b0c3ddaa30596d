#include "codec/tar.h"

#include <stdio.h>

#include "base/str.h"

/* What the octal fields hold: seven digits, eleven digits. */
#define OCTAL7 ((int64_t)1 << 21)
#define OCTAL11 ((int64_t)1 << 33)

struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct ustar) == TAR_BLOCK, "a header is one block");

/* ---- PAX records ---- */

static size_t digits(size_t n)
{
	size_t d = 1;

	while (n >= 10) {
		n /= 10;
		d++;
	}
	return d;
}

/* "LENGTH KEY=VALUE\n", the length counting its own digits. */
static void add_record(struct strbuf *pax, const char *prefix, const char *key, const void *value,
		       size_t len)
{
	size_t rest = 1 + strlen(prefix) + strlen(key) + 1 + len + 1, n = rest + digits(rest);

	if (digits(n) > digits(rest))
		n = rest + digits(n);
	strbuf_addf(pax, "%zu %s%s=", n, prefix, key);
	strbuf_add(pax, value, len);
	strbuf_addc(pax, '\n');
}

static void add_number(struct strbuf *pax, const char *key, int64_t n)
{
	char text[24];

	add_record(pax, "", key, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)n));
}

/* "12.5", "-0.5": the fraction of a negative time counts upwards from the next lower second. */
static void add_time(struct strbuf *pax, const char *key, const struct timespec *t)
{
	int64_t s = t->tv_sec, ns = t->tv_nsec;
	const char *sign = s < 0 ? "-" : "";
	char text[48];
	int n;

	if (s < 0 && ns > 0) {
		s++;
		ns = 1000000000 - ns;
	}
	n = snprintf(text, sizeof(text), "%s%lld", sign, (long long)(s < 0 ? -s : s));
	if (ns > 0) {
		n += snprintf(text + n, sizeof(text) - (size_t)n, ".%09lld", (long long)ns);
		while (text[n - 1] == '0')
			n--;
	}
	add_record(pax, "", key, text, (size_t)n);
}

static bool is_utf8(const char *s)
{
	for (const uint8_t *p = (const uint8_t *)s; *p;) {
		size_t n = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc2 ? 2 : 0;

		if (n == 0 || *p > 0xf4)
			return false;
		for (size_t i = 1; i < n; i++)
			if ((p[i] & 0xc0) != 0x80)
				return false;
		p += n;
	}
	return true;
}

/* Records are UTF-8, but for archives that say otherwise (libarchive and GNU tar know the word). */
static void add_texts(struct strbuf *pax, const char *path, const char *link)
{
	bool has_path = strlen(path) > sizeof(((struct ustar *)0)->name);
	bool has_link = link && strlen(link) > sizeof(((struct ustar *)0)->link);

	if ((has_path && !is_utf8(path)) || (has_link && !is_utf8(link)))
		add_record(pax, "", "hdrcharset", "BINARY", 6);
	if (has_path)
		add_record(pax, "", "path", path, strlen(path));
	if (has_link)
		add_record(pax, "", "linkpath", link, strlen(link));
}

static void add_records(struct strbuf *pax, const struct tar_entry *t, const char *path)
{
	add_texts(pax, path, t->link);
	if (t->size >= OCTAL11)
		add_number(pax, "size", t->size);
	if (t->uid >= OCTAL7)
		add_number(pax, "uid", t->uid);
	if (t->gid >= OCTAL7)
		add_number(pax, "gid", t->gid);
	if (t->mtime.tv_nsec || t->mtime.tv_sec < 0 || t->mtime.tv_sec >= OCTAL11)
		add_time(pax, "mtime", &t->mtime);
	for (size_t i = 0; i < t->xattrs_n; i++)
		add_record(pax, "SCHILY.xattr.", t->xattrs[i].name, t->xattrs[i].value,
			   t->xattrs[i].len);
}

/* ---- ustar ---- */

/* What does not fit is in a PAX record; 0 stands here then. */
static void put_octal(char *field, size_t size, int64_t n)
{
	if (n < 0 || n >= (int64_t)1 << (3 * (size - 1)))
		n = 0;
	snprintf(field, size, "%0*llo", (int)size - 1, (unsigned long long)n);
}

/* Without a NUL when it fills the field, as the format has it. */
static void put_text(char *field, size_t size, const char *s)
{
	memcpy(field, s, MIN(strlen(s), size));
}

static void add_ustar(struct strbuf *out, const struct tar_entry *t, const char *path, char type,
		      int64_t size)
{
	struct ustar h = { .type = type, .magic = "ustar", .version = { '0', '0' } };
	unsigned int sum = 0;

	put_text(h.name, sizeof(h.name), path);
	if (t->link)
		put_text(h.link, sizeof(h.link), t->link);
	put_octal(h.mode, sizeof(h.mode), t->mode);
	put_octal(h.uid, sizeof(h.uid), t->uid);
	put_octal(h.gid, sizeof(h.gid), t->gid);
	put_octal(h.size, sizeof(h.size), size);
	put_octal(h.mtime, sizeof(h.mtime), t->mtime.tv_sec);
	put_octal(h.major, sizeof(h.major), t->major);
	put_octal(h.minor, sizeof(h.minor), t->minor);
	memset(h.checksum, ' ', sizeof(h.checksum));
	for (size_t i = 0; i < sizeof(h); i++)
		sum += ((const unsigned char *)&h)[i];
	snprintf(h.checksum, sizeof(h.checksum) - 1, "%06o", sum);
	strbuf_add(out, &h, sizeof(h));
}

static void add_zeros(struct strbuf *out, size_t n)
{
	static const char zeros[TAR_BLOCK];

	strbuf_add(out, zeros, n);
}

void tar_add_header(struct strbuf *out, const struct tar_entry *t)
{
	AUTO_STRBUF struct strbuf pax = { 0 }, path = { 0 };

	strbuf_adds(&path, t->path);
	if (t->type == TAR_FOLDER && !str_ends(t->path, "/"))
		strbuf_addc(&path, '/');
	if (strbuf_ok(&path) == 0)
		add_records(&pax, t, path.p);
	if (strbuf_ok(&path) < 0 || strbuf_ok(&pax) < 0) {
		out->is_out = true;
		return;
	}
	if (pax.len > 0) {
		const struct tar_entry x = { .mode = 0644 };

		add_ustar(out, &x, "PaxHeaders/entry", 'x', (int64_t)pax.len);
		strbuf_add(out, pax.p, pax.len);
		add_zeros(out, tar_padding((int64_t)pax.len));
	}
	add_ustar(out, t, path.p, (char)t->type, t->type == TAR_FILE ? t->size : 0);
}

void tar_add_end(struct strbuf *out)
{
	add_zeros(out, TAR_BLOCK);
	add_zeros(out, TAR_BLOCK);
}
