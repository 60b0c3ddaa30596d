#pragma once
/*
 * Values of response headers that a fetch acts upon (RFC 9110). Pure text, no network. Safe after fork: yes.
 */
#include <stdint.h>

/* Content-Range: where the bytes of a 206 begin. -EBADMSG when it does not say. */
int header_range_start(const char *value, int64_t *ret);
/* Retry-After in seconds; a date counts as one second, because clocks differ. */
int64_t header_retry_after_s(const char *value);
