#include "net/dns/client.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/sock.h"
#include "base/str.h"
#include "net/dns/book.h"
#include "net/dns/msg.h"
#include "net/dns/server.h"
#include "sys/ns.h"

/* The namespace of an entry that tells no way to it. */
#define NO_PATH "-"
#define PROGRAM "corten-dns"
#define ADDRESS (INADDR_LOOPBACK + 10) /* 127.0.0.11 */
#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_MAX ((size_t)64 << 10)
/* The server answers at once; a stopped one is as good as dead. */
#define ANSWER_S 5
#define START_MS 10000
#define BACKLOG 64

/* Our folder, locked while it is open. */
struct dns_dir {
	int dir, names, lock;
};

static void dir_done(struct dns_dir *d)
{
	fd_closep(&d->names);
	fd_closep(&d->lock);
	fd_closep(&d->dir);
}
#define AUTO_DIR CLEANUP(dir_done) struct dns_dir
#define DIR_NONE                       \
	{                              \
		-EBADF, -EBADF, -EBADF \
	}

static int open_folder(struct dns_dir *d, const char *path)
{
	int r = dir_make_all(path, 0755);

	if (r < 0)
		return r;
	d->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->dir < 0)
		return -errno;
	d->lock = openat(d->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock < 0)
		return -errno;
	while (flock(d->lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	d->names = dir_open_make_at(d->dir, "names", 0755);
	return d->names < 0 ? d->names : 0;
}

static int dir_open(const char *state, struct dns_dir *ret, struct err *e)
{
	AUTO_FREE char *path = str_printf("%s/dns", state);
	int r;

	r = path ? open_folder(ret, path) : -ENOMEM;
	return r < 0 ? err_sys(e, r, "open '%s/dns'", state) : 0;
}

/* ---- sockets in a container's namespace ---- */

static int socket_in(int type, struct err *e)
{
	const struct sockaddr_in sa = { .sin_family = AF_INET,
					.sin_port = htons(DNS_PORT),
					.sin_addr.s_addr = htonl(ADDRESS) };
	AUTO_FD fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd < 0)
		return err_sys(e, -errno, "make a socket for names");
	/* The loopback may not be up yet; and what a server before us left does not count. */
	if (setsockopt(fd, SOL_IP, IP_FREEBIND, &on, sizeof(on)) < 0 ||
	    (type == SOCK_STREAM &&
	     setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) ||
	    bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		return err_sys(e, -errno, "listen on 127.0.0.11:%d of the container", DNS_PORT);
	return TAKE_FD(fd);
}

static int make_sockets(int netns_fd, int fds[2], struct err *e)
{
	AUTO_NETNS back = -EBADF;
	AUTO_FD udp = -EBADF;
	int r = ns_net_enter(netns_fd, &back, e);

	if (r < 0)
		return r;
	udp = socket_in(SOCK_DGRAM, e);
	if (udp < 0)
		return udp;
	fds[1] = socket_in(SOCK_STREAM, e);
	if (fds[1] < 0)
		return fds[1];
	fds[0] = TAKE_FD(udp);
	return 0;
}

/* ---- the server ---- */

static int start_server(struct dns_dir *d, struct err *e)
{
	AUTO_FREE char *program = NULL;
	AUTO_FD control = -EBADF;
	struct child child;
	int status, r = proc_program_find(PROGRAM, &program);

	if (r < 0)
		return err_sys(e, r, "find the program " PROGRAM);
	if (unlinkat(d->dir, "control", 0) < 0 && errno != ENOENT)
		return err_sys(e, -errno, "remove the old socket of names");
	control = sock_listen_at(d->dir, "control", SOCK_SEQPACKET, BACKLOG);
	if (control < 0)
		return err_sys(e, control, "make the socket of names");
	char *argv[] = { program, NULL };
	const struct spawn_fd fds[] = { { control, 3 }, { d->names, 4 } };
	const struct spawn_options o = { .path = program,
					 .argv = argv,
					 .cwd = "/",
					 .fds = fds,
					 .fds_len = ARRAY_LEN(fds),
					 .is_session_leader = true };

	r = proc_spawn(&o, &child, e);
	if (r < 0)
		return r;
	/* It goes on behind a fork, so that it is nobody's child who lives long. */
	r = proc_wait(&child, START_MS, &status);
	if (r < 0)
		proc_kill_wait(&child);
	if (r < 0 || status)
		return err_set(e, r < 0 ? r : -EIO, PROGRAM " did not start (status %d)", status);
	return 0;
}

/* One command and its answer. -ECONNREFUSED, -ENOENT, -EPIPE: there is no server. */
static int tell(struct dns_dir *d, const char *verb, const char *id, const int *fds, size_t n,
		struct err *e)
{
	const struct timeval limit = { .tv_sec = ANSWER_S };
	AUTO_FREE char *text = id ? str_printf("%s %s", verb, id) : str_printf("%s", verb);
	AUTO_FD fd = sock_connect_at(d->dir, "control", SOCK_SEQPACKET);
	char answer[DNS_CONTROL_MAX + 1];
	size_t got_fds;
	ssize_t len;
	int r;

	if (fd < 0 || !text)
		return fd < 0 ? fd : -ENOMEM;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	r = sock_send_fds(fd, text, strlen(text), fds, n);
	if (r < 0)
		return r == -ECONNRESET ? -EPIPE : r;
	len = sock_recv_fds(fd, answer, DNS_CONTROL_MAX, NULL, 0, &got_fds);
	if (len <= 0)
		return len == 0 || len == -ECONNRESET ? -EPIPE : (int)len;
	answer[len] = '\0';
	return streq(answer, "ok") ? 0 : err_set(e, -EIO, PROGRAM ": %s", answer);
}

static bool is_gone(int r)
{
	return r == -ECONNREFUSED || r == -ENOENT || r == -EPIPE;
}

static int give_sockets(struct dns_dir *d, const char *id, int netns_fd, struct err *e)
{
	int fds[2], r = make_sockets(netns_fd, fds, e);

	if (r < 0)
		return r;
	r = tell(d, "attach", id, fds, 2, e);
	close(fds[0]);
	close(fds[1]);
	return r;
}

/* ---- entries ---- */

static int read_entry(struct dns_dir *d, const char *id, struct arena *a, struct dns_entry *ret)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = file_read_at(d->names, id, DNS_ENTRY_MAX, &text, &len);

	return r < 0 ? r : dns_entry_read(text, len, a, ret, NULL);
}

