/* One container's entry as text and as a struct. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "net/dns/book.h"
#include "net/dns/msg.h"

#define HEAD "corten-dns 1"

int dns_server_parse(const char *text, struct dns_server *ret)
{
	char address[IP_TEXT_MAX];
	size_t n = strcspn(text, "#");
	uint64_t port = DNS_PORT;

	if (n >= sizeof(address) || (text[n] && str_to_u64(text + n + 1, 65535, &port) < 0) ||
	    !port)
		return -EINVAL;
	memcpy(address, text, n);
	address[n] = '\0';
	ret->port = (uint16_t)port;
	return ip_addr_parse(address, &ret->addr);
}

bool dns_is_name(const char *name)
{
	if (!*name || strlen(name) > DNS_NAME_MAX - 3)
		return false;
	for (const char *p = name; *p;) {
		size_t n = strcspn(p, ".");

		if (n == 0 || n > 63 || (p[n] && !p[n + 1]))
			return false;
		for (size_t i = 0; i < n; i++)
			if (p[i] <= ' ' || p[i] >= 0x7f || p[i] == '\\')
				return false;
		p += n + (p[n] == '.');
	}
	return true;
}

/* What is filled while lines are read: pools with room for one of each in every line, in the order of the text. */
struct reading {
	struct arena *a;
	struct dns_entry *entry;
	struct ip_addr *addrs;
	const char **names;
	struct dns_entry_network *network; /* NULL before the first */
};

static int read_network(struct reading *rd, const char *value)
{
	struct dns_entry *entry = rd->entry;

	if (!*value)
		return -EBADMSG;
	if (entry->networks_n == DNS_NETWORKS_MAX)
		return -E2BIG;
	rd->network = &entry->networks[entry->networks_n++];
	*rd->network = (struct dns_entry_network){ .name = arena_strdup(rd->a, value),
						   .addrs = rd->addrs,
						   .names = rd->names };
	return rd->network->name ? 0 : -ENOMEM;
}

static int read_address(struct reading *rd, const char *value)
{
	if (!rd->network || ip_addr_parse(value, rd->addrs) < 0)
		return -EBADMSG;
	if (rd->network->addrs_n == DNS_ADDRESSES_MAX)
		return -E2BIG;
	rd->addrs++;
	rd->network->addrs_n++;
	return 0;
}

static int read_name(struct reading *rd, const char *value)
{
	char *name;

	if (!rd->network || !dns_is_name(value))
		return -EBADMSG;
	if (rd->network->names_n == DNS_NAMES_MAX)
		return -E2BIG;
	name = arena_strdup(rd->a, value);
	if (!name)
		return -ENOMEM;
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	*rd->names++ = name;
	rd->network->names_n++;
	return 0;
}

static int read_server(struct reading *rd, const char *value)
{
	struct dns_entry *entry = rd->entry;

	if (entry->servers_n == DNS_SERVERS_MAX)
		return -E2BIG;
	return dns_server_parse(value, &entry->servers[entry->servers_n++]) < 0 ? -EBADMSG : 0;
}

static int read_netns(struct reading *rd, const char *value)
{
	unsigned long long dev, ino;
	int at = 0;

	if (sscanf(value, "%llu %llu %n", &dev, &ino, &at) != 2 || !value[at])
		return -EBADMSG;
	rd->entry->netns_dev = dev;
	rd->entry->netns_ino = ino;
	rd->entry->netns = arena_strdup(rd->a, value + at);
	return rd->entry->netns ? 0 : -ENOMEM;
}

static int read_internal(struct reading *rd, const char *value)
{
	rd->entry->is_internal = true;
	return *value ? -EBADMSG : 0;
}

static const struct {
	const char *word;
	int (*read)(struct reading *rd, const char *value);
} words[] = {
	{ "netns", read_netns },     { "server", read_server },	  { "internal", read_internal },
	{ "network", read_network }, { "address", read_address }, { "name", read_name },
};

static int read_line(struct reading *rd, char *line)
{
	char *value = strchr(line, ' ');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (streq(line, words[i].word))
			return words[i].read(rd, value ? value : "");
	/* A newer client may have more to say. */
	return 0;
}

int dns_entry_read(const char *text, size_t len, struct arena *a, struct dns_entry *ret,
		   struct err *e)
{
	char *copy = arena_strndup(a, text, len), *next = copy, *line;
	struct reading rd = { .a = a, .entry = ret };
	size_t lines = 1;
	int r = 0;

	for (const char *p = copy; p && (p = strchr(p, '\n')); p++)
		lines++;
	*ret = (struct dns_entry){ .networks = arena_calloc(a, MIN(lines, DNS_NETWORKS_MAX),
							    sizeof(ret->networks[0])) };
	rd.addrs = arena_calloc(a, lines, sizeof(*rd.addrs));
	rd.names = arena_calloc(a, lines, sizeof(*rd.names));
	if (!copy || !ret->networks || !rd.addrs || !rd.names)
		return err_set(e, -ENOMEM, "no memory for an entry");
	line = strsep(&next, "\n");
	if (!streq(line, HEAD) || strlen(copy) >= len)
		return err_set(e, -EBADMSG, "no entry of corten-dns");
	for (int number = 2; r == 0 && (line = strsep(&next, "\n")); number++)
		if (*line && (r = read_line(&rd, line)) < 0)
			err_set(e, r, "line %d: a wrong '%.40s', or too many", number, line);
	return r;
}

void dns_entry_write(const struct dns_entry *entry, struct strbuf *out)
{
	char buf[IP_TEXT_MAX];

	strbuf_adds(out, HEAD "\n");
	if (entry->netns)
		strbuf_addf(out, "netns %llu %llu %s\n", (unsigned long long)entry->netns_dev,
			    (unsigned long long)entry->netns_ino, entry->netns);
	for (size_t i = 0; i < entry->servers_n; i++)
		strbuf_addf(out, "server %s#%u\n", ip_addr_text(&entry->servers[i].addr, buf),
			    entry->servers[i].port);
	if (entry->is_internal)
		strbuf_adds(out, "internal\n");
	for (size_t i = 0; i < entry->networks_n; i++) {
		const struct dns_entry_network *n = &entry->networks[i];

		strbuf_addf(out, "network %s\n", n->name);
		for (size_t k = 0; k < n->addrs_n; k++)
			strbuf_addf(out, "address %s\n", ip_addr_text(&n->addrs[k], buf));
		for (size_t k = 0; k < n->names_n; k++)
			strbuf_addf(out, "name %s\n", n->names[k]);
	}
}
