/* host-local's ranges: what they mean when keys are left out, and the order in which their addresses are given out. */
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "net/plugin/priv.h"

/* Ranges of one set; the reference has no limit, people have one or two. */
#define RANGES_MAX 256

struct range_text {
	const char *subnet, *first, *last, *gateway;
};
static const struct json_field range_rows[] = {
	JSON_ROW(range_text, subnet, "subnet", JSON_STR, 0),
	JSON_ROW(range_text, first, "rangeStart", JSON_STR, 0),
	JSON_ROW(range_text, last, "rangeEnd", JSON_STR, 0),
	JSON_ROW(range_text, gateway, "gateway", JSON_STR, 0),
};
static JSON_TABLE(range_table, "range", range_text, range_rows);

static bool is_between(const struct range *r, const struct ip_addr *a)
{
	return ip_net_contains(&r->subnet, a) &&
	       (r->first.family == AF_UNSPEC || ip_addr_compare(a, &r->first) >= 0) &&
	       (r->last.family == AF_UNSPEC || ip_addr_compare(a, &r->last) <= 0);
}

static int read_subnet(const char *text, struct ip_net *ret, struct err *e)
{
	struct ip_addr first;
	char buf[IP_TEXT_MAX];

	if (!text || !*text || ip_net_parse(text, ret) < 0)
		return err_set(e, -EINVAL, "invalid subnet '%.60s'", text ? text : "");
	if (ret->prefix > ip_addr_bits(&ret->addr) - 2)
		return err_set(e, -EINVAL, "Network %s too small to allocate from", text);
	first = ip_net_first(ret);
	if (ip_addr_compare(&first, &ret->addr) != 0)
		return err_set(e, -EINVAL,
			       "Network has host bits set. For a subnet mask of length %u the "
			       "network address is %s",
			       ret->prefix, ip_addr_text(&first, buf));
	return 0;
}

/* An end of the range, or the fallback. */
static int read_end(const struct range *r, const char *text, const char *key,
		    struct ip_addr fallback, struct ip_addr *ret, struct err *e)
{
	char buf[IP_TEXT_MAX];

	*ret = fallback;
	if (!text || !*text)
		return 0;
	if (ip_addr_parse(text, ret) < 0)
		return err_set(e, -EINVAL, "%s '%.60s' is no address", key, text);
	if (!is_between(r, ret))
		return err_set(e, -EINVAL, "%s %s not in network %s", key, text,
			       ip_net_text(&r->subnet, buf));
	return 0;
}

static int complete_range(const struct range_text *t, struct range *r, struct err *e)
{
	struct ip_addr second, last;
	int ret;

	*r = (struct range){ 0 };
	ret = read_subnet(t->subnet, &r->subnet, e);
	if (ret < 0)
		return ret;
	second = r->subnet.addr;
	ip_addr_next(&second);
	last = ip_net_last(&r->subnet);
	if (ip_is_v4(&last))
		last.bytes[3]--; /* the broadcast address; no borrow, as it is odd */
	r->gateway = second;
	if (t->gateway && *t->gateway && ip_addr_parse(t->gateway, &r->gateway) < 0)
		return err_set(e, -EINVAL, "gateway '%.60s' is no address", t->gateway);
	ret = read_end(r, t->first, "RangeStart", second, &r->first, e);
	return ret < 0 ? ret : read_end(r, t->last, "RangeEnd", last, &r->last, e);
}

static bool ranges_overlap(const struct range *a, const struct range *b)
{
	return is_between(a, &b->first) || is_between(a, &b->last) || is_between(b, &a->first) ||
	       is_between(b, &a->last);
}

static int check_set(const struct range_set *s, struct err *e)
{
	char one[IP_TEXT_MAX], other[IP_TEXT_MAX];

	if (s->n == 0)
		return err_set(e, -EINVAL, "empty range set");
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < i; k++) {
			if (s->v[i].first.family != s->v[k].first.family)
				return err_set(e, -EINVAL, "mixed address families");
			if (ranges_overlap(&s->v[k], &s->v[i]))
				return err_set(e, -EINVAL, "subnets %s and %s overlap",
					       ip_net_text(&s->v[k].subnet, one),
					       ip_net_text(&s->v[i].subnet, other));
		}
	return 0;
}

int range_set_read(struct json_raw text, struct arena *a, struct range_set *ret, struct err *e)
{
	struct json_objs list;
	const struct range_text *texts;
	int r = json_read_array(&range_table, text.p, text.len, NULL, a, &list, e);

	if (r < 0)
		return r;
	if (list.n > RANGES_MAX)
		return err_set(e, -E2BIG, "more than %d ranges in a set", RANGES_MAX);
	ret->n = list.n;
	ret->v = arena_calloc(a, list.n + 1, sizeof(ret->v[0]));
	if (!ret->v)
		return err_set(e, -ENOMEM, "no memory for %zu ranges", list.n);
	texts = list.v;
	for (size_t i = 0; i < list.n && r == 0; i++)
		r = complete_range(&texts[i], &ret->v[i], e);
	return r < 0 ? r : check_set(ret, e);
}

const struct range *range_for(const struct range_set *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_between(&s->v[i], a))
			return &s->v[i];
	return NULL;
}

bool range_sets_overlap(const struct range_set *a, const struct range_set *b)
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < b->n; k++)
			if (ranges_overlap(&a->v[i], &b->v[k]))
				return true;
	return false;
}

const char *range_set_text(const struct range_set *s, char *buf, size_t size)
{
	char one[IP_TEXT_MAX], other[IP_TEXT_MAX];
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < s->n && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s-%s", i ? "," : "",
					ip_addr_text(&s->v[i].first, one),
					ip_addr_text(&s->v[i].last, other));
	return buf;
}

void range_walk_begin(struct range_walk *w, const struct range_set *s, const struct ip_addr *last)
{
	const struct range *r = last->family == AF_UNSPEC ? NULL : range_for(s, last);

	*w = (struct range_walk){ .set = s };
	if (!r)
		return;
	w->range = (size_t)(r - s->v);
	w->at = *last;
}

/* The place behind the current one, over the ends of ranges. */
static void step(struct range_walk *w)
{
	const struct range *r = &w->set->v[w->range];

	if (w->at.family == AF_UNSPEC) {
		w->at = r->first;
	} else if (ip_addr_compare(&w->at, &r->last) == 0) {
		w->range = (w->range + 1) % w->set->n;
		w->at = w->set->v[w->range].first;
	} else {
		ip_addr_next(&w->at);
	}
}

const struct range *range_walk_next(struct range_walk *w, struct ip_addr *ret)
{
	const struct range *r;

	do {
		step(w);
		if (w->began.family == AF_UNSPEC)
			w->began = w->at;
		else if (ip_addr_compare(&w->at, &w->began) == 0)
			return NULL;
		r = &w->set->v[w->range];
	} while (ip_addr_compare(&w->at, &r->gateway) == 0);
	*ret = w->at;
	return r;
}
