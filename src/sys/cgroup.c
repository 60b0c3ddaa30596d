#include "sys/cgroup.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "sys/cgroup_priv.h"

/* mountinfo of a host with thousands of containers has some MiB. */
#define HOST_TEXT_MAX ((size_t)16 << 20)

static const struct {
	char v1[12], v2[12];
} controllers[CG_CONTROLLER_COUNT] = {
	[CG_CPU] = { "cpu", "cpu" },
	[CG_CPUACCT] = { "cpuacct", "cpu" },
	[CG_CPUSET] = { "cpuset", "cpuset" },
	[CG_MEMORY] = { "memory", "memory" },
	[CG_BLKIO] = { "blkio", "io" },
	[CG_PIDS] = { "pids", "pids" },
	[CG_HUGETLB] = { "hugetlb", "hugetlb" },
	[CG_RDMA] = { "rdma", "rdma" },
	[CG_MISC] = { "misc", "misc" },
	[CG_NET_CLS] = { "net_cls", "" },
	[CG_NET_PRIO] = { "net_prio", "" },
	[CG_DEVICES] = { "devices", "" },
	[CG_FREEZER] = { "freezer", "" },
	[CG_PERF_EVENT] = { "perf_event", "" },
};

const char *cg_controller_name(enum cg_controller c, bool is_v2)
{
	const char *v2 = controllers[c].v2;

	return is_v2 && *v2 ? v2 : controllers[c].v1;
}

int cg_controller_find(const char *name, size_t len)
{
	for (int c = 0; c < CG_CONTROLLER_COUNT; c++) {
		const char *v1 = controllers[c].v1, *v2 = controllers[c].v2;

		if (strlen(v1) == len && memcmp(v1, name, len) == 0)
			return c;
		if (strlen(v2) == len && len > 0 && memcmp(v2, name, len) == 0)
			return c;
	}
	return -1;
}

const char *cg_path_below(const char *path, const char *root)
{
	size_t n = strlen(root);

	while (n > 0 && root[n - 1] == '/')
		n--;
	if (strncmp(path, root, n) != 0)
		return NULL;
	if (path[n] == '\0')
		return "/";
	return path[n] == '/' ? path + n : NULL;
}

bool cg_path_is_plain(const char *path)
{
	if (*path != '/')
		return false;
	while (*path) {
		size_t n;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if ((n == 1 && path[0] == '.') || (n == 2 && memcmp(path, "..", 2) == 0))
			return false;
		path += n;
	}
	return true;
}

/* A piece of a text that does not end in NUL. */
struct span {
	const char *p;
	size_t len;
};

/* Cuts the next piece up to `sep` off `*s`. False at the end. */
static bool span_next(struct span *s, char sep, struct span *ret)
{
	const char *end;

	if (!s->p)
		return false;
	end = s->len > 0 ? memchr(s->p, sep, s->len) : NULL;
	ret->p = s->p;
	if (!end) {
		ret->len = s->len;
		s->p = NULL;
		s->len = 0;
		return true;
	}
	ret->len = (size_t)(end - s->p);
	s->p = end + 1;
	s->len -= ret->len + 1;
	return true;
}

static bool span_is(struct span s, const char *text)
{
	return strlen(text) == s.len && memcmp(s.p, text, s.len) == 0;
}

