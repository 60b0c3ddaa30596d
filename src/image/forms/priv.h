#pragma once
/* Inside forms/: the pack role's other end, views of snapshots, and images that a role composes. Safe after fork: no. */
#include "image/forms/forms.h"
#include "image/priv.h"
#include "spec/compose_setup.h"
#include "spec/pack_setup.h"

/* ---- pack.c ---- */
struct pack_job {
	struct pack_setup setup;
	int folder;	 /* what is packed */
	int base;	 /* below it, with setup.has_base */
	int archive;	 /* with setup.has_archive */
	int listing;	 /* with setup.has_listing */
	bool is_patient; /* the archive goes to somebody who may be slow */
	image_progress_fn progress;
	void *progress_data;
	const char *what; /* for the progress */
	image_change_fn changed;
	void *changed_data;
};
struct packed {
	char digest[DIGEST_TEXT_MAX], diff_id[DIGEST_TEXT_MAX]; /* "" unless setup.is_hashed */
	int64_t size, content_size;
};
/* Two halves, so that another worker may read what it writes. */
int pack_start(const struct pack_job *j, struct worker *ret, struct err *e);
int pack_finish(const struct pack_job *j, struct worker *w, struct packed *ret, struct err *e);
int pack(const struct pack_job *j, struct packed *ret, struct err *e);

/* Leaves out what the runtime made in a container's folder. */
void pack_skip_mount_points(struct pack_setup *setup);

/* ---- view.c ---- */
/*
 * Folders upon each other as a read-only mount that nobody else sees, topmost first; it goes with its descriptor.
 * No folder: an empty one.
 */
int view_open(const struct json_strs *folders, struct err *e);
/* What a committed snapshot looks like ("": nothing at all). */
int view_open_committed(struct store *s, const char *ns, const char *key, struct err *e);
/* What an active one looks like, and, unless NULL, what is below it. `*ret_upper`: its own folder. */
struct snapshot_view {
	bool is_overlay; /* `upper` has only the differences */
	int upper, below, whole;
};
/* Opens what is asked for: `below` for comparing, `whole` for everything. */
int view_open_active(struct store *s, const char *ns, const char *key, bool with_below,
		     bool with_whole, struct snapshot_view *ret, struct err *e);
void view_close(struct snapshot_view *v);
#define AUTO_VIEW CLEANUP(view_close) struct snapshot_view

/* ---- compose.c ---- */
/*
 * Has the role write config and manifest, and names them. `ret_id` is in the arena. Ends the work on success. With
 * `is_import` its bytes came from outside: the policy is asked, and they are unpacked at once, which is where a damaged
 * archive shows.
 */
int compose(struct image_work *w, const struct compose_setup *setup,
	    const struct image_record *base, bool is_import, struct arena *a, const char **ret_id,
	    struct err *e);
/* From the options; `layer` may have no digest: then there is no new layer. */
int compose_fill(struct compose_setup *setup, const struct image_new_options *o, struct arena *a,
		 struct err *e);
/* A worker's new content under the work's lease. */
int forms_keep_blob(struct image_work *w, struct ingest **ingest, const char *digest, int64_t size,
		    struct err *e);
/* SOURCE_DATE_EPOCH in seconds, or 0. */
int64_t forms_epoch(void);

/* ---- new.c ---- */
/* An image of the base and a layer that the job makes; `setup` needs kind and base only. */
int forms_image_of_folder(struct store *s, const char *ns, const struct image_record *base,
			  struct pack_job *j, const struct image_new_options *o, struct arena *a,
			  const char **ret_id, struct err *e);

/* ---- history.c ---- */
/* The manifest's media type, by its own word, and its size. */
int forms_manifest_type(struct store *s, const struct image_record *rec, struct arena *a,
			const char **ret_type, int64_t *ret_size, struct err *e);
