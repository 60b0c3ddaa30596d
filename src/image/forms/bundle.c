/*
 * Bundles: an image's root filesystem as a folder that people work on, and back. What the folder held is in a listing beside it, so
 * that nothing but the bundle and the store's image is needed to find what changed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "image/forms/priv.h"

#define ROOTFS "rootfs"
#define LISTING "rootfs.mtree"
#define NOTE "corten.json"
#define NOTE_MAX ((size_t)64 << 10)
#define NOTES_MAX 100000

/* corten.json: which image the bundle is of. A user may have changed it; it names content by digest only. */
struct bundle_note {
	const char *version; /* "1.0" */
	const char *name, *manifest_digest;
};
static const struct json_field note_rows[] = {
	JSON_ROW(bundle_note, version, "version", JSON_STR, JSON_REQUIRED),
	JSON_ROW(bundle_note, name, "name", JSON_STR, 0),
	JSON_ROW(bundle_note, manifest_digest, "manifestDigest", JSON_STR, JSON_REQUIRED),
};
static JSON_TABLE(note_table, NOTE, bundle_note, note_rows);

/* ---- unpack ---- */

struct unpacking {
	struct worker pack, unpack;
	struct pack_job job;
	struct arena a; /* of the notes */
	struct layer_note *notes;
	size_t notes_n, notes_cap;
	char diff_id[DIGEST_TEXT_MAX];
	int rootfs;
};

static int add_note(struct unpacking *u, const struct worker_msg *m, const char *payload,
		    struct err *e)
{
	int r;

	if (u->notes_n >= NOTES_MAX)
		return err_set(e, -E2BIG, "the image has more than %d odd folders and xattrs",
			       NOTES_MAX);
	if (mem_grow(&u->notes, &u->notes_cap, u->notes_n + 1, sizeof(*u->notes)) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = layer_note_read(m, payload, &u->a, &u->notes[u->notes_n], e);
	if (r == 0)
		u->notes_n++;
	return r;
}

static int on_unpacked(struct unpacking *u, const struct worker_msg *m, const char *payload,
		       struct err *e)
{
	size_t at = strlen(payload) + 1;

