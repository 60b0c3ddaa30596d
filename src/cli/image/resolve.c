/* image resolve: what a name stands for, or by which files and hosts that would be found out. */
#include <stdio.h>

#include "cli/commands.h"
#include "codec/ref.h"
#include "image/registry/resolve.h"
#include "image/registry/setup.h"
#include "image/registry/trail.h"
#include "spec/fetch_setup.h"

struct resolve_options {
	bool is_explained;
};

static const struct opt resolve_rows[] = {
	{ "explain", 0, OPT_BOOL, 0, offsetof(struct resolve_options, is_explained), NULL,
	  "Print every file, host and credential source considered, and why, without asking a registry",
	  NULL },
	OPT_END,
};

static void tell(void *data, const char *words)
{
	(void)data;
	puts(words);
}

static const char *credentials_of(const struct fetch_endpoint *p)
{
	return p->identity_token ? "identity token" : p->username ? "user and password" : "none";
}

static const char *trust_of(const struct fetch_endpoint *p)
{
	if (p->is_plain)
		return "nothing (http)";
	if (p->skip_verify)
		return "anybody (skip_verify)";
	return p->ca ? "the system's authorities and its own" : "the system's authorities";
}

static void print_endpoint(const struct fetch_setup *s, size_t i)
{
	const struct fetch_endpoint *p = &s->endpoints.v[i];
	const char *proxy = proxy_for(&s->proxy, p->url);
	char text[PROXY_TEXT_MAX];

	printf("%zu. %s\n", i + 1, p->url);
	printf("   capabilities:%s%s%s\n", p->may_resolve ? " resolve" : "",
	       p->may_pull ? " pull" : "", p->may_push ? " push" : "");
	printf("   credentials: %s\n   trusts: %s\n", credentials_of(p), trust_of(p));
	if (p->cert)
		puts("   client certificate: yes");
	if (p->headers.n > 0)
		printf("   headers of its own: %zu\n", p->headers.n);
	if (p->ns)
		printf("   mirror of: %s\n", p->ns);
	printf("   proxy: %s\n", proxy ? proxy_display(proxy, text) : "none");
}

static int resolve(const char *what, bool is_explained, struct err *e)
{
	static const struct registry_trail trail = { tell, NULL };
	AUTO_ARENA struct arena a = { 0 };
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX], digest[DIGEST_TEXT_MAX];
	struct fetch_setup setup;
	struct ref ref;
	int r = ref_parse(what, &ref, e);

	if (r < 0)
		return r;
	if (is_explained)
		printf("%s is %s\n", what, ref_full(&ref, full));
	r = registry_setup(&ref, NULL, is_explained ? &trail : NULL, &a, &setup, e);
	if (r < 0)
		return r;
	if (is_explained) {
		puts("asked in this order:");
		for (size_t i = 0; i < setup.endpoints.n; i++)
			print_endpoint(&setup, i);
		return 0;
	}
	r = registry_resolve(&ref, &setup, digest, e);
	if (r == 0)
		puts(digest);
	return r;
}

static int resolve_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct resolve_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;

	(void)c;
	if (first < 0)
		return code;
	r = resolve(argv[first], o.is_explained, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_image_resolve = {
	"image resolve",
	"[OPTIONS] NAME[:TAG|@DIGEST]",
	"Print the digest that a name stands for in its registry",
	resolve_rows,
	0,
	1,
	1,
	false,
	resolve_main,
};
