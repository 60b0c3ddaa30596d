#pragma once
/* What the files of nft share. */
#include "sys/nft.h"

/* Begins a message of nf_tables with the family's header. */
void nft_message(struct nlbuf *m, uint8_t family, uint16_t type, uint16_t flags, uint32_t seq);
/* NFTA_DATA_VALUE and NFTA_DATA_VERDICT inside attribute `attr`. */
void nft_put_value(struct nlbuf *m, uint16_t attr, const void *data, size_t len);
void nft_put_verdict(struct nlbuf *m, uint16_t attr, int32_t verdict, const char *chain);
/* One element of a list. */
void nft_put_elem(struct nlbuf *m, const struct nft_elem *el, bool is_key_only);
