/*
 * dnsctl: names without an engine, for tests. `dnsctl STATE attach|update|detach|ensure [ID [NETNS WORD…]]`; words are
 * net=NAME, then addr=ADDRESS and name=NAME of that network; server=ADDRESS; internal. Errors go to standard error.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/dns/client.h"

#define NETWORKS 8
#define WORDS 64

struct words {
	struct dns_endpoint ep;
	struct dns_network networks[NETWORKS];
	const char *addresses[NETWORKS][WORDS], *names[NETWORKS][WORDS], *servers[WORDS];
};

static void take_word(struct words *w, const char *word)
{
	size_t i = w->ep.networks_n - 1;
	const char *v;

	if ((v = str_skip(word, "net="))) {
		ASSERT(++i < NETWORKS);
		w->ep.networks_n++;
		w->networks[i] = (struct dns_network){ .name = v,
						       .addresses = w->addresses[i],
						       .names = w->names[i] };
	} else if ((v = str_skip(word, "server="))) {
		w->servers[w->ep.servers_n++] = v;
	} else if ((v = str_skip(word, "addr="))) {
		w->addresses[i][w->networks[i].addresses_n++] = v;
	} else if ((v = str_skip(word, "name="))) {
		w->names[i][w->networks[i].names_n++] = v;
	} else {
		w->ep.is_internal = streq(word, "internal");
	}
}

static int run(int argc, char **argv, struct err *e)
{
	static struct words w;
	AUTO_FD netns = -EBADF;

	if (streq(argv[2], "ensure"))
		return dns_ensure(argv[1], e);
	if (argc > 3 && streq(argv[2], "detach"))
		return dns_detach(argv[1], argv[3], e);
	if (argc < 5)
		return err_set(e, -EINVAL, "too few arguments");
	netns = open(argv[4], O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return err_sys(e, -errno, "open '%s'", argv[4]);
	w.ep = (struct dns_endpoint){ .container_id = argv[3],
				      .netns_path = argv[4],
				      .netns_fd = netns,
				      .networks = w.networks,
				      .servers = w.servers };
	for (int i = 5; i < argc && i < WORDS; i++)
		take_word(&w, argv[i]);
	return streq(argv[2], "update") ? dns_update(argv[1], &w.ep, e)
					: dns_attach(argv[1], &w.ep, e);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int r = argc > 2 ? run(argc, argv, &e) : err_set(&e, -EINVAL, "too few arguments");

	if (r < 0)
		fprintf(stderr, "dnsctl: %s\n", err_text(&e, r));
	return r < 0;
}
