#pragma once
/*
 * The worker's roles: everything that reads bytes from outside. A role gives up what it does not need
 * before it reads the first of them, speaks spec/worker_protocol.h on its control descriptor, and ends.
 *
 * Nothing here is linked by another program. Safe after fork: no.
 */

/* The whole of a role; returns the exit code. Errors go to the control descriptor. */
int worker_parse_main(void);
int worker_unpack_main(void);
int worker_copy_main(void);
int worker_manifest_main(void);
int worker_describe_main(void);
int worker_pack_main(void);
int worker_compose_main(void);
int worker_import_main(void);
int worker_fetch_main(void);
int worker_signatures_main(void);
int worker_verify_main(void);
