#include "sys/netlink.h"

#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "sys/ns.h"

/* The kernel fills at most this much of a dump at once (NLMSG_GOODSIZE grows to 32 KiB). */
#define ANSWER_BYTES 32768

static int open_socket(int protocol, struct err *e)
{
	static const int on = 1;
	struct sockaddr_nl own = { .nl_family = AF_NETLINK };
	AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return err_sys(e, -errno, "open netlink socket");
	/* Words in errors, and no copy of the request. Kernels without them (before 4.12, 4.3) do as well. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	/* Lists of one link's addresses instead of all (5.0). */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0)
		return err_sys(e, -errno, "bind netlink socket");
	return TAKE_FD(fd);
}

int netlink_open(int protocol, int netns_fd, struct netlink *ret, struct err *e)
{
	AUTO_NETNS back = -EBADF;
	int fd, r = netns_fd >= 0 ? ns_net_enter(netns_fd, &back, e) : 0;

	if (r < 0)
		return r;
	fd = open_socket(protocol, e);
	if (fd < 0)
		return fd;
	*ret = (struct netlink){ .fd = fd };
	return 0;
}

void netlink_close(struct netlink *n)
{
	if (n)
		fd_closep(&n->fd);
}

void netlink_begin(struct netlink_batch *b, struct netlink *n)
{
	b->n = n;
	b->r = 0;
	b->count = 0;
	b->len = b->message = 0;
}

/* Room for `len` bytes at the end, aligned and zeroed; NULL when the batch is full. */
static void *room(struct netlink_batch *b, size_t len)
{
	size_t all = NLMSG_ALIGN(len);
	void *p = b->buf + b->len;

	if (b->r == 0 && (len > NETLINK_BATCH_BYTES || all > NETLINK_BATCH_BYTES - b->len))
		b->r = -E2BIG;
	if (b->r < 0)
		return NULL;
	memset(p, 0, all);
	b->len += all;
	return p;
}

/* Lengths of the open request, counted anew behind every addition. */
static void grow_request(struct netlink_batch *b)
{
	struct nlmsghdr *m = (void *)(b->buf + b->message);

	m->nlmsg_len = (uint32_t)(b->len - b->message);
}

void netlink_request(struct netlink_batch *b, uint16_t type, uint16_t flags, const void *head,
		     size_t head_len, const char *verb, const char *name)
{
	size_t at = b->len;
	struct nlmsghdr *m;

	if (b->r == 0 && b->count == NETLINK_BATCH_MAX)
		b->r = -E2BIG;
	m = room(b, NLMSG_HDRLEN + head_len);
	if (!m)
		return;
	b->message = at;
	m->nlmsg_type = type;
	m->nlmsg_flags = flags | NLM_F_REQUEST | NLM_F_ACK;
	memcpy(NLMSG_DATA(m), head, head_len);
	grow_request(b);
	b->about[b->count++] = (struct netlink_about){ .verb = verb, .name = name };
}

void netlink_tolerate(struct netlink_batch *b, int r)
{
	if (b->r == 0 && b->count > 0)
		b->about[b->count - 1].tolerated = r;
}

void netlink_put_head(struct netlink_batch *b, const void *head, size_t len)
{
	void *p = room(b, len);

	if (!p)
		return;
	memcpy(p, head, len);
	grow_request(b);
}

void netlink_put(struct netlink_batch *b, uint16_t type, const void *data, size_t len)
{
	struct nlattr *a = room(b, NLA_HDRLEN + len);

	if (!a)
		return;
	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	if (len > 0)
		memcpy(a + 1, data, len);
	grow_request(b);
}

void netlink_put_u8(struct netlink_batch *b, uint16_t type, uint8_t v)
{
	netlink_put(b, type, &v, sizeof(v));
}

void netlink_put_u16(struct netlink_batch *b, uint16_t type, uint16_t v)
{
	netlink_put(b, type, &v, sizeof(v));
}

void netlink_put_u32(struct netlink_batch *b, uint16_t type, uint32_t v)
{
	netlink_put(b, type, &v, sizeof(v));
}

void netlink_put_str(struct netlink_batch *b, uint16_t type, const char *s)
{
	netlink_put(b, type, s, strlen(s) + 1);
}

