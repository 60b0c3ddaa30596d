#pragma once
/*
 * What the fetch role has to know to serve a reference: endpoints, each with the credentials of its own host, and
 * proxies. Nothing is connected to. Safe after fork: yes, while the parent had one thread.
 */
struct arena;
struct err;
struct fetch_setup;
struct image_access;
struct ref;
struct registry_trail;

/* `access` and `t` may be NULL. Errors of hosts.h and credentials.h. */
int registry_setup(const struct ref *ref, const struct image_access *access,
		   const struct registry_trail *t, struct arena *a, struct fetch_setup *ret,
		   struct err *e);
