#include "sys/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "base/err.h"
#include "base/fd.h"
#include "sys/nlmsg.h"

/* A disturbed dump is begun anew this often. */
#define DUMP_TRIES 5

/* Bits of CTA_FILTER_ORIG_FLAGS and CTA_FILTER_REPLY_FLAGS; the kernel keeps their names to itself (nf_internals.h). */
enum { FILTER_SRC = 1 << 0, FILTER_DST = 1 << 1, FILTER_PROTO = 1 << 3, FILTER_DST_PORT = 1 << 5 };

static void begin(struct nlbuf *m, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nfgenmsg g = { .nfgen_family = family, .version = NFNETLINK_V0 };

	nl_begin(m, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type), flags, 0, &g, sizeof(g));
}

/* -- asking -- */

static void put_address(struct nlbuf *m, bool is_source, const struct ip_addr *a)
{
	bool is_v4 = ip_is_v4(a);
	size_t nest = nl_nest(m, CTA_TUPLE_IP);

	if (is_source)
		nl_put(m, is_v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, a->bytes, ip_addr_len(a));
	else
		nl_put(m, is_v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, a->bytes, ip_addr_len(a));
	nl_nest_end(m, nest);
}

static uint32_t put_original(struct nlbuf *m, const struct conntrack_filter *f)
{
	size_t tuple = nl_nest(m, CTA_TUPLE_ORIG), proto;
	uint32_t flags = FILTER_PROTO;

	if (f->destination.family) {
		put_address(m, false, &f->destination);
		flags |= FILTER_DST;
	}
	proto = nl_nest(m, CTA_TUPLE_PROTO);
	nl_put_u8(m, CTA_PROTO_NUM, f->protocol);
	if (f->port) {
		nl_put_be16(m, CTA_PROTO_DST_PORT, f->port);
		flags |= FILTER_DST_PORT;
	}
	nl_nest_end(m, proto);
	nl_nest_end(m, tuple);
	return flags;
}

/* The kernel filters from 5.8 on; what it lets through is looked at again all the same. */
static void put_filter(struct nlbuf *m, const struct conntrack_filter *f)
{
	uint32_t orig = put_original(m, f), reply = 0;
	size_t nest;

	if (f->answers_from.family) {
		nest = nl_nest(m, CTA_TUPLE_REPLY);
		put_address(m, true, &f->answers_from);
		nl_nest_end(m, nest);
		reply = FILTER_SRC;
	}
	nest = nl_nest(m, CTA_FILTER);
	nl_put_u32(m, CTA_FILTER_ORIG_FLAGS, orig);
	nl_put_u32(m, CTA_FILTER_REPLY_FLAGS, reply);
	nl_nest_end(m, nest);
}

/* -- answers -- */

static bool has_address(const struct nlattr *const *ip, uint16_t v4, uint16_t v6,
			const struct ip_addr *want)
{
	const struct nlattr *a = ip[ip_is_v4(want) ? v4 : v6];

	if (!want->family)
		return true;
	return nl_len(a) == ip_addr_len(want) &&
	       memcmp(nl_data(a), want->bytes, ip_addr_len(want)) == 0;
}

struct tuple {
	const struct nlattr *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];
};

static void parse_tuple(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *a[CTA_TUPLE_MAX + 1];

	nl_parse_nested(nest, a, CTA_TUPLE_MAX);
	nl_parse_nested(a[CTA_TUPLE_IP], t->ip, CTA_IP_MAX);
	nl_parse_nested(a[CTA_TUPLE_PROTO], t->proto, CTA_PROTO_MAX);
}

static bool matches(const struct conntrack_filter *f, const struct tuple *orig,
		    const struct tuple *reply)
{
	const struct nlattr *number = orig->proto[CTA_PROTO_NUM];

	if (nl_len(number) != 1 || *(const uint8_t *)nl_data(number) != f->protocol)
		return false;
	if (f->port && nl_get_be16(orig->proto[CTA_PROTO_DST_PORT]) != f->port)
		return false;
	return has_address(orig->ip, CTA_IP_V4_DST, CTA_IP_V6_DST, &f->destination) &&
	       has_address(reply->ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC, &f->answers_from);
}

struct found {
	const struct conntrack_filter *f;
	struct nlbuf deletes;
	int n;
};

static void put_copy(struct nlbuf *m, const struct nlattr *a)
{
	if (a)
		nl_put(m, a->nla_type, nl_data(a), nl_len(a));
}

/* A delete request for each match; the id makes sure that it is that connection and no later one. */
static int take_entry(void *data, const struct nlmsghdr *h)
{
	struct found *found = data;
	const struct nlattr *a[CTA_MAX + 1];
	struct tuple orig, reply;

	if (h->nlmsg_type == NLMSG_ERROR)
		return nl_error(h);
	if (found->n >= CONNTRACK_ENTRIES_MAX)
		return 0;
	nl_parse(h, sizeof(struct nfgenmsg), a, CTA_MAX);
	parse_tuple(a[CTA_TUPLE_ORIG], &orig);
	parse_tuple(a[CTA_TUPLE_REPLY], &reply);
	if (!matches(found->f, &orig, &reply))
		return 0;
	begin(&found->deletes, IPCTNL_MSG_CT_DELETE, 0, found->f->family);
	put_copy(&found->deletes, a[CTA_TUPLE_ORIG]);
	put_copy(&found->deletes, a[CTA_ID]);
	put_copy(&found->deletes, a[CTA_ZONE]);
	found->n++;
	return 0;
}

static int find(int fd, struct found *found, bool is_filtered, struct err *e)
{
	AUTO_NLBUF struct nlbuf m = { 0 };
	int r = -EINTR;

	begin(&m, IPCTNL_MSG_CT_GET, NLM_F_DUMP, found->f->family);
	if (is_filtered)
		put_filter(&m, found->f);
	for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
		strbuf_reset(&found->deletes.b);
		found->n = 0;
		r = nl_exchange(fd, &m, take_entry, found, e);
	}
	/* Connections come and go all the time: what was seen of a disturbed dump is good enough. */
	return r == -EINTR ? 0 : r;
}

/* One that ended by itself meanwhile is as good as forgotten. */
static int take_deleted(void *data, const struct nlmsghdr *h)
{
	int r = nl_error(h);

	return r == -ENOENT ? 0 : r;
}

int conntrack_forget(const struct conntrack_filter *f, struct err *e)
{
	AUTO_FD fd = nl_open(e);
	struct found found = { .f = f };
	int r;

	if (fd < 0)
		return fd;
	r = find(fd, &found, true, e);
	if (r == -EINVAL || r == -EOPNOTSUPP)
		r = find(fd, &found, false, e);
	if (r == 0 && found.n > 0)
		r = nl_exchange(fd, &found.deletes, take_deleted, NULL, e);
	nlbuf_done(&found.deletes);
	/* The subsystem is a module that nothing has needed yet. */
	if (r == -EOPNOTSUPP || r == -EPROTONOSUPPORT || r == -ENOSYS)
		return 0;
	return r < 0 ? err_wrap(e, r, "forget tracked connections") : found.n;
}
