#pragma once
/*
 * linux.netDevices: links of the runtime's network namespace go into the container's, keep their global addresses, and are
 * set up there. Whether names are right is the plan's work. runtime-spec 1.3 config-linux.md#network-devices.
 */
#include "spec/runtime.h"

struct err;

/*
 * Moves them all, or fails before the first one when one is not there. When it fails later, what was moved goes back
 * with the namespace, which ends, if it is hardware. -ENODEV, -EEXIST (the name is taken in the container).
 */
int net_devices_move(const struct oci_linux *l, int netns_fd, struct err *e);
