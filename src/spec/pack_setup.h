#pragma once
/*
 * What the pack role is told: which kind of folder it has, what it makes of it, and how that is compressed. Is not:
 * the folders and files themselves, which are descriptors (spec/worker_protocol.h). Safe after fork: yes.
 */
#include "codec/json.h"

struct pack_setup {
	int64_t kind;	     /* enum pack_kind */
	int64_t compression; /* enum layer_compression */
	bool has_base; /* WORKER_BASE_FD is a folder, or a listing that the role wrote once: only what differs */
	bool has_archive; /* WORKER_ARCHIVE_FD gets the archive; without, changes are only told */
	bool has_listing; /* WORKER_LIST_FD gets a listing of what is in the folder */
	bool is_told;	  /* WORKER_CHANGE for everything that differs */
	bool is_hashed;	  /* digests are wanted */
	bool is_layer;	  /* names that would be whiteouts are refused */
	struct json_strs
		skipped; /* paths that do not count when nothing is below them: what was made to mount upon */
	int64_t time_max_s; /* no later mtime (SOURCE_DATE_EPOCH); 0: none */
};

enum pack_kind {
	PACK_TREE = 1, /* a folder as it is */
	PACK_OVERLAY,  /* an overlay's upper folder: devices 0:0 and xattrs are its whiteouts */
};

extern const struct json_table pack_setup_table;
