#pragma once
/*
 * What linux.seccomp means, rule by rule and without a filter: the second opinion on the compiler.
 *
 * For profiles whose rules do not contradict one another. 32-bit x86 is left out where it puts many calls
 * behind one number (socketcall, ipc).
 */
#include <linux/seccomp.h>
#include <stdint.h>

#include "spec/runtime.h"

/* What the profile answers to the call, as SECCOMP_RET_*. `is_stubbed`: ENOSYS above the newest number. */
uint32_t model_answer(const struct oci_seccomp *s, const struct seccomp_data *d, bool is_stubbed);
