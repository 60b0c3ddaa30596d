#pragma once
/*
 * What marking leaves for sweeping: every image, blob row and snapshot as a node, marked or not.
 * Lives in its own arena for one try of one collection.
 */
#include "store/internal.h"

enum node_kind { NODE_CONTENT, NODE_SNAPSHOT, NODE_IMAGE };

struct edge {
	struct node *to;
	struct edge *next;
};

struct node {
	enum node_kind kind;
	bool is_marked, is_expired;
	const char *ns, *name;
	const char *target; /* an image's digest, a snapshot's parent key */
	int64_t id, size, stamp;
	struct json_map labels;
	/* Nodes that name this one by a gc.bref label: followed as if this one named them. */
	struct edge *back;
	struct node *next_in_bucket, *next_to_follow;
};

struct node_list {
	struct node *v;
	size_t n;
};

struct gc {
	struct store *s;
	struct arena a;
	struct node_list lists[3]; /* by kind */
	struct node **buckets;
	size_t buckets_n; /* a power of two */
	struct node *to_follow;
	int64_t now_ns, version;
	struct err *e;
	int r; /* the first failure while marking */
};

/*
 * Reads everything and marks what is in use; in an open transaction, so that it sees one state. Labels and
 * records that cannot be read are errors: better to keep all than to lose what they meant.
 */
int gc_mark(struct gc *g);
/* PRAGMA data_version: another value means that another connection has committed. 1 or -errno. */
int gc_read_version(struct gc *g, int64_t *ret);
