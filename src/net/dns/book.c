/* All entries, and an index of their names that is made anew when a file changed. */
#include "net/dns/book.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

/* File times advance by ticks: a change within the same one is seen by looking again afterwards. */
#define TICK_NS (50 * NSEC_PER_MSEC)
/* The entry's text, and places for as many networks, addresses and names as it has lines. */
#define ENTRY_BUDGET ((size_t)16 << 20)

struct container {
	char *id;
	ino_t ino;
	int64_t changed_ns;
	struct arena a;
	struct dns_entry entry;
};
struct name {
	const char *text;
	const struct container *c;
	const struct dns_entry_network *network;
};
struct dns_book {
	int dirfd;
	int64_t changed_ns, read_ns;   /* the folder's time, and when it was read */
	struct container **containers; /* by id */
	size_t containers_n;
	struct name *names; /* by text */
	size_t names_n;
};

static int64_t time_of(const struct stat *st)
{
	return st->st_mtim.tv_sec * NSEC_PER_SEC + st->st_mtim.tv_nsec;
}

static void container_free(struct container *c)
{
	if (!c)
		return;
	arena_done(&c->a);
	free(c->id);
	free(c);
}

int dns_book_new(int dirfd, struct dns_book **ret)
{
	struct dns_book *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->dirfd = dirfd;
	*ret = b;
	return 0;
}

void dns_book_free(struct dns_book *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->containers_n; i++)
		container_free(b->containers[i]);
	free(b->containers);
	free(b->names);
	free(b);
}

/* ---- reading ---- */

