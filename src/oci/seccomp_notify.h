#pragma once
/* Handing a seccomp listener to the agent that the config names. runtime-spec config-linux.md#seccomp. */
#include <sys/types.h>

#include "spec/runtime.h"

struct err;

/*
 * Connects to linux.seccomp.listenerPath and sends ContainerProcessState with the listener `fd`.
 * -EINVAL when the profile has no listenerPath.
 */
int seccomp_notify_send(const struct oci_spec *spec, const char *id, const char *bundle, pid_t pid,
			int fd, struct err *e);
