#pragma once
/*
 * The documents of CNI 1.1: network configuration, configuration lists, results, errors, the result cache of libcni.
 *
 * A plugin's own keys are no rows here: each plugin reads the same text again with a table of its own (unknown keys are
 * skipped). Results are kept in one form, that of 1.1; cni_result_read and cni_result_write translate from and to what the
 * older versions wrote (0.1 and 0.2: ip4, ip6; 0.3 and 0.4: a version in each address).
 *
 * Not here: files, environment, processes (net/cni). Safe after fork: yes, but for memory from arenas.
 * Source: CNI SPEC.md 1.1.0, sections 1, 2 and 5; libcni's cache kind "cniCacheV1".
 */
#include "codec/json.h"

struct err;
struct strbuf;

/* The newest that is spoken, and what a configuration without cniVersion means. */
#define CNI_VERSION "1.1.0"
#define CNI_VERSION_OLDEST "0.1.0"
/* A configuration, a result, what a plugin prints. The reference plugins write some hundred bytes. */
#define CNI_TEXT_MAX ((size_t)1 << 20)

/* SPEC.md, "Error". 100 and above are a plugin's own; the reference plugins say 999 for all else. */
enum cni_code {
	CNI_INCOMPATIBLE_VERSION = 1,
	CNI_UNSUPPORTED_FIELD = 2,
	CNI_UNKNOWN_CONTAINER = 3,
	CNI_INVALID_ENVIRONMENT = 4,
	CNI_IO_FAILURE = 5,
	CNI_DECODE_FAILURE = 6,
	CNI_INVALID_CONFIG = 7,
	CNI_TRY_AGAIN = 11,
	CNI_NOT_AVAILABLE = 50,
	CNI_LIMITED = 51,
	CNI_INTERNAL = 999,
};

struct cni_dns {
	struct json_strs nameservers;
	const char *domain;
	struct json_strs search, options;
};

struct cni_interface {
	const char *name, *mac;
	int64_t mtu;
	const char *sandbox; /* path of the network namespace; NULL or "": the host's */
	const char *socket_path, *pci_id;
};

struct cni_ip {
	const char *version; /* "4" or "6": 0.3 and 0.4 only */
	int64_t interface; /* index in the result's interfaces; has_interface says that there is one */
	bool has_interface;
	const char *address; /* "10.1.0.5/16" */
	const char *gateway; /* NULL: none */
};

struct cni_route {
	const char *dst, *gw; /* gw NULL: the default gateway's */
	int64_t mtu, advmss;
	int64_t priority, table, scope;
	bool has_priority, has_table, has_scope;
};

struct cni_result {
	const char *version;
	struct {
		struct cni_interface *v;
		size_t n;
	} interfaces;
	struct {
		struct cni_ip *v;
		size_t n;
	} ips;
	struct {
		struct cni_route *v;
		size_t n;
	} routes;
	struct cni_dns *dns;
};

struct cni_error {
	const char *version;
	uint32_t code; /* enum cni_code or a plugin's own */
	const char *msg, *details;
};

/* One of "cni.dev/valid-attachments" (GC) */
struct cni_attachment {
	const char *container_id, *ifname;
};

struct cni_ipam {
	const char *type; /* NULL or "": none */
};

/* What each plugin's configuration has besides its own keys. */
struct cni_conf {
	const char *version, *name, *type;
	struct cni_ipam *ipam; /* NULL: none */
	struct json_raw args, runtime_config, prev_result, capabilities;
	struct cni_dns *dns;
	struct {
		struct cni_attachment *v;
		size_t n;
	} valid_attachments;
};

/* runtimeConfig.portMappings */
struct cni_port {
	int64_t host_port, container_port;
	const char *protocol; /* "tcp" when NULL; "udp", "sctp" */
	const char *host_ip;  /* NULL or "": all */
};
/* runtimeConfig.bandwidth: bits a second, bits */
struct cni_bandwidth {
	uint64_t ingress_rate, ingress_burst, egress_rate, egress_burst;
	struct json_strs unshaped_subnets, shaped_subnets;
};
/* The conventional capability arguments (CONVENTIONS.md). */
struct cni_runtime_config {
	struct {
		struct cni_port *v;
		size_t n;
	} ports;
	struct cni_bandwidth *bandwidth;
	struct json_strs ips; /* "10.1.0.5" or "10.1.0.5/16" */
	struct json_raw ip_ranges;
	const char *mac;
	struct cni_dns *dns;
	struct json_raw aliases;
	const char *device_id, *infiniband_guid, *cgroup_path;
};

/* A list: one network. Plugins are kept as their own texts. */
struct cni_list {
	const char *version;
	struct json_strs versions; /* 1.1: cniVersions */
	const char *name;
	bool disable_check, disable_gc, load_only_inlined;
	struct json_raw plugins; /* an array of objects; cni_split_array takes it apart */
};

extern const struct json_table cni_conf_table, cni_error_table, cni_runtime_config_table,
	cni_dns_table, cni_route_table;

/* Reads a list; the switches may be booleans or "true" and "false", as libcni takes them. -EBADMSG, -E2BIG. */
int cni_list_read(const char *text, size_t len, struct arena *a, struct cni_list *ret,
		  struct err *e);

/* The elements of a JSON array, at most `max`, else -E2BIG. They point into `array`, the list is in the arena. */
int cni_split_array(struct json_raw array, size_t max, struct arena *a, struct json_raw **ret,
		    size_t *ret_n, struct err *e);

/* 1, 0, -1 as `a` is newer than, as new as, older than `b`; NULL and "" are the oldest. -EINVAL for what is no version. */
int cni_version_compare(const char *a, const char *b, int *ret, struct err *e);
/* What libcni takes as names, in its words: -EINVAL for a network's, -ENXIO for no id at all, -EBADR for the others. */
int cni_check_network(const char *name, struct err *e);
int cni_check_container(const char *id, struct err *e);
int cni_check_ifname(const char *name, struct err *e);

/* Whether it is one of 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0. */
bool cni_version_is_known(const char *v);

/*
 * Reads a result of any version, lives in the arena. A text without cniVersion is of `fallback` (the configuration's).
 * Addresses, gateways and routes are well-formed and indices name an interface, else -EBADMSG; -EPROTONOSUPPORT for a
 * version that is not known. In what it gives, no string is "" where NULL means that there is none.
 */
int cni_result_read(const char *text, size_t len, const char *fallback, struct arena *a,
		    struct cni_result **ret, struct err *e);
/*
 * Appends the result as a document of `version`, as the reference plugins print it (indented by four spaces). What an
 * older version has no words for is left out. -EINVAL for 0.1 and 0.2 when there is no address, -EPROTONOSUPPORT.
 */
int cni_result_write(const struct cni_result *r, const char *version, struct strbuf *out,
		     struct err *e);

/*
 * The class of a failure as CNI tells it: EPROTONOSUPPORT 1, EOPNOTSUPP 2, ENXIO 3 (the container's namespace), EBADR 4
 * (environment), EIO 5, EBADMSG 6, EINVAL 7, EAGAIN 11, EHOSTDOWN 50 and ENETDOWN 51 (STATUS), else 999.
 */
uint32_t cni_code_of(const struct err *e, int r);
/*
 * Sets `e` from a plugin's error document, in libcni's words: plugin type="bridge" failed (add): msg; details. Control
 * characters become spaces. Returns the negative errno of the table above, -EREMOTEIO for a code of the plugin's own.
 */
int cni_error_take(const struct cni_error *ce, const char *type, const char *verb, struct err *e);