	if (at >= m->len || !digest_is_valid(payload + at))
		return err_set(e, -EPROTO, "the worker sent no digests");
	snprintf(u->diff_id, sizeof(u->diff_id), "%s", payload + at);
	worker_stop(&u->unpack);
	return 0;
}

static int run_unpack(struct unpacking *u, struct err *e)
{
	while (u->unpack.control >= 0) {
		AUTO_FREE char *payload = NULL;
		struct worker_msg m;
		int r = worker_wait(&u->unpack, false, e);

		if (r == 0)
			r = worker_recv(&u->unpack, &m, &payload, e);
		if (r < 0)
			return r;
		switch (m.type) {
		case WORKER_PROGRESS:
			break;
		case WORKER_IMPLIED:
		case WORKER_OPAQUE:
		case WORKER_XATTR:
			r = add_note(u, &m, payload, e);
			break;
		case WORKER_UNPACKED:
			r = on_unpacked(u, &m, payload, e);
			break;
		default:
			r = err_set(e, -EPROTO, "the worker sent message %u", m.type);
			break;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* One role reads the layers' mount and writes a stream and the listing, another makes the folder of the stream. */
static int start_both(struct unpacking *u, struct err *e)
{
	struct spawn_fd fds[2];
	int pipe[2], r;

	if (pipe2(pipe, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "make a pipe");
	u->job.archive = pipe[1];
	r = pack_start(&u->job, &u->pack, e);
	close(pipe[1]);
	fds[0] = (struct spawn_fd){ pipe[0], WORKER_BLOB_FD };
	fds[1] = (struct spawn_fd){ u->rootfs, WORKER_ROOT_FD };
	if (r == 0)
		r = worker_start("unpack", fds, 2, &u->unpack, e);
	close(pipe[0]);
	return r < 0 ? r : worker_send(&u->unpack, WORKER_START, 0, NULL, 0, -EBADF, e);
}

/* What the roles may not set, and that what went in came out. */
static int finish(struct unpacking *u, struct err *e)
{
	static const struct json_strs none = { 0 };
	struct packed packed;
	struct err why = ERR_INIT;
	int r = run_unpack(u, e), q;

	worker_stop(&u->unpack);
	q = pack_finish(&u->job, &u->pack, &packed, &why);
	/* The first to fail says why: the reader's end breaks the writer's pipe, the writer's cuts the stream off. */
	if (q < 0 && q != -EPIPE) {
		if (e)
			*e = why;
		return q;
	}
	if (r == 0 && (q < 0 || !streq(packed.diff_id, u->diff_id)))
		r = err_set(e, -EIO, "the folder is not what the layers have");
	for (size_t i = 0; i < u->notes_n && r == 0; i++)
		r = layer_note_apply(&u->notes[i], u->rootfs, &none, e);
	return r;
}

/* The archive says nothing of the root itself. */
static int copy_root(int from, int to, struct err *e)
{
	struct stat st;

	if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 ||
	    fchmod(to, st.st_mode & 07777) < 0)
		return err_sys(e, -errno, "set the root's owner and mode");
	return 0;
}

static int fill_rootfs(int view, int bundle, struct err *e)
{
	AUTO_FD rootfs = dir_open_make_at(bundle, ROOTFS, 0755);
	AUTO_FD listing = openat(bundle, LISTING, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	struct unpacking u = { .pack = { .control = -EBADF },
			       .unpack = { .control = -EBADF },
			       .job = { .setup = { .kind = PACK_TREE,
						   .has_archive = true,
						   .has_listing = true,
						   .is_hashed = true },
					.folder = view,
					.listing = listing,
					.is_patient = true },
			       .rootfs = rootfs };
	int r;

	if (rootfs < 0 || listing < 0)
		return err_sys(e, rootfs < 0 ? rootfs : -errno, "make the bundle");
	r = start_both(&u, e);
	if (r == 0)
		r = finish(&u, e);
	worker_stop(&u.unpack);
	worker_stop(&u.pack);
	free(u.notes);
	arena_done(&u.a);
	return r < 0 ? r : copy_root(view, rootfs, e);
}

static int write_note(int bundle, const struct image_record *rec, const char *name, struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	const struct bundle_note n = { "1.0", name, rec->manifest_digest };
	int r;

	json_write(&note_table, &n, JSON_PRETTY, &text);
	strbuf_addc(&text, '\n');
	r = strbuf_ok(&text);
	if (r == 0)
		r = file_replace_at(bundle, NOTE, text.p, text.len, 0644, 0);
	return r < 0 ? err_sys(e, r, "write '%s'", NOTE) : 0;
}

/* A new folder, or one with nothing in it. */
static int make_bundle(const char *path, struct err *e)
{
	AUTO_FD fd = -EBADF;
	struct dirent *de;
	DIR *d;
	int n = 0;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "make '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(dup(fd));
	if (!d)
		return err_sys(e, -errno, "open '%s'", path);
	while ((de = readdir(d)))
		n += !streq(de->d_name, ".") && !streq(de->d_name, "..");
	closedir(d);
	return n ? err_set(e, -EEXIST, "'%s' is not empty", path) : TAKE_FD(fd);
}

int image_bundle_unpack(struct store *s, const char *ns, const struct image_record *rec,
			const char *name, const char *path, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD bundle = -EBADF;
	AUTO_FD view = -EBADF;
	const char *key;
	int r = image_ensure_unpacked(s, ns, rec, NULL, NULL, &a, &key, e);

	if (r < 0)
		return r;
	view = view_open_committed(s, ns, key, e);
	if (view < 0)
		return view;
	bundle = make_bundle(path, e);
	if (bundle < 0)
		return bundle;
	r = fill_rootfs(view, bundle, e);
	/* Last: a bundle that has it is whole. */
	return r < 0 ? err_wrap(e, r, "bundle '%s'", path) : write_note(bundle, rec, name, e);
}

/* ---- repack ---- */

static int read_note(int bundle, struct arena *a, struct bundle_note *ret, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = file_read_at(bundle, NOTE, NOTE_MAX, &text, &len);

	if (r == -ENOENT)
		return err_set(e, r, "it has no '%s': 'corten image unpack' makes bundles", NOTE);
	if (r < 0)
		return err_sys(e, r, "read '%s'", NOTE);
	r = json_read(&note_table, text, len, NULL, a, ret, e);
	if (r == 0 && strncmp(ret->version, "1.", 2) != 0)
		r = err_set(e, -EPROTO, "%s: version '%.20s' is not known", NOTE, ret->version);
	if (r == 0 && !digest_is_valid(ret->manifest_digest))
		r = err_set(e, -EBADMSG, "%s: manifestDigest is no digest", NOTE);
	return r;
}

static int repack(struct store *s, const char *ns, int bundle, const struct image_new_options *o,
		  struct arena *a, const char **ret_id, struct err *e)
{
	AUTO_FD rootfs = openat(bundle, ROOTFS, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD listing = openat(bundle, LISTING, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct pack_job j = { .setup = { .kind = PACK_TREE, .has_base = true },
			      .folder = rootfs,
			      .base = listing };
	struct image_record *base;
	struct bundle_note note;
	struct stat st;
	int r = read_note(bundle, a, &note, e);

	if (r < 0)
		return r;
	if (rootfs < 0 || listing < 0 || fstat(listing, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, -ENOENT, "it has no '%s' or no '%s'", ROOTFS, LISTING);
	r = image_record_get(s, note.manifest_digest, a, &base, NULL);
	if (r < 0)
		return err_set(
			e, r, "its image %.19s is not in the store any more: load or pull it again",
			note.manifest_digest);
	return forms_image_of_folder(s, ns, base, &j, o, a, ret_id, e);
}

int image_bundle_repack(struct store *s, const char *ns, const char *path,
			const struct image_new_options *o, struct arena *a, const char **ret_id,
			struct err *e)
{
	AUTO_FD bundle = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (bundle < 0)
		return err_sys(e, -errno, "bundle '%s'", path);
	r = repack(s, ns, bundle, o, a, ret_id, e);
	return r < 0 ? err_wrap(e, r, "bundle '%s'", path) : 0;
}
