/* Against the kernel, in a network namespace of the test's own; nft's listing is the oracle of what is readable. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <sched.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/test.h"
#include "sys/nft.h"

static const struct nft_table TABLE = { NFPROTO_INET, "t" };
static const struct nft_set PORTS = { .name = "ports",
				      .key = { NFT_TYPE_INET_PROTOCOL, NFT_TYPE_INET_SERVICE },
				      .data = { NFT_TYPE_IPADDR, NFT_TYPE_INET_SERVICE } };
static const struct nft_set PAIRS = { .name = "pairs",
				      .key = { NFT_TYPE_IPADDR, NFT_TYPE_IPADDR },
				      .is_interval = true };
static const struct nft_set BRIDGES = { .name = "bridges",
					.key = { NFT_TYPE_IFNAME, NFT_TYPE_IFNAME },
					.data = { NFT_TYPE_VERDICT } };
static const struct nft_set NAMES = { .name = "names",
				      .key = { NFT_TYPE_IFNAME },
				      .comment = "interfaces" };

/* Each case has a namespace of its own. */
static int open_nft(void)
{
	struct err e = ERR_INIT;
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		TEST_SKIP("no network namespace: %s", strerror(errno));
	fd = nl_open(&e);
	if (fd < 0)
		TEST_SKIP("%s", e.msg);
	return fd;
}

static void make_table(int fd)
{
	AUTO_NFT_BATCH struct nft_batch b = { 0 };
	const struct nft_chain pre = { "pre", "nat", NF_INET_PRE_ROUTING, -100, NF_ACCEPT };
	const struct nft_chain ports = { .name = "published" };
	struct err e = ERR_INIT;

	nft_batch_begin(&b, &TABLE, 0);
	nft_table_add(&b, "a comment");
	nft_chain_add(&b, &ports);
	nft_chain_add(&b, &pre);
	nft_set_add(&b, &PORTS, 1);
	nft_set_add(&b, &PAIRS, 2);
	nft_set_add(&b, &BRIDGES, 3);
	nft_set_add(&b, &NAMES, 4);
	nft_rule_begin(&b, "pre", false, "only local addresses");
	nft_fib_daddr_type(&b, 0);
	nft_cmp(&b, 0, NFT_CMP_EQ, &(uint32_t){ RTN_LOCAL }, 4);
	nft_verdict(&b, NFT_JUMP, "published");
	nft_rule_end(&b);
	nft_rule_begin(&b, "published", false, NULL);
	nft_meta(&b, NFT_META_NFPROTO, 0);
	nft_cmp(&b, 0, NFT_CMP_EQ, &(uint8_t){ NFPROTO_IPV4 }, 1);
	nft_meta(&b, NFT_META_L4PROTO, 0);
	nft_payload(&b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, 1);
	nft_lookup_map(&b, "ports", 1, 0, 0);
	nft_dnat(&b, NFPROTO_IPV4, 0, 1);
	nft_rule_end(&b);
	if (nft_batch_commit(fd, &b, &e) < 0)
		TEST_END(TEST_FAILED, "%s", e.msg);
}

static struct nft_elem port(uint16_t host, const char *address, uint16_t inside, const char *words)
{
	struct nft_elem el = { 0 };
	struct in_addr a;

	inet_pton(AF_INET, address, &a);
	nft_key_put(&el, &(uint8_t){ IPPROTO_TCP }, 1);
	nft_key_put(&el, &(uint16_t){ htons(host) }, 2);
	nft_data_put(&el, &a, 4);
	nft_data_put(&el, &(uint16_t){ htons(inside) }, 2);
	snprintf(el.comment, sizeof(el.comment), "%s", words);
	return el;
}

static int change_elem(int fd, const char *set, enum nft_elem_op op, const struct nft_elem *el,
		       uint32_t genid, struct err *e)
{
	AUTO_NFT_BATCH struct nft_batch b = { 0 };

	nft_batch_begin(&b, &TABLE, genid);
	nft_elem_put(&b, set, op, el);
	return nft_batch_commit(fd, &b, e);
}

static void check_listed(const char *const *words, size_t n)
{
	static char text[16384];
	FILE *f;
	size_t len;

	if (system("command -v nft >/dev/null") != 0)
		TEST_SKIP("nft is not installed");
	f = popen("nft list ruleset 2>&1", "r");
	len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[len] = '\0';
	CHECK(f && pclose(f) == 0);
	for (size_t i = 0; i < n; i++)
		if (!strstr(text, words[i]))
			TEST_END(TEST_FAILED, "nft does not list '%s' in: %s", words[i], text);
}