/* Whether the comma list holds `word`. */
static bool span_lists(struct span list, const char *word)
{
	struct span one;

	while (span_next(&list, ',', &one))
		if (span_is(one, word))
			return true;
	return false;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* The text with mountinfo's \040 and its like undone, in the arena, after `prefix`. */
static const char *span_unescape(struct arena *a, const char *prefix, struct span s)
{
	size_t at = strlen(prefix);
	char *out = arena_alloc(a, at + s.len + 1);

	if (!out)
		return NULL;
	memcpy(out, prefix, at);
	for (size_t i = 0; i < s.len; i++) {
		const char *p = s.p + i;

		if (*p == '\\' && s.len - i >= 4 && is_octal(p[1]) && is_octal(p[2]) &&
		    is_octal(p[3])) {
			out[at++] = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			i += 3;
		} else {
			out[at++] = *p;
		}
	}
	out[at] = '\0';
	return out;
}

/* Splits "cpu,cpuacct" into h->names and fills its controllers. */
static int split_names(struct cg_host *host, struct cg_hierarchy *h)
{
	struct span list = { h->name, strlen(h->name) }, one;
	size_t n = 1;

	for (const char *p = h->name; *p; p++)
		n += *p == ',';
	h->mount_data = strncmp(h->name, "name=", 5) != 0
				? h->name
				: arena_printf(&host->arena, "none,%s", h->name);
	h->names = arena_calloc(&host->arena, n, sizeof(*h->names));
	if (!h->names || !h->mount_data)
		return -ENOMEM;
	while (span_next(&list, ',', &one)) {
		int c = cg_controller_find(one.p, one.len);

		if (c >= 0 && !h->is_unified)
			h->controllers |= 1u << c;
		h->names[h->names_n] = arena_strndup(&host->arena, one.p, one.len);
		if (!h->names[h->names_n++])
			return -ENOMEM;
	}
	return 0;
}

/* One line "4:memory:/a/b" of /proc/self/cgroup becomes one hierarchy, yet without a mount. */
static int add_self_line(struct cg_host *host, struct span line, struct err *e)
{
	struct span rest = line, id, name;
	struct cg_hierarchy *h;

	if (!span_next(&rest, ':', &id) || !span_next(&rest, ':', &name) || rest.len == 0 ||
	    rest.p[0] != '/')
		return err_set(e, -EIO, "a line of /proc/self/cgroup is malformed: '%.*s'",
			       (int)MIN(line.len, (size_t)80), line.p);
	if (host->n == CG_HIERARCHIES_MAX)
		return err_set(e, -E2BIG, "more than %d cgroup hierarchies", CG_HIERARCHIES_MAX);
	h = &host->h[host->n++];
	h->is_unified = name.len == 0;
	h->name = arena_strndup(&host->arena, name.p, name.len);
	h->own = arena_strndup(&host->arena, rest.p, rest.len);
	if (!h->name || !h->own)
		return err_set(e, -ENOMEM, "no memory for the cgroup table");
	return split_names(host, h);
}

struct mount_line {
	struct span root, point, options, fstype, super;
};

static bool parse_mount(struct span line, struct mount_line *ret)
{
	struct span skip, word;

	for (int i = 0; i < 3; i++)
		if (!span_next(&line, ' ', &skip))
			return false;
	if (!span_next(&line, ' ', &ret->root) || !span_next(&line, ' ', &ret->point) ||
	    !span_next(&line, ' ', &ret->options))
		return false;
	do {
		if (!span_next(&line, ' ', &word))
			return false;
	} while (!span_is(word, "-"));
	return span_next(&line, ' ', &ret->fstype) && span_next(&line, ' ', &skip) &&
	       span_next(&line, ' ', &ret->super);
}

/* Where the tools of the world expect the hierarchies; such a mount wins over one elsewhere. */
static bool is_usual(const char *mount, const char *prefix)
{
	return cg_path_below(mount + strlen(prefix), "/sys/fs/cgroup") != NULL;
}

static int add_mount_line(struct cg_host *host, struct span line, const char *prefix, struct err *e)
{
	struct mount_line m;
	bool is_v2;

	if (!parse_mount(line, &m))
		return 0; /* what a foreign filesystem puts there is not ours to judge */
	is_v2 = span_is(m.fstype, "cgroup2");
	if (!is_v2 && !span_is(m.fstype, "cgroup"))
		return 0;
	for (size_t i = 0; i < host->n; i++) {
		struct cg_hierarchy *h = &host->h[i];
		const char *mount;

		if (h->is_unified != is_v2 || (!is_v2 && !span_lists(m.super, h->names[0])))
			continue;
		mount = span_unescape(&host->arena, prefix, m.point);
		if (!mount)
			return err_set(e, -ENOMEM, "no memory for the cgroup table");
		if (mount[strlen(prefix)] != '/')
			return err_set(e, -EIO, "mount point '%s' of a cgroup is not absolute",
				       mount);
		if (h->mount && (is_usual(h->mount, prefix) || !is_usual(mount, prefix)))
			return 0;
		h->root = span_unescape(&host->arena, "", m.root);
		if (!h->root)
			return err_set(e, -ENOMEM, "no memory for the cgroup table");
		h->mount = mount;
		h->is_readonly = span_lists(m.options, "ro") || span_lists(m.super, "ro");
		return 0;
	}
	return 0;
}

static int for_lines(struct cg_host *host, struct span text, const char *prefix, struct err *e)
{
	struct span line;
	int r = 0;

	while (r == 0 && span_next(&text, '\n', &line)) {
		if (line.len == 0)
			continue;
		r = prefix ? add_mount_line(host, line, prefix, e) : add_self_line(host, line, e);
	}
	return r;
}

/* The names in the unified mount's cgroup.controllers; an unreadable one has none. */
static uint32_t read_controllers(const char *mount)
{
	char text[1024];
	struct span list, one;
	uint32_t bits = 0;
	AUTO_FREE char *path = str_printf("%s/cgroup.controllers", mount);
	ssize_t n = path ? cg_read_at(AT_FDCWD, path, text, sizeof(text)) : -ENOMEM;

	if (n <= 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	list = (struct span){ text, strlen(text) };
	while (span_next(&list, ' ', &one)) {
		int c = cg_controller_find(one.p, one.len);

		if (c >= 0)
			bits |= 1u << c;
	}
	return bits & (1u << CG_CPU) ? bits | 1u << CG_CPUACCT : bits;
}

/* Drops hierarchies without a mount, and on pure v2 the v1 ones that somebody mounted elsewhere. */
static void keep_mounted(struct cg_host *host, const char *prefix)
{
	bool is_pure = false;
	size_t n = 0;

	for (size_t i = 0; i < host->n; i++)
		if (host->h[i].is_unified && host->h[i].mount)
			is_pure = streq(host->h[i].mount + strlen(prefix), "/sys/fs/cgroup");
	for (size_t i = 0; i < host->n; i++)
		if (host->h[i].mount && (!is_pure || host->h[i].is_unified))
			host->h[n++] = host->h[i];
	host->n = n;
}

static void fill_where(struct cg_host *host)
{
	memset(host->where, -1, sizeof(host->where));
	host->unified = -1;
	for (size_t i = 0; i < host->n; i++) {
		struct cg_hierarchy *h = &host->h[i];

		if (h->own)
			h->own = cg_path_below(h->own, h->root);
		if (h->own && !cg_path_is_plain(h->own))
			h->own =
				NULL; /* "/../x": the caller's group lies above its cgroup namespace */
		if (h->is_unified) {
			host->unified = (int)i;
			h->controllers = read_controllers(h->mount);
		}
		for (int c = 0; c < CG_CONTROLLER_COUNT; c++)
			if (h->controllers & 1u << c)
				host->where[c] = (int8_t)i;
	}
	/* Freezing and device programs need no controller on v2. v1's devices go first: its rules are
	 * what other tools look at; the unified freezer goes first: its frozen tasks can be killed. */
	if (host->unified >= 0) {
		host->where[CG_FREEZER] = (int8_t)host->unified;
		if (host->where[CG_DEVICES] < 0)
			host->where[CG_DEVICES] = (int8_t)host->unified;
	}
	host->mode = host->n == 0	 ? CG_MODE_NONE
		     : host->unified < 0 ? CG_MODE_V1
		     : host->n == 1	 ? CG_MODE_V2
					 : CG_MODE_HYBRID;
}

int cg_host_parse(const char *mountinfo, size_t mountinfo_len, const char *self, size_t self_len,
		  const char *prefix, struct cg_host *ret, struct err *e)
{
	struct cg_host host = { .arena.budget = (size_t)4 << 20 };
	int r;

	if (!prefix)
		prefix = "";
	if (mountinfo_len > HOST_TEXT_MAX || self_len > HOST_TEXT_MAX)
		return err_set(e, -E2BIG, "/proc/self/mountinfo is larger than 16 MiB");
	r = for_lines(&host, (struct span){ self, self_len }, NULL, e);
	if (r == 0)
		r = for_lines(&host, (struct span){ mountinfo, mountinfo_len }, prefix, e);
	if (r < 0) {
		arena_done(&host.arena);
		return r;
	}
	keep_mounted(&host, prefix);
	fill_where(&host);
	*ret = host;
	return 0;
}

int cg_host_probe(struct cg_host *ret, struct err *e)
{
	AUTO_FREE char *mounts = NULL, *self = NULL;
	size_t mounts_len = 0, self_len = 0;
	int r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", HOST_TEXT_MAX, &mounts, &mounts_len);

	if (r < 0)
		return err_sys(e, r, "read /proc/self/mountinfo");
	r = file_read_at(AT_FDCWD, "/proc/self/cgroup", HOST_TEXT_MAX, &self, &self_len);
	if (r == -ENOENT) /* a kernel without cgroups */
		self_len = 0;
	else if (r < 0)
		return err_sys(e, r, "read /proc/self/cgroup");
	return cg_host_parse(mounts, mounts_len, self, self_len, NULL, ret, e);
}

void cg_host_done(struct cg_host *h)
{
	if (!h)
		return;
	arena_done(&h->arena);
	*h = (struct cg_host){ .unified = -1 };
}
