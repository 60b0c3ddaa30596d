#pragma once
/*
 * Classic BPF as seccomp runs it, in software: what a filter answers to a call, without making the call.
 *
 * Runs untrusted programs safely once bpf_check has taken them. Knows exactly the instructions that the
 * kernel takes for seccomp (seccomp_check_filter in kernel/seccomp.c). Safe after fork: yes.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_program {
	const struct sock_filter *v;
	size_t n;
};

/* True when the kernel would take the program. */
bool bpf_check(const struct bpf_program *p);

/*
 * The filter's answer (SECCOMP_RET_*). `*ret_touched` gets a bit for each of the six arguments that the
 * answer depends on; without a bit it is the same for every value of that argument. May be NULL.
 */
uint32_t bpf_run(const struct bpf_program *p, const struct seccomp_data *d,
		 unsigned int *ret_touched);

/* The instructions that the last bpf_run took. */
extern size_t bpf_steps;
