/* The pack role's other end. */
#include <sys/stat.h>

#include "base/err.h"
#include "base/str.h"
#include "image/forms/priv.h"

int pack_start(const struct pack_job *j, struct worker *ret, struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct spawn_fd fds[4];
	size_t n = 0;
	int r;

	fds[n++] = (struct spawn_fd){ j->folder, WORKER_FOLDER_FD };
	if (j->setup.has_archive)
		fds[n++] = (struct spawn_fd){ j->archive, WORKER_ARCHIVE_FD };
	if (j->setup.has_base)
		fds[n++] = (struct spawn_fd){ j->base, WORKER_BASE_FD };
	if (j->setup.has_listing)
		fds[n++] = (struct spawn_fd){ j->listing, WORKER_LIST_FD };
	json_write(&pack_setup_table, &j->setup, 0, &text);
	if (strbuf_ok(&text) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = worker_start("pack", fds, n, ret, e);
	if (r < 0)
		return r;
	r = worker_send(ret, WORKER_START, 0, text.p, text.len, -EBADF, e);
	if (r < 0)
		worker_stop(ret);
	return r;
}

static int on_changes(const struct pack_job *j, const struct worker_msg *m, const char *payload,
		      struct err *e)
{
	const char *end = payload + m->len;

	if (!j->changed || m->len == 0 || end[-1] != '\0')
		return err_set(e, -EPROTO, "the worker sent wrong changes");
	while (payload < end) {
		int r;

		if (!strchr("ACD", *payload) || payload[1] != '/')
			return err_set(e, -EPROTO, "the worker sent a wrong change");
		r = j->changed(j->changed_data, *payload, payload + 1);
		if (r < 0)
			return r;
		payload += strlen(payload) + 1;
	}
	return 0;
}

static int on_packed(const struct pack_job *j, const struct worker_msg *m, const char *payload,
		     struct packed *ret, struct err *e)
{
	size_t at = strlen(payload) + 1;

	*ret = (struct packed){ .size = (int64_t)m->a, .content_size = (int64_t)m->b };
	if (m->a > INT64_MAX || m->b > INT64_MAX)
		return err_set(e, -EPROTO, "the worker sent wrong sizes");
	if (!j->setup.is_hashed)
		return 0;
	if (at >= m->len || !digest_is_valid(payload) || !digest_is_valid(payload + at) ||
	    !str_skip(payload, "sha256:") || !str_skip(payload + at, "sha256:"))
		return err_set(e, -EPROTO, "the worker sent no digests");
	memcpy(ret->digest, payload, at);
	memcpy(ret->diff_id, payload + at, strlen(payload + at) + 1);
	return 0;
}

int pack_finish(const struct pack_job *j, struct worker *w, struct packed *ret, struct err *e)
{
	for (;;) {
		AUTO_FREE char *payload = NULL;
		struct worker_msg m;
		int r = worker_wait(w, j->is_patient, e);

		if (r == 0)
			r = worker_recv(w, &m, &payload, e);
		if (r < 0)
			return r;
		switch (m.type) {
		case WORKER_PROGRESS:
			if (j->progress)
				j->progress(j->progress_data, j->what ? j->what : "folder",
					    (int64_t)MIN(m.a, (uint64_t)INT64_MAX), 0);
			break;
		case WORKER_CHANGE:
			r = on_changes(j, &m, payload, e);
			break;
		case WORKER_PACKED:
			r = on_packed(j, &m, payload, ret, e);
			worker_stop(w);
			return r;
		default:
			r = err_set(e, -EPROTO, "the worker sent message %u", m.type);
			break;
		}
		if (r < 0)
			return r;
	}
}

int pack(const struct pack_job *j, struct packed *ret, struct err *e)
{
	struct worker w = { .control = -EBADF };
	int r = pack_start(j, &w, e);

	if (r == 0)
		r = pack_finish(j, &w, ret, e);
	worker_stop(&w);
	return r;
}

/* ---- a container's snapshot ---- */

/*
 * What the runtime makes to mount upon when the image has no such thing is not the container's doing. Docker has it in
 * a layer of its own; podman passes over the same names.
 */
void pack_skip_mount_points(struct pack_setup *setup)
{
	static const char *points[] = { "dev",		"proc",	     "sys",
					"etc/hostname", "etc/hosts", "etc/resolv.conf" };

	setup->skipped = (struct json_strs){ points, ARRAY_LEN(points) };
}

static void diff_job(const struct snapshot_view *v, struct pack_job *j)
{
	*j = (struct pack_job){
		.setup = { .kind = v->is_overlay ? PACK_OVERLAY : PACK_TREE,
			   .has_base = true,
			   .is_told = true },
		.folder = v->upper,
		.base = v->below,
	};
	pack_skip_mount_points(&j->setup);
}

/*
 * An overlay's folder that refers to what is below by other names (-EXDEV) does not say alone what changed; the whole of
 * it, held against what is below, does.
 */
int image_diff(struct store *s, const char *ns, const char *snapshot_key, image_change_fn changed,
	       void *data, struct err *e)
{
	AUTO_VIEW v = { 0 };
	struct packed packed;
	struct pack_job j;
	int r = view_open_active(s, ns, snapshot_key, true, false, &v, e);

	if (r < 0)
		return r;
	diff_job(&v, &j);
	j.changed = changed;
	j.changed_data = data;
	r = pack(&j, &packed, e);
	if (r != -EXDEV)
		return r;
	view_close(&v);
	r = view_open_active(s, ns, snapshot_key, true, true, &v, e);
	if (r < 0)
		return r;
	j.setup.kind = PACK_TREE;
	j.folder = v.whole;
	j.base = v.below;
	return pack(&j, &packed, e);
}

int image_export(struct store *s, const char *ns, const char *snapshot_key, int fd, struct err *e)
{
	AUTO_VIEW v = { 0 };
	struct packed packed;
	struct pack_job j = { .setup = { .kind = PACK_TREE, .has_archive = true },
			      .archive = fd,
			      .is_patient = true };
	int r = view_open_active(s, ns, snapshot_key, false, true, &v, e);

	if (r < 0)
		return r;
	j.folder = v.whole;
	return pack(&j, &packed, e);
}
