#pragma once
/* What the built-in plugins share. Not for others: net/plugin/plugin.h is. */
#include "base/ip.h"
#include "net/plugin/plugin.h"
#include "sys/rtnl.h"

extern const struct cni_plugin cni_plugin_bandwidth, cni_plugin_bridge, cni_plugin_firewall,
	cni_plugin_host_local, cni_plugin_loopback, cni_plugin_macvlan, cni_plugin_portmap,
	cni_plugin_ptp, cni_plugin_static, cni_plugin_tuning;

/* -- conf.c: configurations and arguments -- */

/* Reads the plugin's own keys; the same text as call->conf. */
int conf_read(const struct cni_call *call, const struct json_table *t, void *ret, struct err *e);
/*
 * CNI_ARGS. `rows` are what the plugin knows; values live in the arena and stay NULL when they miss. Another key is -EINVAL
 * unless IgnoreUnknown is among them, as in the reference plugins.
 */
struct conf_arg {
	const char *key;
	const char **value;
};
int conf_args(const struct cni_call *call, const struct conf_arg *rows, size_t n, struct err *e);
/* args.cni of the configuration: {"args": {"cni": {…}}}; absent: `ret` is zeroed. */
int conf_cni_args(const struct cni_call *call, const struct json_table *t, void *ret,
		  struct err *e);
/* Addresses that were asked for there ("ips"). */
int conf_cni_ips(const struct cni_call *call, struct json_strs *ret, struct err *e);
int conf_runtime(const struct cni_call *call, struct cni_runtime_config *ret, struct err *e);
/* The MAC that is asked for by CNI_ARGS, args.cni or a capability, the last one wins; the configuration's `mac` before. */
int conf_mac(const struct cni_call *call, const char *configured, uint8_t mac[MAC_LEN],
	     bool *ret_has, struct err *e);
bool conf_has_ipam(const struct cni_call *call);
/* Whether a plugin's dns replaces that of its IPAM. */
bool conf_has_dns(const struct cni_dns *dns);

/* Keeps the first failure of several steps that are all tried. */
void plugin_keep_first(int *first, struct err *ret, int r, const struct err *e);

/* GC of plugins that have IPAM and masquerade: both collect, both are tried. */
int plugin_gc(const struct cni_call *call, struct err *e);

/* -- iface.c: the container's interface -- */

/* The host's and the container's side; the latter's descriptor is -EBADF when there is no namespace. */
struct iface {
	struct netlink host, inner;
};
#define IFACE_NONE ((struct iface){ .host = NETLINK_NONE, .inner = NETLINK_NONE })
int iface_open(const struct cni_call *call, struct iface *ret, struct err *e);
void iface_close(struct iface *f);
#define AUTO_IFACE CLEANUP(iface_close)

struct iface_pair {
	const char *ifname; /* in the container */
	const uint8_t *mac; /* of the container's end, or NULL */
	uint32_t mtu;
	int master; /* the bridge's index, 0: none */
	const char *master_name;
	int netns_fd;	       /* where the container's end goes; -EBADF: it stays */
	const char *host_name; /* NULL: "veth" and eight hexadecimal digits */
};
/* Makes a pair of veths, the host's end up. */
int iface_pair_add(struct iface *f, const struct iface_pair *p, struct rtnl_link *ret_host,
		   struct rtnl_link *ret_inner, struct err *e);
/*
 * Gives the interface the result's addresses (those whose interface has its name), sets it up and adds the routes.
 * `is_checked`: IPv6 addresses are looked for on the link first, which is waited for.
 */
int iface_configure(const struct cni_call *call, struct iface *f, const struct rtnl_link *link,
		    const struct cni_result *res, bool is_checked, struct err *e);
/* Deletes the container's interface; nothing when it or the namespace is gone. */
int iface_del(const struct cni_call *call, struct err *e);
/* Adds an address with the checks of the reference: another one of IPv4, or an overlapping one, is -EEXIST or goes. */
int iface_ensure_addr(struct netlink *n, const struct rtnl_link *l, const struct ip_net *net,
		      bool is_forced, struct err *e);
/* Forwarding of a family in the caller's namespace: AF_INET, AF_INET6. */
int iface_forward(int family, struct err *e);
/* Writes /proc/sys/net/<family>/conf/<ifname>/<key> of the calling thread's namespace: "ipv4", "ipv6". */
int iface_sysctl(const char *family, const char *ifname, const char *key, const char *value);

