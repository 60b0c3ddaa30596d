#pragma once
/* What `image prune` and `system prune` share. */
struct err;
struct image_prune_options;
struct image_pruned;

/* until=, label=, label!=, dangling=. The lists in `ret` are the caller's (strv). -EINVAL. */
int prune_filters(char *const *filters, struct image_prune_options *ret, struct err *e);
/* "Deleted Images:" and a line for each; nothing when there is none. */
void prune_print(const struct image_pruned *p);