/* The namespace that an entry names; -ESTALE: its place is another's, or gone. */
static int open_netns_of(const struct dns_entry *entry)
{
	bool has_path = entry->netns && entry->netns[0] == '/';
	AUTO_FD fd = has_path ? open(entry->netns, O_RDONLY | O_CLOEXEC) : -EBADF;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != entry->netns_ino ||
	    st.st_dev != entry->netns_dev)
		return -ESTALE;
	return TAKE_FD(fd);
}

static bool is_entry(const char *name)
{
	return name[0] != '.' && !str_ends(name, ".tmp");
}

/* A container that the new server must know; one that is gone has no entry any more. */
static void give_again(struct dns_dir *d, const char *id)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD netns = -EBADF;
	struct dns_entry entry;
	struct err why = ERR_INIT;

	if (read_entry(d, id, &a, &entry) == 0)
		netns = open_netns_of(&entry);
	if (netns < 0)
		(void)unlinkat(d->names, id, 0);
	else if (give_sockets(d, id, netns, &why) < 0)
		log_debug("names of '%s': %s", id, why.msg);
}

/* Starts a server that knows all containers but `except` (NULL: all). */
static int restart(struct dns_dir *d, const char *except, struct err *e)
{
	int r = start_server(d, e), fd;
	struct dirent *f;
	DIR *dir;

	if (r < 0)
		return r;
	fd = openat(d->names, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = err_sys(e, -errno, "read the folder of names");
		fd_closep(&fd);
		return r;
	}
	while ((f = readdir(dir)))
		if (is_entry(f->d_name) && !streq_null(f->d_name, except))
			give_again(d, f->d_name);
	closedir(dir);
	return 0;
}

