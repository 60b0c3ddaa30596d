#include "net/ports.h"

#include <arpa/inet.h>

#include "base/err.h"
#include "base/str.h"

struct range {
	uint16_t first, last; /* 0, 0: none was given */
};

/* "80" or "80-90"; ports begin at 1. */
static int parse_range(const char *text, struct range *ret)
{
	AUTO_FREE char *copy = strdup(text);
	char *dash;
	uint64_t first, last;

	if (!copy)
		return -ENOMEM;
	dash = strchr(copy, '-');
	if (dash)
		*dash++ = '\0';
	if (str_to_u64(copy, UINT16_MAX, &first) < 0 ||
	    str_to_u64(dash ? dash : copy, UINT16_MAX, &last) < 0 || first == 0 || last < first)
		return -EINVAL;
	*ret = (struct range){ (uint16_t)first, (uint16_t)last };
	return 0;
}

static int parse_proto(const char *text, const char **ret, struct err *e)
{
	static const char *const known[] = { "tcp", "udp", "sctp" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcasecmp(text, known[i]) == 0) {
			*ret = known[i];
			return 0;
		}
	return err_set(e, -EINVAL, "invalid proto: %s", text);
}

static int add(struct net_publishes *list, const struct net_publish *p, struct arena *a,
	       struct err *e)
{
	if (list->n == NET_PUBLISH_MAX)
		return err_set(e, -E2BIG, "more than %d ports", NET_PUBLISH_MAX);
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 8;
		struct net_publish *v = arena_calloc(a, cap, sizeof(*v));

		if (!v)
			return err_sys(e, -ENOMEM, "published ports");
		if (list->n)
			memcpy(v, list->v, list->n * sizeof(*v));
		list->v = v;
		list->cap = cap;
	}
	list->v[list->n++] = *p;
	return 0;
}

/* One container port takes one of all host ports; as many as there are host ports take one each. */
static int add_range(struct net_publishes *list, const struct net_publish *like, struct range host,
		     struct range container, struct arena *a, struct err *e)
{
	unsigned int hosts = host.last - host.first, ports = container.last - container.first;
	struct net_publish p = *like;
	int r = 0;

	if (host.first && ports && hosts != ports)
		return err_set(
			e, -EINVAL,
			"invalid ranges specified for container and host Ports: %u-%u and %u-%u",
			container.first, container.last, host.first, host.last);
	for (unsigned int i = 0; r == 0 && i <= ports; i++) {
		p.container_port = (uint16_t)(container.first + i);
		p.host_first = (uint16_t)(host.first && ports ? host.first + i : host.first);
		p.host_last = ports ? p.host_first : host.last;
		r = add(list, &p, a, e);
	}
	return r;
}

/* Takes "PORTS[/PROTO]" apart; `text` is changed. */
static int parse_container(char *text, const char *whole, struct range *ret, const char **proto,
			   struct err *e)
{
	char *slash = strrchr(text, '/');
	int r;

	*proto = "tcp";
	if (slash) {
		*slash++ = '\0';
		r = *slash ? parse_proto(slash, proto, e) : 0;
		if (r < 0)
			return r;
	}
	if (!*text)
		return err_set(e, -EINVAL, "no port specified: %s<empty>", whole);
	if (parse_range(text, ret) < 0)
		return err_set(e, -EINVAL, "invalid containerPort: %s", text);
	return 0;
}

/* "HOST-IP:" in front; `*text` moves behind it. */
static int parse_host_ip(char **text, const char *whole, const char **ret, struct arena *a,
			 struct err *e)
{
	char *ip = *text, *end;
	uint8_t addr[16];

	if (*ip == '[') {
		ip++;
		end = strchr(ip, ']');
		if (!end || end[1] != ':')
			return err_set(e, -EINVAL, "invalid IP address: %s", whole);
		*end++ = '\0';
	} else {
		end = strchr(ip, ':');
	}
	*end = '\0';
	*text = end + 1;
	if (!*ip)
		return 0;
	if (inet_pton(AF_INET, ip, addr) != 1 && inet_pton(AF_INET6, ip, addr) != 1)
		return err_set(e, -EINVAL, "invalid IP address: %s", ip);
	*ret = arena_strdup(a, ip);
	return *ret ? 0 : err_sys(e, -ENOMEM, "published ports");
}

int net_publish_parse(const char *text, struct arena *a, struct net_publishes *list, struct err *e)
{
	AUTO_FREE char *copy = strdup(text);
	struct range host = { 0 }, container;
	struct net_publish p = { 0 };
	char *rest = copy, *colon;
	int r = copy ? 0 : err_sys(e, -ENOMEM, "published ports");

	/* An address stands in front when there are two colons, or brackets. */
	colon = copy ? strchr(copy, ':') : NULL;
	if (r == 0 && (*rest == '[' || (colon && strchr(colon + 1, ':'))))
		r = parse_host_ip(&rest, text, &p.host_ip, a, e);
	if (r < 0)
		return r;
	colon = strrchr(rest, ':');
	if (colon) {
		*colon = '\0';
		if (*rest && parse_range(rest, &host) < 0)
			return err_set(e, -EINVAL, "invalid hostPort: %s", rest);
		rest = colon + 1;
	}
	r = parse_container(rest, text, &container, &p.proto, e);
	return r < 0 ? r : add_range(list, &p, host, container, a, e);
}

int net_expose_parse(const char *text, struct arena *a, struct net_publishes *list, struct err *e)
{
	AUTO_FREE char *copy = strdup(text);
	struct net_publish p = { 0 };
	struct range container;
	int r = copy ? parse_container(copy, text, &container, &p.proto, e)
		     : err_sys(e, -ENOMEM, "exposed ports");

	return r < 0 ? r : add_range(list, &p, (struct range){ 0 }, container, a, e);
}
