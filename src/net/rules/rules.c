#include "net/rules/rules.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/fd.h"
#include "net/rules/priv.h"

#define DEFAULT_STATE "/run/corten"
/* Ports that one container publishes; each is an element. Ranges of a few thousand are seen. */
#define PORTS_MAX 16384

/* FNV-1a: names of tables of private instances need only differ. */
static uint32_t hash_of(const char *s)
{
	uint32_t h = 2166136261U;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619U;
	return h;
}

int rules_of_state(const char *state, struct rules_place *p, struct rules *ret, struct err *e)
{
	const char *dir = state ? state : getenv("CORTEN_STATE");

	*p = (struct rules_place){ 0 };
	if (!dir || !*dir)
		dir = DEFAULT_STATE;
	if (snprintf(p->dir, sizeof(p->dir), "%s/net/rules", dir) >= (int)sizeof(p->dir))
		return err_set(e, -ENAMETOOLONG, "the state folder's path '%s' is too long", dir);
	if (streq(dir, DEFAULT_STATE))
		snprintf(p->table, sizeof(p->table), "corten");
	else
		snprintf(p->table, sizeof(p->table), "corten-%08x", hash_of(dir));
	*ret = (struct rules){ p->dir, p->table };
	return 0;
}

struct plugin_conf {
	const char *state_dir;
};
static const struct json_field plugin_rows[] = {
	JSON_ROW(plugin_conf, state_dir, "stateDir", JSON_STR, 0),
};
static JSON_TABLE(plugin_table, "configuration", plugin_conf, plugin_rows);

int rules_of_conf(const char *conf, size_t len, struct rules_place *p, struct rules *ret,
		  struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct plugin_conf c;
	int r = json_read(&plugin_table, conf, len, NULL, &a, &c, e);

	return r < 0 ? r : rules_of_state(c.state_dir, p, ret, e);
}

/* Opened, locked, and what a dead call left put right. */
static int begin(const struct rules *r, struct rules_store *ret, struct err *e)
{
	AUTO_RULES_STORE s = RULES_STORE_NONE;
	int result = rules_store_open(r, &s, e);

	result = result < 0 ? result : rules_settle(&s, e);
	if (result < 0)
		return result;
	*ret = s;
	s = RULES_STORE_NONE;
	return 0;
}

static int add(const struct rules *r, const struct rules_record *rec, struct err *e)
{
	AUTO_RULES_STORE s = RULES_STORE_NONE;
	char name[RULES_NAME_MAX];
	int result = rules_record_name(rec, name, e);

	result = result < 0 ? result : begin(r, &s, e);
	return result < 0 ? result : rules_record_add(&s, rec, name, e);
}

static int del(const struct rules *r, const struct rules_record *key, struct arena *a,
	       struct rules_record **ret_old, struct err *e)
{
	AUTO_RULES_STORE s = RULES_STORE_NONE;
	char name[RULES_NAME_MAX];
	int result = rules_record_name(key, name, e);

	result = result < 0 ? result : begin(r, &s, e);
	return result < 0 ? result : rules_record_del(&s, name, a, ret_old, e);
}

static struct rules_record record_of(const char *kind, const struct rules_owner *o)
{
	return (struct rules_record){ .kind = kind,
				      .container_id = o->container_id,
				      .network = o->network,
				      .ifname = o->ifname };
}

/* ---- networks ---- */

int rules_network_add(const struct rules *r, const struct rules_network *n, struct err *e)
{
	struct rules_record rec = { .kind = "network",
				    .network = n->name,
				    .bridge = n->bridge,
				    .addresses = n->subnets,
				    .is_masqueraded = n->is_masqueraded,
				    .is_isolated = n->is_isolated,
				    .is_closed = n->is_closed,
				    .is_internal = n->is_internal,
				    .is_apart = n->is_apart };

	return add(r, &rec, e);
}

int rules_network_del(const struct rules *r, const char *name, struct err *e)
{
	struct rules_record key = { .kind = "network", .network = name }, *old;
	AUTO_ARENA struct arena a = { 0 };

	return del(r, &key, &a, &old, e);
}

/* ---- published ports ---- */

/* The way back of what the host itself sends from 127.0.0.1. */
static int open_loopback(struct rules_record *rec, char ifname[16], struct err *e)
{
	struct ip_net net;
	int r = 0;

	for (size_t i = 0; i < rec->addresses.n && r == 0; i++) {
		if (ip_net_parse_loose(rec->addresses.v[i], &net) < 0)
			return err_set(e, -EINVAL, "'%s' is no address with a prefix's length",
				       rec->addresses.v[i]);
		if (!ip_is_v4(&net.addr))
			continue;
		r = rules_route_interface(&net.addr, ifname, e);
		if (r == 0 && *ifname)
			r = rules_allow_localnet(ifname, e);
		rec->bridge = ifname;
		break;
	}
	return r;
}

int rules_ports_add(const struct rules *r, const struct rules_owner *o, const struct rules_ports *p,
		    struct err *e)
{
	/* The record's table reads them; it does not write to them. */
	struct cni_runtime_config ports = { .ports = { (struct cni_port *)p->ports, p->ports_n } };
	struct rules_record rec = record_of("ports", o);
	char ifname[16] = "";
	int result = 0;

	if (p->ports_n > PORTS_MAX)
		return err_set(e, -E2BIG, "%zu published ports, at most %d", p->ports_n, PORTS_MAX);
	rec.ports = &ports;
	rec.addresses = p->addresses;
	rec.keeps_source = p->keeps_source;
	rec.masquerades_all = p->masquerades_all;
	if (!p->keeps_source)
		result = open_loopback(&rec, ifname, e);
	result = result < 0 ? result : add(r, &rec, e);
	return result < 0 ? result : rules_forget_flows(&rec, false, e);
}

