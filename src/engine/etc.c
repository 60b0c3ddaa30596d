/* /etc/hosts, /etc/hostname and /etc/resolv.conf as a container sees them: files in its task folder. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/ip.h"
#include "base/str.h"
#include "engine/priv.h"

#define FILE_MAX ((size_t)64 << 10)
/* resolv.conf(5): more are not looked at. */
#define SERVERS_MAX 3
#define NAMES_SERVER "127.0.0.11"
/* Where systemd-resolved writes the servers that stand behind its own 127.0.0.53. */
#define BEHIND_RESOLVED "/run/systemd/resolve/resolv.conf"

static int write_small(int dirfd, const char *name, const char *text, size_t len)
{
	AUTO_FD fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			    0644);

	return fd < 0 ? -errno : fd_write_full(fd, text, len);
}

/* ---- resolv.conf ---- */

/* A resolv.conf taken apart; the lists are malloc'ed. */
struct resolv {
	char **servers, **search, **options;
};

static void resolv_done(struct resolv *r)
{
	strv_free(r->servers);
	strv_free(r->search);
	strv_free(r->options);
}

static int add_words(char ***list, char *words)
{
	char *word;
	int r = 0;

	while (r == 0 && (word = strsep(&words, " \t")))
		if (*word)
			r = strv_add(list, word);
	return r;
}

/* The last "search" or "domain" counts; options add up. */
static int parse_line(char *line, struct resolv *ret)
{
	char *words = line;
	char *key = strsep(&words, " \t");

	if (!words)
		return 0;
	if (streq(key, "nameserver"))
		return add_words(&ret->servers, words);
	if (streq(key, "options"))
		return add_words(&ret->options, words);
	if (!streq(key, "search") && !streq(key, "domain"))
		return 0;
	strv_free(ret->search);
	ret->search = NULL;
	return add_words(&ret->search, words);
}

static int parse_resolv(const char *path, struct resolv *ret)
{
	AUTO_FREE char *text = NULL;
	char *rest, *line;
	int r = file_read_at(AT_FDCWD, path, FILE_MAX, &text, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rest = text;
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		line[strcspn(line, "#;\r")] = '\0';
		r = parse_line(line, ret);
	}
	return r;
}

static bool is_loopback(const char *server)
{
	struct ip_addr addr;

	return ip_addr_parse(server, &addr) < 0 || ip_addr_is_loopback(&addr);
}

/* A server on the host's own loopback is another one in the container's namespace: left out. */
static void drop_loopback(char **servers)
{
	size_t n = 0;

	for (size_t i = 0; servers && servers[i]; i++) {
		if (is_loopback(servers[i]))
			free(servers[i]);
		else
			servers[n++] = servers[i];
	}
	if (servers)
		servers[n] = NULL;
}

static int host_resolv(bool is_own_namespace, struct resolv *ret)
{
	int r = parse_resolv("/etc/resolv.conf", ret);

	if (r < 0 || !is_own_namespace)
		return r;
	drop_loopback(ret->servers);
	if (strv_len(ret->servers))
		return 0;
	resolv_done(ret);
	*ret = (struct resolv){ 0 };
	r = parse_resolv(BEHIND_RESOLVED, ret);
	drop_loopback(ret->servers);
	return r;
}

static void put_list(struct strbuf *out, const char *key, const struct json_strs *own,
		     char *const *host)
{
	size_t n = own->n ? own->n : strv_len(host);

	/* docker's way to say "no search list at all" */
	if (n == 0 || (own->n == 1 && streq(own->v[0], ".")))
		return;
	strbuf_adds(out, key);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, " %s", own->n ? own->v[i] : host[i]);
	strbuf_addc(out, '\n');
}

static bool has_names(const struct doc *d)
{
	for (size_t i = 0; i < d->networks.n; i++)
		if (!streq(d->networks.v[i].name, NET_DEFAULT))
			return true;
	return false;
}

