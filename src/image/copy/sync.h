#pragma once
/* Inside copy/: lists of images to be copied one by one. Safe after fork: no. Form: skopeo-sync(1). */
#include <regex.h>

#include "image/copy/copy.h"

#define SYNC_IMAGES_MAX 65536
/* Names in one folder; folders in folders. */
#define SYNC_NAMES_MAX 65536
#define SYNC_DEPTH_MAX 32
#define SYNC_FILE_MAX ((size_t)1 << 20)

struct sync_list {
	const struct image_remote_options *o;
	struct arena *a;
	struct image_sync_item *v; /* malloc'ed */
	size_t n, cap;
};
int sync_add(struct sync_list *l, const char *from, const char *suffix,
	     const struct image_access *access, struct err *e);
int sync_add_ref(struct sync_list *l, const struct ref *ref, const struct image_access *access,
		 struct err *e);
/* All tags of a repository, or those that the pattern fits. */
int sync_add_tags(struct sync_list *l, const char *repository, const struct image_access *access,
		  const regex_t *pattern, struct err *e);
/* sync_file.c: what a file of registries lists. */
int sync_list_file(struct sync_list *l, const char *path, struct err *e);