int rules_ports_del(const struct rules *r, const struct rules_owner *o, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct rules_record key = record_of("ports", o), *old = NULL;
	int result = del(r, &key, &a, &old, e);

	return result < 0 || !old ? result : rules_forget_flows(old, true, e);
}

/* ---- masquerade ---- */

/* An address of the host's side of a result is none of the container's. */
static bool is_inside(const struct cni_result *result, const struct cni_ip *ip)
{
	const struct cni_interface *i;

	if (!ip->has_interface || ip->interface < 0 ||
	    (size_t)ip->interface >= result->interfaces.n)
		return true;
	i = &result->interfaces.v[ip->interface];
	return i->sandbox && *i->sandbox;
}

int rules_masquerade_add(const struct rules *r, const struct rules_owner *o,
			 const struct cni_result *result, struct err *e)
{
	struct rules_record rec = record_of("masquerade", o);
	AUTO_ARENA struct arena a = { 0 };

	rec.addresses.v = arena_calloc(&a, result->ips.n + 1, sizeof(*rec.addresses.v));
	if (!rec.addresses.v)
		return err_set(e, -ENOMEM, "out of memory for %zu addresses", result->ips.n);
	for (size_t i = 0; i < result->ips.n; i++)
		if (is_inside(result, &result->ips.v[i]))
			rec.addresses.v[rec.addresses.n++] = result->ips.v[i].address;
	return add(r, &rec, e);
}

int rules_masquerade_del(const struct rules *r, const struct rules_owner *o, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct rules_record key = record_of("masquerade", o), *old;

	return del(r, &key, &a, &old, e);
}

/* ---- looking ---- */

int rules_restore(const struct rules *r, struct err *e)
{
	AUTO_RULES_STORE s = RULES_STORE_NONE;
	int result = begin(r, &s, e);

	result = result < 0 ? result : rules_table_is_whole(s.nft, &s.table, NULL, e);
	if (result != 0)
		return MIN(result, 0);
	result = rules_rebuild(&s, NULL, NULL, e);
	return result < 0 ? result : 1;
}

struct listed {
	struct nft_query *q;
	struct nft_elem *el;
	enum rules_set *set;
	size_t n, cap, el_cap, set_cap;
};

static int list_element(void *data, enum rules_set set, const struct nft_elem *el, bool is_shared)
{
	struct listed *l = data;

	/* A subnet may be inside of another's, which is there for it. */
	if (set == SET_OWN4 || set == SET_OWN6)
		return 0;
	if (mem_grow(&l->el, &l->el_cap, l->n + 1, sizeof(*l->el)) < 0 ||
	    mem_grow(&l->set, &l->set_cap, l->n + 1, sizeof(*l->set)) < 0 ||
	    mem_grow(&l->q, &l->cap, l->n + 1, sizeof(*l->q)) < 0)
		return -ENOMEM;
	l->el[l->n] = *el;
	l->set[l->n++] = set;
	return 0;
}

/* Questions that one exchange can hold the answers of. */
#define QUESTIONS_MAX 128

static int check_listed(struct rules_store *s, struct listed *l, struct err *e)
{
	char words[128];
	int r = 0;

	for (size_t i = 0; i < l->n; i++)
		l->q[i] = (struct nft_query){ .set = rules_sets[l->set[i]].name, .el = &l->el[i] };
	for (size_t i = 0; i < l->n && r == 0; i += QUESTIONS_MAX)
		r = nft_query(s->nft, &s->table, l->q + i, MIN(l->n - i, QUESTIONS_MAX), NULL, e);
	for (size_t i = 0; i < l->n && r == 0; i++) {
		if (l->q[i].is_there)
			continue;
		rules_element_text(l->set[i], &l->el[i], words, sizeof(words));
		r = err_set(e, -ENOENT, "%s is not in '%s' of the nftables table '%s'", words,
			    rules_sets[l->set[i]].name, s->table.name);
	}
	return r;
}

static int check_elements(struct rules_store *s, const struct rules_record *rec, struct err *e)
{
	struct listed l = { 0 };
	int r = rules_table_is_whole(s->nft, &s->table, NULL, e);

	if (r == 0)
		r = err_set(e, -ENOENT, "the nftables table '%s' is not whole", s->table.name);
	r = r < 0 ? r : rules_elements(rec, list_element, &l, e);
	r = r < 0 ? r : check_listed(s, &l, e);
	free(l.q);
	free(l.el);
	free(l.set);
	return r;
}

static const char *kind_name(enum rules_kind kind)
{
	return kind == RULES_PORTS ? "ports" : kind == RULES_MASQUERADE ? "masquerade" : "network";
}

int rules_check(const struct rules *r, enum rules_kind kind, const struct rules_owner *o,
		struct err *e)
{
	AUTO_RULES_STORE s = RULES_STORE_NONE;
	AUTO_ARENA struct arena a = { 0 };
	struct rules_record key = record_of(kind_name(kind), o), *rec;
	char name[RULES_NAME_MAX];
	int result = rules_record_name(&key, name, e);

	result = result < 0 ? result : rules_store_open(r, &s, e);
	result = result < 0 ? result : rules_record_read(&s, name, &a, &rec, NULL, e);
	if (result == -ENOENT)
		return err_set(e, -ENOENT, "nothing is recorded of the %s of container '%s'",
			       key.kind, o->container_id ? o->container_id : o->network);
	return result < 0 ? result : check_elements(&s, rec, e);
}
