/*
 * The compose role: the config and the manifest of a new image, from those of an old one, a new layer and new settings. Behind
 * parse's sandbox; what it writes goes to files of the parent's, as parse's does.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "spec/compose_setup.h"
#include "spec/worker_protocol.h"
#include "worker/changes.h"
#include "worker/parse.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

struct composition {
	const struct compose_setup *setup;
	struct parse *p;
	struct arena *a;
	bool is_docker; /* the base's media types; else OCI's */
	struct oci_manifest m;
	struct oci_image_config c;
	struct err *e;
};

static int out_of_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

/* ---- the base ---- */

/* Asks for a document; its text stays in `*ret_payload`. */
static int want(const char *digest, const char *type, int64_t size, char **ret_payload,
		const char **ret_text, size_t *ret_len, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	size_t at;
	int r;

	strbuf_add(&b, digest, strlen(digest) + 1);
	strbuf_adds(&b, type ? type : "");
	if (strbuf_ok(&b) < 0)
		return out_of_memory(e);
	r = worker_msg_send(WORKER_CONTROL_FD, WORKER_WANT, (uint64_t)size, 0, b.p, b.len, -EBADF);
	if (r == 0)
		r = worker_msg_recv(WORKER_CONTROL_FD, &m, ret_payload, &fd);
	if (r <= 0 || m.type != WORKER_DOCUMENT || !streq(*ret_payload, digest))
		return err_set(e, -EPROTO, "no document");
	at = strlen(*ret_payload) + 1;
	at += at < m.len ? strlen(*ret_payload + at) + 1 : 1;
	if (at > m.len)
		return err_set(e, -EPROTO, "a document without a text");
	*ret_text = *ret_payload + at;
	*ret_len = m.len - at;
	return 0;
}

static int read_base(struct composition *x)
{
	AUTO_FREE char *manifest_payload = NULL;
	AUTO_FREE char *config_payload = NULL;
	struct oci_image_config *c = NULL;
	struct oci_manifest *m = NULL;
	const char *text;
	bool is_index = false;
	size_t len;
	int r = want(x->setup->base, NULL, x->setup->base_size, &manifest_payload, &text, &len,
		     x->e);

	if (r == 0)
		r = oci_manifest_read(text, len, NULL, x->a, &m, &is_index, x->e);
	if (r == 0 && (is_index || !m->config || !parse_is_config_type(m->config->media_type)))
		r = err_set(x->e, -EBADMSG, "the base is no image");
	if (r == 0)
		r = want(m->config->digest, m->config->media_type, m->config->size, &config_payload,
			 &text, &len, x->e);
	if (r == 0)
		r = oci_image_config_read(text, len, x->a, &c, x->e);
	if (r == 0 && (!c->rootfs || c->rootfs->diff_ids.n != m->layers.n))
		r = err_set(x->e, -EBADMSG, "the base's manifest has %zu layers, its config %zu",
			    m->layers.n, c->rootfs->diff_ids.n);
	if (r < 0)
		return r;
	x->is_docker = streq(m->config->media_type, MT_DOCKER_CONFIG);
	x->m.layers = m->layers;
	x->c = *c;
	return 0;
}

static int begin_new(struct composition *x)
{
	struct parse_platform pf;
	char variant[16];
	int r = parse_platform_read(x->setup->platform ? x->setup->platform : "", &pf, x->e);

	if (r < 0)
		return r;
	x->c.os = arena_strdup(x->a, pf.os);
	x->c.architecture = arena_strdup(x->a, pf.architecture);
	snprintf(variant, sizeof(variant), "v%d", pf.variant);
	x->c.variant = pf.variant ? arena_strdup(x->a, variant) : NULL;
	x->c.rootfs = arena_alloc(x->a, sizeof(*x->c.rootfs));
	return x->c.os && x->c.architecture && x->c.rootfs ? 0 : out_of_memory(x->e);
}

/* ---- what is new ---- */

static const char *const layer_types[][2] = {
	[LAYER_PLAIN] = { MT_OCI_LAYER, MT_DOCKER_LAYER },
	[LAYER_GZIP] = { MT_OCI_LAYER "+gzip", MT_DOCKER_LAYER ".gzip" },
	[LAYER_ZSTD] = { MT_OCI_LAYER "+zstd", MT_DOCKER_LAYER ".zstd" },
};

static int add_layer(struct composition *x)
{
	const struct compose_layer *l = x->setup->layer;
	struct json_strs *ids = &x->c.rootfs->diff_ids;
	struct oci_descriptor *layers = arena_calloc(x->a, x->m.layers.n + 1, sizeof(*layers));
	const char **v = arena_calloc(x->a, ids->n + 1, sizeof(*v));

	if (!layers || !v)
		return out_of_memory(x->e);
	if (x->m.layers.n >= LIMIT_LAYERS)
		return err_set(x->e, -E2BIG, "the image would have more than %d layers",
			       LIMIT_LAYERS);
	if (l->compression < LAYER_PLAIN || l->compression > LAYER_ZSTD)
		return err_set(x->e, -EPROTO, "unknown compression");
	if (ids->n) {
		memcpy(layers, x->m.layers.v, x->m.layers.n * sizeof(*layers));
		memcpy(v, ids->v, ids->n * sizeof(*v));
	}
	layers[x->m.layers.n++] =
		(struct oci_descriptor){ .media_type = layer_types[l->compression][x->is_docker],
					 .digest = l->digest,
					 .size = l->size };
	v[ids->n++] = l->diff_id;
	x->m.layers.v = layers;
	ids->v = v;
	return 0;
}