TEST(nft_lists_tables_sets_rules_and_elements_as_its_own)
{
	static const char *const words[] = {
		"table inet t",
		"type inet_proto . inet_service : ipv4_addr . inet_service",
		"elements = { tcp . 8080 comment \"web\" : 10.1.2.3 . 80 }",
		"fib daddr type local jump published comment \"only local addresses\"",
		"dnat ip to meta l4proto . th dport map @ports",
		"type nat hook prerouting priority dstnat; policy accept;",
		"10.1.0.0/16 . 10.1.0.0/16",
		"\"br0\" . \"br0\" : accept",
		"comment \"interfaces\"",
		"elements = { \"eth0\" comment \"x\" }",
	};
	AUTO_FD fd = open_nft();
	struct nft_elem el = port(8080, "10.1.2.3", 80, "web");
	uint32_t first = htonl(0x0a010000), last = htonl(0x0a01ffff);

	make_table(fd);
	CHECK_EQ(change_elem(fd, "ports", NFT_ELEM_ADD_NEW, &el, 0, NULL), 0);
	el = (struct nft_elem){ 0 };
	for (size_t i = 0; i < 2; i++) {
		nft_key_end_put(&el, el.key_len, &last, 4);
		nft_key_put(&el, &first, 4);
	}
	CHECK_EQ(change_elem(fd, "pairs", NFT_ELEM_ADD, &el, 0, NULL), 0);
	el = (struct nft_elem){ .has_verdict = true, .verdict = NF_ACCEPT };
	nft_key_put_ifname(&el, "br0");
	nft_key_put_ifname(&el, "br0");
	CHECK_EQ(change_elem(fd, "bridges", NFT_ELEM_ADD, &el, 0, NULL), 0);
	el = (struct nft_elem){ .comment = "x" };
	nft_key_put_ifname(&el, "eth0");
	CHECK_EQ(change_elem(fd, "names", NFT_ELEM_ADD, &el, 0, NULL), 0);
	check_listed(words, ARRAY_LEN(words));
}

TEST(errors_name_the_change_that_failed)
{
	AUTO_FD fd = open_nft();
	struct nft_elem el = port(8080, "10.1.2.3", 80, "a"),
			other = port(8080, "10.1.2.4", 80, "b");
	struct err e = ERR_INIT;
	int r;

	CHECK_EQ(change_elem(fd, "ports", NFT_ELEM_ADD, &el, 0, &e), -ENOENT);
	CHECK(strstr(e.msg, "add elements to 'ports' of 't'"));
	make_table(fd);
	CHECK_EQ(change_elem(fd, "ports", NFT_ELEM_ADD_NEW, &el, 0, &e), 0);
	CHECK_EQ(change_elem(fd, "ports", NFT_ELEM_ADD, &el, 0, &e), 0);
	CHECK_EQ(change_elem(fd, "ports", NFT_ELEM_ADD_NEW, &el, 0, &e), -EEXIST);
	r = change_elem(fd, "ports", NFT_ELEM_ADD, &other, 0, &e);
	CHECK(r == -EEXIST || r == -EBUSY);
	CHECK_EQ(change_elem(fd, "ports", NFT_ELEM_DEL, &el, 0, &e), 0);
	CHECK_EQ(change_elem(fd, "ports", NFT_ELEM_DEL, &el, 0, &e), -ENOENT);
	CHECK(strstr(e.msg, "delete elements of 'ports'"));
}

TEST(a_batch_happens_whole_or_not_at_all)
{
	AUTO_FD fd = open_nft();
	AUTO_NFT_BATCH struct nft_batch b = { 0 };
	struct nft_elem good = port(1, "10.1.2.3", 80, "a"), gone = port(2, "10.1.2.3", 80, "a");
	struct nft_query q = { .set = "ports", .el = &good };

	make_table(fd);
	nft_batch_begin(&b, &TABLE, 0);
	nft_elem_put(&b, "ports", NFT_ELEM_ADD, &good);
	nft_elem_put(&b, "ports", NFT_ELEM_DEL, &gone);
	CHECK_EQ(nft_batch_commit(fd, &b, NULL), -ENOENT);
	CHECK_EQ(nft_query(fd, &TABLE, &q, 1, NULL, NULL), 0);
	CHECK(!q.is_there);
}

TEST(a_batch_of_another_generation_is_refused)
{
	AUTO_FD fd = open_nft();
	struct nft_elem el = port(1, "10.1.2.3", 80, "a");
	uint32_t before, after;

	make_table(fd);
	CHECK_EQ(nft_genid(fd, &before, NULL), 0);
	CHECK_EQ(change_elem(fd, "ports", NFT_ELEM_ADD, &el, before, NULL), 0);
	CHECK_EQ(nft_genid(fd, &after, NULL), 0);
	CHECK(before != after);
	CHECK_EQ(change_elem(fd, "ports", NFT_ELEM_DEL, &el, before, NULL), -ERESTART);
	CHECK_EQ(change_elem(fd, "ports", NFT_ELEM_DEL, &el, after, NULL), 0);
}

