#pragma once
/*
 * Which system calls each role has, and the filter that kills it at any other (seccomp). sandbox.c alone includes this.
 * Safe after fork: yes.
 */
struct err;

enum sandbox_calls { CALLS_PARSE, CALLS_VERIFY, CALLS_UNPACK, CALLS_FETCH, CALLS_PACK };

/* For good. In builds with a sanitizer nothing is done. */
int sandbox_filter_load(enum sandbox_calls calls, struct err *e);
