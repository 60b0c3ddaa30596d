/*
 * What is attached, as libcni keeps it: results/<network>-<container>-<interface>, kind cniCacheV1. An entry without a
 * result is an ADD that has begun; libcni's GC deletes such an attachment as any other.
 */
#include <dirent.h>
#include <fcntl.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/base64.h"
#include "net/cni/priv.h"

#define KIND "cniCacheV1"
/* A list in base64, the arguments and the result. */
#define ENTRY_MAX (4 * CNI_TEXT_MAX)
/* Attachments of one host: pods times networks. */
#define ENTRIES_MAX 65536
#define ARGS_MAX 256

struct entry {
	const char *kind, *container_id, *config, *ifname, *network, *netns;
	struct json_raw args, capability_args, result;
};
#define ROW(member, key, kind_) JSON_ROW(entry, member, key, kind_, 0)
static const struct json_field entry_rows[] = {
	ROW(kind, "kind", JSON_STR),	       ROW(container_id, "containerId", JSON_STR),
	ROW(config, "config", JSON_STR),       ROW(ifname, "ifName", JSON_STR),
	ROW(network, "networkName", JSON_STR), ROW(netns, "netns", JSON_STR),
	ROW(args, "cniArgs", JSON_RAW),	       ROW(capability_args, "capabilityArgs", JSON_RAW),
	ROW(result, "result", JSON_RAW),
};
static JSON_TABLE(entry_table, "cache entry", entry, entry_rows);
static const struct json_limits limits = { .bytes = ENTRY_MAX };

static char *name_of(const char *network, const char *container_id, const char *ifname)
{
	return str_printf("%s-%s-%s", network, container_id, ifname);
}

/* The folder of results; made when it is written to. */
static int open_results(const struct cni_runtime *rt, bool is_made, struct err *e)
{
	AUTO_FREE char *path = str_printf("%s/results", rt->cache_dir);
	int fd, r = path ? 0 : -ENOMEM;

	if (r == 0 && is_made)
		r = dir_make_all(path, 0700);
	if (r < 0)
		return err_sys(e, r, "make '%s/results'", rt->cache_dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 || errno == ENOENT ? fd >= 0 ? fd : -ENOENT
					  : err_sys(e, -errno, "open '%s'", path);
}

/* ---- CNI_ARGS: "K=V;K=V" here, [["K", "V"]] there ---- */

static void write_args(const char *args, struct strbuf *out)
{
	struct json_writer w = { .out = out };
	const char *p = args;

	json_begin_array(&w, NULL);
	while (*p) {
		size_t n = strcspn(p, ";"), key = strcspn(p, "=;");

		if (n) {
			json_begin_array(&w, NULL);
			json_put_strn(&w, NULL, p, key);
			json_put_strn(&w, NULL, p + key + (key < n), n - key - (key < n));
			json_end_array(&w);
		}
		p += n + (p[n] == ';');
	}
	json_end_array(&w);
}

static int read_pair(struct json_reader *rd, struct strbuf *out)
{
	const char *key;

	if (json_next(rd) != JSON_T_STRING)
		return -EBADMSG;
	key = rd->text;
	if (json_next(rd) != JSON_T_STRING)
		return -EBADMSG;
	strbuf_addf(out, "%s%s=%s", out->len ? ";" : "", key, rd->text);
	return json_next(rd) == JSON_T_ARRAY_END ? 0 : -EBADMSG;
}

/* NULL: none, or not in that form. */
static const char *read_args(struct json_raw raw, struct arena *a)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct json_reader rd;
	int r;

	if (!raw.p)
		return NULL;
	json_reader_init(&rd, raw.p, raw.len, NULL, a, NULL);
	r = json_next(&rd) == JSON_T_ARRAY ? 0 : -EBADMSG;
	while (r == 0 && json_next(&rd) == JSON_T_ARRAY)
		r = read_pair(&rd, &out);
	return r == 0 && rd.r == 0 && out.len ? arena_strndup(a, out.p, out.len) : NULL;
}

/* ---- writing ---- */

