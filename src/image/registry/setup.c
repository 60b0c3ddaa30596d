#include "image/registry/setup.h"

#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"
#include "image/registry/credentials.h"
#include "image/image.h"
#include "image/registry/hosts.h"
#include "image/registry/trail.h"

/* ---- what was said ---- */

static int set_scheme(struct fetch_endpoint *p, bool is_plain, struct arena *a, struct err *e)
{
	const char *rest = strstr(p->url, "://");

	p->is_plain = is_plain;
	p->url = arena_printf(a, "%s%s", is_plain ? "http" : "https", rest ? rest : "://");
	return p->url ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int apply_to(const struct image_access *x, struct fetch_endpoint *p,
		    const struct registry_trail *t, struct arena *a, struct err *e)
{
	int r = 0;

	if (x->cert_dir) {
		p->ca = p->cert = p->key = NULL;
		r = registry_certificates(x->cert_dir, t, a, p, e);
		if (r == 0)
			r = err_set(e, -ENOENT, "'%s' has no certificates", x->cert_dir);
	}
	if (r >= 0 && p->is_plain && (x->cert_dir || x->tls != IMAGE_TLS_CONFIGURED))
		r = set_scheme(p, false, a, e);
	if (x->tls != IMAGE_TLS_CONFIGURED)
		p->skip_verify = x->tls == IMAGE_TLS_SKIP;
	return MIN(r, 0);
}

/* For the registry itself; mirrors are the configuration's. */
static int apply(const struct image_access *x, struct fetch_setup *s,
		 const struct registry_trail *t, struct arena *a, struct err *e)
{
	struct fetch_endpoint *last = &s->endpoints.v[s->endpoints.n - 1];
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->endpoints.n; i++)
		if (!s->endpoints.v[i].ns)
			r = apply_to(x, &s->endpoints.v[i], t, a, e);
	if (r < 0 || x->tls != IMAGE_TLS_SKIP || last->ns ||
	    s->endpoints.n >= REGISTRY_ENDPOINTS_MAX)
		return r;
	last[1] = last[0];
	last[1].is_fallback = true;
	s->endpoints.n++;
	return set_scheme(&last[1], true, a, e);
}

static int give(const struct image_access *x, struct fetch_endpoint *p, struct arena *a,
		struct err *e)
{
	const char **v = arena_calloc(a, p->headers.n + 1, sizeof(*v));

	p->username = x->username;
	p->password = x->username && !x->password ? "" : x->password;
	if (!x->token)
		return 0;
	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < p->headers.n; i++)
		v[i] = p->headers.v[i];
	v[p->headers.n] = arena_printf(a, "Authorization: Bearer %s", x->token);
	if (!v[p->headers.n])
		return err_set(e, -ENOMEM, "out of memory");
	p->headers = (struct json_strs){ v, p->headers.n + 1 };
	return 0;
}

/* ---- what is configured ---- */

/* A mirror gets what was found for its own host, never what belongs to the registry that it mirrors. */
static int add_credentials(struct fetch_endpoint *p, const char *repository,
			   const struct image_access *x, const struct registry_trail *t,
			   struct arena *a, struct err *e)
{
	struct registry_credentials c = { 0 };
	int r;

	if (x && x->is_anonymous)
		return 0;
	if (x && !p->ns && (x->username || x->token))
		return give(x, p, a, e);
	registry_tell(t, "credentials for %s:", p->host);
	r = registry_credentials_find(p->host, repository, x ? x->authfile : NULL, t, a, &c, e);
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

int registry_setup(const struct ref *ref, const struct image_access *access,
		   const struct registry_trail *t, struct arena *a, struct fetch_setup *ret,
		   struct err *e)
{
	struct fetch_setup s = { 0 };
	int r;

	s.host = arena_strdup(a, ref->host);
	s.repository = arena_strdup(a, ref->path);
	if (!s.host || !s.repository)
		return err_set(e, -ENOMEM, "out of memory");
	registry_tell(t, "endpoints of %s:", s.host);
	r = registry_hosts_find(s.host, t, a, &s, e);
	if (r == 0 && access)
		r = apply(access, &s, t, a, e);
	for (size_t i = 0; i < s.endpoints.n && r == 0; i++)
		r = add_credentials(&s.endpoints.v[i], s.repository, access, t, a, e);
	if (r < 0)
		return r;
	registry_proxies(&s.proxy);
	tell_proxy(&s, t);
	*ret = s;
	return 0;
}