static void put_servers(struct strbuf *out, const struct doc *d, char *const *host)
{
	size_t n = d->dns.n ? d->dns.n : strv_len(host);

	if (has_names(d)) {
		strbuf_adds(out, "nameserver " NAMES_SERVER "\n");
		return;
	}
	for (size_t i = 0; i < MIN(n, (size_t)SERVERS_MAX); i++)
		strbuf_addf(out, "nameserver %s\n", d->dns.n ? d->dns.v[i] : host[i]);
}

static int build_resolv(const struct doc *d, struct strbuf *out)
{
	CLEANUP(resolv_done) struct resolv host = { 0 };
	int r = host_resolv(d->networks.n > 0, &host);

	if (r < 0)
		return r;
	put_servers(out, d, host.servers);
	put_list(out, "search", &d->dns_search, host.search);
	put_list(out, "options", &d->dns_options, host.options);
	return strbuf_ok(out);
}

/* ---- hosts ---- */

/* The gateway of the first network, where the host is. */
static const char *host_gateway(struct engine *en, const struct doc *d, struct arena *a)
{
	struct net n = engine_net(en);
	struct net_network *nw;

	if (d->networks.n == 0 ||
	    net_get(&n, d->networks.v[0].name, d->networks.v[0].id, a, &nw, NULL) < 0)
		return "127.0.0.1";
	return nw->gateway;
}

static int build_hosts(struct engine *en, const struct doc *d, struct strbuf *out)
{
	AUTO_ARENA struct arena a = { 0 };

	strbuf_adds(out, "127.0.0.1\tlocalhost\n"
			 "::1\tlocalhost ip6-localhost ip6-loopback\n"
			 "fe00::\tip6-localnet\nff00::\tip6-mcastprefix\n"
			 "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	for (size_t i = 0; i < d->extra_hosts.n; i++) {
		const char *h = d->extra_hosts.v[i];
		size_t len = strcspn(h, ":=");
		const char *address = h + len + 1;

		if (streq(address, "host-gateway"))
			address = host_gateway(en, d, &a);
		strbuf_addf(out, "%s\t%.*s\n", address, (int)len, h);
	}
	return strbuf_ok(out);
}

/* ---- all three ---- */

static int copy_file(int from, const char *path, int to, const char *name)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r = file_read_at(from, path, FILE_MAX, &text, &len);

	if (r < 0 && r != -ENOENT)
		return r;
	return write_small(to, name, r == 0 ? text : "", r == 0 ? len : 0);
}

/* Who shares a network shares its names. */
static int copy_peer(struct engine *en, const char *peer, int task_fd)
{
	static const char *const names[] = { "resolv.conf", "hosts", "hostname" };
	AUTO_FD fd = engine_task_open(en, peer, NULL);
	int r = fd < 0 ? fd : 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(names); i++)
		r = copy_file(fd, names[i], task_fd, names[i]);
	return r;
}

static int write_own(struct engine *en, const struct doc *d, int task_fd)
{
	AUTO_STRBUF struct strbuf resolv = { 0 }, hosts = { 0 }, name = { 0 };
	int r = build_resolv(d, &resolv);

	strbuf_addf(&name, "%s\n", d->hostname ? d->hostname : "");
	if (r == 0)
		r = strbuf_ok(&name);
	if (r == 0)
		r = write_small(task_fd, "resolv.conf", resolv.p ? resolv.p : "", resolv.len);
	if (r == 0)
		r = write_small(task_fd, "hostname", name.p, name.len);
	if (r < 0)
		return r;
	if (streq_null(d->network, "host") && d->extra_hosts.n == 0)
		return copy_file(AT_FDCWD, "/etc/hosts", task_fd, "hosts");
	r = build_hosts(en, d, &hosts);
	return r < 0 ? r : write_small(task_fd, "hosts", hosts.p, hosts.len);
}

int engine_network_files(struct engine *en, const struct loaded *l, int task_fd, struct err *e)
{
	const char *peer = engine_network_peer(l->doc);
	int r = peer ? copy_peer(en, peer, task_fd) : write_own(en, l->doc, task_fd);

	return r < 0 ? err_sys(e, r, "write /etc files") : 0;
}
