#pragma once
/* Handing a seccomp listener to the agent that the config names. runtime-spec config-linux.md#seccomp. */
#include <sys/types.h>

#include "spec/runtime.h"

struct err;

/*
 * Where the agent listens: linux.seccomp.listenerPath, or crun's annotation run.oci.seccomp.receiver, or crun's
 * RUN_OCI_SECCOMP_RECEIVER of the runtime's environment; NULL: nowhere.
 */
const char *seccomp_notify_path(const struct oci_spec *spec);
/*
 * Connects to that path and sends ContainerProcessState with the listener `fd`: `pid` is the process's, `container` has id, status,
 * pid and bundle.
 * -EINVAL when there is none.
 */
int seccomp_notify_send(const struct oci_spec *spec, const struct oci_state *container, pid_t pid,
			int fd, struct err *e);
