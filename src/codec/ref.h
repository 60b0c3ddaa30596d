#pragma once
/*
 * Image references: "busybox", "docker.io/library/busybox:1.36", "host:5000/a/b@sha256:…".
 *
 * Grammar and normalisation are those of the distribution project and docker: a first part with a dot, a
 * colon or "localhost" is a host, docker.io without a slash gets "library/", no tag and no digest gets
 * "latest". Safe after fork: yes.
 */
#include <stdbool.h>

#include "codec/digest.h"

struct err;

/* Host, path, tag and what stands between them. */
#define REF_TEXT_MAX 656

struct ref {
	char host[256];		      /* "docker.io" */
	char path[256];		      /* "library/busybox" */
	char tag[129];		      /* "" when there is only a digest */
	char digest[DIGEST_TEXT_MAX]; /* "" without one */
};

/* Parses and normalises. -EINVAL: "invalid reference format", with docker's wording for upper case. */
int ref_parse(const char *s, struct ref *ret, struct err *e);
/* Whole: "docker.io/library/busybox:latest". Returns `buf`. */
const char *ref_full(const struct ref *r, char buf[REF_TEXT_MAX + DIGEST_TEXT_MAX]);
/* As docker shows it: "busybox", "ghcr.io/a/b"; without tag and digest. Returns `buf`. */
const char *ref_familiar_name(const struct ref *r, char buf[REF_TEXT_MAX]);
