/* Drives net/rules and its plugins from shell scripts, in the network namespace that it is started in. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/plugin/plugin.h"
#include "net/rules/rules.h"

#define WORDS_MAX 64

static struct rules rules;

/* "a,b,c" in place */
static struct json_strs split(char *text)
{
	static const char *v[WORDS_MAX];
	struct json_strs s = { .v = v };
	char *save = NULL;

	for (char *w = strtok_r(text, ",", &save); w && s.n < WORDS_MAX;
	     w = strtok_r(NULL, ",", &save))
		v[s.n++] = w;
	return s;
}

static int network_add(int argc, char **argv, struct err *e)
{
	struct rules_network n = { .name = argv[0], .bridge = argv[1] };

	for (int i = 3; i < argc; i++) {
		n.is_masqueraded |= streq(argv[i], "masquerade");
		n.is_isolated |= streq(argv[i], "isolated");
		n.is_closed |= streq(argv[i], "closed");
		n.is_internal |= streq(argv[i], "internal");
		n.is_apart |= streq(argv[i], "apart");
	}
	n.subnets = split(argv[2]);
	return rules_network_add(&rules, &n, e);
}

static int network_del(int argc, char **argv, struct err *e)
{
	return rules_network_del(&rules, argv[0], e);
}

static struct rules_owner owner(char **argv)
{
	return (struct rules_owner){ argv[0], argv[1], "eth0" };
}

/* "tcp/8080/80" or "tcp/8080/80/127.0.0.1" */
static struct cni_port port(char *text)
{
	char *save = NULL;
	struct cni_port p = { .protocol = strtok_r(text, "/", &save) };

	p.host_port = strtol(strtok_r(NULL, "/", &save), NULL, 10);
	p.container_port = strtol(strtok_r(NULL, "/", &save), NULL, 10);
	p.host_ip = strtok_r(NULL, "/", &save);
	return p;
}

static int ports_add(int argc, char **argv, struct err *e)
{
	static struct cni_port v[WORDS_MAX];
	struct rules_owner o = owner(argv);
	struct rules_ports p = { .ports = v, .addresses = split(argv[2]) };

	for (int i = 3; i < argc && p.ports_n < WORDS_MAX; i++) {
		if (streq(argv[i], "keep-source"))
			p.keeps_source = true;
		else if (streq(argv[i], "all"))
			p.masquerades_all = true;
		else
			v[p.ports_n++] = port(argv[i]);
	}
	return rules_ports_add(&rules, &o, &p, e);
}

static int ports_del(int argc, char **argv, struct err *e)
{
	struct rules_owner o = owner(argv);

	return rules_ports_del(&rules, &o, e);
}

static int masquerade_add(int argc, char **argv, struct err *e)
{
	struct rules_owner o = owner(argv);
	struct json_strs addresses = split(argv[2]);
	struct cni_ip ips[WORDS_MAX] = { 0 };
	struct cni_result result = { .ips = { ips, addresses.n } };

	for (size_t i = 0; i < addresses.n; i++)
		ips[i].address = addresses.v[i];
	return rules_masquerade_add(&rules, &o, &result, e);
}

static int masquerade_del(int argc, char **argv, struct err *e)
{
	struct rules_owner o = owner(argv);

	return rules_masquerade_del(&rules, &o, e);
}

static enum rules_kind kind(const char *name)
{
	return streq(name, "ports")	   ? RULES_PORTS
	       : streq(name, "masquerade") ? RULES_MASQUERADE
					   : RULES_NETWORK;
}

static int check(int argc, char **argv, struct err *e)
{
	struct rules_owner o = { .network = argv[1] };

	if (argc == 3)
		o = owner(argv + 1);
	return rules_check(&rules, kind(argv[0]), &o, e);
}

static int gc(int argc, char **argv, struct err *e)
{
	struct cni_attachment valid[WORDS_MAX] = { 0 };
	size_t n = 0;

	for (int i = 1; i < argc && n < WORDS_MAX; i++)
		valid[n++].container_id = argv[i];
	return rules_gc(&rules, RULES_PORTS | RULES_MASQUERADE, *argv[0] ? argv[0] : NULL, valid, n,
			e);
}

static int restore(int argc, char **argv, struct err *e)
{
	int r = rules_restore(&rules, e);

	if (r >= 0)
		printf("%d\n", r);
	return r;
}

static int foreign(int argc, char **argv, struct err *e)
{
	AUTO_STRBUF struct strbuf words = { 0 };
	int r = rules_foreign_drop(&rules, argv[0], &words, e);

	fputs(words.p ? words.p : "", stdout);
	return r;
}

static int admit(int argc, char **argv, struct err *e)
{
	return rules_foreign_admit(&rules, argv[0], e);
}

/* Adds and removes a container N times; prints microseconds of wall clock and of CPU for each. */
static int bench(int argc, char **argv, struct err *e)
{
	long n = strtol(argv[0], NULL, 10);
	struct cni_port p = { 8080, 80, "tcp", NULL };
	const char *address = "10.1.0.2/16";
	struct cni_ip ip = { .address = address };
	struct cni_result result = { .ips = { &ip, 1 } };
	struct rules_owner o = { "bench", "net", "eth0" };
	struct rules_ports ports = { &p, 1, { &address, 1 }, false, false };
	int64_t began = clock_mono_ns();
	clock_t cpu = clock();
	int r = 0;

	for (long i = 0; i < n && r >= 0; i++) {
		r = rules_masquerade_add(&rules, &o, &result, e);
		r = r < 0 ? r : rules_ports_add(&rules, &o, &ports, e);
		r = r < 0 ? r : rules_ports_del(&rules, &o, e);
		r = r < 0 ? r : rules_masquerade_del(&rules, &o, e);
	}
	printf("%lld us wall, %ld us cpu\n", (long long)(clock_mono_ns() - began) / 1000 / n,
	       (long)((clock() - cpu) * 1000000 / CLOCKS_PER_SEC / n));
	return r;
}

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv, struct err *e);
	int args; /* at least */
} VERBS[] = {
	{ "network-add", network_add,
	  3 }, /* NAME BRIDGE SUBNET,… [masquerade isolated closed internal apart] */
	{ "network-del", network_del, 1 },
	{ "ports-add", ports_add,
	  3 }, /* ID NETWORK ADDRESS,… [PROTOCOL/HOST/CONTAINER[/HOSTIP] keep-source all] */
	{ "ports-del", ports_del, 2 },
	{ "masquerade-add", masquerade_add, 3 }, /* ID NETWORK ADDRESS,… */
	{ "masquerade-del", masquerade_del, 2 },
	{ "check", check, 2 }, /* ports|masquerade ID NETWORK, network NAME */
	{ "gc", gc, 1 },       /* NETWORK VALID-ID… */
	{ "restore", restore, 0 },
	{ "foreign", foreign, 1 }, /* BRIDGE */
	{ "admit", admit, 1 },	   /* BRIDGE */
	{ "bench", bench, 1 },	   /* TIMES */
};

int main(int argc, char **argv)
{
	struct rules_place place;
	struct err e = ERR_INIT;
	int r;

	if (rules_of_state(NULL, &place, &rules, &e) < 0)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(VERBS) && argc > 1; i++) {
		if (!streq(VERBS[i].name, argv[1]) || argc - 2 < VERBS[i].args)
			continue;
		r = VERBS[i].run(argc - 2, argv + 2, &e);
		if (r < 0)
			fprintf(stderr, "rulesctl: %s\n", err_text(&e, r));
		return r < 0;
	}
	fprintf(stderr, "usage: rulesctl VERB ARGS, see its source\n");
	return 2;
}
