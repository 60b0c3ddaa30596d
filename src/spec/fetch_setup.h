#pragma once
/*
 * What the fetch role is told once, before its first request: which repository, at which endpoints, in their order,
 * each with the credentials that were found for its own host. They go over the control channel and nowhere else: no
 * environment, no command line, no file. Is not: the requests themselves (spec/worker_protocol.h), where endpoints and
 * credentials come from (image/registry). Safe after fork: yes.
 */
#include "codec/json.h"
#include "spec/proxy.h"

/* One place that serves the repository: a mirror, or the registry itself, which comes last. */
struct fetch_endpoint {
	const char *url;  /* "https://mirror.example.org:5000/v2": without a slash at its end */
	const char *host; /* its host and port alone: what credentials are bound to */
	const char *ns; /* the host that the reference names, sent as ?ns= to a mirror; else NULL */
	bool may_resolve, may_pull, may_push;
	bool is_plain; /* http */
	bool skip_verify;
	bool is_fallback;	  /* asked only while the one before it has never answered */
	const char *ca;		  /* PEM, trusted besides the system's authorities; or NULL */
	const char *cert, *key;	  /* PEM, the client's own; or NULL */
	struct json_strs headers; /* "Name: value", sent to this host alone */
	uint32_t connect_ms;	  /* 0: the role's own */
	const char *username, *password;
	const char *identity_token; /* an OAuth2 refresh token instead of a password */
};

struct fetch_setup {
	const char *host;	/* that the reference names: "docker.io" */
	const char *repository; /* "library/busybox"; "": the registry itself */
	struct {
		struct fetch_endpoint *v;
		size_t n;
	} endpoints; /* at least one */
	struct proxy_rules proxy;
};
extern const struct json_table fetch_setup_table;