static int add_history(struct composition *x)
{
	const struct compose_setup *s = x->setup;
	struct oci_history *v = arena_calloc(x->a, x->c.history.n + 1, sizeof(*v));

	if (!v)
		return out_of_memory(x->e);
	if (x->c.history.n >= LIMIT_HISTORY)
		return err_set(x->e, -E2BIG, "the image's history has more than %d lines",
			       LIMIT_HISTORY);
	if (x->c.history.n)
		memcpy(v, x->c.history.v, x->c.history.n * sizeof(*v));
	v[x->c.history.n++] = (struct oci_history){ .created = s->created,
						    .created_by = s->created_by,
						    .author = s->author,
						    .comment = s->message,
						    .empty_layer = !s->layer };
	x->c.history.v = v;
	return 0;
}

#define OVER(to, from)             \
	do {                       \
		if (from.n)        \
			to = from; \
	} while (0)
#define OVER_TEXT(to, from)        \
	do {                       \
		if (from)          \
			to = from; \
	} while (0)

/* What a container had of its own. ONBUILD is for the build that begins with the image: a container has none. */
static void put_settings(struct oci_image_settings *to, const struct compose_setup *setup)
{
	const struct oci_image_settings *from = setup->settings;

	OVER_TEXT(to->user, from->user);
	OVER_TEXT(to->working_dir, from->working_dir);
	OVER_TEXT(to->stop_signal, from->stop_signal);
	OVER_TEXT(to->healthcheck, from->healthcheck);
	OVER(to->exposed_ports, from->exposed_ports);
	OVER(to->env, from->env);
	OVER(to->volumes, from->volumes);
	OVER(to->labels, from->labels);
	OVER(to->shell, from->shell);
	if (setup->has_command) {
		to->entrypoint = from->entrypoint;
		to->cmd = from->cmd;
		to->args_escaped = false;
	}
	to->on_build = (struct json_strs){ 0 };
}

static int change_settings(struct composition *x)
{
	const struct compose_setup *s = x->setup;
	struct oci_image_settings *to = arena_alloc(x->a, sizeof(*to));
	struct changes changes = { .s = to, .a = x->a };
	int r = 0;

	if (!to)
		return out_of_memory(x->e);
	if (x->c.config)
		*to = *x->c.config;
	if (s->settings)
		put_settings(to, s);
	for (size_t i = 0; i < s->changes.n && r == 0; i++)
		r = changes_apply(&changes, s->changes.v[i], x->e);
	x->c.config = to;
	return r;
}

/* ---- the result ---- */

static int write_config(struct composition *x, struct oci_descriptor *ret)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	char *digest = arena_alloc(x->a, DIGEST_TEXT_MAX);
	int r;

	x->c.rootfs->type = "layers";
	json_write(&oci_image_config_table, &x->c, 0, &out);
	if (strbuf_ok(&out) < 0 || !digest)
		return out_of_memory(x->e);
	if (out.len > LIMIT_MANIFEST_BYTES)
		return err_set(x->e, -E2BIG, "the image's settings take more than %zu MiB",
			       LIMIT_MANIFEST_BYTES >> 20);
	r = parse_write_blob(x->p, out.p, out.len, digest, x->e);
	*ret = (struct oci_descriptor){ .media_type = x->is_docker ? MT_DOCKER_CONFIG
								   : MT_OCI_CONFIG,
					.digest = digest,
					.size = (int64_t)out.len };
	return r;
}

static int write_image(struct composition *x)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	char *digest = arena_alloc(x->a, DIGEST_TEXT_MAX);
	struct oci_descriptor config;
	struct parse_image image = { .names = x->setup->names,
				     .manifest = &x->m,
				     .config = &x->c,
				     .manifest_digest = digest };
	int r = write_config(x, &config);

	if (r < 0)
		return r;
	image.media_type = x->is_docker ? MT_DOCKER_MANIFEST : MT_OCI_MANIFEST;
	x->m.schema_version = 2;
	x->m.media_type = image.media_type;
	x->m.config = &config;
	json_write(&oci_manifest_table, &x->m, 0, &out);
	if (strbuf_ok(&out) < 0 || !digest)
		return out_of_memory(x->e);
	r = parse_write_blob(x->p, out.p, out.len, digest, x->e);
	image.manifest_size = (int64_t)out.len;
	return r < 0 ? r : parse_send_image(x->p, &image, x->a, x->e);
}

static int run(struct parse *p, const struct compose_setup *setup, struct arena *a, struct err *e)
{
	struct composition x = { .setup = setup, .p = p, .a = a, .e = e };
	int r = setup->base ? read_base(&x) : begin_new(&x);

	x.c.created = setup->created;
	if (setup->author)
		x.c.author = setup->author;
	if (r == 0 && setup->layer)
		r = add_layer(&x);
	if (r == 0)
		r = change_settings(&x);
	if (r == 0)
		r = add_history(&x);
	return r < 0 ? r : write_image(&x);
}

int worker_compose_main(void)
{
	static const struct json_limits lim = { .bytes = WORKER_PAYLOAD_MAX };
	AUTO_ARENA struct arena a = { .budget = PARSE_KEPT_MAX + PARSE_IMAGE_BUDGET };
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct parse p = { .peer = &parse_parent };
	struct compose_setup setup;
	struct err e = ERR_INIT;
	struct worker_msg m;
	int r = sandbox_enter_parse(&e);

	if (r == 0) {
		r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);
		r = r <= 0 || m.type != WORKER_START ? err_set(&e, -EPROTO, "no start message") : 0;
	}
	if (r == 0)
		r = json_read(&compose_setup_table, payload, m.len, &lim, &a, &setup, &e);
	if (r == 0)
		r = run(&p, &setup, &a, &e);
	if (r == 0)
		r = worker_msg_send(WORKER_CONTROL_FD, WORKER_DONE, 0, 0, NULL, 0, -EBADF);
	else
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	return r < 0 ? 1 : 0;
}
