#include "spec/proxy.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <strings.h>

#include "base/str.h"

#define NAME_MAX_BYTES 300
#define V4_MAPPED_BITS 96

/* A host and a port taken apart; addresses as 16 bytes, IPv4 as ::ffff:a.b.c.d. */
struct place {
	char name[NAME_MAX_BYTES]; /* without brackets */
	char port[8];		   /* "" without one */
	unsigned char ip[16];
	bool is_ip;
};

static bool parse_ip(const char *s, unsigned char ip[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET6, s, ip) == 1)
		return true;
	if (inet_pton(AF_INET, s, ip + 12) != 1)
		return false;
	memcpy(ip, mapped, sizeof(mapped));
	return true;
}

/* "name", "name:port", "[v6]", "[v6]:port", "v6". */
static bool parse_place(const char *s, size_t len, struct place *ret)
{
	char text[NAME_MAX_BYTES], *name = text, *port = NULL, *colon;

	*ret = (struct place){ 0 };
	if (len == 0 || len >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)len, s);
	if (*text == '[') {
		char *end = strchr(text, ']');

		if (!end)
			return false;
		name = text + 1;
		*end = '\0';
		port = end[1] == ':' ? end + 2 : NULL;
	} else if ((colon = strchr(text, ':')) && !strchr(colon + 1, ':')) {
		*colon = '\0';
		port = colon + 1;
	}
	if (port && strlen(port) >= sizeof(ret->port))
		return false;
	snprintf(ret->port, sizeof(ret->port), "%s", port ? port : "");
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->is_ip = parse_ip(ret->name, ret->ip);
	return true;
}

static bool is_loopback(const struct place *p)
{
	static const unsigned char one[16] = { [15] = 1 },
				   mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (!p->is_ip)
		return strcasecmp(p->name, "localhost") == 0;
	return memcmp(p->ip, one, sizeof(one)) == 0 ||
	       (memcmp(p->ip, mapped, sizeof(mapped)) == 0 && p->ip[12] == 127);
}

/* "10.0.0.0/8" */
static bool is_in_net(const char *s, size_t len, const struct place *p)
{
	const char *slash = memchr(s, '/', len);
	struct place net;
	char number[4];
	size_t digits;
	int64_t bits;

	if (!slash || !parse_place(s, (size_t)(slash - s), &net) || !net.is_ip || !p->is_ip)
		return false;
	digits = len - (size_t)(slash - s) - 1;
	if (digits == 0 || digits >= sizeof(number))
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)digits, slash + 1);
	if (str_to_i64(number, 0, 128, &bits) < 0)
		return false;
	if (!strchr(net.name, ':'))
		bits += V4_MAPPED_BITS;
	if (bits > 128 || memcmp(net.ip, p->ip, (size_t)bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (net.ip[bits / 8] ^ p->ip[bits / 8]) >> (8 - bits % 8) == 0;
}

static bool is_below(const char *name, const char *domain)
{
	size_t n = strlen(name), m = strlen(domain);

	return n > m && name[n - m - 1] == '.' && strcasecmp(name + n - m, domain) == 0;
}

static bool matches(const char *s, size_t len, const struct place *p)
{
	bool is_below_only = false;
	struct place rule;

	if (len == 1 && *s == '*')
		return true;
	if (memchr(s, '/', len))
		return is_in_net(s, len, p);
	if (len > 2 && s[0] == '*' && s[1] == '.')
		s++, len--;
	if (*s == '.') {
		is_below_only = true;
		s++, len--;
	}
	if (!parse_place(s, len, &rule) || (*rule.port && !streq(rule.port, p->port)))
		return false;
	if (rule.is_ip)
		return p->is_ip && memcmp(rule.ip, p->ip, sizeof(rule.ip)) == 0;
	return !p->is_ip && (is_below(p->name, rule.name) ||
			     (!is_below_only && strcasecmp(p->name, rule.name) == 0));
}

static bool is_exempt(const char *list, const struct place *p)
{
	while (list && *list) {
		size_t len;

		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len > 0 && matches(list, len, p))
			return true;
		list += len;
	}
	return false;
}

const char *proxy_for(const struct proxy_rules *rules, const char *url)
{
	const char *rest = str_skip(url, "https://"), *proxy = rules->https, *port = "443";
	struct place p;

	if (!rest) {
		rest = str_skip(url, "http://");
		proxy = rules->http;
		port = "80";
	}
	if (!rest || !proxy || !*proxy || !parse_place(rest, strcspn(rest, "/?#"), &p))
		return NULL;
	if (!*p.port)
		snprintf(p.port, sizeof(p.port), "%s", port);
	return is_loopback(&p) || is_exempt(rules->none, &p) ? NULL : proxy;
}

const char *proxy_display(const char *proxy, char buf[PROXY_TEXT_MAX])
{
	const char *scheme = strstr(proxy, "://"), *at = strrchr(proxy, '@');
	size_t n = scheme ? (size_t)(scheme - proxy) + 3 : 0;

	snprintf(buf, PROXY_TEXT_MAX, "%.*s%s%s", (int)n, proxy, at ? "…@" : "",
		 at ? at + 1 : proxy + n);
	return buf;
}
