/* What a document is, by the word of the describe role, and what must hold for that word. */
#include "image/registry/registry.h"

#include <sys/mman.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/digest.h"

#define MANIFESTS_MAX 4096

static int check_descriptor(const struct oci_descriptor *d, struct err *e)
{
	if (!d)
		return 0;
	if (!digest_is_valid(d->digest) || d->size < 0 ||
	    (d->media_type && strlen(d->media_type) > LIMIT_NAME) ||
	    (d->artifact_type && strlen(d->artifact_type) > LIMIT_NAME))
		return err_set(e, -EBADMSG, "the worker sent a wrong descriptor");
	return 0;
}

static int check_manifest(const struct oci_manifest *m, struct err *e)
{
	int r = check_descriptor(m->config, e);

	if (r == 0)
		r = check_descriptor(m->subject, e);
	if (r == 0 && (m->layers.n > LIMIT_LAYERS || m->manifests.n > MANIFESTS_MAX))
		r = err_set(e, -E2BIG, "the worker sent too many descriptors");
	for (size_t i = 0; r == 0 && i < m->layers.n; i++)
		r = check_descriptor(&m->layers.v[i], e);
	for (size_t i = 0; r == 0 && i < m->manifests.n; i++)
		r = check_descriptor(&m->manifests.v[i], e);
	return r;
}

int image_described_read(const char *json, size_t len, struct arena *a, struct image_described *ret,
			 struct err *e)
{
	static const struct json_limits lim = { .bytes = WORKER_PAYLOAD_MAX };
	int r = json_read(&image_described_table, json, len, &lim, a, ret, e);

	if (r < 0)
		return r;
	if (!digest_is_valid(ret->digest) || strlen(ret->media_type) > LIMIT_NAME ||
	    !ret->manifest == !ret->config)
		return err_set(e, -EBADMSG, "the worker sent a wrong description");
	return ret->manifest ? check_manifest(ret->manifest, e) : 0;
}

int image_memory_file(const char *text, size_t len, struct err *e)
{
	AUTO_FD fd = memfd_create("corten-document", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write_full(fd, text, len);

	return r < 0 ? err_sys(e, r, "make a file in memory") : TAKE_FD(fd);
}

static int start(struct worker *w, const char *platform, struct err *e)
{
	int r = w->control >= 0 ? 1 : worker_start("describe", NULL, 0, w, e);

	return r != 0 ? MIN(r, 0)
		      : worker_send(w, WORKER_START, 0, platform, strlen(platform), -EBADF, e);
}

int image_describe(struct worker *w, const char *platform, const char *digest,
		   const char *media_type, const char *text, size_t len, struct arena *a,
		   struct image_described *ret, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	AUTO_FREE char *payload = NULL;
	struct worker_msg m;
	int r = start(w, platform, e);

	strbuf_add(&b, digest, strlen(digest) + 1);
	strbuf_add(&b, media_type, strlen(media_type) + 1);
	strbuf_add(&b, text, len);
	if (r == 0 && strbuf_ok(&b) < 0)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r == 0)
		r = worker_send(w, WORKER_DOCUMENT, 0, b.p, b.len, -EBADF, e);
	if (r == 0)
		r = worker_wait(w, false, e);
	if (r == 0)
		r = worker_recv(w, &m, &payload, e);
	if (r < 0)
		return r;
	if (m.type != WORKER_DESCRIBED)
		return err_set(e, -EPROTO, "the worker sent message %u", m.type);
	r = image_described_read(payload, m.len, a, ret, e);
	if (r == 0 && !streq(ret->digest, digest))
		r = err_set(e, -EPROTO, "the worker described another document");
	return r;
}
