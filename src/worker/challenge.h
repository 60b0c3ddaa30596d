#pragma once
/*
 * WWW-Authenticate as registries write it (RFC 7235, distribution-spec's token extension), and to whom credentials
 * may go. Pure text, no network. Safe after fork: yes.
 */
#include <stdbool.h>

#define CHALLENGE_TEXT_MAX 2048

enum challenge_scheme { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER };

struct challenge {
	enum challenge_scheme scheme;
	char realm[CHALLENGE_TEXT_MAX], service[CHALLENGE_TEXT_MAX], scope[CHALLENGE_TEXT_MAX];
};

/*
 * Reads one header's value; a scheme that is not known is CHALLENGE_NONE. The stronger of several challenges in one
 * header is taken: Bearer. -EBADMSG for what is no challenge or is longer than the limit.
 */
int challenge_parse(const char *value, struct challenge *ret);

/*
 * Whether credentials of the registry `host` ("name[:port]") may be sent to `realm`, a URL: it must be https (http
 * only where `is_plain`, to the registry's very host), and its host the registry's own, the domain above it, or a
 * sibling below a domain of two labels or more, as docker.io's and GitLab's are.
 */
bool challenge_is_trusted(const char *host, bool is_plain, const char *realm);
