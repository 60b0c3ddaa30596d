#pragma once
/*
 * Netlink messages of any number and size: a buffer that grows, numbers in nfnetlink's byte order, one exchange.
 *
 * Beside sys/netlink.h, whose batches have a fixed size and an acknowledgement for each request: a transaction of nftables is
 * acknowledged as a whole and may publish thousands of ports. Lengths are kept right with every append, so that the buffer
 * can be sent at any time. The first failed allocation is remembered; nl_exchange reports it.
 *
 * Not here: what any message means (nft, conntrack). Safe after fork: yes, while the parent had one thread.
 */
#include "base/str.h"
#include "sys/netlink.h"

struct err;

struct nlbuf {
	struct strbuf b;
	size_t head; /* where the last message begins */
};

static inline void nlbuf_done(struct nlbuf *m)
{
	strbuf_done(&m->b);
}
#define AUTO_NLBUF CLEANUP(nlbuf_done)

/* Begins a message; `body` is the family's fixed header. NLM_F_REQUEST is added to `flags`. */
void nl_begin(struct nlbuf *m, uint16_t type, uint16_t flags, uint32_t seq, const void *body,
	      size_t len);
/* Appends an attribute to the last message. */
void nl_put(struct nlbuf *m, uint16_t attr, const void *data, size_t len);
void nl_put_str(struct nlbuf *m, uint16_t attr, const char *s); /* with its NUL */
void nl_put_u8(struct nlbuf *m, uint16_t attr, uint8_t v);
void nl_put_u32(struct nlbuf *m, uint16_t attr, uint32_t v);
/* Big-endian, as nfnetlink has its numbers. */
void nl_put_be16(struct nlbuf *m, uint16_t attr, uint16_t v);
void nl_put_be32(struct nlbuf *m, uint16_t attr, uint32_t v);
void nl_put_be64(struct nlbuf *m, uint16_t attr, uint64_t v);
/* Opens a nested attribute; nl_nest_end closes it with what nl_nest returned. At most 65,535 bytes: the caller's care. */
size_t nl_nest(struct nlbuf *m, uint16_t attr);
void nl_nest_end(struct nlbuf *m, size_t nest);

/* The attributes of a received message behind a fixed header of `header` bytes, by number; those above `max` are skipped. */
static inline void nl_parse(const struct nlmsghdr *h, size_t header, const struct nlattr **ret,
			    size_t max)
{
	netlink_attrs_of(h, header, ret, max);
}
/* The same of a nested attribute. NULL: nothing. */
static inline void nl_parse_nested(const struct nlattr *nest, const struct nlattr **ret, size_t max)
{
	netlink_attrs(nest ? netlink_attr_data(nest) : NULL, nest ? netlink_attr_len(nest) : 0, ret,
		      max);
}
/* The next attribute of a nested one: NULL begins; NULL at the end. */
const struct nlattr *nl_next(const struct nlattr *nest, const struct nlattr *prev);

static inline const void *nl_data(const struct nlattr *a)
{
	return netlink_attr_data(a);
}
static inline size_t nl_len(const struct nlattr *a)
{
	return a ? netlink_attr_len(a) : 0;
}
/* 0 for an attribute that is not there or too short. */
uint32_t nl_get_be32(const struct nlattr *a);
uint16_t nl_get_be16(const struct nlattr *a);
uint64_t nl_get_be64(const struct nlattr *a);
/* The text when it has its NUL, else "". */
const char *nl_get_str(const struct nlattr *a);

/* A socket of NETLINK_NETFILTER in the caller's network namespace. The fd or -errno. */
int nl_open(struct err *e);

/* One received message. A negative result ends the calls, not the reading, and is what nl_exchange returns. */
typedef int (*nl_answer)(void *data, const struct nlmsghdr *h);

/*
 * Sends all messages of the buffer as one and hands every answer to `answer`, acknowledgements and errors (NLMSG_ERROR)
 * too. -EINTR: a dump was disturbed by a change, to be asked again; -ENOBUFS: answers were lost.
 */
int nl_exchange(int fd, struct nlbuf *m, nl_answer answer, void *data, struct err *e);
/* The negative errno of an NLMSG_ERROR, 0 for an acknowledgement and for other messages; -EBADMSG when it is too short. */
int nl_error(const struct nlmsghdr *h);
/* The kernel's own words for it, or NULL. They lie in the message. */
const char *nl_error_words(const struct nlmsghdr *h);
