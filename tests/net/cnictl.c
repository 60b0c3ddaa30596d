/*
 * cnictl: CNI as a runtime without an engine, for tests. `cnictl COMMAND NETWORK [CONTAINER IFNAME [NETNS [ARGS [JSON]]]]`;
 * results go to standard output, errors to standard error with exit status 1. Where things are is said by CNI_CONF,
 * CNI_BIN, CNI_CACHE and CNI_DEADLINE_MS of the environment; with CNI_PROGRAMS=1 no chain runs in process.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/str.h"
#include "net/cni/cni.h"

static struct cni_runtime rt;
static struct arena a;

static void warn(void *data, const char *text)
{
	fprintf(stderr, "warning: %s\n", text);
}

static int list(struct cni_network *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		printf("%s %s", v[i].name, v[i].version);
		for (size_t k = 0; k < v[i].plugins.n; k++)
			printf(" %s", v[i].plugins.v[k].type);
		printf("\n");
	}
	return 0;
}

static int cached(const char *network, struct err *e)
{
	struct cni_attachment *v;
	size_t n;
	int r = cni_cached(&rt, network, &a, &v, &n, e);

	for (size_t i = 0; r == 0 && i < n; i++)
		printf("%s %s\n", v[i].container_id, v[i].ifname);
	return r;
}

static int add(const struct cni_network *n, const struct cni_attach *at, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct cni_result *result;
	int r = cni_add(&rt, n, at, &a, &result, e);

	r = r < 0 ? r : cni_result_write(result, n->version, &out, e);
	if (r == 0)
		printf("%s\n", out.p);
	return r;
}

/* Arguments are pairs of container and interface. */
static int gc(const struct cni_network *n, int argc, char **argv, struct err *e)
{
	struct cni_attachment valid[64];
	size_t count = 0;

	for (int i = 0; i + 1 < argc && count < ARRAY_LEN(valid); i += 2)
		valid[count++] = (struct cni_attachment){ argv[i], argv[i + 1] };
	return cni_gc(&rt, n, valid, count, e);
}

static const char *arg(int argc, char **argv, int i)
{
	return i < argc && argv[i][0] ? argv[i] : NULL;
}

static int run(const struct cni_network *n, const char *verb, int argc, char **argv, struct err *e)
{
	const char *json = arg(argc, argv, 4);
	const struct cni_attach at = {
		.container_id = arg(argc, argv, 0),
		.ifname = arg(argc, argv, 1),
		.netns_path = arg(argc, argv, 2),
		.netns_fd = -EBADF,
		.args = arg(argc, argv, 3),
		.capability_args = { json, json ? strlen(json) : 0 },
	};

	if (streq(verb, "add"))
		return add(n, &at, e);
	if (streq(verb, "del"))
		return cni_del(&rt, n, &at, e);
	if (streq(verb, "check"))
		return cni_check(&rt, n, &at, e);
	if (streq(verb, "status"))
		return cni_status(&rt, n, e);
	if (streq(verb, "validate"))
		return cni_validate(&rt, n, e);
	if (streq(verb, "gc"))
		return gc(n, argc, argv, e);
	return err_set(e, -EINVAL, "no command '%s'", verb);
}

static int with_network(int argc, char **argv, struct err *e)
{
	struct cni_network *v, gone = { .name = argc > 2 ? argv[2] : NULL, .version = CNI_VERSION };
	size_t n;
	int r = cni_networks_load(rt.conf_dir, warn, NULL, &a, &v, &n, e);

	for (size_t i = 0; r == 0 && getenv("CNI_PROGRAMS") && i < n; i++)
		v[i].is_builtin = false;
	if (r < 0 || streq(argv[1], "list"))
		return r < 0 ? r : list(v, n);
	if (streq(argv[1], "cached"))
		return cached(gone.name, e);
	for (size_t i = 0; gone.name && i < n; i++)
		if (streq(v[i].name, gone.name))
			return run(&v[i], argv[1], argc - 3, argv + 3, e);
	/* DEL goes without the list, too. */
	if (gone.name && streq(argv[1], "del"))
		return run(&gone, argv[1], argc - 3, argv + 3, e);
	return err_set(e, -ENOENT, "no network '%s'", gone.name ? gone.name : "");
}

int main(int argc, char **argv)
{
	const char *deadline = getenv("CNI_DEADLINE_MS");
	struct err e = ERR_INIT;
	int r;

	rt.conf_dir = getenv("CNI_CONF");
	rt.bin_path = getenv("CNI_BIN");
	rt.cache_dir = getenv("CNI_CACHE");
	if (argc < 2 || !rt.conf_dir || !rt.cache_dir ||
	    (deadline && str_to_i64(deadline, 1, INT32_MAX, &rt.deadline_ms) < 0)) {
		fprintf(stderr, "usage: CNI_CONF= CNI_BIN= CNI_CACHE= cnictl COMMAND …\n");
		return 2;
	}
	r = with_network(argc, argv, &e);
	if (r < 0)
		fprintf(stderr, "cnictl: %s\n", err_text(&e, r));
	arena_done(&a);
	return r < 0;
}
