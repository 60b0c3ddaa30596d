#pragma once
/* The little rtnetlink that a container's start needs. Safe after fork: yes (no allocation). */
struct err;

/* Sets the link of that index up in the caller's network namespace; the loopback of a new one is 1. */
int netlink_link_up(int ifindex, struct err *e);
