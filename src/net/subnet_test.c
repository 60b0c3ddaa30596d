#include "net/subnet.h"

#include <sys/socket.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"

static struct ip_net of(const char *text)
{
	struct ip_net s = { 0 };

	if (subnet_parse(text, &s, NULL) < 0)
		abort();
	return s;
}

TEST(text_and_back)
{
	static const char *const good[] = { "10.1.0.0/16", "0.0.0.0/0", "fd00::/64", "1.2.3.4/32" };
	static const char *const bad[] = { "",		 "10.1.0.0",  "10.1/16",  "10.1.0.0/33",
					   "fd00::/129", "x/8",	      "1.2.3.4/", "1.2.3.4/-1",
					   "10.0.0.1/8", "fd00::1/64" };
	char buf[IP_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct ip_net s;

		CHECK(subnet_parse(good[i], &s, NULL) == 0);
		CHECK(streq(ip_net_text(&s, buf), good[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct ip_net s;

		CHECK(subnet_parse(bad[i], &s, NULL) == -EINVAL);
	}
}

TEST(overlaps_are_seen)
{
	struct ip_net a = of("10.1.0.0/16"), b = of("10.1.2.0/24"), c = of("10.2.0.0/16"),
		      v6 = of("fd00::/8");

	CHECK(subnet_contains(&a, &b) && !subnet_contains(&b, &a));
	CHECK(subnet_overlaps(&a, &b) && subnet_overlaps(&b, &a));
	CHECK(!subnet_overlaps(&a, &c) && !subnet_overlaps(&a, &v6));
}

TEST(addresses_are_counted_with_carry)
{
	struct ip_net s = of("10.1.0.0/16"), v6 = of("fd00::/64"), n;
	char buf[IP_TEXT_MAX];

	n = subnet_nth(&s, 257);
	CHECK(streq(ip_net_text(&n, buf), "10.1.1.1/16"));
	n = subnet_nth(&v6, 0x1000001);
	CHECK(streq(ip_addr_text(&n.addr, buf), "fd00::100:1"));
	n = subnet_cut(&s, 24, 300);
	CHECK(streq(ip_net_text(&n, buf), "10.2.44.0/24"));
	s = of("172.17.0.0/16");
	n = subnet_cut(&s, 20, 17);
	CHECK(streq(ip_net_text(&n, buf), "172.18.16.0/20"));
}

TEST(the_first_free_one_is_chosen)
{
	struct ip_net used[] = { of("172.17.0.0/16"), of("172.18.5.0/24"), of("10.89.0.0/24") }, s;
	char buf[IP_TEXT_MAX];

	CHECK(subnet_choose(true, used, ARRAY_LEN(used), &s, NULL) == 0);
	CHECK(streq(ip_net_text(&s, buf), "172.19.0.0/16"));
	CHECK(subnet_choose(false, used, ARRAY_LEN(used), &s, NULL) == 0);
	CHECK(streq(ip_net_text(&s, buf), "10.89.1.0/24"));
	used[0] = of("0.0.0.0/0");
	CHECK(subnet_choose(false, used, 1, &s, NULL) == -ENOSPC);
}

TEST(unique_local_ones_differ)
{
	struct ip_net a = subnet_unique_local(1), b = subnet_unique_local(2);
	char buf[IP_TEXT_MAX];

	CHECK(!subnet_overlaps(&a, &b));
	CHECK(streq(ip_net_text(&a, buf), "fd01::/64"));
}

TEST_MAIN()
