#pragma once
/* What run, create and `network connect` say of a container's place in networks. Safe after fork: no. */
#include "cli/cli.h"

struct network_options {
	char **networks; /* "NAME", or "name=NAME,alias=A,ip=…,ip6=…,mac-address=…" */
	char **aliases;
	const char *ip, *ip6, *mac;
	char **publish, **expose, **dns, **dns_search, **dns_options, **hosts;
	bool is_publish_all;
};
/* Frees the lists. */
void network_options_done(struct network_options *o);

/*
 * Fills the network part of `co`, in the arena. The options without a network's name are of the first network, as with docker.
 * Without any --network it is what CORTEN_NETWORK says, else the engine's own default.
 */
int network_options_apply(const struct network_options *o, struct arena *a,
			  struct engine_create_options *co, struct err *e);
