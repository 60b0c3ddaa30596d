#pragma once
/*
 * The parts of cg_apply that live in files of their own, and what they share. Not for others.
 *
 * Memory and block devices need more than one number per file: an order of writes, other files on other
 * kernels. Everything else is in cgroup_apply.c. Safe after fork: as sys/cgroup.h.
 */
#include "sys/cgroup.h"

/* A number, or two, as text. */
#define CG_TEXT_MAX 64

/* 10..1000 to 1..10000. */
uint64_t cg_io_weight_of_blkio(uint64_t weight);

/* The place of a controller that a resource needs, or the error that names both. */
int cg_need(const struct cgroup *g, enum cg_controller c, const char *what, struct err *e);
/*
 * Writes one knob; on v2 a missing file makes it turn the controller on from the top. -ENOTSUP, with the
 * controller's name, when there is no such file; else the kernel's errno with file and value.
 */
int cg_set(const struct cgroup *g, int i, enum cg_controller c, const char *file, const char *value,
	   struct err *e);

int cg_apply_memory(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		    struct err *e);
int cg_apply_blkio(const struct cgroup *g, const struct cg_resources *r, unsigned int flags,
		   struct err *e);
