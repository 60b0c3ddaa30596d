#pragma once
/* What client.c and client_call.c share. Safe after fork: no. */
struct ttrpc_client;

struct shim {
	struct ttrpc_client *ttrpc;
	int dir; /* the task folder */
	int timeout_ms;
};
