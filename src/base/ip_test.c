#include "base/ip.h"

#include <errno.h>

#include "base/test.h"

static const char *again(const char *s)
{
	static char buf[IP_TEXT_MAX];
	struct ip_net n;

	if (ip_net_parse_loose(s, &n) < 0)
		return "refused";
	return strchr(s, '/') ? ip_net_text(&n, buf) : ip_addr_text(&n.addr, buf);
}

TEST(what_is_parsed_is_printed_in_its_shortest_form)
{
	CHECK_STR(again("10.1.0.5/16"), "10.1.0.5/16");
	CHECK_STR(again("10.1.0.5"), "10.1.0.5");
	CHECK_STR(again("2001:DB8:0:0::1/64"), "2001:db8::1/64");
	CHECK_STR(again("::/0"), "::/0");
	CHECK_STR(again("::ffff:10.0.0.1"), "10.0.0.1");
}

TEST(what_is_no_address_is_refused)
{
	static const char *const wrong[] = {
		"",	     "10.0.0",	    "10.0.0.256",	"10.0.0.1/33", "10.0.0.1/",
		"/8",	     "::1/129",	    "fe80::1%eth0",	"010.0.0.1",   "10.0.0.1/+8",
		" 10.0.0.1", "10.0.0.1/8 ", "1:2:3:4:5:6:7:8:9"
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK_STR(again(wrong[i]), "refused");
}

TEST(a_network_needs_its_length)
{
	struct ip_net n;

	CHECK_EQ(ip_net_parse("10.0.0.1", &n), -EINVAL);
	CHECK_EQ(ip_net_parse_loose("10.0.0.1", &n), 0);
	CHECK_EQ(n.prefix, 32);
	CHECK_EQ(ip_net_parse_loose("::1", &n), 0);
	CHECK_EQ(n.prefix, 128);
}

TEST(counting_carries_over_bytes)
{
	struct ip_addr a;
	char buf[IP_TEXT_MAX];

	CHECK_EQ(ip_addr_parse("10.0.255.255", &a), 0);
	ip_addr_next(&a);
	CHECK_STR(ip_addr_text(&a, buf), "10.1.0.0");
	CHECK_EQ(ip_addr_parse("2001:db8::ffff", &a), 0);
	ip_addr_next(&a);
	CHECK_STR(ip_addr_text(&a, buf), "2001:db8::1:0");
}

TEST(a_network_has_first_last_and_members)
{
	struct ip_net n;
	struct ip_addr a;
	char buf[IP_TEXT_MAX];

	CHECK_EQ(ip_net_parse("10.1.37.5/20", &n), 0);
	a = ip_net_first(&n);
	CHECK_STR(ip_addr_text(&a, buf), "10.1.32.0");
	CHECK(ip_net_contains(&n, &a));
	a = ip_net_last(&n);
	CHECK_STR(ip_addr_text(&a, buf), "10.1.47.255");
	CHECK(ip_net_contains(&n, &a));
	ip_addr_next(&a);
	CHECK(!ip_net_contains(&n, &a));
	CHECK_EQ(ip_addr_parse("::1", &a), 0);
	CHECK(!ip_net_contains(&n, &a));
}

TEST(only_global_addresses_are_global)
{
	static const struct {
		const char *text;
		bool is_global;
	} rows[] = { { "10.0.0.1", true },    { "127.0.0.1", false }, { "169.254.1.1", false },
		     { "224.0.0.1", false },  { "0.0.0.0", false },   { "255.255.255.255", false },
		     { "2001:db8::1", true }, { "fe80::1", false },   { "ff02::1", false },
		     { "::1", false },	      { "fd00::1", true } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_addr a;

		CHECK_EQ(ip_addr_parse(rows[i].text, &a), 0);
		CHECK_EQ(ip_addr_is_global(&a), rows[i].is_global);
	}
}

TEST(macs_have_six_bytes_and_one_separator)
{
	uint8_t mac[MAC_LEN];
	char buf[MAC_TEXT_MAX];

	CHECK_EQ(mac_parse("02:42:AC:11:00:fe", mac), 0);
	CHECK_STR(mac_text(mac, buf), "02:42:ac:11:00:fe");
	CHECK_EQ(mac_parse("02-42-ac-11-00-fe", mac), 0);
	CHECK_EQ(mac_parse("02-42:ac-11-00-fe", mac), -EINVAL);
	CHECK_EQ(mac_parse("02:42:ac:11:00", mac), -EINVAL);
	CHECK_EQ(mac_parse("02:42:ac:11:00:fg", mac), -EINVAL);
}

TEST_MAIN()
