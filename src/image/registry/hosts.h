#pragma once
/*
 * From a registry's host to the list of endpoints that serve it: hosts.toml folders as containerd has them, docker's
 * certs.d, proxies. Reads the machine's own configuration, which is the administrator's word; nothing here comes from a
 * registry, and nothing is connected to.
 *
 * The folder of a host is looked for below /etc/corten/certs.d, then /etc/containerd/certs.d; CORTEN_HOSTS_DIR names one
 * folder in place of both. In each: HOST_PORT_, HOST:PORT, then _default, and the first that has a hosts.toml or
 * certificates (*.crt, *.cert with *.key) is taken; one that has neither hides nothing. The registry itself is always
 * the last endpoint (`server`, else the host), as in containerd. Authorities and client certificates of
 * /etc/docker/certs.d/HOST:PORT are those of each endpoint for which nothing else named any. http is for loopback, and
 * for hosts whose URL in a hosts.toml says http.
 *
 * Safe after fork: yes, while the parent had one thread. Form: containerd's docs/hosts.md.
 */
#include "spec/fetch_setup.h"

struct arena;
struct err;
struct registry_trail;

/* Endpoints of one host. More are a mistake. */
#define REGISTRY_ENDPOINTS_MAX 32

/*
 * Fills `endpoints` of `setup`, without credentials, for the host that a reference names ("docker.io"). -EBADMSG and
 * -E2BIG name the file and the line; an unreadable file is an error, a missing one is not.
 */
int registry_hosts_find(const char *host, const struct registry_trail *t, struct arena *a,
			struct fetch_setup *setup, struct err *e);

/* HTTP_PROXY, HTTPS_PROXY, NO_PROXY, the upper case first; borrowed from the environment. */
void registry_proxies(struct proxy_rules *ret);

/* "registry-1.docker.io" for docker.io, else the host itself. */
const char *registry_upstream(const char *host);

/* Docker's pattern of a folder, into an endpoint: *.crt, *.cert with *.key. 1 when there was something, 0, -errno. */
int registry_certificates(const char *dir, const struct registry_trail *t, struct arena *a,
			  struct fetch_endpoint *to, struct err *e);

/* ---- between hosts.c and hosts_file.c ---- */

/* Reads a hosts.toml below `dir`; the upstream is what it leaves without a URL. */
struct registry_found {
	struct fetch_endpoint *v; /* room for REGISTRY_ENDPOINTS_MAX */
	size_t n;
};
int registry_hosts_file(const char *dir, const char *text, size_t len,
			const struct registry_trail *t, struct arena *a, struct registry_found *ret,
			struct err *e);
/* "https://host:5000/path" into url, host and is_plain. -EINVAL. */
int registry_endpoint_url(const char *text, bool is_whole_path, struct arena *a,
			  struct fetch_endpoint *ret, struct err *e);
/* A file of certificates or keys, added behind what `*to` has. -EFBIG, -errno with the path in words. */
int registry_pem_add(const char *path, struct arena *a, const char **to, struct err *e);
