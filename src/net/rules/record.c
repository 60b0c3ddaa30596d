/* Records: one JSON file each, in a folder of the network namespace. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <linux/netfilter.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "net/rules/priv.h"

#define RECORD_VERSION 1
/* Thousands of published ports are some 100 bytes each. */
#define RECORD_BYTES ((size_t)1 << 20)
/* More than any host has containers. */
#define RECORDS_MAX 65536

static const struct json_field rows[] = {
	JSON_ROW(rules_record, version, "version", JSON_I64, JSON_REQUIRED),
	JSON_ROW(rules_record, kind, "kind", JSON_STR, JSON_REQUIRED),
	JSON_ROW(rules_record, container_id, "containerId", JSON_STR, 0),
	JSON_ROW(rules_record, network, "network", JSON_STR, JSON_REQUIRED),
	JSON_ROW(rules_record, ifname, "ifname", JSON_STR, 0),
	JSON_ROW(rules_record, bridge, "bridge", JSON_STR, 0),
	JSON_ROW(rules_record, addresses, "addresses", JSON_STRS, 0),
	JSON_ROW_SUB(rules_record, ports, "ports", JSON_OBJ, 0, cni_runtime_config_table),
	JSON_ROW(rules_record, keeps_source, "keepsSource", JSON_BOOL, 0),
	JSON_ROW(rules_record, masquerades_all, "masqueradesAll", JSON_BOOL, 0),
	JSON_ROW(rules_record, is_masqueraded, "masquerade", JSON_BOOL, 0),
	JSON_ROW(rules_record, is_isolated, "isolated", JSON_BOOL, 0),
	JSON_ROW(rules_record, is_closed, "closed", JSON_BOOL, 0),
	JSON_ROW(rules_record, is_internal, "internal", JSON_BOOL, 0),
	JSON_ROW(rules_record, is_apart, "apart", JSON_BOOL, 0),
};
static JSON_TABLE(record_table, "record of rules", rules_record, rows);

static const struct {
	const char *name;
	enum rules_kind kind;
} KINDS[] = {
	{ "ports", RULES_PORTS },
	{ "masquerade", RULES_MASQUERADE },
	{ "network", RULES_NETWORK },
};

/* 0 for a kind of a newer version. */
enum rules_kind rules_record_kind(const struct rules_record *rec)
{
	for (size_t i = 0; i < ARRAY_LEN(KINDS); i++)
		if (streq(rec->kind, KINDS[i].name))
			return KINDS[i].kind;
	return 0;
}

static int check_name(const char *what, const char *s, struct err *e)
{
	if (!s || !*s || strpbrk(s, "/@"))
		return err_set(e, -EINVAL, "%s '%s' is empty or has '/' or '@'", what, s ? s : "");
	return 0;
}

int rules_record_name(const struct rules_record *rec, char buf[RULES_NAME_MAX], struct err *e)
{
	int n, r = check_name("the network's name", rec->network, e);

	if (r == 0 && rules_record_kind(rec) == RULES_NETWORK) {
		n = snprintf(buf, RULES_NAME_MAX, "%s@%s", rec->kind, rec->network);
	} else {
		r = r < 0 ? r : check_name("the container's id", rec->container_id, e);
		r = r < 0 ? r : check_name("the interface's name", rec->ifname, e);
		n = r < 0 ? 0
			  : snprintf(buf, RULES_NAME_MAX, "%s@%s@%s@%s", rec->kind,
				     rec->container_id, rec->network, rec->ifname);
	}
	if (r == 0 && n >= RULES_NAME_MAX)
		return err_set(e, -ENAMETOOLONG, "the names '%s' and '%s' are too long together",
			       rec->container_id ? rec->container_id : "", rec->network);
	return r;
}

/* A number that no other network namespace has or had since boot; before 5.14 that of its inode. */
static int namespace_name(int sock, char buf[RULES_NAME_MAX], struct err *e)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);
	struct stat st;

	if (getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) == 0)
		snprintf(buf, RULES_NAME_MAX, "%llu", (unsigned long long)cookie);
	else if (stat("/proc/thread-self/ns/net", &st) == 0)
		snprintf(buf, RULES_NAME_MAX, "inode-%llu", (unsigned long long)st.st_ino);
	else
		return err_sys(e, -errno, "tell network namespaces apart");
	return 0;
}