TEST(questions_are_answered_in_one_exchange)
{
	AUTO_FD fd = open_nft();
	struct nft_elem el = port(1, "10.1.2.3", 80, "a"), gone = port(2, "10.1.2.3", 80, "a");
	struct nft_query q[] = { { 0 },
				 { .chain = "pre" },
				 { .chain = "none" },
				 { .set = "ports", .el = &el },
				 { .set = "ports", .el = &gone } };
	uint32_t genid = 0;

	CHECK_EQ(nft_query(fd, &TABLE, q, ARRAY_LEN(q), NULL, NULL), 0);
	CHECK(!q[0].is_there && !q[1].is_there && !q[3].is_there);
	make_table(fd);
	CHECK_EQ(change_elem(fd, "ports", NFT_ELEM_ADD, &el, 0, NULL), 0);
	CHECK_EQ(nft_query(fd, &TABLE, q, ARRAY_LEN(q), &genid, NULL), 0);
	CHECK(q[0].is_there && q[1].is_there && !q[2].is_there);
	CHECK(q[3].is_there && !q[4].is_there && genid);
	CHECK_EQ(q[0].use, 6);
	CHECK_EQ(q[1].use, 1);
}

static int count_elem(void *data, const struct nft_elem *el)
{
	size_t *n = data;

	*n += el->key_len == 8 && el->data_len == 8 && streq(el->comment, "many");
	return 0;
}

TEST(thousands_of_elements_go_in_one_batch_and_are_listed)
{
	AUTO_FD fd = open_nft();
	AUTO_NFT_BATCH struct nft_batch b = { 0 };
	struct nft_elem el;
	struct err e = ERR_INIT;
	size_t n = 0;

	make_table(fd);
	nft_batch_begin(&b, &TABLE, 0);
	for (unsigned int i = 1; i <= 5000; i++) {
		el = port((uint16_t)i, "10.1.2.3", (uint16_t)i, "many");
		nft_elem_put(&b, "ports", NFT_ELEM_ADD_NEW, &el);
	}
	if (nft_batch_commit(fd, &b, &e) < 0)
		TEST_END(TEST_FAILED, "%s", e.msg);
	CHECK_EQ(nft_elems_dump(fd, &TABLE, "ports", count_elem, &n, &e), 0);
	CHECK_EQ(n, 5000);
}

static int see_chain(void *data, const struct nft_chain_info *c)
{
	if (streq(c->table, "t") && streq(c->name, "pre") && c->type && streq(c->type, "nat") &&
	    c->hook == NF_INET_PRE_ROUTING && c->priority == -100 && c->policy == NF_ACCEPT)
		*(bool *)data = true;
	return 0;
}

static int see_rule(void *data, const struct nft_rule_info *rule)
{
	if (rule->comment && streq(rule->comment, "only local addresses"))
		*(uint64_t *)data = rule->handle;
	return 0;
}

TEST(chains_and_rules_are_listed_and_a_rule_is_deleted_by_its_handle)
{
	AUTO_FD fd = open_nft();
	AUTO_NFT_BATCH struct nft_batch b = { 0 };
	struct nft_query q = { .chain = "pre" };
	struct err e = ERR_INIT;
	bool is_seen = false;
	uint64_t handle = 0;

	make_table(fd);
	CHECK_EQ(nft_chains_dump(fd, NFPROTO_UNSPEC, see_chain, &is_seen, NULL), 0);
	CHECK(is_seen);
	CHECK_EQ(nft_rules_dump(fd, &TABLE, "pre", see_rule, &handle, NULL), 0);
	CHECK(handle);
	nft_batch_begin(&b, &TABLE, 0);
	nft_rule_del(&b, "pre", handle);
	CHECK_EQ(nft_batch_commit(fd, &b, NULL), 0);
	CHECK_EQ(nft_query(fd, &TABLE, &q, 1, NULL, NULL), 0);
	CHECK_EQ(q.use, 0);
	nft_batch_begin(&b, &TABLE, 0);
	nft_chain_flush(&b, "published");
	nft_chain_del(&b, "published");
	nft_chain_del(&b, "none");
	CHECK_EQ(nft_batch_commit(fd, &b, &e), -ENOENT);
	CHECK(strstr(e.msg, "delete the chain 'none' of 't'"));
}
TEST_MAIN()
