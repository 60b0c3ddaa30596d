#pragma once
/* Randomness from the kernel: ids and temporary names. Safe after fork: yes. */
#include <stddef.h>
#include <stdint.h>

uint64_t rand_u64(void);
/* `len` lower-case hex digits (len even, at most 128) and a NUL. */
void rand_hex(char *buf, size_t len);
