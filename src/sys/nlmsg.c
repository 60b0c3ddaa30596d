#include "sys/nlmsg.h"

#include <arpa/inet.h>
#include <endian.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"

/* What a kernel sends at most in one piece of a dump (netlink_dump). */
#define RECEIVE_MAX 32768
/* Room for a batch beyond the default of a socket (some 200 kB): thousands of published ports. */
#define SEND_ROOM (16 << 20)
#define SEND_DEFAULT ((size_t)64 << 10)

#define ALIGNED(n) (((n) + 3U) & ~3U)

static void append(struct nlbuf *m, const void *data, size_t len)
{
	static const char zeros[4];
	struct nlmsghdr *h;

	strbuf_add(&m->b, data, len);
	strbuf_add(&m->b, zeros, ALIGNED(len) - len);
	if (m->b.is_out)
		return;
	h = (void *)(m->b.p + m->head);
	h->nlmsg_len = (uint32_t)(m->b.len - m->head);
}

void nl_begin(struct nlbuf *m, uint16_t type, uint16_t flags, uint32_t seq, const void *body,
	      size_t len)
{
	struct nlmsghdr h = { sizeof(h), type, flags | NLM_F_REQUEST, seq, 0 };

	m->head = m->b.len;
	append(m, &h, sizeof(h));
	append(m, body, len);
}

void nl_put(struct nlbuf *m, uint16_t attr, const void *data, size_t len)
{
	struct nlattr a = { (uint16_t)(sizeof(a) + len), attr };

	ASSERT(sizeof(a) + len <= UINT16_MAX);
	append(m, &a, sizeof(a));
	append(m, data, len);
}

void nl_put_str(struct nlbuf *m, uint16_t attr, const char *s)
{
	nl_put(m, attr, s, strlen(s) + 1);
}
void nl_put_u8(struct nlbuf *m, uint16_t attr, uint8_t v)
{
	nl_put(m, attr, &v, sizeof(v));
}
void nl_put_u32(struct nlbuf *m, uint16_t attr, uint32_t v)
{
	nl_put(m, attr, &v, sizeof(v));
}
void nl_put_be16(struct nlbuf *m, uint16_t attr, uint16_t v)
{
	v = htons(v);
	nl_put(m, attr, &v, sizeof(v));
}
void nl_put_be32(struct nlbuf *m, uint16_t attr, uint32_t v)
{
	nl_put_u32(m, attr, htonl(v));
}
void nl_put_be64(struct nlbuf *m, uint16_t attr, uint64_t v)
{
	v = htobe64(v);
	nl_put(m, attr, &v, sizeof(v));
}

size_t nl_nest(struct nlbuf *m, uint16_t attr)
{
	size_t at = m->b.len;

	nl_put(m, attr | NLA_F_NESTED, NULL, 0);
	return at;
}

void nl_nest_end(struct nlbuf *m, size_t nest)
{
	struct nlattr *a;

	if (m->b.is_out)
		return;
	ASSERT(m->b.len - nest <= UINT16_MAX);
	a = (void *)(m->b.p + nest);
	a->nla_len = (uint16_t)(m->b.len - nest);
}

/* The attribute at `p`, or NULL when there is none that fits before `end`. */
static const struct nlattr *attr_at(const char *p, const char *end)
{
	const struct nlattr *a = (const void *)p;

	if (p > end || (size_t)(end - p) < sizeof(*a) || a->nla_len < sizeof(*a) ||
	    a->nla_len > end - p)
		return NULL;
	return a;
}

const struct nlattr *nl_next(const struct nlattr *nest, const struct nlattr *prev)
{
	const char *p = prev ? (const char *)prev + ALIGNED(prev->nla_len) : nl_data(nest);

	return attr_at(p, (const char *)nest + nest->nla_len);
}

static void get(const struct nlattr *a, void *ret, size_t len)
{
	memset(ret, 0, len);
	if (nl_len(a) >= len)
		memcpy(ret, nl_data(a), len);
}
uint32_t nl_get_be32(const struct nlattr *a)
{
	uint32_t v;

	get(a, &v, sizeof(v));
	return ntohl(v);
}
uint16_t nl_get_be16(const struct nlattr *a)
{
	uint16_t v;

	get(a, &v, sizeof(v));
	return ntohs(v);
}
uint64_t nl_get_be64(const struct nlattr *a)
{
	uint64_t v;

	get(a, &v, sizeof(v));
	return be64toh(v);
}
const char *nl_get_str(const struct nlattr *a)
{
	return nl_len(a) && memchr(nl_data(a), '\0', nl_len(a)) ? nl_data(a) : "";
}

int nl_open(struct err *e)
{
	struct netlink n = NETLINK_NONE;
	int r = netlink_open(NETLINK_NETFILTER, -EBADF, &n, e);

	return r < 0 ? r : n.fd;
}

int nl_error(const struct nlmsghdr *h)
{
	const struct nlmsgerr *er = NLMSG_DATA(h);

	if (h->nlmsg_type != NLMSG_ERROR)
		return 0;
	return h->nlmsg_len < NLMSG_LENGTH(sizeof(*er)) ? -EBADMSG : er->error;
}

const char *nl_error_words(const struct nlmsghdr *h)
{
	const struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1];

	if (nl_error(h) == 0 || !(h->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    !(h->nlmsg_flags & NLM_F_CAPPED))
		return NULL;
	nl_parse(h, sizeof(struct nlmsgerr), attrs, NLMSGERR_ATTR_MAX);
	return attrs[NLMSGERR_ATTR_MSG] ? nl_get_str(attrs[NLMSGERR_ATTR_MSG]) : NULL;
}

static int send_all(int fd, struct nlbuf *m, struct err *e)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int room = SEND_ROOM;

	if (strbuf_ok(&m->b) < 0)
		return err_set(e, -ENOMEM, "out of memory for netlink messages");
	if (m->b.len > SEND_DEFAULT)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	while (sendto(fd, m->b.p, m->b.len, 0, (void *)&kernel, sizeof(kernel)) < 0)
		if (errno != EINTR)
			return err_sys(e, -errno, "send %zu bytes of netlink", m->b.len);
	return 0;
}

int nl_exchange(int fd, struct nlbuf *m, nl_answer answer, void *data, struct err *e)
{
	char buf[RECEIVE_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool was_disturbed = false;
	int r = send_all(fd, m, e);
	ssize_t n;

	if (r < 0)
		return r;
	for (;;) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, -errno, "receive from netlink");
		if ((size_t)n > sizeof(buf))
			return err_set(e, -EMSGSIZE, "an answer of netlink has %zd bytes", n);
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			was_disturbed |= h->nlmsg_flags & NLM_F_DUMP_INTR;
			if (r == 0 && h->nlmsg_type != NLMSG_DONE)
				r = answer(data, h);
		}
	}
	return r < 0 ? r : was_disturbed ? -EINTR : 0;
}
