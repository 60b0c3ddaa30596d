#pragma once
/*
 * A container's place in its networks: attached before its first process runs, given back after its last.
 *
 * The state lies in one file beside the container's task, written before the first side effect, so that whoever comes
 * later (after a crash too) knows what to give back. With it every call is idempotent.
 *
 *	<state>/net/ipam/NETWORK/    addresses, as host-local keeps them
 *	<state>/net/results/         CNI's result cache
 *	<state>/net/rules/           what our nftables table holds (net/rules)
 *	<state>/dns/                 names (net/dns)
 *
 * Thread-safe: yes. The caller holds the container's lock.
 */
#include "net/network.h"
#include "spec/cni.h"

/* One network of a container: what was asked, and after the attachment what it got. */
struct net_endpoint {
	const char *network, *network_id, *bridge, *ifname;
	bool is_primary; /* has the default route and the published ports */
	bool is_internal;
	bool has_names;
	struct json_strs aliases;
	const char *want_ip, *want_ip6, *want_mac; /* NULL: any */
	const char *address, *address6;		   /* "172.17.0.2/16"; NULL: not attached */
	const char *gateway, *gateway6, *mac;
};

struct net_sandbox {
	const char *version; /* "1.0" */
	const char *container_id, *name, *hostname;
	struct {
		struct net_endpoint *v;
		size_t n;
	} endpoints;
	/* What is published; host ports are chosen before the attachment. */
	struct {
		struct cni_port *v;
		size_t n;
	} ports;
	struct json_strs dns; /* servers of --dns; empty: the host's */
};
extern const struct json_table net_sandbox_table;

/* The file in the task folder. */
#define NET_SANDBOX_FILE "network.json"

/* Reads the file of a task folder; -ENOENT: the container has no networks of ours. */
int net_sandbox_read(int task_fd, struct arena *a, struct net_sandbox **ret, struct err *e);

/*
 * Attaches the container in whose network namespace `netns_fd` is. Endpoints and ports get their results (in the arena), and
 * the file is written before and after. What failed has been undone. Errors with docker's words: "driver failed programming
 * external connectivity …", "Address already in use".
 */
int net_sandbox_attach(const struct net *n, struct net_sandbox *s, int netns_fd,
		       const char *netns_path, int task_fd, struct arena *a, struct err *e);
/*
 * Gives everything back. `netns_fd` is -EBADF when the container has ended: its links then go with the namespace, and nobody
 * waits for that. Missing things are fine.
 */
int net_sandbox_detach(const struct net *n, int task_fd, int netns_fd, struct err *e);

/* What is in nobody's file: begun by those who were killed. Never fails. */
void net_recover(const struct net *n);

/* One more, or one less, of a running container. The file is written. */
int net_sandbox_connect(const struct net *n, struct net_sandbox *s, const struct net_endpoint *ep,
			int netns_fd, const char *netns_path, int task_fd, struct arena *a,
			struct err *e);
int net_sandbox_disconnect(const struct net *n, struct net_sandbox *s, const char *network,
			   int netns_fd, const char *netns_path, int task_fd, struct err *e);

/* /etc/hosts' lines of the container's own addresses, appended. */
struct strbuf;
void net_sandbox_hosts(const struct net_sandbox *s, struct strbuf *out);
