#include "net/ports.h"

#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"

/* "ip:first-last:port/proto ..." of what was parsed. */
static const char *parsed(const char *text)
{
	static char buf[1024];
	AUTO_ARENA struct arena a = { 0 };
	struct net_publishes list = { 0 };
	struct err e = ERR_INIT;
	size_t len = 0;

	buf[0] = '\0';
	if (net_publish_parse(text, &a, &list, &e) < 0) {
		snprintf(buf, sizeof(buf), "%s", e.msg);
		return buf;
	}
	for (size_t i = 0; i < list.n; i++)
		len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%s%s:%u-%u:%u/%s",
					i ? " " : "", list.v[i].host_ip ? list.v[i].host_ip : "",
					list.v[i].host_first, list.v[i].host_last,
					list.v[i].container_port, list.v[i].proto);
	return buf;
}

TEST(all_forms_of_docker_are_read)
{
	CHECK_STR(parsed("80"), ":0-0:80/tcp");
	CHECK_STR(parsed("80/udp"), ":0-0:80/udp");
	CHECK_STR(parsed("8080:80"), ":8080-8080:80/tcp");
	CHECK_STR(parsed("8080:80/SCTP"), ":8080-8080:80/sctp");
	CHECK_STR(parsed("127.0.0.1:8080:80"), "127.0.0.1:8080-8080:80/tcp");
	CHECK_STR(parsed("127.0.0.1::80"), "127.0.0.1:0-0:80/tcp");
	CHECK_STR(parsed("[::1]:8080:80"), "::1:8080-8080:80/tcp");
	CHECK_STR(parsed("[::1]::80/udp"), "::1:0-0:80/udp");
	CHECK_STR(parsed(":80"), ":0-0:80/tcp");
}

TEST(ranges_pair_up_or_choose)
{
	CHECK_STR(parsed("8000-8001:80-81"), ":8000-8000:80/tcp :8001-8001:81/tcp");
	CHECK_STR(parsed("8000-8010:80"), ":8000-8010:80/tcp");
	CHECK_STR(parsed("80-81/udp"), ":0-0:80/udp :0-0:81/udp");
}

TEST(wrong_ones_have_docker_s_words)
{
	CHECK_STR(parsed("8000-8002:80-81"),
		  "invalid ranges specified for container and host Ports: 80-81 and 8000-8002");
	CHECK_STR(parsed("x:80"), "invalid hostPort: x");
	CHECK_STR(parsed("80:x"), "invalid containerPort: x");
	CHECK_STR(parsed("0"), "invalid containerPort: 0");
	CHECK_STR(parsed("65536"), "invalid containerPort: 65536");
	CHECK_STR(parsed("90-80"), "invalid containerPort: 90-80");
	CHECK_STR(parsed("80/x"), "invalid proto: x");
	CHECK_STR(parsed("8080:"), "no port specified: 8080:<empty>");
	CHECK_STR(parsed("300.0.0.1:1:2"), "invalid IP address: 300.0.0.1");
	CHECK_STR(parsed("[::1:80"), "invalid IP address: [::1:80");
	CHECK_STR(parsed("a:b:c:d"), "invalid IP address: a");
}

TEST_MAIN()
