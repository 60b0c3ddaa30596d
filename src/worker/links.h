#pragma once
/*
 * Where a registry sends its client on: Location of an upload, Link of a list's next page (RFC 8288). Pure text; what
 * comes out is a URL of the registry's scheme or a better one, without credentials in it. Safe after fork: yes.
 */
#include <stdbool.h>

struct err;

/* The target of rel="next" in one Link header's value, malloc'ed, or NULL. */
char *link_next(const char *value);
/*
 * `to`, absolute or not, as seen from `base`; malloc'ed. -EPROTO: not http(s), not https where `base` is (https never
 * becomes http), with a user in it, or longer than FETCH_URL_MAX.
 */
int url_resolve(const char *base, const char *to, char **ret, struct err *e);
/* `url` with one more parameter, which is escaped; malloc'ed or NULL. A fragment is dropped. */
char *url_add_query(const char *url, const char *key, const char *value);