size_t netlink_nest(struct netlink_batch *b, uint16_t type)
{
	size_t at = b->len;

	netlink_put(b, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void netlink_nest_end(struct netlink_batch *b, size_t nest)
{
	if (b->r == 0)
		((struct nlattr *)(void *)(b->buf + nest))->nla_len = (uint16_t)(b->len - nest);
}

/* -- answers -- */

/* One datagram from the kernel; others may write to the socket too. Returns its length. */
static ssize_t receive(struct netlink *n, void *buf, size_t size, struct err *e)
{
	struct sockaddr_nl from;

	for (;;) {
		struct iovec part = { buf, size };
		struct msghdr m = { .msg_name = &from,
				    .msg_namelen = sizeof(from),
				    .msg_iov = &part,
				    .msg_iovlen = 1 };
		ssize_t len = recvmsg(n->fd, &m, MSG_DONTWAIT);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return err_sys(e, -errno, "read the kernel's answer");
		if (m.msg_flags & MSG_TRUNC)
			return err_set(e, -EBADMSG, "the kernel's answer has more than %zu bytes",
				       size);
		if (m.msg_namelen == sizeof(from) && from.nl_pid == 0)
			return len;
	}
}

/* What the kernel says beside the errno, or "". */
static void words_of(const struct nlmsghdr *m, char *buf, size_t size)
{
	const struct nlattr *attrs[NLMSGERR_ATTR_MSG + 1];
	size_t head = sizeof(struct nlmsgerr);
	const struct nlmsgerr *answer = NLMSG_DATA(m);

	buf[0] = '\0';
	if (!(m->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(m->nlmsg_flags & NLM_F_CAPPED) && answer->msg.nlmsg_len > NLMSG_HDRLEN)
		head += NLMSG_ALIGN(answer->msg.nlmsg_len - NLMSG_HDRLEN);
	netlink_attrs_of(m, head, attrs, NLMSGERR_ATTR_MSG);
	netlink_attr_str(attrs[NLMSGERR_ATTR_MSG], buf, size);
}

static int tell(const struct netlink_about *about, const struct nlmsghdr *m, int r, struct err *e)
{
	char words[160];

	words_of(m, words, sizeof(words));
	return err_sys(e, r, "%s%s%s%s%s%s%s", about->verb, about->name ? " '" : "",
		       about->name ? about->name : "", about->name ? "'" : "", words[0] ? " (" : "",
		       words, words[0] ? ")" : "");
}

/* The request that an acknowledgement is for, or NULL. */
static const struct netlink_about *about_of(const struct netlink_batch *b, const struct nlmsghdr *m)
{
	uint32_t i = m->nlmsg_seq - b->begins - 1;

	return i < b->count ? &b->about[i] : NULL;
}

static bool is_whole(const struct nlmsghdr *m, size_t left)
{
	return left >= NLMSG_HDRLEN && m->nlmsg_len >= NLMSG_HDRLEN && m->nlmsg_len <= left;
}

static bool is_ack(const struct nlmsghdr *m)
{
	return m->nlmsg_type == NLMSG_ERROR &&
	       m->nlmsg_len >= NLMSG_HDRLEN + sizeof(((struct nlmsgerr *)NULL)->error);
}

/* Numbers are given at the end only, so that other batches may go over the same socket meanwhile. */
static void number_requests(struct netlink_batch *b)
{
	b->begins = b->n->seq;
	for (size_t at = 0; at < b->len;) {
		struct nlmsghdr *m = (void *)(b->buf + at);

		m->nlmsg_seq = ++b->n->seq;
		at += NLMSG_ALIGN(m->nlmsg_len);
	}
}

static int send_all(struct netlink_batch *b, struct err *e)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (b->r < 0)
		return err_set(e, b->r, "more than %d netlink requests or %d bytes at once",
			       NETLINK_BATCH_MAX, NETLINK_BATCH_BYTES);
	number_requests(b);
	if (sendto(b->n->fd, b->buf, b->len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return err_sys(e, -errno, "%s", b->count ? b->about[0].verb : "send to netlink");
	return 0;
}

/* Reads acknowledgements until each request has its own; the first failure is kept in `e`. */
static int read_acks(struct netlink_batch *b, struct err *e)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[2048];
	uint32_t left = b->count;
	int failed = 0;

	while (left > 0) {
		ssize_t len = receive(b->n, buf, sizeof(buf), e);
		const struct nlmsghdr *m = (const void *)buf;
		const struct netlink_about *about;
		int r;

		if (len < 0)
			return (int)len;
		if (!is_whole(m, (size_t)len) || !is_ack(m))
			continue;
		about = about_of(b, m);
		if (!about)
			continue;
		left--;
		r = ((const struct nlmsgerr *)NLMSG_DATA(m))->error;
		if (r < 0 && r != about->tolerated && failed == 0)
			failed = tell(about, m, r, e);
	}
	return failed;
}

int netlink_send(struct netlink_batch *b, struct err *e)
{
	int r;

	if (b->count == 0 && b->r == 0)
		return 0;
	r = send_all(b, e);
	if (r == 0)
		r = read_acks(b, e);
	netlink_begin(b, b->n);
	return r;
}

struct reading {
	struct netlink_batch *b;
	size_t left;
	netlink_each *each;
	void *data;
	int failed; /* the first failure; what follows is read and dropped, as the kernel refuses a second dump before */
};

/* The errno at an answer's end (acknowledgement or NLMSG_DONE, whose is optional). */
static int end_of(const struct netlink_batch *b, const struct nlmsghdr *m, struct err *e)
{
	int r = 0;

	if (m->nlmsg_len >= NLMSG_HDRLEN + sizeof(r))
		memcpy(&r, NLMSG_DATA(m), sizeof(r));
	return r < 0 && r != b->about[0].tolerated ? tell(&b->about[0], m, r, e) : 0;
}

static int read_message(struct reading *g, const struct nlmsghdr *m, struct err *e)
{
	const char *verb = g->b->about[0].verb;

	if (m->nlmsg_flags & NLM_F_DUMP_INTR)
		return err_set(e, -EAGAIN, "%s: the table changed meanwhile", verb);
	if (g->left == 0)
		return err_set(e, -E2BIG, "%s: too many", verb);
	g->left--;
	return g->each(g->data, m, e);
}

/* Reads one datagram's messages. True at the answer's end. */
static bool read_messages(struct reading *g, const uint8_t *buf, size_t len, struct err *e)
{
	const struct nlmsghdr *m = (const void *)buf;
	size_t step;

	for (; is_whole(m, len); len -= step, m = (const void *)((const uint8_t *)m + step)) {
		bool is_end = m->nlmsg_type == NLMSG_DONE || is_ack(m);

		step = MIN(len, (size_t)NLMSG_ALIGN(m->nlmsg_len));
		if (!about_of(g->b, m))
			continue;
		if (g->failed == 0)
			g->failed = is_end ? end_of(g->b, m, e) : read_message(g, m, e);
		if (is_end)
			return true;
	}
	return false;
}

int netlink_dump(struct netlink_batch *b, size_t max, netlink_each *each, void *data, struct err *e)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[ANSWER_BYTES];
	struct reading g = { b, max, each, data, send_all(b, e) };
	bool is_end = g.failed < 0;

	ASSERT(b->count == 1 || b->r < 0);
	while (!is_end) {
		ssize_t len = receive(b->n, buf, sizeof(buf), e);

		if (len < 0 && g.failed == 0)
			g.failed = (int)len;
		is_end = len < 0 || read_messages(&g, buf, (size_t)len, e);
	}
	netlink_begin(b, b->n);
	return g.failed;
}

/* -- attributes -- */

void netlink_attrs(const void *p, size_t len, const struct nlattr **ret, size_t max)
{
	const struct nlattr *a = p;

	memset(ret, 0, (max + 1) * sizeof(ret[0]));
	while (len >= NLA_HDRLEN && a->nla_len >= NLA_HDRLEN && a->nla_len <= len) {
		size_t step = MIN(len, (size_t)NLA_ALIGN(a->nla_len));

		if ((a->nla_type & NLA_TYPE_MASK) <= max)
			ret[a->nla_type & NLA_TYPE_MASK] = a;
		len -= step;
		a = (const void *)((const uint8_t *)a + step);
	}
}

void netlink_attrs_of(const struct nlmsghdr *m, size_t head_len, const struct nlattr **ret,
		      size_t max)
{
	size_t head = NLMSG_HDRLEN + NLMSG_ALIGN(head_len);

	netlink_attrs((const uint8_t *)m + head, m->nlmsg_len > head ? m->nlmsg_len - head : 0, ret,
		      max);
}

uint32_t netlink_attr_u32(const struct nlattr *a, uint32_t fallback)
{
	uint32_t v;

	if (!a || netlink_attr_len(a) != sizeof(v))
		return fallback;
	memcpy(&v, netlink_attr_data(a), sizeof(v));
	return v;
}

void netlink_attr_str(const struct nlattr *a, char *buf, size_t size)
{
	size_t len = a ? strnlen(netlink_attr_data(a), netlink_attr_len(a)) : 0;

	len = MIN(len, size - 1);
	if (len > 0)
		memcpy(buf, netlink_attr_data(a), len);
	buf[len] = '\0';
}
