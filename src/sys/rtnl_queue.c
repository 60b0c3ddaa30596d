#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>

#include <arpa/inet.h>

#include "base/err.h"
#include "base/str.h"
#include "sys/rtnl.h"

/* The kernel counts a bucket's time in units of 64 ns (PSCHED_TICKS2NS), as /proc/net/psched says on every kernel since 2.6.31. */
#define TICK_NS 64
#define NS_PER_S UINT64_C(1000000000)

/* The time that `burst` bytes take at `rate`, in ticks; by way of whole microseconds, as the reference plugin's CHECK counts. */
static uint32_t burst_ticks(const struct rtnl_tbf *t)
{
	uint64_t us = (uint64_t)((double)t->burst * 1e6 / (double)t->rate);

	return (uint32_t)MIN(us * 1000 / TICK_NS, (uint64_t)UINT32_MAX);
}

static void begin_queue(struct netlink_batch *b, int index, const char *name, uint32_t handle,
			uint32_t parent, const char *kind)
{
	struct tcmsg head = { .tcm_family = AF_UNSPEC,
			      .tcm_ifindex = index,
			      .tcm_handle = handle,
			      .tcm_parent = parent };

	netlink_request(b, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head),
			"add queue to", name);
	netlink_put_str(b, TCA_KIND, kind);
}

void rtnl_tbf(struct netlink_batch *b, int index, const char *name, const struct rtnl_tbf *t)
{
	struct tc_tbf_qopt opt = {
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET,
			  .rate = (uint32_t)MIN(t->rate, (uint64_t)UINT32_MAX) },
		.limit = t->limit,
		.buffer = burst_ticks(t),
	};
	size_t nest;

	/* Not TCA_TBF_BURST: it would make the kernel count the ticks itself. */
	begin_queue(b, index, name, 1u << 16, TC_H_ROOT, "tbf");
	nest = netlink_nest(b, TCA_OPTIONS);
	netlink_put(b, TCA_TBF_PARMS, &opt, sizeof(opt));
	if (t->rate > UINT32_MAX)
		netlink_put(b, TCA_TBF_RATE64, &t->rate, sizeof(t->rate));
	netlink_nest_end(b, nest);
}

static void put_mirred(struct netlink_batch *b, int to)
{
	struct tc_mirred redirect = { .action = TC_ACT_STOLEN,
				      .eaction = TCA_EGRESS_REDIR,
				      .ifindex = (uint32_t)to };
	size_t actions = netlink_nest(b, TCA_U32_ACT), first = netlink_nest(b, 1), options;

	netlink_put_str(b, TCA_ACT_KIND, "mirred");
	options = netlink_nest(b, TCA_ACT_OPTIONS);
	netlink_put(b, TCA_MIRRED_PARMS, &redirect, sizeof(redirect));
	netlink_nest_end(b, options);
	netlink_nest_end(b, first);
	netlink_nest_end(b, actions);
}

void rtnl_redirect(struct netlink_batch *b, int index, const char *name, int to)
{
	/* One key behind the selector, of zeroes: its mask lets every packet through. */
	_Alignas(struct tc_u32_sel)
		uint8_t all[sizeof(struct tc_u32_sel) + sizeof(struct tc_u32_key)] = { 0 };
	const struct tc_u32_sel selector = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
	struct tcmsg head = { .tcm_family = AF_UNSPEC,
			      .tcm_ifindex = index,
			      .tcm_parent = 0xffffu << 16,
			      .tcm_info = 1u << 16 | htons(ETH_P_ALL) };
	size_t nest;

	memcpy(all, &selector, sizeof(selector));
	begin_queue(b, index, name, 0xffffu << 16, TC_H_INGRESS, "ingress");
	netlink_request(b, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head),
			"add filter to", name);
	netlink_put_str(b, TCA_KIND, "u32");
	nest = netlink_nest(b, TCA_OPTIONS);
	netlink_put_u32(b, TCA_U32_CLASSID, 1u << 16 | 1);
	netlink_put(b, TCA_U32_SEL, all, sizeof(all));
	put_mirred(b, to);
	netlink_nest_end(b, nest);
}

/* -- reading -- */

struct queue_reading {
	int index;
	bool is_found;
	struct rtnl_tbf tbf;
};

static void read_tbf(const struct nlattr *options, struct rtnl_tbf *t)
{
	const struct nlattr *attrs[TCA_TBF_BURST + 1];
	struct tc_tbf_qopt opt = { 0 };

	netlink_attrs(netlink_attr_data(options), netlink_attr_len(options), attrs, TCA_TBF_BURST);
	if (attrs[TCA_TBF_PARMS] && netlink_attr_len(attrs[TCA_TBF_PARMS]) == sizeof(opt))
		memcpy(&opt, netlink_attr_data(attrs[TCA_TBF_PARMS]), sizeof(opt));
	*t = (struct rtnl_tbf){ .rate = opt.rate.rate, .limit = opt.limit };
	t->burst = (uint32_t)((double)opt.buffer * TICK_NS * (double)t->rate / (double)NS_PER_S);
	if (attrs[TCA_TBF_RATE64] && netlink_attr_len(attrs[TCA_TBF_RATE64]) == sizeof(t->rate))
		memcpy(&t->rate, netlink_attr_data(attrs[TCA_TBF_RATE64]), sizeof(t->rate));
}

static int read_queue(void *data, const struct nlmsghdr *m, struct err *e)
{
	const struct nlattr *attrs[TCA_OPTIONS + 1];
	const struct tcmsg *head = NLMSG_DATA(m);
	struct queue_reading *g = data;
	char kind[16];

	if (m->nlmsg_type != RTM_NEWQDISC || m->nlmsg_len < NLMSG_LENGTH(sizeof(*head)))
		return err_set(e, -EBADMSG, "the kernel's answer describes no queue");
	if (head->tcm_ifindex != g->index || head->tcm_parent != TC_H_ROOT)
		return 0;
	netlink_attrs_of(m, sizeof(*head), attrs, TCA_OPTIONS);
	netlink_attr_str(attrs[TCA_KIND], kind, sizeof(kind));
	if (!streq(kind, "tbf") || !attrs[TCA_OPTIONS])
		return 0;
	read_tbf(attrs[TCA_OPTIONS], &g->tbf);
	g->is_found = true;
	return 0;
}

int rtnl_tbf_get(struct netlink *n, int index, struct rtnl_tbf *ret, struct err *e)
{
	struct queue_reading g = { .index = index };
	struct tcmsg head = { .tcm_family = AF_UNSPEC, .tcm_ifindex = index };
	struct netlink_batch b;
	int r;

	netlink_begin(&b, n);
	netlink_request(&b, RTM_GETQDISC, NLM_F_DUMP, &head, sizeof(head), "list queues", NULL);
	r = netlink_dump(&b, RTNL_ROUTES_MAX, read_queue, &g, e);
	if (r < 0)
		return r;
	if (!g.is_found)
		return err_set(e, -ENOENT, "link %d has no token bucket as its root queue", index);
	*ret = g.tbf;
	return 0;
}
