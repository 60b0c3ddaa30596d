#pragma once
/* What task.c asks of task_ops.c. Safe after fork: no. */
struct proc;

/* The process ended: an operation that waited for it to start fails. */
void ops_ended(struct proc *p);