/* ---- /etc/resolv.conf ---- */

static void host_servers(struct dns_entry *entry)
{
	AUTO_FREE char *text = NULL;
	char *next, *line, *save;
	size_t len;

	if (file_read_at(AT_FDCWD, RESOLV_CONF, RESOLV_MAX, &text, &len) < 0)
		return;
	for (next = text; (line = strsep(&next, "\n")) && entry->servers_n < DNS_SERVERS_MAX;) {
		char *word = strtok_r(line, " \t", &save), *value;

		value = word && streq(word, "nameserver") ? strtok_r(NULL, " \t", &save) : NULL;
		if (value && dns_server_parse(value, &entry->servers[entry->servers_n]) == 0)
			entry->servers_n++;
	}
}

/* ---- building an entry ---- */

static int build_network(const struct dns_network *from, struct arena *a,
			 struct dns_entry_network *to, struct err *e)
{
	struct ip_addr *addrs = arena_calloc(a, DNS_ADDRESSES_MAX, sizeof(*addrs));
	struct ip_net net;

	*to = (struct dns_entry_network){ .name = from->name, .addrs = addrs };
	to->names = arena_calloc(a, DNS_NAMES_MAX, sizeof(to->names[0]));
	if (!addrs || !to->names)
		return err_set(e, -ENOMEM, "no memory for names");
	if (!*from->name || strchr(from->name, '\n'))
		return err_set(e, -EINVAL, "'%.60s' is no network", from->name);
	for (size_t i = 0; i < from->addresses_n && to->addrs_n < DNS_ADDRESSES_MAX; i++) {
		if (!from->addresses[i])
			continue;
		if (ip_net_parse_loose(from->addresses[i], &net) < 0)
			return err_set(e, -EINVAL, "'%.60s' is no address", from->addresses[i]);
		addrs[to->addrs_n++] = net.addr;
	}
	for (size_t i = 0; i < from->names_n && to->names_n < DNS_NAMES_MAX; i++)
		if (from->names[i] && dns_is_name(from->names[i]))
			to->names[to->names_n++] = from->names[i];
	return 0;
}

static int build_entry(const struct dns_endpoint *ep, struct arena *a, struct dns_entry *ret,
		       struct err *e)
{
	struct stat st = { 0 };
	int r = 0;

	*ret = (struct dns_entry){ .netns = ep->netns_path ? ep->netns_path : NO_PATH,
				   .is_internal = ep->is_internal,
				   .networks = arena_calloc(a, ep->networks_n + 1,
							    sizeof(ret->networks[0])) };
	if (!ret->networks)
		return err_set(e, -ENOMEM, "no memory for names");
	if (ep->networks_n > DNS_NETWORKS_MAX)
		return err_set(e, -E2BIG, "more than %d networks", DNS_NETWORKS_MAX);
	if (ep->netns_fd >= 0 && fstat(ep->netns_fd, &st) < 0)
		return err_sys(e, -errno, "look at the network namespace");
	ret->netns_dev = st.st_dev;
	ret->netns_ino = st.st_ino;
	for (size_t i = 0; i < ep->servers_n && ret->servers_n < DNS_SERVERS_MAX; i++)
		if (dns_server_parse(ep->servers[i], &ret->servers[ret->servers_n++]) < 0)
			return err_set(e, -EINVAL, "'%.60s' is no address of a name server",
				       ep->servers[i]);
	if (!ep->servers_n)
		host_servers(ret);
	for (; r == 0 && ret->networks_n < ep->networks_n; ret->networks_n++)
		r = build_network(&ep->networks[ret->networks_n], a,
				  &ret->networks[ret->networks_n], e);
	return r;
}

static int check_id(const char *id, struct err *e)
{
	if (!id || !*id || !is_entry(id) || strchr(id, '/') || strlen(id) > LIMIT_NAME)
		return err_set(e, -EINVAL, "'%.60s' is no container's id", id ? id : "");
	return 0;
}

