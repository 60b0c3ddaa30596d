#pragma once
/*
 * Our versioned document beside containerd's container record: what only our doors know of a container.
 *
 * Stored as JSON in the container's row (design, "The model"). Version is "major.minor"; minor only adds.
 * A container made by a client of containerd's API has none; doc_of_row then makes one from its spec.
 */
#include "spec/runtime.h"
#include "store/store.h"

struct err;

#define DOC_VERSION "1.0"

struct doc_bind {
	const char *source, *target, *propagation;
	bool is_readonly;
};

/* A network that the container is to be in; `name` as it was asked for. */
struct doc_network {
	const char *name, *id;
	struct json_strs aliases;
	const char *ip, *ip6, *mac; /* NULL: any */
};

/* What -p asked: one port of the container. */
struct doc_port {
	const char *proto, *host_ip;
	uint32_t container_port, host_first, host_last; /* host: 0, 0: any free one */
};

struct doc_state {
	int64_t started_ns, finished_ns, exit_code;
	bool is_oom, is_dead;
	const char *error; /* of the last start that failed, or NULL */
};

struct doc {
	const char *version;
	const char *image_id;		  /* config digest */
	const char *entrypoint_path;	  /* docker's Path */
	struct json_strs args;		  /* docker's Args */
	struct json_strs entrypoint, cmd; /* as configured */
	struct json_strs env;
	const char *hostname, *user, *workdir;
	const char *
		network; /* docker's NetworkMode: "none", "host", "bridge", "container:ID", a network's name */
	struct {
		struct doc_network *v;
		size_t n;
	} networks;
	struct {
		struct doc_port *v;
		size_t n;
	} ports;
	struct json_strs exposed; /* "80/tcp" */
	struct json_strs dns, dns_search, dns_options, extra_hosts /* "name:address" */;
	struct {
		struct doc_bind *v;
		size_t n;
	} binds;
	struct json_strs cap_add, cap_drop;
	int64_t memory, nano_cpus, pids_limit;
	int64_t log_size, log_files;
	const char *stop_signal;
	int64_t stop_timeout_s;
	bool is_readonly, is_privileged, is_terminal, has_stdin, is_stdin_once, is_auto_remove,
		is_attached;
	struct doc_state *state;
};

extern const struct json_table doc_table;

/* Reads the row's document, or makes one from the spec where there is none. A newer major is -EPROTO. */
int doc_of_row(const struct container_row *row, struct arena *a, struct doc **ret, struct err *e);
/* Writes the document as the row's text (in the arena). */
int doc_to_row(const struct doc *d, struct container_row *row, struct arena *a, struct err *e);