/* CHECK: the result's addresses and routes are there; the interface has its kind and MAC. */
int iface_check(const struct cni_call *call, struct iface *f, const char *kind,
		struct rtnl_link *ret, struct err *e);

/* -- result.c: building results in the call's arena -- */

struct cni_result *result_new(const struct cni_call *call, struct err *e);
/* A copy whose lists can grow with result_add_interface and result_add_route. */
struct cni_result *result_copy(const struct cni_call *call, const struct cni_result *from,
			       struct err *e);
int result_add_interface(const struct cni_call *call, struct cni_result *res,
			 const struct rtnl_link *l, const char *sandbox, struct err *e);
int result_add_ip(const struct cni_call *call, struct cni_result *res, const struct ip_net *net,
		  const struct ip_addr *gateway, struct err *e);
int result_add_route(const struct cni_call *call, struct cni_result *res,
		     const struct cni_route *route, struct err *e);
/* The same for a route of a configuration: -EINVAL unless dst and gw are what they should be. */
int result_add_checked_route(const struct cni_call *call, struct cni_result *res,
			     const struct cni_route *route, struct err *e);
/* Addresses of a result as values; what results come from has been checked (cni_result_read). */
struct ip_net result_net(const char *text);
struct ip_addr result_addr(const char *text);

/* -- masquerade.c -- */

int masquerade_check_backend(const char *name, struct err *e);
int masquerade_add(const struct cni_call *call, const struct cni_result *res, struct err *e);
int masquerade_del(const struct cni_call *call, struct err *e);
int masquerade_gc(const struct cni_call *call, struct err *e);

/* -- range.c: host-local's ranges -- */

struct range {
	struct ip_net subnet;
	struct ip_addr first, last, gateway;
};
struct range_set {
	struct range *v;
	size_t n;
};
/* [{"subnet": …, "rangeStart": …, "rangeEnd": …, "gateway": …}, …], completed and checked. */
int range_set_read(struct json_raw text, struct arena *a, struct range_set *ret, struct err *e);
/* The range that an address can be taken from, or NULL. */
const struct range *range_for(const struct range_set *s, const struct ip_addr *a);
bool range_sets_overlap(const struct range_set *a, const struct range_set *b);
/* "10.0.0.1-10.0.0.254,…", cut to the buffer. */
const char *range_set_text(const struct range_set *s, char *buf, size_t size);

/* Goes round all addresses of a set once, gateways left out, from the one behind `last` (AF_UNSPEC: from the first). */
struct range_walk {
	const struct range_set *set;
	size_t range;
	struct ip_addr at, began;
};
void range_walk_begin(struct range_walk *w, const struct range_set *s, const struct ip_addr *last);
/* NULL at the end; else the range of `*ret`. */
const struct range *range_walk_next(struct range_walk *w, struct ip_addr *ret);

/* -- pool.c: host-local's folder, shared with the reference plugin -- */

struct pool {
	int dir, lock;
	const char *container_id, *ifname; /* borrowed */
};
#define POOL_NONE ((struct pool){ .dir = -EBADF, .lock = -EBADF })
/* Opens (and makes) <data_dir>/<network> and waits for its lock. Borrows the names until pool_close. */
int pool_open(const char *data_dir, const struct cni_call *call, struct pool *ret, struct err *e);
void pool_close(struct pool *s);
#define AUTO_POOL CLEANUP(pool_close)
/* Takes an address for the container's interface. 1: done, 0: it is taken. */
int pool_reserve(struct pool *s, const struct ip_addr *a, struct err *e);
int pool_set_last(struct pool *s, size_t set, const struct ip_addr *a, struct err *e);
/* AF_UNSPEC when there is none. */
struct ip_addr pool_last(struct pool *s, size_t set);
/* Gives one back; fine when it is not there. */
int pool_release(struct pool *s, const struct ip_addr *a, struct err *e);
/* Range sets, and so addresses of one interface. */
#define POOL_OWN_MAX 64
/* Whether one address is what this container's interface has. */
bool pool_is_own(struct pool *s, const struct ip_addr *a);
/* The addresses that the container's interface has. */
int pool_own(struct pool *s, struct ip_addr ret[POOL_OWN_MAX], size_t *ret_n, struct err *e);
/* Gives back what belongs to no attachment among `valid`. */
int pool_gc(struct pool *s, const struct cni_attachment *valid, size_t n, struct err *e);