static int write_entry(struct dns_dir *d, const struct dns_endpoint *ep, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf out = { 0 };
	struct dns_entry entry;
	int r = build_entry(ep, &a, &entry, e);

	if (r < 0)
		return r;
	dns_entry_write(&entry, &out);
	r = strbuf_ok(&out);
	/* Whatever the umask is: the server reads it as nobody. */
	if (r == 0)
		r = file_replace_at(d->names, ep->container_id, out.p, out.len, 0644, 0);
	if (r == 0 && fchmodat(d->names, ep->container_id, 0644, 0) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "write the names of '%s'", ep->container_id) : 0;
}

/* Whether the entry that is there is of the same namespace: then the server has its sockets. */
static bool is_in_netns(struct dns_dir *d, const struct dns_endpoint *ep)
{
	AUTO_ARENA struct arena a = { 0 };
	struct dns_entry entry;
	struct stat st;

	return read_entry(d, ep->container_id, &a, &entry) == 0 && entry.netns &&
	       fstat(ep->netns_fd, &st) == 0 && st.st_ino == entry.netns_ino &&
	       st.st_dev == entry.netns_dev;
}

/* ---- calls ---- */

int dns_attach(const char *state, const struct dns_endpoint *ep, struct err *e)
{
	AUTO_DIR d = DIR_NONE;
	bool is_same;
	int r = check_id(ep->container_id, e);

	r = r < 0 ? r : dir_open(state, &d, e);
	if (r < 0)
		return r;
	is_same = is_in_netns(&d, ep);
	r = write_entry(&d, ep, e);
	if (r < 0)
		return r;
	r = tell(&d, "has", ep->container_id, NULL, 0, e);
	if (r == 0 && is_same)
		return 0;
	if (is_gone(r))
		r = restart(&d, ep->container_id, e);
	if (r == 0 || r == -EIO)
		r = give_sockets(&d, ep->container_id, ep->netns_fd, e);
	if (r < 0)
		(void)unlinkat(d.names, ep->container_id, 0);
	return r < 0 ? err_wrap(e, r, "give container '%.80s' its names", ep->container_id) : 0;
}

int dns_update(const char *state, const struct dns_endpoint *ep, struct err *e)
{
	AUTO_DIR d = DIR_NONE;
	int r = check_id(ep->container_id, e);

	r = r < 0 ? r : dir_open(state, &d, e);
	return r < 0 ? r : write_entry(&d, ep, e);
}

int dns_detach(const char *state, const char *container_id, struct err *e)
{
	AUTO_DIR d = DIR_NONE;
	int r = check_id(container_id, e);

	r = r < 0 ? r : dir_open(state, &d, e);
	if (r < 0)
		return r;
	if (unlinkat(d.names, container_id, 0) < 0 && errno != ENOENT)
		return err_sys(e, -errno, "remove the names of '%s'", container_id);
	r = tell(&d, "detach", container_id, NULL, 0, e);
	return is_gone(r) ? 0 : r;
}

static bool has_entries(struct dns_dir *d)
{
	int fd = openat(d->names, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *f;
	bool has = false;

	if (!dir) {
		fd_closep(&fd);
		return false;
	}
	while (!has && (f = readdir(dir)))
		has = is_entry(f->d_name);
	closedir(dir);
	return has;
}

int dns_ensure(const char *state, struct err *e)
{
	AUTO_FREE char *path = str_printf("%s/dns/control", state);
	AUTO_DIR d = DIR_NONE;
	AUTO_FD fd = path ? sock_connect(path, SOCK_SEQPACKET) : -ENOMEM;
	int r;

	/* Nobody was ever attached, or all is well. */
	if (fd >= 0 || fd == -ENOENT)
		return 0;
	r = dir_open(state, &d, e);
	if (r < 0)
		return r;
	r = tell(&d, "ping", NULL, NULL, 0, e);
	return is_gone(r) && has_entries(&d) ? restart(&d, NULL, e) : 0;
}
