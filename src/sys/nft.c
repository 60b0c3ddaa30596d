#include "sys/nft.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>

#include "base/err.h"
#include "sys/nft_priv.h"

/* Elements in one message: a list is an attribute, of at most 64 kB, and an element some 250 bytes. */
#define LIST_MAX 128

void nft_batch_done(struct nft_batch *b)
{
	nlbuf_done(&b->m);
}

void nft_message(struct nlbuf *m, uint8_t family, uint16_t type, uint16_t flags, uint32_t seq)
{
	struct nfgenmsg g = { .nfgen_family = family, .version = NFNETLINK_V0 };

	nl_begin(m, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, seq, &g, sizeof(g));
}

static void batch_mark(struct nft_batch *b, uint16_t type)
{
	struct nfgenmsg g = { .nfgen_family = AF_UNSPEC,
			      .version = NFNETLINK_V0,
			      .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nl_begin(&b->m, type, 0, b->seq++, &g, sizeof(g));
}

void nft_batch_begin(struct nft_batch *b, const struct nft_table *t, uint32_t genid)
{
	strbuf_reset(&b->m.b);
	*b = (struct nft_batch){ .m = b->m, .table = t };
	batch_mark(b, NFNL_MSG_BATCH_BEGIN);
	if (genid)
		nl_put_be32(&b->m, NFNL_BATCH_GENID, genid);
}

/* Closes the open list of elements. */
static void end_list(struct nft_batch *b)
{
	if (!b->list_set)
		return;
	nl_nest_end(&b->m, b->list_nests[0]);
	b->list_set = NULL;
}

/* A change of the batch's table. Attribute 1 is the table's name in all kinds of messages. */
static void change(struct nft_batch *b, uint16_t type, uint16_t flags)
{
	end_list(b);
	b->last = b->m.b.len;
	nft_message(&b->m, b->table->family, type, flags, b->seq++);
	nl_put_str(&b->m, 1, b->table->name);
}

struct outcome {
	const struct nft_batch *b;
	struct err *e;
	int r;
	bool is_acknowledged;
};

/* What a change is called, and the attribute that names its object. */
static const struct {
	uint16_t type;
	const char *words;
	uint8_t name; /* 0: none but the table */
} CHANGES[] = {
	{ NFT_MSG_NEWTABLE, "add the table", 0 },
	{ NFT_MSG_DELTABLE, "delete the table", 0 },
	{ NFT_MSG_NEWCHAIN, "add the chain", NFTA_CHAIN_NAME },
	{ NFT_MSG_DELCHAIN, "delete the chain", NFTA_CHAIN_NAME },
	{ NFT_MSG_NEWSET, "add the set", NFTA_SET_NAME },
	{ NFT_MSG_NEWSETELEM, "add elements to", NFTA_SET_ELEM_LIST_SET },
	{ NFT_MSG_DELSETELEM, "delete elements of", NFTA_SET_ELEM_LIST_SET },
	{ NFT_MSG_NEWRULE, "add a rule to", NFTA_RULE_CHAIN },
	{ NFT_MSG_DELRULE, "delete rules of", NFTA_RULE_CHAIN },
};

static const char *change_name(const struct nft_batch *b, uint32_t seq, const char **ret_object)
{
	const char *p = b->m.b.p, *end = p + b->m.b.len;
	const struct nlmsghdr *h = (const void *)p;
	const struct nlattr *attrs[4];

	*ret_object = NULL;
	for (; p < end; p += NLMSG_ALIGN(h->nlmsg_len)) {
		h = (const void *)p;
		if (h->nlmsg_seq != seq || h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
			continue;
		nl_parse(h, sizeof(struct nfgenmsg), attrs, ARRAY_LEN(attrs) - 1);
		for (size_t i = 0; i < ARRAY_LEN(CHANGES); i++) {
			if (CHANGES[i].type != (h->nlmsg_type & 0xff))
				continue;
			*ret_object = CHANGES[i].name ? nl_get_str(attrs[CHANGES[i].name]) : NULL;
			return CHANGES[i].words;
		}
	}
	return "change the table";
}

static int take_outcome(void *data, const struct nlmsghdr *h)
{
	struct outcome *o = data;
	const char *object, *words, *kernel = nl_error_words(h);
	int r = nl_error(h);

	if (r == 0)
		o->is_acknowledged |= h->nlmsg_type == NLMSG_ERROR;
	if (r == 0 || o->r < 0)
		return 0;
	o->r = r;
	words = change_name(o->b, h->nlmsg_seq, &object);
	err_set(o->e, r, "nftables: %s %s%s%s'%s': %s", words, object ? "'" : "",
		object ? object : "", object ? "' of " : "", o->b->table->name,
		kernel ? kernel : strerror(-r));
	return 0;
}

int nft_batch_commit(int fd, struct nft_batch *b, struct err *e)
{
	struct outcome o = { .b = b, .e = e };
	int r;

	if (!b->last)
		return 0;
	end_list(b);
	/* One acknowledgement is enough: errors come by themselves, and thousands would not fit the socket. */
	if (!b->m.b.is_out)
		((struct nlmsghdr *)(void *)(b->m.b.p + b->last))->nlmsg_flags |= NLM_F_ACK;
	batch_mark(b, NFNL_MSG_BATCH_END);
	r = nl_exchange(fd, &b->m, take_outcome, &o, e);
	if (r < 0)
		return r;
	if (o.r == 0 && !o.is_acknowledged)
		return err_set(e, -EBADMSG, "nftables: the kernel did not answer a change of '%s'",
			       b->table->name);
	return o.r;
}

/* A comment in the form that nft reads: type, length, text with its NUL. */
static void put_comment(struct nlbuf *m, uint16_t attr, const char *comment)
{
	char udata[2 + NFT_COMMENT_MAX + 1] = { 0 };
	size_t len = comment ? strnlen(comment, NFT_COMMENT_MAX) : 0;

	if (!len)
		return;
	/* The comment is type 0 of rules, elements, tables and chains alike. */
	udata[1] = (char)(len + 1);
	memcpy(udata + 2, comment, len);
	nl_put(m, attr, udata, 2 + len + 1);
}

void nft_table_add(struct nft_batch *b, const char *comment)
{
	change(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_comment(&b->m, NFTA_TABLE_USERDATA, comment);
}

void nft_table_del(struct nft_batch *b)
{
	change(b, NFT_MSG_DELTABLE, 0);
}

void nft_chain_add(struct nft_batch *b, const struct nft_chain *c)
{
	size_t nest;

	change(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nl_put_str(&b->m, NFTA_CHAIN_NAME, c->name);
	if (!c->type)
		return;
	nl_put_str(&b->m, NFTA_CHAIN_TYPE, c->type);
	nl_put_be32(&b->m, NFTA_CHAIN_POLICY, c->policy);
	nest = nl_nest(&b->m, NFTA_CHAIN_HOOK);
	nl_put_be32(&b->m, NFTA_HOOK_HOOKNUM, c->hook);
	nl_put_be32(&b->m, NFTA_HOOK_PRIORITY, (uint32_t)c->priority);
	nl_nest_end(&b->m, nest);
}

void nft_chain_flush(struct nft_batch *b, const char *chain)
{
	change(b, NFT_MSG_DELRULE, 0);
	nl_put_str(&b->m, NFTA_RULE_CHAIN, chain);
}

void nft_chain_del(struct nft_batch *b, const char *chain)
{
	change(b, NFT_MSG_DELCHAIN, 0);
	nl_put_str(&b->m, NFTA_CHAIN_NAME, chain);
}

void nft_rule_del(struct nft_batch *b, const char *chain, uint64_t handle)
{
	nft_chain_flush(b, chain);
	nl_put_be64(&b->m, NFTA_RULE_HANDLE, handle);
}

/* ---- sets ---- */

/* nft(8)'s TYPE_BITS: a joined type's number has six bits for each. */
#define TYPE_BITS 6
/* enum byteorder of nft(8) in a set's user data. */
#define UDATA_KEY_BYTEORDER 0
#define UDATA_DATA_BYTEORDER 1
#define UDATA_COMMENT 7
#define BYTEORDER_HOST 1
#define BYTEORDER_BIG 2

static size_t type_size(uint8_t type)
{
	switch (type) {
	case NFT_TYPE_NONE:
		return 0;
	case NFT_TYPE_VERDICT:
		return NFT_DATA_VALUE_MAXLEN;
	case NFT_TYPE_IPADDR:
		return 4;
	case NFT_TYPE_IP6ADDR:
	case NFT_TYPE_IFNAME:
		return 16;
	case NFT_TYPE_NFPROTO:
	case NFT_TYPE_INET_PROTOCOL:
		return 1;
	case NFT_TYPE_INET_SERVICE:
		return 2;
	}
	ASSERT(!"a type of nft");
	return 0;
}

static bool is_joined(const uint8_t types[NFT_JOINED_MAX])
{
	return types[1] != NFT_TYPE_NONE;
}

size_t nft_types_size(const uint8_t types[NFT_JOINED_MAX])
{
	size_t size = 0;

	if (!is_joined(types))
		return type_size(types[0]);
	for (size_t i = 0; i < NFT_JOINED_MAX; i++)
		size += (type_size(types[i]) + 3) / 4 * 4;
	return size;
}

static uint32_t joined_number(const uint8_t types[NFT_JOINED_MAX])
{
	uint32_t number = 0;

	for (size_t i = 0; i < NFT_JOINED_MAX && types[i]; i++)
		number = number << TYPE_BITS | types[i];
	return number;
}

/* An entry of user data: type, length, value. */
static void add_udata(struct strbuf *u, uint8_t type, const void *value, size_t len)
{
	uint8_t head[2] = { type, (uint8_t)len };

	strbuf_add(u, head, sizeof(head));
	strbuf_add(u, value, len);
}

static void put_set_udata(struct nlbuf *m, const struct nft_set *s)
{
	uint32_t key = s->key[0] == NFT_TYPE_IFNAME ? BYTEORDER_HOST : BYTEORDER_BIG;
	uint32_t data = BYTEORDER_BIG;
	AUTO_STRBUF struct strbuf u = { 0 };

	if (!is_joined(s->key))
		add_udata(&u, UDATA_KEY_BYTEORDER, &key, sizeof(key));
	if (s->data[0] && s->data[0] != NFT_TYPE_VERDICT && !is_joined(s->data))
		add_udata(&u, UDATA_DATA_BYTEORDER, &data, sizeof(data));
	if (s->comment)
		add_udata(&u, UDATA_COMMENT, s->comment, strlen(s->comment) + 1);
	m->b.is_out |= u.is_out;
	if (u.len)
		nl_put(m, NFTA_SET_USERDATA, u.p, u.len);
}

/* Widths of the parts of a joined key: what a set of intervals is looked up by. */
static void put_fields(struct nlbuf *m, const struct nft_set *s)
{
	size_t desc = nl_nest(m, NFTA_SET_DESC), list = nl_nest(m, NFTA_SET_DESC_CONCAT), one;

	for (size_t i = 0; i < NFT_JOINED_MAX && s->key[i]; i++) {
		one = nl_nest(m, NFTA_LIST_ELEM);
		nl_put_be32(m, NFTA_SET_FIELD_LEN, (uint32_t)type_size(s->key[i]));
		nl_nest_end(m, one);
	}
	nl_nest_end(m, list);
	nl_nest_end(m, desc);
}

void nft_set_add(struct nft_batch *b, const struct nft_set *s, uint32_t id)
{
	bool is_verdict = s->data[0] == NFT_TYPE_VERDICT;
	uint32_t flags = (s->data[0] ? NFT_SET_MAP : 0) | (s->is_interval ? NFT_SET_INTERVAL : 0) |
			 (s->is_interval ? NFT_SET_CONCAT : 0);

	change(b, NFT_MSG_NEWSET, NLM_F_CREATE);
	nl_put_str(&b->m, NFTA_SET_NAME, s->name);
	nl_put_be32(&b->m, NFTA_SET_ID, id);
	nl_put_be32(&b->m, NFTA_SET_FLAGS, flags);
	nl_put_be32(&b->m, NFTA_SET_KEY_TYPE, joined_number(s->key));
	nl_put_be32(&b->m, NFTA_SET_KEY_LEN, (uint32_t)nft_types_size(s->key));
	if (s->data[0]) {
		nl_put_be32(&b->m, NFTA_SET_DATA_TYPE,
			    is_verdict ? NFT_DATA_VERDICT : joined_number(s->data));
		nl_put_be32(&b->m, NFTA_SET_DATA_LEN, (uint32_t)nft_types_size(s->data));
	}
	if (s->is_interval)
		put_fields(&b->m, s);
	put_set_udata(&b->m, s);
}

/* ---- elements ---- */

static size_t put_value(uint8_t *to, size_t at, const void *data, size_t len)
{
	ASSERT(at + len <= NFT_VALUE_MAX);
	memcpy(to + at, data, len);
	return (at + len + 3) / 4 * 4;
}

void nft_key_put(struct nft_elem *el, const void *data, size_t len)
{
	el->key_len = put_value(el->key, el->key_len, data, len);
}
void nft_key_end_put(struct nft_elem *el, size_t at, const void *data, size_t len)
{
	put_value(el->key_end, at, data, len);
	el->has_end = true;
}
void nft_data_put(struct nft_elem *el, const void *data, size_t len)
{
	el->data_len = put_value(el->data, el->data_len, data, len);
}

void nft_key_put_ifname(struct nft_elem *el, const char *ifname)
{
	char name[IFNAMSIZ] = { 0 };

	memcpy(name, ifname, strnlen(ifname, sizeof(name) - 1));
	nft_key_put(el, name, sizeof(name));
}

void nft_put_value(struct nlbuf *m, uint16_t attr, const void *data, size_t len)
{
	size_t nest = nl_nest(m, attr);

	nl_put(m, NFTA_DATA_VALUE, data, len);
	nl_nest_end(m, nest);
}

void nft_put_verdict(struct nlbuf *m, uint16_t attr, int32_t verdict, const char *chain)
{
	size_t nest = nl_nest(m, attr), inner = nl_nest(m, NFTA_DATA_VERDICT);

	nl_put_be32(m, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (chain)
		nl_put_str(m, NFTA_VERDICT_CHAIN, chain);
	nl_nest_end(m, inner);
	nl_nest_end(m, nest);
}

void nft_put_elem(struct nlbuf *m, const struct nft_elem *el, bool is_key_only)
{
	size_t nest = nl_nest(m, NFTA_LIST_ELEM);

	nft_put_value(m, NFTA_SET_ELEM_KEY, el->key, el->key_len);
	if (el->has_end)
		nft_put_value(m, NFTA_SET_ELEM_KEY_END, el->key_end, el->key_len);
	if (!is_key_only) {
		if (el->has_verdict)
			nft_put_verdict(m, NFTA_SET_ELEM_DATA, el->verdict, NULL);
		else if (el->data_len)
			nft_put_value(m, NFTA_SET_ELEM_DATA, el->data, el->data_len);
		put_comment(m, NFTA_SET_ELEM_USERDATA, el->comment);
	}
	nl_nest_end(m, nest);
}

void nft_elem_put(struct nft_batch *b, const char *set, enum nft_elem_op op,
		  const struct nft_elem *el)
{
	uint16_t type = op == NFT_ELEM_DEL ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM;
	uint16_t flags = op == NFT_ELEM_ADD	  ? NLM_F_CREATE
			 : op == NFT_ELEM_ADD_NEW ? NLM_F_CREATE | NLM_F_EXCL
						  : 0;
	uint16_t kind = (uint16_t)(type << 12 | flags);

	if (!b->list_set || !streq(b->list_set, set) || b->list_type != kind ||
	    b->list_n >= LIST_MAX) {
		change(b, type, flags);
		nl_put_str(&b->m, NFTA_SET_ELEM_LIST_SET, set);
		b->list_nests[0] = nl_nest(&b->m, NFTA_SET_ELEM_LIST_ELEMENTS);
		b->list_set = set;
		b->list_type = kind;
		b->list_n = 0;
	}
	nft_put_elem(&b->m, el, op == NFT_ELEM_DEL);
	b->list_n++;
}

/* ---- rules: the expressions are in nft_expr.c ---- */

void nft_rule_begin(struct nft_batch *b, const char *chain, bool is_first, const char *comment)
{
	change(b, NFT_MSG_NEWRULE, is_first ? NLM_F_CREATE : NLM_F_CREATE | NLM_F_APPEND);
	nl_put_str(&b->m, NFTA_RULE_CHAIN, chain);
	put_comment(&b->m, NFTA_RULE_USERDATA, comment);
	b->list_nests[1] = nl_nest(&b->m, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft_batch *b)
{
	nl_nest_end(&b->m, b->list_nests[1]);
}