int cni_cache_write(const struct cni_runtime *rt, const struct cni_network *n,
		    const struct cni_attach *at, const struct cni_result *result, struct err *e)
{
	AUTO_FREE char *name = name_of(n->name, at->container_id, at->ifname);
	AUTO_STRBUF struct strbuf list = { 0 }, args = { 0 }, res = { 0 }, out = { 0 };
	AUTO_FREE char *config = NULL;
	AUTO_FD dir = -EBADF;
	int r = 0;

	cni_network_write(n, &list);
	if (at->args)
		write_args(at->args, &args);
	if (result)
		r = cni_result_write(result, n->version, &res, e);
	if (r < 0)
		return r;
	config = strbuf_ok(&list) < 0 ? NULL : malloc(BASE64_LEN(list.len) + 1);
	if (!config || !name)
		return err_set(e, -ENOMEM, "no memory for a cache entry");
	struct entry entry = {
		.kind = KIND,
		.container_id = at->container_id,
		.config = base64_encode(BASE64_STANDARD, list.p, list.len, config),
		.ifname = at->ifname,
		.network = n->name,
		.netns = at->netns_path,
		.args = { args.p, args.len },
		.capability_args = at->capability_args,
		.result = { res.p, res.len },
	};

	json_write(&entry_table, &entry, JSON_ESCAPE_HTML, &out);
	if (strbuf_ok(&out) < 0 || strbuf_ok(&args) < 0)
		return err_set(e, -ENOMEM, "no memory for a cache entry");
	dir = open_results(rt, true, e);
	if (dir < 0)
		return dir;
	r = file_replace_at(dir, name, out.p, out.len, 0600, 0);
	return r < 0 ? err_sys(e, r, "write '%s/results/%s'", rt->cache_dir, name) : 0;
}

/* ---- reading ---- */

static int decode(const char *config, struct arena *a, struct json_raw *ret)
{
	size_t len = config ? strlen(config) : 0;
	char *text;
	ssize_t n;

	*ret = (struct json_raw){ 0 };
	if (!len)
		return 0;
	text = arena_alloc(a, BASE64_RAW_MAX(len) + 1);
	if (!text)
		return -ENOMEM;
	n = base64_decode(BASE64_STANDARD, config, len, text);
	if (n < 0)
		return (int)n;
	*ret = (struct json_raw){ text, (size_t)n };
	return 0;
}

static int read_entry(int dir, const char *name, struct arena *a, struct cni_cached *ret,
		      struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct entry entry;
	size_t len;
	int r = file_read_at(dir, name, ENTRY_MAX, &text, &len);

	if (r < 0)
		return err_sys(e, r, "read cache entry '%s'", name);
	r = json_read(&entry_table, text, len, &limits, a, &entry, e);
	if (r < 0)
		return err_wrap(e, r, "cache entry '%s'", name);
	*ret = (struct cni_cached){ 0 };
	if (!entry.kind) {
		/* libcni before 0.8: the bare result. */
		ret->result = (struct json_raw){ arena_strndup(a, text, len), len };
		return ret->result.p ? 0 : err_set(e, -ENOMEM, "no memory for '%s'", name);
	}
	if (!streq(entry.kind, KIND))
		return err_set(e, -EBADMSG, "cache entry '%s' is of kind '%.60s', not %s", name,
			       entry.kind, KIND);
	*ret = (struct cni_cached){ .network = entry.network,
				    .container_id = entry.container_id,
				    .ifname = entry.ifname,
				    .netns = entry.netns,
				    .args = read_args(entry.args, a),
				    .capability_args = entry.capability_args,
				    .result = entry.result };
	r = decode(entry.config, a, &ret->config);
	return r < 0 ? err_sys(e, r, "cache entry '%s': config", name) : 0;
}

int cni_cache_read(const struct cni_runtime *rt, const char *network, const char *container_id,
		   const char *ifname, struct arena *a, struct cni_cached *ret, struct err *e)
{
	AUTO_FREE char *name = name_of(network, container_id, ifname);
	AUTO_FD dir = open_results(rt, false, e);
	int r;

	if (dir == -ENOENT)
		return 0;
	if (!name || dir < 0)
		return name ? dir : err_set(e, -ENOMEM, "no memory for a name");
	r = read_entry(dir, name, a, ret, e);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	/* "a-b" and "c" have the same file as "a" and "b-c". */
	if ((ret->network && !streq(ret->network, network)) ||
	    (ret->container_id && !streq(ret->container_id, container_id)))
		return 0;
	ret->network = network;
	ret->container_id = container_id;
	ret->ifname = ifname;
	return 1;
}

int cni_cache_remove(const struct cni_runtime *rt, const char *network, const char *container_id,
		     const char *ifname, struct err *e)
{
	AUTO_FREE char *name = name_of(network, container_id, ifname);
	AUTO_FD dir = open_results(rt, false, e);

	if (dir == -ENOENT)
		return 0;
	if (!name || dir < 0)
		return name ? dir : err_set(e, -ENOMEM, "no memory for a name");
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, -errno, "remove '%s/results/%s'", rt->cache_dir, name);
	return 0;
}

/* Reads what can be read of one file: 1 when it is wanted. */
static int want_entry(int dir, const char *name, const char *network, struct arena *a,
		      struct cni_cached *ret)
{
	if (name[0] == '.' || str_ends(name, ".tmp") || read_entry(dir, name, a, ret, NULL) < 0)
		return 0;
	return ret->network && ret->container_id && ret->ifname &&
	       cni_check_container(ret->container_id, NULL) == 0 &&
	       cni_check_ifname(ret->ifname, NULL) == 0 &&
	       cni_check_network(ret->network, NULL) == 0 &&
	       (!network || streq(ret->network, network));
}

