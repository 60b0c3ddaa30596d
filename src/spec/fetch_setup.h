#pragma once
/*
 * What the fetch role is told once, before its first request: which repository of which registry, and the
 * credentials for that registry alone. They go over the control channel and nowhere else: no environment,
 * no command line, no file. Is not: the requests themselves (spec/worker_protocol.h). Safe after fork: yes.
 */
#include "codec/json.h"

struct fetch_setup {
	const char *host;	/* "registry.example.org:5000" */
	const char *repository; /* "library/busybox" */
	const char *username, *password;
	const char *identity_token; /* an OAuth2 refresh token instead of a password */
	const char *ca;		    /* PEM, trusted besides the system's authorities; or NULL */
	bool is_plain;		    /* http: loopback only */
};
extern const struct json_table fetch_setup_table;
