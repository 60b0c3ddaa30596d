#pragma once
/*
 * The parse role's inside: the entries of an image archive, and what makes images of them.
 *
 * While the archive streams by, every file that may become content is hashed and written to a file of the
 * parent's; texts that look like JSON are also kept in memory, within a budget. Afterwards the entries are
 * looked up by name. Safe after fork: no.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "spec/image.h"
#include "spec/image_record.h"

struct err;
struct inflate;

struct parse_entry {
	const char *name; /* cleaned */
	const char *link; /* an alias of that entry (a link in the archive), or NULL */
	const char *text; /* kept; NULL when not */
	char digest[DIGEST_TEXT_MAX];
	int64_t size;
	uint32_t order;
	uint8_t compression; /* enum layer_compression */
	bool is_stored;	     /* the parent has it */
};

struct parse_platform {
	char os[64], architecture[64];
	int variant; /* v8: 8; 0: none was named */
};

/* Whom the role works for: the parent behind the control channel, or a test. */
struct parse;
struct parse_peer {
	int (*open)(struct parse *p, uint64_t index,
		    struct err *e); /* a writable file; fd or -errno */
	int (*entry)(struct parse *p, uint64_t index, int64_t size, const char *digest,
		     struct err *e);
	int (*image)(struct parse *p, const char *json, size_t len, struct err *e);
};

/* The parent behind the control channel. */
extern const struct parse_peer parse_parent;

struct parse {
	const struct parse_peer *peer;
	struct parse_platform platform;
	const char *wanted; /* the one image, by its tag or name as the archive has it; NULL: all */
	struct arena a;
	struct parse_entry *entries; /* in the end sorted by name, later ones last */
	size_t n, cap;
	size_t kept; /* bytes of texts */
	uint64_t next_index;
	uint64_t images; /* sent to the parent */
	char found[256]; /* platforms that were not wanted, for the error */
};

/* Docker archives of many images have three files a layer. */
#define PARSE_ENTRIES_MAX 16384
/* Manifests and configs of everything in one archive together. */
#define PARSE_KEPT_MAX ((size_t)20 << 20)
/* What the reading of one image may take. */
#define PARSE_IMAGE_BUDGET ((size_t)24 << 20)

/* ---- parse_entries.c ---- */
/* Reads the archive to its end. */
int parse_entries_read(struct parse *p, struct inflate *source, struct err *e);
/* The last entry of that name, links followed; NULL when there is none. */
const struct parse_entry *parse_find(struct parse *p, const char *name);
/* The entry that the archive has in a blob's place; a link there may lead to another digest. */
const struct parse_entry *parse_find_blob(struct parse *p, const char *digest);
/* The text of an entry, or an error that says why it was not kept. `what` is for the words. */
int parse_text(const struct parse_entry *entry, const char *what, struct err *e);
/* Hands bytes to the parent as content. */
int parse_write_blob(struct parse *p, const char *text, size_t len, char digest[DIGEST_TEXT_MAX],
		     struct err *e);

/* ---- parse_image.c ---- */
/* 0: not for us; otherwise 1 and up, less is better. Missing architecture matches. */
int parse_rank(const struct parse_platform *want, const char *os, const char *architecture,
	       const char *variant);
/* A manifest or an index by type, and nothing that is never run. */
bool parse_is_document(const struct oci_descriptor *d);
/* As parse_rank for an element of an index; one that says nothing of its platform is the last choice. */
int parse_rank_descriptor(const struct parse_platform *want, const struct oci_descriptor *d);
/* "linux/arm64/v8". */
int parse_platform_read(const char *text, struct parse_platform *ret, struct err *e);
/* Remembers a platform that was passed over. */
void parse_note_platform(struct parse *p, const char *os, const char *architecture,
			 const char *variant);

struct parse_image {
	struct json_strs names;
	const char *manifest_digest, *media_type;
	int64_t manifest_size;
	const struct oci_manifest *manifest;
	const struct oci_image_config *config;
};
/* Builds the record and sends it. Everything that the manifest names is known to be there. */
int parse_send_image(struct parse *p, const struct parse_image *image, struct arena *a,
		     struct err *e);
/* Makes names full references, in place. */
int parse_normalise_names(struct json_strs *names, struct arena *a, struct err *e);

/* ---- parse_oci.c, parse_docker.c ---- */
/* Attestations and the like: a manifest by type, but nothing to run. */
bool parse_is_extra(const struct oci_descriptor *d);
/* `media_type` may be NULL. */
bool parse_is_config_type(const char *media_type);
int parse_oci(struct parse *p, struct err *e);
int parse_docker(struct parse *p, struct err *e);
/* The elements of manifest.json; none when the archive has no such file. */
int parse_docker_list(struct parse *p, struct arena *a, struct docker_archive_image **ret,
		      size_t *ret_n, struct err *e);

/* Everything behind the sandbox; also what the fuzzer calls. */
int parse_run(struct parse *p, int fd, void (*tick)(void *data, uint64_t in_total), void *tick_data,
	      struct err *e);
