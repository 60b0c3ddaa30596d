#pragma once
/*
 * Which proxy a URL goes through, by the rules of HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go programs (docker,
 * containerd) have them. Pure text: the environment is read by who calls (image/registry/hosts.h), and both the command
 * line, which explains, and the fetch role, which connects, ask here. Safe after fork: yes.
 */
#include <stddef.h>

struct proxy_rules {
	const char *http,
		*https; /* "http://user:secret@proxy:3128", "proxy:3128"; NULL or "": none */
	const char *
		none; /* comma list: "*", names (".example.org": those below only), addresses, a.b.c.d/n */
};

/*
 * The proxy for `url`, or NULL: direct. "localhost" and loopback addresses are never proxied. A name in the list
 * stands for itself and all names below it; it may have a port.
 */
const char *proxy_for(const struct proxy_rules *rules, const char *url);

#define PROXY_TEXT_MAX 256
/* The proxy without its credentials, for people. Returns `buf`. */
const char *proxy_display(const char *proxy, char buf[PROXY_TEXT_MAX]);
