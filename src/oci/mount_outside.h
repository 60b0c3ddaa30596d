#pragma once
/* Bind mounts that are made with the host's paths and privileges, and attached in the container. */
#include "oci/plan.h"

struct err;

/*
 * Makes the clone that the step stands for, detached, with its attributes and ids. It is a slave of what it is a clone
 * of: what the container mounts does not come back. On kernels without detached mounts nothing is made, and ids that
 * are to be mapped are an error. The descriptors are the step's, O_CLOEXEC.
 */
int mount_make_outside(struct step *s, struct err *e);
