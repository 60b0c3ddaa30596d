#include "image/registry/setup.h"

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"
#include "image/registry/credentials.h"
#include "image/registry/hosts.h"
#include "image/registry/trail.h"

/* A mirror gets what was found for its own host, never what belongs to the registry that it mirrors. */
static int add_credentials(struct fetch_endpoint *p, const char *repository,
			   const struct registry_trail *t, struct arena *a, struct err *e)
{
	struct registry_credentials c = { 0 };
	int r;

	registry_tell(t, "credentials for %s:", p->host);
	r = registry_credentials_find(p->host, repository, t, a, &c, e);
	if (r < 0)
		return r;
	p->username = c.username;
	p->password = c.password;
	p->identity_token = c.identity_token;
	if (!c.username && !c.identity_token)
		registry_tell(t, "none: %s is asked without", p->host);
	return 0;
}

static void tell_proxy(const struct fetch_setup *s, const struct registry_trail *t)
{
	char text[PROXY_TEXT_MAX];

	for (size_t i = 0; t && i < s->endpoints.n; i++) {
		const struct fetch_endpoint *p = &s->endpoints.v[i];
		const char *proxy = proxy_for(&s->proxy, p->url);

		registry_tell(t, "proxy for %s: %s", p->host,
			      proxy ? proxy_display(proxy, text) : "none");
	}
}

int registry_setup(const struct ref *ref, const struct registry_trail *t, struct arena *a,
		   struct fetch_setup *ret, struct err *e)
{
	struct fetch_setup s = { 0 };
	int r;

	s.host = arena_strdup(a, ref->host);
	s.repository = arena_strdup(a, ref->path);
	if (!s.host || !s.repository)
		return err_set(e, -ENOMEM, "out of memory");
	registry_tell(t, "endpoints of %s:", s.host);
	r = registry_hosts_find(s.host, t, a, &s, e);
	for (size_t i = 0; i < s.endpoints.n && r == 0; i++)
		r = add_credentials(&s.endpoints.v[i], s.repository, t, a, e);
	if (r < 0)
		return r;
	registry_proxies(&s.proxy);
	tell_proxy(&s, t);
	*ret = s;
	return 0;
}