/* The folder of all namespaces; made when it is first needed. */
static int open_top(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0 && errno == ENOENT) {
		r = dir_make_all(path, 0700);
		fd = r < 0 ? r : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? err_sys(e, r < 0 ? r : -errno, "open the folder '%s'", path) : fd;
}

static int open_locked(const char *path, struct rules_store *s, struct err *e)
{
	char name[RULES_NAME_MAX];
	int r = namespace_name(s->nft, name, e);
	AUTO_FD top = r < 0 ? r : open_top(path, e);

	if (top < 0)
		return top;
	s->dir = dir_open_make_at(top, name, 0700);
	if (s->dir < 0)
		return err_sys(e, s->dir, "open the folder '%s/%s'", path, name);
	s->lock = openat(s->dir, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0 || flock(s->lock, LOCK_EX) < 0)
		return err_sys(e, -errno, "lock '%s/%s/.lock'", path, name);
	return 0;
}

int rules_store_open(const struct rules *r, struct rules_store *ret, struct err *e)
{
	AUTO_RULES_STORE s = RULES_STORE_NONE;
	int result;

	s.nft = nl_open(e);
	if (s.nft < 0)
		return s.nft;
	result = open_locked(r->dir, &s, e);
	if (result < 0)
		return result;
	s.table = (struct nft_table){ NFPROTO_INET, r->table ? r->table : "corten" };
	*ret = s;
	s = RULES_STORE_NONE;
	return 0;
}

void rules_store_close(struct rules_store *s)
{
	fd_closep(&s->nft);
	fd_closep(&s->lock);
	fd_closep(&s->dir);
}

int rules_record_read(const struct rules_store *s, const char *name, struct arena *a,
		      struct rules_record **ret, const char **ret_text, struct err *e)
{
	struct rules_record *rec = arena_alloc(a, sizeof(*rec));
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = rec ? file_read_at(s->dir, name, RECORD_BYTES, &text, &len) : -ENOMEM;

	if (r < 0)
		return err_sys(e, r, "read the record '%s'", name);
	r = json_read(&record_table, text, len, NULL, a, rec, e);
	if (r < 0)
		return err_wrap(e, r, "the record '%s'", name);
	*ret = rec;
	if (ret_text)
		*ret_text = arena_strndup(a, text, len);
	return ret_text && !*ret_text ? -ENOMEM : 0;
}

void rules_record_write(const struct rules_record *rec, struct strbuf *out)
{
	struct rules_record copy = *rec;

	copy.version = RECORD_VERSION;
	json_write(&record_table, &copy, 0, out);
	strbuf_addc(out, '\n');
}

static int add_record(struct rules_store *s, const char *name, struct arena *a,
		      struct rules_record ***v, size_t *n, size_t *cap, struct err *e)
{
	struct rules_record *rec, **grown;
	int r = rules_record_read(s, name, a, &rec, NULL, e);

	if (r < 0)
		return r;
	if (*n == *cap) {
		*cap = *cap ? 2 * *cap : 64;
		grown = arena_calloc(a, *cap, sizeof(*grown));
		if (!grown)
			return err_set(e, -ENOMEM, "out of memory for %zu records", *cap);
		if (*n)
			memcpy(grown, *v, *n * sizeof(*grown));
		*v = grown;
	}
	(*v)[(*n)++] = rec;
	return 0;
}

int rules_records_read(const struct rules_store *s, struct arena *a, struct rules_record ***ret,
		       size_t *ret_n, struct err *e)
{
	AUTO_FD fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct rules_store store = *s;
	struct rules_record **v = NULL;
	size_t n = 0, cap = 0;
	struct dirent *d;
	int r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return err_sys(e, -errno, "list the records of rules");
	fd = -EBADF;
	while (r == 0 && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			r = n < RECORDS_MAX ? add_record(&store, d->d_name, a, &v, &n, &cap, e)
					    : err_set(e, -E2BIG, "more than %d records of rules",
						      RECORDS_MAX);
	closedir(dir);
	if (r < 0)
		return r;
	*ret = v;
	*ret_n = n;
	return 0;
}
