#pragma once
/* A sandbox's names told to corten-dns (net/dns). Inside the room only. */
#include "net/sandbox.h"

/* Makes the names known and gives the container its server; again after each change. */
int net_names_attach(const struct net *n, const struct net_sandbox *s, int netns_fd,
		     const char *netns_path, struct err *e);
/* Never fails: what cannot be told now is dropped by the server, which looks whether the container lives. */
void net_names_detach(const struct net *n, const struct net_sandbox *s);