int cni_cache_list(const struct cni_runtime *rt, const char *network, struct arena *a,
		   struct cni_cached **ret, size_t *ret_n, struct err *e)
{
	AUTO_FREE struct cni_cached *v = NULL;
	int dir = open_results(rt, false, e);
	DIR *d = dir < 0 ? NULL : fdopendir(dir);
	size_t n = 0, cap = 0;
	struct dirent *f;
	int r = 0;

	if (dir < 0 && dir != -ENOENT)
		return dir;
	while (r == 0 && d && (f = readdir(d))) {
		r = n == ENTRIES_MAX ? -E2BIG : mem_grow(&v, &cap, n + 1, sizeof(*v));
		if (r == 0)
			n += (size_t)want_entry(dir, f->d_name, network, a, &v[n]);
	}
	if (d)
		closedir(d);
	*ret = arena_calloc(a, n + 1, sizeof(*v));
	if (r < 0 || !*ret)
		return err_sys(e, r < 0 ? r : -ENOMEM, "read '%s/results'", rt->cache_dir);
	if (n)
		memcpy(*ret, v, n * sizeof(*v));
	*ret_n = n;
	return 0;
}

int cni_cached(const struct cni_runtime *rt, const char *network, struct arena *a,
	       struct cni_attachment **ret, size_t *ret_n, struct err *e)
{
	struct cni_cached *v;
	int r = cni_cache_list(rt, network, a, &v, ret_n, e);

	if (r < 0)
		return r;
	*ret = arena_calloc(a, *ret_n + 1, sizeof(**ret));
	if (!*ret)
		return err_set(e, -ENOMEM, "no memory for %zu attachments", *ret_n);
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = (struct cni_attachment){ v[i].container_id, v[i].ifname };
	return 0;
}

/* ---- locks ---- */

/* One file; each lock is a byte of it, chosen by hash: nothing is left behind, and two that meet only wait. */
#define LOCK_FILE "corten.lock"
#define LOCK_SPAN ((off_t)1 << 40)

static off_t hash_of(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ULL;
	return (off_t)(h >> 25);
}

static int lock_byte(int fd, off_t at, short type, int command)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	while (fcntl(fd, command, &lock) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int cni_lock(const struct cni_runtime *rt, const char *network, const char *container_id,
	     const char *ifname, struct err *e)
{
	AUTO_FREE char *name = container_id ? name_of(network, container_id, ifname)
					    : str_printf("%s", network);
	AUTO_FREE char *path = str_printf("%s/" LOCK_FILE, rt->cache_dir);
	AUTO_FD fd = -EBADF;
	int r = name && path ? dir_make_all(rt->cache_dir, 0755) : -ENOMEM;

	if (r == 0) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		r = fd < 0 ? -errno : 0;
	}
	/* Network before attachment, always. */
	if (r == 0)
		r = lock_byte(fd, hash_of(network), container_id ? F_RDLCK : F_WRLCK, F_OFD_SETLKW);
	if (r == 0 && container_id)
		r = lock_byte(fd, LOCK_SPAN + hash_of(name), F_WRLCK, F_OFD_SETLKW);
	return r < 0 ? err_sys(e, r, "lock '%s/" LOCK_FILE "'", rt->cache_dir) : TAKE_FD(fd);
}

/* "NAME.0123456789abcdef.tmp": what file_replace_at had begun to write. True with NAME alone left. */
static bool cut_temporary(char *name)
{
	static const size_t tail = sizeof(".0123456789abcdef.tmp") - 1;
	size_t len = strlen(name);

	if (len <= tail || !str_ends(name, ".tmp") || name[len - tail] != '.')
		return false;
	name[len - tail] = '\0';
	return true;
}

void cni_cache_sweep(const struct cni_runtime *rt)
{
	AUTO_FREE char *path = str_printf("%s/" LOCK_FILE, rt->cache_dir);
	AUTO_FD lock = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -ENOMEM;
	int dir = lock < 0 ? -ENOENT : open_results(rt, false, NULL);
	DIR *d = dir < 0 ? NULL : fdopendir(dir);
	struct dirent *f;

	while (d && (f = readdir(d))) {
		AUTO_FREE char *name = strdup(f->d_name);

		/* Who writes holds the attachment's lock. */
		if (!name || !cut_temporary(name) ||
		    lock_byte(lock, LOCK_SPAN + hash_of(name), F_WRLCK, F_OFD_SETLK) < 0)
			continue;
		(void)unlinkat(dir, f->d_name, 0);
		(void)lock_byte(lock, LOCK_SPAN + hash_of(name), F_UNLCK, F_OFD_SETLK);
	}
	if (d)
		closedir(d);
}
