/* Against the kernel, in a network namespace of the test's own, with datagrams over its loopback. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <sched.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/test.h"
#include "sys/conntrack.h"
#include "sys/nft.h"
#include "sys/rtnl.h"

/* Tracking begins where a rule asks for it. */
static void track(void)
{
	static const struct nft_table table = { NFPROTO_INET, "t" };
	static const struct nft_chain chain = { "c", "filter", NF_INET_LOCAL_OUT, 0, NF_ACCEPT };
	AUTO_NFT_BATCH struct nft_batch b = { 0 };
	struct err e = ERR_INIT;
	AUTO_NETLINK struct netlink n = NETLINK_NONE;
	static struct netlink_batch links;
	AUTO_FD fd = -EBADF;

	if (unshare(CLONE_NEWNET) < 0)
		TEST_SKIP("no network namespace: %s", strerror(errno));
	fd = nl_open(&e);
	nft_batch_begin(&b, &table, 0);
	nft_table_add(&b, NULL);
	nft_chain_add(&b, &chain);
	nft_rule_begin(&b, "c", false, NULL);
	nft_ct(&b, NFT_CT_STATE, 0);
	nft_rule_end(&b);
	if (nft_batch_commit(fd, &b, &e) < 0)
		TEST_SKIP("%s", e.msg);
	CHECK_EQ(netlink_open(NETLINK_ROUTE, -EBADF, &n, &e), 0);
	netlink_begin(&links, &n);
	rtnl_up(&links, 1, "lo");
	CHECK_EQ(netlink_send(&links, &e), 0);
}

static void send_to(uint8_t family, uint16_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	AUTO_FD fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "127.0.0.1", &v4.sin_addr);
	inet_pton(AF_INET6, "::1", &v6.sin6_addr);
	if (family == AF_INET)
		CHECK(sendto(fd, "x", 1, 0, (void *)&v4, sizeof(v4)) == 1);
	else
		CHECK(sendto(fd, "x", 1, 0, (void *)&v6, sizeof(v6)) == 1);
}

TEST(only_connections_to_the_port_are_forgotten)
{
	struct conntrack_filter f = { .family = AF_INET, .protocol = IPPROTO_UDP, .port = 53 };
	struct err e = ERR_INIT;

	track();
	send_to(AF_INET, 53);
	send_to(AF_INET, 53);
	send_to(AF_INET, 54);
	send_to(AF_INET6, 53);
	CHECK_EQ(conntrack_forget(&f, &e), 2);
	CHECK_EQ(conntrack_forget(&f, &e), 0);
	f.family = AF_INET6;
	CHECK_EQ(conntrack_forget(&f, &e), 1);
	f = (struct conntrack_filter){ .family = AF_INET, .protocol = IPPROTO_UDP };
	CHECK_EQ(conntrack_forget(&f, &e), 1);
}

TEST(addresses_of_the_destination_and_of_who_answers_count)
{
	struct conntrack_filter f = { .family = AF_INET, .protocol = IPPROTO_UDP };

	track();
	send_to(AF_INET, 53);
	ip_addr_parse("127.0.0.2", &f.destination);
	CHECK_EQ(conntrack_forget(&f, NULL), 0);
	ip_addr_parse("127.0.0.1", &f.destination);
	ip_addr_parse("127.0.0.2", &f.answers_from);
	CHECK_EQ(conntrack_forget(&f, NULL), 0);
	ip_addr_parse("127.0.0.1", &f.answers_from);
	CHECK_EQ(conntrack_forget(&f, NULL), 1);
}
TEST_MAIN()