static int by_id(const void *a, const void *b)
{
	return strcmp((*(struct container *const *)a)->id, (*(struct container *const *)b)->id);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static struct container **find(const struct dns_book *b, const char *id)
{
	struct container key = { .id = (char *)id }, *p = &key;

	return b->containers_n ? bsearch(&p, b->containers, b->containers_n, sizeof(p), by_id)
			       : NULL;
}

static struct container *load(const struct dns_book *b, const char *id, const struct stat *st)
{
	struct container *c = calloc(1, sizeof(*c));
	AUTO_FREE char *text = NULL;
	size_t len;

	if (!c)
		return NULL;
	*c = (struct container){ .id = strdup(id),
				 .ino = st->st_ino,
				 .changed_ns = time_of(st),
				 .a = { .budget = ENTRY_BUDGET } };
	if (c->id && file_read_at(b->dirfd, id, DNS_ENTRY_MAX, &text, &len) == 0 &&
	    dns_entry_read(text, len, &c->a, &c->entry, NULL) == 0)
		return c;
	container_free(c);
	return NULL;
}

/* The entry as it is known, taken out of the book, or read. NULL: it is none. */
static struct container *take_or_load(struct dns_book *b, const char *id)
{
	struct container **known = find(b, id), *c;
	struct stat st;

	if (id[0] == '.' || str_ends(id, ".tmp") ||
	    fstatat(b->dirfd, id, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	/* Those taken have no id any more: a file is met once. */
	if (known && *known && (*known)->ino == st.st_ino && (*known)->changed_ns == time_of(&st)) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return NULL;
		*c = **known;
		(*known)->a = (struct arena){ 0 };
		c->id = strdup(id);
		if (c->id)
			return c;
		container_free(c);
		return NULL;
	}
	return load(b, id, &st);
}

static int read_all(struct dns_book *b, struct container ***ret, size_t *ret_n)
{
	int fd = openat(b->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct container **v = NULL, *c;
	size_t n = 0, cap = 0;
	struct dirent *d;
	int r = 0;

	if (!dir) {
		r = -errno;
		fd_closep(&fd);
		return r;
	}
	while (r == 0 && n < DNS_CONTAINERS_MAX && (d = readdir(dir))) {
		r = mem_grow(&v, &cap, n + 1, sizeof(*v));
		c = r < 0 ? NULL : take_or_load(b, d->d_name);
		if (c)
			v[n++] = c;
	}
	closedir(dir);
	if (n)
		qsort(v, n, sizeof(*v), by_id);
	*ret = v;
	*ret_n = n;
	return r;
}

static int make_index(struct dns_book *b)
{
	size_t n = 0, cap = 0;

	free(b->names);
	b->names = NULL;
	b->names_n = 0;
	for (size_t i = 0; i < b->containers_n; i++) {
		const struct container *c = b->containers[i];

		for (size_t k = 0; k < c->entry.networks_n; k++) {
			const struct dns_entry_network *net = &c->entry.networks[k];

			if (mem_grow(&b->names, &cap, n + net->names_n, sizeof(*b->names)) < 0)
				return -ENOMEM;
			for (size_t j = 0; j < net->names_n; j++)
				b->names[n++] = (struct name){ net->names[j], c, net };
		}
	}
	if (n)
		qsort(b->names, n, sizeof(*b->names), by_text);
	b->names_n = n;
	return 0;
}

int dns_book_refresh(struct dns_book *b)
{
	struct container **v = NULL;
	int64_t now = clock_wall_ns();
	struct stat st;
	size_t n = 0;
	int r;

	if (fstat(b->dirfd, &st) < 0)
		return -errno;
	if (b->changed_ns == time_of(&st) && b->read_ns - b->changed_ns > TICK_NS)
		return 0;
	r = read_all(b, &v, &n);
	if (r < 0 && !v)
		return r;
	/* What was taken is in `v` now, so that the old list goes whatever happened. */
	for (size_t i = 0; i < b->containers_n; i++)
		container_free(b->containers[i]);
	free(b->containers);
	b->containers = v;
	b->containers_n = n;
	b->changed_ns = r < 0 ? 0 : time_of(&st);
	b->read_ns = now;
	if (make_index(b) < 0)
		r = -ENOMEM;
	return r;
}

const struct dns_entry *dns_book_entry(const struct dns_book *b, const char *container_id)
{
	struct container **c = find(b, container_id);

	return c ? &(*c)->entry : NULL;
}

/* ---- looking up ---- */

static bool is_on(const struct dns_entry *asker, const char *network)
{
	for (size_t i = 0; i < asker->networks_n; i++)
		if (streq(asker->networks[i].name, network))
			return true;
	return false;
}

static size_t add_addresses(const struct dns_entry_network *network, int family,
			    struct ip_addr *ret, size_t n, size_t max)
{
	for (size_t i = 0; i < network->addrs_n && n < max; i++) {
		const struct ip_addr *addr = &network->addrs[i];
		bool is_there = addr->family != family;

		for (size_t k = 0; k < n && !is_there; k++)
			is_there = ip_addr_compare(&ret[k], addr) == 0;
		if (!is_there)
			ret[n++] = *addr;
	}
	return n;
}

/* The first place in the index that is not before `text`. */
static size_t lower_bound(const struct dns_book *b, const char *text)
{
	size_t from = 0, to = b->names_n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (strcmp(b->names[mid].text, text) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

/* `network` NULL: any. */
static int look_up(const struct dns_book *b, const struct dns_entry *asker, const char *name,
		   const char *network, int family, struct ip_addr *ret, size_t max)
{
	bool is_found = false;
	size_t n = 0;

	for (size_t i = lower_bound(b, name); i < b->names_n && streq(b->names[i].text, name);
	     i++) {
		const struct dns_entry_network *on = b->names[i].network;

		if (!is_on(asker, on->name) || (network && strcasecmp(on->name, network) != 0))
			continue;
		is_found = true;
		n = add_addresses(on, family, ret, n, max);
	}
	return is_found ? (int)n : -ENOENT;
}

int dns_book_addresses(const struct dns_book *b, const struct dns_entry *asker, const char *name,
		       int family, struct ip_addr *ret, size_t max)
{
	int r = look_up(b, asker, name, NULL, family, ret, max);
	const char *dot = strrchr(name, '.');
	char host[256];

	if (r != -ENOENT || !dot || (size_t)(dot - name) >= sizeof(host))
		return r;
	memcpy(host, name, (size_t)(dot - name));
	host[dot - name] = '\0';
	return look_up(b, asker, host, dot + 1, family, ret, max);
}

static bool has_address(const struct dns_entry_network *network, const struct ip_addr *addr)
{
	for (size_t i = 0; i < network->addrs_n; i++)
		if (ip_addr_compare(&network->addrs[i], addr) == 0)
			return true;
	return false;
}

const char *dns_book_name(const struct dns_book *b, const struct dns_entry *asker,
			  const struct ip_addr *addr)
{
	for (size_t i = 0; i < b->containers_n; i++) {
		const struct dns_entry *entry = &b->containers[i]->entry;

		for (size_t k = 0; k < entry->networks_n; k++) {
			const struct dns_entry_network *network = &entry->networks[k];

			if (network->names_n && has_address(network, addr) &&
			    is_on(asker, network->name))
				return network->names[0];
		}
	}
	return NULL;
}
