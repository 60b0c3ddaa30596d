#pragma once
/*
 * Netlink: a socket in a network namespace, requests gathered and sent at once, attributes written and read.
 *
 * Requests are put into a batch of fixed size, which remembers the first thing that went wrong, and go out with one system
 * call; the kernel runs them in order, one after the other even when one fails, and every one is acknowledged. It does so
 * before send returns, so that nothing here ever waits for an answer.
 *
 * Not here: links, addresses, routes, queues (sys/rtnl.h). Answers are taken from the kernel only and checked for their
 * lengths. Nothing is allocated. Safe after fork: yes. Source: netlink(7), RFC 3549.
 */
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct netlink {
	int fd;
	uint32_t seq; /* the last one that was used */
};
#define NETLINK_NONE ((struct netlink){ .fd = -EBADF })

/*
 * Opens a socket of a protocol (NETLINK_ROUTE) in a namespace, or with -EBADF in the calling thread's own. The socket stays
 * in that namespace. -EPERM without CAP_SYS_ADMIN there.
 */
int netlink_open(int protocol, int netns_fd, struct netlink *ret, struct err *e);
void netlink_close(struct netlink *n);
#define AUTO_NETLINK CLEANUP(netlink_close)

/* One attachment needs some fifteen requests of at most 300 bytes. */
#define NETLINK_BATCH_MAX 64
#define NETLINK_BATCH_BYTES 8192

struct netlink_batch {
	struct netlink *n;
	int r;		 /* the first failure in building, 0 */
	uint32_t count;	 /* requests */
	size_t len;	 /* bytes in `buf` */
	size_t message;	 /* where the last request begins */
	uint32_t begins; /* sequence number before the first one */
	struct netlink_about {
		const char *verb,
			*name; /* for words: "create bridge", "cni0"; borrowed until the batch is sent */
		int tolerated; /* negative errno that is no failure, 0 */
	} about[NETLINK_BATCH_MAX];
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[NETLINK_BATCH_BYTES];
};

void netlink_begin(struct netlink_batch *b, struct netlink *n);
/* Begins a request with its fixed head; NLM_F_REQUEST and NLM_F_ACK are added. `name` may be NULL. */
void netlink_request(struct netlink_batch *b, uint16_t type, uint16_t flags, const void *head,
		     size_t head_len, const char *verb, const char *name);
/* An errno of the last request that is as good as success. */
void netlink_tolerate(struct netlink_batch *b, int r);
void netlink_put(struct netlink_batch *b, uint16_t type, const void *data, size_t len);
void netlink_put_u8(struct netlink_batch *b, uint16_t type, uint8_t v);
void netlink_put_u16(struct netlink_batch *b, uint16_t type, uint16_t v);
void netlink_put_u32(struct netlink_batch *b, uint16_t type, uint32_t v);
/* With its NUL */
void netlink_put_str(struct netlink_batch *b, uint16_t type, const char *s);
/* Nested attributes stand between the two; `nest` is what begin returned. */
size_t netlink_nest(struct netlink_batch *b, uint16_t type);
void netlink_nest_end(struct netlink_batch *b, size_t nest);
/* Bytes that are no attribute: the head of a nested request. */
void netlink_put_head(struct netlink_batch *b, const void *head, size_t len);

/*
 * Sends all and reads the acknowledgements. Returns the first failure: "create bridge 'cni0': Operation not supported", with
 * what the kernel says about it. Requests behind a failed one have been tried. The batch is empty afterwards.
 */
int netlink_send(struct netlink_batch *b, struct err *e);

/* One message of an answer. A negative return ends the reading and is what netlink_dump returns. */
typedef int netlink_each(void *data, const struct nlmsghdr *m, struct err *e);
/*
 * Sends the batch's only request and calls `each` for every message of the answer, at most `max`. -EAGAIN: the table changed
 * meanwhile and the answer may have holes; ask again.
 */
int netlink_dump(struct netlink_batch *b, size_t max, netlink_each *each, void *data,
		 struct err *e);

/* Sorts attributes by type; `ret[type]` is NULL for those that miss. Types above `max` are skipped, broken ones end it. */
void netlink_attrs(const void *p, size_t len, const struct nlattr **ret, size_t max);
/* Attributes behind a message's head of `head_len` bytes. */
void netlink_attrs_of(const struct nlmsghdr *m, size_t head_len, const struct nlattr **ret,
		      size_t max);
static inline const void *netlink_attr_data(const struct nlattr *a)
{
	return (const uint8_t *)a + NLA_HDRLEN;
}
static inline size_t netlink_attr_len(const struct nlattr *a)
{
	return a->nla_len - NLA_HDRLEN;
}
/* The fallback for an attribute that misses or has another length. */
uint32_t netlink_attr_u32(const struct nlattr *a, uint32_t fallback);
/* Copies a string, cut to the buffer; "" when it misses. */
void netlink_attr_str(const struct nlattr *a, char *buf, size_t size);
