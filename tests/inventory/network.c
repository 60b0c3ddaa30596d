#include "inventory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NFT_DEPTH_MAX 8

extern char **environ;

static void add_links(struct inventory *inv)
{
	struct if_nameindex *all = if_nameindex();
	for (struct if_nameindex *i = all; i && i->if_name; i++) {
		char path[128], master[256];
		snprintf(path, sizeof(path), "/sys/class/net/%s/master", i->if_name);
		ssize_t n = readlink(path, master, sizeof(master) - 1);
		master[n < 0 ? 0 : n] = '\0';
		const char *slash = strrchr(master, '/');
		lines_add(inv, "link", NULL, "%s%s%s", i->if_name, slash ? " of " : "",
			  slash ? slash + 1 : "");
	}
	if_freenameindex(all);
}

static int prefix_bits(const unsigned char *mask, size_t len)
{
	int bits = 0;
	for (size_t i = 0; i < len; i++)
		bits += __builtin_popcount(mask[i]);
	return bits;
}

static void add_addresses(struct inventory *inv)
{
	struct ifaddrs *all = NULL;
	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *a = all; a; a = a->ifa_next) {
		char text[INET6_ADDRSTRLEN];
		int family = a->ifa_addr ? a->ifa_addr->sa_family : AF_UNSPEC;
		if (family != AF_INET && family != AF_INET6)
			continue;
		bool is_v4 = family == AF_INET;
		size_t at = is_v4 ? offsetof(struct sockaddr_in, sin_addr)
				  : offsetof(struct sockaddr_in6, sin6_addr);
		const unsigned char *address = (const unsigned char *)a->ifa_addr + at;
		const unsigned char *mask = (const unsigned char *)a->ifa_netmask + at;
		if (!inet_ntop(family, address, text, sizeof(text)))
			continue;
		lines_add(inv, "address", NULL, "%s %s/%d", a->ifa_name, text,
			  a->ifa_netmask ? prefix_bits(mask, is_v4 ? 4 : 16) : -1);
	}
	freeifaddrs(all);
}

/* Starts `nft -s list ruleset` (no counters); the read end of its output, or -errno. */
static int start_nft(pid_t *ret_pid)
{
	static char *const argv[] = { (char *)"nft", (char *)"-s", (char *)"list",
				      (char *)"ruleset", NULL };
	int ends[2];
	posix_spawn_file_actions_t actions;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	int r = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (r == 0)
		return ends[0];
	close(ends[0]);
	return -r;
}

/* The open blocks, each with those around it: "table inet x / chain y". */
struct nft_context {
	char path[NFT_DEPTH_MAX][LINE_MAX_BYTES / 4];
	int depth;
};

/* Each rule gets its table and chain before it: "table inet x / chain y / accept". */
static void add_rule(struct inventory *inv, struct nft_context *c, char *row)
{
	char *s = row + strspn(row, "\t ");
	size_t len = strcspn(s, "\n");
	if (len == 0)
		return;
	if (*s == '}') {
		c->depth -= c->depth > 0;
		return;
	}
	bool opens = s[len - 1] == '{';
	if (opens)
		len -= len > 1 ? 2 : 1;
	char full[LINE_MAX_BYTES];
	const char *outer = c->depth ? c->path[c->depth - 1] : "";
	snprintf(full, sizeof(full), "%s%s%.*s", outer, *outer ? " / " : "", (int)len, s);
	lines_add(inv, "nft", NULL, "%s", full);
	if (opens && c->depth < NFT_DEPTH_MAX)
		snprintf(c->path[c->depth++], sizeof(c->path[0]), "%.*s",
			 (int)sizeof(c->path[0]) - 1, full);
}

static void add_ruleset(struct inventory *inv, FILE *f)
{
	struct nft_context context = { 0 };
	char row[1024];
	while (fgets(row, sizeof(row), f))
		add_rule(inv, &context, row);
}

void add_network(struct inventory *inv)
{
	pid_t pid;
	if (inventory_wants(inv, "link"))
		add_links(inv);
	if (inventory_wants(inv, "address"))
		add_addresses(inv);
	int fd = inventory_wants(inv, "nft") ? start_nft(&pid) : -ENOENT;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f)
		return;
	add_ruleset(inv, f);
	fclose(f);
	waitpid(pid, NULL, 0);
}
